"""Credit between warehouse and log: proposals, bands, and limits that hold for some time."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reverse_etl.decide_credit import (
    keep_approved_limits,
    keep_ended_holds,
    keep_temporary_limits,
    own_holds,
    run_credit,
)
from reverse_etl.ledger.store import Store
from reverse_etl.planning.mirror import mirror_ledger
from reverse_etl.planning.policy import Policy
from reverse_etl.planning.tables import create_tables

NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)
DAY = date(2026, 3, 2)
SCORECARD = {
    "enabled": True,
    "weights": {"days_late_average": 1},
    "thresholds": {"days_late_average": ["5", "10", "20", "40"]},
    "sales_multiple_by_class": {"A": "1"},
    "rounding_amount": "10",
}
BANDS = {
    "credit_limit": {
        "change_percent_max": "20", "change_amount_max": "500", "cumulative_12_months_max": "500",
        "second_person_from": "10000",
    }
}  # fmt: skip
SEASON = {
    "system_id": "sap", "customer": "1", "credit_segment": "1000", "limit_amount": "900",
    "currency_code": "USD", "valid_from": "2026-03-01", "valid_until": "2026-03-31",
    "back_to_amount": "1000", "approved_by": "ada", "second_approver": "bob",
}  # fmt: skip


def policy(**credit: Any) -> Policy:
    return Policy.model_validate({"credit": credit, "approvals": BANDS})


class Scene:
    """One customer with a limit of 1,000, whose sales would bear 1,150 a month."""

    def __init__(self, home: Path) -> None:
        self.store = Store.open(f"sqlite:///{home / 'ops.sqlite'}", now=lambda: NOW)
        self.connection = duckdb.connect()
        create_tables(self.connection)
        self.connection.execute("""
            create schema config; create schema marts; create schema intermediate;
            create schema observed;
            create table config.rates as select 'USD' as currency_code,
                cast(1 as decimal(18, 8)) as rate_to_group
                union all select 'CAD', 0.72;
            create table config.companies as select 'sap' as system_id, 'U001' as company_code,
                '1000' as credit_segment;
            create table marts.fct_receipts as select 'r1' as receipt_id, 'none' as booked_by;
            create table intermediate.int_customer_parents
                (system_id varchar, customer_id varchar, parent_customer_id varchar);
            create table observed.sap_s4hana__credit_accounts
                (system_id varchar, object_key varchar, is_blocked boolean, block_reason varchar);
            create table marts.fct_sales_orders (system_id varchar, sales_order varchar,
                customer_id varchar, credit_segment varchar, requested_date date,
                amount_segment decimal(28, 6), is_credit_blocked boolean, is_open boolean,
                other_block varchar);
            create table marts.fct_credit as select 'sap' as system_id, 'SAP-1' as customer_id,
                '1' as customer, '1000' as credit_segment, 'USD' as segment_currency,
                cast(10 as decimal(28, 6)) as exposure, 'limited' as limit_kind,
                cast(1000 as decimal(28, 6)) as limit_amount, false as is_blocked,
                null::varchar as block_reason, cast(0 as decimal(28, 6)) as overdue_amount,
                0 as overdue_days_max, false as feed_is_stale, false as is_limit_expired;
            create table marts.fct_credit_features as select 'sap' as system_id,
                'SAP-1' as customer_id, '1' as customer, '1000' as credit_segment,
                'USD' as segment_currency, 'US' as country,
                cast(0 as decimal(28, 4)) as days_late_average, 400 as history_days,
                cast(1150 as decimal(28, 6)) as sales_monthly, 30 as terms_days,
                date '2026-03-02' as as_of_date;
        """)

    def decide(self, rules: Policy) -> list[tuple[Any, ...]]:
        mirror_ledger(self.connection, self.store)
        run_credit(self.connection, rules, DAY)
        return self.connection.execute(
            "select action, limit_amount, reason from decisions.credit"
        ).fetchall()

    def approved(self) -> list[tuple[Any, ...]]:
        rows = [row for page in self.store.mirror.approved_limits() for row in page]
        return [(row[4], row[6], row[7]) for row in rows]

    def sales(self, monthly: int) -> None:
        self.connection.execute(f"update marts.fct_credit_features set sales_monthly = {monthly}")


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    found = Scene(tmp_path)
    yield found
    found.connection.close()
    found.store.close()


def test_every_customer_has_a_scorecard_and_nobody_a_proposal_unless_the_policy_says_so(
    scene: Scene,
) -> None:
    assert scene.decide(policy(scorecard=SCORECARD | {"enabled": False})) == []
    ((risk_class, proposed, reason),) = scene.connection.execute(
        "select risk_class, limit_proposed, reason from decisions.scorecards"
    ).fetchall()
    assert (risk_class, proposed) == ("A", None)
    assert "enabled is false" in reason


def test_a_proposal_within_the_bands_becomes_the_approved_limit_by_itself(scene: Scene) -> None:
    rules = policy(scorecard=SCORECARD)
    ((action, amount, _reason),) = scene.decide(rules)
    assert (action, amount) == ("propose_limit", Decimal(1150))
    assert keep_approved_limits(scene.connection, scene.store, rules) == 1
    assert scene.approved() == [("1150", "policy bands", "")]
    ((action, amount, reason),) = scene.decide(rules)
    assert (action, amount) == ("set_limit", Decimal(1150))
    assert reason == "approved is 1150, the ERP holds 1000"


@pytest.mark.parametrize(("monthly", "why"), [(1600, "60 %, more than 20 %"), (0, "nothing")])
def test_a_proposal_beyond_a_band_is_left_to_people(scene: Scene, monthly: int, why: str) -> None:
    rules = policy(scorecard=SCORECARD)
    scene.sales(monthly)
    rows = scene.decide(rules)
    assert [row[0] for row in rows] == (["propose_limit"] if monthly else []), why
    assert keep_approved_limits(scene.connection, scene.store, rules) == 0
    assert scene.approved() == []


def test_a_temporary_limit_holds_for_its_days_and_the_old_one_is_back(scene: Scene) -> None:
    rules = policy(temporary_limits=[SEASON])
    assert keep_temporary_limits(scene.store, rules, DAY) == 1
    assert keep_temporary_limits(scene.store, rules, DAY) == 0
    assert scene.approved() == [("900", "ada", "bob")]
    assert [row[:2] for row in scene.decide(rules)] == [("set_limit", Decimal(900))]
    assert keep_temporary_limits(scene.store, rules, date(2026, 4, 1)) == 1
    assert keep_temporary_limits(scene.store, rules, date(2026, 4, 2)) == 0
    assert scene.approved() == [("1000", "ada", "bob")]
    assert scene.decide(rules) == [], "the ERP still holds the old one"


@pytest.mark.parametrize(
    ("paid", "booked_by", "is_held"),
    [("69.44", "none", True), ("69.45", "none", False), ("69.45", "hub", True)],
)
def test_money_in_another_currency_that_waits_keeps_a_hold_back(
    scene: Scene, paid: str, booked_by: str, is_held: bool
) -> None:
    """1,050 USD are owed on 1,000; CAD 69.45 are worth 50.004 USD."""
    scene.connection.execute("update marts.fct_credit set exposure = 1050")
    scene.connection.execute("update marts.fct_receipts set booked_by = ?", [booked_by])
    scene.connection.execute(
        "insert into decisions.applications (receipt_id, system_id, company_code, decision, rank,"
        " customer_id, kind, amount, currency_code)"
        " values ('r1', 'sap', 'U001', 'auto', 1, 'SAP-1', 'apply', ?, 'CAD')",
        [Decimal(paid)],
    )
    rows = scene.decide(policy(scorecard=SCORECARD | {"enabled": False}))
    assert [row[0] for row in rows] == (["hold"] if is_held else [])


def test_without_temporary_limits_the_log_is_not_touched(scene: Scene) -> None:
    before = scene.store.mirror.head()
    assert keep_temporary_limits(scene.store, policy(), DAY) == 0
    assert scene.store.mirror.head() == before


class PlayedErp:
    """A customer's hold as an ERP keeps it, and the hub's ledger and readings of it.

    Args:
        scene: whose warehouse is read and written.
        keeps_reason: some ERPs keep a reason beside the hold, others only the hold.
    """

    def __init__(self, scene: Scene, *, keeps_reason: bool) -> None:
        self.connection = scene.connection
        self.keeps_reason = keeps_reason
        self.hour = 0
        self.set_by = ""
        self.connection.execute(
            "delete from ledger.acknowledged; delete from ledger.commands;"
            " create or replace table config.run (started_at timestamptz)"
        )
        self.shows(False, None)

    def shows(self, is_blocked: bool, reason: str | None) -> None:
        self.connection.execute(
            "update marts.fct_credit set is_blocked = ?, block_reason = ?",
            [is_blocked, reason if self.keeps_reason else None],
        )

    def hub_holds(self, reason: str) -> None:
        if self.set_by:
            return
        self.hour += 1
        self.connection.execute(
            "insert into ledger.commands (command_id, state, flow)"
            " values (?, 'verified', 'credit')",
            [f"c{self.hour}"],
        )
        self.acknowledges("is_blocked", "true")
        if self.keeps_reason:
            self.acknowledges("block_reason", reason)
        self.shows(True, reason)
        self.set_by = "hub"

    def acknowledges(self, field: str, value: str) -> None:
        self.connection.execute("delete from ledger.acknowledged where field = ?", [field])
        self.connection.execute(
            "insert into ledger.acknowledged (system_id, object_name, object_key, field, value,"
            " command_id, acknowledged_at) values ('sap', 'credit', '1/1000', ?, ?, ?, ?)",
            [field, value, f"c{self.hour}", NOW + timedelta(hours=self.hour)],
        )

    def person(self, holds: bool, reason: str) -> None:
        self.shows(holds, reason if holds else None)
        self.set_by = "person" if holds else ""

    def record_plan(self, _commands: list[object], *, adopted: list[Any]) -> None:
        """In place of the log: what the hub notes about itself."""
        (one,) = adopted
        ((field, value),) = one.values.items()
        self.acknowledges(field, value)

    def read(self) -> bool:
        """The hub reads; whether it takes the hold in force for its own."""
        self.connection.execute("delete from config.run")
        self.connection.execute(
            "insert into config.run values (?)", [NOW + timedelta(hours=self.hour, minutes=1)]
        )
        keep_ended_holds(self.connection, self)  # type: ignore[arg-type]
        return not own_holds(self.connection).is_empty()


_reasons = st.sampled_from(["01", "07"])
_edits = st.lists(
    st.one_of(
        st.tuples(st.just("hub"), _reasons),
        st.tuples(st.sampled_from(["holds", "lifts"]), _reasons),
    ),
    max_size=8,
)


@pytest.mark.parametrize("keeps_reason", [True, False], ids=["hold and reason", "hold alone"])
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(edits=_edits)
def test_whatever_happened_the_hub_takes_no_hold_of_a_person_for_its_own(
    scene: Scene, keeps_reason: bool, edits: list[tuple[str, str]]
) -> None:
    mirror_ledger(scene.connection, scene.store)
    erp = PlayedErp(scene, keeps_reason=keeps_reason)
    for who, reason in edits:
        before = (
            erp.set_by,
            scene.connection.execute(
                "select is_blocked, block_reason from marts.fct_credit"
            ).fetchall(),
        )
        if who == "hub":
            erp.hub_holds(reason)
        else:
            erp.person(who == "holds", reason)
        after = scene.connection.execute(
            "select is_blocked, block_reason from marts.fct_credit"
        ).fetchall()
        if after == before[1]:  # nothing changed in the ERP: whoever set it is still who set it
            erp.set_by = before[0]
        assert erp.read() == (erp.set_by == "hub")
