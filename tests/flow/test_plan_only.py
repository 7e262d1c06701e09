"""``sync --plan-only`` shows what would be sent, old → new, and sends and records nothing."""

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.flow.scene import CRM, ERP, Finished, Scene
from tests.flow.stage import Stage, story


@dataclass(frozen=True)
class Planned:
    """A plan-only run on books that nobody looped yet."""

    scene: Scene
    finished: Finished
    report: dict[str, Any]
    before: tuple[Any, ...]
    after: tuple[Any, ...]


@story
def plan_only(stage: Stage) -> Planned:
    scene = stage.scene(stage.seeded_home, "plan-only")
    (scene.inbox / "camt053_broken.xml").write_text("<Document><BkToCstmrStmt>")
    before = everything(scene)
    finished, report = scene.sync("--plan-only", "--initial")
    return Planned(scene, finished, report, before, everything(scene))


def everything(scene: Scene) -> tuple[Any, ...]:
    """All that the operations database and the vendors hold."""
    crm = scene.ledger(CRM)
    return (
        operations(scene.home / "ops.sqlite"),
        scene.ledger(ERP),
        crm["effects"],
        crm["calls"].get("writes", 0),
    )


def operations(file: Path) -> list[str]:
    """Every row of the operations database, as SQL."""
    connection = sqlite3.connect(file)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


@pytest.fixture(scope="module")
def planned(stage: Stage) -> Planned:
    return stage.of(plan_only)


def test_nothing_is_recorded_in_the_operations_database(planned: Planned) -> None:
    assert planned.before[0] == planned.after[0]


def test_nothing_is_sent_to_any_vendor(planned: Planned) -> None:
    assert planned.before[1:] == planned.after[1:]
    assert planned.report["writes"] == 0


def test_it_shows_what_stands_there_now_and_what_is_wanted(planned: Planned) -> None:
    assert "there now" in planned.finished.out
    assert "wanted" in planned.finished.out
    shown = planned.scene.ledgerloop("plan", "--format", "json").json()
    changed = [
        row for row in shown if row["object_name"] == "invoices" and row["observed"] is not None
    ]
    assert changed
    for row in changed:
        assert row["observed"] != row["desired"]


def test_money_at_stake_and_what_waits_for_a_person_are_shown(planned: Planned) -> None:
    steps = {step["step"]: step for step in planned.report["steps"]}
    assert steps["plan postings"]["counts"]["send"] > 0
    assert set(steps["plan postings"]["money"]) == {"CAD", "USD"}
    assert planned.report["awaiting_approval"] > 0


def test_a_file_that_was_refused_while_planning_is_still_reported_by_the_next_real_run(
    planned: Planned,
) -> None:
    messages = [text for step in planned.report["steps"] for text in step["messages"]]
    assert any("camt053_broken.xml" in text for text in messages), json.dumps(messages)


def test_nobody_is_to_be_held_over_receipts_that_are_not_posted_yet(planned: Planned) -> None:
    """Nothing is posted in a plan, so every receipt waits; who paid is in good standing."""
    with duckdb.connect(str(planned.scene.home / "warehouse.duckdb"), read_only=True) as warehouse:
        held = {c for (c,) in warehouse.sql(_HELD).fetchall()}
        over = {c for (c,) in warehouse.sql(_OVER_LIMIT).fetchall()}
        paying = {c for (c,) in warehouse.sql(_PAYING).fetchall()}
    assert held <= over
    assert over - held
    assert over - held <= paying


_HELD = "select customer_id from decisions.credit where action = 'hold'"
_OVER_LIMIT = """
    select customer_id from marts.fct_credit
    left join ledger.approved_limits as approved using (system_id, customer, credit_segment)
    where exposure > coalesce(approved.limit_amount, fct_credit.limit_amount)
"""
_PAYING = """
    select distinct customer_id from decisions.applications
    inner join marts.fct_receipts using (receipt_id)
    where decision = 'auto' and booked_by = 'none'
"""
