"""Statements, interim reports and notices into rows: each movement once, whatever showed it.

A booking is a receipt when a final statement books it, or earlier when an interim report books it
under a reference. A notice only tells more. Money of a stored receipt never changes here.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from ingestion.bank_files.batches import ENRICHED_FIELDS, whole_of
from ingestion.bank_files.identity import has_reference, receipt_id_of, receipt_ids
from ingestion.bank_files.notices import Part, notice_id_of, with_notices
from ingestion.bank_files.rows import (
    add_rows,
    entry_rows,
    part_line_rows,
    part_rows,
    receipt_line_rows,
    statement_row,
)
from ingestion.bank_files.statements import Content, Entry, Statement, StatementKind, total_of
from ingestion.bank_files.stored import Stored, rows_of
from ingestion.bank_files.warnings import remittance_warnings, unconfirmed
from ingestion.common.config import System
from ingestion.common.errors import InputRefused
from ingestion.common.spool import Spool

__all__ = ["Taking"]


@dataclass(slots=True)
class Taking:
    """The rows of one read of the inbox, on their way into spools.

    ``parts`` are the notices' payments that are new or settled in this read; ``told`` the entries
    that notices say more about although they were stored before.
    """

    system: System
    warehouse_path: Path
    started_at: datetime
    stored: Stored
    spools: dict[str, Spool]
    parts: dict[str, Part] = field(default_factory=dict)
    told: dict[str, Entry] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    found: list[InputRefused] = field(default_factory=list)

    def take(self, statement: Statement, file_name: str, sha256: str) -> int:
        """One statement, report or notice; the number of entries that were taken of it."""
        self._add("statements", [statement_row(statement, sha256)])
        match statement.kind:
            case StatementKind.NOTICE:
                return self._take_notice(statement, sha256)
            case StatementKind.INTERIM:
                return self._take_interim(statement, sha256)
            case StatementKind.FINAL:
                return self._take_final(statement, file_name, sha256)

    def warnings_of(self, content: Content, file_name: str) -> Iterator[InputRefused]:
        """Warnings found while the statements of a file were taken, and about its remittances."""
        yield from self.found
        self.found.clear()
        yield from remittance_warnings(content, file_name)

    def finish(self) -> None:
        """What is known only when all files are read: notices, and entries they tell more about."""
        self._add("notices", part_rows(self.parts.values()))
        for part in self.parts.values():
            if part.entry.amount > 0:
                self._add("remittance_lines", part_line_rows(part))
        without_lines = [
            one for one in self.parts.values() if one.receipt_id and not one.entry.lines
        ]
        self._add("remittance_lines", self._stored_lines(without_lines))
        self._add("entries", self._changed_entries())

    def _take_final(self, statement: Statement, file_name: str, sha256: str) -> int:
        kept = replace(statement, entries=tuple(self._unbooked(statement)))
        linked = with_notices(kept, self.stored.book, self.stored.entries)
        kept = replace(kept, entries=linked.entries)
        ids = receipt_ids(kept, self.stored.entries, self.stored.interim)
        self._add_entries(kept, ids, sha256, linked.parts)
        self.stored.close_day(statement.account, statement.closing_date)
        left = self._left_open(statement)
        if left:
            self.found.append(unconfirmed(statement, left, file_name))
        return len(ids)

    def _take_interim(self, statement: Statement, sha256: str) -> int:
        """Only what is certain to be recognised again: booked, referenced, not a batch."""
        closed = self.stored.closed.get(statement.account, date.min)
        entries = tuple(
            one
            for one in self._unbooked(statement)
            if has_reference(one.account_servicer_reference)
            and one.booking_date > closed
            and (one.transactions <= 1)
        )
        kept = replace(statement, entries=entries)
        ids = receipt_ids(kept, self.stored.entries)
        fresh = [
            (receipt_id, entry)
            for receipt_id, entry in zip(ids, entries, strict=True)
            # What a statement booked stays the statement's.
            if receipt_id not in self.stored.entries or receipt_id in self.stored.interim
        ]
        kept = replace(kept, entries=tuple(entry for _, entry in fresh))
        self._add_entries(kept, [receipt_id for receipt_id, _ in fresh], sha256, {})
        return len(fresh)

    def _take_notice(self, statement: Statement, sha256: str) -> int:
        parts = [
            Part(
                notice_id_of(statement, one), statement.statement_id, statement.account, sha256, one
            )
            for one in statement.entries
        ]
        self.parts |= {one.notice_id: one for one in parts}
        for group in _groups(parts):
            self._settle_late(statement.account, group)
        self.stored.book.add(one for one in parts if not one.is_settled)
        return len(parts)

    def _settle_late(self, account: str, group: Sequence[Part]) -> None:
        """A notice whose booking is stored already: the receipt is told more, never split."""
        total = total_of(one.entry for one in group)
        first = group[0].entry
        whole = receipt_id_of(account, first.whole_reference)
        known = self.stored.entries.get(whole) if has_reference(first.whole_reference) else None
        if known is None and first.virtual_account:
            number = first.virtual_account.lstrip("0")
            whole = self.stored.lockboxes.get((number, total), "")
            known = self.stored.entries.get(whole)
        if known is not None and known.amount == total:
            self._tell(whole, whole_of([one.entry for one in group]), group)
            return
        for one in group:
            receipt_id = receipt_id_of(account, one.entry.account_servicer_reference)
            known = self.stored.entries.get(receipt_id)
            if known is not None and known.amount == one.entry.amount:
                self._tell(receipt_id, one.entry, [one])

    def _tell(self, receipt_id: str, entry: Entry, parts: Sequence[Part]) -> None:
        self.told[receipt_id] = entry
        for part in parts:
            part.settle(receipt_id)

    def _unbooked(self, statement: Statement) -> Iterator[Entry]:
        """Entries, without bookings that are stored already as their parts."""
        for entry in statement.entries:
            parts = self.stored.parts.get((statement.account, entry.account_servicer_reference))
            is_whole = not entry.batch_reference and parts is not None
            if is_whole and parts and sum(parts.values(), Decimal(0)) == entry.amount:
                if statement.kind is StatementKind.FINAL:
                    for receipt_id in parts:
                        if self.stored.interim.pop(receipt_id, None):
                            self.moved[receipt_id] = statement.statement_id
                continue
            yield entry

    def _add_entries(
        self,
        statement: Statement,
        ids: Sequence[str],
        sha256: str,
        parts: Mapping[int, Sequence[Part]],
    ) -> None:
        is_interim = statement.is_interim
        for place, (receipt_id, entry) in enumerate(zip(ids, statement.entries, strict=True)):
            self.stored.add_entry(receipt_id, statement.account, entry, is_interim=is_interim)
            behind = parts.get(place, ())
            for part in behind:
                part.settle(receipt_id)
                self.parts[part.notice_id] = part
            if entry.lines and entry.amount > 0 and not any(p.entry.lines for p in behind):
                rows = receipt_line_rows(receipt_id, entry, statement, sha256)
                self._add("remittance_lines", rows)
        self._add("entries", entry_rows(ids, statement.entries, statement))

    def _left_open(self, statement: Statement) -> int:
        """Interim movements that this statement should have shown."""
        if statement.closing_date is None:
            return 0
        return sum(
            one.account == statement.account and one.booking_date <= statement.closing_date
            for one in self.stored.interim.values()
        )

    def _stored_lines(self, parts: Sequence[Part]) -> Iterator[dict[str, Any]]:
        """Lines of notices that were stored in an earlier read, with the receipt now found."""
        receipts = {one.notice_id: one.receipt_id for one in parts}
        if not receipts:
            return
        for row in rows_of(
            self.warehouse_path, self.system, "remittance_lines", "remittance_id", list(receipts)
        ):
            yield {**row, "receipt_id": receipts[row["remittance_id"]]}

    def _changed_entries(self) -> Iterator[dict[str, Any]]:
        """Stored entries that a notice tells more about, or that a statement now confirms."""
        keys = {*self.told, *self.moved}
        if not keys:
            return
        for row in rows_of(self.warehouse_path, self.system, "entries", "receipt_id", keys):
            more = self.told.get(row["receipt_id"])
            if more is not None:
                row |= {n: getattr(more, n) for n in ENRICHED_FIELDS if not row[n]}
            row["statement_id"] = self.moved.get(row["receipt_id"], row["statement_id"])
            yield row

    def _add(self, name: str, rows: Iterable[dict[str, Any]]) -> None:
        add_rows(self.spools[name], rows, self.system, self.started_at)


def _groups(parts: Sequence[Part]) -> list[list[Part]]:
    """Payments of one booking together; one without any reference alone."""
    found: dict[str, list[Part]] = {}
    for number, part in enumerate(parts):
        reference = part.entry.whole_reference
        key = reference if has_reference(reference) else f"\x1f{number}"
        found.setdefault(key, []).append(part)
    return list(found.values())
