"""A run applies what its own postings made certain, and ends."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from orchestration import learning
from orchestration.run import StepReport

Say = Callable[..., list[str]]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Say:
    """What a run does when its rounds find so many sure receipts and write so much."""

    def tell(autos: list[int], writes: list[int]) -> list[str]:
        done: list[str] = []

        def step(name: str, **counts: int) -> StepReport:
            done.append(name)
            return StepReport(name, counts=counts)

        monkeypatch.setattr(
            learning, "decide_cash", lambda _: step("decide", receipts_auto=autos.pop(0))
        )
        monkeypatch.setattr(learning, "plan_step", lambda *_: lambda _: step("plan"))
        monkeypatch.setattr(
            learning,
            "deliver_step",
            lambda *_: lambda _: step("deliver", writes=writes.pop(0), exceptions=1),
        )
        monkeypatch.setattr(learning, "reread", lambda _: step("read", rows_erp=9))
        monkeypatch.setattr(learning, "build_again", lambda _: done.append("build"))
        loop: Any = SimpleNamespace(report=SimpleNamespace(steps=[]))
        report = learning.apply_learned("apply learned", "cash_posting")(loop)
        done.append(", ".join(f"{name} {count}" for name, count in sorted(report.counts.items())))
        return done

    return tell


ROUND = ["decide", "plan", "deliver", "read", "build"]


def test_what_follows_from_the_runs_own_postings_is_planned_once_though_nothing_is_certain(
    told: Say,
) -> None:
    assert told([0], [0]) == ["decide", "plan", "deliver", "exceptions 1, writes 0"]
    assert told([0, 0], [2]) == [*ROUND, "decide", "exceptions 1, writes 2"]


def test_a_round_reads_what_it_posted_before_it_looks_once_more(told: Say) -> None:
    assert told([2, 0], [4]) == [*ROUND, "decide", "exceptions 1, writes 4"]


def test_certain_money_that_may_not_leave_is_not_tried_for_ever(told: Say) -> None:
    assert told([2], [0]) == ["decide", "plan", "deliver", "exceptions 1, writes 0"]
    assert told([1] * 9, [1] * 9) == [*ROUND * 3, "exceptions 3, writes 3"]
