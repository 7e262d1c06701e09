"""One movement, several messages: interim reports, notices and statements never book it twice."""

from decimal import Decimal
from pathlib import Path

import pytest

from tests.ingestion.bank_files.bank import Bank, day
from tests.ingestion.bank_files.camt import (
    as_interim,
    as_notice,
    document,
    entry,
    line,
    statement,
    transaction,
)

LINES = "select receipt_id is not null, reference, amount_paid from bank_files_raw.remittance_lines"


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    return Bank(tmp_path)


def interim(*texts: str, number: int = 1) -> bytes:
    return as_interim(day(number, *texts))


def notice(*texts: str, number: int = 1) -> bytes:
    return as_notice(day(number, *texts))


BATCH = transaction("30.00", "A", structured=line("INV-1", "30.00")) + transaction("20.00", "B")


def test_an_interim_booking_is_a_receipt_once_whatever_its_statement_says_later(bank: Bank) -> None:
    pending = entry("9.00", status="<Sts>PDNG</Sts>", reference="P")
    bank.drop("a.xml", interim(entry("50.00", reference="R1"), pending))
    bank.read()
    assert bank.entries() == [(Decimal("50.00"), "R1")]
    first = bank.entries("receipt_id")
    later = "<BookgDt><Dt>2026-01-05</Dt></BookgDt><ValDt><Dt>2026-01-09</Dt></ValDt>"
    bank.drop("b.xml", day(1, entry("50.00", reference="R1", dates=later), closing="150.00"))
    assert bank.read().warnings == []
    assert bank.entries("receipt_id") == first
    kinds = (
        "select kind from bank_files_raw.statements "
        "join bank_files_raw.entries using (statement_id)"
    )
    assert bank.rows(kinds) == [("final",)]


def test_an_interim_booking_that_the_statement_names_otherwise_is_claimed_by_it(bank: Bank) -> None:
    one = transaction("50.00", "A", reference="")
    bank.drop("a.xml", interim(entry("50.00", reference="TEMP", details=one)))
    bank.read()
    first = bank.entries("receipt_id")
    bank.drop("b.xml", day(1, entry("50.00", reference="REAL", details=one), closing="150.00"))
    assert bank.read().warnings == []
    assert bank.entries("receipt_id") == first
    assert bank.entries() == [(Decimal("50.00"), "REAL")]


def test_an_interim_booking_without_reference_waits_for_its_statement(bank: Bank) -> None:
    bank.drop("a.xml", interim(entry("50.00")))
    bank.read()
    assert bank.entries() == []
    assert bank.files() == [("a.xml", "accepted", "")]


def test_an_interim_report_adds_nothing_to_a_day_that_a_statement_has_closed(bank: Bank) -> None:
    bank.drop("a.xml", day(1, entry("50.00", reference="R1"), closing="150.00"))
    bank.drop("b.xml", interim(entry("50.00", reference="R1"), entry("7.00", reference="R2")))
    bank.read()
    bank.drop("c.xml", interim(entry("8.00", reference="R3"), number=2))
    bank.read()
    assert bank.entries() == [(Decimal("50.00"), "R1")]


def test_an_interim_booking_that_no_statement_confirms_is_a_persons_question(bank: Bank) -> None:
    bank.drop("a.xml", interim(entry("50.00", reference="R1")))
    bank.read()
    bank.drop("b.xml", day(1))
    assert [one.code for one in bank.read().warnings] == ["interim_unconfirmed"]


def test_the_same_interim_report_grows_through_the_day_and_books_each_movement_once(
    bank: Bank,
) -> None:
    bank.drop("a.xml", interim(entry("50.00", reference="R1")))
    both = interim(entry("50.00", reference="R1"), entry("6.00", reference="R2"))
    bank.drop("b.xml", both.replace(b"T22:30:00", b"T23:30:00"))
    bank.read()
    assert bank.entries() == [(Decimal("6.00"), "R2"), (Decimal("50.00"), "R1")]


@pytest.mark.parametrize("reads", [1, 2])
def test_a_batch_booking_is_split_by_the_notice_that_details_it(bank: Bank, reads: int) -> None:
    # In one read the notice counts first although its name comes last.
    bank.drop("z_054.xml", notice(entry("50.00", reference="BATCH", details=BATCH)))
    if reads == 2:
        bank.read()
        assert bank.entries() == []
        assert bank.rows(LINES) == [(False, "INV-1", Decimal("30.00"))]
    bank.drop("a_053.xml", day(1, entry("50.00", reference="BATCH"), closing="150.00"))
    bank.read()
    assert bank.entries("amount, payer_name, remittance_text, batch_reference") == [
        (Decimal("20.00"), "B", "INV B", "BATCH"),
        (Decimal("30.00"), "A", "INV A", "BATCH"),
    ]
    assert bank.rows(LINES) == [(True, "INV-1", Decimal("30.00"))]
    assert bank.rows("select distinct is_settled from bank_files_raw.notices") == [(True,)]


def test_a_notice_after_the_statement_tells_more_and_splits_nothing(bank: Bank) -> None:
    bank.drop("a.xml", day(1, entry("50.00", reference="BATCH"), closing="150.00"))
    bank.read()
    first = bank.entries("receipt_id")
    bank.drop("b.xml", notice(entry("50.00", reference="BATCH", details=BATCH)))
    bank.read()
    assert bank.entries("receipt_id") == first
    assert bank.entries("amount, remittance_text") == [(Decimal("50.00"), "INV A\nINV B")]
    assert bank.rows(LINES) == [(True, "INV-1", Decimal("30.00"))]


