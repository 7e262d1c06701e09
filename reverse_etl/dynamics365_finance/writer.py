"""Dynamics 365 Finance's verbs behind the one writer interface.

``payments``, ``applications``, ``credit``, ``credit_memos``, ``debits`` and ``disputes`` speak
OData; this module only finds the right one. It must not retry, remember commands, or know the
policy.
"""

from ingestion.common.config import System
from ingestion.common.transport import Transport
from ingestion.dynamics365_finance.client import D365Client
from reverse_etl.dynamics365_finance.applications import Applications
from reverse_etl.dynamics365_finance.credit import CreditLimits, OrderReleases
from reverse_etl.dynamics365_finance.credit_memos import CreditMemos
from reverse_etl.dynamics365_finance.debits import (
    DEBIT_MEMOS,
    REFUNDS,
    RETURNED_PAYMENTS,
    Debits,
)
from reverse_etl.dynamics365_finance.disputes import Disputes
from reverse_etl.dynamics365_finance.payments import Payments
from reverse_etl.dynamics365_finance.settings import D365Options, limits_of
from reverse_etl.planning.governance import Governance
from reverse_etl.verbs import Verb, VerbWriter

__all__ = ["D365Writer", "create"]


class D365Writer(VerbWriter):
    """See ``VerbWriter``."""

    def __init__(
        self, system_id: str, client: D365Client, governance: Governance, options: D365Options
    ) -> None:
        common = (client, governance, options)
        verbs: dict[tuple[str, str], Verb] = {
            ("payments", "post"): Payments(*common),
            ("returned_payments", "post"): Debits(*common, "returned_payments", RETURNED_PAYMENTS),
            ("applications", "apply"): Applications(client, options),
            ("credit_limits", "update"): CreditLimits(*common),
            ("sales_orders", "release"): OrderReleases(*common),
            ("credit_memos", "post"): CreditMemos(*common),
            ("debit_memos", "post"): Debits(*common, "debit_memos", DEBIT_MEMOS),
            ("refunds", "post"): Debits(*common, "refunds", REFUNDS),
            ("refund_clearings", "apply"): Applications(client, options),
            ("disputes", "upsert"): Disputes(*common),
        }
        super().__init__(system_id, "dynamics365_finance", client, limits_of(options), verbs)


def create(system: System, transport: Transport, governance: Governance) -> D365Writer:
    """The writer of one connected system. Raises ConfigError without address or credentials."""
    client = D365Client(system, transport)
    return D365Writer(system.system_id, client, governance, D365Options.of(system))
