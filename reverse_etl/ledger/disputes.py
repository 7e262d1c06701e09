"""Disputes: what people say about money a customer kept back, as events of the one log.

The hub opens a dispute from evidence; a person decides it (valid, partly, invalid, write off);
another person agrees where the policy's bands ask for one. Every decision raises the version, and
an agreement counts for the version it was given to: nobody agrees to what changed afterwards. Who
decided never agrees to it. This module moves no money and knows no policy: what follows from a
decision is ``reverse_etl/decisions/deductions.py``.
"""

import getpass
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection

from ingestion.common.money import canonical_text
from reverse_etl.ledger.clock import text_of
from reverse_etl.ledger.dispute_facts import CLOSED_STATUSES
from reverse_etl.ledger.dispute_forms import (
    DISPUTE_COLUMNS,
    DisputeLine,
    NewDispute,
    StoredDispute,
    disputes_of,
    joined,
    parts_of,
    shared,
)
from reverse_etl.ledger.events import Entry, EventName, Unit, data_of
from reverse_etl.ledger.exceptions import ActionResult
from reverse_etl.ledger.masking import mask_text
from reverse_etl.ledger.store import Store

__all__ = ["MOVES", "VERDICTS", "DisputeLine", "Disputes", "NewDispute", "StoredDispute"]

#: What a person may decide, and the status it brings.
VERDICTS: Mapping[str, str] = {
    "valid": "valid",
    "partly": "partly_valid",
    "invalid": "denied",
    "write_off": "write_off_requested",
}
_OPEN = frozenset({"new", "triage", "assigned", "awaiting_customer", "awaiting_internal"})
_DENIED = frozenset({"denied", "repay_requested", "reopened"})
#: From which statuses a dispute may be moved to another (a decision is no move).
MOVES: Mapping[str, frozenset[str]] = {
    "triage": _OPEN | {"reopened"},
    "assigned": _OPEN | {"reopened"},
    "awaiting_customer": _OPEN | {"reopened"},
    "awaiting_internal": _OPEN | {"reopened"},
    "repay_requested": frozenset({"denied", "posted"}),
    "reopened": frozenset({"denied", "repay_requested", "posted", "closed", "write_off_requested"}),
    "posted": frozenset({"valid", "partly_valid"}),
    "written_off": _OPEN | {"write_off_requested"},
    "closed": _OPEN | _DENIED | {"valid", "partly_valid", "write_off_requested", "posted"},
    "void": _OPEN | {"reopened"},
}
_DECIDABLE = _OPEN | _DENIED | {"valid", "partly_valid", "write_off_requested"}
_APPROVABLE = frozenset({"valid", "partly_valid", "write_off_requested"})


