"""Workday: what is read and what its answers mean. Data only.

Objects and elements: contracts/erp.md §4. Neither SOAP operation knows "changed since", so every
object is read whole, at one moment, and compared with what is stored; that also shows what is gone.
A path leads from a row's element to a value: ``Data/Element``; ``Data/X_Reference@Customer_ID`` is
the id of that type, ``@`` alone the first that is no WID; ``Data/List[]`` is all of them as JSON.
"""

import re
from collections.abc import Mapping
from enum import StrEnum

from ingestion.common.objects import ObjectSpec, fields_of
from ingestion.common.page_style import DateStyle, PageStyle

__all__ = [
    "CONCURRENT_OBJECTS_MAX",
    "DEFAULT_OPTIONS",
    "ENUMS",
    "OBJECTS",
    "PAGES_MAX",
    "PAGE_STYLE",
    "PATHS",
    "READ_STATUS_ACTIONS",
    "REPORT_ROWS_PER_PAGE",
    "REQUIRED",
    "RETRIES_MAX",
    "RETRY_SECONDS_MAX",
    "VALIDATION_CODES",
    "WRITE_STATUS_ACTIONS",
    "Action",
]

#: Options of a system, with what holds when they are not set. No live tenant was seen.
DEFAULT_OPTIONS: dict[str, str] = {
    "tenant": "",
    "version": "v43.0",
    # Who owns the three custom reports; empty is the integration user.
    "report_owner": "",
    "applications_report": "Ledgerloop_Customer_Applications",
    "ledger_amounts_report": "Ledgerloop_Receivable_Ledger_Amounts",
    "balances_report": "Ledgerloop_Ledger_Account_Balances",
}

PAGE_STYLE = PageStyle(("rows",), DateStyle.ISO)
REPORT_ROWS_PER_PAGE = 5_000
RETRIES_MAX = 5
RETRY_SECONDS_MAX = 300.0
PAGES_MAX = 100_000
CONCURRENT_OBJECTS_MAX = 3


class Action(StrEnum):
    """What to do about an answer."""

    RETRY = "retry"
    """A passing fault, certainly without effect."""
    REAUTHENTICATE = "reauthenticate"
    REJECT = "reject"
    UNKNOWN = "unknown"
    """It may have had an effect."""


_SHARED = {
    **dict.fromkeys([400, 403, 404, 405, 406, 409, 415, 422], Action.REJECT),
    401: Action.REAUTHENTICATE,
    429: Action.RETRY,
}
#: A read has no effect, so whatever the server says about itself may be tried again.
READ_STATUS_ACTIONS: dict[int, Action] = {
    **_SHARED,
    **dict.fromkeys([408, 500, 502, 503, 504], Action.RETRY),
}
#: Behind any 5xx that is no validation fault the change may have happened, 503 included: a proxy on
#: the way may have delivered the request twice and show the refused copy's answer.
WRITE_STATUS_ACTIONS: dict[int, Action] = {
    **_SHARED,
    **dict.fromkeys([408, 500, 502, 503, 504], Action.UNKNOWN),
}

#: Validation faults carry text only. The first pattern that fits names the business error; the
#: words of the live system are not verified.
VALIDATION_CODES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), code)
    for pattern, code in (
        (r"already (in use|exists)|duplicate", "duplicate_reference"),
        (r"Invalid ID value", "invalid_reference"),
        (r"period .*(closed|not open)|(closed|not open) .*period|period .* is not open",
         "period_closed"),
        (r"exceeds? (the )?(payment amount|amount due)|exceeds the amount due", "over_applied"),
        (r"currency", "currency_mismatch"),
        (r"decimals", "too_many_decimals"),
        (r"required", "field_missing"),
        (r"page number", "page_number"),
        (r"Invalid (element|value)|out of its order", "invalid_message"),
    )
)  # fmt: skip


def _object(name: str, path: str, key: str, notation: str, *, page_size: int = 999) -> ObjectSpec:
    return ObjectSpec(name, path, fields_of(notation), (key,), page_size=page_size)


