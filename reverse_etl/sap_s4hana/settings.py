"""SAP S/4HANA as a target: endpoints, limits, what refusals mean, options. Data, no behaviour.

Statuses and codes: contracts/erp.md §1.1 and §1.5. What no source verified is an option of the
system (``[systems.<id>.options]``) and stands in README.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ingestion.common.config import System
from ingestion.sap_s4hana.settings import DEFAULT_OPTIONS
from reverse_etl.delivery.writer import Limits
from reverse_etl.outcomes import Action, OutcomeTable

__all__ = [
    "CREDIT_ACCOUNTS",
    "CREDIT_SERVICE",
    "ITEMS",
    "ITEMS_SERVICE",
    "ITEM_FIELDS",
    "KEYS_PER_QUERY",
    "LOG_ERROR_STATUSES",
    "LOG_WAITING_STATUSES",
    "ORDERS",
    "ORDERS_SERVICE",
    "OUTCOMES",
    "RELEASE_SERVICE",
    "SapOptions",
    "limits_of",
]

ITEMS_SERVICE, ITEMS = "API_OPLACCTGDOCITEMCUBE_SRV", "A_OperationalAcctgDocItemCube"
CREDIT_SERVICE, CREDIT_ACCOUNTS = "API_CRDTMBUSINESSPARTNER", "CreditManagementAccount"
ORDERS_SERVICE, ORDERS = "API_SALES_ORDER_SRV", "A_SalesOrder"
RELEASE_SERVICE = "API_SLS_DOC_WITH_CREDIT_BLOCK"

ITEM_FIELDS = (
    "CompanyCode", "FiscalYear", "AccountingDocument", "AccountingDocumentItem",
    "FinancialAccountType", "GLAccount", "Customer", "PostingDate", "DocumentDate",
    "DocumentReferenceID", "AssignmentReference", "DocumentItemText",
    "Reference3IDByBusinessPartner", "IsCleared", "ClearingDate", "ClearingAccountingDocument",
    "ClearingDocFiscalYear", "TransactionCurrency", "AmountInTransactionCurrency",
)  # fmt: skip

#: Keys of one ``or`` chain: about 70 characters each once encoded, so a URL stays under 4,000.
KEYS_PER_QUERY = 40

#: Statuses of the clearing log, by the message types of SAP's application log: refused; waiting.
LOG_ERROR_STATUSES = frozenset({"E", "A"})
LOG_WAITING_STATUSES = frozenset({"P"})

#: A code goes before a status. Codes of faults are written without their XML prefix.
OUTCOMES = OutcomeTable(
    codes={
        "Client": Action.REJECT_TECHNICAL,
        "Sender": Action.REJECT_TECHNICAL,
        # A receiver's fault may stand for a crash after the posting: look up, never believe it.
        "Server": Action.UNKNOWN,
        "Receiver": Action.UNKNOWN,
        "csrf_required": Action.RETRY,
        # Locked by a user or another request (message numbers from memory, see README.md).
        "MC/601": Action.RETRY,
        "601(MC)": Action.RETRY,
        "M3/024": Action.RETRY,
        "099(F5)": Action.RETRY,
    },
    statuses={
        400: Action.REJECT,
        401: Action.RETRY_SYSTEM,
        403: Action.REJECT_TECHNICAL,
        404: Action.REJECT,
        405: Action.REJECT_TECHNICAL,
        406: Action.REJECT_TECHNICAL,
        409: Action.RETRY,
        # Somebody changed the row between our read and our write: read it again.
        412: Action.RETRY,
        413: Action.REJECT_TECHNICAL,
        415: Action.REJECT_TECHNICAL,
        422: Action.REJECT,
        423: Action.RETRY,
        428: Action.REJECT_TECHNICAL,
        429: Action.RETRY_SYSTEM,
        503: Action.RETRY_SYSTEM,
    },
    retry_seconds={"412": 0.0, "not_sent": 2.0},
)


@dataclass(frozen=True, slots=True)
class SapOptions:
    """What differs between installations; see README.md for each one's evidence.

    Attributes:
        created_by: SAP user shown in documents, at most 12 characters.
        receipt_document_type, clearing_document_type: document types of the two postings.
        unidentified_gl_account: open-item account of receipts without a certain payer.
        clearing_log_service: ``SERVICE/Set`` that tells of refused clearings; empty for none.
        unlimited_is_zero: whether "no limit" is written as amount 0 with ``CreditLimitIsZero``
            false (inferred from the flag, not verified). False: such a limit is refused.
        settle_seconds: how long after a lost answer a posting may still appear.
        clearing_seconds: how long an accepted clearing may take.
    """

    created_by: str = "LEDGERLOOP"
    receipt_document_type: str = "DZ"
    clearing_document_type: str = "AB"
    unidentified_gl_account: str = DEFAULT_OPTIONS["unidentified_gl_account"]
    clearing_log_service: str = "YY1_CLEARINGLOG_CDS/YY1_ClearingLog"
    unlimited_is_zero: bool = True
    settle_seconds: float = 300.0
    clearing_seconds: float = 1800.0

    @classmethod
    def of(cls, system: System) -> "SapOptions":
        """Options of a system; on loopback nothing waits in queues, so times are short there."""
        seconds = {"settle_seconds": 3.0, "clearing_seconds": 60.0} if system.is_loopback else {}
        named = {
            name: type(getattr(_DEFAULTS, name))(value)
            for name, value in system.options.items()
            if name in cls.__slots__
        }
        return cls(**{**seconds, **named})


_DEFAULTS = SapOptions()
#: A single change is over with its request; only postings may hang in a work process.
_CHANGE_SETTLE_SECONDS = 30.0


def limits_of(options: SapOptions) -> Mapping[tuple[str, str], Limits]:
    """Limits by object and operation."""
    return MappingProxyType(
        {
            ("journal_entries", "post"): Limits(
                batch_max=50,
                concurrency_max=4,
                request_timeout_seconds=120.0,
                settle_seconds=options.settle_seconds,
                allows_many_per_lane=True,
                # They stand on the bank line, which the item cube does not show for certain.
                unreadable_fields=frozenset({"value_date", "bank_gl_account"}),
            ),
            ("clearings", "clear"): Limits(
                batch_max=50,
                concurrency_max=2,
                request_timeout_seconds=120.0,
                # An accepted request may wait in SAP's queue: absent means nothing before that.
                settle_seconds=min(options.clearing_seconds, 4 * options.settle_seconds),
                verify_seconds=options.clearing_seconds,
                allows_many_per_lane=True,
            ),
            ("credit_accounts", "update"): Limits(
                batch_max=50,
                concurrency_max=4,
                request_timeout_seconds=120.0,
                settle_seconds=min(options.settle_seconds, _CHANGE_SETTLE_SECONDS),
                is_keyed=True,
                allows_many_per_lane=True,
            ),
            ("sales_orders", "release"): Limits(
                concurrency_max=4,
                request_timeout_seconds=60.0,
                settle_seconds=min(options.settle_seconds, _CHANGE_SETTLE_SECONDS),
                is_keyed=True,
            ),
        }
    )
