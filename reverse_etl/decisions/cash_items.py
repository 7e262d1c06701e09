"""Which open items can matter to a batch of receipts: those it may name, and those of its amounts.

A ledger holds a hundred items for each one that is paid today. Reading and indexing them all costs
more than deciding, so columns are sifted first, and only what is left becomes rows. The sieve lets
through everything it is not sure of; what it keeps back no stage would ever have looked up.
"""

from collections.abc import Iterable
from decimal import Decimal

import polars as pl

__all__ = ["sifted"]

_DATE_COLUMNS = ("document_date", "due_date", "open_from", "open_until")
_BEYOND_ASCII = r"[^\x00-\x7F]"


def sifted(items: pl.DataFrame, keys: Iterable[str], amounts: Iterable[Decimal]) -> pl.DataFrame:
    """The items that carry one of the references or have just one of the amounts, in their order.

    Args:
        items: open items as ``decide_cash`` takes them. Columns that are still text may hold what
            must be refused; such a frame comes back whole.
        keys: every normalised reference that a receipt may name.
        amounts: what was received.
    """
    if not _is_typed(items):
        return items
    references = pl.col("references").cast(pl.String).fill_null("")
    named = (
        references.str.split(";")
        .list.eval(
            _normalised(pl.element()).is_in(pl.Series(list(keys), dtype=pl.String).implode())
        )
        .list.any()
    )
    spelled = pl.Series(_spelled(items, amounts), dtype=pl.String)
    equal = pl.col("amount_open").cast(pl.String).is_in(spelled.implode())
    return items.filter(named | equal | references.str.contains(_BEYOND_ASCII))


def _is_typed(items: pl.DataFrame) -> bool:
    """Whether every row can be read: then leaving some out hides no mistake."""
    schema = items.schema
    return (
        {"references", "amount_open"} <= schema.keys()
        and isinstance(schema["amount_open"], pl.Decimal)
        and items["amount_open"].null_count() == 0
        and all(schema.get(name, pl.Date()) == pl.Date() for name in _DATE_COLUMNS)
    )


def _normalised(references: pl.Expr) -> pl.Expr:
    """``references.normalise`` over a column of ASCII text."""
    return (
        references.str.to_uppercase()
        .str.replace_all("[^0-9A-Z]", "")
        .str.replace("^([A-Z]*)0+([0-9])", "${1}${2}")
    )


def _spelled(items: pl.DataFrame, amounts: Iterable[Decimal]) -> list[str]:
    """Amounts as the column spells them; one with more decimals than the column equals none."""
    form = items.schema["amount_open"]
    assert isinstance(form, pl.Decimal)
    texts = {f"{amount:.{form.scale}f}": amount for amount in amounts}
    return [text for text, amount in texts.items() if Decimal(text) == amount]
