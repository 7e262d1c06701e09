"""Details that came apart from the booking: camt.054, lockbox files. Linked, never booked.

A notice's payments are kept until a statement books them. They are found by the account and the
bank's reference of the booking, or by the lockbox and its total. A booking that is stored already
keeps its identity: it is told more, and not split any more. It must not read files or tables.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from ingestion.bank_files.batches import enriched, parts_of, whole_of
from ingestion.bank_files.identity import Known, digest, has_reference, receipt_id_of
from ingestion.bank_files.statements import Entry, Statement, total_of

__all__ = ["Linked", "NoticeBook", "Part", "notice_id_of", "with_notices"]


@dataclass(slots=True)
class Part:
    """One payment of a notice. ``is_settled``: a statement's booking was found for it."""

    notice_id: str
    statement_id: str
    account: str
    file_sha256: str
    entry: Entry
    receipt_id: str = ""
    is_settled: bool = False

    def settle(self, receipt_id: str) -> None:
        """Its booking was found."""
        self.receipt_id, self.is_settled = receipt_id, True


@dataclass(frozen=True, slots=True)
class Linked:
    """A statement's entries with what notices know, and the parts behind each, by its place."""

    entries: tuple[Entry, ...]
    parts: Mapping[int, Sequence[Part]]


@dataclass(slots=True)
class NoticeBook:
    """Payments of notices that no booking was found for yet."""

    by_reference: dict[tuple[str, str], list[Part]] = field(default_factory=dict)
    by_lockbox: dict[str, dict[str, list[Part]]] = field(default_factory=dict)

    def add(self, parts: Iterable[Part]) -> None:
        """Remember payments of a notice."""
        for part in parts:
            reference = part.entry.whole_reference
            if has_reference(reference):
                key = (_plain(part.account), reference)
                self.by_reference.setdefault(key, []).append(part)
            if part.entry.virtual_account:
                boxes = self.by_lockbox.setdefault(_number(part.entry.virtual_account), {})
                boxes.setdefault(reference, []).append(part)

    def find(self, account: str, entry: Entry, amount: Decimal) -> list[Part]:
        """Payments of one booking: same account and reference, or same lockbox, and its amount."""
        if has_reference(entry.whole_reference):
            found = self._open(self.by_reference.get((_plain(account), entry.whole_reference), []))
            if found and total_of(one.entry for one in found) == amount:
                return found
        if entry.virtual_account:
            groups = [
                found
                for several in self.by_lockbox.get(_number(entry.virtual_account), {}).values()
                if (found := self._open(several)) and total_of(one.entry for one in found) == amount
            ]
            # Two deposits of one amount: which is which does not show.
            return groups[0] if len(groups) == 1 else []
        return []

    @staticmethod
    def _open(parts: Sequence[Part]) -> list[Part]:
        return [one for one in parts if not one.is_settled]


def notice_id_of(statement: Statement, entry: Entry) -> str:
    """Identity of a notice's payment."""
    return digest("notice", statement.statement_id, str(entry.position), str(entry.amount))


def with_notices(statement: Statement, book: NoticeBook, known: Mapping[str, Known]) -> Linked:
    """Entries of a statement, batch bookings split and payments told more by notices.

    Args:
        statement: a final statement.
        book: open notices.
        known: stored entries; a booking that is stored whole stays whole.
    """
    entries: list[Entry] = []
    parts: dict[int, Sequence[Part]] = {}
    for group in _bookings(statement.entries):
        found, behind = _linked(statement.account, group, book, known)
        for entry, several in zip(found, behind, strict=True):
            if several:
                parts[len(entries)] = several
            entries.append(entry)
    return Linked(tuple(entries), parts)


def _bookings(entries: Sequence[Entry]) -> Iterable[list[Entry]]:
    """Entries that are parts of one booking together, others alone."""
    group: list[Entry] = []
    for entry in entries:
        is_same = bool(group) and has_reference(entry.batch_reference)
        if group and not (is_same and group[-1].batch_reference == entry.batch_reference):
            yield group
            group = []
        group.append(entry)
    if group:
        yield group


def _linked(
    account: str, group: list[Entry], book: NoticeBook, known: Mapping[str, Known]
) -> tuple[list[Entry], list[list[Part]]]:
    total = total_of(group)
    found = book.find(account, group[0], total)
    stored = known.get(receipt_id_of(account, group[0].whole_reference))
    is_whole = stored is not None and stored.amount == total and len(group) > 1
    if is_whole:
        # It is stored as one receipt, which may be posted: parts now would book it twice.
        return [enriched(whole_of(group), _told(found))] if found else [whole_of(group)], [found]
    if not found:
        return group, [[] for _ in group]
    if len(group) == 1:
        whole = group[0]
        if len(found) == 1 or (stored is not None and stored.amount == total):
            return [enriched(whole, _told(found))], [found]
        split = parts_of(whole, [one.entry for one in found])
        return split, [[one] for one in found]
    return _side_by_side(group, found)


def _told(found: Sequence[Part]) -> Entry:
    return whole_of([one.entry for one in found])


def _side_by_side(group: list[Entry], found: list[Part]) -> tuple[list[Entry], list[list[Part]]]:
    """Parts that the statement has itself, each told more by the notice's payment that it is."""
    left = list(found)
    entries, behind = [], []
    for entry in group:
        same = [one for one in left if one.entry.amount == entry.amount]
        sure = [one for one in same if _is_same(one.entry, entry)] or (
            same if len(same) == 1 else []
        )
        if sure:
            left.remove(sure[0])
            entries.append(enriched(entry, replace(sure[0].entry, lines=())))
            behind.append([sure[0]])
        else:
            entries.append(entry)
            behind.append([])
    return entries, behind


def _is_same(one: Entry, other: Entry) -> bool:
    return one.account_servicer_reference == other.account_servicer_reference or (
        bool(one.end_to_end_id) and one.end_to_end_id == other.end_to_end_id
    )


def _plain(account: str) -> str:
    return "".join(one for one in account if one.isalnum()).upper()


def _number(lockbox: str) -> str:
    return _plain(lockbox).lstrip("0")
