"""Workday as a target: limits, what refusals mean, options, element orders. Data, no behaviour.

What no source verified is an option of the system (``[systems.<id>.options]``) and stands in
README.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from ingestion.common.config import System
from ingestion.common.errors import InputRefused
from reverse_etl.delivery.writer import Limits
from reverse_etl.outcomes import Action, OutcomeTable

__all__ = [
    "ADJUSTMENT_REASONS",
    "CUSTOMER_ORDER",
    "DISPUTE_REASONS",
    "IDS_PER_REQUEST",
    "OUTCOMES",
    "PAYMENT_ORDER",
    "READ_ONLY",
    "WorkdayOptions",
    "limits_of",
]

#: Ids named in one request, at most.
IDS_PER_REQUEST = 50

#: A code goes before a status. A duplicate reference is our own earlier effect: the read-back that
#: follows every acceptance proves it.
OUTCOMES = OutcomeTable(
    codes={
        "duplicate_reference": Action.FOUND,
        "authenticationError": Action.RETRY_SYSTEM,
        "Client": Action.REJECT_TECHNICAL,
        "invalid_message": Action.REJECT_TECHNICAL,
    },
    statuses={
        400: Action.REJECT,
        401: Action.RETRY_SYSTEM,
        403: Action.REJECT_TECHNICAL,
        404: Action.REJECT_TECHNICAL,
        405: Action.REJECT_TECHNICAL,
        409: Action.RETRY,
        415: Action.REJECT_TECHNICAL,
        422: Action.REJECT,
        429: Action.RETRY_SYSTEM,
        503: Action.RETRY_SYSTEM,
    },
    retry_seconds={"not_sent": 2.0, "authenticationError": 300.0},
)

#: Reason codes of deductions (domain §B5) as the tenant's reference ids; a tenant brings its own
#: in the options ``adjustment_reasons`` and ``dispute_reasons`` (``PRICE=X;FREIGHT=Y``).
_REASONS = {
    "PRICE": "PRICE",
    "QTY": "QUANTITY",
    "SHORTAGE": "QUANTITY",
    "NOT-RECEIVED": "QUANTITY",
    "DAMAGE": "DAMAGE",
    "RETURN": "RETURN",
    "FREIGHT": "FREIGHT",
    "TAX": "TAX",
    "EXEMPTION": "TAX",
    "WHT": "TAX",
    "DUPLICATE": "DUPLICATE",
    "LATE-DELIVERY": "LATE",
    "COMPLIANCE": "LATE",
    "PROMO": "PROMOTION",
    "TRADE": "PROMOTION",
    "REBATE": "REBATE",
    "WRONG-PO": "OTHER",
    "UNEARNED-DISC": "OTHER",
    "OTHER": "OTHER",
}
DISPUTE_REASONS: Mapping[str, str] = MappingProxyType(_REASONS)
ADJUSTMENT_REASONS: Mapping[str, str] = MappingProxyType(
    {
        **_REASONS,
        "EARNED-DISC": "DISCOUNT",
        "UNEARNED-DISC": "DISCOUNT",
        "BANK-FEE": "BANK_FEE",
        "FX": "ROUNDING",
        "ROUNDING": "ROUNDING",
        "WRITE-OFF": "WRITE_OFF",
    }
)

#: Elements in the schema's order, so that a changed one stands where it must.
CUSTOMER_ORDER = (
    "Customer_ID", "Customer_Reference_ID", "Customer_Name", "Customer_Category_Reference",
    "Payment_Terms_Reference", "Default_Payment_Type_Reference",
    "Credit_Limit_Currency_Reference", "Credit_Limit", "Hierarchy_Credit_Limit",
    "Credit_Verification_Date", "Commercial_Credit_Score", "Commercial_Credit_Score_Date",
    "Commercial_Credit_Score_Note", "Composite_Risk_Score", "Composite_Risk_Score_Date",
    "Tax_ID_Data", "Settlement_Account_Data", "Business_Entity_Data", "Customer_Status_Data",
    "Currency_Reference", "Remitfrom_Customer_Reference", "Always_Separate_Payments",
    "Mandate_Required", "Followup_Date", "Note_Data",
)  # fmt: skip
PAYMENT_ORDER = (
    "Customer_Payment_for_Invoices_Reference_ID", "Company_Reference",
    "Payment_Currency_Reference", "Payment_Date", "Payment_Type_Reference", "Payment_Number",
    "Payment_Amount", "Remitfrom_Customer_Reference", "Check_Number", "Payment_Memo",
    "Ready_to_AutoApply", "Do_Not_Apply_Payment_to_Invoices_on_Hold",
    "Show_Only_Matched_Invoices_when_Applying", "Customer_Payment_Remittance_Advice_Data",
)  # fmt: skip
#: What Workday works out itself: shown by a get, never put back.
READ_ONLY = frozenset(
    {"Payment_Status", "Payment_Application_Status", "Amount_Due", "Document_Status"}
)


@dataclass(frozen=True, slots=True)
class WorkdayOptions:
    """What differs between tenants; see README.md for each one's evidence.

    Attributes:
        company_id_type: type of the companies' ids.
        payment_type: ``Payment_Type_ID`` of receipts that the hub books.
        active_status, hold_status: ``Customer_Status_Value_ID`` of a customer that may be invoiced,
            and of one on credit hold.
        reason_id_type: type of a status reason's id.
        unlimited_is_empty: whether a customer without ``Credit_Limit`` has no limit (not verified).
            False: such a limit is refused.
        adjustment_reasons, dispute_reasons: hub reason to the tenant's id, before the defaults.
        returned_category: revenue category whose posting rule credits the bank's clearing account;
            empty: there is none, and a person reverses returned payments.
        debit_memo_category: revenue category of debit memos, and of discounts and fees that a
            returned payment takes back.
        refund_payment_type: ``Payment_Type_ID`` by which refunds are paid.
        settle_seconds: how long after a lost answer a change may still appear.
        apply_seconds: how long Workday may take to apply a remittance.
    """

    company_id_type: str = "Company_Reference_ID"
    payment_type: str = "EFT"
    active_status: str = "ACTIVE"
    hold_status: str = "HOLD"
    reason_id_type: str = "Reason_for_Customer_Status_Change_ID"
    unlimited_is_empty: bool = True
    adjustment_reasons: str = ""
    dispute_reasons: str = ""
    returned_category: str = "RETURNED_PAYMENT"
    debit_memo_category: str = "DEBIT_MEMO"
    refund_payment_type: str = "EFT"
    settle_seconds: float = 120.0
    apply_seconds: float = 3600.0

    def adjustment_reason(self, reason_code: str) -> str:
        """The tenant's adjustment reason. Raises InputRefused for one that has none."""
        return _mapped(reason_code, self.adjustment_reasons, ADJUSTMENT_REASONS, "adjustment")

    def dispute_reason(self, reason_code: str) -> str:
        """The tenant's dispute reason. Raises InputRefused for one that has none."""
        return _mapped(reason_code, self.dispute_reasons, DISPUTE_REASONS, "dispute")

    @classmethod
    def of(cls, system: System) -> "WorkdayOptions":
        """Options of a system; on loopback nothing waits in queues, so times are short there."""
        seconds = {"settle_seconds": 1.0, "apply_seconds": 60.0} if system.is_loopback else {}
        named = {
            name: type(getattr(_DEFAULTS, name))(value)
            for name, value in system.options.items()
            if name in cls.__slots__
        }
        return cls(**{**seconds, **named})


