"""Exceptions follow the input: opened once, closed when it is corrected, settled by a person."""

import pytest

from ingestion.common.report import Drift, DriftKind, ReadReport
from reverse_etl.planning.problems import keep_drift, keep_problems
from tests.reverse_etl.planning.desk import SAP, Desk

TRUNCATED = ("bank", "truncated", "files", "a.xml", "a.xml is cut off: send it again", None, None)
NOBODY = (SAP, "missing_customer", "open_items", "SAP-U001-1", "no customer", "10.50", "USD")


@pytest.fixture
def problems(desk: Desk) -> Desk:
    desk.connection.execute("create schema if not exists marts")
    desk.connection.execute(
        "create table marts.ops_data_problems (system_id varchar, code varchar,"
        " object_name varchar, object_key varchar, message varchar, amount decimal(28, 6),"
        " currency_code varchar)"
    )
    desk.connection.execute(
        "create or replace table marts.fct_open_items as select 'SAP-U001-1' as item_key,"
        " 'SAP-0001' as customer_id, '1930438491' as invoice_number"
    )
    desk.connection.execute(
        "create or replace table marts.dim_customers as select 'SAP-0001' as customer_id,"
        " 'Bergström AB' as name, 'SE' as country"
    )
    return desk


def stand(desk: Desk, *rows: tuple[str | None, ...]) -> int:
    """Let exactly these problems stand in the warehouse, and keep them."""
    desk.connection.execute("delete from marts.ops_data_problems")
    for row in rows:
        desk.connection.execute(
            "insert into marts.ops_data_problems values (?, ?, ?, ?, ?, ?, ?)", list(row)
        )
    return keep_problems(desk.connection, desk.store)


def test_every_problem_opens_one_exception_with_what_where_and_money(problems: Desk) -> None:
    assert stand(problems, TRUNCATED, NOBODY) == 2
    file, item = sorted(problems.store.exceptions(state="open"), key=lambda one: one.object_name)
    assert (file.code, file.object_key, file.message) == (
        "truncated", "a.xml", "a.xml is cut off: send it again",
    )  # fmt: skip
    assert (item.amount_text, item.currency_code) == ("10.5", "USD")


def test_a_problem_of_an_item_is_found_by_customer_invoice_and_region(problems: Desk) -> None:
    stand(problems, TRUNCATED, NOBODY)
    (item,) = problems.store.exceptions(region="SE")
    assert (item.customer_id, item.customer_name, item.invoice) == (
        "SAP-0001", "Bergström AB", "1930438491",
    )  # fmt: skip


def test_the_same_again_adds_no_event(problems: Desk) -> None:
    stand(problems, TRUNCATED)
    events = problems.store.verify_audit().events
    assert stand(problems, TRUNCATED) == 0
    assert problems.store.verify_audit().events == events


def test_a_corrected_row_closes_its_exception_and_a_relapse_opens_a_new_one(problems: Desk) -> None:
    stand(problems, NOBODY)
    assert stand(problems) == 0
    (closed,) = problems.store.exceptions()
    assert (closed.state, closed.resolution) == ("closed", "the input was corrected")
    assert stand(problems, NOBODY) == 1


def test_what_a_person_settled_is_not_opened_again(problems: Desk) -> None:
    stand(problems, TRUNCATED)
    (one,) = problems.store.exceptions()
    problems.store.resolve_exceptions([one.exception_id], by="maria", reason="asked the bank")
    assert stand(problems, TRUNCATED) == 0
    assert list(problems.store.exceptions(state="open")) == []


def test_a_column_that_is_back_closes_its_exception(desk: Desk) -> None:
    drift = Drift("items", "NetDueDate", DriftKind.VANISHED_COLUMN, "NetDueDate is gone")
    new = Drift("items", "Extra", DriftKind.NEW_COLUMN, "Extra is new")
    broken = ReadReport(SAP, "sap_s4hana", 0.0, 0.0, drift=(drift, new))
    whole = ReadReport(SAP, "sap_s4hana", 0.0, 0.0)
    elsewhere = ReadReport("crm", "salesforce", 0.0, 0.0)
    assert [keep_drift(desk.store, one) for one in (broken, elsewhere, broken)] == [1, 0, 0]
    assert [one.code for one in desk.store.exceptions(state="open")] == ["vanished_column"]
    keep_drift(desk.store, whole)
    assert list(desk.store.exceptions(state="open")) == []


def test_a_guard_that_holds_nothing_back_any_more_closes_its_exception(desk: Desk) -> None:
    desk.wants("salesforce.accounts", "001", open_balance="10", status="Current")
    desk.holds("salesforce.accounts", "001", open_balance="5", status="Current")
    desk.plan("salesforce.accounts", initial=False)
    (held,) = desk.store.exceptions(state="open")
    assert held.code == "guard_first_load"
    desk.plan("salesforce.accounts")
    (closed,) = desk.store.exceptions()
    assert (closed.state, closed.closed_by) == ("closed", "ledgerloop")
