"""Two loops at once, each with its own warehouse, on one operations database: one effect each."""

import shutil
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.flow.picture import Picture, doubled_effects, picture
from tests.flow.scene import SECONDS_MAX, Finished, Scene, running_product
from tests.flow.stage import Stage, story
from tests.flow.test_the_loop_closes import demo
from tests.support.dbt import take_parse_along


@dataclass(frozen=True)
class Told:
    """Two loops that ran side by side."""

    scene: Scene
    finished: list[Finished]
    doubled: dict[str, Any]
    seen: Picture


@story
def two_at_once(stage: Stage) -> Told:
    scene = stage.scene(stage.seeded_home, "two-at-once")
    other = stage.folder / "two-at-once-other"
    shutil.copytree(stage.seeded_home, other)
    take_parse_along(stage.seeded_home, other)
    operations = f"sqlite:///{scene.home / 'ops.sqlite'}"
    shared = {
        "LEDGERLOOP_OPS_URL": operations,
        "LEDGERLOOP_ENDPOINTS": str(scene.home / "sandbox" / "endpoints.json"),
    }
    homes = [scene, replace(scene, home=other, environment=shared)]
    scene.environment.update(shared)
    arguments = ("sync", "--as-of", scene.as_of, "--initial")
    with ExitStack() as stack:
        running = [stack.enter_context(running_product(one, *arguments)) for one in homes]
        ended = [process.communicate(timeout=SECONDS_MAX) for process in running]
    finished = [
        Finished(process.returncode, *texts) for process, texts in zip(running, ended, strict=True)
    ]
    return Told(scene, finished, doubled_effects(scene), picture(scene))


@pytest.fixture(scope="module")
def told(stage: Stage) -> Told:
    return stage.of(two_at_once)


def test_both_end_well(told: Told) -> None:
    for one in told.finished:
        assert one.code == 0, one.err + one.out


def test_every_effect_is_there_once(told: Told) -> None:
    assert told.doubled == {}


def test_all_books_read_like_those_of_one_loop(stage: Stage, told: Told) -> None:
    alone = picture(stage.scene(stage.of(demo).home, "alone"))
    assert told.seen.items == alone.items
    assert told.seen.credit == alone.credit
    assert told.seen.orders_released == alone.orders_released
    assert told.seen.crm == alone.crm


def test_one_record_tells_of_both(told: Told) -> None:
    verified = told.scene.ledgerloop("audit", "verify")
    assert verified.code == 0, verified.err
    assert "intact" in verified.out
