"""SAP S/4HANA: what is read and what its answers mean. Data only.

Field names, sets and keys: contracts/erp.md §1. Day-granular cursors (``LastChangeDate``) overlap
by 26 hours, so that a late commit and the largest time-zone difference are both inside; instants
overlap by one hour. Sets without a change field are read whole and compared with what is stored.
"""

from enum import StrEnum

from ingestion.common.objects import ObjectSpec, fields_of
from ingestion.common.page_style import DateStyle, PageStyle

__all__ = [
    "BATCH_OPERATIONS_MAX",
    "CONCURRENT_OBJECTS_MAX",
    "DEFAULT_OPTIONS",
    "OBJECTS",
    "ODATA_ROOT",
    "PAGES_MAX",
    "PAGE_STYLE",
    "READ_STATUS_ACTIONS",
    "RETRIES_MAX",
    "RETRY_SECONDS_MAX",
    "WRITE_STATUS_ACTIONS",
    "Action",
]

ODATA_ROOT = "/sap/opu/odata/sap/"

#: Options of a system that stand in paths and filters, with what holds when they are not set.
DEFAULT_OPTIONS: dict[str, str] = {
    "unidentified_gl_account": "21650000",
    # No verified contract (contracts/erp.md §9): a released custom CDS view is assumed.
    "gl_balance_service": "YY1_GLACCOUNTBALANCE_CDS/YY1_GLAccountBalance",
}

PAGE_STYLE = PageStyle(("d", "results"), DateStyle.ODATA_V2, frozenset({"__metadata"}), "to_")

#: Reads tried again at most so often, and for at most so long, per request.
RETRIES_MAX = 5
RETRY_SECONDS_MAX = 300.0
#: A next-link that never ends is an error, not an endless read.
PAGES_MAX = 100_000
CONCURRENT_OBJECTS_MAX = 4
BATCH_OPERATIONS_MAX = 200


class Action(StrEnum):
    """What to do about an answer."""

    DONE = "done"
    RETRY = "retry"
    """A passing fault, certainly without effect."""
    REAUTHENTICATE = "reauthenticate"
    REJECT = "reject"
    UNKNOWN = "unknown"
    """It may have had an effect."""


_SHARED = {
    200: Action.DONE,
    201: Action.DONE,
    202: Action.DONE,
    204: Action.DONE,
    400: Action.REJECT,
    401: Action.REAUTHENTICATE,
    403: Action.REJECT,
    404: Action.REJECT,
    405: Action.REJECT,
    406: Action.REJECT,
    409: Action.REJECT,
    412: Action.REJECT,
    415: Action.REJECT,
    428: Action.REJECT,
    429: Action.RETRY,
}
#: A read has no effect, so whatever the server says about itself may be tried again.
READ_STATUS_ACTIONS: dict[int, Action] = {
    **_SHARED,
    **dict.fromkeys([408, 500, 502, 503, 504], Action.RETRY),
}
#: Behind any 5xx the change may have happened. 503 comes from the gateway before the application,
#: but a proxy on the way may have delivered the request twice and show the refused copy's answer.
WRITE_STATUS_ACTIONS: dict[int, Action] = {
    **_SHARED,
    **dict.fromkeys([408, 500, 502, 503, 504], Action.UNKNOWN),
}

_DAY_LAG_SECONDS = 26 * 3600
_INSTANT_LAG_SECONDS = 3600

_ITEM_FIELDS = """
CompanyCode FiscalYear AccountingDocument AccountingDocumentItem FinancialAccountType GLAccount
Customer DebitCreditCode PostingKey SpecialGLCode AccountingDocumentType PostingDate:date
DocumentDate:date NetDueDate:date DueCalculationBaseDate:date PaymentTerms PaymentBlockingReason
PaymentReference DocumentReferenceID AssignmentReference DocumentItemText
Reference1IDByBusinessPartner Reference2IDByBusinessPartner Reference3IDByBusinessPartner
InvoiceReference InvoiceReferenceFiscalYear InvoiceItemReference BillingDocument SalesDocument
ClearingDate:date ClearingCreationDate:date ClearingAccountingDocument ClearingDocFiscalYear
IsCleared:flag ClearingIsReversed:flag PaymentDifferenceReason CashDiscount1DueDate:date
CashDiscount1Percent:money CompanyCodeCurrency AmountInCompanyCodeCurrency:money
TransactionCurrency AmountInTransactionCurrency:money DunningLevel DunningBlockingReason
ReverseDocument IsReversal:flag IsReversed:flag LastChangeDate:date
AccountingDocumentCreationDate:date
"""

