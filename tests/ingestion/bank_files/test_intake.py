import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from ingestion.bank_files.intake import Taken
from ingestion.common.errors import ConfigError
from ingestion.common.money import MINOR_DIGITS
from ingestion.common.warehouse import open_warehouse
from tests.ingestion.bank_files.bank import NOW, Bank, day
from tests.ingestion.bank_files.camt import document, entry, statement


def rows_read(taken: Taken) -> int:
    return sum(one.rows_read for one in taken.objects)


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    return Bank(tmp_path)


def test_a_bad_file_is_kept_with_its_reason_and_the_others_go_on(bank: Bank) -> None:
    good = day(1, entry("50.00", reference="R1"), closing="150.00")
    bank.drop("a_wrong.xml", day(1, closing="1.00"))
    bank.drop("b_cut.xml", good[:-80])
    bank.drop("c_good.xml", good)
    report = bank.read_as_the_product_does()
    assert [error.code for error in report.refused] == ["balances_do_not_add_up", "truncated"]
    assert bank.files() == [
        ("a_wrong.xml", "refused", "balances_do_not_add_up"),
        ("b_cut.xml", "refused", "truncated"),
        ("c_good.xml", "accepted", ""),
    ]
    found = "select amount, account_servicer_reference, system_id from bank_files_raw.entries"
    assert bank.rows(found) == [(Decimal("50.000000"), "R1", "bank")]
    assert bank.rows(
        "select statements, entries from bank_files_raw.files where status = 'accepted'"
    ) == [(1, 1)]


def test_a_file_whose_time_alone_changed_is_no_duplicate_of_itself(bank: Bank) -> None:
    contents = {"a.xml": day(1), "b.xml": day(2, closing="1.00")}
    for name, content in contents.items():
        bank.drop(name, content)
    bank.read()
    before = bank.files()
    for name, content in contents.items():
        bank.drop(name, content, age_seconds=60)
    again = bank.read()
    assert again.refused == []
    assert bank.files() == before
    assert bank.rows("select distinct received_at from bank_files_raw.files") == [
        (NOW - timedelta(seconds=60),)
    ]
    assert rows_read(bank.read()) == 0


def test_a_second_read_takes_nothing_and_refuses_nothing_again(bank: Bank) -> None:
    bank.drop("a.xml", day(1))
    bank.drop("b.xml", day(2, closing="1.00"))
    bank.read_as_the_product_does()
    again = bank.read_as_the_product_does()
    assert again.rows == 0
    assert again.rows_changed == 0
    assert again.refused == ()


def test_a_duplicate_by_content_or_by_statement_is_kept_as_such_and_books_nothing(
    bank: Bank,
) -> None:
    content = day(1, entry("50.00", reference="R1"), closing="150.00")
    bank.drop("a.xml", content)
    bank.drop("b_copy.xml", content)
    bank.read()
    bank.drop("c_late_copy.xml", content)
    bank.drop("d_same_statement.xml", content + b"\n")
    report = bank.read()
    assert bank.files() == [
        ("a.xml", "accepted", ""),
        ("b_copy.xml", "duplicate", "duplicate_file"),
        ("c_late_copy.xml", "duplicate", "duplicate_file"),
        ("d_same_statement.xml", "duplicate", "duplicate_statement"),
    ]
    assert "a.xml" in report.refused[1].message
    assert bank.rows("select count(*) from bank_files_raw.entries") == [(1,)]


def test_a_gap_in_the_sequence_is_a_warning_and_the_file_is_taken(bank: Bank) -> None:
    bank.drop("a.xml", day(1))
    bank.drop("c.xml", day(4))
    report = bank.read()
    assert [warning.code for warning in report.warnings] == ["sequence_gap"]
    assert "2 to 3" in report.warnings[0].message
    assert bank.files()[1] == ("c.xml", "accepted", "sequence_gap")


def test_files_that_arrive_in_another_order_make_no_gap(bank: Bank) -> None:
    bank.drop("a.xml", day(3))
    bank.drop("b.xml", day(2))
    bank.drop("c.xml", day(1))
    assert bank.read().warnings == []
    bank.drop("d.xml", day(4))
    assert bank.read().warnings == []


def test_the_senders_own_count_is_compared(bank: Bank) -> None:
    extra = "<TxsSummry><TtlNtries><NbOfNtries>3</NbOfNtries></TtlNtries></TxsSummry>"
    content = document(statement([entry("1.00")], closing="101.00", extra=extra))
    bank.drop("a.xml", content)
    assert [warning.code for warning in bank.read().warnings] == ["entry_count"]


def test_one_reference_for_two_movements_keeps_both(bank: Bank) -> None:
    content = day(
        1,
        entry("50.00", reference="SAME"),
        entry("50.00", side="DBIT", reference="SAME", extra="<RvslInd>true</RvslInd>"),
        entry("50.00", reference="NONREF"),
        entry("50.00", reference="NONREF"),
        closing="200.00",
    )
    bank.drop("a.xml", content)
    bank.drop("b.xml", day(2, entry("7.00", reference="SAME"), closing="107.00"))
    bank.read()
    totals = "select count(*), count(distinct receipt_id), sum(amount) from bank_files_raw.entries"
    assert bank.rows(totals) == [(5, 5, Decimal("107.000000"))]


