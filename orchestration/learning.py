"""What a run's own postings teach: payers that are sure now, items that are no choice any more.

Applied money says whose account it came from, and takes items out of the way; what was posted can
be closed against what it gives back. All that would otherwise go out with the next run, so a run
plans again on what the ERPs confirmed, and decides until nothing new is sure. It decides and plans
nothing itself: it calls the loop's own steps.
"""

from typing import TYPE_CHECKING

from orchestration.run import StepReport
from orchestration.steps import build_again, decide_cash, deliver_step, plan_step, reread

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestration.loop import Loop

__all__ = ["apply_learned"]

#: Each round knows what the one before applied; it is rarely more than one.
_ROUNDS_MAX = 3


def apply_learned(name: str, *flows: str) -> "Callable[[Loop], StepReport]":
    """A step that decides, posts and reads again while money becomes certain."""

    def run(loop: "Loop") -> StepReport:
        report, told = (
            StepReport(name),
            {text for one in loop.report.steps for text in one.messages},
        )
        for number in range(_ROUNDS_MAX):
            decided = decide_cash(loop)
            if number and not decided.counts.get("receipts_auto"):
                break
            planned = plan_step(name, *flows)(loop)
            sent = deliver_step(name, *flows)(loop)
            _forget(planned, told)
            for part in (planned, sent):
                _add(report, part)
            if not sent.counts.get("writes"):
                break
            _add(report, reread(loop))
            build_again(loop)
        return report

    return run


def _forget(planned: StepReport, told: set[str]) -> None:
    """A guard that still holds its object back is no second exception: it was counted before."""
    again = [text for text in planned.messages if text in told]
    planned.messages = [text for text in planned.messages if text not in told]
    if again:
        planned.counts["exceptions"] = max(0, planned.counts.get("exceptions", 0) - len(again))
    told.update(planned.messages)


def _add(report: StepReport, part: StepReport) -> None:
    """Count a part of the step; how many rows were read is no news here."""
    for name, count in part.counts.items():
        if not name.startswith("rows_"):
            report.counts[name] = report.counts.get(name, 0) + count
    report.messages += part.messages
