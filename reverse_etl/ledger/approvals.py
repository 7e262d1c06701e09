"""Approvals: a person's word, bound to one exact payload, for a limited time.

The proposer never approves. Above an amount of the policy a second person must agree. A command
that was superseded takes its approvals with it: they are void, and the new one needs new ones.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
from sqlalchemy import Connection

from reverse_etl.ledger.clock import text_of
from reverse_etl.ledger.commands import Command, State
from reverse_etl.ledger.database import Database
from reverse_etl.ledger.dependants import withdraw_dependants
from reverse_etl.ledger.events import Entry, EventName, Unit, data_of
from reverse_etl.ledger.exceptions import ActionResult
from reverse_etl.ledger.masking import mask_text
from reverse_etl.ledger.rows import (
    COMMAND_COLUMNS,
    SELECT_COMMAND,
    StoredCommand,
    command_of,
)
from reverse_etl.ledger.values import canonical_json, sha256_hex

__all__ = ["ApprovalTerms", "Approvals", "ApprovedLimit"]

#: The hub itself as a proposer: no person, so no operating-system user to compare.
_HUB = "ledgerloop"
_WIDTH = len(COMMAND_COLUMNS)
_DAYS_PER_MONTH = Decimal("30.4375")


@dataclass(frozen=True, slots=True)
class ApprovalTerms:
    """What the policy says of one rule.

    Attributes:
        expires_days: how long a granted approval lasts.
        second_person_from: from this amount (of the command's currency) two people must agree;
            None: never.
    """

    expires_days: int = 14
    second_person_from: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ApprovedLimit:
    """A credit limit that somebody entitled approved; ``limit_amount`` is canonical text."""

    system_id: str
    customer: str
    credit_segment: str
    limit_kind: str
    limit_amount: str
    currency_code: str
    approved_by: str
    approved_at: str
    second_approver: str = ""


class Approvals:
    """Grants, refusals and what follows from them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def awaiting(self) -> Iterator[StoredCommand]:
        """Commands that wait for a person, oldest first, with who has agreed so far."""
        for page in self._database.stream(
            f"SELECT {SELECT_COMMAND}, s.state, s.native_id, s.attempts, s.since,"  # noqa: S608
            " s.approval_expires_at FROM command_state s JOIN commands c"
            " ON c.command_no = s.command_no WHERE s.state = 'awaiting_approval'"
            " ORDER BY c.command_no",
            page_rows=200,
        ):
            with self._database.read() as connection:
                people = self._people(connection, [row[0] for row in page])
            for row in page:
                by = tuple(people.get(row[0], ()))
                yield StoredCommand(*(command_of(row), *row[_WIDTH:], by))

    def _people(self, connection: Connection, numbers: Sequence[int]) -> dict[int, list[str]]:
        rows = self._database.run(
            connection,
            'SELECT command_no, "by" FROM approvals WHERE command_no IN {ids} AND is_void = 0'
            " AND decision = 'granted' ORDER BY event_no",
            (orjson.dumps(list(numbers)).decode(),),
        )
        found: dict[int, list[str]] = {}
        for number, by in rows:
            found.setdefault(number, []).append(by)
        return found

    def grant(
        self,
        unit: Unit,
        command_id: str,
        payload_hash: str,
        *,
        by: str,
        os_user: str,
        reason: str,
        terms: ApprovalTerms,
    ) -> ActionResult:
        """One person agrees to exactly this payload.

        Codes: ``granted``, ``needs_second``; refused: ``unknown_command``, ``stale`` (superseded,
        or another payload than the person saw), ``not_awaiting``, ``self_approval``,
        ``same_person``.
        """
        row = self._row(unit.connection, command_id)
        refusal = _refusal(row, command_id, payload_hash, by, os_user)
        if refusal is not None or row is None:
            return refusal or ActionResult(command_id, False, "unknown_command", "not recorded")
        number, command = row[0], command_of(row)
        earlier = self._earlier(unit, number, payload_hash)
        if by.casefold() in {one[0].casefold() for one in earlier}:
            return ActionResult(
                command_id, False, "same_person", f"{by} agreed already: a second person must"
            )
        is_large = (
            terms.second_person_from is not None and abs(command.amount) >= terms.second_person_from
        )
        is_complete = len(earlier) + 1 >= (2 if is_large else 1)
        expires_at = text_of(unit.now + timedelta(days=terms.expires_days))
        expires_at = min([expires_at, *(one[1] for one in earlier)])
        data = data_of(
            by=by,
            os_user=os_user,
            reason=mask_text(reason),
            payload_hash=payload_hash,
            expires_at=expires_at,
            is_complete=is_complete,
        )
        unit.emit([Entry(EventName.APPROVAL_GRANTED, number, data)], actor=by)
        if not is_complete:
            return ActionResult(command_id, True, "needs_second", "one more person must agree")
        self._note_limit(unit, command, [*(one[0] for one in earlier), by])
        return ActionResult(command_id, True, "granted", f"valid until {expires_at}")

    def reject(
        self, unit: Unit, command_id: str, *, by: str, os_user: str, reason: str
    ) -> ActionResult:
        """A person says no: the command is void. Codes: ``rejected``, ``not_awaiting``."""
        row = self._row(unit.connection, command_id)
        if row is None or row[_WIDTH] != State.AWAITING_APPROVAL:
            state = "not recorded" if row is None else row[_WIDTH]
            return ActionResult(command_id, False, "not_awaiting", f"it is {state}")
        data = data_of(
            by=by, os_user=os_user, reason=mask_text(reason), payload_hash=row[11], expires_at=None
        )
        unit.emit([Entry(EventName.APPROVAL_REJECTED, row[0], data)], actor=by)
        withdraw_dependants(unit, row[0])
        return ActionResult(command_id, True, "rejected", "it will not be sent")

    def is_valid(self, connection: Connection, number: int, payload: Any, now: datetime) -> bool:
        """Whether people agreed to exactly this payload and their word has not run out."""
        found = self._database.run(
            connection,
            "SELECT 1 FROM approvals WHERE command_no = ? AND decision = 'granted'"
            " AND is_void = 0 AND payload_hash = ? AND expires_at > ?",
            (number, sha256_hex(canonical_json(payload)), text_of(now)),
        ).first()
        return found is not None

    def _earlier(self, unit: Unit, number: int, payload_hash: str) -> list[tuple[str, str]]:
        """Who agreed to this payload before, and until when."""
        rows = self._database.run(
            unit.connection,
            'SELECT "by", expires_at FROM approvals WHERE command_no = ? AND payload_hash = ?'
            " AND decision = 'granted' AND is_void = 0 AND expires_at > ? ORDER BY event_no",
            (number, payload_hash, unit.at),
        )
        return [(row[0], row[1]) for row in rows]

    def _row(self, connection: Connection, command_id: str) -> Any:
        return self._database.run(
            connection,
            f"SELECT {SELECT_COMMAND}, s.state FROM commands c JOIN command_state s"  # noqa: S608
            " ON s.command_no = c.command_no WHERE c.command_id = ?",
            (command_id,),
        ).first()

    # -- limits ----------------------------------------------------------------------------------

    def _note_limit(self, unit: Unit, command: Command, people: Sequence[str]) -> None:
        """An approved command on a credit limit is the newest approved limit of its account."""
        payload = command.payload
        customer, _, segment = command.business_key.partition("/")
        if not segment or not ({"limit_kind", "limit_amount"} & set(payload)):
            return
        before = self._database.run(
            unit.connection,
            "SELECT limit_kind, limit_amount, currency_code FROM approved_limits"
            " WHERE system_id = ? AND customer = ? AND credit_segment = ?",
            (command.system_id, customer, segment),
        ).first()
        kind, amount, currency = before or ("limited", "", "")
        self.record_limits(
            unit,
            [
                ApprovedLimit(
                    system_id=command.system_id,
                    customer=customer,
                    credit_segment=segment,
                    limit_kind=str(payload.get("limit_kind") or kind),
                    limit_amount=str(payload.get("limit_amount", amount) or ""),
                    currency_code=command.currency_code or currency,
                    approved_by=people[0],
                    approved_at=unit.at,
                    second_approver=people[1] if len(people) > 1 else "",
                )
            ],
        )

    def record_limits(self, unit: Unit, limits: Sequence[ApprovedLimit]) -> None:
        """Take over limits that were approved elsewhere."""
        unit.emit(
            [
                Entry(
                    EventName.LIMIT_APPROVED,
                    None,
                    data_of(**{name: getattr(one, name) for name in ApprovedLimit.__slots__}),
                    f"{one.customer}/{one.credit_segment}",
                )
                for one in limits
            ]
        )

    def cumulative_amounts(
        self, connection: Connection, customer_id: str, object_name: str, since: datetime
    ) -> dict[str, Decimal]:
        """Money of a customer's commands since an instant, by currency; ended-in-vain ones not."""
        rows = self._database.run(
            connection,
            "SELECT c.currency_code, c.amount_text FROM commands c JOIN command_state s"
            " ON s.command_no = c.command_no WHERE c.customer_id = ? AND c.customer_id <> ''"
            " AND c.object_name = ? AND c.planned_at >= ?"
            " AND s.state NOT IN ('rejected','dead','superseded','void')",
            (customer_id, object_name, text_of(since)),
        )
        found: dict[str, Decimal] = {}
        for currency_code, amount_text in rows:
            if amount_text:
                found[currency_code] = found.get(currency_code, Decimal(0)) + abs(
                    Decimal(amount_text)
                )
        return found


def months_before(now: datetime, months: int) -> datetime:
    """An instant that many average months earlier."""
    return now - timedelta(days=float(_DAYS_PER_MONTH * months))


def _refusal(
    row: Any, command_id: str, payload_hash: str, by: str, os_user: str
) -> ActionResult | None:
    """Why a person may not agree to this; None when they may."""

    def no(code: str, message: str) -> ActionResult:
        return ActionResult(command_id, False, code, message)

    if row is None:
        return no("unknown_command", "no such command is recorded")
    state, stored_hash, proposed_by, proposer_os_user = row[_WIDTH], row[11], row[18], row[19]
    if state in {State.SUPERSEDED, State.VOID}:
        return no("stale", f"it is {state}: what you saw is no longer planned")
    if payload_hash != stored_hash or sha256_hex(row[10]) != stored_hash:
        return no("stale", "the payload is not the one you saw")
    if state != State.AWAITING_APPROVAL:
        return no("not_awaiting", f"it is {state}")
    if by.casefold() == proposed_by.casefold():
        return no("self_approval", f"{by} proposed it: another person must agree")
    if proposed_by != _HUB and proposer_os_user and os_user == proposer_os_user:
        return no("self_approval", f"the account {os_user} proposed it: another must agree")
    return None
