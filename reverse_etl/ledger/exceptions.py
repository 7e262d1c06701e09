"""Exceptions: what a person must look at, technical (the pipe) or business (the data).

Opened, counted up and closed by events, kept for ever, never cut from a list. One that concerns a
command's key closes itself when a command on that key is verified. A retry sends again only what
certainly had no effect; whatever may be in the target is looked up first.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection

from reverse_etl.ledger.clock import instant_of
from reverse_etl.ledger.commands import FINAL_STATES, CommandClass, State
from reverse_etl.ledger.database import Database
from reverse_etl.ledger.dependants import withdraw_dependants
from reverse_etl.ledger.events import Entry, EventName, Unit, data_of, keep_contents
from reverse_etl.ledger.masking import mask_text
from reverse_etl.ledger.projection_facts import EXCEPTION_COLUMNS
from reverse_etl.ledger.values import canonical_json

__all__ = [
    "BUSINESS",
    "NOT_CONFIRMED",
    "TECHNICAL",
    "ActionResult",
    "Exceptions",
    "NewException",
    "StoredException",
    "age_seconds",
]

TECHNICAL, BUSINESS = "technical", "business"
#: Accepted, and the target did not confirm the effect in time.
NOT_CONFIRMED = "not_confirmed"
#: Who looks at an exception whose command names no team.
_TEAM_OF_CLASS = {TECHNICAL: "integration", BUSINESS: "accounts_receivable"}
#: Verdicts of a person on a command whose outcome nobody could find out.
VERDICTS = ("", "has_effect", "no_effect", "void")
_FILTERS = frozenset(
    {
        "state", "class", "code", "field", "system_id", "object_name", "object_key", "customer_id",
        "team", "region", "invoice", "correlation_id", "exception_id", "is_retryable",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class NewException:
    """Something for a person. ``payload`` is kept losslessly (JSON without floats).

    Attributes:
        exception_class: ``technical`` or ``business``.
        object_key: with system and object, what it is about; the same open one counts up.
        command_no: the command concerned, None when it is none (a refused file, a guard).
    """

    exception_class: str
    code: str
    message: str
    field: str = ""
    is_retryable: bool = True
    system_id: str = ""
    object_name: str = ""
    object_key: str = ""
    correlation_id: str = ""
    team: str = ""
    region: str = ""
    customer_id: str = ""
    customer_name: str = ""
    invoice: str = ""
    amount_text: str = ""
    currency_code: str = ""
    payload: Any = None
    command_no: int | None = None


@dataclass(frozen=True, slots=True)
class StoredException:
    """An exception as it stands. Instants are UTC text; ``payload`` is what was given, whole."""

    exception_id: str
    exception_class: str
    code: str
    field: str
    message: str
    is_retryable: bool
    system_id: str
    object_name: str
    object_key: str
    command_id: str
    correlation_id: str
    team: str
    region: str
    customer_id: str
    customer_name: str
    invoice: str
    amount_text: str
    currency_code: str
    payload: Any
    opened_at: str
    last_seen_at: str
    occurrences: int
    state: str
    closed_at: str | None
    closed_by: str
    resolution: str


@dataclass(frozen=True, slots=True)
class ActionResult:
    """What became of a person's request. ``code`` is stable, ``message`` is for reading."""

    subject: str
    is_done: bool
    code: str
    message: str


_COLUMNS = (
    "x.exception_id, x.class, x.code, x.field, x.message, x.is_retryable, x.system_id,"
    " x.object_name, x.object_key, coalesce(c.command_id, ''), x.correlation_id, x.team, x.region,"
    " x.customer_id, x.customer_name, x.invoice, x.amount_text, x.currency_code,"
    " coalesce(c.payload, n.content, 'null'), x.opened_at, x.last_seen_at, x.occurrences, x.state,"
    " x.closed_at, x.closed_by, x.resolution"
)
_FROM = (
    " FROM exceptions x LEFT JOIN commands c ON c.command_no = x.command_no"
    " LEFT JOIN contents n ON n.content_hash = x.content_hash"
)


def age_seconds(one: StoredException, now: Any) -> float:
    """How long it has been open, or was until it closed."""
    until = instant_of(one.closed_at) if one.closed_at else now
    return float((until - instant_of(one.opened_at)).total_seconds())


