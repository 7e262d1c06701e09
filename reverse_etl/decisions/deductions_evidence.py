"""Which short payments there are, and what the payer says about each.

From two sources: what cash application decided to be a deduction, and the adjustments on the lines
of a remittance advice. One short payment may be split by evidence into several reasons; it is
never more than was kept back, and never less: what no line explains keeps no reason. Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import polars as pl

from reverse_etl.decisions.deductions_codes import UNEARNED
from reverse_etl.decisions.references import normalise

__all__ = ["OpenItem", "ShortPay", "items_by_key", "short_pays"]

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class OpenItem:
    """An item a deduction may stand on. ``references``: normalised numbers a payer may quote."""

    item_key: str
    system_id: str
    company_code: str
    customer_id: str
    customer: str
    currency_code: str
    amount_open: Decimal
    references: frozenset[str]


@dataclass(frozen=True, slots=True)
class ShortPay:
    """Money one receipt left unpaid of one item, for one stated reason (or none).

    ``item`` is None where nothing says which item it belongs to.
    """

    receipt_id: str
    system_id: str
    company_code: str
    customer_id: str
    currency_code: str
    item: OpenItem | None
    amount: Decimal
    external_code: str = ""
    claim_text: str = ""
    source: str = "payment"


@dataclass(slots=True)
class _Claim:
    """A reason on a remittance line, and how much of it is not used yet."""

    external_code: str
    text: str
    left: Decimal
    is_discount: bool = False


@dataclass(slots=True)
class _Advice:
    """What one receipt's remittance took off: per quoted number, and of the whole payment.

    Discounts stand behind adjustments: they explain only what was decided to be a deduction.
    """

    by_reference: dict[str, list[_Claim]] = field(default_factory=dict)
    of_payment: list[_Claim] = field(default_factory=list)


def items_by_key(open_items: pl.DataFrame) -> dict[str, OpenItem]:
    """Items by key; ``references`` is a text separated by semicolons."""
    return {
        row["item_key"]: OpenItem(
            row["item_key"],
            row["system_id"],
            row["company_code"],
            row["customer_id"],
            row["customer"],
            row["currency_code"],
            row["amount_open"],
            frozenset(filter(None, map(normalise, (row["references"] or "").split(";")))),
        )
        for row in open_items.iter_rows(named=True)
    }


def short_pays(
    applications: pl.DataFrame, remittance_lines: pl.DataFrame, items: Mapping[str, OpenItem]
) -> list[ShortPay]:
    """Every short payment of this pass, in a fixed order.

    Args:
        applications: ``decisions.applications``. Only what was decided automatically counts: a
            proposal is nobody's word yet.
        remittance_lines: receipt_id, position, reference, adjustment_amount (positive: kept
            back), adjustment_code, adjustment_text, and where known discount_amount.
        items: what they may stand on.
    """
    decided = applications.filter((pl.col("decision") == "auto") & (pl.col("rank") == 1))
    advice = _advice_of(remittance_lines)
    by_customer: dict[tuple[str, str, str, str], list[OpenItem]] = {}
    for item in items.values():
        if item.amount_open > 0:
            place = (item.system_id, item.company_code, item.customer_id, item.currency_code)
            by_customer.setdefault(place, []).append(item)
    found: list[ShortPay] = []
    wanted = decided.filter(
        pl.col("receipt_id").is_in(list(advice)) | (pl.col("kind") == "deduction")
    )
    for _receipt, rows in sorted(_grouped(wanted).items()):
        found.extend(_of_receipt(rows, advice.get(_receipt, _Advice()), items, by_customer))
    return found


def _grouped(decided: pl.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """Rows by receipt, every row of a receipt that has a deduction or an advice."""
    grouped: dict[str, list[dict[str, Any]]] = {}
    ordered = decided.sort("receipt_id", "kind", "item_key", "amount", nulls_last=True)
    for row in ordered.iter_rows(named=True):
        grouped.setdefault(row["receipt_id"], []).append(row)
    return grouped


def _advice_of(lines: pl.DataFrame) -> dict[str, _Advice]:
    """What remittances kept back, by receipt; what they added is no deduction."""
    found: dict[str, _Advice] = {}
    kept = lines.filter(pl.col("adjustment_amount") > 0).sort("receipt_id", "position")
    for row in kept.iter_rows(named=True):
        advice = found.setdefault(row["receipt_id"], _Advice())
        claim = _Claim(
            (row["adjustment_code"] or "").strip(),
            (row["adjustment_text"] or "").strip(),
            row["adjustment_amount"],
        )
        reference = normalise(row["reference"] or "")
        if reference:
            advice.by_reference.setdefault(reference, []).append(claim)
        else:
            advice.of_payment.append(claim)
    if "discount_amount" not in lines.columns:
        return found
    taken = lines.filter(pl.col("discount_amount") > 0).sort("receipt_id", "position")
    for row in taken.iter_rows(named=True):
        reference = normalise(row["reference"] or "")
        if reference:
            advice = found.setdefault(row["receipt_id"], _Advice())
            claim = _Claim(UNEARNED, "discount taken", row["discount_amount"], is_discount=True)
            advice.by_reference.setdefault(reference, []).append(claim)
    return found


def _of_receipt(
    rows: Sequence[Mapping[str, Any]],
    advice: _Advice,
    items: Mapping[str, OpenItem],
    by_customer: Mapping[tuple[str, str, str, str], list[OpenItem]],
) -> Iterator[ShortPay]:
    """The short payments of one receipt: first what cash application found, then the rest."""
    applied = [row for row in rows if row["kind"] == "apply"]
    # What names no item belongs to the largest one, as the clearing says it too.
    largest = max(applied, key=lambda r: (r["amount"], r["item_key"]), default=None)
    short: dict[str | None, Decimal] = {}
    for row in rows:
        if row["kind"] == "deduction":
            key = row["item_key"] or (largest["item_key"] if largest else None)
            short[key] = short.get(key, _ZERO) + abs(row["amount"])
    for key, amount in short.items():
        item = None if key is None else items.get(key)
        base = _base(rows[0], item)
        claims = [] if item is None else _claims_on(item, advice)
        yield from _explained(base, amount, [*claims, *advice.of_payment])
    done = {row["item_key"] for row in rows}
    head = rows[0]
    place = (head["system_id"], head["company_code"], head["customer_id"], head["currency_code"])
    yield from _stated_only(head, advice, by_customer.get(place, ()), done)


def _base(row: Mapping[str, Any], item: OpenItem | None) -> ShortPay:
    return ShortPay(
        receipt_id=row["receipt_id"],
        system_id=row["system_id"],
        company_code=row["company_code"],
        customer_id=row["customer_id"] if item is None else item.customer_id,
        currency_code=row["currency_code"],
        item=item,
        amount=_ZERO,
    )


def _claims_on(item: OpenItem, advice: _Advice) -> list[_Claim]:
    """The adjustments of lines that quote this item."""
    return [c for number in sorted(item.references) for c in advice.by_reference.get(number, [])]


def _explained(base: ShortPay, amount: Decimal, claims: Sequence[_Claim]) -> Iterator[ShortPay]:
    """Split an amount by the reasons given, in their order; the rest has no reason."""
    parts: dict[tuple[str, str], Decimal] = {}
    left = amount
    for claim in claims:
        used = min(left, claim.left)
        if used > 0:
            key = (claim.external_code, claim.text)
            parts[key] = parts.get(key, _ZERO) + used
            claim.left -= used
            left -= used
    if left > 0:
        parts["", ""] = parts.get(("", ""), _ZERO) + left
    for (code, text), part in parts.items():
        yield replace(base, amount=part, external_code=code, claim_text=text)


def _stated_only(
    row: Mapping[str, Any], advice: _Advice, candidates: Sequence[OpenItem], done: set[Any]
) -> Iterator[ShortPay]:
    """Adjustments on items that this receipt pays nothing of: one open item must be quoted."""
    for reference, claims in advice.by_reference.items():
        named = [item for item in candidates if reference in item.references]
        if len(named) != 1 or named[0].item_key in done:
            continue
        for claim in claims:
            if claim.left > 0 and not claim.is_discount:
                yield replace(
                    _base(row, named[0]),
                    amount=claim.left,
                    external_code=claim.external_code,
                    claim_text=claim.text,
                    source="remittance",
                )
                claim.left = _ZERO
