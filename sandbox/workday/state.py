"""Everything the tenant knows, and how it is saved: records, books, applications, effects.

Rules do not stand here: ``books`` posts and applies, ``operations`` speaks. A snapshot is a plain
tree.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from sandbox.core.ledger import Account, Company, Header, Journal, JournalKey, Ledger, Line, LineKey
from sandbox.core.periods import PostingPeriods
from sandbox.workday.settings import WorkdaySettings

__all__ = ["ID_TYPES", "Applied", "Record", "WorkdayState"]

_VERSION = 1
_HUB_PREFIX = "LLP-"
#: Kind of record to the type of its reference id.
ID_TYPES = {
    "customer": "Customer_ID",
    "invoice": "Customer_Invoice_Reference_ID",
    "adjustment": "Customer_Invoice_Adjustment_Reference_ID",
    "payment": "Customer_Payment_for_Invoices_Reference_ID",
    "refund": "Customer_Refund_Reference_ID",
}


@dataclass(slots=True)
class Record:
    """One business object. ``values`` is its data as last put; ``item`` its open item, if any."""

    kind: str
    wid: str
    id: str
    values: dict[str, Any]
    entered_at: datetime
    item: LineKey | None = None
    journal: JournalKey | None = None
    is_canceled: bool = False


@dataclass(frozen=True, slots=True)
class Applied:
    """One part of a payment or adjustment that pays one invoice, or that a refund gives back."""

    id: str
    company_code: str
    credit: str
    invoice: str
    amount: Decimal
    amount_company: Decimal
    currency_code: str
    made_at: datetime
    key: str = ""
    """The hub's key in the remittance line that asked for it."""
    via: str = ""
    """The payment whose remittance asked for it; empty for an adjustment that applied itself."""


@dataclass(slots=True)
class Waiting:
    """A payment whose remittance is still to be applied."""

    payment: str
    due_at: datetime


@dataclass
class WorkdayState:
    """The tenant's data."""

    settings: WorkdaySettings
    records: dict[str, Record] = field(default_factory=dict)
    by_id: dict[tuple[str, str], str] = field(default_factory=dict)
    """Record by (id type, id), and static list entries' WIDs back to (id type, id)."""
    applied: list[Applied] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    effects: dict[str, list[str]] = field(default_factory=dict)
    bank_references: dict[str, list[str]] = field(default_factory=dict)
    serial: int = 0

    def __post_init__(self) -> None:
        self.ledger = _ledger(self.settings)
        companies = {code: one.name or code for code, one in self.settings.companies.items()}
        self.lists: dict[str, Mapping[str, str]] = {
            **self.settings.lists,
            "Company_Reference_ID": companies,
        }
        self.static_wids = {
            wid_of(f"{kind}/{one}"): (kind, one)
            for kind, names in self.lists.items()
            for one in names
        }

    def of_kind(self, kind: str) -> list[Record]:
        """Records of a kind in the order they were entered."""
        return [record for record in self.records.values() if record.kind == kind]

    def next_serial(self) -> int:
        """A number nothing else has."""
        self.serial += 1
        return self.serial

    def find(self, kind: str, reference: Mapping[str, str]) -> Record | None:
        """A record by WID or reference id."""
        if reference["type"] == "WID":
            record = self.records.get(reference["id"])
            return record if record and record.kind == kind else None
        wid = self.by_id.get((reference["type"], reference["id"]))
        record = self.records.get(wid) if wid else None
        return record if record and record.kind == kind else None

    def add(self, record: Record) -> None:
        """Keep a new record and whose effect it is."""
        self.records[record.wid] = record
        self.by_id[ID_TYPES[record.kind], record.id] = record.wid
        if record.id.startswith(_HUB_PREFIX):
            self.note_effect(record.id, f"{record.kind}/{record.wid}")

    def note_effect(self, reference_id: str, what: str) -> None:
        """Count an effect under the hub's key within a reference id."""
        key = reference_id.removeprefix(_HUB_PREFIX).partition("-")[0]
        self.effects.setdefault(key, []).append(what)

    def open_amount(self, record: Record) -> Decimal:
        """What is open of a record, without sign."""
        return abs(self.ledger.line(record.item).amount_open) if record.item else Decimal(0)

    # -- saving ---------------------------------------------------------------------------------

    def snapshot(self) -> Mapping[str, Any]:
        """All state, for ``sandbox.core.state``."""
        return {
            "version": _VERSION,
            "records": [
                [r.kind, r.wid, r.id, r.values, r.entered_at, r.item, r.journal, r.is_canceled]
                for r in self.records.values()
            ],
            "applied": [
                [a.id, a.company_code, a.credit, a.invoice, a.amount, a.amount_company,
                 a.currency_code, a.made_at, a.key, a.via]
                for a in self.applied
            ],
            "waiting": [[w.payment, w.due_at] for w in self.waiting],
            "journals": [_saved_journal(journal) for journal in self.ledger.journals.values()],
            "open_from": dict(self.ledger.periods.open_from),
            "effects": self.effects,
            "bank_references": self.bank_references,
            "serial": self.serial,
        }  # fmt: skip

    @classmethod
    def restored(cls, tree: Mapping[str, Any], settings: WorkdaySettings) -> "WorkdayState":
        """The state of a snapshot.

        Raises:
            ValueError: the snapshot is of another version of this sandbox.
        """
        if tree.get("version") != _VERSION:
            raise ValueError(f"saved state of version {tree.get('version')} cannot be read")
        state = cls(settings)
        state.ledger.restore(_restored_journal(saved) for saved in tree["journals"])
        state.ledger.periods.open_from.update(tree["open_from"])
        for kind, wid, name, values, entered_at, item, journal, is_canceled in tree["records"]:
            place = (item[0], item[1], item[2], item[3]) if item else None
            record = Record(kind, wid, name, values, entered_at, place, _key(journal), is_canceled)
            state.records[wid] = record
            state.by_id[ID_TYPES[kind], name] = wid
        state.applied = [Applied(*one) for one in tree["applied"]]
        state.waiting = [Waiting(*one) for one in tree["waiting"]]
        state.effects = dict(tree["effects"])
        state.bank_references = dict(tree["bank_references"])
        state.serial = tree["serial"]
        return state


