"""SAP S/4HANA's verbs behind the one writer interface.

``postings`` speaks SOAP (entries, clearings), ``states``, ``master`` and ``documents`` OData; this
module only finds the right one. It must not retry, remember commands, or know the policy.
"""

from ingestion.common.config import System
from ingestion.common.transport import Transport
from ingestion.sap_s4hana.client import SapClient
from reverse_etl.planning.governance import Governance
from reverse_etl.sap_s4hana.documents import ADVICES, LOCKBOXES, REQUESTS, Documents
from reverse_etl.sap_s4hana.entries import DEBITS, MEMOS, REFUNDS, RETURNS
from reverse_etl.sap_s4hana.item_blocks import ItemBlocks
from reverse_etl.sap_s4hana.master import COMPANIES, CUSTOMERS, DUNNING, MasterData
from reverse_etl.sap_s4hana.postings import Clearings, Entries
from reverse_etl.sap_s4hana.receipts import ReceiptForm
from reverse_etl.sap_s4hana.settings import SapOptions, limits_of
from reverse_etl.sap_s4hana.states import CreditAccounts, OrderReleases
from reverse_etl.verbs import Verb, VerbWriter

__all__ = ["SapWriter", "create"]


class SapWriter(VerbWriter):
    """See ``VerbWriter``."""

    def __init__(
        self, system_id: str, client: SapClient, governance: Governance, options: SapOptions
    ) -> None:
        common = (client, governance, options)
        verbs: dict[tuple[str, str], Verb] = {
            ("journal_entries", "post"): Entries(*common, "journal_entries", ReceiptForm()),
            ("clearings", "clear"): Clearings(*common),
            ("unidentified_clearings", "clear"): Clearings(*common, "unidentified_clearings", "S"),
            ("refund_clearings", "clear"): Clearings(*common, "refund_clearings"),
            ("credit_memos", "post"): Entries(*common, "credit_memos", MEMOS),
            ("credit_memo_clearings", "clear"): Clearings(*common, "credit_memo_clearings"),
            ("returned_payments", "post"): Entries(*common, "returned_payments", RETURNS),
            ("refunds", "post"): Entries(*common, "refunds", REFUNDS),
            ("debit_memos", "post"): Entries(*common, "debit_memos", DEBITS),
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
        super().__init__(system_id, "sap_s4hana", client, limits_of(options), verbs)


def create(system: System, transport: Transport, governance: Governance) -> SapWriter:
    """The writer of one connected system. Raises ConfigError without address or credentials."""
    client = SapClient(system, transport)
    return SapWriter(system.system_id, client, governance, SapOptions.of(system))
