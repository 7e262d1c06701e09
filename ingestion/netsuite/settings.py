"""NetSuite: what is read and what its answers mean. Data only.

Every object is one SuiteQL query (contracts: ERP sheet §2.2). Dates are asked for as ISO text,
because a bare date comes in the account's own format. ``lastmodifieddate`` is in the account's time
zone, so its overlap is 26 hours. Names that no source confirmed are options of the system.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ingestion.common.objects import FieldType, ObjectSpec, fields_of
from ingestion.common.page_style import DateStyle, PageStyle

__all__ = [
    "BATCH_MAX",
    "CONCURRENT_OBJECTS_MAX",
    "DEFAULT_OPTIONS",
    "OBJECTS",
    "PAGES_MAX",
    "PAGE_STYLE",
    "QUERIES",
    "READ_STATUS_ACTIONS",
    "RETRIES_MAX",
    "RETRY_SECONDS_MAX",
    "TOO_MANY_WAIT_SECONDS",
    "WRITE_STATUS_ACTIONS",
    "Action",
    "Query",
]

#: Options of a system that stand in queries, with what holds when they are not set.
DEFAULT_OPTIONS: dict[str, str] = {
    "unidentified_gl_account": "21650000",
    "ar_gl_account": "12100000",
    # Types of links that apply a payment or credit memo to an invoice: from memory.
    "application_link_types": "Payment",
    # The Electronic Bank Payments SuiteApp's record; empty where it is not installed.
    "bank_details_table": "customrecord_2663_entity_bank_details",
    # 5 is the smallest account's limit, over all integrations; one place is left to others.
    "concurrency_max": "4",
}

PAGE_STYLE = PageStyle(("items",), DateStyle.ISO, frozenset({"links"}), omits_nulls=True)

#: Reads tried again at most so often, and for at most so long, per request.
RETRIES_MAX = 6
RETRY_SECONDS_MAX = 300.0
#: A 401 may mean too many requests at once: one more try after this long (± half of it).
TOO_MANY_WAIT_SECONDS = 20.0
PAGES_MAX = 100_000
CONCURRENT_OBJECTS_MAX = 3
#: Records of one asynchronous collection request.
BATCH_MAX = 100


class Action(StrEnum):
    """What to do about an answer."""

    RETRY = "retry"
    """A passing fault, certainly without effect."""
    REAUTHENTICATE = "reauthenticate"
    REJECT = "reject"
    UNKNOWN = "unknown"
    """It may have had an effect."""


_SHARED = {
    400: Action.REJECT,
    401: Action.REAUTHENTICATE,
    403: Action.REJECT,
    404: Action.REJECT,
    405: Action.REJECT,
    409: Action.RETRY,
    429: Action.RETRY,
}
#: A read has no effect, so whatever the server says about itself may be tried again.
READ_STATUS_ACTIONS: dict[int, Action] = {
    **_SHARED,
    **dict.fromkeys([408, 500, 502, 503, 504], Action.RETRY),
}
#: Behind any 5xx the change may have happened: nothing published says where it does not.
WRITE_STATUS_ACTIONS: dict[int, Action] = {
    **_SHARED,
    **dict.fromkeys([408, 500, 502, 503, 504], Action.UNKNOWN),
}

_DAY_LAG_SECONDS = 26 * 3600


@dataclass(frozen=True, slots=True)
class Query:
    """One object as SuiteQL.

    Attributes:
        source: all from ``FROM`` on, without a condition.
        columns: expression of a field; without one it is the field of the first table.
        window: the columns that order the rows and open the next window, most significant first.
        cursor: expression that the cursor condition stands on; empty reads everything.
        condition: always applied; ``{option}`` stands for a system option.
        group_by: for sums.
    """

    source: str
    columns: Mapping[str, str]
    window: tuple[str, ...]
    cursor: str = ""
    condition: str = ""
    group_by: str = ""

    def select(self, spec: ObjectSpec) -> str:
        """The select list, every column under its field's name."""
        return ", ".join(f"{self._expression(spec, one.name)} AS {one.name}" for one in spec.fields)

    def _expression(self, spec: ObjectSpec, name: str) -> str:
        expression = self.columns.get(name, f"x.{name}")
        kind = next(field.type for field in spec.fields if field.name == name)
        if kind is FieldType.DATE:
            return f"TO_CHAR({expression}, 'YYYY-MM-DD')"
        if kind is FieldType.TIMESTAMP:
            return f'TO_CHAR({expression}, \'YYYY-MM-DD"T"HH24:MI:SS"Z"\')'
        return expression


_LINES = """
transactionaccountingline x
JOIN transactionline l ON l.transaction = x.transaction AND l.id = x.transactionline
JOIN transaction t ON t.id = x.transaction
JOIN account a ON a.id = x.account
JOIN currency u ON u.id = t.currency
LEFT JOIN customer c ON c.id = COALESCE(l.entity, t.entity)
"""

