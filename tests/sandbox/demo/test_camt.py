"""Statements as the bank makes them: balances that add up, counted by an independent parser."""

from collections import defaultdict
from decimal import Decimal
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from sandbox.demo.additions import make_world
from sandbox.demo.camt import make_statements
from sandbox.demo.generator import generate
from sandbox.demo.settings import load_settings


@pytest.fixture(scope="module")
def world():
    settings = load_settings()
    return make_world(generate(settings), settings)


@pytest.fixture(scope="module")
def files(world):
    return make_statements(world.payments.payments, world.payments.accounts)


def figures(file) -> dict:
    """Opening, closing, sum of entries and numbers of a file, whatever its version."""
    root = ET.fromstring(file.body)
    name = root.tag.removesuffix("Document")
    statement = root.find(f"{name}BkToCstmrStmt/{name}Stmt")
    balances = {}
    for balance in statement.findall(f"{name}Bal"):
        code = balance.findtext(f"{name}Tp/{name}CdOrPrtry/{name}Cd")
        sign = 1 if balance.findtext(f"{name}CdtDbtInd") == "CRDT" else -1
        balances[code] = sign * Decimal(balance.findtext(f"{name}Amt"))
    entries = statement.findall(f"{name}Ntry")
    return {
        "account": statement.findtext(f"{name}Acct/{name}Id/{name}IBAN"),
        "number": int(statement.findtext(f"{name}ElctrncSeqNb")),
        "opening": balances["OPBD"],
        "closing": balances["CLBD"],
        "amounts": [Decimal(e.findtext(f"{name}Amt")) for e in entries],
        "references": [e.findtext(f"{name}AcctSvcrRef") for e in entries],
        "lines": [line.text for line in statement.iter(f"{name}Ustrd")],
        "namespace": name,
    }


def test_opening_plus_entries_is_closing_and_closing_is_the_next_opening(files):
    by_account = defaultdict(list)
    for file in files:
        read = figures(file)
        assert read["opening"] + sum(read["amounts"]) == read["closing"]
        by_account[read["account"]].append(read)
    for reads in by_account.values():
        assert [read["number"] for read in reads] == list(range(1, len(reads) + 1))
        for before, after in pairwise(reads):
            assert before["closing"] == after["opening"]


def test_every_payment_stands_in_exactly_one_statement(world, files):
    found = [reference for file in files for reference in figures(file)["references"]]
    assert sorted(found) == sorted(p.bank_reference for p in world.payments.payments)
    total = sum(sum(figures(file)["amounts"]) for file in files)
    assert total == sum(p.amount for p in world.payments.payments)


def test_text_lines_fit_and_file_names_are_unique(files):
    assert len({file.name for file in files}) == len(files)
    for file in files:
        assert all(len(line) <= 140 for line in figures(file)["lines"])


def test_both_message_versions_are_written(files):
    versions = {figures(file)["namespace"][-4:-1] for file in files}
    assert versions == {".02", ".08"}


def test_statements_are_a_pure_function_of_the_payments(world, files):
    again = make_statements(world.payments.payments, world.payments.accounts)
    assert [file.body for file in again] == [file.body for file in files]
