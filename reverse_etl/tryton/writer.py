"""Tryton's verbs behind the one writer interface.

``payments``, ``applications``, ``returns``, ``memos``, ``debits`` and ``states`` do the work; this
module only finds the right one. It must not retry, remember commands, or know the policy.
"""

from ingestion.common.config import System
from ingestion.common.transport import Transport
from ingestion.tryton.client import TrytonClient
from reverse_etl.planning.governance import Governance
from reverse_etl.tryton.applications import Applications
from reverse_etl.tryton.debits import DebitMemos
from reverse_etl.tryton.memos import CreditMemos
from reverse_etl.tryton.payments import Payments
from reverse_etl.tryton.returns import Refunds, ReturnedPayments
from reverse_etl.tryton.settings import TrytonOptions, limits_of
from reverse_etl.tryton.states import CreditLimits, OrderReleases
from reverse_etl.verbs import Verb, VerbWriter

__all__ = ["TrytonWriter", "create"]


class TrytonWriter(VerbWriter):
    """See ``VerbWriter``."""

    def __init__(self, system: System, client: TrytonClient, governance: Governance) -> None:
        options = TrytonOptions.of(system)
        segments = {company.credit_segment: code for code, company in system.companies.items()}
        common = (client, governance, options)
        verbs: dict[tuple[str, str], Verb] = {
            ("payments", "post"): Payments(*common),
            ("applications", "apply"): Applications(*common),
            ("returned_payments", "post"): ReturnedPayments(*common),
            ("refunds", "post"): Refunds(*common),
            ("credit_memos", "post"): CreditMemos(*common),
            ("debit_memos", "post"): DebitMemos(*common),
            ("credit_limits", "update"): CreditLimits(*common, segments),
            ("sales_orders", "release"): OrderReleases(*common, system),
        }
        super().__init__(system.system_id, "tryton", client, limits_of(options), verbs)


def create(system: System, transport: Transport, governance: Governance) -> TrytonWriter:
    """The writer of one connected system. Raises ConfigError without address or credentials."""
    return TrytonWriter(system, TrytonClient(system, transport), governance)
