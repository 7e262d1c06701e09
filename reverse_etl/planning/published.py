"""Reading the published warehouse for people: differences, drift, and the keys of a business thing.

Readers open the symlink's real path (STACK.md); the working file is never touched.
"""

from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from ingestion.common.errors import ConfigError

__all__ = [
    "customer_account",
    "differences",
    "drift",
    "group_rates",
    "has_customer",
    "items_numbered",
    "link_proposals",
    "payer_of_receipt",
    "receipt_row",
    "related_keys",
]


def _rows(home: Path, query: str, parameters: list[Any] | None = None) -> list[dict[str, Any]]:
    """Rows of a query on the published copy, as dictionaries.

    Raises:
        ConfigError: nothing has been published yet.
    """
    link = home / "published" / "warehouse.duckdb"
    if not link.exists():
        raise ConfigError(
            f"nothing is published at {link}: run `ledgerloop sync` first", code="not_published"
        )
    with duckdb.connect(str(link.resolve()), read_only=True) as connection:
        cursor = connection.execute(query, parameters or [])
        names = [column[0] for column in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def differences(home: Path) -> list[dict[str, Any]]:
    """Every difference of the last run that is not merely equal, one row per field."""
    return _rows(
        home,
        "select system_id, object_name, object_key, field, observed, desired, class, action, rule,"
        " customer_name, company_code, document, amount, currency_code"
        " from plan.differences order by system_id, object_name, object_key, field",
    )


def drift(home: Path) -> list[dict[str, Any]]:
    """Rows of ``marts.rec_target_drift``: where a target differs, why, and who must act."""
    return _rows(home, "select * from marts.rec_target_drift order by all")


def link_proposals(home: Path) -> list[dict[str, Any]]:
    """What the last loop proposes to link, the surest first."""
    return _rows(
        home,
        "select system_id, native_id, customer_id, score, reason from decisions.link_proposals"
        " order by score desc, native_id",
    )


def payer_of_receipt(home: Path, receipt_id: str) -> dict[str, Any] | None:
    """Who paid a receipt, as far as it is known, and whose account it stands on; None if unknown.

    Columns: ``system_id``, ``payer_account_key``, ``payer_name``, ``booked_customer_id``.
    """
    found = _rows(
        home,
        "select system_id, payer_account_key, payer_name, booked_customer_id"
        " from marts.fct_receipts"
        " where receipt_id = ?",
        [receipt_id],
    )
    return found[0] if found else None


def receipt_row(home: Path, receipt_id: str) -> dict[str, Any] | None:
    """A receipt of ``marts.fct_receipts``, or None.

    With it ``customer``, ``customer_name``, and ``is_returned``: the bank took it back.
    """
    found = _rows(
        home,
        "select receipts.*, customers.customer, customers.name as customer_name,"
        " receipts.receipt_id in (select receipt_key"
        " from intermediate.int_returned_payments_wanted) as is_returned"
        " from marts.fct_receipts as receipts left join marts.dim_customers as customers"
        " on receipts.booked_customer_id = customers.customer_id where receipts.receipt_id = ?",
        [receipt_id],
    )
    return found[0] if found else None


def has_customer(home: Path, customer_id: str) -> bool:
    """Whether a hub customer exists."""
    query = "select 1 as one from marts.dim_customers where customer_id = ?"
    return bool(_rows(home, query, [customer_id]))


def customer_account(home: Path, customer_id: str, company_code: str) -> dict[str, Any] | None:
    """A hub customer in one company of its ERP; None when there is no such customer.

    Columns: ``customer_id``, ``system_id``, ``customer``, ``customer_name``, ``company_code`` and
    ``as_of_date`` (both None where the ERP has no such company).
    """
    found = _rows(
        home,
        "select customers.customer_id, customers.system_id, customers.customer,"
        " customers.name as customer_name, companies.company_code, companies.as_of_date"
        " from marts.dim_customers as customers left join config.companies as companies"
        " on customers.system_id = companies.system_id and companies.company_code = ?"
        " where customers.customer_id = ?",
        [company_code, customer_id],
    )
    return found[0] if found else None


def items_numbered(home: Path, customer_id: str, company_code: str, number: str) -> list[str]:
    """Keys of a customer's items under the number that people use for them."""
    found = _rows(
        home,
        "select item_key from marts.fct_open_items"
        " where customer_id = ? and company_code = ? and invoice_number = ? order by item_key",
        [customer_id, company_code, number],
    )
    return [str(row["item_key"]) for row in found]


def group_rates(home: Path) -> dict[str, Decimal]:
    """Units of group currency per unit of each currency, as the last loop used them."""
    found = _rows(home, "select currency_code, rate_to_group from config.rates")
    return {str(row["currency_code"]): Decimal(row["rate_to_group"]) for row in found}


def related_keys(home: Path, key: str) -> list[str]:
    """The key itself and the hub's keys for it: items of an invoice number, their receipts.

    Works without a published warehouse: then only the key itself is known.
    """
    try:
        found = _rows(
            home,
            """
            with items as (
                select item_key, clearing_document, system_id, company_code
                from marts.fct_open_items
                where invoice_number = $1 or item_key = $1 or accounting_document = $1
            )
            select item_key as related from items
            union
            select receipt_id from marts.fct_receipts
            where receipt_id = $1 or correlation_id = $1 or bank_reference = $1
            union
            select applications.receipt_id
            from decisions.applications inner join items on applications.item_key = items.item_key
            """,
            [key],
        )
    except ConfigError:
        found = []
    related = [str(row["related"]) for row in found]
    return [key, *sorted(one for one in related if one != key)]
