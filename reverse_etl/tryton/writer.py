"""Tryton's verbs behind the one writer interface.

``payments``, ``applications``, ``memos`` and ``states`` do the work; this module only finds the
right one. It must not retry, remember commands, or know the policy.
"""

from collections.abc import Mapping, Sequence

from ingestion.common.config import System
from ingestion.common.errors import ConfigError
from ingestion.common.transport import Transport
from ingestion.tryton.client import TrytonClient
from reverse_etl.delivery.writer import Limits, LookUp, Outcome, ReadBack, Sending
from reverse_etl.planning.governance import Governance
from reverse_etl.tryton.applications import Applications
from reverse_etl.tryton.memos import CreditMemos
from reverse_etl.tryton.payments import Payments
from reverse_etl.tryton.settings import TrytonOptions, limits_of
from reverse_etl.tryton.states import CreditLimits, OrderReleases
from reverse_etl.tryton.verbs import Verb

__all__ = ["TrytonWriter", "create"]


class TrytonWriter:
    """See ``reverse_etl.delivery.writer.Writer``.

    ``read_back`` raises LedgerloopError when the system cannot be read; ``send`` and ``look_up``
    answer in values only.
    """

    def __init__(self, system: System, client: TrytonClient, governance: Governance) -> None:
        options = TrytonOptions.of(system)
        self.system_id = system.system_id
        self._client = client
        self._limits = limits_of(options)
        segments = {company.credit_segment: code for code, company in system.companies.items()}
        common = (client, governance, options)
        self._verbs: Mapping[tuple[str, str], Verb] = {
            ("payments", "post"): Payments(*common),
            ("applications", "apply"): Applications(*common),
            ("credit_memos", "post"): CreditMemos(*common),
            ("credit_limits", "update"): CreditLimits(*common, segments),
            ("sales_orders", "release"): OrderReleases(*common, system),
        }

    def limits(self, object_name: str, operation: str) -> Limits:
        """Raises ConfigError for an operation that Tryton does not have."""
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
                f"tryton has no operation {object_name}/{operation}; it has {known}",
                code="no_such_operation",
            )
        return verb


def create(system: System, transport: Transport, governance: Governance) -> TrytonWriter:
    """The writer of one connected system. Raises ConfigError without address or credentials."""
    return TrytonWriter(system, TrytonClient(system, transport), governance)
