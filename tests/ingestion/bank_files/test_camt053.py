from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.bank_files.formats import formats, parse_file
from ingestion.bank_files.statements import Entry, Statement
from ingestion.common.errors import InputRefused
from tests.ingestion.bank_files.camt import IBAN, balance, document, entry, statement


def parse(tmp_path: Path, content: bytes) -> list[Statement]:
    path = tmp_path / "statement.xml"
    path.write_bytes(content)
    return parse_file(path)


def entries(tmp_path: Path, *texts: str, closing: str, version: str = "02") -> tuple[Entry, ...]:
    content = document(statement(texts, closing=closing), version=version)
    return parse(tmp_path, content)[0].entries


def refusal(tmp_path: Path, content: bytes) -> InputRefused:
    with pytest.raises(InputRefused) as caught:
        parse(tmp_path, content)
    assert caught.value.where
    assert "statement.xml" in caught.value.message
    return caught.value


DETAILS = """<TxDtls><Refs><AcctSvcrRef>BANK-1</AcctSvcrRef><EndToEndId>E2E-7</EndToEndId></Refs>
<RltdPties><Dbtr>{name}</Dbtr><DbtrAcct><Id><IBAN>DE02 1203 0000 0000 2020 51</IBAN></Id></DbtrAcct>
<UltmtDbtr><Nm>Mother Corp</Nm></UltmtDbtr></RltdPties>
<RmtInf><Ustrd>{line}</Ustrd><Ustrd>and 1930000002</Ustrd>
<Strd><RfrdDocInf><Nb>1930000003</Nb></RfrdDocInf></Strd>
<Strd><RfrdDocInf><Nb>1930000004</Nb></RfrdDocInf><CdtrRefInf><Ref>RF18539007547034</Ref></CdtrRefInf>
</Strd></RmtInf></TxDtls>"""


@pytest.mark.parametrize(
    ("version", "name", "status"),
    [
        ("02", "<Nm>Payer Ltd</Nm>", "<Sts>BOOK</Sts>"),
        ("04", "<Nm>Payer Ltd</Nm>", "<Sts>BOOK</Sts>"),
        ("08", "<Pty><Nm>Payer Ltd</Nm></Pty>", "<Sts><Cd>BOOK</Cd></Sts>"),
    ],
)
def test_a_payment_with_all_its_references_is_read_in_every_version(
    tmp_path: Path, version: str, name: str, status: str
) -> None:
    text = entry("50.25", status=status, details=DETAILS.format(name=name, line="INV 1930000001"))
    (found,) = entries(tmp_path, text, closing="150.25", version=version)
    assert found == Entry(
        position=1,
        amount=Decimal("50.25"),
        currency_code="EUR",
        booking_date=date(2026, 1, 5),
        value_date=date(2026, 1, 6),
        account_servicer_reference="BANK-1",
        end_to_end_id="E2E-7",
        remittance_text="INV 1930000001 and 1930000002",
        structured_references="1930000003;1930000004",
        creditor_reference="RF18539007547034",
        payer_name="Payer Ltd",
        payer_account="DE02120300000000202051",
        ultimate_payer_name="Mother Corp",
        bank_code="166",
        transactions=1,
    )


def test_a_full_line_of_remittance_text_runs_on_without_a_blank(tmp_path: Path) -> None:
    details = DETAILS.format(name="<Nm>P</Nm>", line="x" * 134 + "INV 19")
    (found,) = entries(tmp_path, entry("1.00", details=details), closing="101.00")
    assert "INV 19and 1930000002" in found.remittance_text


def test_the_statement_itself(tmp_path: Path) -> None:
    (found,) = parse(tmp_path, document(statement(opening="-5.00".strip("-"), closing="5.00")))
    assert found.account == IBAN
    assert found.created_at == datetime(2026, 1, 5, 21, 30, tzinfo=UTC)
    assert (found.opening_date, found.closing_date) == (date(2026, 1, 5), date(2026, 1, 5))
    assert found.sequence_number == "1"


