"""SAP S/4HANA as a target: endpoints, limits, what refusals mean, options. Data, no behaviour.

Statuses and codes: contracts/erp.md §1.1 and §1.5. What no source verified is an option of the
system (``[systems.<id>.options]``) and stands in README.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ingestion.common.config import System
from ingestion.common.errors import ConfigError, InputRefused
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
    "REASON_CODES",
    "RELEASE_SERVICE",
    "SEEN_CODES",
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
    "DocumentReferenceID", "AssignmentReference", "DocumentItemText", "PaymentDifferenceReason",
    "Reference1IDByBusinessPartner", "Reference2IDByBusinessPartner", "PaymentBlockingReason",
    "DunningBlockingReason", "Reference3IDByBusinessPartner", "IsCleared", "ClearingDate",
    "ClearingAccountingDocument", "ClearingDocFiscalYear", "TransactionCurrency",
    "AmountInTransactionCurrency",
)  # fmt: skip

#: Keys of one ``or`` chain: about 70 characters each once encoded, so a URL stays under 4,000.
KEYS_PER_QUERY = 40

#: Reason codes of deductions (domain §B5) in SAP's three characters. An installation brings its own
#: in the option ``reason_codes``; those of fees must be set to charge off there, all others to make
#: a residual item.
REASON_CODES: Mapping[str, str] = MappingProxyType(
    {
        "PRICE": "PRC",
        "QTY": "QTY",
        "SHORTAGE": "QTY",
        "DAMAGE": "DMG",
        "RETURN": "RET",
        "FREIGHT": "FRT",
        "TAX": "TAX",
        "EXEMPTION": "TAX",
        "DUPLICATE": "DUP",
        "LATE-DELIVERY": "LAT",
        "COMPLIANCE": "LAT",
        "PROMO": "PRO",
        "TRADE": "PRO",
        "REBATE": "REB",
        "UNEARNED-DISC": "UND",
        "EARNED-DISC": "ERD",
        "WHT": "WHT",
        "BANK-FEE": "BNK",
        "FX": "FXD",
        "NOT-RECEIVED": "NRC",
        "WRONG-PO": "WPO",
        "ROUNDING": "DIF",
        "OTHER": "OTH",
        # What is left of an item that was paid in part, and of a receipt that was too large.
        "PARTIAL": "PAR",
        "ON-ACCOUNT": "ONA",
    }
)

#: Statuses of the clearing log, by the message types of SAP's application log: refused; waiting.
LOG_ERROR_STATUSES = frozenset({"E", "A"})
LOG_WAITING_STATUSES = frozenset({"P"})

#: A message or entry whose id SAP saw before; a proxy may have delivered it twice.
SEEN_CODES = frozenset({"009(MP)"})

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
        # Seen before (number from memory): what became of that delivery only the books tell.
        **dict.fromkeys(SEEN_CODES, Action.UNKNOWN),
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
        partial_payment: ``residual``: an item that is paid in part is closed, and the rest becomes
            a new item with the same due date; ``partial``: the item stays, and what was paid stands
            beside it as a credit that names it.
        on_account_document_type: type of a clearing that leaves a part of the receipt on account;
            the rest then shows as a payment, not as a credit memo.
        reason_codes: hub reason to SAP's as ``PRICE=Z01;FREIGHT=Z02``, before ``REASON_CODES``.
        distribution_amount_element: how the amount of one of several reasons is called.
        credit_memo_document_type, write_off_document_type, refund_document_type,
            returned_document_type, debit_memo_document_type: document types of entries on a
            customer's account.
        returns_gl_account: takes what a valid deduction costs; ``allowance_gl_account`` write-offs;
            ``adjustments_gl_account`` what debit memos ask for;
            ``discount_gl_account`` and ``charges_gl_account`` give back what a clearing took, when
            the payment is returned.
    """

    created_by: str = "LEDGERLOOP"
    receipt_document_type: str = "DZ"
    clearing_document_type: str = "AB"
    unidentified_gl_account: str = DEFAULT_OPTIONS["unidentified_gl_account"]
    clearing_log_service: str = "YY1_CLEARINGLOG_CDS/YY1_ClearingLog"
    unlimited_is_zero: bool = True
    settle_seconds: float = 300.0
    clearing_seconds: float = 1800.0
    partial_payment: str = "residual"
    on_account_document_type: str = "DZ"
    reason_codes: str = ""
    distribution_amount_element: str = "DifferenceAmountInDspCrcy"
    credit_memo_document_type: str = "RG"
    write_off_document_type: str = "AB"
    refund_document_type: str = "DZ"
    returned_document_type: str = "DR"
    debit_memo_document_type: str = "DR"
    returns_gl_account: str = "44100000"
    allowance_gl_account: str = "19900000"
    adjustments_gl_account: str = "51000000"
    discount_gl_account: str = "44000000"
    charges_gl_account: str = "65100000"

    def __post_init__(self) -> None:
        """Raises ConfigError for a choice that does not exist."""
        if self.partial_payment not in ("residual", "partial"):
            raise ConfigError(
                f"option partial_payment is residual or partial, not {self.partial_payment!r}",
                code="option_value",
            )

    def native_reason(self, reason_code: str) -> str:
        """SAP's code of a hub reason. Raises InputRefused for one that has none."""
        code = reason_code.upper().replace("_", "-")
        own = dict(pair.split("=", 1) for pair in self.reason_codes.split(";") if "=" in pair)
        native = own.get(code) or REASON_CODES.get(code)
        if not native:
            raise InputRefused(
                f"reason {reason_code} has no code in SAP (option reason_codes)",
                code="reason_not_mapped",
                where="lines",
            )
        return native

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


