"""Dynamics 365 Finance: what is read and what its answers mean. Data only.

Sets and fields: contracts/erp.md §3. OData has no delta; ``ModifiedDateTime`` stands only in the
custom entities over transactions, so those are read by it (one hour of overlap) and all other sets
are read whole and compared. Names of sets that differ between installations are options.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from ingestion.common.objects import ObjectSpec, fields_of
from ingestion.common.page_style import DateStyle, PageStyle

__all__ = [
    "BATCH_OPERATIONS_MAX",
    "CONCURRENT_OBJECTS_MAX",
    "DATA_ROOT",
    "DEFAULT_OPTIONS",
    "LOGIN_URL",
    "NAMESPACE",
    "OBJECTS",
    "PAGES_MAX",
    "PAGE_STYLE",
    "READ_AGAIN_MAX",
    "READ_STATUS_ACTIONS",
    "RETRIES_MAX",
    "RETRY_SECONDS_MAX",
    "SYMBOLS",
    "WRITE_STATUS_ACTIONS",
    "Action",
]

DATA_ROOT = "/data/"
NAMESPACE = "Microsoft.Dynamics.DataEntities"
LOGIN_URL = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"

#: Options of a system that stand in paths and filters, with what holds when they are not set. An
#: empty name means that the installation has no such set: it is not read.
DEFAULT_OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "unidentified_gl_account": "201150",
        # No public set was found for these (contracts/erp.md §9): custom entities are assumed.
        "open_transactions_entity": "CustTransOpenEntities",
        "settlements_entity": "CustSettlementEntities",
        "ledger_entries_entity": "GeneralJournalAccountEntryEntities",
        "balances_entity": "MainAccountBalanceEntities",
        "order_holds_entity": "CredManHoldEntities",
        # From memory.
        "bank_accounts_entity": "CustomerBankAccounts",
        "orders_entity": "SalesOrderHeadersV2",
        "order_lines_entity": "SalesOrderLines",
    }
)

PAGE_STYLE = PageStyle(("value",), DateStyle.ISO, frozenset(), "@")

#: Reads tried again at most so often, and for at most so long, per request.
RETRIES_MAX = 5
RETRY_SECONDS_MAX = 300.0
#: A next-link that never ends is an error, not an endless read.
PAGES_MAX = 100_000
#: How often a set is read from the start because its pages held fewer rows than it counted.
READ_AGAIN_MAX = 3
#: Resource-based throttling looks at load, so few requests at once (52 was the old hard limit).
CONCURRENT_OBJECTS_MAX = 3
BATCH_OPERATIONS_MAX = 5_000


class Action(StrEnum):
    """What to do about an answer."""

    RETRY = "retry"
    """A passing fault, certainly without effect."""
    REAUTHENTICATE = "reauthenticate"
    REJECT = "reject"
    UNKNOWN = "unknown"
    """It may have had an effect."""


_SHARED = {
    **dict.fromkeys([400, 403, 404, 405, 406, 409, 412, 415, 428], Action.REJECT),
    401: Action.REAUTHENTICATE,
    429: Action.RETRY,
}
READ_STATUS_ACTIONS: Mapping[int, Action] = MappingProxyType(
    {**_SHARED, **dict.fromkeys([408, 500, 502, 503, 504], Action.RETRY)}
)
#: Behind any 5xx a change may have happened, 503 included: a proxy may have delivered the request
#: twice and show the answer of the copy that was refused.
WRITE_STATUS_ACTIONS: Mapping[int, Action] = MappingProxyType(
    {**_SHARED, **dict.fromkeys([408, 500, 502, 503, 504], Action.UNKNOWN)}
)

_LAG_SECONDS = 3600

OBJECTS: tuple[ObjectSpec, ...] = (
    ObjectSpec(
        "customers",
        "CustomersV3",
        fields_of(
            """dataAreaId CustomerAccount OrganizationName PartyNumber SalesCurrencyCode
            PaymentTerms
            InvoiceAccount TaxExemptNumber PrimaryContactEmail AddressStreet AddressCity
            AddressZipCode AddressState AddressCountryRegionId CreditLimit:money
            CreditLimitIsMandatory OnHoldStatus CreditRating CredManAccountStatusId
            CredManStatusReasonId CredManCustUnlimitedCredit CredManExclude
            CredManCreditLimitExpiryDate:timestamp CredManGroupId"""
        ),
        ("dataAreaId", "CustomerAccount"),
    ),
    ObjectSpec(
        "customer_bank_accounts",
        "{bank_accounts_entity}",
        fields_of(
            """dataAreaId CustomerAccountNumber BankAccountId BankAccountNumber IBAN
            ActiveDate:timestamp ExpirationDate:timestamp"""
        ),
        ("dataAreaId", "CustomerAccountNumber", "BankAccountId"),
    ),
    ObjectSpec(
        "customer_transactions",
        "{open_transactions_entity}",
        fields_of(
            """dataAreaId RecId:integer AccountNum Voucher TransDate:timestamp
            DocumentDate:timestamp DueDate:timestamp Invoice TransType Txt CurrencyCode
            AmountCur:money AmountMST:money SettleAmountCur:money PaymReference PaymId
            CustomerReference DocumentNum Closed:timestamp LastSettleVoucher Approved IsReversed
            IsReversal ReversalRecId:integer ModifiedDateTime:timestamp"""
        ),
        ("dataAreaId", "RecId"),
        cursor="ModifiedDateTime",
        lag_seconds=_LAG_SECONDS,
    ),
    ObjectSpec(
        "customer_settlements",
        "{settlements_entity}",
        fields_of(
            """dataAreaId RecId:integer TransRecId:integer OffsetRecId:integer AccountNum
            TransDate:timestamp SettleAmountCur:money SettleAmountMST:money SettlementVoucher
            CurrencyCode ModifiedDateTime:timestamp"""
        ),
        ("dataAreaId", "RecId"),
        cursor="ModifiedDateTime",
        lag_seconds=_LAG_SECONDS,
    ),
    ObjectSpec(
        "ledger_entries",
        "{ledger_entries_entity}",
        fields_of(
            """dataAreaId RecId:integer MainAccount Voucher AccountingDate:timestamp
            DocumentDate:timestamp TransactionCurrencyCode TransactionCurrencyAmount:money
            AccountingCurrencyAmount:money Text PaymentReference DocumentNumber
            ModifiedDateTime:timestamp"""
        ),
        ("dataAreaId", "RecId"),
        cursor="ModifiedDateTime",
        lag_seconds=_LAG_SECONDS,
        filter="MainAccount eq '{unidentified_gl_account}'",
    ),
    ObjectSpec(
        "main_account_balances",
        "{balances_entity}",
        fields_of("dataAreaId MainAccount AccountingCurrencyCode AccountingCurrencyAmount:money"),
        ("dataAreaId", "MainAccount"),
    ),
    ObjectSpec(
        "sales_orders",
        "{orders_entity}",
        fields_of(
            """dataAreaId SalesOrderNumber OrderingCustomerAccountNumber
            InvoiceCustomerAccountNumber CurrencyCode RequestedShippingDate:timestamp
            CustomersOrderReference SalesOrderStatus OrderCreationDateTime:timestamp"""
        ),
        ("dataAreaId", "SalesOrderNumber"),
    ),
    ObjectSpec(
        "sales_order_lines",
        "{order_lines_entity}",
        fields_of(
            """dataAreaId InventoryLotId SalesOrderNumber LineAmount:money CurrencyCode
            SalesOrderLineStatus"""
        ),
        ("dataAreaId", "InventoryLotId"),
    ),
    ObjectSpec(
        "order_holds",
        "{order_holds_entity}",
        fields_of(
            """dataAreaId SalesOrderNumber CustomerAccount HoldStatus BlockingReason
            ModifiedDateTime:timestamp"""
        ),
        ("dataAreaId", "SalesOrderNumber"),
    ),
    ObjectSpec(
        "disputes",
        "CustDisputes",
        fields_of(
            """dataAreaId SysRecId:integer Status ReasonCode ReasonComment AmountCur:money
            TransactionCurrency FollowUpDate:timestamp StatusChangedDate:timestamp CustTrans:integer
            Note"""
        ),
        ("dataAreaId", "SysRecId"),
    ),
)

_NO_YES = frozenset({"No", "Yes"})
_SALES = frozenset({"None", "Backorder", "Delivered", "Invoiced", "Canceled"})
#: Enumerated fields that have a meaning here, by object: another symbol stops the reading, because
#: it might mean anything. The order holds' set is the installation's own, its symbols are ours.
SYMBOLS: Mapping[str, Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "customers": {
            "CreditLimitIsMandatory": _NO_YES,
            "CredManCustUnlimitedCredit": _NO_YES,
            "OnHoldStatus": frozenset(
                {"No", "Invoice", "All", "Payment", "Requisition", "Never", "PurchOrder"}
            ),
        },
        "customer_transactions": {
            "Approved": _NO_YES, "IsReversed": _NO_YES, "IsReversal": _NO_YES,
        },
        "sales_orders": {"SalesOrderStatus": _SALES},
        "sales_order_lines": {"SalesOrderLineStatus": _SALES},
        "order_holds": {"HoldStatus": frozenset({"None", "OnHold", "Released", "Rejected"})},
        "disputes": {
            "Status": frozenset(
                {
                    "None", "Disputed", "PromiseToPay", "Resolved", "PromiseToPayBroken",
                    "PromiseToPayKept",
                }
            )
        },
    }
)  # fmt: skip