def wid_of(text: str) -> str:
    """A Workday id: 32 hex characters, the same on every run."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _ledger(settings: WorkdaySettings) -> Ledger:
    periods = PostingPeriods()
    for code, company in settings.companies.items():
        if company.open_from is not None:
            periods.open_company_from(code, company.open_from)
    managed = {settings.ar_account, settings.unidentified_account}
    return Ledger(
        (Company(code, one.currency_code) for code, one in settings.companies.items()),
        (
            Account(
                number,
                name,
                is_open_item_managed=number in managed,
                is_reconciliation=number == settings.ar_account,
            )
            for number, name in settings.gl_accounts.items()
        ),
        periods=periods,
        rates=dict(settings.rates),
        difference_account=settings.difference_account,
    )


def _key(parts: Any) -> JournalKey | None:
    return (parts[0], parts[1], parts[2]) if parts else None


def _saved_journal(journal: Journal) -> list[Any]:
    head = journal.header
    return [
        journal.key,
        [head.company_code, head.document_type, head.posting_date, head.document_date,
         head.currency_code, head.number_range],
        [
            [one.account, one.amount, one.party, one.amount_company, one.amount_open,
             one.amount_company_open, one.clearing, one.clearing_date]
            for one in journal.lines
        ],
        [[item, amount, company] for item, amount, company in journal.applications],
        journal.reverses,
        journal.reversed_by,
    ]  # fmt: skip


def _restored_journal(saved: list[Any]) -> Journal:
    key, head, lines, applications, reverses, reversed_by = saved
    found = _key(key)
    assert found is not None
    return Journal(
        found,
        Header(*head),
        [
            Line(account, amount, party, company, is_open, open_company, _key(clearing), cleared)
            for account, amount, party, company, is_open, open_company, clearing, cleared in lines
        ],
        tuple(((i[0], i[1], i[2], i[3]), amount, company) for i, amount, company in applications),
        _key(reverses),
        _key(reversed_by),
    )