class Exceptions:
    """Opens, finds, retries and resolves exceptions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- opening and closing ---------------------------------------------------------------------

    def open(self, unit: Unit, new: Iterable[NewException]) -> list[str]:
        """Open exceptions, or count up the ones that are open already; returns their ids."""
        found = []
        for one in new:
            before = self._open_one(unit, one)
            if before:
                data = data_of(message=mask_text(one.message))
                unit.emit([Entry(EventName.EXCEPTION_SEEN, one.command_no, data, before)])
                found.append(before)
                continue
            content_hash = ""
            if one.payload is not None and one.command_no is None:
                content_hash = keep_contents(unit, [canonical_json(one.payload)])[0]
            exception_id = f"E{unit.next_event_no}"
            values = {
                "class": one.exception_class,
                "message": mask_text(one.message),
                "is_retryable": int(one.is_retryable),
                "team": one.team or _TEAM_OF_CLASS[one.exception_class],
                "content_hash": content_hash,
            }
            data = data_of(
                **{n: values[n] if n in values else getattr(one, n) for n in EXCEPTION_COLUMNS}
            )
            unit.emit([Entry(EventName.EXCEPTION_OPENED, one.command_no, data, exception_id)])
            found.append(exception_id)
        return found

    def _open_one(self, unit: Unit, one: NewException) -> str | None:
        found = self._database.run(
            unit.connection,
            "SELECT exception_id FROM exceptions WHERE state = 'open' AND system_id = ?"
            " AND object_name = ? AND object_key = ? AND code = ? AND field = ?",
            (one.system_id, one.object_name, one.object_key, one.code, one.field),
        ).first()
        return None if found is None else str(found[0])

    def close_for_verified(self, unit: Unit, numbers: Sequence[int]) -> int:
        """Close what was open on the keys of commands that are verified now."""
        rows = self._database.run(
            unit.connection,
            "SELECT x.exception_id FROM command_state s CROSS JOIN exceptions x"
            " WHERE s.command_no IN {ids} AND x.state = 'open' AND x.system_id = s.system_id"
            " AND x.object_name = s.object_name AND x.object_key = s.business_key",
            (orjson.dumps(list(numbers)).decode(),),
        ).fetchall()
        data = data_of(by="ledgerloop", reason="a command on this key was verified")
        unit.emit([Entry(EventName.EXCEPTION_CLOSED, None, data, row[0]) for row in rows])
        return len(rows)

    def close_code(self, unit: Unit, system_id: str, code: str, reason: str) -> int:
        """Close what is open of one code of a system; returns how many."""
        rows = self._database.run(
            unit.connection,
            "SELECT exception_id FROM exceptions WHERE state = 'open' AND system_id = ?"
            " AND code = ?",
            (system_id, code),
        ).fetchall()
        data = data_of(by="ledgerloop", reason=reason)
        unit.emit([Entry(EventName.EXCEPTION_CLOSED, None, data, row[0]) for row in rows])
        return len(rows)

    def resolve(
        self, unit: Unit, ids: Iterable[str], *, by: str, reason: str, verdict: str = ""
    ) -> list[ActionResult]:
        """Close exceptions. A verdict also settles a command whose outcome is unknown.

        Verdicts: ``has_effect`` (a person saw it in the target; it is read back next),
        ``no_effect`` (a person saw that it is not there; it may be sent), ``void`` (an unknown or
        unsent command is given up), or empty: only the exception closes.

        Raises:
            ValueError: another verdict.
        """
        if verdict not in VERDICTS:
            raise ValueError(f"{verdict!r} is none of {', '.join(VERDICTS[1:])}")
        results = []
        for exception_id in ids:
            row = self._row(unit.connection, exception_id)
            if row is None or row["state"] != "open":
                results.append(_no(exception_id, "not_open", "no open exception has this id"))
                continue
            problem = self._apply_verdict(unit, row, verdict, by, reason) if verdict else ""
            if problem:
                results.append(_no(exception_id, "verdict_refused", problem))
                continue
            data = data_of(by=by, reason=mask_text(reason))
            unit.emit(
                [Entry(EventName.EXCEPTION_CLOSED, row["command_no"], data, exception_id)], actor=by
            )
            results.append(ActionResult(exception_id, True, "resolved", "closed"))
        return results

    def _apply_verdict(
        self, unit: Unit, row: dict[str, Any], verdict: str, by: str, reason: str
    ) -> str:
        """Settle the command of an exception by a person's word; returns why it cannot be."""
        number, state = row["command_no"], row["command_state"]
        if number is None:
            return "it concerns no command"
        reason = mask_text(reason)
        if verdict == "void":
            if state in FINAL_STATES or state in {State.SENDING, State.ACCEPTED}:
                return f"its command is {state}"
            unit.emit([Entry(EventName.VOIDED, number, data_of(reason=reason))], actor=by)
            withdraw_dependants(unit, number)
            return ""
        if state != State.UNKNOWN:
            return f"its command is {state}, not unknown"
        if verdict == "has_effect":
            data = data_of(native_id=row["native_id"], reason=reason)
            unit.emit([Entry(EventName.ACCEPTED, number, data)], actor=by)
        else:
            data = data_of(result="gone", look_up_after=unit.at, reason=reason)
            unit.emit([Entry(EventName.LOOKED_UP, number, data)], actor=by)
        return ""

    # -- trying again ----------------------------------------------------------------------------

    def retry(self, unit: Unit, ids: Iterable[str], *, by: str, reason: str) -> list[ActionResult]:
        """Let the commands of exceptions try again. The exception closes when one is verified."""
        return [self._retry_one(unit, one, by, mask_text(reason)) for one in ids]

    def _retry_one(self, unit: Unit, exception_id: str, by: str, reason: str) -> ActionResult:
        row = self._row(unit.connection, exception_id)
        if row is None or row["state"] != "open":
            return _no(exception_id, "not_open", "no open exception has this id")
        number, state = row["command_no"], row["command_state"]
        if number is None:
            return _no(exception_id, "no_command", "it concerns no command: mend it and run again")
        is_unconfirmed = state == State.ACCEPTED and row["code"] == NOT_CONFIRMED
        if state == State.ACCEPTED and not is_unconfirmed:
            return ActionResult(exception_id, True, "accepted", "it is read back in the next run")
        if not is_unconfirmed and state not in {State.REJECTED, State.DEAD, State.UNKNOWN}:
            return _no(exception_id, "not_ended", f"its command is {state}")
        if self._is_overtaken(unit.connection, number):
            return _no(exception_id, "overtaken", "a newer command on the same key took its place")
        # The target said yes and never showed it: a look-up tells whether it is there at all.
        is_uncertain = is_unconfirmed or state == State.UNKNOWN or bool(row["may_have_effect"])
        to = "unknown" if is_uncertain else "ready"
        unit.emit([Entry(EventName.REOPENED, number, data_of(to=to, reason=reason))], actor=by)
        message = "it is looked up first" if is_uncertain else "it is sent again in the next run"
        return ActionResult(exception_id, True, "reopened", message)

    def _is_overtaken(self, connection: Connection, number: int) -> bool:
        """Whether the key has a newer command, or a recorded correction asks for one."""
        found = self._database.run(
            connection,
            "SELECT 1 FROM commands c JOIN commands n ON n.system_id = c.system_id"
            " AND n.object_name = c.object_name AND n.business_key = c.business_key"
            " AND n.command_no > c.command_no AND (c.command_class = ? OR"
            " n.operation = c.operation) WHERE c.command_no = ?"
            " UNION ALL SELECT 1 FROM events WHERE command_no = ? AND name = ?",
            (str(CommandClass.STATE), number, number, str(EventName.CORRECTED)),
        ).first()
        return found is not None

    # -- finding ---------------------------------------------------------------------------------

    def find(self, **filters: Any) -> Iterator[StoredException]:
        """Exceptions that match every filter, oldest first, however many there are.

        Raises:
            ValueError: a filter that is none of the columns.
        """
        text, values = f"SELECT {_COLUMNS}{_FROM}", []
        joined = []
        for name, value in filters.items():
            column = "class" if name == "exception_class" else name
            if column not in _FILTERS:
                raise ValueError(f"{name!r} is no filter: use one of {', '.join(sorted(_FILTERS))}")
            if value is not None:
                joined.append(f"x.{column} = ?")
                values.append(int(value) if isinstance(value, bool) else value)
        if joined:
            text += " WHERE " + " AND ".join(joined)
        for page in self._database.stream(text + " ORDER BY x.opened_at, x.exception_id", values):
            for row in page:
                yield _stored(row)

    def _row(self, connection: Connection, exception_id: str) -> dict[str, Any] | None:
        found = self._database.run(
            connection,
            "SELECT x.state, x.command_no, s.state AS command_state, s.may_have_effect,"
            " s.native_id, x.code FROM exceptions x LEFT JOIN command_state s"
            " ON s.command_no = x.command_no WHERE x.exception_id = ?",
            (exception_id,),
        ).first()
        names = ("state", "command_no", "command_state", "may_have_effect", "native_id", "code")
        return None if found is None else dict(zip(names, found, strict=True))


def _stored(row: Sequence[Any]) -> StoredException:
    values = list(row)
    values[5] = bool(values[5])
    values[18] = orjson.loads(values[18])
    return StoredException(*values)


def _no(subject: str, code: str, message: str) -> ActionResult:
    return ActionResult(subject, False, code, message)
