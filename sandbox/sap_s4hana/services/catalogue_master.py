"""The business partner service: partners, customers, what hangs on them (contract sheet §1.2)."""

from sandbox.sap_s4hana.odata.model import Navigation, entity_type
from sandbox.sap_s4hana.odata.service import Service

__all__ = ["business_partner"]

_SERVICE = "API_BUSINESS_PARTNER"

_PARTNER = """
BusinessPartner                 text(10)  key alpha
Customer                        text(10)  ro alpha
Supplier                        text(10)  ro alpha
BusinessPartnerCategory         text(1)   once
BusinessPartnerFullName         text(81)  ro
BusinessPartnerGrouping         text(4)   once
BusinessPartnerName             text(81)  ro
BusinessPartnerUUID             guid      ro
CorrespondenceLanguage          text(2)
CreatedByUser                   text(12)  ro
CreationDate                    date      ro
CreationTime                    time      ro
FirstName                       text(40)
LastName                        text(40)
Industry                        text(10)
BusinessPartnerIsBlocked        bool
IsMarkedForArchiving            bool
Language                        text(2)
LastChangeDate                  date      ro
LastChangeTime                  time      ro
LastChangedByUser               text(12)  ro
LegalForm                       text(2)
OrganizationBPName1             text(40)
OrganizationBPName2             text(40)
OrganizationBPName3             text(40)
OrganizationBPName4             text(40)
SearchTerm1                     text(20)
SearchTerm2                     text(20)
TradingPartner                  text(6)
BusinessPartnerIDByExtSystem    text(20)
ETag                            text(26)  ro
"""
_CUSTOMER = """
Customer                        text(10)  key alpha
CustomerAccountGroup            text(4)   once
CustomerClassification          text(2)
CustomerFullName                text(220) ro
CustomerName                    text(80)  ro
CustomerCorporateGroup          text(10)
OrderIsBlockedForCustomer       text(2)
DeliveryIsBlocked               text(2)
BillingIsBlockedForCustomer     text(2)
PostingIsBlocked                bool
VATRegistration                 text(20)
TaxNumber1                      text(16)  ro
TaxNumberType                   text(2)
DeletionIndicator               bool
Industry                        text(4)   ro
CreatedByUser                   text(12)  ro
CreationDate                    date      ro
"""
_COMPANY = """
Customer                        text(10)  key alpha
CompanyCode                     text(4)   key
APARToleranceGroup              text(4)
AccountByCustomer               text(12)
AccountingClerk                 text(2)
AlternativePayerAccount         text(10)  alpha
CashPlanningGroup               text(10)
CustomerHeadOffice              text(10)  alpha
DeletionIndicator               bool
HouseBank                       text(5)
LayoutSortingRule               text(3)
PaymentBlockingReason           text(1)
PaymentMethodsList              text(10)
PaymentTerms                    text(4)
ReconciliationAccount           text(10)
RecordPaymentHistoryIndicator   bool
UserAtCustomer                  text(15)
"""
_DUNNING = """
Customer                        text(10)  key alpha
CompanyCode                     text(4)   key
DunningArea                     text(2)   key
DunningBlock                    text(1)
DunningLevel                    text(1)
DunningProcedure                text(4)
DunningRecipient                text(10)  alpha
LastDunnedOn                    date
LegDunningProcedureOn           date
DunningClerk                    text(2)
"""
_SALES_AREA = """
Customer                        text(10)  key alpha
SalesOrganization               text(4)   key
DistributionChannel             text(2)   key
Division                        text(2)   key
CustomerPaymentTerms            text(4)
Currency                        text(5)
CustomerGroup                   text(2)
OrderIsBlockedForCustomer       text(2)
DeliveryIsBlockedForCustomer    text(2)
BillingIsBlockedForCustomer     text(2)
CustomerAccountAssignmentGroup  text(2)
IncotermsClassification         text(3)
SalesOffice                     text(4)
SalesGroup                      text(3)
CustomerPriceGroup              text(2)
PriceListType                   text(2)
DeletionIndicator               bool
"""
_ADDRESS = """
BusinessPartner                 text(10)  key alpha
AddressID                       text(10)  key
AddressIDByExternalSystem       text(20)
AddressTimeZone                 text(6)
CityName                        text(40)
Country                         text(3)
HouseNumber                     text(10)
Language                        text(2)
POBox                           text(10)
PostalCode                      text(10)
Region                          text(3)
StreetName                      text(60)
TaxJurisdiction                 text(15)
ValidityStartDate               instant
ValidityEndDate                 instant
"""
_TAX = """
BusinessPartner                 text(10)  key alpha
BPTaxType                       text(4)   key
BPTaxNumber                     text(20)
BPTaxLongNumber                 text(60)
"""
_BANK = """
BusinessPartner                 text(10)  key alpha
BankIdentification              text(4)   key
BankCountryKey                  text(3)
BankName                        text(60)
BankNumber                      text(15)
SWIFTCode                       text(11)
BankControlKey                  text(2)
BankAccountHolderName           text(60)
BankAccountName                 text(40)
BankAccount                     text(18)
IBAN                            text(34)
ValidityStartDate               instant
ValidityEndDate                 instant
"""


def _to(name: str, target: str, *keys: str, is_collection: bool = True) -> Navigation:
    return Navigation(name, target, is_collection, tuple((key, key) for key in keys))


def business_partner() -> Service:
    """The service with all its sets."""
    partner = entity_type(
        _SERVICE,
        "A_BusinessPartner",
        _PARTNER,
        navigations=(
            _to("to_BusinessPartnerAddress", "A_BusinessPartnerAddress", "BusinessPartner"),
            _to("to_BusinessPartnerBank", "A_BusinessPartnerBank", "BusinessPartner"),
            _to("to_BusinessPartnerTax", "A_BusinessPartnerTaxNumber", "BusinessPartner"),
            _to("to_Customer", "A_Customer", "Customer", is_collection=False),
        ),
        indexed=("LastChangeDate", "Customer", "BusinessPartnerIDByExtSystem"),
        writable="cu",
        has_etag=True,
    )
    customer = entity_type(
        _SERVICE,
        "A_Customer",
        _CUSTOMER,
        navigations=(
            _to("to_CustomerCompany", "A_CustomerCompany", "Customer"),
            _to("to_CustomerSalesArea", "A_CustomerSalesArea", "Customer"),
        ),
        writable="cu",
        has_etag=True,
    )
    company = entity_type(
        _SERVICE,
        "A_CustomerCompany",
        _COMPANY,
        navigations=(_to("to_CustomerDunning", "A_CustomerDunning", "Customer", "CompanyCode"),),
        indexed=("Customer",),
        writable="cu",
        has_etag=True,
    )
    parts = (
        ("A_CustomerDunning", _DUNNING, "Customer"),
        ("A_CustomerSalesArea", _SALES_AREA, "Customer"),
        ("A_BusinessPartnerAddress", _ADDRESS, "BusinessPartner"),
        ("A_BusinessPartnerTaxNumber", _TAX, "BusinessPartner"),
        ("A_BusinessPartnerBank", _BANK, "BusinessPartner"),
    )
    others = tuple(
        entity_type(_SERVICE, name, text, indexed=(owner,), writable="cud", has_etag=True)
        for name, text, owner in parts
    )
    return Service(_SERVICE, (partner, customer, company, *others))
