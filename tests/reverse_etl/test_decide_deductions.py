"""Deductions between warehouse and log: opened once, followed to their end, problems kept."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from reverse_etl.decide_deductions import record_deductions, run_deductions
from reverse_etl.ledger.disputes import Disputes
from reverse_etl.ledger.store import Store
from reverse_etl.planning.mirror import mirror_ledger
from reverse_etl.planning.policy import Policy
from reverse_etl.planning.tables import create_tables

NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)
DAY = date(2026, 3, 2)
POLICY = Policy.model_validate(
    {
        "deductions": {"codes": {"54": "FREIGHT"}},
        "approvals": {"credit_memo": {"change_amount_max": "5", "cumulative_12_months_max": "99",
                                      "second_person_from": "1000"}},
    }
)  # fmt: skip


class Scene:
    """A warehouse with one short payment, and the operations database."""

    def __init__(self, home: Path) -> None:
        self.store = Store.open(f"sqlite:///{home / 'ops.sqlite'}", now=lambda: NOW)
        self.disputes = Disputes(self.store)
        self.connection = duckdb.connect()
        create_tables(self.connection)
        self.connection.execute("""
            create schema config; create schema marts; create schema intermediate;
            create table config.rates as select 'USD' as currency_code,
                cast(1 as decimal(18, 8)) as rate_to_group;
            create table marts.fct_open_items as select 'I1' as item_key, 'sap' as system_id,
                'U001' as company_code, 'SAP-1' as customer_id, '1' as customer,
                'USD' as currency_code, cast(100 as decimal(28, 6)) as amount_open,
                'invoice' as item_class, 'INV1' as "references";
            create view intermediate.int_disputes_followed as
                select dispute_id, item_key, receipt_id, item_key as current_item_key,
                    false as is_item_unclear
                from ledger.disputes;
            insert into decisions.applications by name
                select 'R1' as receipt_id, 'sap' as system_id, 'U001' as company_code,
                    'auto' as decision, 1 as rank, 'SAP-1' as customer_id, 'I1' as item_key,
                    'deduction' as kind, -10 as amount, 'USD' as currency_code;
        """)

    def run(self, code: str = "54") -> dict[str, int]:
        """One pass: copy the log, decide, record."""
        mirror_ledger(self.connection, self.store)
        self.connection.execute(
            "create or replace table intermediate.int_remittances_matched as select 'R1' as"
            " receipt_id, 1 as position, 'INV1' as reference, cast(0 as decimal(28, 6)) as"
            " discount_amount, cast(10 as decimal(28, 6)) as adjustment_amount,"
            " ? as adjustment_code, '' as adjustment_text",
            [code],
        )
        run_deductions(self.connection, POLICY, DAY)
        return record_deductions(self.connection, self.store)

    def status(self, dispute_id: str) -> str:
        found = self.disputes.get(dispute_id)
        return "" if found is None else found.status

    def rows(self) -> list[tuple[object, ...]]:
        return self.connection.execute(
            "select dispute_id, status, action, amount, approved from decisions.deductions"
        ).fetchall()

    def confirm(self, *commands: tuple[str, str]) -> None:
        """What targets answered about this decision: (object, state)."""
        ((decision_id,),) = self.connection.execute(
            "select decision_id from decisions.deductions"
        ).fetchall()
        mirror_ledger(self.connection, self.store)
        self.connection.execute("delete from ledger.commands")
        for object_name, state in commands:
            self.connection.execute(
                "insert into ledger.commands by name select ? as business_key, ? as object_name,"
                " ? as state",
                [decision_id, object_name, state],
            )


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    found = Scene(tmp_path)
    yield found
    found.connection.close()
    found.store.close()


def test_a_short_payment_becomes_one_dispute_however_often_it_runs(scene: Scene) -> None:
    assert scene.run() == {"opened": 1, "ended": 0, "exceptions": 0}
    assert scene.run() == {"opened": 0, "ended": 0, "exceptions": 0}
    (one,) = scene.disputes.list()
    assert (one.status, one.reason_code, one.amount) == ("new", "FREIGHT", Decimal(10))
    ((_id, status, action, amount, _approved),) = scene.rows()
    assert (status, action, amount) == ("new", "none", Decimal(10))


def test_a_valid_one_is_proposed_agreed_posted_and_closed(scene: Scene) -> None:
    scene.run()
    (one,) = scene.disputes.list()
    scene.disputes.decide(one.dispute_id, "valid", by="ada", reason="freight was free")
    scene.run()
    assert scene.rows() == [
        (one.dispute_id, "credit_memo_proposed", "propose_credit_memo", Decimal(10), False)
    ]
    scene.disputes.approve(one.dispute_id, 1, by="bob", reason="right")
    scene.run()
    assert scene.rows()[0][1:] == ("approved", "propose_credit_memo", Decimal(10), True)
    scene.confirm(("credit_memos", "verified"), ("credit_memo_clearings", "accepted"))
    scene.run()
    assert scene.rows()[0][2] == "propose_credit_memo", "it is not cleared yet"
    scene.confirm(("credit_memos", "verified"), ("credit_memo_clearings", "verified"))
    assert scene.run()["ended"] == 1
    assert scene.status(one.dispute_id) == "posted"
    scene.connection.execute("update marts.fct_open_items set amount_open = 0")
    assert scene.run()["ended"] == 1
    assert scene.status(one.dispute_id) == "closed"
    assert scene.run() == {"opened": 0, "ended": 0, "exceptions": 0}


def test_an_unknown_code_is_an_exception_until_somebody_decides(scene: Scene) -> None:
    assert scene.run("Z9")["exceptions"] == 1
    assert scene.run("Z9")["exceptions"] == 0
    (problem,) = scene.store.exceptions(object_name="disputes", state="open")
    assert (problem.code, problem.amount_text) == ("deduction_code_unknown", "10")
    (one,) = scene.disputes.list()
    scene.disputes.decide(one.dispute_id, "invalid", by="ada", reason="no such charge")
    scene.run("Z9")
    assert list(scene.store.exceptions(object_name="disputes", state="open")) == []


def test_what_a_person_settled_stays_settled(scene: Scene) -> None:
    scene.run("Z9")
    (problem,) = scene.store.exceptions(object_name="disputes", state="open")
    scene.store.resolve_exceptions([problem.exception_id], by="ada", reason="known")
    assert scene.run("Z9")["exceptions"] == 0


def test_a_decision_above_what_is_open_is_an_exception(scene: Scene) -> None:
    scene.run()
    (one,) = scene.disputes.list()
    scene.disputes.decide(one.dispute_id, "valid", by="ada", reason="x")
    scene.connection.execute("update marts.fct_open_items set amount_open = 9")
    assert scene.run()["exceptions"] == 1
    (problem,) = scene.store.exceptions(object_name="disputes", state="open")
    assert problem.code == "dispute_above_open"
