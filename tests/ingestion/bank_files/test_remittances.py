from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from openpyxl import Workbook

from ingestion.bank_files.formats import read_content
from ingestion.bank_files.remittances import (
    ReferenceKind,
    Remittance,
    RemittanceLine,
    adds_up,
    gross_lines,
)
from ingestion.common.errors import InputRefused
from tests.ingestion.bank_files.bank import Bank
from tests.ingestion.bank_files.texts import bai2, lockbox, x12


def read(tmp_path: Path, content: bytes, name: str = "advice.txt") -> tuple[Remittance, ...]:
    path = tmp_path / name
    path.write_bytes(content)
    return read_content(path).remittances


def refusal(tmp_path: Path, content: bytes, name: str = "advice.txt") -> str:
    with pytest.raises(InputRefused) as caught:
        read(tmp_path, content, name)
    assert name in caught.value.message
    return caught.value.code


PAYMENT = (
    "BPR*C*{amount}*C*ACH*CTX*01*021000021*DA*4711*1234567890**01*071000013*DA*99*20260105",
    "TRN*1*TRACE-1",
    "CUR*PR*CAD",
    "N1*PR*Acme Corp",
    "ENT*1",
)


def advice(amount: str, *segments: str) -> bytes:
    return x12("820", *(one.format(amount=amount) for one in PAYMENT), *segments)


def test_an_820_with_discount_credit_memo_and_purchase_order(tmp_path: Path) -> None:
    (found,) = read(
        tmp_path,
        advice("140.00", "RMR*IV*INV1**98.00*100.00*2.00", "RMR*CM*CM1**8", "RMR*PO*PO9**50.00"),
    )
    assert (found.trace_reference, found.payer_name) == ("TRACE-1", "Acme Corp")
    assert (found.payer_account, found.currency_code) == ("021000021/4711", "CAD")
    assert (found.payment_amount, found.payment_date) == (Decimal("140.00"), date(2026, 1, 5))
    assert [(x.reference, x.reference_kind.value, x.amount_paid) for x in found.lines] == [
        ("INV1", "invoice", Decimal("98.00")),
        ("CM1", "credit_memo", Decimal(-8)),
        ("PO9", "purchase_order", Decimal("50.00")),
    ]
    assert (found.lines[0].amount_original, found.lines[0].discount_amount) == (100, 2)
    assert adds_up(found.lines, found.payment_amount)


@pytest.mark.parametrize(
    "segments",
    [
        ("RMR*IV*INV1**100.00", "ADX*-5.00*01*IV*DEBIT-7"),
        ("RMR*IV*INV1**95.00*100.00", "ADX*-5.00*01*IV*DEBIT-7"),
        ("RMR*IV*INV1**100.00", "ADX*5.00*01*IV*DEBIT-7"),
        ("RMR*IV*INV1**95.00*100.00", "ADX*5.00*01*IV*DEBIT-7"),
    ],
)
def test_an_adjustment_means_the_same_whatever_its_sign_and_place(
    tmp_path: Path, segments: tuple[str, ...]
) -> None:
    (found,) = read(tmp_path, advice("95.00", *segments))
    (line,) = found.lines
    assert (line.amount_paid, line.adjustment_amount) == (100, 5)
    assert (line.adjustment_code, line.adjustment_text) == ("01", "IV DEBIT-7")