QUERIES: dict[str, Query] = {
    "customers": Query(
        """customer x
        LEFT JOIN currency u ON u.id = x.currency
        LEFT JOIN term e ON e.id = x.terms
        LEFT JOIN customer p ON p.id = x.parent
        LEFT JOIN entityaddress d ON d.nkey = x.defaultbillingaddress""",
        {
            "currencysymbol": "u.symbol",
            "termname": "e.name",
            "parententityid": "p.entityid",
            "addr1": "d.addr1",
            "city": "d.city",
            "zip": "d.zip",
            "state": "d.state",
            "country": "d.country",
        },
        ("x.id",),
        cursor="x.lastmodifieddate",
    ),
    "customer_subsidiaries": Query(
        "customersubsidiaryrelationship x", {}, ("x.entity", "x.subsidiary")
    ),
    "transaction_lines": Query(
        _LINES,
        {
            **{
                name: f"t.{name}"
                for name in (
                    "tranid",
                    "type",
                    "trandate",
                    "duedate",
                    "foreigntotal",
                    "externalid",
                    "otherrefnum",
                    "memo",
                    "status",
                    "voided",
                    "lastmodifieddate",
                )
            },
            **{name: f"l.{name}" for name in ("subsidiary", "foreignamount", "createdfrom")},
            "linememo": "l.memo",
            "entity": "c.id",
            "entityid": "c.entityid",
            "acctnumber": "a.acctnumber",
            "accttype": "a.accttype",
            "currencysymbol": "u.symbol",
        },
        ("x.transaction", "x.transactionline"),
        cursor="t.lastmodifieddate",
        condition="""x.posting = 'T'
        AND (a.accttype = 'AcctRec' OR a.acctnumber = '{unidentified_gl_account}')""",
    ),
    "applications": Query(
        "nexttransactionlinelink x",
        {},
        ("x.nextdoc", "x.nextline", "x.previousdoc", "x.previousline"),
        condition="x.linktype IN ({application_link_types})",
    ),
    "gl_balances": Query(
        """transactionaccountingline x
        JOIN transactionline l ON l.transaction = x.transaction AND l.id = x.transactionline
        JOIN account a ON a.id = x.account
        JOIN subsidiary s ON s.id = l.subsidiary
        JOIN currency u ON u.id = s.currency""",
        {
            "subsidiary": "l.subsidiary",
            "acctnumber": "a.acctnumber",
            "currencysymbol": "u.symbol",
            "amount": "SUM(x.amount)",
        },
        ("l.subsidiary", "a.acctnumber"),
        condition="""x.posting = 'T'
        AND a.acctnumber IN ('{ar_gl_account}', '{unidentified_gl_account}')""",
        group_by="l.subsidiary, a.acctnumber, u.symbol",
    ),
    "sales_orders": Query(
        """transaction x
        JOIN transactionline l ON l.transaction = x.id AND l.mainline = 'T'
        JOIN currency u ON u.id = x.currency
        LEFT JOIN customer c ON c.id = x.entity""",
        {"entityid": "c.entityid", "subsidiary": "l.subsidiary", "currencysymbol": "u.symbol"},
        ("x.id",),
        cursor="x.lastmodifieddate",
        condition="x.type = 'SalesOrd'",
    ),
    "bank_details": Query("{bank_details_table} x", {}, ("x.id",)),
    "deleted_records": Query(
        "deletedrecord x", {}, ("x.type", "x.recordid"), cursor="x.deleteddate"
    ),
}

OBJECTS: tuple[ObjectSpec, ...] = (
    ObjectSpec(
        "customers",
        "customer",
        fields_of(
            """id entityid companyname altname parent parententityid isinactive creditlimit:money
            creditholdoverride termname currencysymbol email phone externalid vatregnumber addr1
            city zip state country lastmodifieddate:timestamp"""
        ),
        ("id",),
        cursor="lastmodifieddate",
        lag_seconds=_DAY_LAG_SECONDS,
        page_size=1_000,
    ),
    ObjectSpec(
        "customer_subsidiaries",
        "customersubsidiaryrelationship",
        fields_of("entity subsidiary isprimarysub"),
        ("entity", "subsidiary"),
        page_size=1_000,
    ),
    ObjectSpec(
        "transaction_lines",
        "transactionaccountingline",
        fields_of(
            """transaction transactionline tranid type entity entityid subsidiary acctnumber
            accttype trandate:date duedate:date currencysymbol foreigntotal:money
            foreignamount:money amount:money status voided memo linememo otherrefnum externalid
            createdfrom lastmodifieddate:timestamp"""
        ),
        ("transaction", "transactionline"),
        cursor="lastmodifieddate",
        lag_seconds=_DAY_LAG_SECONDS,
        page_size=1_000,
    ),
    ObjectSpec(
        "applications",
        "nexttransactionlinelink",
        fields_of(
            """previousdoc previousline previoustype previousdate:date nextdoc nextline nexttype
            nextdate:date linktype foreignamount:money discount:money"""
        ),
        ("previousdoc", "previousline", "nextdoc", "nextline"),
        page_size=1_000,
    ),
    ObjectSpec(
        "gl_balances",
        "transactionaccountingline",
        fields_of("subsidiary acctnumber currencysymbol amount:money"),
        ("subsidiary", "acctnumber"),
        page_size=1_000,
    ),
    ObjectSpec(
        "sales_orders",
        "transaction",
        fields_of(
            """id tranid entityid subsidiary trandate:date shipdate:date foreigntotal:money
            currencysymbol status otherrefnum externalid lastmodifieddate:timestamp"""
        ),
        ("id",),
        cursor="lastmodifieddate",
        lag_seconds=_DAY_LAG_SECONDS,
        page_size=1_000,
    ),
    ObjectSpec(
        "bank_details",
        "{bank_details_table}",
        fields_of(
            """id isinactive custrecord_2663_parent_customer custrecord_2663_entity_iban
            custrecord_2663_entity_acct_no"""
        ),
        ("id",),
        page_size=1_000,
    ),
    ObjectSpec(
        "deleted_records",
        "deletedrecord",
        fields_of("type recordid name deleteddate:timestamp"),
        ("type", "recordid"),
        cursor="deleteddate",
        lag_seconds=_DAY_LAG_SECONDS,
        page_size=1_000,
    ),
)
