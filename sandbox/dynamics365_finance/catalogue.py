"""The sets that are served, with their properties: the part of the product that receivables need.

Names of customers, payment journals and disputes stand in the contract sheet, those of customer
invoice journals in two public generated clients; sales orders, bank accounts and free text invoices
are from memory; sets named in the settings are custom
entities in practice, and their properties are ours, close to the tables under them.
"""

from collections.abc import Mapping

from sandbox.dynamics365_finance.odata.model import EntitySet, entity_set
from sandbox.dynamics365_finance.settings import D365Settings

__all__ = [
    "BANK_ACCOUNTS",
    "CUSTOMERS",
    "DISPUTES",
    "GROUPS",
    "INVOICES",
    "INVOICE_JOURNALS",
    "INVOICE_JOURNAL_LINES",
    "INVOICE_LINES",
    "JOURNALS",
    "JOURNAL_LINES",
    "ORDERS",
    "ORDER_LINES",
    "catalogue",
]

CUSTOMERS = "CustomersV3"
BANK_ACCOUNTS = "CustomerBankAccounts"
JOURNALS = "CustomerPaymentJournalHeaders"
JOURNAL_LINES = "CustomerPaymentJournalLines"
INVOICE_JOURNALS = "GeneralLedgerCustInvoiceJournalHeaders"
INVOICE_JOURNAL_LINES = "GeneralLedgerCustInvoiceJournalLines"
INVOICES = "FreeTextInvoiceHeaders"
INVOICE_LINES = "FreeTextInvoiceLines"
DISPUTES = "CustDisputes"
ORDERS = "SalesOrderHeadersV2"
ORDER_LINES = "SalesOrderLines"
GROUPS = "DataManagementDefinitionGroups"

_CUSTOMER = """
dataAreaId CustomerAccount OrganizationName NameAlias CustomerGroupId PartyNumber PartyType
SalesCurrencyCode PaymentTerms PaymentMethod InvoiceAccount TaxExemptNumber PrimaryContactEmail
AddressStreet AddressCity AddressZipCode AddressState AddressCountryRegionId CreditLimit:decimal
CreditLimitIsMandatory:NoYes OnHoldStatus:CustVendorBlocked CreditRating CredManAccountStatusId
CredManStatusReasonId CredManCustUnlimitedCredit:NoYes CredManExclude:NoYes
CredManCreditLimitExpiryDate:date CredManEligibleCreditMax:decimal CredManGroupId
"""
_JOURNAL_LINE = """
dataAreaId JournalBatchNumber LineNumber:decimal AccountType:LedgerJournalACType AccountDisplayValue
Company CustomerName! CreditAmount:decimal DebitAmount:decimal CurrencyCode ExchangeRate:decimal
TransactionDate:date TransactionText PaymentReference PaymentId PaymentNotes PaymentMethodName
PaymentSpecification PostingProfile IsPrepayment:NoYes OffsetAccountType:LedgerJournalACType
OffsetAccountDisplayValue OffsetCompany BankTransactionType DepositNumber
DefaultDimensionsForAccountDisplayValue MarkedInvoice MarkedInvoiceCompany
SettleVoucher:SettlementType Voucher!
"""
_INVOICE_JOURNAL_LINE = """
dataAreaId JournalBatchNumber LineNumber:decimal AccountType:LedgerJournalACType
CustomerAccountDisplayValue Company CreditAmount:decimal DebitAmount:decimal Currency
ExchRate:decimal InvoiceId InvoiceDate:date DocumentDate:date DocumentNumber DueDate:date
TermsOfPayment MethodOfPayment PaymentSpecification PostingProfile ReasonCode ReasonComment
TransactionText OffsetAccountType:LedgerJournalACType OffsetAccountDisplayValue OffsetCompany
OffsetTransactionText BankTransactionType Voucher!
"""
_INVOICE = """
dataAreaId FreeTextNumber InvoiceIdentifier CustomerAccount InvoiceAccount InvoiceDate:date
DueDate:date DocumentDate:date InvoiceId CurrencyCode CorrectionReasonCode IsCorrection:NoYes
CorrectedInvoiceId ExternalInvoiceId IsPosted:NoYes! PostingProfile TermsOfPayment MethodOfPayment
CustomerReference
"""
_TRANSACTION = """
dataAreaId RecId:int AccountNum Voucher TransDate:date DocumentDate:date DueDate:date Invoice
TransType:LedgerTransType Txt CurrencyCode AmountCur:decimal AmountMST:decimal
SettleAmountCur:decimal SettleAmountMST:decimal OpenAmountCur:decimal PaymReference PaymId
CustomerReference DocumentNum Closed:date LastSettleVoucher LastSettleDate:date Approved:NoYes
IsReversed:NoYes IsReversal:NoYes ReversalRecId:int ModifiedDateTime:instant
"""
_SETTLEMENT = """
dataAreaId RecId:int TransRecId:int OffsetRecId:int AccountNum TransDate:date
SettleAmountCur:decimal SettleAmountMST:decimal SettlementVoucher CurrencyCode
ModifiedDateTime:instant
"""
_LEDGER_ENTRY = """
dataAreaId RecId:int MainAccount Voucher AccountingDate:date DocumentDate:date
TransactionCurrencyCode TransactionCurrencyAmount:decimal AccountingCurrencyAmount:decimal Text
PaymentReference DocumentNumber ModifiedDateTime:instant
"""


