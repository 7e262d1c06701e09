"""What a run leaves for the next one or for a person: counts, and why in plain words."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from reverse_etl.delivery.outages import outage_text, undeliverable_texts
from reverse_etl.delivery.report import DeliveryReport
from reverse_etl.delivery.target import Target
from reverse_etl.ledger.commands import State
from reverse_etl.ledger.store import Store

__all__ = ["note_left"]


def note_left(
    report: DeliveryReport,
    store: Store,
    targets: Mapping[str, Target],
    object_names: Collection[str] | None,
) -> None:
    """Fill a report with what is left of these systems' commands, and say why."""
    report.in_flight_max = {name: one.pacer.in_flight_max for name, one in targets.items()}
    report.systems_given_up = [name for name, one in targets.items() if one.is_given_up]
    left = store.counts_of(list(targets), object_names)
    report.waiting = left.get(State.WAITING, 0)
    report.unknown = left.get(State.UNKNOWN, 0)
    report.unconfirmed = left.get(State.ACCEPTED, 0)
    report.ready = left.get(State.READY, 0) + left.get(State.SENDING, 0)
    report.awaiting_approval = left.get(State.AWAITING_APPROVAL, 0)
    report.planned = left.get(State.PLANNED, 0)
    report.messages += _messages(report, targets)


def _messages(report: DeliveryReport, targets: Mapping[str, Target]) -> list[str]:
    found = []
    if report.unanswered:
        found.append(
            f"stopped with {report.unanswered:,} requests unanswered: the next run looks up what "
            "they did before it sends anything again"
        )
    for target in targets.values():
        if target.is_given_up:
            found.append(outage_text(target))
        found += undeliverable_texts(target).values()
        if target.is_given_up or report.is_stopped:
            continue
        for queue, what, how in (
            (target.looking_up, "got no answer", "looks them up"),
            (target.reading_back, "are accepted and not confirmed yet", "reads them back"),
        ):
            due = queue.next_due()
            if due is not None:
                at = datetime.fromtimestamp(due, UTC)
                found.append(
                    f"{target.system_id}: {len(queue):,} commands {what}; a run after "
                    f"{at:%Y-%m-%d %H:%M:%S} UTC {how}, nothing is sent twice meanwhile"
                )
    return found
