"""Cash application on the warehouse: what is read for it, and when it is not done again."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import duckdb
import pytest

from reverse_etl import decide
from reverse_etl.decide import run_cash
from reverse_etl.planning.policy import Policy
from reverse_etl.planning.tables import create_tables

AS_OF = date(2020, 6, 1)
_MARTS = """
    create schema marts; create schema intermediate;
    create table marts.fct_receipts (receipt_id text, value_date date,
        amount_unapplied decimal(28, 6),
        needs_review_reason text, system_id text default 'sap', company_code text default 'U001',
        amount decimal(28, 6) default 100, currency_code text default 'USD',
        payer_account_key text, virtual_account_key text, payer_name text, remittance_text text,
        references_text text, booked_customer_id text default 'SAP-1', booked_by text default 'erp',
        bank_line text default 'erp');
    create table marts.fct_open_items (item_key text, amount_open decimal(28, 6),
        clearing_date date,
        system_id text default 'sap', company_code text default 'U001',
        customer_id text default 'SAP-1', customer text default '1',
        item_class text default 'invoice', "references" text default '1930659387',
        posting_date date default '2019-01-01', document_date date default '2019-01-01',
        due_date date default '2019-02-01', currency_code text default 'USD',
        amount_original decimal(28, 6) default 100, is_cleared boolean,
        is_reversed boolean default false,
        clearing_fiscal_year int, clearing_document text, discount_percent decimal(9, 6),
        discount_date date);
    create table marts.dim_customers as
        select 'SAP-1' as customer_id, 'sap' as system_id, 'Shop' as name;
    create table marts.dim_payer_accounts (payer_account_key text, customer_id text,
        valid_from date, valid_to date);
    create table marts.dim_payer_aliases (payer_name text, customer_id text);
    create table intermediate.int_remittances_matched (receipt_id text, reference text,
        amount_paid decimal(28, 6), adjustment_amount decimal(28, 6));
    insert into marts.fct_open_items (item_key, amount_open, is_cleared) values ('I1', 100, false);
    insert into marts.fct_receipts (receipt_id, value_date, amount_unapplied, remittance_text)
        values ('R1', '2020-05-20', 100, '1930659387');
"""


@pytest.fixture
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        create_tables(connection)
        connection.execute(_MARTS)
        yield connection


def rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[object, ...]]:
    return connection.execute(query).fetchall()


def test_what_has_not_changed_is_not_decided_again(
    warehouse: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run_cash(warehouse, Policy(), AS_OF)
    assert first.receipts_by_decision == {"auto": 1}
    assert first.applied_by_currency == {"USD": Decimal(100)}
    asked: list[int] = []
    really = decide.decide_cash
    monkeypatch.setattr(
        decide, "decide_cash", lambda **frames: (asked.append(1), really(**frames))[1]
    )
    assert run_cash(warehouse, Policy(), AS_OF) == first
    assert not asked
    warehouse.execute("update decisions.applications set amount = 99")
    assert run_cash(warehouse, Policy(), AS_OF) == first, "what somebody else wrote is replaced"
    run_cash(warehouse, Policy(), date(2020, 6, 2))
    warehouse.execute("update marts.fct_open_items set amount_open = 80")
    assert run_cash(warehouse, Policy(), date(2020, 6, 2)).receipts_by_decision == {"proposal": 1}
    assert len(asked) == 3


def test_a_receipt_that_waits_for_a_person_keeps_no_paid_items_in_view(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    warehouse.execute(
        "insert into marts.fct_open_items (item_key, amount_open, is_cleared, clearing_date) values"
        " ('OLD', 0, true, '2020-01-10'), ('NEW', 0, true, '2020-05-25')"
    )
    warehouse.execute(
        "insert into marts.fct_receipts (receipt_id, value_date, amount_unapplied,"
        " needs_review_reason) values ('R0', '2020-01-02', 100, 'possible_double_booking')"
    )
    items = [row[0] for row in rows(warehouse, decide._OPEN_ITEMS)]
    assert sorted(items) == ["I1", "NEW"]


def test_only_an_earlier_receipt_of_the_same_amount_is_looked_at_for_a_second_payment(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    warehouse.execute(
        "insert into marts.fct_receipts (receipt_id, value_date, amount_unapplied, amount) values"
        " ('E1', '2020-05-12', 0, 100), ('E2', '2020-05-12', 0, 101), ('E3', '2019-05-12', 0, 100)"
    )
    assert [row[0] for row in rows(warehouse, decide._EARLIER)] == ["E1"]
