"""Document references: how they are normalised, and which items a remittance text names.

A reference is the number a payer quotes (invoice, delivery, order). Texts spell it with other case,
blanks, separators and leading zeros; these four are undone, nothing else is guessed. A number that
stands inside a longer number names nothing. Looking a text up costs its words, never the ledger.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Mention", "ReferenceIndex", "Word", "normalise", "spans_of", "words_of"]

_WORD = re.compile(r"[0-9A-Z]+")
#: Between two words that may be pieces of one reference; a comma or semicolon starts another.
_LIST_SEPARATOR = re.compile(r"[,;|+&]")
_LEADING_ZEROS = re.compile(r"^([A-Z]*)0+(?=[0-9])")
_DIGITS = re.compile(r"[0-9]+")


def normalise(text: str) -> str:
    """One spelling of a reference: upper case, letters and digits only, no leading zeros.

    Zeros are dropped at the start and after a prefix of letters (``INV-00123`` → ``INV123``), not
    elsewhere: ``10-05`` must stay another number than ``105``.
    """
    joined = "".join(_WORD.findall(_folded(text)))
    return _LEADING_ZEROS.sub(r"\1", joined)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).upper()


@dataclass(frozen=True, slots=True)
class Word:
    """A maximal run of letters and digits. ``joins_next``: the next word may continue it."""

    text: str
    joins_next: bool


def words_of(text: str) -> list[Word]:
    """The words of a remittance text, in order."""
    folded = _folded(text)
    found = list(_WORD.finditer(folded))
    words = []
    for place, here in enumerate(found):
        is_last = place + 1 == len(found)
        between = "" if is_last else folded[here.end() : found[place + 1].start()]
        words.append(Word(here.group(), not is_last and _LIST_SEPARATOR.search(between) is None))
    return words


def spans_of(
    words: Sequence[Word], *, joined_words_max: int, digits_min: int
) -> Iterable[tuple[int, int, str]]:
    """Every stretch of a text that may be one reference: (first word, end, normalised).

    Single words, up to ``joined_words_max`` neighbours joined, and the digits of a word that mixes
    letters and digits (``INV1930659387``) when they are at least ``digits_min`` long. Digits are
    taken in maximal runs only.
    """
    for start in range(len(words)):
        joined = ""
        for end in range(start, min(start + joined_words_max, len(words))):
            joined += words[end].text
            yield start, end + 1, _LEADING_ZEROS.sub(r"\1", joined)
            if not words[end].joins_next:
                break
        word = words[start].text
        if not word.isdigit():
            for run in _DIGITS.findall(word):
                if len(run) >= digits_min:
                    yield start, start + 1, _LEADING_ZEROS.sub(r"\1", run)


@dataclass(frozen=True, slots=True)
class Mention:
    """One reference found in a text and the positions of the items that carry it."""

    reference: str
    items: tuple[int, ...]


class ReferenceIndex:
    """Normalised reference → positions of the items that carry it."""

    def __init__(self, references: Iterable[tuple[int, str]], *, length_min: int) -> None:
        """Index pairs of item position and reference; short or digitless ones are left out."""
        found: dict[str, dict[int, None]] = {}
        for position, reference in references:
            key = normalise(reference)
            if len(key) >= length_min and any(c.isdigit() for c in key):
                found.setdefault(key, {})[position] = None
        self._positions: Mapping[str, tuple[int, ...]] = {
            key: tuple(positions) for key, positions in found.items()
        }

    def get(self, reference: str) -> tuple[int, ...]:
        """Positions of the items that carry a normalised reference; empty when none does."""
        return self._positions.get(reference, ())

    def mentions(
        self, words: Sequence[Word], *, joined_words_max: int, digits_min: int
    ) -> tuple[list[Mention], bool]:
        """The references a text names, and whether two readings of the same words collide.

        Of two overlapping readings that lead to the same items one is kept; readings that lead to
        different items are all kept and reported, so that nobody chooses silently.
        """
        hits = []
        spans = spans_of(words, joined_words_max=joined_words_max, digits_min=digits_min)
        for start, end, key in spans:
            positions = self.get(key)
            if positions:
                hits.append((start, end, Mention(key, positions)))
        kept: dict[tuple[int, ...], Mention] = {}
        collides = False
        for place, (start, end, mention) in enumerate(hits):
            for other_start, other_end, other in hits[:place]:
                overlaps = start < other_end and other_start < end
                collides |= overlaps and set(other.items) != set(mention.items)
            kept.setdefault(mention.items, mention)
        return list(kept.values()), collides
