from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.bank_files.formats import read_content
from ingestion.bank_files.statements import Entry, Statement, StatementKind
from ingestion.bank_files.swift.details import read_details
from ingestion.common.errors import InputRefused


def message(
    *lines: str, opening: str = "C260104EUR100,00", closing: str, number: str = "5/1"
) -> str:
    head = f":20:STARTUMS\r\n:25:37040044/0532013000\r\n:28C:{number}\r\n:60F:{opening}\r\n"
    return head + "".join(f"{one}\r\n" for one in lines) + f":62F:{closing}\r\n-\r\n"


def read(tmp_path: Path, text: str) -> list[Statement]:
    path = tmp_path / "statement.sta"
    path.write_bytes(text.encode("cp1252"))
    return list(read_content(path).statements)


def entries(tmp_path: Path, *lines: str, closing: str) -> tuple[Entry, ...]:
    return read(tmp_path, message(*lines, closing=f"C260105EUR{closing}"))[0].entries


SEPA = (
    ":86:166?00GUTSCHRIFT?20EREF+E2E-7?21SVWZ+RG 1930000001 UND 193?220000002"
    "?30PBNKDEFF?31DE02120300000000202051?32Mueller?33 GmbH"
)


def test_a_credit_transfer_with_all_its_references(tmp_path: Path) -> None:
    line = ":61:2601060105CR50,25NTRFKREF//BANK-1"
    (found,) = entries(tmp_path, line, SEPA, closing="150,25")
    assert found == Entry(
        position=1,
        amount=Decimal("50.25"),
        currency_code="EUR",
        booking_date=date(2026, 1, 5),
        value_date=date(2026, 1, 6),
        account_servicer_reference="BANK-1",
        end_to_end_id="E2E-7",
        entry_reference="KREF",
        remittance_text="RG 1930000001 UND 1930000002",
        payer_name="Mueller GmbH",
        payer_account="DE02120300000000202051",
        bank_code="NTRF-166",
    )


@pytest.mark.parametrize(
    ("mark", "amount", "closing"),
    [("C", "50", "150,"), ("D", "-50", "50,"), ("RC", "-50", "50,"), ("RD", "50", "150,")],
)
def test_a_reversal_moves_money_the_other_way_and_says_so(
    tmp_path: Path, mark: str, amount: str, closing: str
) -> None:
    line = f":61:260105{mark}50,NTRFNONREF//B1"
    (found,) = entries(tmp_path, line, ":86:159?20EREF+E2E-1", closing=closing)
    assert found.amount == Decimal(amount)
    assert found.is_reversal is mark.startswith("R")
    assert found.original_reference == ("E2E-1" if found.is_reversal else "")


def test_the_booking_day_is_in_the_year_that_is_nearest_to_the_value_day(tmp_path: Path) -> None:
    (found,) = entries(tmp_path, ":61:2512310102C1,NTRFNONREF", closing="101,")
    assert (found.value_date, found.booking_date) == (date(2025, 12, 31), date(2026, 1, 2))


@pytest.mark.parametrize(
    ("details", "text", "end_to_end", "name"),
    [
        (
            "/EREF/E2E-9/BENM//NAME/Payer BV/REMI/INV 77/ISDT/2026-01-05",
            "INV 77",
            "E2E-9",
            "Payer BV",
        ),
        ("INVOICE 4711\nAND 4712", "INVOICE 4711 AND 4712", "", ""),
        ("166?20INVOICE ?214711", "INVOICE 4711", "", ""),
        ("000>20HUUR>21 FEB", "HUUR FEB", "", ""),
    ],
)
def test_information_is_read_in_each_of_its_shapes(
    details: str, text: str, end_to_end: str, name: str
) -> None:
    found = read_details(details)
    assert (found.text, found.end_to_end_id, found.payer_name) == (text, end_to_end, name)


def test_pages_and_statements_of_one_file_are_each_checked(tmp_path: Path) -> None:
    first = message(":61:260105C1,NTRFNONREF", closing="C260105EUR101,").replace(":62F:", ":62M:")
    second = message(
        ":61:260105C2,NTRFNONREF",
        opening="C260105EUR101,",
        closing="C260105EUR103,",
        number="5/2",
    ).replace(":60F:", ":60M:")
    found = read(tmp_path, first + second)
    assert [one.sequence_number for one in found] == ["5", "5"]
    assert len({one.statement_id for one in found}) == 2
    with pytest.raises(InputRefused) as caught:
        read(tmp_path, first + second.replace("EUR103,", "EUR104,"))
    assert caught.value.code == "balances_do_not_add_up"


def test_a_file_that_is_cut_off_is_refused_whole(tmp_path: Path) -> None:
    text = message(":61:260105C1,NTRFNONREF", closing="C260105EUR101,") * 2
    with pytest.raises(InputRefused) as caught:
        read(tmp_path, text[: text.rindex(":62F:")])
    assert caught.value.code == "missing_balance"


def test_an_mt942_is_an_interim_report_with_totals(tmp_path: Path) -> None:
    text = (
        ":20:REP\n:25:GB1\n:28C:3/1\n:34F:EUR0,\n:13D:2601051330+0100\n"
        ":61:260105C5,NTRFNONREF//B5\n:86:text\n:90D:0EUR0,\n:90C:1EUR5,\n-\n"
    )
    (found,) = read(tmp_path, text)
    assert found.kind is StatementKind.INTERIM
    assert found.created_at == datetime(2026, 1, 5, 12, 30, tzinfo=UTC)
    assert found.opening_amount is None
    with pytest.raises(InputRefused) as caught:
        read(tmp_path, text.replace("1EUR5,", "1EUR6,"))
    assert caught.value.code == "totals_do_not_add_up"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (":61:260105X5,NTRF", "bad_field"),
        (":61:261305C5,NTRF", "bad_date"),
        (":61:260105C5,001NTRF", "too_many_decimals"),
    ],
)
def test_a_wrong_field_is_refused_with_its_place(tmp_path: Path, line: str, code: str) -> None:
    with pytest.raises(InputRefused) as caught:
        entries(tmp_path, line, closing="105,")
    assert caught.value.code == code
    assert "entry 1 of statement.sta" in caught.value.message


@given(amounts=st.lists(st.integers(-(10**9), 10**9).filter(bool), max_size=8))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_statement_whose_lines_explain_its_balances_is_taken(
    tmp_path: Path, amounts: list[int]
) -> None:
    def money(cents: int) -> str:
        return f"{abs(cents) // 100},{abs(cents) % 100:02d}"

    def mark(cents: int) -> str:
        return "D" if cents < 0 else "C"

    lines = [f":61:260105{mark(one)}{money(one)}NTRFNONREF" for one in amounts]
    closing = 10_000 + sum(amounts)
    (found,) = read(tmp_path, message(*lines, closing=f"{mark(closing)}260105EUR{money(closing)}"))
    assert [one.amount * 100 for one in found.entries] == amounts
