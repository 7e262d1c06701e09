"""All that an environment remembers: books, sets, waiting journals, packages; to disk and back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sandbox.core.ledger import Account, Company, Header, Journal, JournalKey, Ledger, Line, LineKey
from sandbox.core.periods import PostingPeriods
from sandbox.dynamics365_finance.catalogue import catalogue
from sandbox.dynamics365_finance.odata.model import Kind
from sandbox.dynamics365_finance.odata.tables import VERSION, Table, UndoLog
from sandbox.dynamics365_finance.settings import D365Settings

__all__ = ["D365State", "Execution", "line_key"]

_VERSION = 1
_FIRST_RECORD = 68_719_476_736


@dataclass(slots=True)
class Execution:
    """One import of a package: its status is asked for by its id."""

    status: str
    due_at: datetime
    package: str
    company: str
    errors: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Effects:
    """What was made by which key of the outside; for tests only."""

    external_keys: dict[str, list[str]] = field(default_factory=dict)
    settlements: dict[str, list[str]] = field(default_factory=dict)
    orders: dict[str, list[str]] = field(default_factory=dict)


def line_key(parts: Any) -> LineKey:
    """A saved key as a tuple."""
    return (parts[0], parts[1], parts[2], parts[3])


class D365State:
    """The whole state of one environment. Settings are not saved with it."""

    def __init__(self, settings: D365Settings) -> None:
        self.settings = settings
        self.undo = UndoLog()
        self.tables = {name: Table(one, self.undo) for name, one in catalogue(settings).items()}
        self.ledger = _ledger(settings)
        self.numbers: dict[str, int] = {}
        self.item_of: dict[int, LineKey] = {}
        """The ledger's line behind a customer transaction or ledger entry, by record id."""
        self.waiting: dict[tuple[str, str, str], datetime] = {}
        """When a journal or invoice is posted: (set, company, number)."""
        self.blobs: dict[str, bytes] = {}
        self.executions: dict[str, Execution] = {}
        self.effects = _Effects()

    def next_number(self, name: str, first: int = 1) -> int:
        """The next number of a sequence."""
        number = self.numbers.get(name, first)
        self.numbers[name] = number + 1
        return number

    def next_record(self) -> int:
        """The next record id: one sequence for all tables, so every id is used once."""
        return self.next_number("RecId", _FIRST_RECORD)

    def wait(self, set_name: str, company: str, number: str, due_at: datetime) -> None:
        """Let a journal or invoice be posted later; undone with its change set."""
        place = (set_name, company, number)
        before = self.waiting.get(place)
        self.waiting[place] = due_at
        if before is None:
            self.undo.add(lambda: self.waiting.pop(place, None))

    # -- saving -----------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Everything in types that ``sandbox.core.state`` writes; empty values are left out."""
        return {
            "version": _VERSION,
            "tables": {name: _saved_rows(table) for name, table in self.tables.items()},
            "journals": [_saved_journal(one) for one in self.ledger.journals.values()],
            "open_from": dict(self.ledger.periods.open_from),
            "numbers": self.numbers,
            "item_of": [[record, *key] for record, key in self.item_of.items()],
            "waiting": [[*place, due_at] for place, due_at in self.waiting.items()],
            "effects": {name: getattr(self.effects, name) for name in _Effects.__slots__},
        }

    @classmethod
    def restored(cls, tree: Mapping[str, Any], settings: D365Settings) -> "D365State":
        """The state of a snapshot. Packages on their way are not saved.

        Raises:
            ValueError: the snapshot is of another version of this sandbox.
        """
        if tree.get("version") != _VERSION:
            raise ValueError(f"saved state of version {tree.get('version')} cannot be read")
        state = cls(settings)
        for name, rows in tree["tables"].items():
            if name in state.tables:
                for saved in rows:
                    row = state.tables[name].insert(dict(saved["row"]))
                    row[VERSION] = saved["version"]
        state.ledger.restore(_restored_journal(saved) for saved in tree["journals"])
        state.ledger.periods.open_from.update(tree["open_from"])
        state.numbers = dict(tree["numbers"])
        state.item_of = {saved[0]: line_key(saved[1:]) for saved in tree["item_of"]}
        state.waiting = {(w[0], w[1], w[2]): w[3] for w in tree["waiting"]}
        state.effects = _Effects(**tree["effects"])
        return state


def _ledger(settings: D365Settings) -> Ledger:
    periods = PostingPeriods()
    for code, company in settings.companies.items():
        if company.open_from is not None:
            periods.open_company_from(code, company.open_from)
    open_item_accounts = {settings.ar_account, settings.unidentified_account}
    return Ledger(
        (Company(code, one.currency_code) for code, one in settings.companies.items()),
        (
            Account(
                number,
                name,
                is_open_item_managed=number in open_item_accounts,
                is_reconciliation=number == settings.ar_account,
            )
            for number, name in settings.main_accounts.items()
        ),
        periods=periods,
        rates=dict(settings.rates),
        difference_account=settings.difference_account,
    )


def _saved_rows(table: Table) -> list[dict[str, Any]]:
    properties = table.entity.properties
    return [
        {
            "version": row[VERSION],
            "row": {
                name: row[name]
                for name, one in properties.items()
                if row[name] != one.empty or name in table.entity.keys or one.kind is Kind.ENUM
            },
        }
        for row in table.rows.values()
    ]


def _key(parts: Any) -> JournalKey | None:
    return (parts[0], parts[1], parts[2]) if parts else None


def _saved_journal(journal: Journal) -> dict[str, Any]:
    header = journal.header
    return {
        "key": list(journal.key),
        "header": [
            header.company_code, header.document_type, header.posting_date, header.document_date,
            header.currency_code, header.number_range,
        ],
        "lines": [
            [
                line.account, line.amount, line.party, line.amount_company, line.amount_open,
                line.amount_company_open, list(line.clearing or ()), line.clearing_date,
            ]
            for line in journal.lines
        ],
        "applications": [[list(item), a, c] for item, a, c in journal.applications],
        "reverses": list(journal.reverses or ()),
        "reversed_by": list(journal.reversed_by or ()),
    }  # fmt: skip


def _restored_journal(saved: Mapping[str, Any]) -> Journal:
    key = _key(saved["key"])
    assert key is not None
    applications: list[tuple[LineKey, Decimal, Decimal]] = [
        (line_key(item), amount, company) for item, amount, company in saved["applications"]
    ]
    lines = []
    for account, amount, party, company, is_open, company_open, clearing, at in saved["lines"]:
        cleared: date | None = at
        lines.append(
            Line(account, amount, party, company, is_open, company_open, _key(clearing), cleared)
        )
    return Journal(
        key,
        Header(*saved["header"]),
        lines,
        tuple(applications),
        _key(saved["reverses"]),
        _key(saved["reversed_by"]),
    )