class Disputes:
    """Acts on disputes, each one transaction. Refusals are answers, never exceptions."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # -- the hub ---------------------------------------------------------------------------------

    def open(self, new: Iterable[NewDispute], *, by: str = "ledgerloop") -> list[str]:
        """Open disputes; one whose id is known already is left alone. The ids that are new.

        Raises:
            ValueError: a dispute without lines or with an amount that is not positive.
        """
        with self._store.unit(by) as unit:
            return self._open(unit, new)

    def _open(self, unit: Unit, new: Iterable[NewDispute]) -> list[str]:
        opened: list[str] = []
        for one in new:
            if not one.lines or any(line.amount <= 0 for line in one.lines):
                raise ValueError(f"dispute {one.dispute_id}: every line needs an amount above zero")
            if one.dispute_id in opened or self._find(unit.connection, one.dispute_id):
                continue
            values = {name: getattr(one, name) for name in _NEW_HEADER}
            data = data_of(
                **values | {"claim_text": mask_text(one.claim_text), "note": mask_text(one.note)},
                due_at=text_of(one.due_at),
                lines=_lines_data((line, line.amount) for line in one.lines),
            )
            unit.emit([Entry(EventName.DISPUTE_OPENED, None, data, one.dispute_id)])
            opened.append(one.dispute_id)
        return opened

    # -- people ----------------------------------------------------------------------------------

    def decide(
        self,
        dispute_id: str,
        verdict: str,
        *,
        by: str,
        reason: str,
        amount: Decimal | None = None,
        os_user: str | None = None,
    ) -> ActionResult:
        """A person decides a dispute; the decision is a new version.

        Args:
            dispute_id: which.
            verdict: one of ``VERDICTS``. ``write_off`` only after the customer was denied.
            by: who.
            reason: why, in words.
            amount: the accepted part, only with ``partly``.
            os_user: the account the person works under; left out: this process's.

        Codes: ``decided``; refused: ``unknown_dispute``, ``unknown_verdict``, ``not_decidable``,
        ``wrong_amount``.
        """
        with self._store.unit(by) as unit:
            found = self._find(unit.connection, dispute_id)
            if found is None:
                return ActionResult(dispute_id, False, "unknown_dispute", "no such dispute")
            problem = _decision_problem(found, verdict, amount)
            if problem is not None:
                return problem
            accepted = {"valid": found.amount, "partly": amount, "write_off": found.amount}
            data = data_of(
                status=VERDICTS[verdict],
                verdict=verdict,
                version=found.version + 1,
                reason=mask_text(reason),
                os_user=getpass.getuser() if os_user is None else os_user,
                accepted=_lines_data(shared(found.lines, accepted.get(verdict) or Decimal(0))),
            )
            unit.emit([Entry(EventName.DISPUTE_DECIDED, None, data, dispute_id)])
            return ActionResult(dispute_id, True, "decided", f"version {found.version + 1}")

    def approve(
        self, dispute_id: str, version: int, *, by: str, reason: str, os_user: str | None = None
    ) -> ActionResult:
        """Another person agrees to the decision of exactly this version.

        Codes: ``approved``; refused: ``unknown_dispute``, ``stale``, ``not_awaiting``,
        ``self_approval``, ``same_person``.
        """
        user = getpass.getuser() if os_user is None else os_user
        with self._store.unit(by) as unit:
            found = self._find(unit.connection, dispute_id)
            if found is None:
                return ActionResult(dispute_id, False, "unknown_dispute", "no such dispute")
            problem = _approval_problem(found, version, by, os_user)
            if problem is not None:
                return problem
            data = data_of(version=version, reason=mask_text(reason), os_user=user)
            unit.emit([Entry(EventName.DISPUTE_APPROVED, None, data, dispute_id)])
            return ActionResult(dispute_id, True, "approved", f"version {version}")

    def move(
        self,
        dispute_id: str,
        status: str,
        *,
        by: str,
        reason: str,
        assigned_to: str | None = None,
        reason_code: str | None = None,
        due_at: datetime | None = None,
    ) -> ActionResult:
        """Move a dispute to another status, or (same status) reassign, recode, set its due day.

        Codes: ``moved``; refused: ``unknown_dispute``, ``not_movable``.
        """
        with self._store.unit(by) as unit:
            found = self._find(unit.connection, dispute_id)
            if found is None:
                return ActionResult(dispute_id, False, "unknown_dispute", "no such dispute")
            if status != found.status and found.status not in MOVES.get(status, frozenset()):
                return ActionResult(
                    dispute_id, False, "not_movable", f"from {found.status} to {status}: not a step"
                )
            self._move(unit, dispute_id, status, reason, assigned_to, reason_code, due_at)
            return ActionResult(dispute_id, True, "moved", status)

    def split(
        self, dispute_id: str, parts: Sequence[tuple[str, Decimal]], *, by: str, reason: str
    ) -> ActionResult:
        """Make several disputes, one per reason code, of one; the parts sum to the whole.

        Codes: ``split`` (the message names the new ids); refused: ``unknown_dispute``,
        ``not_movable``, ``wrong_amount``.
        """
        with self._store.unit(by) as unit:
            found = self._find(unit.connection, dispute_id)
            if found is None:
                return ActionResult(dispute_id, False, "unknown_dispute", "no such dispute")
            if found.status not in MOVES["void"]:
                return ActionResult(dispute_id, False, "not_movable", f"it is {found.status}")
            amounts = [amount for _code, amount in parts]
            if len(parts) < 2 or min(amounts) <= 0 or sum(amounts) != found.amount:
                text = f"the parts must be above zero and sum to {canonical_text(found.amount)}"
                return ActionResult(dispute_id, False, "wrong_amount", text)
            ids = self._open(unit, parts_of(found, parts, reason))
            self._move(unit, dispute_id, "void", f"split into {', '.join(ids)}: {reason}")
            return ActionResult(dispute_id, True, "split", ", ".join(ids))

    def merge(self, dispute_ids: Sequence[str], *, by: str, reason: str) -> ActionResult:
        """Make one dispute of several of one customer, company and currency.

        Codes: ``merged`` (the message is the new id); refused: ``unknown_dispute``,
        ``not_movable``, ``not_alike``.
        """
        name = ", ".join(dispute_ids)
        with self._store.unit(by) as unit:
            every = [self._find(unit.connection, one) for one in dict.fromkeys(dispute_ids)]
            found = [one for one in every if one is not None]
            if len(found) < len(every) or len(found) < 2:
                return ActionResult(name, False, "unknown_dispute", "two known disputes are needed")
            if any(one.status not in MOVES["void"] for one in found):
                return ActionResult(name, False, "not_movable", "one of them is decided already")
            if (
                len({(o.system_id, o.company_code, o.customer_id, o.currency_code) for o in found})
                > 1
            ):
                return ActionResult(
                    name, False, "not_alike", "they differ in customer, company or currency"
                )
            (new_id,) = self._open(unit, [joined(found, reason)])
            for one in found:
                self._move(unit, one.dispute_id, "void", f"merged into {new_id}: {reason}")
            return ActionResult(name, True, "merged", new_id)

    # -- reading ---------------------------------------------------------------------------------

    def get(self, dispute_id: str) -> StoredDispute | None:
        """One dispute."""
        with self._store.database.read() as connection:
            return self._find(connection, dispute_id)

    def list(
        self,
        *,
        status: str | None = None,
        customer_id: str | None = None,
        with_closed: bool = False,
    ) -> Iterator[StoredDispute]:
        """Disputes, oldest first; those that are over only when asked for."""
        where, values = ["1 = 1"], []
        for column, value in (("status", status), ("customer_id", customer_id)):
            if value is not None:
                where.append(f"{column} = ?")
                values.append(value)
        if not with_closed and status is None:
            where.append("status NOT IN ({})".format(", ".join("?" * len(CLOSED_STATUSES))))
            values.extend(CLOSED_STATUSES)
        with self._store.database.read() as connection:
            rows = self._store.database.run(
                connection,
                f"SELECT {DISPUTE_COLUMNS} FROM disputes WHERE {' AND '.join(where)}"  # noqa: S608
                " ORDER BY opened_at, dispute_id, item_key, receipt_id",
                values,
            ).fetchall()
        yield from disputes_of(rows)

    def _find(self, connection: Connection, dispute_id: str) -> StoredDispute | None:
        rows = self._store.database.run(
            connection,
            f"SELECT {DISPUTE_COLUMNS} FROM disputes WHERE dispute_id = ?"  # noqa: S608
            " ORDER BY item_key, receipt_id",
            (dispute_id,),
        ).fetchall()
        return next(disputes_of(rows), None)

    @staticmethod
    def _move(
        unit: Unit,
        dispute_id: str,
        status: str,
        reason: str,
        assigned_to: str | None = None,
        reason_code: str | None = None,
        due_at: datetime | None = None,
    ) -> None:
        data = data_of(
            status=status,
            reason=mask_text(reason),
            assigned_to=assigned_to,
            reason_code=reason_code,
            due_at=None if due_at is None else text_of(due_at),
        )
        unit.emit([Entry(EventName.DISPUTE_MOVED, None, data, dispute_id)])


_NEW_HEADER = (
    "system_id", "company_code", "customer_id", "customer", "reason_code", "currency_code",
    "external_code", "claim_text", "note",
)  # fmt: skip


def _lines_data(lines: Iterable[tuple[DisputeLine, Decimal]]) -> list[dict[str, str]]:
    return [
        {
            "item_key": line.item_key,
            "receipt_id": line.receipt_id,
            "amount": canonical_text(amount),
        }
        for line, amount in lines
    ]


def _decision_problem(
    found: StoredDispute, verdict: str, amount: Decimal | None
) -> ActionResult | None:
    """Why this cannot be decided so; None when it can."""
    name = found.dispute_id
    if verdict not in VERDICTS:
        return ActionResult(name, False, "unknown_verdict", f"say one of {', '.join(VERDICTS)}")
    allowed = _DENIED if verdict == "write_off" else _DECIDABLE
    if found.status not in allowed:
        return ActionResult(name, False, "not_decidable", f"{verdict}: it is {found.status}")
    if (verdict == "partly") != (amount is not None):
        return ActionResult(name, False, "wrong_amount", "an amount goes with partly, only there")
    if amount is not None and not 0 < amount < found.amount:
        text = f"the accepted part must lie between 0 and {canonical_text(found.amount)}"
        return ActionResult(name, False, "wrong_amount", text)
    return None


def _approval_problem(
    found: StoredDispute, version: int, by: str, os_user: str | None
) -> ActionResult | None:
    """Why this person may not agree to this version; None when they may."""
    name = found.dispute_id
    if found.status not in _APPROVABLE:
        return ActionResult(name, False, "not_awaiting", f"it is {found.status}")
    if version != found.version:
        return ActionResult(
            name, False, "stale", f"version {found.version} holds, not {version}: look again"
        )
    if by.casefold() == found.decided_by.casefold():
        return ActionResult(name, False, "self_approval", f"{by} decided it: another must agree")
    if os_user is not None and os_user == found.decider_os_user:
        return ActionResult(name, False, "self_approval", f"the account {os_user} decided it")
    if by.casefold() in {one.casefold() for one in found.approvals}:
        return ActionResult(name, False, "same_person", f"{by} agreed already")
    return None
