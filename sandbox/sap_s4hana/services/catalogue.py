"""Which services, sets and properties the sandbox has (contract sheet ERP §1.2 to §1.7).

Names and lengths are the vendor's. Sets whose service no source verified are built here from the
settings, so that another name needs no code.
"""

from sandbox.sap_s4hana.odata.model import (
    EdmKind,
    EntityType,
    FunctionImport,
    Navigation,
    Property,
    entity_type,
)
from sandbox.sap_s4hana.odata.service import Service
from sandbox.sap_s4hana.services import catalogue_finance, catalogue_master
from sandbox.sap_s4hana.settings import SapSettings

__all__ = ["CLEARING_LOG", "GL_BALANCE", "services"]

GL_BALANCE = "gl_balance"
CLEARING_LOG = "clearing_log"

_CREDIT = "API_CRDTMBUSINESSPARTNER"
_BLOCKED = "API_SLS_DOC_WITH_CREDIT_BLOCK"
_ORDERS = "API_SALES_ORDER_SRV"
_REQUESTS = "API_CREDIT_MEMO_REQUEST_SRV"
_LOCKBOX = "API_LOCKBOXPOST_IN"
_ADVICES = "API_PAYMENT_ADVICE_SRV"

_CREDIT_PARTNER = """
BusinessPartner                 text(10)  key alpha
CrdtMgmtBusinessPartnerGroup    text(4)
CreditWorthinessScoreValue      text(10)
CrdtWrthnssScoreValdtyEndDate   date
CrdtWorthinessScoreLastChgDate  date      ro
CalcdCrdtWorthinessScoreValue   text(10)  ro
CreditRiskClass                 text(3)
CalculatedCreditRiskClass       text(3)   ro
CreditRiskClassLastChangeDate   date      ro
CreditCheckRule                 text(10)
CreditScoreAndLimitCalcRule     text(10)
"""
_CREDIT_ACCOUNT = """
BusinessPartner                 text(10)  key alpha
CreditSegment                   text(10)  key
BusinessPartnerIsCritical       bool
CreditAccountIsBlocked          bool
CreditAccountBlockReason        text(2)
CreditAccountResubmissionDate   date
CreditLimitAmount               decimal(15,2) unit=CreditSegmentCurrency
CreditLimitValidityEndDate      date
CreditLimitIsZero               bool
CreditLimitCalculatedAmount     decimal(15,2) ro unit=CreditSegmentCurrency
CreditLimitLastChangeDate       date      ro
CreditLimitRequestedAmount      decimal(15,2) unit=CreditSegmentCurrency
CrdtLmtIsReqdFrmAutomCalc       bool      ro
CreditLimitReqdValidityEndDate  date
CreditLimitRequestDate          date
CreditSegmentCurrency           text(5)   ro
"""
_CREDIT_BLOCKED = """
SalesDocument                   text(10)  key alpha ro
SDDocumentCategory              text(4)   ro
SalesDocumentType               text(4)   ro
SoldToParty                     text(10)  ro alpha
CreditSegment                   text(10)  ro
CreditControlArea               text(4)   ro
TotalCreditCheckStatus          text(1)   ro
TotalNetAmount                  decimal(16,3) ro unit=TransactionCurrency
TransactionCurrency             text(5)   ro
"""
_ORDER = """
SalesOrder                      text(10)  key alpha
SalesOrderType                  text(4)   once
SalesOrganization               text(4)   once
DistributionChannel             text(2)   once
OrganizationDivision            text(2)   once
SoldToParty                     text(10)  once alpha
CreationDate                    date      ro
CreatedByUser                   text(12)  ro
LastChangeDate                  date      ro
LastChangeDateTime              instant   ro etag
PurchaseOrderByCustomer         text(35)
SalesOrderDate                  date
RequestedDeliveryDate           date
TotalNetAmount                  decimal(16,3) once unit=TransactionCurrency
TransactionCurrency             text(5)   once
CustomerPaymentTerms            text(4)
SDDocumentReason                text(3)
HeaderBillingBlockReason        text(2)
DeliveryBlockReason             text(2)
OverallSDProcessStatus          text(1)   ro
TotalCreditCheckStatus          text(1)   ro
TotalBlockStatus                text(1)   ro
"""
_CREDIT_MEMO_REQUEST = """
CreditMemoRequest               text(10)  key alpha
CreditMemoRequestType           text(4)   once
SalesOrganization               text(4)   once
DistributionChannel             text(2)   once
OrganizationDivision            text(2)   once
SalesGroup                      text(3)
SalesOffice                     text(4)
SoldToParty                     text(10)  once alpha
CreationDate                    date      ro
CreatedByUser                   text(12)  ro
LastChangeDate                  date      ro
LastChangeDateTime              instant   ro etag
PurchaseOrderByCustomer         text(35)
CustomerPurchaseOrderType       text(4)
CreditMemoRequestDate           date
TotalNetAmount                  decimal(16,3) ro unit=TransactionCurrency
TransactionCurrency             text(5)   once
SDDocumentReason                text(3)
PricingDate                     date
HeaderBillingBlockReason        text(2)
CustomerPaymentTerms            text(4)
BillingDocumentDate             date
ServicesRenderedDate            date
ReferenceSDDocument             text(10)  once alpha
ReferenceSDDocumentCategory     text(4)   ro
AccountingDocExternalReference  text(16)
AssignmentReference             text(18)
CreditMemoReqApprovalReason     text(4)   ro
SalesDocApprovalStatus          text(1)   ro
OverallSDProcessStatus          text(1)   ro
TotalCreditCheckStatus          text(1)   ro
OverallOrdReltdBillgStatus      text(1)   ro
"""
_CREDIT_MEMO_REQUEST_ITEM = """
CreditMemoRequest               text(10)  key alpha
CreditMemoRequestItem           text(6)   key
CreditMemoRequestItemCategory   text(4)   once
CreditMemoRequestItemText       text(40)
Material                        text(40)  once
RequestedQuantity               decimal(15,3)
RequestedQuantityUnit           text(3)
ReferenceSDDocument             text(10)  once alpha
ReferenceSDDocumentItem         text(6)   once
SalesDocumentRjcnReason         text(2)
ItemBillingBlockReason          text(2)
NetAmount                       decimal(16,3) once unit=TransactionCurrency
TransactionCurrency             text(5)   once
"""
_LOCKBOX_BATCH = """
LockboxBatchInternalKey         text(20)  key ro
LockboxBatch                    text(3)   key ro
Lockbox                         text(7)   once
DepositDateTime                 date      once
AmountInTransactionCurrency     decimal(24,3) once
LockboxBatchOrigin              text(10)  once
LockboxBatchDestination         text(10)  once
"""
_LOCKBOX_ITEM = """
LockboxBatchInternalKey         text(20)  key ro
LockboxBatch                    text(3)   key ro
LockboxBatchItem                text(5)   key
AmountInTransactionCurrency     decimal(24,3) once unit=Currency
Currency                        text(5)   once
Cheque                          text(13)  once
PartnerBank                     text(15)  once
PartnerBankAccount              text(18)  once
PartnerBankCountry              text(3)   once
PaymentAdvice                   text(16)  ro
"""
_LOCKBOX_CLEARING = """
LockboxBatchInternalKey         text(20)  key ro
LockboxBatch                    text(3)   key ro
LockboxBatchItem                text(5)   key
PaymentAdviceItem               text(5)   key
PaymentReference                text(30)  once
NetPaymentAmountInPaytCurrency  decimal(24,3) once unit=Currency
DeductionAmountInPaytCurrency   decimal(24,3) once unit=Currency
PaymentDifferenceReason         text(3)   once
Currency                        text(5)   once
AccountingDocument              text(10)  ro alpha
FiscalYear                      text(4)   ro
CompanyCode                     text(4)   ro
"""
_PAYMENT_ADVICE = """
CompanyCode                     text(4)   key
PaymentAdviceAccountType        text(1)   key
PaymentAdviceAccount            text(10)  key alpha
PaymentAdvice                   text(16)  key
PaymentDate                     date      once
PaymentCurrency                 text(5)   once
PaidAmountInPaytCurrency        decimal(24,3) once unit=PaymentCurrency
PaymentAdviceStatus             text(1)   ro
PaymentAdviceHeaderText         text(25)  once
BankReference                   text(35)  once
BusinessPartnerName             text(80)  ro
"""
_PAYMENT_ADVICE_ITEM = """
CompanyCode                     text(4)   key
PaymentAdviceAccountType        text(1)   key
PaymentAdviceAccount            text(10)  key alpha
PaymentAdvice                   text(16)  key
PaymentAdviceItem               text(5)   key
AccountingDocument              text(10)  once alpha
FiscalYear                      text(4)   once
AccountingDocumentItem          text(3)   once alpha
AssignmentReference             text(18)  once
NetPaymentAmountInPaytCurrency  decimal(24,3) once unit=Currency
CashDiscountAmountInPaytCrcy    decimal(24,3) once unit=Currency
Currency                        text(5)   once
"""
_GL_BALANCE = """
CompanyCode                     text(4)   key ro
GLAccount                       text(10)  key ro
CompanyCodeCurrency             text(5)   key ro
AmountInCompanyCodeCurrency     decimal(24,3) ro unit=CompanyCodeCurrency
"""
_CLEARING_LOG = """
MessageID                       text(35)  key ro
Status                          text(1)   ro
Note                            text(220) ro
CreationDateTime                instant   ro
ProcessingDateTime              instant   ro
"""


