"""The one interface that every kind's writer implements (DESIGN §6).

A writer speaks one vendor's verbs. It holds no field names (governance.yml maps hub fields to the
vendor's), keeps no state about commands, never retries and never raises for a row: outcomes are
values, joined by command id, never by position. A row for which nothing is known is ``Unknown``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from reverse_etl.ledger.commands import Command, Value

__all__ = [
    "Absent",
    "Accepted",
    "CannotTell",
    "Found",
    "Limits",
    "LookUp",
    "Outcome",
    "ReadBack",
    "Rejected",
    "Retry",
    "Sending",
    "Unknown",
    "Writer",
]


@dataclass(frozen=True, slots=True)
class Sending:
    """A command on its way: with the key that travels and what its predecessors became."""

    command: Command
    external_key: str
    attempt: int
    predecessors: Mapping[str, str] = field(default_factory=dict)
    """Native ids of the commands in ``command.after``, by business key."""
    native_id: str = ""
    """What ``Accepted`` or ``Found`` said, for look-ups and read-backs; empty before."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The target took it. ``native_id`` may be empty where the answer is asynchronous."""

    native_id: str = ""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The target understood and refused. ``is_business``: the data is wrong, not the pipe.

    ``is_whole_batch``: the target refused all rows of the request together and named no row; none
    has an effect, and the engine sends halves until only the bad rows are refused.
    ``is_partial``: an earlier step of this command stands. It dies with its exception: a corrected
    source must not make a second command beside it, and a retry goes on under the same key.
    """

    code: str
    message: str
    field: str = ""
    is_business: bool = True
    is_whole_batch: bool = False
    is_partial: bool = False


@dataclass(frozen=True, slots=True)
class Retry:
    """Certainly no effect; may be sent again. ``scope`` says what must pause meanwhile."""

    code: str
    message: str
    after_seconds: float | None = None
    is_system_wide: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """Sent, and no certain answer: only a look-up may resolve it."""

    code: str
    message: str


Outcome = Accepted | Rejected | Retry | Unknown


@dataclass(frozen=True, slots=True)
class Found:
    """The effect is there, counted by the command's key."""

    native_id: str


@dataclass(frozen=True, slots=True)
class Absent:
    """A read-your-writes look-up does not show the effect."""


@dataclass(frozen=True, slots=True)
class CannotTell:
    """No look-up, or it could not answer now (``reason``); never counts as absent."""

    reason: str


LookUp = Found | Absent | CannotTell


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What the target holds for a command's key, in hub field names and canonical text.

    ``fields`` is None when the target shows no such row (yet). ``is_pending``: an asynchronous
    effect has not happened yet; ask again. ``rejection``: the target refused it later.
    """

    fields: Mapping[str, Value] | None
    native_id: str = ""
    is_pending: bool = False
    rejection: Rejected | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """How one object's operation may be sent. All sizes are commands, all times seconds."""

    batch_max: int = 1
    bulk_from: int | None = None
    bulk_max: int = 10_000
    concurrency_max: int = 8
    request_timeout_seconds: float = 60.0
    settle_seconds: float = 5.0
    has_look_up: bool = True
    is_keyed: bool = False
    """True when sending again with the same key cannot make a second effect (upsert)."""
    verify_seconds: float = 120.0
    """How long an asynchronous effect may take before it becomes an exception."""
    allows_many_per_lane: bool = False
    """True when one request may carry several commands of one lane, in order. A row that fails by
    itself is then overtaken by those after it in the request: only for operations that bear it."""
    read_batch_max: int = 200
    """How many commands one ``look_up`` or ``read_back`` call may ask for."""
    requests_per_second_max: float | None = None
    """The target's rate limit for the whole system, None when it names none."""
    unreadable_fields: frozenset[str] = frozenset()
    """Payload fields that the target never shows again; the read-back leaves them out."""


class Writer(Protocol):
    """One vendor's verbs. ``system_id`` names the connected instance."""

    system_id: str

    def limits(self, object_name: str, operation: str) -> Limits: ...

    async def send(self, batch: Sequence[Sending]) -> Mapping[str, Outcome]:
        """Send commands of one object and operation; outcomes by command id.

        A batch of one uses the single endpoint, up to ``batch_max`` the batch endpoint, from
        ``bulk_from`` the bulk one.
        """
        ...

    async def look_up(self, batch: Sequence[Sending]) -> Mapping[str, LookUp]:
        """Whether the effects of these commands are in the target, by command id."""
        ...

    async def read_back(self, batch: Sequence[Sending]) -> Mapping[str, ReadBack]:
        """What the target now holds for these commands' keys, by command id."""
        ...

    async def close(self) -> None: ...
