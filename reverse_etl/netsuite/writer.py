"""NetSuite's verbs behind the one writer interface.

This module only finds the right verb. It must not retry, remember commands, or know the policy.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from ingestion.common.config import System
from ingestion.common.errors import ConfigError
from ingestion.common.transport import Transport
from ingestion.netsuite.client import NetSuiteClient
from reverse_etl.delivery.writer import Limits, LookUp, Outcome, ReadBack, Sending
from reverse_etl.netsuite.applications import Applications
from reverse_etl.netsuite.memos import CreditMemos
from reverse_etl.netsuite.payments import Payments
from reverse_etl.netsuite.references import References
from reverse_etl.netsuite.settings import NetSuiteOptions, limits_of
from reverse_etl.netsuite.states import CreditLimits, OrderReleases
from reverse_etl.planning.governance import Governance

__all__ = ["NetSuiteWriter", "create"]


class _Verb(Protocol):
    async def send(self, batch: Sequence[Sending]) -> dict[str, Outcome]: ...

    async def look_up(self, batch: Sequence[Sending]) -> dict[str, LookUp]: ...

    async def read_back(self, batch: Sequence[Sending]) -> dict[str, ReadBack]: ...


class NetSuiteWriter:
    """See ``reverse_etl.delivery.writer.Writer``.

    ``read_back`` raises LedgerloopError when the account cannot be read; ``send`` and ``look_up``
    answer in values only.
    """

    def __init__(
        self,
        system_id: str,
        client: NetSuiteClient,
        governance: Governance,
        options: NetSuiteOptions,
    ) -> None:
        self.system_id = system_id
        self._client = client
        self._limits = limits_of(options)
        references = References(client)
        self._verbs: Mapping[tuple[str, str], _Verb] = {
            ("payments", "post"): Payments(client, governance, options, references),
            ("applications", "apply"): Applications(client, governance),
            ("credit_memos", "post"): CreditMemos(client, governance, options),
            ("credit_limits", "update"): CreditLimits(client, references),
            ("sales_orders", "release"): OrderReleases(client, options),
        }

    def limits(self, object_name: str, operation: str) -> Limits:
        """Raises ConfigError for an operation that NetSuite does not have."""
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
                f"netsuite has no operation {object_name}/{operation}; it has {known}",
                code="no_such_operation",
            )
        return verb


def create(system: System, transport: Transport, governance: Governance) -> NetSuiteWriter:
    """The writer of one connected system. Raises ConfigError without address or credentials."""
    client = NetSuiteClient(system, transport)
    return NetSuiteWriter(system.system_id, client, governance, NetSuiteOptions.of(system))
