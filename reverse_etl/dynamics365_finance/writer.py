"""Dynamics 365 Finance's verbs behind the one writer interface.

``payments``, ``applications``, ``credit``, ``credit_memos`` and ``disputes`` speak OData; this
module only finds the right one. It must not retry, remember commands, or know the policy.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from ingestion.common.config import System
from ingestion.common.errors import ConfigError
from ingestion.common.transport import Transport
from ingestion.dynamics365_finance.client import D365Client
from reverse_etl.delivery.writer import Limits, LookUp, Outcome, ReadBack, Sending
from reverse_etl.dynamics365_finance.applications import Applications
from reverse_etl.dynamics365_finance.credit import CreditLimits, OrderReleases
from reverse_etl.dynamics365_finance.credit_memos import CreditMemos
from reverse_etl.dynamics365_finance.disputes import Disputes
from reverse_etl.dynamics365_finance.payments import Payments
from reverse_etl.dynamics365_finance.settings import D365Options, limits_of
from reverse_etl.planning.governance import Governance

__all__ = ["D365Writer", "create"]


class _Verb(Protocol):
    async def send(self, batch: Sequence[Sending]) -> dict[str, Outcome]: ...

    async def look_up(self, batch: Sequence[Sending]) -> dict[str, LookUp]: ...

    async def read_back(self, batch: Sequence[Sending]) -> dict[str, ReadBack]: ...


class D365Writer:
    """See ``reverse_etl.delivery.writer.Writer``.

    ``read_back`` raises LedgerloopError when the system cannot be read; ``send`` and ``look_up``
    answer in values only.
    """

    def __init__(
        self, system_id: str, client: D365Client, governance: Governance, options: D365Options
    ) -> None:
        self.system_id = system_id
        self._client = client
        self._limits = limits_of(options)
        common = (client, governance, options)
        self._verbs: Mapping[tuple[str, str], _Verb] = {
            ("payments", "post"): Payments(*common),
            ("applications", "apply"): Applications(*common),
            ("credit_limits", "update"): CreditLimits(*common),
            ("sales_orders", "release"): OrderReleases(*common),
            ("credit_memos", "post"): CreditMemos(*common),
            ("disputes", "upsert"): Disputes(*common),
        }

    def limits(self, object_name: str, operation: str) -> Limits:
        """Raises ConfigError for an operation that this kind does not have."""
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
                f"dynamics365_finance has no operation {object_name}/{operation}; it has {known}",
                code="no_such_operation",
            )
        return verb


def create(system: System, transport: Transport, governance: Governance) -> D365Writer:
    """The writer of one connected system. Raises ConfigError without address or credentials."""
    client = D365Client(system, transport)
    return D365Writer(system.system_id, client, governance, D365Options.of(system))