def _credit() -> Service:
    to_accounts = Navigation(
        "to_CreditMgmtAccountTP",
        "CreditManagementAccount",
        is_collection=True,
        keys=(("BusinessPartner", "BusinessPartner"),),
    )
    partner = entity_type(
        _CREDIT,
        "CreditMgmtBusinessPartner",
        _CREDIT_PARTNER,
        type_name="CreditMgmtBusinessPartnerType",
        navigations=(to_accounts,),
        writable="cu",
        has_etag=True,
    )
    account = entity_type(
        _CREDIT,
        "CreditManagementAccount",
        _CREDIT_ACCOUNT,
        indexed=("BusinessPartner",),
        writable="cu",
        has_etag=True,
    )
    return Service(_CREDIT, (partner, account))


def _credit_block() -> Service:
    blocked = entity_type(
        _BLOCKED, "A_CreditBlockedSalesDocument", _CREDIT_BLOCKED, indexed=("SoldToParty",)
    )
    document = Property("SalesDocument", EdmKind.TEXT, 10, is_alpha=True)
    functions = tuple(
        FunctionImport(_BLOCKED, name, "POST", (document,), "ReturnMessage")
        for name in ("CheckCreditBlock", "ReleaseCreditBlock", "RejectCreditBlock")
    )
    message = (Property("Message", EdmKind.TEXT, 220), Property("MessageType", EdmKind.TEXT, 1))
    return Service(_BLOCKED, (blocked,), functions, {"ReturnMessage": message})


