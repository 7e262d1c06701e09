"""Remittance advices as an Excel workbook: the first sheet that has their headings.

Read with openpyxl row by row. Headings may stand below a title. A workbook that unpacks to far
more than any advice is refused unread.
"""

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from ingestion.bank_files.statements import Content, StatementKind
from ingestion.bank_files.tabular.advices import columns_of, read_rows
from ingestion.common.errors import InputRefused

__all__ = ["KIND", "NAME", "parse", "recognises"]

NAME = "remittance XLSX"
KIND = StatementKind.NOTICE
_UNPACKED_BYTES_MAX = 200_000_000
_HEADING_ROWS_MAX = 20


def recognises(head: bytes) -> bool:
    """True for a zip archive, which every workbook is."""
    return head.startswith(b"PK\x03\x04")


def parse(path: Path, where: str) -> Content:
    """Every payment of a workbook.

    Raises:
        InputRefused: no workbook, too large, no sheet with headings of an advice, a value is none.
    """
    _check_archive(path, where)
    from openpyxl import load_workbook  # 0.3 s of CPU, rarely needed
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        workbook = load_workbook(path, read_only=True, data_only=True)
    except (InvalidFileException, KeyError, ValueError, OSError) as error:
        raise _refused(where, "truncated", f"it is no readable workbook ({error})") from error
    try:
        for sheet in workbook.worksheets:
            rows = enumerate(sheet.iter_rows(values_only=True), 1)
            columns = _headings(rows)
            if columns:
                return read_rows(rows, columns, where)
    finally:
        workbook.close()
    raise _refused(where, "unknown_format", "no sheet has the headings of a remittance advice")


def _headings(rows: Iterator[tuple[int, Sequence[object]]]) -> dict[str, int]:
    """Columns of the first heading row; the rows behind it stay in the iterator."""
    for number, cells in rows:
        columns = columns_of(cells)
        if columns or number >= _HEADING_ROWS_MAX:
            return columns
    return {}


def _check_archive(path: Path, where: str) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(one.file_size for one in archive.infolist())
    except zipfile.BadZipFile as error:
        raise _refused(where, "truncated", f"the archive is damaged ({error})") from error
    if size > _UNPACKED_BYTES_MAX:
        raise _refused(where, "file_too_large", f"it unpacks to {size} bytes")


def _refused(where: str, code: str, what: str) -> InputRefused:
    return InputRefused(
        f"{where}: {what}: ask the payer for a corrected advice", code=code, where=where
    )