def test_debits_are_negative_and_an_overdraft_adds_up(tmp_path: Path) -> None:
    both = balance("OPBD", "10.00", side="DBIT") + balance("CLBD", "60.00", side="DBIT")
    (found,) = parse(tmp_path, document(statement([entry("50.00", side="DBIT")], balances=both)))
    assert found.opening_amount == Decimal("-10.00")
    assert found.entries[0].amount == Decimal("-50.00")


def test_pending_entries_are_no_movements(tmp_path: Path) -> None:
    texts = [
        entry("7.00", status="<Sts>PDNG</Sts>"),
        entry("8.00", status="<Sts><Cd>INFO</Cd></Sts>"),
        entry("1.00"),
    ]
    found = entries(tmp_path, *texts, closing="101.00")
    assert [one.amount for one in found] == [Decimal("1.00")]


def test_a_reversal_keeps_its_own_direction_and_says_so(tmp_path: Path) -> None:
    text = entry("20.00", side="DBIT", extra="<RvslInd>true</RvslInd>", reference="R1")
    (found,) = entries(tmp_path, text, closing="80.00")
    assert (found.amount, found.is_reversal) == (Decimal("-20.00"), True)


def transaction(amount: str, name: str, *, old: bool = True, reference: str = "") -> str:
    money = f'<Amt Ccy="EUR">{amount}</Amt>'
    money = f"<AmtDtls><TxAmt>{money}</TxAmt></AmtDtls>" if old else money
    ref = f"<AcctSvcrRef>{reference}</AcctSvcrRef>" if reference else ""
    return (
        f"<TxDtls><Refs>{ref}<EndToEndId>{name}</EndToEndId></Refs>{money}"
        f"<RltdPties><Dbtr><Nm>{name}</Nm></Dbtr></RltdPties>"
        f"<RmtInf><Ustrd>INV {name}</Ustrd></RmtInf></TxDtls>"
    )


@pytest.mark.parametrize("old", [True, False])
def test_a_batch_booking_is_split_when_its_transactions_sum_to_it(
    tmp_path: Path, old: bool
) -> None:
    details = transaction("30.00", "A", old=old) + transaction(
        "20.00", "B", old=old, reference="OWN"
    )
    found = entries(tmp_path, entry("50.00", reference="BATCH", details=details), closing="150.00")
    assert [(e.amount, e.payer_name, e.position) for e in found] == [
        (Decimal("30.00"), "A", 1),
        (Decimal("20.00"), "B", 2),
    ]
    assert [e.account_servicer_reference for e in found] == ["BATCH/1", "OWN"]


def test_a_batch_booking_that_cannot_be_split_stays_whole_with_all_its_texts(
    tmp_path: Path,
) -> None:
    details = transaction("30.00", "A") + transaction("10.00", "B")
    (found,) = entries(tmp_path, entry("50.00", details=details), closing="150.00")
    assert found.amount == Decimal("50.00")
    assert found.remittance_text == "INV A\nINV B"
    assert found.payer_name == ""


@given(amounts=st.lists(st.integers(min_value=-(10**9), max_value=10**9).filter(bool), max_size=12))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_statement_whose_entries_explain_its_balances_is_taken(
    tmp_path: Path, amounts: list[int]
) -> None:
    def money(cents: int) -> str:
        return f"{abs(cents) // 100}.{abs(cents) % 100:02d}"

    def side(cents: int) -> str:
        return "DBIT" if cents < 0 else "CRDT"

    closing = 10_000 + sum(amounts)
    both = balance("OPBD", "100.00") + balance("CLBD", money(closing), side=side(closing))
    texts = [entry(money(one), side=side(one)) for one in amounts]
    (found,) = parse(tmp_path, document(statement(texts, balances=both)))
    assert [one.amount * 100 for one in found.entries] == amounts
    off = balance("OPBD", "100.01") + balance("CLBD", money(closing), side=side(closing))
    wrong = document(statement(texts, balances=off))
    assert refusal(tmp_path, wrong).code == "balances_do_not_add_up"


