"""Which open items can matter to a batch of receipts: everything of the customers it may concern.

A ledger holds a hundred items for each one that is paid today. Reading and indexing them all costs
more than deciding, so columns are sifted first, and only what is left becomes rows. A customer is
kept whole or not at all, because uniqueness is tested on everything a payer owes. The sieve lets
through every customer it is not sure of.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal

import polars as pl

from reverse_etl.decisions.matching import Receipt
from reverse_etl.decisions.payers import PayerDirectory
from reverse_etl.decisions.references import Word, joined_spans, spellings, words_of
from reverse_etl.planning.policy import CashPolicy

__all__ = ["sifted"]

_DATE_COLUMNS = ("document_date", "due_date", "open_from", "open_until")
_BEYOND_ASCII = r"[^\x00-\x7F]"
_REFERENCE_LENGTH_MAX = 20


def sifted(
    items: pl.DataFrame,
    receipts: Sequence[Receipt],
    directory: PayerDirectory,
    policy: CashPolicy,
) -> pl.DataFrame:
    """The items of every customer that one of the receipts may be from, in their order.

    Columns that are still text may hold what must be refused; such a frame comes back whole.
    """
    if not _is_typed(items):
        return items
    words = [word for receipt in receipts for word in words_of(receipt.text)]
    keys = {key for receipt in receipts for key in _keys(words_of(receipt.text), policy)}
    tails = {word.text[-policy.tail_length_min :] for word in words if word.text.isdigit()}
    references = pl.col("references").cast(pl.String).fill_null("")
    normalised = _normalised(pl.element())
    digits = normalised.str.extract(r"([0-9]+)$").fill_null("")
    named = references.str.split(";").list.eval(
        _is_in(normalised, keys)
        | _is_in(digits, keys)
        | _is_in(normalised.str.tail(policy.tail_length_min), tails)
    )
    equal = _is_in(
        pl.col("amount_open").cast(pl.String), _spelled(items, (r.amount for r in receipts))
    )
    touched = items.filter(named.list.any() | equal | references.str.contains(_BEYOND_ASCII))
    customers = set(touched["customer_id"].cast(pl.String)) | _payers(receipts, directory, policy)
    return items.filter(_is_in(pl.col("customer_id").cast(pl.String), customers))


def _is_typed(items: pl.DataFrame) -> bool:
    """Whether every row can be read: then leaving some out hides no mistake."""
    schema = items.schema
    return (
        {"references", "amount_open", "customer_id"} <= schema.keys()
        and isinstance(schema["amount_open"], pl.Decimal)
        and items["amount_open"].null_count() == 0
        and items["customer_id"].null_count() == 0
        and "discount_percent" not in schema
        and all(schema.get(name, pl.Date()) == pl.Date() for name in _DATE_COLUMNS)
    )


def _keys(words: Sequence[Word], policy: CashPolicy) -> Iterable[str]:
    """Every spelling under which a text may name an item, also inside a long run of digits."""
    digits_min = policy.payer_reference_length_min
    for word in words:
        yield from spellings(word.text, digits_min)
        if len(word.text) >= 2 * digits_min:
            yield from _substrings(word.text, digits_min)
    for _start, _end, key in joined_spans(words, policy.joined_words_max):
        yield from spellings(key, digits_min)


def _substrings(text: str, length_min: int) -> Iterable[str]:
    for start in range(len(text) - length_min + 1):
        for end in range(start + length_min, min(start + _REFERENCE_LENGTH_MAX, len(text)) + 1):
            yield text[start:end]


def _payers(receipts: Sequence[Receipt], directory: PayerDirectory, policy: CashPolicy) -> set[str]:
    """Customers that the payers' accounts, numbers and names lead to."""
    found: set[str] = set()
    names: set[str] = set()
    for receipt in receipts:
        accounts = directory.of_receipt(receipt)
        found |= accounts
        for key in _keys(words_of(receipt.text), policy):
            found |= directory.numbers.get(key, frozenset())
        if not accounts:
            found |= directory.by_alias(receipt.payer_name)
            names.add(receipt.payer_name)
    for name in names:
        hits = directory.by_name(name, policy.name_score_min, policy.suspects_max)
        found.update(customer for customer, _score in hits)
    return found


def _is_in(column: pl.Expr, values: Iterable[str]) -> pl.Expr:
    return column.is_in(pl.Series(list(values), dtype=pl.String).implode())


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