def catalogue(settings: D365Settings) -> Mapping[str, EntitySet]:
    """Every set by its name."""
    sets = (
        entity_set(CUSTOMERS, "CustomerV3", "dataAreaId CustomerAccount", _CUSTOMER),
        entity_set(
            BANK_ACCOUNTS,
            "CustomerBankAccount",
            "dataAreaId CustomerAccountNumber BankAccountId",
            """dataAreaId CustomerAccountNumber BankAccountId BankName BankAccountNumber IBAN
            SWIFTCode ActiveDate:date ExpirationDate:date""",
        ),
        *_journals(settings),
        entity_set(
            DISPUTES,
            "CustDispute",
            "dataAreaId SysRecId",
            """dataAreaId SysRecId:int Status:CustVendDisputeStatus ReasonCode ReasonComment
            AmountCur:decimal TransactionCurrency TransactionBalance:decimal! FollowUpDate:date
            StatusChangedDate:date LastPayment:date CustTrans:int Note IsAutomaticUpdate:NoYes""",
        ),
        entity_set(
            ORDERS,
            "SalesOrderHeaderV2",
            "dataAreaId SalesOrderNumber",
            """dataAreaId SalesOrderNumber OrderingCustomerAccountNumber
            InvoiceCustomerAccountNumber CurrencyCode RequestedShippingDate:date
            CustomersOrderReference SalesOrderStatus:SalesStatus OrderCreationDateTime:instant!""",
        ),
        entity_set(
            ORDER_LINES,
            "SalesOrderLine",
            "dataAreaId InventoryLotId",
            """dataAreaId InventoryLotId SalesOrderNumber LineAmount:decimal CurrencyCode
            SalesOrderLineStatus:SalesStatus""",
        ),
        entity_set(GROUPS, "DataManagementDefinitionGroup", "Name", "Name Description"),
        *_custom(settings),
    )
    return {one.name: one for one in sets}


def _journals(settings: D365Settings) -> tuple[EntitySet, ...]:
    """What is written in parts and posted as a whole: journals and free text invoices."""
    return (
        entity_set(
            JOURNALS,
            "CustomerPaymentJournalHeader",
            "dataAreaId JournalBatchNumber",
            """dataAreaId JournalBatchNumber JournalName Description IsPosted:NoYes!
            OverrideSalesTax:NoYes""",
        ),
        entity_set(
            JOURNAL_LINES,
            "CustomerPaymentJournalLine",
            "dataAreaId JournalBatchNumber LineNumber",
            _JOURNAL_LINE,
        ),
        entity_set(
            settings.settled_invoices_entity,
            "CustomerPaymentJournalLineSettledInvoice",
            "dataAreaId JournalBatchNumber JournalLineNumber InvoiceNumber",
            """dataAreaId JournalLineCompany JournalBatchNumber
            JournalLineAccountType:LedgerJournalACType JournalLineNumber:decimal InvoiceNumber
            InvoiceCompany InvoiceDueDate:date SettlementAmountInInvoiceCurrency:decimal
            CashDiscountToTakeInInvoiceCurrency:decimal InvoiceToPaymentCrossRate:decimal""",
        ),
        entity_set(
            INVOICE_JOURNALS,
            "CustInvoiceJournalHeader",
            "dataAreaId JournalBatchNumber",
            """dataAreaId JournalBatchNumber JournalName Description IsPosted:NoYes!
            OverrideSalesTax:NoYes""",
        ),
        entity_set(
            INVOICE_JOURNAL_LINES,
            "CustInvoiceJournalLine",
            "dataAreaId JournalBatchNumber LineNumber",
            _INVOICE_JOURNAL_LINE,
        ),
        entity_set(INVOICES, "FreeTextInvoiceHeader", "dataAreaId FreeTextNumber", _INVOICE),
        entity_set(
            INVOICE_LINES,
            "FreeTextInvoiceLine",
            "dataAreaId ExternalInvoiceId LineNumber",
            """dataAreaId ExternalInvoiceId LineNumber:decimal MainAccountDisplayValue Description
            Quantity:decimal UnitPrice:decimal TransactionCurrencyAmount:decimal SalesTaxGroupId
            BillingCode""",
        ),
    )


def _custom(settings: D365Settings) -> tuple[EntitySet, ...]:
    """Sets that an installation adds itself."""
    read_only = (
        (settings.open_transactions_entity, "CustTransOpenEntity", "RecId", _TRANSACTION),
        (settings.settlements_entity, "CustSettlementEntity", "RecId", _SETTLEMENT),
        (
            settings.ledger_entries_entity,
            "GeneralJournalAccountEntryEntity",
            "RecId",
            _LEDGER_ENTRY,
        ),
        (
            settings.balances_entity,
            "MainAccountBalanceEntity",
            "MainAccount",
            """dataAreaId MainAccount AccountingCurrencyCode AccountingCurrencyAmount:decimal""",
        ),
        (
            settings.order_holds_entity,
            "CredManHoldEntity",
            "SalesOrderNumber",
            """dataAreaId SalesOrderNumber CustomerAccount HoldStatus:CredManHoldStatus
            BlockingReason AmountCur:decimal CurrencyCode ModifiedDateTime:instant""",
        ),
    )
    return tuple(
        entity_set(name, entity, f"dataAreaId {key}", notation, is_writable=False)
        for name, entity, key, notation in read_only
    )
