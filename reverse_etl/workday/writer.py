"""Workday's verbs behind the one writer interface.

Each object has a module of its own; this one only finds the right one. It must not retry, remember
commands, or know the policy.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from ingestion.common.config import System
from ingestion.common.errors import ConfigError
from ingestion.common.transport import Transport
from ingestion.workday.client import WorkdayClient
from reverse_etl.delivery.writer import Limits, LookUp, Outcome, ReadBack, Sending
from reverse_etl.planning.governance import Governance
from reverse_etl.workday.adjustments import CreditMemos
from reverse_etl.workday.applications import Applications
from reverse_etl.workday.customers import CreditLimits
from reverse_etl.workday.disputes import InvoiceDisputes
from reverse_etl.workday.payments import Payments
from reverse_etl.workday.settings import WorkdayOptions, limits_of

__all__ = ["WorkdayWriter", "create"]

KIND = "workday"


class _Verb(Protocol):
    async def send(self, batch: Sequence[Sending]) -> Mapping[str, Outcome]: ...

    async def look_up(self, batch: Sequence[Sending]) -> Mapping[str, LookUp]: ...

    async def read_back(self, batch: Sequence[Sending]) -> Mapping[str, ReadBack]: ...


class WorkdayWriter:
    """See ``reverse_etl.delivery.writer.Writer``.

    ``read_back`` raises LedgerloopError when the tenant cannot be read; ``send`` and ``look_up``
    answer in values only.
    """

    def __init__(
        self,
        system_id: str,
        client: WorkdayClient,
        governance: Governance,
        options: WorkdayOptions,
    ) -> None:
        self.system_id = system_id
        self._client = client
        self._limits = limits_of(options)
        self._verbs: Mapping[tuple[str, str], _Verb] = {
            (name, governance.object(KIND, name).operation): make(
                client, governance.object(KIND, name), options
            )
            for name, make in (
                ("payments", Payments),
                ("applications", Applications),
                ("credit_limits", CreditLimits),
                ("credit_memos", CreditMemos),
                ("invoice_disputes", InvoiceDisputes),
            )
        }

    def limits(self, object_name: str, operation: str) -> Limits:
        """Raises ConfigError for an operation that Workday does not have."""
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

    def _verb_of(self, batch: Sequence[Sending]) -> _Verb:
        places = {(s.command.object_name, s.command.operation) for s in batch}
        assert len(places) == 1, "a batch is of one object and operation"
        return self._verb(*places.pop())

    def _verb(self, object_name: str, operation: str) -> _Verb:
        verb = self._verbs.get((object_name, operation))
        if verb is None:
            known = ", ".join("/".join(place) for place in self._verbs)
            raise ConfigError(
                f"workday has no operation {object_name}/{operation}; it has {known}",
                code="no_such_operation",
            )
        return verb


def create(system: System, transport: Transport, governance: Governance) -> WorkdayWriter:
    """The writer of one connected system. Raises ConfigError without address or credentials."""
    client = WorkdayClient(system, transport)
    return WorkdayWriter(system.system_id, client, governance, WorkdayOptions.of(system))
