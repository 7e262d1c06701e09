"""A remittance text, read once against the ledger: what it names, and what it leaves unexplained.

Exact reading only: whole words, neighbours joined, digits beside a prefix, several references run
together. What looks like a reference and names nothing is kept as *unresolved*: it may be a tail
or a mistyped number, and it forbids to treat the receipt as one without references.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reverse_etl.decisions.cash_ledger import Ledger
from reverse_etl.decisions.cash_tells import tells_in
from reverse_etl.decisions.references import (
    Word,
    digits_in,
    fold,
    joined_spans,
    spellings,
    without_zeros,
    words_of,
)
from reverse_etl.planning.policy import CashPolicy

__all__ = ["Reading", "Token", "read_text"]

_MONEY = re.compile(
    r"(?<![0-9A-Z.,])([0-9]{1,3}(?:([,.' ])[0-9]{3})*|[0-9]+)[.,]([0-9]{2})(?![0-9.,]*[0-9])"
)


@dataclass(frozen=True, slots=True)
class Token:
    """A stretch of a text that is, or may be, one reference.

    Attributes:
        key: normalised.
        places: positions of the items that carry it exactly; empty when unresolved.
        raw: as written, zeros included: a tail may begin with them.
        is_cut: it stands at the very end of a text that was cut off.
    """

    key: str
    raw: str = ""
    places: tuple[int, ...] = ()
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text says.

    Attributes:
        tokens: references found exactly, in order, each set of items once.
        unresolved: what looks like a reference and names nothing.
        collides: one stretch can be read as references to different items.
        is_truncated: the text fills its field, so something may be missing.
        has_loose_numbers: shorter numbers that could be pieces of a reference.
        tells: what words say about the payment (prepayment, partial, returned ...).
        amounts: amounts of money written in the text, in units.
        customers: customers whose number stands in the text.
    """

    tokens: tuple[Token, ...]
    unresolved: tuple[Token, ...]
    collides: bool
    is_truncated: bool
    has_loose_numbers: bool
    tells: frozenset[str]
    amounts: frozenset[int]
    customers: frozenset[str]
    keys: frozenset[str] = field(default=frozenset())

    @property
    def is_silent(self) -> bool:
        """Nothing in the text looks like a reference."""
        return not (self.tokens or self.unresolved or self.has_loose_numbers)


def read_text(
    text: str, ledger: Ledger, numbers: Mapping[str, frozenset[str]], policy: CashPolicy
) -> Reading:
    """Read one text.

    Args:
        text: the remittance text with the structured references.
        ledger: the items by reference.
        numbers: customers by customer number, normalised.
        policy: lengths.
    """
    words = words_of(text)
    is_truncated = len(text) >= policy.text_length_truncated
    reader = _Reader(words, ledger, numbers, policy)
    reader.single_words()
    reader.joined_words()
    reader.run_together()
    unresolved = reader.leftovers(is_truncated=is_truncated)
    return Reading(
        tokens=tuple(reader.tokens.values()),
        unresolved=unresolved,
        collides=reader.collides,
        is_truncated=is_truncated,
        has_loose_numbers=reader.loose_digits >= policy.tail_length_min,
        tells=tells_in(fold(text)),
        amounts=_amounts(text),
        customers=frozenset(reader.customers),
        keys=frozenset([t.key for t in reader.tokens.values()] + [t.key for t in unresolved]),
    )


class _Reader:
    """Goes over the words of one text, from the surest reading to the least."""

    def __init__(
        self,
        words: Sequence[Word],
        ledger: Ledger,
        numbers: Mapping[str, frozenset[str]],
        policy: CashPolicy,
    ) -> None:
        self._words, self._ledger, self._policy = words, ledger, policy
        self._numbers = numbers
        self._read_as: list[tuple[int, ...] | None] = [None] * len(words)
        self.tokens: dict[tuple[int, ...], Token] = {}
        self.customers: set[str] = set()
        self.collides = False
        self.loose_digits = 0

    def _keep(self, start: int, end: int, key: str, places: Sequence[int]) -> None:
        found = tuple(places)
        self.tokens.setdefault(found, Token(key, key, found))
        for index in range(start, end):
            self._read_as[index] = found

    def single_words(self) -> None:
        """Words that are a reference, or hold one beside a prefix."""
        for index, word in enumerate(self._words):
            for key in spellings(word.text, self._policy.payer_reference_length_min):
                places = self._ledger.by_key.get(key)
                if places:
                    self._keep(index, index + 1, key, places)
                    break
                if key in self._numbers:
                    self.customers |= self._numbers[key]
                    self._read_as[index] = ()

    def joined_words(self) -> None:
        """Neighbours that are one reference together; two different readings are reported."""
        for start, end, key in joined_spans(self._words, self._policy.joined_words_max):
            places = self._ledger.by_key.get(key)
            if places is None and not key.isdigit():
                digits = digits_in(key, self._policy.payer_reference_length_min)
                places = self._ledger.by_key.get(digits[0]) if len(digits) == 1 else None
            if places is None:
                if key in self._numbers and not any(self._read_as[start:end]):
                    self.customers |= self._numbers[key]
                    self._read_as[start:end] = [()] * (end - start)
                continue
            before = {read for read in self._read_as[start:end] if read}
            if not before:
                self._keep(start, end, key, places)
            elif any(set(read) != set(places) for read in before):
                self.collides = True
                self.tokens.setdefault(tuple(places), Token(key, key, tuple(places)))

    def run_together(self) -> None:
        """A long run of digits that is wholly references, in exactly one way."""
        lengths = [
            n for n in self._ledger.key_lengths if n >= self._policy.payer_reference_length_min
        ]
        for index, word in enumerate(self._words):
            if self._read_as[index] is not None or not lengths:
                continue
            runs = digits_in(word.text, 2 * self._policy.payer_reference_length_min)
            ways = [cut for run in runs for cut in self._cuts(run, lengths, 2)]
            if len(runs) == 1 and len(ways) == 1:
                for key in ways[0]:
                    self._keep(index, index + 1, key, self._ledger.by_key[key])

    def _cuts(self, run: str, lengths: Sequence[int], limit: int) -> list[list[str]]:
        """Ways to cut a run into references, at most ``limit``."""
        if not run:
            return [[]]
        found: list[list[str]] = []
        for length in lengths:
            head = run[:length]
            if len(head) == length and head in self._ledger.by_key:
                rest = run[length:]
                found += [[head, *cut] for cut in self._cuts(rest, lengths, limit)]
                if len(found) >= limit:
                    return found[:limit]
        return found

    def leftovers(self, *, is_truncated: bool) -> tuple[Token, ...]:
        """Words that look like references and were not read."""
        found: dict[str, Token] = {}
        for index, word in enumerate(self._words):
            digits = sum(c.isdigit() for c in word.text)
            if self._read_as[index] is not None or word.is_figure or not digits:
                continue
            key = without_zeros(word.text)
            is_cut = is_truncated and word.is_last
            if digits >= self._policy.unresolved_digits_min:
                found.setdefault(key, Token(key, word.text, is_cut=is_cut))
            else:
                self.loose_digits += digits
        return tuple(found.values())


def _amounts(text: str) -> frozenset[int]:
    """Amounts with two decimals written in a text, in units."""
    if "." not in text and "," not in text:
        return frozenset()
    found = set()
    for match in _MONEY.finditer(text.upper()):
        whole = "".join(c for c in match.group(1) if c.isdigit())
        found.add((int(whole) * 100 + int(match.group(3))) * 10**4)
    return frozenset(found)
