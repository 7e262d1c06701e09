"""A loop among lost answers, throttling, locks and errors ends like one without them."""

from dataclasses import dataclass
from typing import Any

import pytest

from tests.flow.picture import Picture, doubled_effects, picture
from tests.flow.scene import CRM, ERP, Finished, Scene
from tests.flow.stage import Stage, story
from tests.flow.test_the_loop_closes import demo

SEED = 77
POST, CLEAR = "journalentrycreaterequestconfi", "journalentrybulkclearingreques"
#: One lost answer in a hundred everywhere, and each trouble once or more where it hurts most.
FAULTS: dict[str, dict[str, Any]] = {
    ERP: {
        "rates": {"lost_answer": 0.01, "throttled": 0.01},
        "points": [
            {"fault": "lost_answer", "method": "POST", "path": POST},
            {"fault": "error_after", "method": "POST", "path": CLEAR},
            {"fault": "throttled", "method": "POST", "path": CLEAR, "skip": 1},
            {"fault": "lock", "name": "journal_entry_post", "times": 3},
            {"fault": "duplicate", "name": "clearing"},
        ],
    },
    CRM: {
        "rates": {"lost_answer": 0.01, "throttled": 0.01},
        "points": [
            {"fault": "lost_answer", "method": "PATCH", "path": "composite"},
            {"fault": "throttled", "method": "PATCH", "path": "composite", "skip": 1},
            {"fault": "error_before", "method": "GET", "path": "query"},
            {"fault": "lock", "name": "AR_Invoice__c", "times": 5},
        ],
    },
}


@dataclass(frozen=True)
class Told:
    """One loop among faults."""

    finished: Finished
    report: dict[str, Any]
    struck: dict[str, dict[str, int]]
    doubled: dict[str, Any]
    seen: Picture
    scene: Scene


@story
def faults(stage: Stage) -> Told:
    scene = stage.scene(stage.seeded_home, "faults")
    for system_id, what in FAULTS.items():
        scene.faults(system_id, seed=SEED, **what)
    finished, report = scene.sync("--initial")
    struck = {system_id: scene.struck(system_id) for system_id in FAULTS}
    for system_id in FAULTS:
        scene.faults(system_id)
    return Told(finished, report, struck, doubled_effects(scene), picture(scene), scene)


@pytest.fixture(scope="module")
def told(stage: Stage) -> Told:
    return stage.of(faults)


def test_every_fault_struck(told: Told) -> None:
    assert {"lost_answer", "error_after", "lock", "duplicate", "throttled"} <= {
        name for name, times in told.struck[ERP].items() if times
    }
    assert {"lost_answer", "error_before", "lock", "throttled"} <= {
        name for name, times in told.struck[CRM].items() if times
    }


def test_the_loop_ends_verified_all_the_same(told: Told) -> None:
    assert told.finished.code == 0, told.finished.err + told.finished.out
    assert told.report["status"] == "verified"


def test_nothing_has_two_effects(told: Told) -> None:
    assert told.doubled == {}


def test_all_books_read_like_those_of_a_loop_without_faults(stage: Stage, told: Told) -> None:
    quiet = picture(stage.scene(stage.of(demo).home, "quiet"))
    assert told.seen.items == quiet.items
    assert told.seen.credit == quiet.credit
    assert told.seen.orders_released == quiet.orders_released
    assert told.seen.crm == quiet.crm
