"""The forms of a dispute: to open, as stored, and how one is cut in parts or joined.

Pure. Every cut and join keeps each line's money: what one receipt left unpaid of one item.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

__all__ = [
    "DISPUTE_COLUMNS",
    "DisputeLine",
    "NewDispute",
    "StoredDispute",
    "disputes_of",
    "joined",
    "parts_of",
    "shared",
]

_LINE = "item_key, receipt_id, amount_text, accepted_text"
#: What ``disputes_of`` reads, in this order.
DISPUTE_COLUMNS = (
    "dispute_id, system_id, company_code, customer_id, customer, reason_code, external_code,"
    " claim_text, currency_code, status, version, verdict, decided_by, decider_os_user, approvals,"
    f" assigned_to, note, opened_at, due_at, closed_at, {_LINE}"
)
_HEADER_WIDTH = 20


@dataclass(frozen=True, slots=True)
class DisputeLine:
    """What one receipt left unpaid of one item, and the part of it that was accepted."""

    item_key: str
    receipt_id: str
    amount: Decimal
    accepted: Decimal | None = None


@dataclass(frozen=True, slots=True)
class NewDispute:
    """A dispute to open. ``lines`` are positive amounts in ``currency_code``."""

    dispute_id: str
    system_id: str
    company_code: str
    customer_id: str
    customer: str
    reason_code: str
    currency_code: str
    lines: Sequence[DisputeLine]
    due_at: datetime
    external_code: str = ""
    claim_text: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class StoredDispute:
    """A dispute as it stands; instants are UTC text, ``approvals`` who agreed to this version."""

    dispute_id: str
    system_id: str
    company_code: str
    customer_id: str
    customer: str
    reason_code: str
    external_code: str
    claim_text: str
    currency_code: str
    status: str
    version: int
    verdict: str
    decided_by: str
    decider_os_user: str
    approvals: tuple[str, ...]
    assigned_to: str
    note: str
    opened_at: str
    due_at: str
    closed_at: str | None
    lines: tuple[DisputeLine, ...]

    @property
    def amount(self) -> Decimal:
        """What the customer kept back."""
        return sum((line.amount for line in self.lines), Decimal(0))


def shared(lines: Sequence[DisputeLine], amount: Decimal) -> Iterator[tuple[DisputeLine, Decimal]]:
    """Hand an amount to lines in their order, each up to its own; the sum is the amount."""
    left = amount
    for line in lines:
        part = min(line.amount, left)
        left -= part
        yield line, part


def parts_of(
    found: StoredDispute, parts: Sequence[tuple[str, Decimal]], reason: str
) -> Iterator[NewDispute]:
    """The disputes that a split makes; lines are used up in order."""
    left = {line: line.amount for line in found.lines}
    for number, (reason_code, amount) in enumerate(parts, 1):
        lines, wanted = [], amount
        for line, rest in left.items():
            taken = min(rest, wanted)
            if taken > 0:
                lines.append(DisputeLine(line.item_key, line.receipt_id, taken))
                left[line] = rest - taken
                wanted -= taken
        yield _successor(found, f"{found.dispute_id}/{number}", reason_code, lines, reason)


def joined(found: Sequence[StoredDispute], reason: str) -> NewDispute:
    """The dispute that a merge makes; equal lines of an item and a receipt add up."""
    amounts: dict[tuple[str, str], Decimal] = {}
    for one in found:
        for line in one.lines:
            key = (line.item_key, line.receipt_id)
            amounts[key] = amounts.get(key, Decimal(0)) + line.amount
    lines = [DisputeLine(*key, amount) for key, amount in amounts.items()]
    seed = "/".join(sorted(one.dispute_id for one in found))
    return _successor(min(found, key=lambda o: o.due_at), seed, found[0].reason_code, lines, reason)


def _successor(
    found: StoredDispute, seed: str, reason_code: str, lines: Sequence[DisputeLine], reason: str
) -> NewDispute:
    return NewDispute(
        dispute_id=f"DSP-{hashlib.sha256(seed.encode()).hexdigest()[:16].upper()}",
        system_id=found.system_id,
        company_code=found.company_code,
        customer_id=found.customer_id,
        customer=found.customer,
        reason_code=reason_code,
        currency_code=found.currency_code,
        lines=lines,
        due_at=datetime.fromisoformat(found.due_at),
        external_code=found.external_code,
        claim_text=found.claim_text,
        note=reason,
    )


def disputes_of(rows: Iterable[Sequence[Any]]) -> Iterator[StoredDispute]:
    """Lines, grouped by dispute in the order they come."""
    grouped: dict[str, list[Sequence[Any]]] = {}
    for row in rows:
        grouped.setdefault(row[0], []).append(row)
    for lines in grouped.values():
        header: list[Any] = list(lines[0][:_HEADER_WIDTH])
        header[14] = tuple(who for who, _at in orjson.loads(header[14]))
        parts = tuple(
            DisputeLine(row[20], row[21], Decimal(row[22]), Decimal(row[23]) if row[23] else None)
            for row in lines
        )
        yield StoredDispute(*[*header, parts])
