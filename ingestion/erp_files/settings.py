"""Bulk extracts of an ERP: the raw tables, and which column of a file is which. Data only.

SAP first: technical names (tables KNA1, BSID, BSAD; transaction SE16) and the headings of the line
item list (FBL5N). ``erp_system_id`` is the connected ERP that the extract is of, so that its items
carry the same keys as those read over its API.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ingestion.common.objects import FieldType, ObjectSpec, fields_of

__all__ = [
    "CONTENTS",
    "IGNORED_SUFFIXES",
    "MARKER_SUFFIXES",
    "OBJECTS",
    "REFUSALS_KEPT_MAX",
    "SETTLE_SECONDS",
    "STABLE_SECONDS",
    "Column",
    "Content",
]

IGNORED_SUFFIXES = frozenset({".tmp", ".part", ".filepart", ".done", ".ctl", ".ack", ".sha256"})
MARKER_SUFFIXES = (".done", ".ctl")
#: Without a marker a file is whole when it was last written so long ago …
SETTLE_SECONDS = 10.0
#: … or when it does not change during this wait.
STABLE_SECONDS = 0.5
#: Refused rows that are kept one by one for each file; all are counted.
REFUSALS_KEPT_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Column:
    """One column of an extract.

    Args:
        name: SAP's technical name, as stored.
        form: how its text is read: ``text``, ``code`` (capitals), ``number`` (digits, padded to
            ``width``), ``account`` (padded when numeric), ``date``, ``money``, ``days``, ``flag``.
        headings: other spellings in files, compared without case, blanks and punctuation.
        is_needed: without it a file or row cannot be used.
    """

    name: str
    form: str = "text"
    width: int = 0
    headings: tuple[str, ...] = ()
    is_needed: bool = False


@dataclass(frozen=True, slots=True)
class Content:
    """What a file may hold: a raw table, its columns and the column that tells it from others."""

    object_name: str
    columns: tuple[Column, ...]
    told_by: tuple[str, ...]


_ITEM_COLUMNS = (
    Column("BUKRS", "code", 4, ("CompanyCode", "CoCd", "Company"), True),
    Column("GJAHR", "number", 4, ("FiscalYear", "Year"), True),
    Column("BELNR", "number", 10, ("DocumentNumber", "DocumentNo", "AccountingDocument"), True),
    Column("BUZEI", "number", 3, ("LineItem", "Item", "Itm", "AccountingDocumentItem"), True),
    Column("KUNNR", "account", 10, ("Customer", "Account", "CustomerNumber"), True),
    Column("BLART", "code", 2, ("DocumentType", "Type", "AccountingDocumentType")),
    Column("BLDAT", "date", 0, ("DocumentDate", "DocDate"), True),
    Column("BUDAT", "date", 0, ("PostingDate", "PstngDate")),
    Column("NETDT", "date", 0, ("NetDueDate", "DueDate", "FAEDT", "Duedt")),
    Column("ZFBDT", "date", 0, ("BaselineDate", "BaselinePaymentDte", "DueCalculationBaseDate")),
    Column("ZBD1T", "days", 0, ("Days1",)),
    Column("ZBD2T", "days", 0, ("Days2",)),
    Column("ZBD3T", "days", 0, ("DaysNet", "NetPaymentDays")),
    Column("XBLNR", "text", 0, ("Reference", "DocumentReferenceID", "InvoiceReference")),
    Column("ZUONR", "text", 0, ("Assignment", "AssignmentReference")),
    Column("WAERS", "code", 5, ("Currency", "DocumentCurrency", "Curr", "Crcy"), True),
    Column("SHKZG", "code", 1, ("DebitCredit", "DebitCreditInd", "DC", "DebitCreditCode")),
    Column(
        "WRBTR",
        "money",
        0,
        ("AmountInDocCurr", "AmountInDocumentCurrency", "Amount", "AmountInTransactionCurrency"),
        True,
    ),
    Column("ZTERM", "text", 0, ("PaymentTerms", "PayT", "TermsOfPayment")),
    Column("SGTXT", "text", 0, ("Text", "ItemText", "DocumentItemText")),
    Column("UMSKZ", "code", 1, ("SpecialGLInd", "SG", "SpecialGLCode")),
)
_CLEARING_COLUMNS = (
    Column("AUGDT", "date", 0, ("ClearingDate", "Clearing", "Clrng"), True),
    Column("AUGBL", "number", 10, ("ClearingDocument", "ClrngDoc", "ClearingAccountingDocument")),
)
_CUSTOMER_COLUMNS = (
    Column("KUNNR", "account", 10, ("Customer", "CustomerNumber"), True),
    Column("NAME1", "text", 0, ("Name", "CustomerName", "Name1"), True),
    Column("STRAS", "text", 0, ("Street", "StreetName", "HouseNumberAndStreet")),
    Column("PSTLZ", "text", 0, ("PostalCode", "ZIP")),
    Column("ORT01", "text", 0, ("City", "CityName")),
    Column("LAND1", "code", 3, ("Country", "CountryKey", "Cty")),
    Column("STCEG", "text", 0, ("VATRegistrationNo", "VATRegistration")),
    Column("KTOKD", "code", 4, ("AccountGroup", "CustomerAccountGroup")),
    Column("LOEVM", "flag", 0, ("DeletionFlag", "DeletionIndicator")),
)

#: Cleared items first: they have all the columns of open ones, and the clearing besides.
CONTENTS: Mapping[str, Content] = {
    one.object_name: one
    for one in (
        Content("sap_cleared_items", (*_ITEM_COLUMNS, *_CLEARING_COLUMNS), ("BELNR", "AUGDT")),
        Content("sap_open_items", _ITEM_COLUMNS, ("BELNR", "WRBTR")),
        Content("sap_customers", _CUSTOMER_COLUMNS, ("KUNNR", "NAME1")),
    )
}

_TYPES = {
    "date": FieldType.DATE,
    "money": FieldType.MONEY,
    "days": FieldType.INTEGER,
    "flag": FieldType.FLAG,
}


def _spec(content: Content, key: tuple[str, ...]) -> ObjectSpec:
    columns = " ".join(
        f"{one.name}:{_TYPES.get(one.form, FieldType.TEXT)}" for one in content.columns
    )
    return ObjectSpec(
        content.object_name,
        "",
        fields_of(f"erp_system_id {columns} file_sha256 received_at:timestamp"),
        ("erp_system_id", *key),
        keeps_vanished=True,
    )


_ITEM_KEY = ("BUKRS", "GJAHR", "BELNR", "BUZEI")

OBJECTS: tuple[ObjectSpec, ...] = (
    ObjectSpec(
        "files",
        "",
        fields_of(
            """file_sha256 file_name erp_system_id object_name bytes:integer status reason_code
            reason rows_read:integer rows_taken:integer rows_refused:integer rows_repeated:integer
            received_at:timestamp"""
        ),
        ("file_sha256", "file_name"),
        keeps_vanished=True,
    ),
    ObjectSpec(
        "refusals",
        "",
        fields_of("file_sha256 line:integer object_name column_name code"),
        ("file_sha256", "line"),
        keeps_vanished=True,
    ),
    _spec(CONTENTS["sap_customers"], ("KUNNR",)),
    _spec(CONTENTS["sap_open_items"], _ITEM_KEY),
    _spec(CONTENTS["sap_cleared_items"], _ITEM_KEY),
)
