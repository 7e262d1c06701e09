"""The one door to the operations database.

Planner, engine, CLI and dashboard all go through ``Store``; see README.md beside this file for the
calls. A ``Store`` is used by one thread; several processes may open the same database.
"""

import getpass
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import orjson

from reverse_etl.ledger.approvals import (
    Approvals,
    ApprovalTerms,
    ApprovedLimit,
    months_before,
)
from reverse_etl.ledger.audit import Audit, AuditReport
from reverse_etl.ledger.claims import Claims
from reverse_etl.ledger.clock import text_of
from reverse_etl.ledger.commands import Command
from reverse_etl.ledger.database import Database
from reverse_etl.ledger.events import Entry, EventName, Unit, data_of, open_unit
from reverse_etl.ledger.exceptions import (
    ActionResult,
    Exceptions,
    NewException,
    StoredException,
)
from reverse_etl.ledger.inbox import Inbox
from reverse_etl.ledger.leases import Leases
from reverse_etl.ledger.masking import mask_text
from reverse_etl.ledger.mirror import Mirror
from reverse_etl.ledger.modes import Modes
from reverse_etl.ledger.outcomes import Outcomes
from reverse_etl.ledger.plan import (
    Adopted,
    Planner,
    PlanResult,
    Unfinished,
    final_counts,
    posting_raises,
    unfinished,
)
from reverse_etl.ledger.projection import Projection
from reverse_etl.ledger.rows import SELECT_COMMAND, StoredCommand, command_of
from reverse_etl.ledger.trace import Trace, TraceRow

__all__ = ["Link", "Store"]

_KEYS_PER_QUERY = 2_000


@dataclass(frozen=True, slots=True)
class Link:
    """A native id of a system that belongs to a hub customer, and how that is known."""

    system_id: str
    native_id: str
    customer_id: str
    relation: str
    how: str