def test_a_booking_split_by_its_own_statement_is_not_split_again_by_the_notice(bank: Bank) -> None:
    details = transaction("30.00", "A") + transaction("20.00", "B")
    bank.drop("a.xml", notice(entry("50.00", reference="BATCH", details=BATCH)))
    bank.drop("b.xml", day(1, entry("50.00", reference="BATCH", details=details), closing="150.00"))
    bank.read()
    assert bank.entries() == [(Decimal("20.00"), "BATCH/2"), (Decimal("30.00"), "BATCH/1")]
    assert bank.rows(LINES) == [(True, "INV-1", Decimal("30.00"))]


def test_a_notice_that_does_not_sum_to_the_booking_changes_nothing(bank: Bank) -> None:
    wrong = transaction("30.00", "A") + transaction("21.00", "B")
    bank.drop("a.xml", notice(entry("51.00", reference="BATCH", details=wrong)))
    bank.drop("b.xml", day(1, entry("50.00", reference="BATCH"), closing="150.00"))
    bank.read()
    assert bank.entries() == [(Decimal("50.00"), "BATCH")]


def test_a_batch_that_was_booked_whole_stays_whole_when_details_come_with_the_statement(
    bank: Bank,
) -> None:
    bank.drop("a.xml", interim(entry("50.00", reference="BATCH")))
    bank.read()
    first = bank.entries("receipt_id")
    bank.drop("b.xml", day(1, entry("50.00", reference="BATCH", details=BATCH), closing="150.00"))
    bank.read()
    assert bank.entries("receipt_id") == first
    assert bank.entries("amount, remittance_text") == [(Decimal("50.00"), "INV A\nINV B")]


def test_a_booking_that_is_stored_as_parts_is_not_booked_whole_again(bank: Bank) -> None:
    bank.drop("a.xml", day(1, entry("50.00", reference="BATCH", details=BATCH), closing="150.00"))
    bank.read()
    bank.drop("b.xml", day(2, entry("50.00", reference="BATCH"), closing="150.00"))
    bank.read()
    assert sum(one for (one,) in bank.entries("amount")) == Decimal("50.00")


def test_lines_of_a_statements_own_entry_are_kept_with_their_receipt(bank: Bank) -> None:
    kept_back = (
        '<AdjstmntAmtAndRsn><Amt Ccy="EUR">5.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><Rsn>DMG</Rsn>'
        "<AddtlInf>broken pallet</AddtlInf></AdjstmntAmtAndRsn>"
    )
    discount = '<DscntApldAmt Ccy="EUR">1.00</DscntApldAmt>'
    structured = line("INV-1", "40.00", due="46.00", more=discount + kept_back) + line(
        "CM-1", "10.00", kind="CREN"
    )
    one = transaction("30.00", "A", structured=structured)
    bank.drop("a.xml", day(1, entry("30.00", reference="R1", details=one), closing="130.00"))
    assert bank.read().warnings == []
    assert bank.rows(
        "select reference, reference_kind, amount_paid, amount_original, discount_amount, "
        "adjustment_amount, adjustment_code, adjustment_text, receipt_id = remittance_id "
        "from bank_files_raw.remittance_lines order by position"
    ) == [
        ("INV-1", "invoice", 45, 46, 1, 5, "DMG", "broken pallet", True),
        ("CM-1", "credit_memo", -10, None, 0, 0, "", "", True),
    ]


def test_lines_that_do_not_add_up_are_kept_and_reported(bank: Bank) -> None:
    one = transaction("30.00", "A", structured=line("INV-1", "31.00"))
    bank.drop("a.xml", day(1, entry("30.00", reference="R1", details=one), closing="130.00"))
    assert [w.code for w in bank.read().warnings] == ["remittance_does_not_add_up"]
    assert bank.files() == [("a.xml", "accepted", "remittance_does_not_add_up")]


def test_a_returned_payment_names_the_payment_that_came_back(bank: Bank) -> None:
    returned = transaction("50.00", "A", extra="<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>")
    text = entry("50.00", side="DBIT", reference="R2", details=returned)
    bank.drop("a.xml", day(1, text, closing="50.00"))
    bank.read()
    columns = "amount, is_reversal, original_reference, return_reason"
    assert bank.entries(columns) == [(Decimal("-50.00"), True, "E2E-A", "AC04")]


def test_the_account_that_the_payer_wrote_is_kept_where_it_is_not_our_own(bank: Bank) -> None:
    def to(account: str) -> str:
        return f"<CdtrAcct><Id><IBAN>{account}</IBAN></Id></CdtrAcct>"

    own = transaction("1.00", "A", parties=to("DE89 3704 0044 0532 0130 00"))
    virtual = transaction("2.00", "B", parties=to("DE11 0000 0000 0000 0047 11"))
    texts = [
        entry("1.00", reference="R1", details=own),
        entry("2.00", reference="R2", details=virtual),
    ]
    bank.drop("a.xml", document(statement(texts, closing="103.00")))
    bank.read()
    assert bank.entries("amount, virtual_account") == [
        (Decimal("1.00"), ""),
        (Decimal("2.00"), "DE11000000000000004711"),
    ]
