"""Everything the account knows, and how it is saved: records, books, links, jobs, effects.

Rules do not stand here; ``books`` posts and ``records`` speaks. A snapshot is a plain tree.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sandbox.core.ledger import Account, Company, Header, Journal, JournalKey, Ledger, Line, LineKey
from sandbox.core.periods import PostingPeriods
from sandbox.netsuite.schema import TRANSACTION_TYPES
from sandbox.netsuite.settings import NetSuiteSettings

__all__ = ["Deleted", "Link", "NetSuiteState", "Record"]

_VERSION = 1
_HUB_PREFIX = "LLP-"


@dataclass(slots=True)
class Record:
    """One record. ``journals`` are what it posted; ``item`` its open item in the books."""

    kind: str
    id: str
    values: dict[str, Any]
    created_at: datetime
    changed_at: datetime
    journals: list[JournalKey] = field(default_factory=list)
    item: LineKey | None = None

    def ref(self, name: str) -> str:
        """A reference's internal id, or empty."""
        return str(self.values.get(name) or "")


@dataclass(slots=True)
class Link:
    """One credit (payment or credit memo) applied to one invoice, journal entry or refund.

    ``via`` is the record through whose sublist it came; ``clearing`` the journal that cleared.
    """

    credit: str
    invoice: str
    amount: Decimal
    discount: Decimal
    via: str
    clearing: JournalKey
    discount_journal: JournalKey | None
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Deleted:
    """A record that is gone: SuiteQL's ``deletedrecord``."""

    kind: str
    id: str
    name: str
    at: datetime


