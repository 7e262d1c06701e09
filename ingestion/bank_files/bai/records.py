"""A BAI2 file as records: continuations joined, one record at a time.

The standard ends a record with ``/`` and continues it with 88. Files in use also put several
records on one physical line, leave the slash out, write slashes inside references, and wrap a text
over a line without an 88. So a record begins where a line begins, or where a slash and a blank are
followed, with a record code and a comma; any other line belongs to the record before it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Record", "records"]

_CODES = "01|02|03|16|49|88|98|99"
_BEGINS = re.compile(rf"^\s*({_CODES}),")
_BREAK = re.compile(rf"/\s+(?=(?:{_CODES}),)")
#: Joins a record and its continuation: a field boundary, and inside a text no more than a blank.
CONTINUED = ",\n"


@dataclass(frozen=True, slots=True)
class Record:
    """A record with its continuations. ``physical`` counts the records that 49/98/99 count."""

    code: str
    body: str
    physical: int

    def fields(self, count: int = -1) -> list[str]:
        """Fields behind the code; the last of ``count`` fields keeps its commas."""
        parts = self.body.split(",", count - 1) if count > 0 else self.body.split(",")
        return [part.strip() for part in parts]


def records(lines: Iterator[str]) -> Iterator[Record]:
    """Logical records, 88 joined to what they continue."""
    code, pieces = "", [""]
    for raw in _physical(lines):
        if raw[:2] == "88" and code:
            pieces.append(raw[3:])
            continue
        if code:
            yield _record(code, pieces)
        code, pieces = raw[:2], [raw[3:]]
    if code:
        yield _record(code, pieces)


def _record(code: str, pieces: list[str]) -> Record:
    return Record(code, CONTINUED.join(_ended(one) for one in pieces), len(pieces))


def _ended(piece: str) -> str:
    """A piece without its end mark."""
    bare = piece.rstrip()
    return bare[:-1] if bare.endswith("/") else piece.rstrip("\r\n")


def _physical(lines: Iterator[str]) -> Iterator[str]:
    """Physical records: long lines cut apart, wrapped lines put together."""
    waiting = ""
    for line in lines:
        for number, part in enumerate(_BREAK.split(line)):
            if number or _BEGINS.match(part):
                if waiting:
                    yield waiting
                waiting = part.strip()
            elif waiting and part.strip():
                waiting = f"{waiting} {part.strip()}"
    if waiting:
        yield waiting
