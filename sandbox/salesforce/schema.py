"""The org's objects as data: what a metadata deploy would change, and nothing else knows them.

``AR_`` objects and fields are the hub's package (DESIGN §6, contract §7); Account and its
standard fields are the vendor's.
"""

from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["DEFAULT_SCHEMA", "SYSTEM_FIELDS", "Field", "FieldType", "SObject"]


class FieldType(StrEnum):
    """The vendor's names of field types, as ``describe`` shows them."""

    ID = "id"
    STRING = "string"
    TEXTAREA = "textarea"
    PHONE = "phone"
    URL = "url"
    PICKLIST = "picklist"
    BOOLEAN = "boolean"
    CURRENCY = "currency"
    DOUBLE = "double"
    DATE = "date"
    DATETIME = "datetime"
    REFERENCE = "reference"


@dataclass(frozen=True, slots=True)
class Field:
    """One field.

    Attributes:
        length: characters of a text. ``precision``/``scale``: digits of a number.
        values: picklist values; refused when not among them if ``is_restricted``.
        reference_to: object that a reference points to; ``relationship_name`` is the path to it.
        days_since: a formula field: whole days from that date field to today, never written.
        auto_number: a format such as ``INV-{:08d}``; the org fills the field.
    """

    name: str
    type: FieldType = FieldType.STRING
    length: int = 255
    precision: int = 18
    scale: int = 2
    is_external_id: bool = False
    is_unique: bool = False
    is_required: bool = False
    is_writable: bool = True
    values: tuple[str, ...] = ()
    is_restricted: bool = False
    default: str | bool | None = None
    reference_to: str = ""
    relationship_name: str = ""
    days_since: str = ""
    auto_number: str = ""

    @property
    def is_custom(self) -> bool:
        """Custom fields carry the vendor's suffix."""
        return self.name.endswith("__c")


@dataclass(frozen=True, slots=True)
class SObject:
    """One object. ``key_prefix``: the first three characters of its ids."""

    name: str
    label: str
    key_prefix: str
    fields: tuple[Field, ...] = field(default_factory=tuple)

    @property
    def is_custom(self) -> bool:
        """Custom objects carry the vendor's suffix."""
        return self.name.endswith("__c")


#: The fields every object starts with, in this order (``store`` relies on their positions).
SYSTEM_FIELDS = (
    Field("Id", FieldType.ID, length=18, is_writable=False),
    Field("IsDeleted", FieldType.BOOLEAN, is_writable=False),
    Field("CreatedDate", FieldType.DATETIME, is_writable=False),
    Field("LastModifiedDate", FieldType.DATETIME, is_writable=False),
    Field("SystemModstamp", FieldType.DATETIME, is_writable=False),
)


def _text(name: str, length: int) -> Field:
    return Field(name, length=length)


def _money(name: str) -> Field:
    return Field(name, FieldType.CURRENCY)


def _key(name: str, length: int, *, is_required: bool) -> Field:
    return Field(name, length=length, is_external_id=True, is_unique=True, is_required=is_required)


def _choice(name: str, *values: str) -> Field:
    return Field(name, FieldType.PICKLIST, values=values, is_restricted=True)


_CURRENCY = Field("CurrencyIsoCode", FieldType.PICKLIST, length=3, default="USD")
_ACCOUNT = Field(
    "Account__c",
    FieldType.REFERENCE,
    length=18,
    reference_to="Account",
    relationship_name="Account__r",
    is_required=True,
)
_SYNC = (
    Field("AR_As_Of__c", FieldType.DATE),
    Field("AR_Sync_Version__c", FieldType.DOUBLE, scale=0),
    _text("AR_Sync_Correlation_Id__c", 80),
)

ACCOUNT = SObject(
    "Account",
    "Account",
    "001",
    (
        Field("Name", length=255, is_required=True),
        _text("AccountNumber", 40),
        _key("ERP_Customer_Id__c", 255, is_required=False),
        Field("BillingStreet", FieldType.TEXTAREA, length=255),
        _text("BillingCity", 40),
        _text("BillingState", 80),
        _text("BillingPostalCode", 20),
        _text("BillingCountry", 80),
        Field("Phone", FieldType.PHONE, length=40),
        Field("Website", FieldType.URL, length=255),
        _CURRENCY,
        _money("AR_Open_Balance__c"),
        _money("AR_Overdue_Amount__c"),
        _money("AR_Credit_Limit__c"),
        _choice("AR_Credit_Limit_Kind__c", "Limited", "Unlimited", "None Granted"),
        Field("AR_Credit_Hold__c", FieldType.BOOLEAN, default=False),
        _choice("AR_Status__c", "Current", "Past Due", "On Hold", "No Balance"),
        *_SYNC,
    ),
)

AR_BALANCE = SObject(
    "AR_Balance__c",
    "AR Balance",
    "a01",
    (
        Field("Name", length=80, is_writable=False, auto_number="BAL-{:08d}"),
        _key("ERP_Balance_Key__c", 80, is_required=True),
        _ACCOUNT,
        _text("Company_Code__c", 10),
        _CURRENCY,
        *(
            _money(f"AR_{name}__c")
            for name in (
                "Current",
                "1_30",
                "31_60",
                "61_90",
                "91_120",
                "Over_120",
                "Credits",
                "Unapplied_Cash",
                "Net",
            )
        ),
        *_SYNC,
    ),
)

AR_INVOICE = SObject(
    "AR_Invoice__c",
    "AR Invoice",
    "a02",
    (
        Field("Name", length=80, is_writable=False, auto_number="INV-{:08d}"),
        _key("ERP_Invoice_Key__c", 80, is_required=True),
        _ACCOUNT,
        _text("Company_Code__c", 10),
        _CURRENCY,
        _text("Invoice_Number__c", 40),
        _money("Amount__c"),
        _money("Open_Amount__c"),
        Field("Invoice_Date__c", FieldType.DATE),
        Field("Due_Date__c", FieldType.DATE),
        _choice("Status__c", "Open", "Overdue", "Paid"),
        _choice("Aging_Bucket__c", "Current", "1-30", "31-60", "61-90", "91-120", "121+", "Paid"),
        *_SYNC,
        Field(
            "AR_Days_Past_Due__c",
            FieldType.DOUBLE,
            scale=0,
            is_writable=False,
            days_since="Due_Date__c",
        ),
    ),
)

DEFAULT_SCHEMA = (ACCOUNT, AR_BALANCE, AR_INVOICE)
