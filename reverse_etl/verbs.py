"""A writer made of verbs: for kinds whose every object and operation is a module of its own.

It finds the right verb and its limits, and nothing else: it must not retry, remember commands, or
know a vendor. Kinds whose objects all speak alike (``salesforce``, ``rest``) need no verbs.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from ingestion.common.errors import ConfigError
from reverse_etl.delivery.writer import Limits, LookUp, Outcome, ReadBack, Sending

__all__ = ["Closes", "Verb", "VerbWriter"]

Place = tuple[str, str]


class Verb(Protocol):
    """One operation on one object; see ``reverse_etl.delivery.writer.Writer`` for the methods."""

    async def send(self, batch: Sequence[Sending]) -> Mapping[str, Outcome]: ...

    async def look_up(self, batch: Sequence[Sending]) -> Mapping[str, LookUp]: ...

    async def read_back(self, batch: Sequence[Sending]) -> Mapping[str, ReadBack]: ...


class Closes(Protocol):
    """A kind's client."""

    async def close(self) -> None: ...


class VerbWriter:
    """See ``reverse_etl.delivery.writer.Writer``.

    ``read_back`` raises LedgerloopError when the system cannot be read; ``send`` and ``look_up``
    answer in values only.

    Args:
        system_id: the connected system.
        kind: its kind, for errors.
        client: closed with the writer.
        limits: by (object, operation).
        verbs: by (object, operation).
    """

    def __init__(
        self,
        system_id: str,
        kind: str,
        client: Closes,
        limits: Mapping[Place, Limits],
        verbs: Mapping[Place, Verb],
    ) -> None:
        self.system_id = system_id
        self._kind = kind
        self._client = client
        self._limits = limits
        self._verbs = verbs

    def limits(self, object_name: str, operation: str) -> Limits:
        """Raises ConfigError for an operation that the kind does not have."""
        self._verb(object_name, operation)
        return self._limits[object_name, operation]

    async def send(self, batch: Sequence[Sending]) -> Mapping[str, Outcome]:
        return await self._verb_of(batch).send(batch) if batch else {}

    async def look_up(self, batch: Sequence[Sending]) -> Mapping[str, LookUp]:
        return await self._verb_of(batch).look_up(batch) if batch else {}

    async def read_back(self, batch: Sequence[Sending]) -> Mapping[str, ReadBack]:
        return await self._verb_of(batch).read_back(batch) if batch else {}

    async def close(self) -> None:
        await self._client.close()

    def _verb_of(self, batch: Sequence[Sending]) -> Verb:
        places = {(one.command.object_name, one.command.operation) for one in batch}
        assert len(places) == 1, "a batch is of one object and operation"
        return self._verb(*places.pop())

    def _verb(self, object_name: str, operation: str) -> Verb:
        verb = self._verbs.get((object_name, operation))
        if verb is None:
            known = ", ".join("/".join(place) for place in self._verbs)
            raise ConfigError(
                f"{self._kind} has no operation {object_name}/{operation}; it has {known}",
                code="no_such_operation",
            )
        return verb