class Store:
    """An open operations database.

    Attributes:
        claims, outcomes, leases, inbox, mirror: the parts that the engine and others use directly.
    """

    def __init__(
        self, database: Database, *, now: Callable[[], datetime], leases: Leases | None = None
    ) -> None:
        self.database = database
        self.now = now
        self.projection = Projection(database)
        self.claims = Claims(database)
        self.leases = leases or Leases(database)
        self.inbox = Inbox(database)
        self.mirror = Mirror(database)
        self._exceptions = Exceptions(database)
        self._approvals = Approvals(database)
        self._audit = Audit(database)
        self.outcomes = Outcomes(self._exceptions)

    @classmethod
    def open(cls, url: str | Path | None = None, *, now: Callable[[], datetime]) -> Self:
        """Open a database, by default the one the environment names, and migrate it.

        Raises:
            ConfigError: the address is wrong or cannot be reached.
        """
        return cls(Database.open(url), now=now)

    def close(self) -> None:
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def unit(self, actor: str = "ledgerloop") -> AbstractContextManager[Unit]:
        """One transaction on the log, see ``events.Unit``."""
        return open_unit(self.database, self.projection, self.now(), actor)

    # -- planning --------------------------------------------------------------------------------

    def record_plan(
        self,
        commands: Iterable[Command],
        *,
        supersede: Iterable[tuple[str, str]] = (),
        adopted: Iterable[Adopted] = (),
        corrected: Iterable[tuple[str, str]] = (),
        modes: Modes | None = None,
        actor: str = "ledgerloop",
        os_user: str | None = None,
    ) -> PlanResult:
        """Record a plan in one transaction; see README.md. A replay changes nothing."""
        user = getpass.getuser() if os_user is None else os_user
        with self.unit(actor) as unit:
            planner = Planner(self.database, unit, modes=modes or Modes(), os_user=user)
            planner.supersede(supersede)
            planner.correct(corrected)
            planner.adopt(adopted)
            planner.record(commands)
            return planner.result()

    def revisions(self, system_id: str, object_name: str, keys: Iterable[str]) -> dict[str, int]:
        """The next revision of a state command: 1 + commands on the key in a final state."""
        found: dict[str, int] = {}
        with self.database.read() as connection:
            for part in _parts(keys):
                counts = final_counts(self.database, connection, system_id, object_name, part)
                found.update({key: 1 + counts.get(key, 0) for key in part})
        return found

    def posting_revisions(
        self, system_id: str, object_name: str, keys: Iterable[str]
    ) -> dict[str, int]:
        """The next revision of a posting: 1 + withdrawn unsent + corrections + reversals."""
        found: dict[str, int] = {}
        with self.database.read() as connection:
            for part in _parts(keys):
                raises = posting_raises(self.database, connection, system_id, object_name, part)
                found.update({key: 1 + raises.get(key, 0) for key in part})
        return found

    def declined(
        self, system_id: str, object_name: str, keys: Iterable[str]
    ) -> dict[str, set[str]]:
        """Payload hashes that a person said no to, by key: not to be proposed again."""
        found: dict[str, set[str]] = {}
        with self.database.read() as connection:
            for part in _parts(keys):
                rows = self.database.run(
                    connection,
                    "SELECT c.business_key, a.payload_hash FROM approvals a JOIN commands c"
                    " ON c.command_no = a.command_no WHERE a.decision = 'rejected'"
                    " AND c.system_id = ? AND c.object_name = ? AND c.business_key IN {texts}",
                    (system_id, object_name, orjson.dumps(part).decode()),
                )
                for key, payload_hash in rows:
                    found.setdefault(key, set()).add(payload_hash)
        return found

    def unfinished(
        self, system_id: str, object_name: str, keys: Sequence[str] | None = None
    ) -> Iterator[Unfinished]:
        """Commands of an object whose life has not ended."""
        with self.database.read() as connection:
            yield from unfinished(self.database, connection, system_id, object_name, keys)

    def standing(self, system_id: str, object_name: str, keys: Sequence[str]) -> set[str]:
        """Keys with a command of an object that had its effect or may still have it."""
        with self.database.read() as connection:
            rows = self.database.run(
                connection,
                "SELECT DISTINCT business_key FROM command_state WHERE system_id = ?"
                " AND object_name = ? AND business_key IN {texts}"
                " AND state NOT IN ('rejected','dead','superseded','void')",
                (system_id, object_name, orjson.dumps(list(keys)).decode()),
            )
            return {row[0] for row in rows}

    def record_reversal(self, command_id: str, *, by: str, reason: str) -> bool:
        """A verified posting was reversed in the target; False when it is no such command."""
        return self._note(command_id, EventName.REVERSED, "verified", by, reason)

    def record_correction(self, command_id: str, *, by: str, reason: str) -> bool:
        """A person mended the source of a rejected posting; False when it is no such command."""
        return self._note(command_id, EventName.CORRECTED, "rejected", by, reason)

    def _note(self, command_id: str, name: str, state: str, by: str, reason: str) -> bool:
        with self.unit(by) as unit:
            row = self.database.run(
                unit.connection,
                "SELECT c.command_no FROM commands c JOIN command_state s"
                " ON s.command_no = c.command_no WHERE c.command_id = ? AND s.state = ?"
                " AND c.command_class = 'posting' AND NOT EXISTS (SELECT 1 FROM events e"
                " WHERE e.command_no = c.command_no AND e.name = ?)",
                (command_id, state, str(name)),
            ).first()
            if row is None:
                return False
            unit.emit([Entry(name, row[0], data_of(reason=mask_text(reason)))])
            return True

    # -- exceptions ------------------------------------------------------------------------------

    def open_exception(self, new: NewException) -> str:
        """Open an exception that concerns no command (a refused file, a guard); its id."""
        with self.unit() as unit:
            return self._exceptions.open(unit, [new])[0]

    def open_exceptions(self, new: Iterable[NewException]) -> list[str]:
        """Open several in one transaction."""
        with self.unit() as unit:
            return self._exceptions.open(unit, new)

    def open_exceptions_in(self, unit: Unit, new: Iterable[NewException]) -> list[str]:
        """Open several in a transaction that is open already."""
        return self._exceptions.open(unit, new)

    def close_exceptions_in(self, unit: Unit, *, system_id: str, code: str, reason: str) -> int:
        """Close what is open of one code of a system, in a transaction that is open already."""
        return self._exceptions.close_code(unit, system_id, code, reason)

    def exceptions(self, **filters: Any) -> Iterator[StoredException]:
        """Exceptions that match every filter, oldest first. Raises ValueError: unknown filter."""
        return self._exceptions.find(**filters)

    def exception(self, exception_id: str) -> StoredException | None:
        return next(self._exceptions.find(exception_id=exception_id), None)

    def retry_exceptions(self, ids: Iterable[str], *, by: str, reason: str) -> list[ActionResult]:
        """Let the commands of exceptions try again, see ``Exceptions.retry``."""
        with self.unit(by) as unit:
            return self._exceptions.retry(unit, ids, by=by, reason=reason)

    def resolve_exceptions(
        self, ids: Iterable[str], *, by: str, reason: str, verdict: str = ""
    ) -> list[ActionResult]:
        """Close exceptions, see ``Exceptions.resolve``."""
        with self.unit(by) as unit:
            return self._exceptions.resolve(unit, ids, by=by, reason=reason, verdict=verdict)

    # -- approvals, limits, links ----------------------------------------------------------------

    def awaiting_approval(self) -> Iterator[StoredCommand]:
        """Commands that wait for a person."""
        return self._approvals.awaiting()

    def approve(
        self,
        command_id: str,
        payload_hash: str,
        *,
        by: str,
        reason: str,
        terms: ApprovalTerms,
        os_user: str | None = None,
    ) -> ActionResult:
        """A person agrees to exactly this payload, see ``Approvals.grant``."""
        user = getpass.getuser() if os_user is None else os_user
        with self.unit(by) as unit:
            return self._approvals.grant(
                unit, command_id, payload_hash, by=by, os_user=user, reason=reason, terms=terms
            )

    def reject(
        self, command_id: str, *, by: str, reason: str, os_user: str | None = None
    ) -> ActionResult:
        """A person says no, see ``Approvals.reject``."""
        user = getpass.getuser() if os_user is None else os_user
        with self.unit(by) as unit:
            return self._approvals.reject(unit, command_id, by=by, os_user=user, reason=reason)

    def is_approval_valid(self, unit: Unit, number: int, payload: Mapping[str, Any]) -> bool:
        """Whether people agreed to exactly this payload and their word still holds."""
        return self._approvals.is_valid(unit.connection, number, payload, unit.now)

    def cumulative_amounts(
        self, customer_id: str, object_name: str, *, months: int = 12
    ) -> dict[str, Decimal]:
        """Money of a customer's living commands on an object in the last months, by currency."""
        with self.database.read() as connection:
            return self._approvals.cumulative_amounts(
                connection, customer_id, object_name, months_before(self.now(), months)
            )

    def record_approved_limits(self, limits: Sequence[ApprovedLimit]) -> None:
        """Take over limits that were approved elsewhere."""
        with self.unit() as unit:
            self._approvals.record_limits(unit, limits)

    def record_links(self, links: Iterable[Link], *, by: str = "ledgerloop") -> None:
        """Native ids that belong to hub customers."""
        self._note_links(links, EventName.LINKED, by)

    def remove_links(self, links: Iterable[Link], *, by: str) -> None:
        """Native ids that no longer belong to hub customers."""
        self._note_links(links, EventName.UNLINKED, by)

    def _note_links(self, links: Iterable[Link], name: str, by: str) -> None:
        with self.unit(by) as unit:
            unit.emit(
                [
                    Entry(
                        name,
                        None,
                        data_of(**{part: getattr(one, part) for part in Link.__slots__}),
                        one.native_id,
                    )
                    for one in links
                ]
            )

    # -- reading out -----------------------------------------------------------------------------

    def command(self, command_id: str) -> StoredCommand | None:
        """One command and where it stands."""
        with self.database.read() as connection:
            row = self.database.run(
                connection,
                f"SELECT {SELECT_COMMAND}, s.state, s.native_id, s.attempts, s.since,"  # noqa: S608
                " s.approval_expires_at FROM commands c JOIN command_state s"
                " ON s.command_no = c.command_no WHERE c.command_id = ?",
                (command_id,),
            ).first()
        return None if row is None else StoredCommand(command_of(row), *row[-5:])

    def counts(self) -> dict[str, int]:
        """How many commands are in each state."""
        with self.database.read() as connection:
            rows = self.database.run(
                connection, "SELECT state, count(*) FROM command_state GROUP BY state"
            ).fetchall()
        return {row[0]: int(row[1]) for row in rows}

    def counts_of(
        self, system_ids: Sequence[str], object_names: Collection[str] | None = None
    ) -> dict[str, int]:
        """Unfinished commands of some systems by state."""
        text = (
            "SELECT state, count(*) FROM command_state WHERE system_id IN {texts}"
            " AND state NOT IN ('verified','rejected','dead','superseded','void')"
        )
        values = [orjson.dumps(list(system_ids)).decode()]
        if object_names is not None:
            text += " AND object_name IN {texts}"
            values.append(orjson.dumps(sorted(object_names)).decode())
        with self.database.read() as connection:
            rows = self.database.run(connection, text + " GROUP BY state", values).fetchall()
        return {row[0]: int(row[1]) for row in rows}

    def operations(self, system_id: str) -> list[tuple[str, str]]:
        """Objects and operations of a system's unfinished commands."""
        with self.database.read() as connection:
            rows = self.database.run(
                connection,
                "SELECT DISTINCT object_name, operation FROM command_state WHERE system_id = ?"
                " AND state NOT IN ('verified','rejected','dead','superseded','void')",
                (system_id,),
            )
        return [(row[0], row[1]) for row in rows]

    def next_due(
        self,
        system_id: str,
        *,
        excluded: Collection[tuple[str, str]] = (),
        object_names: Collection[str] | None = None,
    ) -> float | None:
        """When the next lane head of a system is due, see ``Claims.next_due``."""
        with self.database.read() as connection:
            return self.claims.next_due(
                connection, system_id, excluded=excluded, object_names=object_names
            )

    def trace(self, key: str) -> Iterator[TraceRow]:
        """The story of an invoice, receipt, correlation id or command, oldest first."""
        return Trace(self.database).of(key)

    def verify_audit(self) -> AuditReport:
        """Check the whole log, see ``Audit.verify``."""
        return self._audit.verify()

    def export_head(self, private_key_path: Path) -> dict[str, Any]:
        """The signed head of the chain. Raises ConfigError: no usable key."""
        return self._audit.export_head(private_key_path, at=text_of(self.now()))

    def problems_with_head(self, head: Mapping[str, Any], *, public_key: str = "") -> list[str]:
        """What an exported head contradicts in this log."""
        return self._audit.problems_with_head(head, public_key=public_key)

    def rebuild(self) -> int:
        """Make the state again from the log; returns the number of events read."""
        with self.database.write() as connection:
            self.database.run(connection, "SELECT hash FROM chain WHERE chain_id = 1 {for_update}")
            return self.projection.rebuild(connection)


def _parts(keys: Iterable[str]) -> Iterator[list[str]]:
    """Keys in portions that one statement takes."""
    every = list(keys)
    for start in range(0, len(every), _KEYS_PER_QUERY):
        yield every[start : start + _KEYS_PER_QUERY]