def test_dates_may_be_points_in_time_and_one_of_two_may_be_missing(tmp_path: Path) -> None:
    text = entry("1.00", dates="<BookgDt><DtTm>2026-01-05T23:30:00+01:00</DtTm></BookgDt>")
    (found,) = entries(tmp_path, text, closing="101.00")
    assert found.booking_date == found.value_date == date(2026, 1, 5)


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (document(statement(closing="99.00")), "balances_do_not_add_up", "difference 1.00"),
        (document(statement([entry("1.00")], closing="101.00"))[:-60], "truncated", "cut off"),
        (document(), "no_statement", "no statement"),
        (document(statement(balances=balance("CLBD", "1.00"))), "missing_balance", "OPBD"),
        (document(statement(balances=balance("OPBD", "1.00"))), "missing_balance", "CLBD"),
        (
            document(statement([entry("1.001")], closing="101.00")),
            "too_many_decimals",
            "1.001 EUR has more than 2 decimals",
        ),
        (
            document(statement([entry("1.00", currency="XXQ")], closing="101.00")),
            "unknown_currency",
            "'XXQ'",
        ),
        (
            document(statement([entry("1.00", currency="USD")], closing="101.00")),
            "currency_mismatch",
            "USD",
        ),
        (
            document(statement([entry("1,00")], closing="101.00")),
            "bad_amount",
            "'1,00' is not an amount",
        ),
        (
            document(statement([entry("1.00", side="")], closing="101.00")),
            "missing_amount",
            "CdtDbtInd",
        ),
        (
            document(statement([entry("1.00", dates="")], closing="101.00")),
            "missing_date",
            "neither booking nor value date",
        ),
        (
            document(
                statement(
                    [entry("1.00", dates="<ValDt><Dt>2026-13-01</Dt></ValDt>")], closing="101.00"
                )
            ),
            "bad_date",
            "2026-13-01",
        ),
        (b"", "empty_file", "empty"),
        (b"hello\r\nworld", "unknown_format", "camt.053"),
        (
            document(statement()).replace(b"camt.053", b"pain.001"),
            "unknown_format",
            "pain.001.001.02",
        ),
    ],
)
def test_bad_input_is_refused_with_what_where_and_what_to_do(
    tmp_path: Path, content: bytes, code: str, words: str
) -> None:
    error = refusal(tmp_path, content)
    assert error.code == code
    assert words in error.message
    assert any(word in error.message for word in ("ask", "use", "expected", "remove"))


@pytest.mark.parametrize(
    "head",
    [
        '<!DOCTYPE Document [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>',
        '<!DOCTYPE Document SYSTEM "file:///etc/passwd">',
    ],
)
def test_a_document_type_definition_is_refused_unread(tmp_path: Path, head: str) -> None:
    assert refusal(tmp_path, document(statement(), head=head)).code == "forbidden_doctype"


def test_several_statements_of_one_file_are_each_checked(tmp_path: Path) -> None:
    found = parse(tmp_path, document(statement(number="1"), statement(number="2")))
    assert [one.sequence_number for one in found] == ["1", "2"]
    wrong = document(statement(number="1"), statement(number="2", closing="1.00"))
    assert "S2" in refusal(tmp_path, wrong).message


def test_a_large_statement_is_read_without_keeping_its_tree(tmp_path: Path) -> None:
    texts = [entry("1.00", reference=f"R{n}") for n in range(4_000)]
    found = entries(tmp_path, *texts, closing="4100.00")
    assert len(found) == 4_000
    assert found[-1].position == 4_000


def test_formats_are_found_by_looking() -> None:
    assert "camt.053" in [module.NAME for module in formats()]
