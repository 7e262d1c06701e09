from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.bank_files.formats import read_content
from ingestion.bank_files.statements import Statement, StatementKind
from ingestion.common.errors import InputRefused
from tests.ingestion.bank_files.texts import bai2


def read(tmp_path: Path, content: bytes) -> list[Statement]:
    path = tmp_path / "report.bai"
    path.write_bytes(content)
    return list(read_content(path).statements)


def refusal(tmp_path: Path, content: bytes) -> str:
    with pytest.raises(InputRefused) as caught:
        read(tmp_path, content)
    assert "report.bai" in caught.value.message
    return caught.value.code


WIRE = "195,5000,V,260106,,BANK-1,CUST-1,INV 1930000001\nEREF: E2E-7\nDBNM: Payer Inc\nDACT: 4711"


@pytest.mark.parametrize("end", ["/", ""])
def test_a_wire_with_its_continuations(tmp_path: Path, end: str) -> None:
    (found,) = read(tmp_path, bai2([WIRE], closing=15_000, end=end))
    (entry,) = found.entries
    assert (found.opening_amount, found.closing_amount) == (Decimal("100.00"), Decimal("150.00"))
    assert (entry.amount, entry.currency_code) == (Decimal("50.00"), "USD")
    assert (entry.booking_date, entry.value_date) == (date(2026, 1, 5), date(2026, 1, 6))
    assert (entry.account_servicer_reference, entry.entry_reference) == ("BANK-1", "CUST-1")
    assert (entry.end_to_end_id, entry.payer_name) == ("E2E-7", "Payer Inc")
    assert (entry.payer_account, entry.remittance_text) == ("4711", "INV 1930000001")


@pytest.mark.parametrize(
    ("transaction", "reference"),
    [
        ("195,5000,0,REF,CUST,text", "REF"),
        ("195,5000,S,1,2,3,REF,CUST,text", "REF"),
        ("195,5000,V,260106,0900,REF,CUST,text", "REF"),
        ("195,5000,D,2,0,2000,1,3000,REF,CUST,text", "REF"),
        ("195,5000,Z,,,text", ""),
    ],
)
def test_fields_behind_every_funds_type(tmp_path: Path, transaction: str, reference: str) -> None:
    (found,) = read(tmp_path, bai2([transaction], closing=15_000))
    assert found.entries[0].account_servicer_reference == reference
    assert found.entries[0].remittance_text == "text"


def test_the_type_code_decides_the_side(tmp_path: Path) -> None:
    codes = ["142", "475", "930", "970"]
    (found,) = read(tmp_path, bai2([f"{c},100,,,," for c in codes], closing=10_000))
    assert [one.amount for one in found.entries] == [1, -1, 1, -1]
    assert refusal(tmp_path, bai2(["720,100,,,,"], closing=10_000)) == "unknown_type_code"


def test_a_returned_payment_is_a_reversal_of_the_one_it_names(tmp_path: Path) -> None:
    text = '557,500,,B9,C9,Reason: "R02" Return of Client Ref ID: E2E-3'
    (found,) = read(tmp_path, bai2([text], closing=9_500))
    (entry,) = found.entries
    assert (entry.amount, entry.is_reversal) == (Decimal("-5.00"), True)
    assert (entry.original_reference, entry.return_reason) == ("E2E-3", "R02")


def test_currencies_without_decimals_are_read_in_their_own_units(tmp_path: Path) -> None:
    (found,) = read(tmp_path, bai2(["195,5000,,R,,"], closing=15_000, currency="JPY"))
    assert found.entries[0].amount == Decimal(5000)


def test_a_same_day_report_is_interim(tmp_path: Path) -> None:
    (found,) = read(tmp_path, bai2([WIRE], opening=None, modifier="3"))
    assert found.kind is StatementKind.INTERIM


@pytest.mark.parametrize("status", ["2", "4"])
def test_a_group_that_is_deleted_or_a_test_is_no_statement(tmp_path: Path, status: str) -> None:
    assert refusal(tmp_path, bai2([WIRE], closing=15_000, status=status)) == "no_statement"


def test_totals_that_the_transactions_do_not_explain_are_a_warning(tmp_path: Path) -> None:
    content = bai2(["195,5000,,R,,"], opening=None).replace(
        b"03,US-001,USD/", b"03,US-001,USD,100,7000,,/"
    )
    for old, new in (
        (b"49,5000", b"49,12000"),
        (b"98,5000", b"98,12000"),
        (b"99,5000", b"99,12000"),
    ):
        content = content.replace(old, new)
    (found,) = read(tmp_path, content)
    assert [one.code for one in found.warnings] == ["details_incomplete"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (bai2([WIRE], closing=14_000), "balances_do_not_add_up"),
        (bai2([WIRE], closing=15_000, total=1), "control_totals_do_not_add_up"),
        (bai2([WIRE], closing=15_000, records=3), "control_totals_do_not_add_up"),
        (bai2([WIRE], closing=15_000).rsplit(b"\n", 1)[0], "truncated"),
        (
            bai2(["195,50.00,,R,,"[:5] + "0,,R,,"], opening=None).replace(b",50,", b",5x,"),
            "bad_amount",
        ),
        (bai2([WIRE], closing=15_000).replace(b"260106", b"261306"), "bad_date"),
        (b"01,BANK,US,260105,0700,1,,,2/\n16,195,1,,,,/\n", "bad_record"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused_whole(
    tmp_path: Path, content: bytes, code: str
) -> None:
    assert refusal(tmp_path, content) == code


@given(cents=st.lists(st.integers(1, 10**9), max_size=6), lost=st.booleans())
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_lost_transaction_never_passes_unseen(
    tmp_path: Path, cents: list[int], lost: bool
) -> None:
    content = bai2([f"195,{one},,,," for one in cents], closing=10_000 + sum(cents))
    if lost and cents:
        lines = content.split(b"\n")
        content = b"\n".join(lines[:3] + lines[4:])
        assert refusal(tmp_path, content) == "control_totals_do_not_add_up"
    else:
        (found,) = read(tmp_path, content)
        assert [one.amount * 100 for one in found.entries] == cents
