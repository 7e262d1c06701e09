"""Document references: one spelling, and the words of a remittance text that may be one.

A reference is the number a payer quotes (invoice, order, delivery). Texts spell it with other case,
blanks, separators and leading zeros; these four are undone here. Every further repair (a tail, a
mistyped digit) needs the amount as its proof and is made elsewhere. Nothing here knows an item.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = [
    "Word",
    "digits_in",
    "fold",
    "joined_spans",
    "normalise",
    "spellings",
    "unconfused",
    "without_zeros",
    "words_of",
]

_WORD = re.compile(r"[0-9A-Z]+")
#: Between two words that may be pieces of one reference; a comma or semicolon starts another.
_LIST_SEPARATOR = re.compile(r"[,;|+&\n]")
_LEADING_ZEROS = re.compile(r"^([A-Z]*)0+(?=[0-9])")
_DIGITS = re.compile(r"[0-9]+")
#: Letters that a scanner or a hand takes for digits.
_CONFUSED = str.maketrans("OQDILZSGB", "000112568")
#: Dates and amounts are numbers too; where they are written as such they name no document.
_FIGURES = re.compile(
    r"""(?<![0-9A-Z])(?:
        [0-3]?[0-9][./-][0-1]?[0-9][./-](?:19|20)?[0-9]{2}
      | (?:19|20)[0-9]{2}[./-][0-1][0-9][./-][0-3][0-9]
      | (?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])
      | [0-9]{1,3}(?:[.,'][0-9]{3})+(?:[.,][0-9]{2})?
      | [0-9]+[.,][0-9]{2}
    )(?![0-9A-Z]|[.,/-][0-9])""",
    re.VERBOSE,
)


def fold(text: str) -> str:
    """Upper case, one width, no accents: ``№ fünf`` reads ``NO FUNF``."""
    if text.isascii():
        return text.upper()
    decomposed = unicodedata.normalize("NFKD", text).upper()
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def normalise(text: str) -> str:
    """One spelling of a reference: upper case, letters and digits only, no leading zeros.

    Zeros are dropped at the start and after a prefix of letters (``INV-00123`` → ``INV123``), not
    elsewhere: ``10-05`` must stay another number than ``105``.
    """
    return without_zeros("".join(_WORD.findall(fold(text))))


def without_zeros(word: str) -> str:
    """Leading zeros out, also those after a prefix of letters."""
    return _LEADING_ZEROS.sub(r"\1", word) if "0" in word else word


def digits_in(word: str, length_min: int) -> list[str]:
    """Maximal runs of digits of at least a length, without their leading zeros."""
    return [run.lstrip("0") for run in _DIGITS.findall(word) if len(run) >= length_min]


def unconfused(word: str) -> str:
    """A word with the letters that look like digits read as digits; empty when others remain."""
    read = word.translate(_CONFUSED)
    return read if read.isdigit() else ""


def spellings(word: str, digits_min: int) -> list[str]:
    """How a word may spell a reference: whole, its digits beside letters, letters like digits."""
    found = [without_zeros(word)]
    if not word.isdigit():
        found += digits_in(word, digits_min)
        read = unconfused(word)
        if len(read) >= digits_min:
            found.append(read.lstrip("0"))
    return found


@dataclass(frozen=True, slots=True)
class Word:
    """A maximal run of letters and digits.

    Attributes:
        text: the folded word.
        joins_next: the next word may continue it.
        is_figure: it is written as (a part of) a date or an amount.
        is_last: nothing follows it in the text.
    """

    text: str
    joins_next: bool
    is_figure: bool
    is_last: bool


def words_of(text: str) -> list[Word]:
    """The words of a remittance text, in order."""
    folded = fold(text)
    figures = [match.span() for match in _FIGURES.finditer(folded)]
    found = list(_WORD.finditer(folded))
    words = []
    for place, here in enumerate(found):
        is_last = place + 1 == len(found)
        between = "" if is_last else folded[here.end() : found[place + 1].start()]
        joins = not is_last and len(between) <= 3 and _LIST_SEPARATOR.search(between) is None
        is_figure = any(start <= here.start() and here.end() <= end for start, end in figures)
        is_end = is_last and here.end() == len(folded)
        words.append(Word(here.group(), joins, is_figure, is_end))
    return words


def joined_spans(words: Sequence[Word], words_max: int) -> Iterator[tuple[int, int, str]]:
    """Two and more neighbours that may be pieces of one reference: (first, end, normalised)."""
    for start in range(len(words)):
        joined = words[start].text
        for end in range(start + 1, min(start + words_max, len(words))):
            if not words[end - 1].joins_next:
                break
            joined += words[end].text
            yield start, end + 1, without_zeros(joined)
