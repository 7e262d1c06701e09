"""SAP S/4HANA's verbs behind the one writer interface.

``postings`` speaks SOAP (entries, clearings), ``states``, ``master`` and ``documents`` OData; this
module only finds the right one. It must not retry, remember commands, or know the policy.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from ingestion.common.config import System
from ingestion.common.errors import ConfigError
from ingestion.common.transport import Transport
from ingestion.sap_s4hana.client import SapClient
from reverse_etl.delivery.writer import Limits, LookUp, Outcome, ReadBack, Sending
from reverse_etl.planning.governance import Governance
from reverse_etl.sap_s4hana.documents import ADVICES, LOCKBOXES, REQUESTS, Documents
from reverse_etl.sap_s4hana.entries import MEMOS, REFUNDS, RETURNS
from reverse_etl.sap_s4hana.item_blocks import ItemBlocks
from reverse_etl.sap_s4hana.master import COMPANIES, CUSTOMERS, DUNNING, MasterData
from reverse_etl.sap_s4hana.postings import Clearings, Entries
from reverse_etl.sap_s4hana.receipts import ReceiptForm
from reverse_etl.sap_s4hana.settings import SapOptions, limits_of
from reverse_etl.sap_s4hana.states import CreditAccounts, OrderReleases

__all__ = ["SapWriter", "create"]


class _Verb(Protocol):
    async def send(self, batch: Sequence[Sending]) -> dict[str, Outcome]: ...

    async def look_up(self, batch: Sequence[Sending]) -> dict[str, LookUp]: ...

    async def read_back(self, batch: Sequence[Sending]) -> dict[str, ReadBack]: ...


class SapWriter:
    """See ``reverse_etl.delivery.writer.Writer``.

    ``read_back`` raises LedgerloopError when the system cannot be read; ``send`` and ``look_up``
    answer in values only.
    """

    def __init__(
        self, system_id: str, client: SapClient, governance: Governance, options: SapOptions
    ) -> None:
        self.system_id = system_id
        self._client = client
        self._limits = limits_of(options)
        common = (client, governance, options)
        self._verbs: Mapping[tuple[str, str], _Verb] = {
            ("journal_entries", "post"): Entries(*common, "journal_entries", ReceiptForm()),
            ("clearings", "clear"): Clearings(*common),
            ("credit_memos", "post"): Entries(*common, "credit_memos", MEMOS),
            ("credit_memo_clearings", "clear"): Clearings(*common, "credit_memo_clearings"),
            ("returned_payments", "post"): Entries(*common, "returned_payments", RETURNS),
            ("refunds", "post"): Entries(*common, "refunds", REFUNDS),
            **{
                (tree.object_name, "upsert"): MasterData(client, governance, tree)
                for tree in (CUSTOMERS, COMPANIES, DUNNING)
            },
            **{
                (form.object_name, "create"): Documents(*common, form)
                for form in (LOCKBOXES, ADVICES, REQUESTS)
            },
            ("item_blocks", "update"): ItemBlocks(client, governance),
            ("credit_accounts", "update"): CreditAccounts(client, governance, options),
            ("sales_orders", "release"): OrderReleases(client, governance),
        }

    def limits(self, object_name: str, operation: str) -> Limits:
        """Raises ConfigError for an operation that SAP does not have."""
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
                f"sap_s4hana has no operation {object_name}/{operation}; it has {known}",
                code="no_such_operation",
            )
        return verb


def create(system: System, transport: Transport, governance: Governance) -> SapWriter:
    """The writer of one connected system. Raises ConfigError without address or credentials."""
    client = SapClient(system, transport)
    return SapWriter(system.system_id, client, governance, SapOptions.of(system))
