"""Other people's statement files: each is read as the result beside it says, or refused.

The files lie outside the repository; where they are not there the tests are skipped, loudly.
"""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ingestion.bank_files.formats import read_content
from ingestion.bank_files.statements import Statement, StatementKind
from ingestion.bank_files.swift.fields import lines_of, messages
from ingestion.bank_files.swift.lines import Line, read_line
from ingestion.common.errors import InputRefused
from tests.ingestion.bank_files.expected import SAMPLES, camt_of, day, money, mt940_of, signed

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"NO SAMPLES: {SAMPLES} is not there")

TAKEN = "taken"
MISSING, WRONG_SUM = "missing_balance", "balances_do_not_add_up"

#: Every file by format folder and name: taken, or the code it is refused with. Most MT940 samples
#: are single fields or were shortened by whoever published them, so their balances are not sums.
OUTCOMES = {
    "camt": {
        TAKEN: """camt052.v1 camt052.v2 camt052.v2.other-account camt052.v4 camt052.v6 camt052.v8
            camt052.v6.Amt-zero camt053.v2.multi.statement camt054.v2 camt054.v2.with-account-name
            camt054.v4 camt054.v8 camt054.v8-with-UETR camt054.v8-with-financial-institution""",
        "missing_date": "camt052.v2.with-account-name",
        WRONG_SUM: "camt053.v2.all-balance-types camt053.v2.five.decimals",
        "currency_mismatch": """camt053.v2.minimal camt053.v2.minimal.ultimate
            camt053.v2.with-party-ids camt053.v3 camt053.v4 camt053.v8""",
        MISSING: "camt053.v2.with-account-name camt53.only-Dt-with-DtTm",
        "no_statement": "camt053.v2.wrong",
    },
    "bai2": {
        TAKEN: "sample1 sample2 sample3",
        "control_totals_do_not_add_up": """sample4-continuations-newline-delimited
            sample5-issue113""",
        "unknown_format": "sample-parseError",
    },
    "mt940": {
        TAKEN: """0708271685_09022020_164516.940 sepa_mt9401 with_binary_character generic
            rabobank-iban sns mBank/mt940 mBank/mt942 171011_01234945 february_30
            long_statement_number transaction_details_wrapped wrapped_timestamp""",
        MISSING: """amount_formats currency_in_25 empty_86 empty_entry_date empty_line
            missing_crlf_at_end account_balance_credit account_balance_debit
            account_identification_iban account_identification_legacy available_balance
            closing_balance reference statement_details statement_line statement_number
            empty_non_swift gv_codes sparkassen""",
        WRONG_SUM: """sepa_snippet sepa_snippet_broken abnamro ing knab postfinance rabobank triodos
            with_newline_in_tnr details_60-63 malformed_details overly_long_details raiffeisen-cmi
            whitespace""",
        "unknown_currency": "cmxl/mt940 raphaelm",
        "totals_do_not_add_up": "self-provided/mt942",
        "unknown_format": "invalid_statement",
    },
}
EXPECTED = {
    (folder, name): outcome
    for folder, outcomes in OUTCOMES.items()
    for outcome, names in outcomes.items()
    for name in names.split()
}


def sample_files() -> dict[tuple[str, str], Path]:
    found = {}
    for path in sorted(SAMPLES.rglob("*")):
        folder = {"g": "camt", "m": "bai2", "w": "mt940"}.get(path.relative_to(SAMPLES).parts[0][0])
        if folder and path.suffix in (".xml", ".sta", ".txt"):
            plain = (folder, path.stem)
            key = plain if plain in EXPECTED else (folder, f"{path.parent.name}/{path.stem}")
            found[key] = path
    return found


def outcome_of(path: Path) -> str:
    """``taken`` or the reason; any other exception is a crash and fails the test."""
    try:
        return TAKEN if read_content(path).statements else "empty"
    except InputRefused as error:
        acts = any(word in error.message for word in ("ask ", "use ", "remove "))
        return error.code if acts and path.name in error.message else f"mute: {error.message}"


def test_every_sample_is_taken_or_refused_with_the_right_reason() -> None:
    outcomes = {key: outcome_of(path) for key, path in sample_files().items()}
    assert outcomes == EXPECTED
    assert len(outcomes) == 26 + 6 + 50


def agrees(line: Line, wanted: dict[str, Any]) -> bool:
    """True where a line says what its expected result states."""
    reference = wanted["bank_reference"]
    return (
        line.amount == signed(wanted)
        and line.value_date == wanted["date"]
        and line.booking_date == (wanted.get("entry_date") or line.booking_date)
        and line.bank_reference == (reference or line.bank_reference)
    )


