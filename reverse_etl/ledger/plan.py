"""Recording a plan: commands in, superseded ones out, adopted values, all in one transaction.

A command is immutable once recorded. The same id with the same payload is a replay and changes
nothing; with another payload it is refused. A refusal is a row of the answer, never an exception:
one bad command does not stop the others.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import orjson

from reverse_etl.ledger.clock import text_of
from reverse_etl.ledger.commands import (
    Command,
    CommandClass,
    State,
    Value,
    command_id_of,
)
from reverse_etl.ledger.database import Database
from reverse_etl.ledger.dependants import dependants
from reverse_etl.ledger.events import Entry, EventName, Unit, data_of, keep_contents
from reverse_etl.ledger.masking import mask_data, mask_text
from reverse_etl.ledger.modes import Mode, Modes
from reverse_etl.ledger.rows import COMMAND_COLUMNS, row_hash
from reverse_etl.ledger.values import canonical_json, canonical_value, sha256_hex

__all__ = [
    "Adopted",
    "PlanResult",
    "Planner",
    "Refusal",
    "Unfinished",
]

_CHUNK_COMMANDS = 500
#: Unsent, so a newer plan may take them back; what is on its way is only ever resolved.
SUPERSEDABLE = frozenset({State.PLANNED, State.AWAITING_APPROVAL, State.READY, State.WAITING})


@dataclass(frozen=True, slots=True)
class Adopted:
    """Values that a person set in the target and the hub takes as acknowledged."""

    system_id: str
    object_name: str
    object_key: str
    values: Mapping[str, Value]
    reason: str
    correlation_id: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something of a plan was not taken."""

    command_id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class PlanResult:
    """What became of a plan. All but ``refused`` are counts."""

    recorded: int = 0
    already_recorded: int = 0
    superseded: int = 0
    adopted: int = 0
    refused: list[Refusal] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A command whose life has not ended."""

    command_id: str
    business_key: str
    operation: str
    revision: int
    state: str
    payload_hash: str
    correlation_id: str


class Planner:
    """Writes plans into an open unit."""

    def __init__(self, database: Database, unit: Unit, *, modes: Modes, os_user: str) -> None:
        self._database = database
        self._unit = unit
        self._modes = modes
        self._os_user = os_user
        self._recorded = 0
        self._already = 0
        self._superseded = 0
        self._adopted = 0
        self._refused: list[Refusal] = []

    def result(self) -> PlanResult:
        return PlanResult(
            self._recorded, self._already, self._superseded, self._adopted, self._refused
        )

    # -- taking back -----------------------------------------------------------------------------

    def supersede(self, wanted: Iterable[tuple[str, str]]) -> None:
        """Take unsent commands back, and with each the unsent ones that wait for it."""
        for command_id, reason in wanted:
            found = self._rows(
                "SELECT c.command_no, s.state FROM commands c JOIN command_state s"
                " ON s.command_no = c.command_no WHERE c.command_id = ?",
                (command_id,),
            )
            if not found:
                self._refuse(command_id, "unknown_command", "no such command is recorded")
            elif found[0][1] in SUPERSEDABLE:
                self._superseded += self._withdraw([found[0][0]], reason)
            elif found[0][1] != State.SUPERSEDED:
                self._refuse(
                    command_id, "not_supersedable", f"it is {found[0][1]}: only unsent ones may be"
                )

    def correct(self, wanted: Iterable[tuple[str, str]]) -> None:
        """Note that a person mended the source of rejected postings: a new revision may follow."""
        for command_id, reason in wanted:
            found = self._rows(
                "SELECT c.command_no, s.state FROM commands c JOIN command_state s"
                " ON s.command_no = c.command_no WHERE c.command_id = ?",
                (command_id,),
            )
            if not found or found[0][1] != State.REJECTED:
                state = found[0][1] if found else "not recorded"
                self._refuse(command_id, "not_rejected", f"it is {state}, so nothing to correct")
                continue
            entry = Entry(EventName.CORRECTED, found[0][0], data_of(reason=mask_text(reason)))
            self._unit.emit([entry])
            self._withdraw(dependants(self._unit, [found[0][0]]), "its predecessor was corrected")

    def _withdraw(self, numbers: Sequence[int], reason: str) -> int:
        if not numbers:
            return 0
        every = [*numbers, *dependants(self._unit, numbers)]
        data = data_of(reason=mask_text(reason))
        self._unit.emit([Entry(EventName.SUPERSEDED, number, data) for number in every])
        return len(every)

    # -- adopting --------------------------------------------------------------------------------

    def adopt(self, adopted: Iterable[Adopted]) -> None:
        """Take a foreign edit as acknowledged; nothing is sent."""
        stream = iter(adopted)
        while chunk := list(islice(stream, _CHUNK_COMMANDS)):
            values = [{f: canonical_value(v) for f, v in one.values.items()} for one in chunk]
            hashes = keep_contents(self._unit, [canonical_json(one) for one in values])
            entries = [
                Entry(
                    EventName.ADOPTED,
                    data=data_of(
                        system_id=one.system_id,
                        object_name=one.object_name,
                        object_key=one.object_key,
                        shown=mask_data(shown),
                        content_hash=content_hash,
                        reason=mask_text(one.reason),
                        correlation_id=one.correlation_id,
                    ),
                    subject=one.object_key,
                )
                for one, shown, content_hash in zip(chunk, values, hashes, strict=True)
            ]
            self._unit.emit(entries)
            self._adopted += len(entries)

    # -- recording -------------------------------------------------------------------------------

    def record(self, commands: Iterable[Command]) -> None:
        """Record new commands, in order; predecessors come before what waits for them."""
        stream = iter(commands)
        while chunk := list(islice(stream, _CHUNK_COMMANDS)):
            known = self._known([command.command_id for command in chunk])
            fresh = []
            for command in chunk:
                payload = canonical_json(command.payload)
                problem = _problem_with(command, payload)
                before = known.get(command.command_id)
                if problem:
                    self._refuse(command.command_id, "wrong_hash", problem)
                elif before is None:
                    known[command.command_id] = command.payload_hash
                    fresh.append((command, payload))
                elif before == command.payload_hash:
                    self._already += 1
                else:
                    self._refuse(
                        command.command_id,
                        "other_payload",
                        f"{command.object_name} {command.business_key} {command.operation} revision"
                        f" {command.revision} is recorded with another payload",
                    )
            self._record_fresh(self._sole_per_key(fresh))

    def _known(self, command_ids: Sequence[str]) -> dict[str, str]:
        """Payload hashes of the ids that are already recorded."""
        rows = self._rows(
            "SELECT command_id, payload_hash FROM commands WHERE command_id IN {texts}",
            (orjson.dumps(command_ids).decode(),),
        )
        return {row[0]: row[1] for row in rows}

    def _sole_per_key(self, fresh: list[tuple[Command, str]]) -> list[tuple[Command, str]]:
        """Leave out state commands of keys that have an unfinished one."""
        places: dict[tuple[str, str], list[str]] = {}
        for command, _ in fresh:
            if command.command_class is CommandClass.STATE:
                place = (command.system_id, command.object_name)
                places.setdefault(place, []).append(command.business_key)
        busy = {
            (*place, one.business_key): one.command_id
            for place, keys in places.items()
            for one in unfinished(self._database, self._unit.connection, *place, keys)
        }
        kept = []
        for command, payload in fresh:
            key = (command.system_id, command.object_name, command.business_key)
            if command.command_class is CommandClass.STATE and key in busy:
                self._refuse(
                    command.command_id,
                    "unfinished_command",
                    f"{command.object_name} {command.business_key} has the unfinished command "
                    f"{busy[key][:12]}: supersede it or wait for it",
                )
                continue
            if command.command_class is CommandClass.STATE:
                busy[key] = command.command_id
            kept.append((command, payload))
        return kept

    def _record_fresh(self, fresh: list[tuple[Command, str]]) -> None:
        """Insert the rows of new commands and their ``planned`` events."""
        numbers = self._predecessors(fresh)
        rows: list[tuple[Any, ...]] = []
        waits: list[tuple[Any, ...]] = []
        entries = []
        for command, payload in fresh:
            missing = [one for one in command.after if one not in numbers]
            if missing:
                self._refuse(
                    command.command_id,
                    "unknown_predecessor",
                    f"it waits for {missing[0][:12]}, which is not recorded before it",
                )
                continue
            row = self._row_of(command, payload)
            numbers[command.command_id] = row[0]
            rows.append(row)
            waits += [(row[0], numbers[one]) for one in dict.fromkeys(command.after)]
            mode = self._modes.of(command.system_id, command.flow)
            data = f'{{"is_held":{"false" if mode.sends else "true"},"row":"{row_hash(row)}"}}'
            entries.append(Entry(EventName.PLANNED, row[0], data))
        marks = ", ".join("?" * len(COMMAND_COLUMNS))
        self._database.run_many(
            self._unit.connection,
            f"INSERT INTO commands ({', '.join(COMMAND_COLUMNS)}) VALUES ({marks})",  # noqa: S608
            rows,
        )
        self._database.run_many(
            self._unit.connection,
            "INSERT INTO dependencies (command_no, after_no) VALUES (?, ?)",
            waits,
        )
        self._unit.emit(entries)
        self._recorded += len(rows)

    def _predecessors(self, fresh: Iterable[tuple[Command, str]]) -> dict[str, int]:
        """Numbers of recorded commands that new ones name in ``after``."""
        named = list({one for command, _ in fresh for one in command.after})
        if not named:
            return {}
        rows = self._rows(
            "SELECT command_id, command_no FROM commands WHERE command_id IN {texts}",
            (orjson.dumps(named).decode(),),
        )
        return {row[0]: row[1] for row in rows}

    def _row_of(self, command: Command, payload: str) -> tuple[Any, ...]:
        """The immutable row, in the order of ``COMMAND_COLUMNS``."""
        mode = self._modes.of(command.system_id, command.flow)
        rule = command.approval_rule
        if not rule and mode is Mode.APPROVE_ALL:
            rule = "mode_approve_all"
        subject = command.subject
        return (
            self._unit.next_command_no(),
            command.command_id,
            command.correlation_id,
            command.system_id,
            command.kind,
            command.object_name,
            command.business_key,
            command.operation,
            command.revision,
            str(command.command_class),
            payload,
            command.payload_hash,
            command.lane,
            command.flow,
            text_of(command.planned_at),
            canonical_json(list(command.after)) if command.after else "",
            command.priority,
            rule,
            command.proposed_by,
            self._os_user,
            command.amount_text,
            command.currency_code,
            canonical_json(subject) if subject else "",
            subject.get("customer_id") or subject.get("customer") or "",
        )

    def _rows(self, text: str, values: Sequence[Any]) -> list[Any]:
        return list(self._database.run(self._unit.connection, text, values).fetchall())

    def _refuse(self, command_id: str, code: str, message: str) -> None:
        self._refused.append(Refusal(command_id, code, message))


def _problem_with(command: Command, payload: str) -> str:
    """Why a command is not what its hashes say; empty when it is."""
    if sha256_hex(payload) != command.payload_hash:
        return "the payload hash is not that of the payload"
    identity = command_id_of(
        command.system_id,
        command.object_name,
        command.business_key,
        command.operation,
        command.revision,
    )
    return "" if identity == command.command_id else "the command id is not that of its parts"


def unfinished(
    database: Database,
    connection: Any,
    system_id: str,
    object_name: str,
    keys: Sequence[str] | None = None,
) -> Iterator[Unfinished]:
    """Commands of an object whose life has not ended, all or those of some keys."""
    text = (
        "SELECT c.command_id, c.business_key, c.operation, c.revision, s.state, c.payload_hash,"
        " c.correlation_id FROM command_state s JOIN commands c ON c.command_no = s.command_no"
        " WHERE s.system_id = ? AND s.object_name = ?"
        " AND s.state NOT IN ('verified','rejected','dead','superseded','void')"
    )
    values: tuple[Any, ...] = (system_id, object_name)
    if keys is not None:
        text += " AND s.business_key IN {texts}"
        values = (*values, orjson.dumps(list(keys)).decode())
    for row in database.run(connection, text, values):
        yield Unfinished(*row)


def final_counts(
    database: Database, connection: Any, system_id: str, object_name: str, keys: Sequence[str]
) -> dict[str, int]:
    """Commands in a final state per key."""
    rows = database.run(
        connection,
        "SELECT c.business_key, count(*) FROM commands c JOIN command_state s"
        " ON s.command_no = c.command_no WHERE c.system_id = ? AND c.object_name = ?"
        " AND c.business_key IN {texts}"
        " AND s.state IN ('verified','rejected','dead','superseded','void')"
        " GROUP BY c.business_key",
        (system_id, object_name, orjson.dumps(list(keys)).decode()),
    )
    return {row[0]: int(row[1]) for row in rows}


def posting_raises(
    database: Database, connection: Any, system_id: str, object_name: str, keys: Sequence[str]
) -> dict[str, int]:
    """Per key, what raised a posting's revision: withdrawn unsent, corrections, reversals."""
    rows = database.run(
        connection,
        "SELECT c.business_key, sum(CASE WHEN s.state IN ('superseded','void') THEN 1 ELSE 0 END)"
        " + sum((SELECT count(*) FROM events e WHERE e.command_no = c.command_no"
        "        AND e.name IN ('corrected','reversed')))"
        " FROM commands c JOIN command_state s ON s.command_no = c.command_no"
        " WHERE c.system_id = ? AND c.object_name = ? AND c.business_key IN {texts}"
        " GROUP BY c.business_key",
        (system_id, object_name, orjson.dumps(list(keys)).decode()),
    )
    return {row[0]: int(row[1]) for row in rows}