def test_an_adjustment_of_the_whole_payment_is_a_line_without_reference(tmp_path: Path) -> None:
    (found,) = read(tmp_path, advice("95.00", "ADX*-5.00*06", "RMR*IV*INV1**100.00"))
    assert [(x.reference, x.adjustment_amount) for x in found.lines] == [("", 5), ("INV1", 0)]
    assert adds_up(found.lines, found.payment_amount)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (x12("820", "BPR*C*1*C", "RMR*IV*A**1", count=9), "control_totals_do_not_add_up"),
        (x12("820", "BPR*C*1*C", control="0002"), "bad_envelope"),
        (x12("820", "BPR*C*1*C")[:-20], "truncated"),
        (x12("820", "BPR*C*1,5*C"), "bad_amount"),
        (x12("820", "BPR*C*1*C*************20261305"), "bad_date"),
        (x12("820", "TRN*1*X"), "no_statement"),
        (x12("810", "BIG*1"), "unknown_format"),
    ],
)
def test_a_wrong_interchange_is_refused(tmp_path: Path, content: bytes, code: str) -> None:
    assert refusal(tmp_path, content) == code


CSV = """Payment Reference;Payer;Currency;Date;Invoice No;Amount Paid;Discount;Deduction;Reason
T-1;Acme;EUR;2026-01-05;INV1;1.100,00;0;-100,00;DMG
T-1;Acme;EUR;2026-01-05;CM1;(50,00);;;
T-2;Beta;EUR;05.01.2026;INV2;7,5;0,5;;
"""


def test_a_csv_of_several_payments(tmp_path: Path) -> None:
    first, second = read(tmp_path, CSV.encode(), "advice.csv")
    assert (first.trace_reference, first.payment_amount) == ("T-1", Decimal("1050.00"))
    assert [(x.reference, x.reference_kind, x.amount_paid) for x in first.lines] == [
        ("INV1", ReferenceKind.INVOICE, Decimal("1200.00")),
        ("CM1", ReferenceKind.CREDIT_MEMO, Decimal("-50.00")),
    ]
    assert (second.payment_date, second.lines[0].discount_amount) == (
        date(2026, 1, 5),
        Decimal("0.5"),
    )


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("7,5;", "1,234;", "bad_amount"),
        ("7,5;", "seven;", "bad_amount"),
        ("05.01.2026", "03/04/2026", "bad_date"),
        ("Beta;EUR", "Beta;", "unknown_currency"),
        ("T-2;Beta", 'T-2;"Beta', "bad_field"),
    ],
)
def test_what_can_be_read_two_ways_is_refused(
    tmp_path: Path, old: str, new: str, code: str
) -> None:
    assert refusal(tmp_path, CSV.replace(old, new).encode(), "advice.csv") == code


def test_a_workbook_with_a_title_above_its_headings(tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["Remittance advice of Acme"])
    sheet.append(["Check Number", "Currency", "Date", "Invoice", "Paid", "Check Amount"])
    sheet.append([1001, "USD", date(2026, 1, 5), 1930000001, 0.1 + 0.2, 12.3])
    sheet.append([1001, "USD", date(2026, 1, 5), "INV2", 12, 12.3])
    book.save(tmp_path / "source.xlsx")
    (found,) = read(tmp_path, (tmp_path / "source.xlsx").read_bytes(), "advice.xlsx")
    assert (found.trace_reference, found.payment_amount) == ("1001", Decimal("12.3"))
    assert [(x.reference, x.amount_paid) for x in found.lines] == [
        ("1930000001", Decimal("0.3")),
        ("INV2", Decimal(12)),
    ]


def test_another_archive_is_no_advice(tmp_path: Path) -> None:
    assert refusal(tmp_path, b"PK\x03\x04 something else", "advice.xlsx") == "truncated"


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    return Bank(tmp_path)


CHECKS = (
    (3_000, "1001", "ACME CORP", (("INV1", 1_000), ("INV2", 2_000))),
    (2_000, "1002", "BETA LLC", (("INV3", 2_000),)),
)