def _orders() -> Service:
    order = entity_type(
        _ORDERS,
        "A_SalesOrder",
        _ORDER,
        indexed=("SoldToParty", "LastChangeDate"),
        writable="cu",
        has_etag=True,
    )
    return Service(_ORDERS, (order,))


def _credit_memo_requests() -> Service:
    to_items = Navigation(
        "to_Item",
        "A_CreditMemoRequestItem",
        is_collection=True,
        keys=(("CreditMemoRequest", "CreditMemoRequest"),),
    )
    request = entity_type(
        _REQUESTS,
        "A_CreditMemoRequest",
        _CREDIT_MEMO_REQUEST,
        navigations=(to_items,),
        indexed=("SoldToParty", "PurchaseOrderByCustomer"),
        writable="cud",
        has_etag=True,
    )
    item = entity_type(
        _REQUESTS,
        "A_CreditMemoRequestItem",
        _CREDIT_MEMO_REQUEST_ITEM,
        indexed=("CreditMemoRequest",),
        writable="cu",
    )
    return Service(_REQUESTS, (request, item))


def _lockboxes() -> Service:
    keys = (
        ("LockboxBatchInternalKey", "LockboxBatchInternalKey"),
        ("LockboxBatch", "LockboxBatch"),
    )
    item_keys = (*keys, ("LockboxBatchItem", "LockboxBatchItem"))
    to_items = Navigation("to_Item", "LockboxBatchItem", is_collection=True, keys=keys)
    to_clearings = Navigation(
        "to_LockboxClearing", "LockboxClearing", is_collection=True, keys=item_keys
    )
    batch = entity_type(
        _LOCKBOX,
        "LockboxBatch",
        _LOCKBOX_BATCH,
        navigations=(to_items,),
        indexed=("LockboxBatchOrigin",),
        writable="c",
    )
    item = entity_type(
        _LOCKBOX,
        "LockboxBatchItem",
        _LOCKBOX_ITEM,
        navigations=(to_clearings,),
        indexed=("LockboxBatchInternalKey",),
    )
    clearing = entity_type(
        _LOCKBOX, "LockboxClearing", _LOCKBOX_CLEARING, indexed=("LockboxBatchInternalKey",)
    )
    return Service(_LOCKBOX, (batch, item, clearing))


def _payment_advices() -> Service:
    names = ("CompanyCode", "PaymentAdviceAccountType", "PaymentAdviceAccount", "PaymentAdvice")
    to_items = Navigation(
        "to_PaymentAdviceItem",
        "A_PaymentAdviceItem",
        is_collection=True,
        keys=tuple((name, name) for name in names),
    )
    advice = entity_type(
        _ADVICES,
        "A_PaymentAdvice",
        _PAYMENT_ADVICE,
        navigations=(to_items,),
        indexed=("PaymentAdviceHeaderText",),
        writable="c",
    )
    item = entity_type(
        _ADVICES, "A_PaymentAdviceItem", _PAYMENT_ADVICE_ITEM, indexed=("PaymentAdvice",)
    )
    return Service(_ADVICES, (advice, item))


def _unverified(address: str, text: str) -> EntityType:
    service, _, name = address.partition("/")
    return entity_type(service, name, text)


def services(settings: SapSettings) -> dict[str, Service]:
    """Every service by name."""
    balance = _unverified(settings.gl_balance_service, _GL_BALANCE)
    found = [
        catalogue_master.business_partner(),
        catalogue_finance.billing_documents(),
        catalogue_finance.open_items(),
        _credit(),
        _credit_block(),
        _orders(),
        _credit_memo_requests(),
        _lockboxes(),
        _payment_advices(),
        Service(balance.service, (balance,)),
    ]
    if settings.clearing_log_service:
        log = _unverified(settings.clearing_log_service, _CLEARING_LOG)
        found.append(Service(log.service, (log,)))
    return {service.name: service for service in found}
