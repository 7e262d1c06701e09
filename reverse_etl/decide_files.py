"""The decisions on plain files: which columns each file has, and what the answer's summary says.

The counterpart of ``reverse_etl.decide``, which does the same on the warehouse. Nothing is decided
here; nothing is opened.
"""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final

import polars as pl

from ingestion.common.errors import LedgerloopError
from reverse_etl.plain_files import Columns
from reverse_etl.planning.policy import Policy

__all__ = [
    "CASH_FILES",
    "IDENTITY_FILE",
    "LATE_FILES",
    "cash_summary",
    "identity_pairs",
    "late_predictions",
]

Progress = Callable[[str, float], None]

#: The files of ``decide cash`` (DESIGN §9) by the name of the decision's argument.
CASH_FILES: Final[Mapping[str, Columns]] = {
    "receipts": Columns(
        {
            "receipt_id": "text",
            "received_date": "date",
            "amount": "money",
            "currency_code": "text",
        },
        {
            "payer_account": "text",
            "payer_name": "text",
            "text": "text",
            "company_code": "text",
            "virtual_account": "text",
        },
    ),
    "open_items": Columns(
        {
            "item_id": "text",
            "customer_id": "text",
            "amount_open": "money",
            "currency_code": "text",
            "references": "text",
        },
        {
            "customer_name": "text",
            "company_code": "text",
            "document_date": "date",
            "due_date": "date",
            "open_from": "date",
            "open_until": "date",
            "discount_percent": "money",
            "discount_date": "date",
            "parent_customer_id": "text",
        },
    ),
    "payers": Columns(
        {"payer_account": "text", "customer_id": "text"}, {"valid_from": "date", "valid_to": "date"}
    ),
    "aliases": Columns({"payer_name": "text", "customer_id": "text"}, {}),
    "remittance_lines": Columns(
        {
            "receipt_id": "text",
            "reference": "text",
            "amount_paid": "money",
            "currency_code": "text",
        },
        {
            "position": "money",
            "reference_kind": "text",
            "discount_amount": "money",
            "adjustment_amount": "money",
            "adjustment_code": "text",
            "adjustment_text": "text",
        },
    ),
}

_ITEM: Final[Mapping[str, Any]] = {
    "item_id": "text",
    "customer_id": "text",
    "due_date": "date",
    "amount": "money",
    "currency_code": "text",
}

#: The files of ``decide late``.
LATE_FILES: Final[Mapping[str, Columns]] = {
    "closed": Columns({**_ITEM, "cleared_date": "date"}, {"document_date": "date"}),
    "open": Columns(_ITEM, {"document_date": "date"}),
}

#: A file of ``decide identity``; more strong keys are used where there are any.
IDENTITY_FILE: Final = Columns(
    {"id": "text", "name": "text"},
    dict.fromkeys(
        (
            "street", "city", "postal_code", "country", "phone", "email", "tax_id",
            "vat_id", "duns", "lei", "erp_customer_id",
        ),
        "text",
    ),
)  # fmt: skip


class NotConserved(LedgerloopError):
    """The rows decided about a receipt do not sum to it: the answer is not written."""


def cash_summary(receipts: pl.DataFrame, decided: pl.DataFrame) -> dict[str, Any]:
    """Receipts by decision and money by currency; the check that no cent was lost or made.

    Raises:
        NotConserved: the rows of a receipt and rank do not sum to the receipt.
    """
    sums = decided.group_by("receipt_id", "rank").agg(pl.col("amount").sum().alias("decided"))
    wrong = sums.join(receipts.select("receipt_id", "amount"), on="receipt_id", how="left").filter(
        pl.col("decided").ne_missing(pl.col("amount"))
    )
    missing = receipts.height - decided.get_column("receipt_id").n_unique()
    if wrong.height or missing:
        raise NotConserved(
            f"{wrong.height} decisions do not sum to their receipt and {missing} receipts have "
            f"none; the first: {wrong.get_column('receipt_id').head(3).to_list()}",
            code="not_conserved",
        )
    first = decided.filter(pl.col("rank") == 1)
    counted = first.select("receipt_id", "decision").unique().group_by("decision").len()
    applied = first.filter((pl.col("decision") == "auto") & (pl.col("kind") == "apply"))
    money = applied.group_by("currency_code").agg(pl.col("amount").sum()).sort("currency_code")
    return {
        "receipts": receipts.height,
        **dict(counted.sort("decision").iter_rows()),
        **{f"applied {currency}": amount for currency, amount in money.iter_rows()},
    }


def late_predictions(
    closed: pl.DataFrame, open_items: pl.DataFrame, as_of: date, policy: Policy, tell: Progress
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Predictions for the open items, and what was used to make them."""
    from reverse_etl.decisions.late import learn_late
    from reverse_etl.decisions.late_policy import LatePolicy

    rules = LatePolicy.from_section(policy.late)
    learned = learn_late(closed, open_items, as_of, rules, progress=tell)
    told = learned.comparison.metadata()
    names = (
        "as_of", "seed", "training_rows", "uses", "reason", "mae days.customer median",
        "mae days.published",
    )  # fmt: skip
    return learned.predictions(), {
        "items": open_items.height,
        **{name: told[name] for name in names if name in told},
    }


def identity_pairs(
    left: pl.DataFrame, right: pl.DataFrame | None, policy: Policy, tell: Progress
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Links and proposals, and how many of each."""
    from reverse_etl.decisions.identity import match_identities
    from reverse_etl.decisions.identity_policy import IdentityPolicy

    rules = IdentityPolicy.of(policy.identity)
    pairs = match_identities(left, right, rules, progress=lambda what: tell(what, 0.5))
    counted = dict(pairs.group_by("decision").len().sort("decision").iter_rows())
    return pairs, {"left": left.height, "right": 0 if right is None else right.height, **counted}
