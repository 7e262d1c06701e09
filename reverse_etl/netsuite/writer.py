"""NetSuite's verbs behind the one writer interface.

This module only finds the right verb. It must not retry, remember commands, or know the policy.
"""

from ingestion.common.config import System
from ingestion.common.transport import Transport
from ingestion.netsuite.client import NetSuiteClient
from reverse_etl.netsuite.applications import Applications
from reverse_etl.netsuite.debits import DebitMemos
from reverse_etl.netsuite.memos import CreditMemos
from reverse_etl.netsuite.payments import Payments
from reverse_etl.netsuite.references import References
from reverse_etl.netsuite.refunds import Refunds
from reverse_etl.netsuite.returns import ReturnedPayments
from reverse_etl.netsuite.settings import NetSuiteOptions, limits_of
from reverse_etl.netsuite.states import CreditLimits, OrderReleases
from reverse_etl.planning.governance import Governance
from reverse_etl.verbs import Verb, VerbWriter

__all__ = ["NetSuiteWriter", "create"]


class NetSuiteWriter(VerbWriter):
    """See ``VerbWriter``."""

    def __init__(
        self,
        system_id: str,
        client: NetSuiteClient,
        governance: Governance,
        options: NetSuiteOptions,
    ) -> None:
        references = References(client)
        keyed = (client, governance, options, references)
        verbs: dict[tuple[str, str], Verb] = {
            ("payments", "post"): Payments(*keyed),
            ("returned_payments", "post"): ReturnedPayments(*keyed),
            ("refunds", "post"): Refunds(*keyed),
            ("debit_memos", "post"): DebitMemos(*keyed),
            ("applications", "apply"): Applications(client, governance),
            ("credit_memos", "post"): CreditMemos(client, governance, options),
            ("credit_limits", "update"): CreditLimits(client, references),
            ("sales_orders", "release"): OrderReleases(client, options),
        }
        super().__init__(system_id, "netsuite", client, limits_of(options), verbs)


def create(system: System, transport: Transport, governance: Governance) -> NetSuiteWriter:
    """The writer of one connected system. Raises ConfigError without address or credentials."""
    client = NetSuiteClient(system, transport)
    return NetSuiteWriter(system.system_id, client, governance, NetSuiteOptions.of(system))
