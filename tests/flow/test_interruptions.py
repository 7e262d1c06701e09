"""Stopped or killed at any moment and run again: nothing lost, nothing twice.

One scene is stopped by Ctrl-C and killed three times, each time while a request of a seeded choice
is on its way, then run until done. Effects are counted in the vendors' own ledgers, and all books
must read like those of a run that nobody disturbed.
"""

import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from random import Random
from typing import Any

import pytest

from tests.flow import independent_check
from tests.flow.independent_check import Findings
from tests.flow.picture import Picture, doubled_effects, picture
from tests.flow.scene import CRM, ERP, Finished, Scene
from tests.flow.stage import Stage, story
from tests.flow.test_the_loop_closes import demo

SEED = 20261122
#: The effect is there, its answer still on its way: the worst moment to die.
FAULT = "late_answer"
#: So late that no run gets it, however loaded the machine is: the signal meets the run waiting.
ANSWER_SECONDS = 90


@dataclass(frozen=True)
class Moment:
    """When a run is stopped: while the answer to a request is on its way.

    ``skip`` requests of this kind pass before it.
    """

    number: signal.Signals
    system_id: str
    method: str
    path: str
    skip: int


def moments() -> list[Moment]:
    """One Ctrl-C and two kills among the writes, drawn from the printed seed."""
    draw = Random(SEED)
    post, clear = "journalentrycreaterequestconfi", "journalentrybulkclearingreques"
    return [
        Moment(signal.SIGINT, ERP, "POST", post, 0),
        Moment(signal.SIGKILL, ERP, "POST", clear, 0),
        Moment(signal.SIGKILL, CRM, "PATCH", "composite", draw.randrange(3)),
    ]


@dataclass(frozen=True)
class Told:
    """The runs in order, and the books in the end."""

    scene: Scene
    stopped: list[Finished]
    done: Finished
    report: dict[str, Any]
    seen: Picture
    doubled: dict[str, Any]
    findings: Findings


@story
def interruptions(stage: Stage) -> Told:
    print("interruptions drawn from seed", SEED, moments())
    scene = stage.scene(stage.unbuilt_home, "interruptions")
    stopped = [scene.interrupted_sync(signal.SIGKILL, _dbt_is_building(scene), "--initial")]
    for moment in moments():
        point = {
            "fault": FAULT, "method": moment.method, "path": moment.path,
            "skip": moment.skip, "seconds": ANSWER_SECONDS,
        }  # fmt: skip
        scene.faults(moment.system_id, points=[point])
        stopped.append(
            scene.interrupted_sync(moment.number, _has_struck(scene, moment), "--initial")
        )
        scene.faults(moment.system_id)
    done, report = scene.sync("--initial")
    findings = independent_check.check(
        scene.endpoints, date.fromisoformat(scene.as_of), scene.inbox
    )
    return Told(scene, stopped, done, report, picture(scene), doubled_effects(scene), findings)


def _dbt_is_building(scene: Scene) -> Callable[[], bool]:
    log = scene.home / "dbt" / "logs" / "dbt.log"
    return lambda: log.exists() and log.stat().st_size > 0


def _has_struck(scene: Scene, moment: Moment) -> Callable[[], bool]:
    return lambda: scene.struck(moment.system_id).get(FAULT, 0) > 0


@pytest.fixture(scope="module")
def told(stage: Stage) -> Told:
    return stage.of(interruptions)


@pytest.fixture(scope="module")
def undisturbed(stage: Stage) -> Picture:
    """The same books after a run that nobody disturbed."""
    return picture(stage.scene(stage.of(demo).home, "undisturbed"))


def test_every_signal_met_a_run_at_work(told: Told) -> None:
    codes = [one.code for one in told.stopped]
    ends = [-signal.SIGKILL, 130, -signal.SIGKILL, -signal.SIGKILL]
    assert codes == ends, [one.err for one in told.stopped]


def test_ctrl_c_says_that_the_same_command_goes_on(told: Told) -> None:
    assert "what was recorded stays; run the same command again" in told.stopped[1].err
    assert "Traceback" not in told.stopped[1].err


def test_the_next_run_finishes_the_work(told: Told) -> None:
    assert told.done.code == 0, told.done.err + told.done.out
    assert told.report["verified"] > 0


def test_nothing_has_two_effects(told: Told) -> None:
    assert told.doubled == {}


def test_every_receipt_has_one_posting_and_the_crm_agrees(told: Told) -> None:
    assert told.findings.differences == []


def test_all_books_read_as_if_nothing_had_happened(told: Told, undisturbed: Picture) -> None:
    assert told.seen.items == undisturbed.items
    assert told.seen.credit == undisturbed.credit
    assert told.seen.orders_released == undisturbed.orders_released
    assert told.seen.crm == undisturbed.crm


def test_the_record_of_events_is_whole(told: Told) -> None:
    verified = told.scene.ledgerloop("audit", "verify")
    assert verified.code == 0
    assert "intact" in verified.out