def test_a_movement_that_comes_again_in_another_statement_is_the_same_receipt(bank: Bank) -> None:
    bank.drop("a.xml", day(1, entry("50.00", reference="R1"), closing="150.00"))
    bank.read()
    before = bank.rows("select receipt_id from bank_files_raw.entries")
    bank.drop("b.xml", day(2, entry("50.00", reference="R1"), closing="150.00"))
    bank.read()
    assert bank.rows("select receipt_id from bank_files_raw.entries") == before


def test_a_young_file_that_is_cut_off_is_left_for_the_next_read(bank: Bank) -> None:
    content = day(1, entry("50.00"), closing="150.00")
    bank.drop("a.xml", content[:-80], age_seconds=1)
    assert bank.read().refused == []
    assert bank.files() == []
    bank.drop("a.xml", content)
    bank.read()
    assert bank.files() == [("a.xml", "accepted", "")]


def test_messages_never_show_a_whole_account(bank: Bank) -> None:
    bank.drop("a.xml", day(1, closing="1.00"))
    message = bank.read().refused[0].message
    assert "DE8937" not in message
    assert "****3000" in message


def test_an_empty_inbox_is_read_at_once(bank: Bank) -> None:
    report = bank.read()
    assert rows_read(report) == 0
    names = {"files", "statements", "entries", "notices", "remittance_lines"}
    assert {one.name for one in report.objects} == names


def test_a_refused_file_is_read_again_when_a_person_asks_and_only_then(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = day(1, entry("50.00", reference="R1"), closing="150.00")
    monkeypatch.delitem(MINOR_DIGITS, "EUR")
    bank.drop("a.xml", content)
    bank.read()
    assert bank.files() == [("a.xml", "refused", "unknown_currency")]
    monkeypatch.setitem(MINOR_DIGITS, "EUR", 2)
    assert rows_read(bank.read()) == 0
    bank.drop("a.xml.retry", b"", age_seconds=60)
    assert bank.read().refused == []
    assert bank.files() == [("a.xml", "accepted", "")]
    assert rows_read(bank.read()) == 0
    assert bank.rows("select count(*) from bank_files_raw.entries") == [(1,)]


def test_a_refused_content_under_another_name_is_read_again_for_its_own_reason(bank: Bank) -> None:
    bank.drop("a.xml", day(1, closing="1.00"))
    bank.read()
    bank.drop("b.xml", day(1, closing="1.00"))
    bank.read()
    assert [code for _, _, code in bank.files()] == ["balances_do_not_add_up"] * 2


def test_an_accepted_file_is_not_taken_twice_by_a_retry(bank: Bank) -> None:
    bank.drop("a.xml", day(1, entry("50.00", reference="R1"), closing="150.00"))
    bank.read()
    bank.drop("a.xml.retry", b"", age_seconds=60)
    assert bank.read().refused == []
    assert bank.files() == [("a.xml", "accepted", "")]


def test_every_file_is_answered_in_the_outbox(bank: Bank) -> None:
    good = day(1, entry("50.00", reference="R1"), closing="150.00")
    bank.drop("a.xml", good)
    bank.drop("b.xml", good)
    bank.drop("c.xml", day(2, closing="1.00"))
    bank.read()
    answers = [json.loads(path.read_text()) for path in sorted(bank.outbox.iterdir())]
    assert [(a["file_name"], a["status"], a["reason_code"], a["entries"]) for a in answers] == [
        ("a.xml", "accepted", "", 1),
        ("b.xml", "duplicate", "duplicate_file", 0),
        ("c.xml", "refused", "balances_do_not_add_up", 0),
    ]
    assert all(path.name.endswith(".ack") for path in bank.outbox.iterdir())
    assert "ask the bank" in answers[2]["reason"]
    for path in bank.outbox.iterdir():
        path.unlink()
    bank.read()
    assert list(bank.outbox.iterdir()) == []


def test_a_bank_without_an_outbox_gets_no_answers(tmp_path: Path) -> None:
    bank = Bank(tmp_path, outbox="none")
    bank.drop("a.xml", day(1))
    bank.read()
    assert not bank.outbox.exists()


def test_an_outbox_that_cannot_be_written_takes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("")
    bank = Bank(tmp_path, outbox=str(tmp_path / "a file" / "outbox"))
    bank.drop("a.xml", day(1))
    with pytest.raises(ConfigError, match="outbox"):
        bank.read()
    assert bank.files() == []


def test_a_crash_between_the_two_loads_takes_the_file_once_more_and_changes_nothing(
    bank: Bank,
) -> None:
    bank.drop("a.xml", day(1, entry("50.00"), entry("7.00", reference="R"), closing="157.00"))
    bank.read()
    before = bank.entries("receipt_id, amount")
    # What such a crash leaves: entries and statements, no file, an answer that nobody saw.
    with open_warehouse(bank.warehouse) as connection:
        connection.execute("DELETE FROM bank_files_raw.files")
    (answer,) = bank.outbox.iterdir()
    answer.rename(bank.outbox / f".staged-{answer.name}")
    assert bank.read().refused == []
    assert bank.files() == [("a.xml", "accepted", "")]
    assert bank.entries("receipt_id, amount") == before
    assert [path.name for path in bank.outbox.iterdir()] == [answer.name]