_DEFAULTS = WorkdayOptions()


def _mapped(reason_code: str, own: str, defaults: Mapping[str, str], what: str) -> str:
    code = reason_code.upper().replace("_", "-")
    pairs = dict(pair.split("=", 1) for pair in own.split(";") if "=" in pair)
    found = pairs.get(code) or defaults.get(code)
    if not found:
        raise InputRefused(
            f"reason {reason_code} has no {what} reason in Workday (option {what}_reasons)",
            code="reason_not_mapped",
            where="reason_code",
        )
    return found


def limits_of(options: WorkdayOptions) -> Mapping[tuple[str, str], Limits]:
    """Limits by object and operation. Workday's own are not public: few requests at once."""
    posting = Limits(
        concurrency_max=4,
        request_timeout_seconds=120.0,
        settle_seconds=options.settle_seconds,
        is_keyed=True,
        read_batch_max=IDS_PER_REQUEST,
        requests_per_second_max=None if options.settle_seconds < 10 else 10.0,
    )
    applying = Limits(
        concurrency_max=4,
        request_timeout_seconds=120.0,
        settle_seconds=options.settle_seconds,
        verify_seconds=options.apply_seconds,
        is_keyed=True,
        read_batch_max=IDS_PER_REQUEST,
    )
    state = Limits(
        concurrency_max=4,
        request_timeout_seconds=120.0,
        settle_seconds=options.settle_seconds,
        is_keyed=True,
        read_batch_max=IDS_PER_REQUEST,
    )
    return MappingProxyType(
        {
            ("payments", "post"): posting,
            ("applications", "apply"): applying,
            ("credit_memos", "post"): replace(posting, unreadable_fields=frozenset({"is_agreed"})),
            ("returned_payments", "post"): applying,
            ("refunds", "post"): posting,
            ("debit_memos", "post"): posting,
            ("credit_limits", "update"): state,
            ("invoice_disputes", "update"): state,
        }
    )