OBJECTS: tuple[ObjectSpec, ...] = (
    _object(
        "customers",
        "soap/Get_Customers",
        "WID",
        """WID Customer_ID Customer_Name Customer_Category_Reference Payment_Terms_Reference
        Credit_Limit:money Credit_Limit_Currency_Reference Composite_Risk_Score
        Customer_Status_Value_Reference Reason_for_Customer_Status_Change_Reference Tax_ID_Text
        Address_Line_Data Municipality Postal_Code Country_Reference Settlement_Account_Data
        Currency_Reference""",
    ),
    _object(
        "customer_invoices",
        "soap/Get_Customer_Invoices",
        "WID",
        """WID Customer_Invoice_ID Invoice_Number Company_Reference Customer_Reference
        Currency_Reference Invoice_Date:date Due_Date_Override:date Accounting_Date:date
        Control_Amount_Total:money Customer_PO_Number Memo Amount_Due:money Payment_Status
        Document_Status On_Hold:flag Dispute_Date:date Dispute_Amount:money
        Dispute_Reason_Reference""",
    ),
    _object(
        "customer_invoice_adjustments",
        "soap/Get_Customer_Invoice_Adjustments",
        "WID",
        """WID Customer_Invoice_Adjustment_ID Invoice_Number Company_Reference Customer_Reference
        Currency_Reference Adjustment_Reason_Reference Increase_Amount_Due:flag
        Original_Customer_Invoice_Reference Adjustment_Date:date Accounting_Date:date
        Control_Amount_Total:money Memo Amount_Due:money Document_Status""",
    ),
    _object(
        "customer_payments",
        "soap/Get_Customer_Payments",
        "WID",
        """WID Customer_Payment_for_Invoices_Reference_ID Company_Reference
        Payment_Currency_Reference Payment_Date:date Payment_Type_Reference Payment_Number
        Payment_Amount:money Remitfrom_Customer_Reference Check_Number Payment_Memo
        Ready_to_AutoApply:flag Payment_Status Payment_Application_Status""",
    ),
    _object(
        "customer_refunds",
        "soap/Get_Customer_Refunds",
        "WID",
        """WID Customer_Refund_Reference_ID Company_Reference Customer_Reference
        Currency_Reference Customer_Refund_Date:date Total_Refund_Amount:money Memo
        Payment_Type_Reference""",
    ),
    _object(
        "customer_applications",
        "report/{applications_report}",
        "Application_ID",
        """Application_ID Company_Reference_ID Applied_From_Workday_ID Applied_To_Workday_ID
        Application_Date:date Applied_Amount:money Currency Ledger_Amount:money
        Updated_Moment:timestamp""",
    ),
    _object(
        "receivable_ledger_amounts",
        "report/{ledger_amounts_report}",
        "Transaction_Workday_ID",
        """Transaction_Workday_ID Company_Reference_ID Ledger_Account_ID Ledger_Currency
        Ledger_Amount:money""",
    ),
    ObjectSpec(
        "ledger_account_balances",
        "report/{balances_report}",
        fields_of(
            "Company_Reference_ID Ledger_Account_ID Ledger_Currency Ending_Balance:money"
        ),
        ("Company_Reference_ID", "Ledger_Account_ID"),
    ),
)  # fmt: skip

_ADDRESS = "Customer_Data/Business_Entity_Data/Contact_Data/Address_Data/"
_STATUS = "Customer_Data/Customer_Status_Data/"


def _of(data: str, names: str) -> dict[str, str]:
    """Elements of a data element under their own names; references by their first id."""
    return {
        name: f"{data}/{name}@" if name.endswith("_Reference") else f"{data}/{name}"
        for name in names.split()
    }


