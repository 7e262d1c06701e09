"""Leases: which sender is alive, and so whose commands on their way nobody else may touch.

One lease per sender process; a lane belongs to the sender whose command is on its way in it. A
sender renews before it sends: what remains must be longer than the request may take. A lease that
ran out (with room for clock skew), or whose process is known to be gone from this machine, frees
every lane at once; what its holder was sending is then unknown, never simply sent again.
"""

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection

from reverse_etl.ledger.clock import instant_of, text_of
from reverse_etl.ledger.database import Database

__all__ = [
    "CLOCK_SKEW_SECONDS_MAX",
    "Lease",
    "Leases",
    "ProcessIdentity",
    "is_process_alive",
    "this_process",
]

#: Clocks of two machines may differ by this much before a lease could be taken too early.
CLOCK_SKEW_SECONDS_MAX = 10.0


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process, so exactly that a reused process number is not taken for it.

    Attributes:
        host: machine, boot and process namespace; empty when liveness cannot be told.
        process: process number and start time.
    """

    host: str
    process: str


@dataclass(frozen=True, slots=True)
class Lease:
    """A sender's lease as it stands in the database."""

    holder: str
    expires_at: datetime

    def remaining_seconds(self, now: datetime) -> float:
        return (self.expires_at - now).total_seconds()


def this_process() -> ProcessIdentity:
    """The identity of the running process; an empty host where the system does not tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = Path("/proc/self/ns/pid").readlink()
        started = _started(os.getpid())
    except OSError:
        return ProcessIdentity("", str(os.getpid()))
    host = f"{socket.gethostname()}/{boot}/{namespace}"
    return ProcessIdentity(host, f"{os.getpid()}/{started}")


def is_process_alive(identity: ProcessIdentity) -> bool | None:
    """Whether a process still runs here; None when it ran elsewhere or nobody can tell."""
    if not identity.host or identity.host != this_process().host:
        return None
    number, _, started = identity.process.partition("/")
    try:
        return _started(int(number)) == started
    except (OSError, ValueError):
        return False


def _started(number: int) -> str:
    """Start time of a process in clock ticks since boot, the 22nd field of its ``stat``."""
    text = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
    fields = text.rpartition(")")[2].split()
    # A zombie has ended; only its number is still taken.
    return "" if fields[0] == "Z" else fields[19]


class Leases:
    """Take, renew, give back and judge leases."""

    def __init__(
        self,
        database: Database,
        *,
        is_alive: Callable[[ProcessIdentity], bool | None] = is_process_alive,
    ) -> None:
        self._database = database
        self._is_alive = is_alive

    def take(
        self,
        connection: Connection,
        holder: str,
        identity: ProcessIdentity,
        *,
        now: datetime,
        seconds: float,
    ) -> Lease:
        """A new holder's first lease."""
        expires_at = now + timedelta(seconds=seconds)
        self._database.run(
            connection,
            "INSERT INTO leases (holder, host, process, taken_at, expires_at)"
            " VALUES (?, ?, ?, ?, ?)",
            (holder, identity.host, identity.process, text_of(now), text_of(expires_at)),
        )
        return Lease(holder, expires_at)

    def renew(
        self, connection: Connection, holder: str, *, now: datetime, seconds: float
    ) -> Lease | None:
        """A longer lease, or None when it ran out or was taken away: then send nothing more."""
        expires_at = now + timedelta(seconds=seconds)
        found = self._database.run(
            connection,
            "UPDATE leases SET expires_at = ? WHERE holder = ? AND expires_at > ?",
            (text_of(expires_at), holder, text_of(now)),
        )
        return Lease(holder, expires_at) if found.rowcount == 1 else None

    def holders(self, connection: Connection) -> list[str]:
        """Everyone who holds a lease, living or not yet known to be dead."""
        return [row[0] for row in self._database.run(connection, "SELECT holder FROM leases")]

    def release(self, connection: Connection, holder: str) -> None:
        """Give the lease back; what is still on its way may be taken over at once."""
        self._database.run(connection, "DELETE FROM leases WHERE holder = ?", (holder,))

    def bury(self, connection: Connection, *, now: datetime, self_holder: str) -> list[str]:
        """Remove the leases of the dead, so that they can never renew; returns their holders."""
        limit = now - timedelta(seconds=CLOCK_SKEW_SECONDS_MAX)
        dead = []
        rows = self._database.run(
            connection, "SELECT holder, host, process, expires_at FROM leases"
        ).fetchall()
        for holder, host, process, expires_at in rows:
            if holder == self_holder:
                continue
            is_gone = self._is_alive(ProcessIdentity(host, process)) is False
            if is_gone or instant_of(expires_at) < limit:
                dead.append(str(holder))
        for holder in dead:
            self.release(connection, holder)
        return dead
