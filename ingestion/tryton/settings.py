"""What is read from Tryton 8.2, how its answers are taken, and how often things are tried. Data.

A column ``account__code`` is the dotted field ``account.code``. ``changed_at`` is the only column
that Tryton does not send: the latest of the instants in ``CHANGED_FIELDS``: new rows have no
``write_date``, and because a line does not move when the document that it hangs on does.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from ingestion.common.objects import ObjectSpec, fields_of
from ingestion.common.page_style import DateStyle, PageStyle

__all__ = [
    "CHANGED_FIELDS",
    "CONCURRENT_OBJECTS_MAX",
    "DEFAULT_OPTIONS",
    "DOMAINS",
    "LOOPBACK_WAIT_SHARE",
    "OBJECTS",
    "PAGE_STYLE",
    "READ_STATUS_ACTIONS",
    "RETRIES_MAX",
    "RETRY_SECONDS_MAX",
    "TIMEOUT_SECONDS",
    "WARNINGS_MAX",
    "WRITE_STATUS_ACTIONS",
    "Action",
]

TIMEOUT_SECONDS = 120.0
RETRIES_MAX = 4
RETRY_SECONDS_MAX = 60.0
#: Questions that one request may ask before it is done.
WARNINGS_MAX = 3
#: On this machine nothing is far and nobody is crowded out: waits are a small part of the usual.
LOOPBACK_WAIT_SHARE = 0.05
#: Tryton answers each request with a process's thread of its own database connection.
CONCURRENT_OBJECTS_MAX = 3

PAGE_STYLE = PageStyle(envelope=("rows",), dates=DateStyle.ISO)


class Action(StrEnum):
    """What an HTTP status means for the request."""

    REJECT = "reject"
    REAUTHENTICATE = "reauthenticate"
    RETRY = "retry"
    UNKNOWN = "unknown"


_SHARED = {
    400: Action.REJECT,
    401: Action.REAUTHENTICATE,
    403: Action.REJECT,
    404: Action.REJECT,
    405: Action.REJECT,
    422: Action.REJECT,
    429: Action.RETRY,
    # PostgreSQL could not get a lock, after Tryton's own retries: the transaction was rolled back.
    503: Action.RETRY,
}
READ_STATUS_ACTIONS: Mapping[int, Action] = MappingProxyType(
    {**_SHARED, **dict.fromkeys((408, 500, 502, 504), Action.RETRY)}
)
WRITE_STATUS_ACTIONS: Mapping[int, Action] = MappingProxyType(_SHARED)

DEFAULT_OPTIONS: Mapping[str, str] = MappingProxyType(
    # ``reads_bank_accounts``: ``no`` where the module ``bank`` is not installed.
    {"unidentified_gl_account": "2.9.9", "reads_bank_accounts": "yes"}
)

#: A long transaction commits older instants than a short one that began later: overlap the window.
_LAG_SECONDS = 3600

OBJECTS: tuple[ObjectSpec, ...] = (
    ObjectSpec(
        "parties",
        "party.party",
        fields_of(
            """id:integer code name active:flag full_name tax_identifier__code
            customer_payment_term__name write_date:timestamp create_date:timestamp
            changed_at:timestamp"""
        ),
        ("id",),
        cursor="changed_at",
        lag_seconds=_LAG_SECONDS,
        page_size=1000,
    ),
    ObjectSpec(
        "addresses",
        "party.address",
        fields_of(
            """id:integer party:integer sequence:integer active:flag street postal_code city
            country__code write_date:timestamp create_date:timestamp changed_at:timestamp"""
        ),
        ("id",),
        cursor="changed_at",
        lag_seconds=_LAG_SECONDS,
        page_size=1000,
    ),
    ObjectSpec(
        "bank_accounts",
        "bank.account.number",
        fields_of(
            "id:integer number number_compact active:flag account__active:flag account__owners"
        ),
        ("id",),
        page_size=1000,
    ),
    ObjectSpec(
        "move_lines",
        "account.move.line",
        fields_of(
            """id:integer account__code account__company:integer
            account__company__currency__code account__type__receivable:flag party__code
            move:integer move__number move__date:date move__description move__origin
            move__journal__code move__journal__type description maturity_date:date debit:money
            credit:money amount_second_currency:money second_currency__code
            reconciliation:integer write_date:timestamp create_date:timestamp
            move__write_date:timestamp reconciliation__create_date:timestamp
            changed_at:timestamp"""
        ),
        ("id",),
        cursor="changed_at",
        lag_seconds=_LAG_SECONDS,
        page_size=1000,
    ),
    ObjectSpec(
        "invoices",
        "account.invoice",
        fields_of(
            """id:integer company:integer number reference description state party__code
            currency__code invoice_date:date move:integer cancel_move:integer
            payment_lines lines_to_pay write_date:timestamp create_date:timestamp
            changed_at:timestamp"""
        ),
        ("id",),
        cursor="changed_at",
        lag_seconds=_LAG_SECONDS,
        page_size=500,
    ),
    ObjectSpec(
        "accounts",
        "account.account",
        fields_of(
            """id:integer code name company:integer company__currency__code
            type__receivable:flag balance:money"""
        ),
        ("id",),
        page_size=1000,
    ),
    ObjectSpec(
        "credit",
        "party.party",
        fields_of("company:integer id:integer code credit_limit_amount:money credit_amount:money"),
        ("company", "id"),
        page_size=500,
    ),
    ObjectSpec(
        "sales",
        "sale.sale",
        fields_of(
            """id:integer company:integer number reference state shipment_method party__code
            currency__code currency__rate:money company__currency__rate:money
            sale_date:date shipping_date:date untaxed_amount:money
            write_date:timestamp create_date:timestamp changed_at:timestamp"""
        ),
        ("id",),
        cursor="changed_at",
        lag_seconds=_LAG_SECONDS,
        page_size=500,
    ),
)

#: Instants of which any says that a row changed, in Tryton's dotted names.
CHANGED_FIELDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "parties": ("write_date", "create_date"),
        "addresses": ("write_date", "create_date"),
        # Posting moves the document, reconciling the line; both are asked for all the same.
        "move_lines": (
            "write_date", "create_date", "move.write_date", "reconciliation.create_date",
        ),
        # A part payment moves the invoice, and not the line that it pays.
        "invoices": ("write_date", "create_date"),
        "sales": ("write_date", "create_date"),
    }
)  # fmt: skip

#: What of a model is read; ``{name}`` stands for a system option, ``{company}`` for the company.
#: Models without a company in their domain are read once, all others once per company.
DOMAINS: Mapping[str, tuple[object, ...]] = MappingProxyType(
    {
        "parties": (("code", "!=", None),),
        "addresses": (),
        "bank_accounts": (),
        "move_lines": (
            ("account.company", "=", "{company}"),
            ("move.state", "=", "posted"),
            (
                "OR",
                (("account.type.receivable", "=", True), ("party", "!=", None)),
                ("account.code", "=", "{unidentified_gl_account}"),
            ),
        ),
        "invoices": (("company", "=", "{company}"), ("type", "=", "out"), ("move", "!=", None)),
        "accounts": (
            ("company", "=", "{company}"),
            (
                "OR",
                ("type.receivable", "=", True),
                ("code", "=", "{unidentified_gl_account}"),
            ),
        ),
        "credit": (("code", "!=", None),),
        "sales": (("company", "=", "{company}"), ("state", "not in", ("draft", "cancelled"))),
    }
)
