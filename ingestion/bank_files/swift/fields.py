"""A SWIFT text as messages, and a message as tagged fields, line by line.

Banks leave out the ``{1:…}`` envelope, wrap lines inside a field and mix encodings, so a field
runs until the next line that begins with ``:tag:``. It knows no field's meaning.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["TAG", "Field", "lines_of", "messages"]

#: The start of a field: ``:20:``, ``:60F:``, ``:NS:``.
TAG = re.compile(r"^:(\d{2}[A-Z]?|NS):")
_END = re.compile(r"^-(?:\}|\x03|X{3})?\s*(?:\{|$)")
_NO_FIELD = re.compile(r"^\{?\d:|^:940:")


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its tag and its lines, joined by newlines."""

    tag: str
    value: str


def lines_of(path: Path) -> Iterator[str]:
    """A file's lines: UTF-8 where that fits, else Windows-1252, else Latin-1."""
    with path.open("rb") as file:
        for raw in file:
            line = raw.rstrip(b"\r\n")
            for encoding in ("utf-8", "cp1252", "latin-1"):
                try:
                    yield line.decode(encoding)
                except UnicodeDecodeError:
                    continue
                break


def messages(lines: Iterator[str]) -> Iterator[list[Field]]:
    """Messages as lists of fields; a new ``:20:`` begins one even where no ``-`` ended the last."""
    fields: list[Field] = []
    value: list[str] | None = None
    tag = ""

    def close() -> None:
        nonlocal value
        if value is not None:
            fields.append(Field(tag, "\n".join(value).rstrip()))
        value = None

    for line in lines:
        found = TAG.match(line)
        if found:
            close()
            if found.group(1) == "20" and fields:
                yield fields
                fields = []
            tag, value = found.group(1), [line[found.end() :]]
        elif _END.match(line):
            close()
            if fields:
                yield fields
                fields = []
        elif value is not None and not _NO_FIELD.match(line):
            value.append(line)
    close()
    if fields:
        yield fields