def test_every_mt940_line_is_read_as_its_expected_result_says() -> None:
    compared = 0
    for (folder, _), path in sample_files().items():
        if folder != "mt940" or not path.with_suffix(".yml").exists():
            continue
        fields = [one for message in messages(lines_of(path)) for one in message]
        wanted = [one for one in mt940_of(path)[1] if "amount" in one]
        found = [read_line(one.value, "EUR", path.name) for one in fields if one.tag == "61"]
        assert len(found) == len(wanted), path.name
        for line, expected in zip(found, wanted, strict=True):
            assert agrees(line, expected), (path.name, line, expected)
        compared += len(found)
    assert compared > 150


def expected_balances(data: dict[str, Any]) -> set[tuple[Decimal, object]]:
    names = ("final_closing_balance", "intermediate_closing_balance")
    return {(data[n]["amount"]["amount"], data[n]["date"]) for n in names if n in data}


def test_balances_accounts_and_numbers_of_mt940_are_those_of_the_expected_results() -> None:
    compared = 0
    for key, path in sample_files().items():
        if key[0] != "mt940" or EXPECTED[key] != TAKEN or not path.with_suffix(".yml").exists():
            continue
        data, transactions = mt940_of(path)
        statements = read_content(path).statements
        # That library keeps the last statement's data of a file.
        last = statements[-1]
        assert last.account == data["account_identification"].removesuffix(last.currency_code)
        # It also cuts a number of ten digits in two.
        number = data["statement_number"]
        whole = number if len(number) < 5 else f"{number}{data.get('sequence_number') or ''}"
        assert last.sequence_number in (number.lstrip("0"), whole.lstrip("0"))
        closings = {(s.closing_amount, s.closing_date) for s in statements}
        assert expected_balances(data) <= closings, path.name
        assert sum(len(s.entries) for s in statements) == len(transactions)
        compared += 1
    assert compared >= 10


def expected_entries(path: Path) -> list[tuple[Any, ...]]:
    return [
        (
            money(one),
            one["getAmount"]["getCurrency"]["getCode"],
            day(one["getBookingDate"]),
            day(one["getValueDate"]),
            one["getAccountServicerReference"] or "",
        )
        for one in camt_of(path)["getEntries"]
        if one["getStatus"] == "BOOK"
    ]


def read_entries(statement: Statement) -> list[tuple[Any, ...]]:
    is_notice = statement.kind is StatementKind.NOTICE
    return [
        (
            one.amount,
            one.currency_code,
            None if is_notice and one.booking_date.year == 1 else one.booking_date,
            None if is_notice and one.value_date.year == 1 else one.value_date,
            one.account_servicer_reference,
        )
        for one in statement.entries
    ]


def test_camt_entries_are_those_of_the_expected_results() -> None:
    compared = 0
    for key, path in sample_files().items():
        if key[0] == "camt" and EXPECTED[key] == TAKEN:
            # That library's result holds the entries of a file's last statement.
            assert read_entries(read_content(path).statements[-1]) == expected_entries(path), path
            compared += 1
    assert compared == 14


def test_camt_balances_are_those_of_the_expected_result() -> None:
    path = sample_files()["camt", "camt053.v2.multi.statement"]
    record = camt_of(path)["getEntries"][0]["getRecord"]
    wanted = {one["getType"]: (money(one), day(one["getDate"])) for one in record["getBalances"]}
    last = read_content(path).statements[-1]
    assert (last.opening_amount, last.opening_date) == wanted["opening"]
    assert (last.closing_amount, last.closing_date) == wanted["closing"]


def test_bai2_accounts_are_read_with_their_signs_and_balances() -> None:
    files = sample_files()
    first, second = read_content(files["bai2", "sample1"]).statements
    assert {one.account for one in (first, second)} == {"10200123456"}
    assert sum(e.amount for e in first.entries if e.amount > 0) == Decimal("2085.00")
    assert sum(e.amount for e in second.entries if e.amount < 0) == Decimal("-1115.00")
    deposits = read_content(files["bai2", "sample2"]).statements
    assert [e.virtual_account for s in deposits for e in s.entries] == ["", "68751", "", ""]
    masked = read_content(files["bai2", "sample3"]).statements
    assert len(masked) == 15
    assert masked[0].opening_amount == Decimal("-35.00")
    assert masked[0].closing_amount == Decimal("-36.00")
