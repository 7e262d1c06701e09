"""All that the system remembers: books, sets, messages, waiting clearings; to disk and back.

Sign-ins (tokens, sessions) are not part of it: a restart ends them, as it does at the vendor.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from sandbox.core.ledger import (
    Account,
    Company,
    Header,
    Journal,
    JournalKey,
    Ledger,
    Line,
)
from sandbox.core.periods import PostingPeriods
from sandbox.sap_s4hana.memory import collector_held
from sandbox.sap_s4hana.odata.model import EdmKind
from sandbox.sap_s4hana.odata.service import Service
from sandbox.sap_s4hana.odata.tables import Row, Table, UndoLog
from sandbox.sap_s4hana.services.catalogue import services
from sandbox.sap_s4hana.settings import SapSettings

__all__ = ["Posted", "SapState", "WaitingClearing", "document_text"]

_VERSION = 1


def document_text(key: JournalKey) -> str:
    """A document as tests read it: company/year/number."""
    return f"{key[0]}/{key[1]}/{key[2]}"


@dataclass(frozen=True, slots=True)
class Posted:
    """What a message or entry id led to; ``document`` is None for a refused one."""

    document: JournalKey | None


@dataclass(slots=True)
class WaitingClearing:
    """An accepted clearing message that has not been worked on. ``body`` is the request's XML."""

    body: str
    due_at: datetime
    reads_left: int


@dataclass(slots=True)
class _Effects:
    """Documents by what caused them, for tests (never read by the protocols)."""

    external_keys: dict[str, list[str]] = field(default_factory=dict)
    bank_references: dict[str, list[str]] = field(default_factory=dict)
    clearings: dict[str, list[str]] = field(default_factory=dict)
    orders: dict[str, list[str]] = field(default_factory=dict)
    reversals: dict[str, str] = field(default_factory=dict)


class SapState:
    """The whole state of one system.

    Args:
        settings: companies, accounts and switches; they are not saved with the state.
    """

    def __init__(self, settings: SapSettings) -> None:
        self.settings = settings
        self.services: dict[str, Service] = services(settings)
        self.undo = UndoLog()
        entities = [e for service in self.services.values() for e in service.entities]
        self.tables: dict[str, Table] = {e.name: Table(e, self.undo) for e in entities}
        self.ledger = _ledger(settings)
        self.numbers: dict[str, int] = {}
        self.messages: dict[str, Posted] = {}
        """Message and entry ids of journal entries that were worked on."""
        self.clearing_messages: set[str] = set()
        self.waiting: list[WaitingClearing] = []
        self.effects = _Effects()

    def table_at(self, address: str) -> Table:
        """The table of a set named ``SERVICE/Set`` in the settings."""
        return self.tables[address.partition("/")[2]]

    def next_number(self, name: str, first: int, digits: int = 10) -> str:
        """The next number of a range, with leading zeros."""
        number = self.numbers.get(name, first)
        self.numbers[name] = number + 1
        return str(number).zfill(digits)

    def note_order(self, order: str, verb: str) -> None:
        """Remember a release or rejection for tests; undone with its change set."""
        events = self.effects.orders.setdefault(order, [])
        events.append(verb)
        self.undo.add(lambda: events.remove(verb))

    # -- saving -----------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain JSON types, small: empty values are left out."""
        with collector_held():
            return self._snapshot()

    def _snapshot(self) -> dict[str, Any]:
        ledger = self.ledger
        return {
            "version": _VERSION,
            "tables": {name: _saved_rows(table) for name, table in self.tables.items()},
            "journals": [_saved_journal(journal) for journal in ledger.journals.values()],
            "open_from": {k: v.isoformat() for k, v in ledger.periods.open_from.items()},
            "numbers": self.numbers,
            "messages": {k: list(v.document or ()) for k, v in self.messages.items()},
            "clearing_messages": sorted(self.clearing_messages),
            "waiting": [[w.body, w.due_at.isoformat(), w.reads_left] for w in self.waiting],
            "effects": {name: getattr(self.effects, name) for name in _Effects.__slots__},
        }

    @classmethod
    def restored(cls, tree: Mapping[str, Any], settings: SapSettings) -> "SapState":
        """The state of a snapshot.

        Raises:
            ValueError: the snapshot is of another version of this sandbox.
        """
        if tree.get("version") != _VERSION:
            raise ValueError(f"saved state of version {tree.get('version')} cannot be read")
        state = cls(settings)
        with collector_held():
            state.fill(tree)
        return state

    def fill(self, tree: Mapping[str, Any]) -> None:
        """Take over a snapshot; only for a state that is still empty."""
        for name, rows in tree["tables"].items():
            if name in self.tables:
                _restore_rows(self.tables[name], rows)
        self.ledger.restore(_restored_journal(saved) for saved in tree["journals"])
        self.ledger.periods.open_from.update(
            {k: date.fromisoformat(v) for k, v in tree["open_from"].items()}
        )
        self.numbers = dict(tree["numbers"])
        self.messages = {
            k: Posted((v[0], v[1], v[2]) if v else None) for k, v in tree["messages"].items()
        }
        self.clearing_messages = set(tree["clearing_messages"])
        self.waiting = [
            WaitingClearing(body, datetime.fromisoformat(due_at), reads)
            for body, due_at, reads in tree["waiting"]
        ]
        self.effects = _Effects(**tree["effects"])