#: Object to field to path below the row's element.
PATHS: Mapping[str, Mapping[str, str]] = {
    "customers": {
        "WID": "Customer_Reference@WID",
        **_of(
            "Customer_Data",
            "Customer_ID Customer_Name Customer_Category_Reference Payment_Terms_Reference "
            "Credit_Limit Credit_Limit_Currency_Reference Composite_Risk_Score Currency_Reference",
        ),
        "Customer_Status_Value_Reference": f"{_STATUS}Customer_Status_Value_Reference@",
        "Reason_for_Customer_Status_Change_Reference": (
            f"{_STATUS}Reason_for_Customer_Status_Change_Reference@"
        ),
        "Tax_ID_Text": "Customer_Data/Tax_ID_Data/Tax_ID_Text",
        "Address_Line_Data": f"{_ADDRESS}Address_Line_Data",
        "Municipality": f"{_ADDRESS}Municipality",
        "Postal_Code": f"{_ADDRESS}Postal_Code",
        "Country_Reference": f"{_ADDRESS}Country_Reference@ISO_3166-1_Alpha-2_Code",
        "Settlement_Account_Data": "Customer_Data/Settlement_Account_Data[]",
    },
    "customer_invoices": {
        "WID": "Customer_Invoice_Reference@WID",
        **_of(
            "Customer_Invoice_Data",
            "Customer_Invoice_ID Invoice_Number Currency_Reference Invoice_Date "
            "Due_Date_Override Accounting_Date Control_Amount_Total Customer_PO_Number Memo "
            "Amount_Due Payment_Status Document_Status On_Hold Dispute_Date Dispute_Amount "
            "Dispute_Reason_Reference",
        ),
        "Company_Reference": "Customer_Invoice_Data/Company_Reference@Company_Reference_ID",
        "Customer_Reference": "Customer_Invoice_Data/Customer_Reference@Customer_ID",
    },
    "customer_invoice_adjustments": {
        "WID": "Customer_Invoice_Adjustment_Reference@WID",
        **_of(
            "Customer_Invoice_Adjustment_Data",
            "Customer_Invoice_Adjustment_ID Invoice_Number Currency_Reference "
            "Adjustment_Reason_Reference Increase_Amount_Due Adjustment_Date Accounting_Date "
            "Control_Amount_Total Memo Amount_Due Document_Status",
        ),
        "Company_Reference": (
            "Customer_Invoice_Adjustment_Data/Company_Reference@Company_Reference_ID"
        ),
        "Customer_Reference": "Customer_Invoice_Adjustment_Data/Customer_Reference@Customer_ID",
        "Original_Customer_Invoice_Reference": (
            "Customer_Invoice_Adjustment_Data/Original_Customer_Invoice_Reference@WID"
        ),
    },
    "customer_payments": {
        "WID": "Customer_Payment_for_Invoices_Reference@WID",
        **_of(
            "Customer_Payment_Data",
            "Customer_Payment_for_Invoices_Reference_ID Payment_Currency_Reference Payment_Date "
            "Payment_Type_Reference Payment_Number Payment_Amount Check_Number Payment_Memo "
            "Ready_to_AutoApply Payment_Status Payment_Application_Status",
        ),
        "Company_Reference": "Customer_Payment_Data/Company_Reference@Company_Reference_ID",
        "Remitfrom_Customer_Reference": (
            "Customer_Payment_Data/Remitfrom_Customer_Reference@Customer_ID"
        ),
    },
    "customer_refunds": {
        "WID": "Customer_Refund_Reference@WID",
        **_of(
            "Customer_Refund_Data",
            "Customer_Refund_Reference_ID Currency_Reference Customer_Refund_Date "
            "Total_Refund_Amount Memo Payment_Type_Reference",
        ),
        "Company_Reference": "Customer_Refund_Data/Company_Reference@Company_Reference_ID",
        "Customer_Reference": "Customer_Refund_Data/Customer_Reference@Customer_ID",
    },
}

_DOCUMENT = ("WID", "Company_Reference", "Customer_Reference", "Currency_Reference",
             "Control_Amount_Total", "Document_Status")  # fmt: skip
#: Fields without which a row cannot be understood: their absence is drift, not an empty cell.
REQUIRED: Mapping[str, frozenset[str]] = {
    "customers": frozenset({"WID", "Customer_ID", "Customer_Name"}),
    "customer_invoices": frozenset({*_DOCUMENT, "Invoice_Date"}),
    "customer_invoice_adjustments": frozenset({*_DOCUMENT, "Adjustment_Date"}),
    "customer_payments": frozenset(
        {"WID", "Company_Reference", "Payment_Currency_Reference", "Payment_Date", "Payment_Amount"}
    ),
    "customer_refunds": frozenset(
        {
            "WID",
            "Company_Reference",
            "Customer_Reference",
            "Currency_Reference",
            "Customer_Refund_Date",
            "Total_Refund_Amount",
        }
    ),
}

#: Values that have a meaning here; any other stops the reading, because it might mean anything.
ENUMS: Mapping[str, frozenset[str]] = {
    "Document_Status": frozenset(
        {"Approved", "Canceled", "Denied", "Draft", "In Progress", "Incomplete"}
    ),
}