class NetSuiteState:
    """The account's data. ``dirty`` holds ids of transactions whose SuiteQL rows are stale."""

    def __init__(self, settings: NetSuiteSettings) -> None:
        self.settings = settings
        self.ledger = _ledger(settings)
        self.records: dict[str, dict[str, Record]] = {}
        self.by_external: dict[tuple[str, str], str] = {}
        self.kind_of: dict[str, str] = {}
        self.links: dict[tuple[str, str], Link] = {}
        self.deleted: list[Deleted] = []
        self.effects: dict[str, list[str]] = {}
        self.bank_references: dict[str, list[str]] = {}
        self.orders_released: dict[str, int] = {}
        self.numbers: dict[str, int] = {}
        self.dirty: set[str] = set()
        self.has_new_master_data = True
        self.currency_ids = {code: number for number, code in settings.currencies.items()}
        self.account_ids = {one.number: number for number, one in settings.accounts.items()}

    # -- records --------------------------------------------------------------------------------

    def of_kind(self, kind: str) -> dict[str, Record]:
        """Records of a type by internal id."""
        return self.records.setdefault(kind, {})

    def next_number(self, name: str, first: int) -> str:
        """The next number of a series."""
        number = self.numbers.get(name, first)
        self.numbers[name] = number + 1
        return str(number)

    def add(self, record: Record) -> None:
        """Keep a new record, its external id, and whose effect it is."""
        self.of_kind(record.kind)[record.id] = record
        self.kind_of[record.id] = record.kind
        external_id = record.values.get("externalId")
        if external_id:
            self.by_external[record.kind, external_id] = record.id
            key = external_id.removeprefix(_HUB_PREFIX)
            self.effects.setdefault(key, []).append(f"{record.kind}/{record.id}")
        self.touch(record)

    def touch(self, record: Record) -> None:
        """Its rows are to be shown anew."""
        if record.kind in TRANSACTION_TYPES:
            self.dirty.add(record.id)
        else:
            self.has_new_master_data = True

    def remove(self, record: Record, at: datetime) -> None:
        """Take a record out of sight; only ``deletedrecord`` remembers it."""
        del self.of_kind(record.kind)[record.id]
        del self.kind_of[record.id]
        external_id = record.values.get("externalId")
        if external_id:
            self.by_external.pop((record.kind, external_id), None)
        name = str(record.values.get("tranId") or record.values.get("entityId") or "")
        self.deleted.append(Deleted(record.kind, record.id, name, at))
        self.touch(record)
        self.has_new_master_data = True

    def currency_code(self, record: Record) -> str:
        """ISO code of a record's currency."""
        return self.settings.currencies[record.values["currency"]]

    def open_amount(self, record: Record) -> Decimal:
        """What is open of a transaction, without sign."""
        return abs(self.ledger.line(record.item).amount_open) if record.item else Decimal(0)

    # -- saving ---------------------------------------------------------------------------------

    def snapshot(self) -> Mapping[str, Any]:
        """All state, for ``sandbox.core.state``."""
        return {
            "version": _VERSION,
            "records": [
                [r.kind, r.id, r.values, r.created_at, r.changed_at, r.journals, r.item]
                for rows in self.records.values()
                for r in rows.values()
            ],
            "links": [
                [
                    k.credit,
                    k.invoice,
                    k.amount,
                    k.discount,
                    k.via,
                    k.clearing,
                    k.discount_journal,
                    k.made_at,
                ]
                for k in self.links.values()
            ],
            "deleted": [[d.kind, d.id, d.name, d.at] for d in self.deleted],
            "journals": [_saved_journal(journal) for journal in self.ledger.journals.values()],
            "open_from": dict(self.ledger.periods.open_from),
            "effects": self.effects,
            "bank_references": self.bank_references,
            "orders_released": self.orders_released,
            "numbers": self.numbers,
        }

    @classmethod
    def restored(cls, tree: Mapping[str, Any], settings: NetSuiteSettings) -> "NetSuiteState":
        """The state of a snapshot.

        Raises:
            ValueError: the snapshot is of another version of this sandbox.
        """
        if tree.get("version") != _VERSION:
            raise ValueError(f"saved state of version {tree.get('version')} cannot be read")
        state = cls(settings)
        state.ledger.restore(_restored_journal(saved) for saved in tree["journals"])
        state.ledger.periods.open_from.update(tree["open_from"])
        for kind, number, values, created_at, changed_at, journals, item in tree["records"]:
            keys = [_key(one) for one in journals]
            place = (item[0], item[1], item[2], item[3]) if item else None
            record = Record(kind, number, values, created_at, changed_at, keys, place)
            state.of_kind(kind)[number] = record
            state.kind_of[number] = kind
            if values.get("externalId"):
                state.by_external[kind, values["externalId"]] = number
            state.touch(record)
        for credit, invoice, amount, discount, via, clearing, journal, made_at in tree["links"]:
            state.links[credit, invoice] = Link(
                credit, invoice, amount, discount, via, _key(clearing),
                _key(journal) if journal else None, made_at,
            )  # fmt: skip
        state.deleted = [Deleted(*one) for one in tree["deleted"]]
        state.effects = dict(tree["effects"])
        state.bank_references = dict(tree["bank_references"])
        state.orders_released = dict(tree["orders_released"])
        state.numbers = dict(tree["numbers"])
        return state


def _ledger(settings: NetSuiteSettings) -> Ledger:
    periods = PostingPeriods()
    for code, subsidiary in settings.subsidiaries.items():
        if subsidiary.open_from is not None:
            periods.open_company_from(code, subsidiary.open_from)
    managed = {settings.ar_account, *settings.open_item_accounts}
    return Ledger(
        (Company(code, one.currency_code) for code, one in settings.subsidiaries.items()),
        (
            Account(
                one.number,
                one.name,
                is_open_item_managed=one.number in managed,
                is_reconciliation=one.number == settings.ar_account,
            )
            for one in settings.accounts.values()
        ),
        periods=periods,
        rates=dict(settings.rates),
        difference_account=settings.difference_account,
    )


def _key(parts: Any) -> JournalKey:
    return (parts[0], parts[1], parts[2])


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
    return Journal(
        _key(key),
        Header(*head),
        [
            Line(account, amount, party, company, is_open, open_company,
                 _key(clearing) if clearing else None, _day(cleared))
            for account, amount, party, company, is_open, open_company, clearing, cleared in lines
        ],
        tuple(((i[0], i[1], i[2], i[3]), amount, company) for i, amount, company in applications),
        _key(reverses) if reverses else None,
        _key(reversed_by) if reversed_by else None,
    )  # fmt: skip


def _day(value: date | None) -> date | None:
    return value