def _ledger(settings: SapSettings) -> Ledger:
    open_items = {settings.ar_gl_account, *settings.open_item_gl_accounts}
    periods = PostingPeriods()
    for code, company in settings.companies.items():
        if company.open_from is not None:
            periods.open_company_from(code, company.open_from)
    return Ledger(
        (Company(code, c.currency_code) for code, c in settings.companies.items()),
        (
            Account(
                number,
                name,
                is_open_item_managed=number in open_items,
                is_reconciliation=number == settings.ar_gl_account,
            )
            for number, name in settings.gl_accounts.items()
        ),
        periods=periods,
        rates=dict(settings.rates),
        difference_account=settings.difference_gl_account,
    )


_AS_TEXT = {
    EdmKind.DATE: date.isoformat,
    EdmKind.INSTANT: datetime.isoformat,
    EdmKind.TIME: time.isoformat,
    EdmKind.DECIMAL: str,
}
_FROM_TEXT = {
    EdmKind.DATE: date.fromisoformat,
    EdmKind.INSTANT: datetime.fromisoformat,
    EdmKind.TIME: time.fromisoformat,
    EdmKind.DECIMAL: Decimal,
}


def _saved_rows(table: Table) -> list[list[Any]]:
    """Each row as its revision, then name positions and values of what is not empty."""
    kinds = [p.kind for p in table.type.properties]
    empty = table.type.empty
    rows = []
    for row in table.rows.values():
        saved: list[Any] = [row.revision]
        for position, value in enumerate(row.values):
            if value != empty[position] and value is not None:
                as_text: Any = _AS_TEXT.get(kinds[position])
                saved += (position, as_text(value) if as_text else value)
        rows.append(saved)
    return rows


def _restore_rows(table: Table, rows: Iterable[list[Any]]) -> None:
    kinds = [p.kind for p in table.type.properties]
    for saved in rows:
        values = table.type.empty.copy()
        for position, value in zip(saved[1::2], saved[2::2], strict=True):
            from_text: Any = _FROM_TEXT.get(kinds[position])
            values[position] = from_text(value) if from_text else value
        row = Row(table.type, values)
        row.revision = saved[0]
        table.insert_row(row)


def _key(parts: Any) -> JournalKey | None:
    return (parts[0], parts[1], parts[2]) if parts else None


def _saved_journal(journal: Journal) -> list[Any]:
    header = journal.header
    return [
        list(journal.key),
        [
            header.company_code,
            header.document_type,
            header.posting_date.isoformat(),
            header.document_date.isoformat(),
            header.currency_code,
            header.number_range,
        ],
        [
            [
                line.account,
                str(line.amount),
                line.party,
                str(line.amount_company),
                str(line.amount_open),
                str(line.amount_company_open),
                list(line.clearing or ()),
                line.clearing_date.isoformat() if line.clearing_date else "",
            ]
            for line in journal.lines
        ],
        [[list(item), str(a), str(c)] for item, a, c in journal.applications],
        list(journal.reverses or ()),
        list(journal.reversed_by or ()),
    ]


def _restored_journal(saved: list[Any]) -> Journal:
    key, head, lines, applications, reverses, reversed_by = saved
    header = Header(
        head[0],
        head[1],
        date.fromisoformat(head[2]),
        date.fromisoformat(head[3]),
        head[4],
        head[5],
    )
    found_key = _key(key)
    assert found_key is not None
    return Journal(
        found_key,
        header,
        [
            Line(
                account,
                Decimal(amount),
                party,
                Decimal(company),
                Decimal(is_open),
                Decimal(company_open),
                _key(clearing),
                date.fromisoformat(cleared) if cleared else None,
            )
            for account, amount, party, company, is_open, company_open, clearing, cleared in lines
        ],
        tuple(((i[0], i[1], i[2], i[3]), Decimal(a), Decimal(c)) for i, a, c in applications),
        _key(reverses),
        _key(reversed_by),
    )
