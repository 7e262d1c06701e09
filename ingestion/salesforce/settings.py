"""Salesforce: what is read and what its answers mean. Data only.

Objects, limits and error codes: contracts/crm_payments_desk.md §1. Salesforce is classified on
``errorCode``, because one status (400) stands for a lock, a duplicate and a wrong field alike.
"""

from enum import StrEnum

from ingestion.common.objects import ObjectSpec, fields_of
from ingestion.common.page_style import DateStyle, PageStyle

__all__ = [
    "API_VERSION",
    "BULK_INTERVAL_SECONDS",
    "BULK_TIMEOUT_SECONDS",
    "CALL_OPTIONS",
    "COLLECTION_ROWS_MAX",
    "CONCURRENT_OBJECTS_MAX",
    "ERROR_ACTIONS",
    "OBJECTS",
    "PAGES_MAX",
    "PAGE_STYLE",
    "READ_STATUS_ACTIONS",
    "RETRIES_MAX",
    "RETRY_SECONDS_MAX",
    "WRITE_STATUS_ACTIONS",
    "Action",
]

API_VERSION = "59.0"
#: Named on every call, so that change events show who wrote and echoes can be dropped.
CALL_OPTIONS = "client=ledgerloop"
PAGE_STYLE = PageStyle(("records",), DateStyle.ISO, frozenset({"attributes"}))

RETRIES_MAX = 5
RETRY_SECONDS_MAX = 300.0
PAGES_MAX = 100_000
CONCURRENT_OBJECTS_MAX = 3
#: Rows of one collections request (the vendor's limit).
COLLECTION_ROWS_MAX = 200
BULK_INTERVAL_SECONDS = 2.0
BULK_TIMEOUT_SECONDS = 3600.0


class Action(StrEnum):
    """What to do about an answer."""

    RETRY = "retry"
    """A passing fault, certainly without effect."""
    REAUTHENTICATE = "reauthenticate"
    REJECT = "reject"
    UNKNOWN = "unknown"
    """It may have had an effect."""


#: By ``errorCode`` (of a request) or ``statusCode`` (of a row): none of these had an effect.
ERROR_ACTIONS: dict[str, Action] = {
    "INVALID_SESSION_ID": Action.REAUTHENTICATE,
    "INVALID_AUTH_HEADER": Action.REAUTHENTICATE,
    "UNABLE_TO_LOCK_ROW": Action.RETRY,
    "REQUEST_LIMIT_EXCEEDED": Action.RETRY,
    "SERVER_UNAVAILABLE": Action.RETRY,
    "TXN_SECURITY_METERING_ERROR": Action.RETRY,
}
_SHARED = {401: Action.REAUTHENTICATE, 429: Action.RETRY, 503: Action.RETRY}
READ_STATUS_ACTIONS: dict[int, Action] = {
    **_SHARED,
    **dict.fromkeys([408, 500, 502, 504], Action.RETRY),
}
WRITE_STATUS_ACTIONS: dict[int, Action] = {
    **_SHARED,
    **dict.fromkeys([408, 500, 502, 504], Action.UNKNOWN),
}

#: A commit becomes visible some time after its stamp; account-local clocks do not enter here.
_LAG_SECONDS = 3600

_SYNC = "AR_As_Of__c:date AR_Sync_Version__c:money AR_Sync_Correlation_Id__c"
_SYSTEM = "IsDeleted:flag SystemModstamp:timestamp"


def _object(name: str, path: str, notation: str) -> ObjectSpec:
    return ObjectSpec(
        name,
        path,
        fields_of(f"Id {notation} {_SYSTEM}"),
        ("Id",),
        cursor="SystemModstamp",
        lag_seconds=_LAG_SECONDS,
        page_size=2000,
    )


OBJECTS: tuple[ObjectSpec, ...] = (
    _object(
        "accounts",
        "Account",
        f"""Name AccountNumber ERP_Customer_Id__c BillingStreet BillingCity BillingPostalCode
        BillingCountry Phone Website AR_Open_Balance__c:money AR_Overdue_Amount__c:money
        AR_Credit_Limit__c:money AR_Credit_Limit_Kind__c AR_Credit_Hold__c:flag AR_Status__c
        {_SYNC}""",
    ),
    _object(
        "ar_balances",
        "AR_Balance__c",
        f"""ERP_Balance_Key__c Account__c Company_Code__c CurrencyIsoCode AR_Current__c:money
        AR_1_30__c:money AR_31_60__c:money AR_61_90__c:money AR_91_120__c:money
        AR_Over_120__c:money AR_Credits__c:money AR_Unapplied_Cash__c:money AR_Net__c:money
        {_SYNC}""",
    ),
    _object(
        "ar_invoices",
        "AR_Invoice__c",
        f"""ERP_Invoice_Key__c Account__c Company_Code__c CurrencyIsoCode Invoice_Number__c
        Amount__c:money Open_Amount__c:money Invoice_Date__c:date Due_Date__c:date Status__c
        Aging_Bucket__c {_SYNC} AR_Days_Past_Due__c:money""",
    ),
)
