"""Billing documents and operational accounting items: read-only sets (contract sheet §1.3, §1.4).

``ValueDate``, ``GLAccount`` and ``PostingKey`` complete the item; all amounts are signed, debit
positive.
"""

from sandbox.sap_s4hana.odata.model import entity_type
from sandbox.sap_s4hana.odata.service import Service

__all__ = ["billing_documents", "open_items"]

_BILLING = "API_BILLING_DOCUMENT_SRV"
_ITEMS = "API_OPLACCTGDOCITEMCUBE_SRV"

_BILLING_DOCUMENT = """
BillingDocument                 text(10)  key alpha ro
SDDocumentCategory              text(4)   ro
BillingDocumentType             text(4)   ro
BillingDocumentDate             date      ro
LastChangeDateTime              instant   ro etag
CreationDate                    date      ro
BillingDocumentIsCancelled      bool      ro
CancelledBillingDocument        text(10)  ro alpha
SoldToParty                     text(10)  ro alpha
PayerParty                      text(10)  ro alpha
CompanyCode                     text(4)   ro
FiscalYear                      text(4)   ro
AccountingDocument              text(10)  ro alpha
TotalNetAmount                  decimal(16,3) ro unit=TransactionCurrency
TaxAmount                       decimal(14,3) ro unit=TransactionCurrency
TotalGrossAmount                decimal(17,3) ro unit=TransactionCurrency
TransactionCurrency             text(5)   ro
CustomerPaymentTerms            text(4)   ro
PaymentMethod                   text(1)   ro
PaymentReference                text(30)  ro
DocumentReferenceID             text(16)  ro
AssignmentReference             text(18)  ro
DunningArea                     text(2)   ro
DunningBlockingReason           text(1)   ro
DunningKey                      text(1)   ro
CreditControlArea               text(4)   ro
PurchaseOrderByCustomer         text(35)  ro
OverallBillingStatus            text(1)   ro
AccountingPostingStatus         text(1)   ro
AccountingTransferStatus        text(1)   ro
InvoiceClearingStatus           text(1)   ro
VATRegistration                 text(20)  ro
"""
_ITEM = """
CompanyCode                     text(4)   key ro
FiscalYear                      text(4)   key ro
AccountingDocument              text(10)  key ro alpha
AccountingDocumentItem          text(3)   key ro alpha
FinancialAccountType            text(1)   ro
GLAccount                       text(10)  ro
Customer                        text(10)  ro alpha
CustomerName                    text(80)  ro
PostingKey                      text(2)   ro
DebitCreditCode                 text(1)   ro
SpecialGLCode                   text(1)   ro
AccountingDocumentType          text(2)   ro
AccountingDocumentCategory      text(1)   ro
FiscalPeriod                    text(3)   ro
PostingDate                     date      ro
DocumentDate                    date      ro
NetDueDate                      date      ro
ValueDate                       date      ro
DueCalculationBaseDate          date      ro
CashDiscount1DueDate            date      ro
CashDiscount1Days               decimal(3,0) ro
CashDiscount1Percent            decimal(5,3) ro
NetPaymentDays                  decimal(3,0) ro
PaymentTerms                    text(4)   ro
PaymentMethod                   text(1)   ro
PaymentBlockingReason           text(1)   ro
PaymentReference                text(30)  ro
DocumentReferenceID             text(16)  ro
AssignmentReference             text(18)  ro
DocumentItemText                text(50)  ro
Reference1IDByBusinessPartner   text(12)  ro
Reference2IDByBusinessPartner   text(12)  ro
Reference3IDByBusinessPartner   text(20)  ro
InvoiceReference                text(10)  ro alpha
InvoiceReferenceFiscalYear      text(4)   ro
InvoiceItemReference            text(3)   ro alpha
BillingDocument                 text(10)  ro alpha
SalesDocument                   text(10)  ro alpha
ClearingDate                    date      ro
ClearingCreationDate            date      ro
ClearingAccountingDocument      text(10)  ro alpha
ClearingDocFiscalYear           text(4)   ro
ClearingItem                    text(3)   ro
IsCleared                       bool      ro
ClearingIsReversed              bool      ro
PaymentDifferenceReason         text(3)   ro
DunningLevel                    text(1)   ro
DunningBlockingReason           text(1)   ro
LastDunningDate                 date      ro
CreditControlArea               text(4)   ro
CompanyCodeCurrency             text(5)   ro
AmountInCompanyCodeCurrency     decimal(24,3) ro unit=CompanyCodeCurrency
TransactionCurrency             text(5)   ro
AmountInTransactionCurrency     decimal(24,3) ro unit=TransactionCurrency
CashDiscountAmount              decimal(24,3) ro unit=TransactionCurrency
NetPaymentAmount                decimal(24,3) ro unit=TransactionCurrency
ReverseDocument                 text(10)  ro alpha
IsReversal                      bool      ro
IsReversed                      bool      ro
LastChangeDate                  date      ro
AccountingDocumentCreationDate  date      ro
CreationTime                    time      ro
"""
#: Looked up, never scanned: keys of other systems, customers, documents, days of change.
_ITEM_INDEXES = (
    "Customer",
    "AccountingDocument",
    "Reference3IDByBusinessPartner",
    "AssignmentReference",
    "DocumentReferenceID",
    "ClearingAccountingDocument",
    "LastChangeDate",
    "IsCleared",
    "GLAccount",
)


def billing_documents() -> Service:
    """The billing service."""
    document = entity_type(
        _BILLING,
        "A_BillingDocument",
        _BILLING_DOCUMENT,
        indexed=("AccountingDocument", "SoldToParty", "DocumentReferenceID"),
        has_etag=True,
    )
    return Service(_BILLING, (document,))


def open_items() -> Service:
    """The operational accounting item service."""
    item = entity_type(_ITEMS, "A_OperationalAcctgDocItemCube", _ITEM, indexed=_ITEM_INDEXES)
    return Service(_ITEMS, (item,))