#: Fields that stand on G/L lines, which the item cube does not show for certain, or nowhere at all.
_RECEIPT_UNREADABLE = frozenset({"value_date", "bank_gl_account"})
_NOTHING: frozenset[str] = frozenset()


def _entry_limits(options: SapOptions, unreadable: frozenset[str]) -> Limits:
    return Limits(
        batch_max=50,
        concurrency_max=4,
        request_timeout_seconds=120.0,
        settle_seconds=options.settle_seconds,
        allows_many_per_lane=True,
        unreadable_fields=unreadable,
    )


#: Objects of master data, and documents made by a deep insert.
_MASTER = ("customers", "customer_companies", "customer_dunning")
_DOCUMENTS = ("lockbox_batches", "payment_advices", "credit_memo_requests")


def _state_limits(options: SapOptions) -> Limits:
    return Limits(
        concurrency_max=4,
        request_timeout_seconds=60.0,
        settle_seconds=min(options.settle_seconds, _CHANGE_SETTLE_SECONDS),
        is_keyed=True,
    )


def _document_limits(options: SapOptions) -> Limits:
    return Limits(
        concurrency_max=2,
        request_timeout_seconds=120.0,
        settle_seconds=options.settle_seconds,
        # Lines are read by whoever works on the document; the header says that it is there.
        unreadable_fields=frozenset({"lines"}),
    )


def _clearing_limits(options: SapOptions) -> Limits:
    return Limits(
        batch_max=50,
        concurrency_max=2,
        request_timeout_seconds=120.0,
        # An accepted request may wait in SAP's queue: absent means nothing before that.
        settle_seconds=min(options.clearing_seconds, 4 * options.settle_seconds),
        verify_seconds=options.clearing_seconds,
        allows_many_per_lane=True,
    )


def limits_of(options: SapOptions) -> Mapping[tuple[str, str], Limits]:
    """Limits by object and operation."""
    return MappingProxyType(
        {
            ("journal_entries", "post"): _entry_limits(options, _RECEIPT_UNREADABLE),
            ("clearings", "clear"): _clearing_limits(options),
            ("credit_memos", "post"): _entry_limits(options, _NOTHING),
            ("returned_payments", "post"): _entry_limits(options, _NOTHING),
            ("refunds", "post"): _entry_limits(options, _NOTHING),
            ("debit_memos", "post"): _entry_limits(options, _NOTHING),
            ("unidentified_clearings", "clear"): _clearing_limits(options),
            ("credit_memo_clearings", "clear"): _clearing_limits(options),
            ("refund_clearings", "clear"): _clearing_limits(options),
            **{(name, "upsert"): _state_limits(options) for name in _MASTER},
            **{(name, "create"): _document_limits(options) for name in _DOCUMENTS},
            ("item_blocks", "update"): Limits(
                batch_max=50,
                concurrency_max=2,
                request_timeout_seconds=120.0,
                settle_seconds=min(options.clearing_seconds, 4 * options.settle_seconds),
                verify_seconds=options.clearing_seconds,
                is_keyed=True,
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