OBJECTS: tuple[ObjectSpec, ...] = (
    ObjectSpec(
        "business_partners",
        "API_BUSINESS_PARTNER/A_BusinessPartner",
        fields_of(
            """BusinessPartner Customer BusinessPartnerCategory BusinessPartnerGrouping
            BusinessPartnerFullName BusinessPartnerName SearchTerm1 BusinessPartnerIsBlocked:flag
            IsMarkedForArchiving:flag BusinessPartnerIDByExtSystem CreationDate:date
            LastChangeDate:date LastChangeTime"""
        ),
        ("BusinessPartner",),
        cursor="LastChangeDate",
        lag_seconds=_DAY_LAG_SECONDS,
    ),
    ObjectSpec(
        "customers",
        "API_BUSINESS_PARTNER/A_Customer",
        fields_of(
            """Customer CustomerAccountGroup CustomerName CustomerCorporateGroup
            OrderIsBlockedForCustomer DeliveryIsBlocked BillingIsBlockedForCustomer
            PostingIsBlocked:flag VATRegistration DeletionIndicator:flag CreationDate:date"""
        ),
        ("Customer",),
    ),
    ObjectSpec(
        "customer_companies",
        "API_BUSINESS_PARTNER/A_CustomerCompany",
        fields_of(
            """Customer CompanyCode PaymentTerms PaymentBlockingReason ReconciliationAccount
            AlternativePayerAccount CustomerHeadOffice DeletionIndicator:flag"""
        ),
        ("Customer", "CompanyCode"),
    ),
    ObjectSpec(
        "customer_dunning",
        "API_BUSINESS_PARTNER/A_CustomerDunning",
        fields_of("Customer CompanyCode DunningArea DunningBlock DunningLevel DunningProcedure"),
        ("Customer", "CompanyCode", "DunningArea"),
    ),
    ObjectSpec(
        "addresses",
        "API_BUSINESS_PARTNER/A_BusinessPartnerAddress",
        fields_of(
            "BusinessPartner AddressID StreetName HouseNumber PostalCode CityName Country Region"
        ),
        ("BusinessPartner", "AddressID"),
    ),
    ObjectSpec(
        "tax_numbers",
        "API_BUSINESS_PARTNER/A_BusinessPartnerTaxNumber",
        fields_of("BusinessPartner BPTaxType BPTaxNumber"),
        ("BusinessPartner", "BPTaxType"),
    ),
    ObjectSpec(
        "bank_accounts",
        "API_BUSINESS_PARTNER/A_BusinessPartnerBank",
        fields_of(
            """BusinessPartner BankIdentification BankCountryKey BankName BankNumber SWIFTCode IBAN
            BankAccount BankAccountHolderName ValidityStartDate:date
            ValidityEndDate:date"""
        ),
        ("BusinessPartner", "BankIdentification"),
    ),
    ObjectSpec(
        "billing_documents",
        "API_BILLING_DOCUMENT_SRV/A_BillingDocument",
        fields_of(
            """BillingDocument BillingDocumentType BillingDocumentDate:date
            LastChangeDateTime:timestamp BillingDocumentIsCancelled:flag SoldToParty PayerParty
            CompanyCode FiscalYear AccountingDocument TotalNetAmount:money TaxAmount:money
            TotalGrossAmount:money TransactionCurrency PaymentReference DocumentReferenceID
            PurchaseOrderByCustomer AccountingPostingStatus InvoiceClearingStatus"""
        ),
        ("BillingDocument",),
        cursor="LastChangeDateTime",
        lag_seconds=_INSTANT_LAG_SECONDS,
    ),
    ObjectSpec(
        "operational_items",
        "API_OPLACCTGDOCITEMCUBE_SRV/A_OperationalAcctgDocItemCube",
        fields_of(_ITEM_FIELDS),
        ("CompanyCode", "FiscalYear", "AccountingDocument", "AccountingDocumentItem"),
        cursor="LastChangeDate",
        lag_seconds=_DAY_LAG_SECONDS,
        filter="(FinancialAccountType eq 'D' or GLAccount eq '{unidentified_gl_account}')",
    ),
    ObjectSpec(
        "gl_balances",
        "{gl_balance_service}",
        fields_of("CompanyCode GLAccount CompanyCodeCurrency AmountInCompanyCodeCurrency:money"),
        ("CompanyCode", "GLAccount", "CompanyCodeCurrency"),
    ),
    ObjectSpec(
        "credit_partners",
        "API_CRDTMBUSINESSPARTNER/CreditMgmtBusinessPartner",
        fields_of("BusinessPartner CreditRiskClass CreditWorthinessScoreValue CreditCheckRule"),
        ("BusinessPartner",),
    ),
    ObjectSpec(
        "credit_accounts",
        "API_CRDTMBUSINESSPARTNER/CreditManagementAccount",
        fields_of(
            """BusinessPartner CreditSegment BusinessPartnerIsCritical:flag
            CreditAccountIsBlocked:flag CreditAccountBlockReason CreditLimitAmount:money
            CreditLimitValidityEndDate:date CreditLimitIsZero:flag CreditLimitLastChangeDate:date
            CreditSegmentCurrency"""
        ),
        ("BusinessPartner", "CreditSegment"),
    ),
    ObjectSpec(
        "sales_orders",
        "API_SALES_ORDER_SRV/A_SalesOrder",
        fields_of(
            """SalesOrder SalesOrderType SalesOrganization SoldToParty SalesOrderDate:date
            RequestedDeliveryDate:date TotalNetAmount:money TransactionCurrency
            TotalCreditCheckStatus OverallSDProcessStatus DeliveryBlockReason
            HeaderBillingBlockReason PurchaseOrderByCustomer LastChangeDateTime:timestamp"""
        ),
        ("SalesOrder",),
        cursor="LastChangeDateTime",
        lag_seconds=_INSTANT_LAG_SECONDS,
    ),
    ObjectSpec(
        "credit_blocked_documents",
        "API_SLS_DOC_WITH_CREDIT_BLOCK/A_CreditBlockedSalesDocument",
        fields_of(
            "SalesDocument SDDocumentCategory SoldToParty CreditSegment TotalCreditCheckStatus"
        ),
        ("SalesDocument",),
    ),
    ObjectSpec(
        "credit_memo_requests",
        "API_CREDIT_MEMO_REQUEST_SRV/A_CreditMemoRequest",
        fields_of(
            """CreditMemoRequest CreditMemoRequestType SoldToParty SalesOrganization
            CreditMemoRequestDate:date TotalNetAmount:money TransactionCurrency SDDocumentReason
            ReferenceSDDocument PurchaseOrderByCustomer OverallSDProcessStatus
            LastChangeDateTime:timestamp"""
        ),
        ("CreditMemoRequest",),
        cursor="LastChangeDateTime",
        lag_seconds=_INSTANT_LAG_SECONDS,
    ),
)
