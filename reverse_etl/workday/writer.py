"""Workday's verbs behind the one writer interface.

Each object has a module of its own; this one only finds the right one. It must not retry, remember
commands, or know the policy.
"""

from ingestion.common.config import System
from ingestion.common.transport import Transport
from ingestion.workday.client import WorkdayClient
from reverse_etl.planning.governance import Governance
from reverse_etl.verbs import Verb, VerbWriter
from reverse_etl.workday.adjustments import CreditMemos
from reverse_etl.workday.applications import Applications
from reverse_etl.workday.customers import CreditLimits
from reverse_etl.workday.disputes import InvoiceDisputes
from reverse_etl.workday.invoices import DebitMemos
from reverse_etl.workday.payments import Payments
from reverse_etl.workday.refunds import Refunds
from reverse_etl.workday.returns import ReturnedPayments
from reverse_etl.workday.settings import WorkdayOptions, limits_of

__all__ = ["WorkdayWriter", "create"]

KIND = "workday"


class WorkdayWriter(VerbWriter):
    """See ``VerbWriter``."""

    def __init__(
        self,
        system_id: str,
        client: WorkdayClient,
        governance: Governance,
        options: WorkdayOptions,
    ) -> None:
        verbs: dict[tuple[str, str], Verb] = {
            (name, governance.object(KIND, name).operation): make(
                client, governance.object(KIND, name), options
            )
            for name, make in (
                ("payments", Payments),
                ("returned_payments", ReturnedPayments),
                ("applications", Applications),
                ("credit_limits", CreditLimits),
                ("credit_memos", CreditMemos),
                ("debit_memos", DebitMemos),
                ("refunds", Refunds),
                ("invoice_disputes", InvoiceDisputes),
            )
        }
        super().__init__(system_id, "workday", client, limits_of(options), verbs)


def create(system: System, transport: Transport, governance: Governance) -> WorkdayWriter:
    """The writer of one connected system. Raises ConfigError without address or credentials."""
    client = WorkdayClient(system, transport)
    return WorkdayWriter(system.system_id, client, governance, WorkdayOptions.of(system))
