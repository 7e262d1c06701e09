"""Remittance advices as CSV: comma, semicolon, tab or bar; recognised by their headings."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from ingestion.bank_files.statements import Content, StatementKind
from ingestion.bank_files.swift.fields import lines_of
from ingestion.bank_files.tabular.advices import columns_of, read_rows
from ingestion.common.errors import InputRefused

__all__ = ["KIND", "NAME", "parse", "recognises"]

NAME = "remittance CSV"
KIND = StatementKind.NOTICE
_DELIMITERS = ",;\t|"


def recognises(head: bytes) -> bool:
    """True where the first line is text and holds the headings of an advice."""
    if b"\x00" in head:
        return False
    first = head.split(b"\n", 1)[0].decode("utf-8-sig", errors="replace").strip("\r")
    return bool(columns_of(_cells(first, _delimiter(first))))


def parse(path: Path, where: str) -> Content:
    """Every payment of a file.

    Raises:
        InputRefused: a value is none, a quote is not closed, or there is no row.
    """
    lines = lines_of(path)
    first = next(lines, "").lstrip("\ufeff")
    delimiter = _delimiter(first)
    columns = columns_of(_cells(first, delimiter))
    try:
        return read_rows(_rows(lines, delimiter), columns, where)
    except csv.Error as error:
        raise InputRefused(
            f"{where} is no well-formed CSV ({error}): ask the payer to send it again",
            code="bad_field",
            where=where,
        ) from error


def _rows(lines: Iterator[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter, strict=True)
    for row in reader:
        yield reader.line_num + 1, row


def _cells(line: str, delimiter: str) -> list[str]:
    return next(csv.reader(io.StringIO(line), delimiter=delimiter), [])


def _delimiter(line: str) -> str:
    return max(_DELIMITERS, key=line.count)