@pytest.mark.parametrize("reads", [1, 2])
def test_a_lockbox_deposit_becomes_its_checks_with_their_lines(bank: Bank, reads: int) -> None:
    bank.drop("lockbox.txt", lockbox(CHECKS))
    if reads == 2:
        bank.read()
        assert bank.entries() == []
    deposit = "115,5000,,DEP-1,,LOCK BOX NO.68751"
    bank.drop("report.bai", bai2([deposit], closing=15_000))
    assert bank.read().warnings == []
    assert bank.entries("amount, payer_name, entry_reference, virtual_account, account") == [
        (Decimal("20.00"), "BETA LLC", "1002", "0068751", "US-001"),
        (Decimal("30.00"), "ACME CORP", "1001", "0068751", "US-001"),
    ]
    lines = (
        "select l.reference, l.amount_paid, e.amount from bank_files_raw.remittance_lines l "
        "join bank_files_raw.entries e using (receipt_id) order by 1"
    )
    assert bank.rows(lines) == [("INV1", 10, 30), ("INV2", 20, 30), ("INV3", 20, 20)]


def test_a_lockbox_file_after_its_deposit_is_evidence_for_the_whole(bank: Bank) -> None:
    bank.drop("report.bai", bai2(["115,5000,,DEP-1,,LOCK BOX NO.68751"], closing=15_000))
    bank.read()
    bank.drop("lockbox.txt", lockbox(CHECKS))
    bank.read()
    assert bank.entries() == [(Decimal("50.00"), "DEP-1")]
    counted = "select count(*), sum(amount_paid), count(distinct receipt_id) from "
    assert bank.rows(f"{counted} bank_files_raw.remittance_lines") == [(3, 50, 1)]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (lockbox(CHECKS, total=5_001), "control_totals_do_not_add_up"),
        (lockbox(CHECKS, records=3), "control_totals_do_not_add_up"),
        (lockbox(CHECKS).rsplit(b"\n", 2)[0], "truncated"),
        (lockbox(CHECKS).replace(b"\n2", b"\n5").replace(b"0000003000", b"00000x3000"), "bad_date"),
    ],
)
def test_a_lockbox_file_that_contradicts_itself_is_refused(
    tmp_path: Path, content: bytes, code: str
) -> None:
    assert refusal(tmp_path, content) == code


def test_an_823_is_a_notice_of_its_checks(bank: Bank) -> None:
    content = x12(
        "823",
        "DEP*68751*20260105**BATCH1*01*021000021*DA*US-001",
        "AMT*TP*50.00",
        "BPR*I*30.00*C*CHK************20260105",
        "REF*CK*1001",
        "N1*PR*Acme Corp",
        "RMR*IV*INV1**30.00",
        "BPR*I*20.00*C*CHK************20260105",
        "REF*CK*1002",
        "RMR*IV*INV2**20.00",
    )
    bank.drop("a.edi", content)
    bank.drop("report.bai", bai2(["115,5000,,DEP-1,,LOCK BOX NO.68751"], closing=15_000))
    bank.drop("z.edi", content.replace(b"50.00", b"51.00"))
    report = bank.read()
    assert [one.code for one in report.refused] == ["control_totals_do_not_add_up"]
    assert bank.entries("amount, payer_name, entry_reference") == [
        (Decimal("20.00"), "", "1002"),
        (Decimal("30.00"), "Acme Corp", "1001"),
    ]


def test_an_advice_is_stored_once_and_its_second_sending_is_a_duplicate(bank: Bank) -> None:
    bank.drop("a.csv", CSV.encode())
    bank.drop("b.csv", CSV.replace("DMG", "Damage").encode())
    report = bank.read()
    assert [one.code for one in report.refused] == ["duplicate_statement"]
    assert bank.rows("select count(*), count(receipt_id) from bank_files_raw.remittance_lines") == [
        (3, 0)
    ]


def test_lines_are_before_adjustments_only_where_that_adds_up() -> None:
    net = RemittanceLine("A", ReferenceKind.INVOICE, Decimal(95), adjustment_amount=Decimal(5))
    assert gross_lines([net], Decimal(95))[0].amount_paid == 100
    assert gross_lines([net], Decimal(90))[0].amount_paid == 95
    assert gross_lines([net], Decimal(1))[0].amount_paid == 95
