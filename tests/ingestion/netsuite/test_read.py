"""The read against the sandboxed account: every object, what is taken back, what is absent."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from ingestion import netsuite
from ingestion.common.report import ReadReport
from ingestion.common.warehouse import open_warehouse
from tests.sandbox.netsuite.account import Account

STARTED_AT = datetime(2026, 5, 22, 9, tzinfo=UTC)


def read(account: Account, warehouse: Path, minutes: int = 0, **options: str) -> ReadReport:
    given = {**account.system.options, **options}
    return netsuite.read(
        account.system.model_copy(update={"options": given}),
        warehouse,
        run_started_at=STARTED_AT + timedelta(minutes=minutes),
        transport=account.transport,
    )


def rows(warehouse: Path, query: str) -> list[Any]:
    with open_warehouse(warehouse) as connection:
        return connection.execute(query).fetchall()


def test_every_object_is_read_and_what_was_taken_back_leaves_with_the_next_read(
    tmp_path: Path,
) -> None:
    warehouse, account = tmp_path / "warehouse.duckdb", Account()
    invoice, gone = account.invoice("100.10", memo='it\'s "quoted"'), account.invoice("9.00")
    payment = account.payment("60.00", (invoice, "60.00"), externalId="LLP-K")
    items = {"items": [{"item": {"id": "1"}, "amount": Decimal(5)}]}
    account.make("salesOrder", entity={"id": account.customer}, item=items)
    account.make(
        "customrecord_2663_entity_bank_details",
        custrecord_2663_parent_customer={"id": account.customer},
        custrecord_2663_entity_iban="DE02120300000000202051",
    )
    first = read(account, warehouse)
    assert first.drift == ()
    assert {one.name: one.rows_read for one in first.objects} == {
        "customers": 1,
        "customer_subsidiaries": 1,
        "transaction_lines": 3,
        "applications": 1,
        "gl_balances": 1,
        "sales_orders": 1,
        "bank_details": 1,
        "deleted_records": 0,
    }
    assert rows(warehouse, "SELECT memo, amount FROM netsuite_raw.transaction_lines ORDER BY 2")[
        -1
    ] == ('it\'s "quoted"', Decimal("100.10"))
    account.change("DELETE", f"invoice/{gone}")
    line = {"doc": {"id": invoice}, "apply": False}
    account.change("PATCH", f"customerPayment/{payment}", apply={"items": [line]})
    read(account, warehouse, 1)
    assert rows(warehouse, "SELECT * FROM netsuite_raw.applications") == []
    assert rows(warehouse, "SELECT recordid FROM netsuite_raw.deleted_records") == [(gone,)]
    assert rows(warehouse, "SELECT amount FROM netsuite_raw.gl_balances") == [(Decimal("40.1"),)]


def test_without_the_bank_details_app_the_rest_is_read_and_doctor_is_content() -> None:
    account = Account()
    system = account.system.model_copy(
        update={"options": {"login": "tba", "bank_details_table": ""}}
    )
    assert netsuite.check(system, transport=account.transport) == []
    wrong = account.system.model_copy(update={"options": {"bank_details_table": "customrecord_x"}})
    (problem,) = netsuite.check(wrong, transport=account.transport)
    assert problem.startswith("bank_details: ")
