"""What was read as rows of the raw tables, a chunk at a time. It must not decide anything."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from operator import attrgetter
from typing import Any

import pyarrow as pa

from ingestion.bank_files.identity import digest
from ingestion.bank_files.inbox import InboxFile
from ingestion.bank_files.notices import Part
from ingestion.bank_files.remittances import Remittance, RemittanceLine
from ingestion.bank_files.settings import CHUNK_ROWS
from ingestion.bank_files.statements import Entry, Statement
from ingestion.common.config import System
from ingestion.common.objects import LOADED_AT, SYSTEM_ID
from ingestion.common.spool import Spool

__all__ = [
    "add_rows",
    "entry_rows",
    "file_row",
    "part_line_rows",
    "part_rows",
    "receipt_line_rows",
    "remittance_rows",
    "statement_row",
]

_ENTRY_NAMES = tuple(name for name in Entry.__slots__ if name != "lines")
_ENTRY_VALUES = attrgetter(*_ENTRY_NAMES)

Row = dict[str, Any]


def add_rows(spool: Spool, rows: Iterable[Row], system: System, loaded_at: datetime) -> None:
    """Rows into a spool, a chunk at a time, so that only a chunk of dicts exists at once."""
    ours = {SYSTEM_ID: system.system_id, LOADED_AT: loaded_at.astimezone(UTC)}
    schema = spool.spec.arrow_schema()
    iterator = iter(rows)
    while chunk := [{**row, **ours} for row in islice(iterator, CHUNK_ROWS)]:
        spool.add(pa.Table.from_pylist(chunk, schema=schema))


def file_row(
    file: InboxFile, sha256: str, status: str, reason_code: str, reason: str, *, file_format: str
) -> Row:
    """The row of a file; counts are filled where it was accepted."""
    return {
        "file_sha256": sha256,
        "file_name": file.path.name,
        "bytes": file.bytes,
        "status": status,
        "reason_code": reason_code,
        "reason": reason,
        "statements": 0,
        "entries": 0,
        "remittances": 0,
        "format": file_format,
        "received_at": file.received_at,
    }


def statement_row(statement: Statement, sha256: str) -> Row:
    """The row of a statement, interim report or notice."""
    return {
        "statement_id": statement.statement_id,
        "vendor_id": statement.vendor_id,
        "account": statement.account,
        "currency_code": statement.currency_code,
        "sequence_number": statement.sequence_number,
        "opening_amount": statement.opening_amount,
        "closing_amount": statement.closing_amount,
        "opening_date": statement.opening_date,
        "closing_date": statement.closing_date,
        "created_at": statement.created_at,
        "file_sha256": sha256,
        "kind": statement.kind.value,
    }


def entry_rows(
    receipt_ids: Sequence[str], entries: Sequence[Entry], statement: Statement
) -> Iterator[Row]:
    """Rows of a statement's entries."""
    shared = {"statement_id": statement.statement_id, "account": statement.account}
    for receipt_id, entry in zip(receipt_ids, entries, strict=True):
        yield {"receipt_id": receipt_id, **shared, **_values(entry)}


def part_rows(parts: Iterable[Part]) -> Iterator[Row]:
    """Rows of notices' payments."""
    for part in parts:
        yield {
            "notice_id": part.notice_id,
            "statement_id": part.statement_id,
            "account": part.account,
            "file_sha256": part.file_sha256,
            "receipt_id": part.receipt_id,
            "is_settled": part.is_settled,
            **_values(part.entry),
        }


def _values(entry: Entry) -> Row:
    return dict(zip(_ENTRY_NAMES, _ENTRY_VALUES(entry), strict=True))


def receipt_line_rows(
    receipt_id: str, entry: Entry, statement: Statement, sha256: str
) -> Iterator[Row]:
    """Lines that a statement gives for one of its own entries."""
    return _entry_lines(receipt_id, receipt_id, entry, statement.statement_id, sha256)


def part_line_rows(part: Part) -> Iterator[Row]:
    """Lines of a notice's payment; the receipt where its booking was found."""
    receipt_id = part.receipt_id or None
    return _entry_lines(part.notice_id, receipt_id, part.entry, part.statement_id, part.file_sha256)


def _entry_lines(
    remittance_id: str, receipt_id: str | None, entry: Entry, statement_id: str, sha256: str
) -> Iterator[Row]:
    shared = {
        "receipt_id": receipt_id,
        "statement_id": statement_id,
        "remittance_id": remittance_id,
        "trace_reference": entry.end_to_end_id
        or entry.entry_reference
        or entry.account_servicer_reference,
        "payer_name": entry.payer_name,
        "payer_account": entry.payer_account,
        "payment_amount": entry.amount,
        "currency_code": entry.currency_code,
        "payment_date": entry.value_date,
        "file_sha256": sha256,
    }
    return _line_rows(entry.lines, shared)


def remittance_rows(remittance: Remittance, sha256: str) -> Iterator[Row]:
    """Lines of an advice that came by itself."""
    shared = {
        "receipt_id": None,
        "statement_id": "",
        "remittance_id": remittance.remittance_id,
        "trace_reference": remittance.trace_reference,
        "payer_name": remittance.payer_name,
        "payer_account": remittance.payer_account,
        "payment_amount": remittance.payment_amount,
        "currency_code": remittance.currency_code,
        "payment_date": remittance.payment_date,
        "file_sha256": sha256,
    }
    return _line_rows(remittance.lines, shared)


def _line_rows(lines: Sequence[RemittanceLine], shared: Mapping[str, Any]) -> Iterator[Row]:
    for position, line in enumerate(lines, 1):
        yield {
            **shared,
            "remittance_line_id": digest("line", shared["remittance_id"], str(position)),
            "position": position,
            "reference": line.reference,
            "reference_kind": line.reference_kind.value,
            "amount_paid": line.amount_paid,
            "amount_original": line.amount_original,
            "discount_amount": line.discount_amount,
            "adjustment_amount": line.adjustment_amount,
            "adjustment_code": line.adjustment_code,
            "adjustment_text": line.adjustment_text,
        }
