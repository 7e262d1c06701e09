"""What the shared contract suite asks of an ERP kind: one small adapter, ``benches/<kind>.py``.

An adapter is a class ``Bench`` that fits ``ErpBench``. It holds one running system of the kind (a
sandbox app called in this process, or a real server) with one customer and one company, and says
in the vendor's own words how to make and look at things there. All that can go wrong on the way
(throttling, lost answers, broken answers) the suite does itself, at the transport, so that a kind
without a sandbox is tested alike. Reading and writing always go through the product's own code:
``ingestion.<kind>.read`` and ``reverse_etl.<kind>.writer``.

Returned payments, refunds and debit memos (``test_effects.py``) are built by the suite itself from
the fields that ``governance.yml`` lists for the kind. An adapter offers for them:

- ``Shape.effect_writes``: per object the requests that write it, in order, so that the suite can
  lose the answer of each; ``Shape.effect_values``: fields that only this kind has, or has otherwise
  (``bank_gl_account``); ``Shape.uses_up_receipts``; ``Shape.missing_objects``;
- ``books()`` and ``unapplied_amount(receipt_id)``;
- ``open_amount(number)`` and ``items()`` that know a debit memo by its ``document_reference`` and
  what a returned payment opened again by the invoice's number, not only what ``post_invoice`` made;
- the receipt's document is taken from ``application(...)``: its payload's ``receipt_document`` or
  ``payment_document``. ``application`` is then also called without lines.
"""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import duckdb

from ingestion.common.config import System
from ingestion.common.transport import Response, Transport
from reverse_etl.delivery.writer import Sending

__all__ = [
    "CLOSED_DAY",
    "NOW",
    "TODAY",
    "Books",
    "ErpBench",
    "Shape",
    "Write",
    "bench_kinds",
    "make_bench",
]

#: The day on which every bench's clock stands; a bench opens the months from January 2026.
NOW = datetime(2026, 5, 22, 8, 0, tzinfo=UTC)
TODAY = date(2026, 5, 22)
#: A day in a month that every bench has closed.
CLOSED_DAY = date(2025, 11, 14)


@dataclass(frozen=True, slots=True)
class Write:
    """A request that writes: texts in its address and in its body, and its HTTP method."""

    path: str
    method: str = "POST"
    content: str = ""


@dataclass(frozen=True, slots=True)
class Books:
    """The books of the bench's company now, in its own currency (USD): debits positive.

    Attributes:
        bank: balance of the bank's G/L account that effects name.
        receivables: balance of the receivables account(s) in the general ledger.
        items: what is open of all items of customers, from the sub-ledger; equal by right.
        is_balanced: whether the debits of all journals equal their credits.
    """

    bank: Decimal
    receivables: Decimal
    items: Decimal
    is_balanced: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """What is natural for a kind; the suite asks for nothing that the vendor does not have.

    Attributes:
        item_objects: raw tables that ``items`` looks at; no others are read (all when empty).
        read_path: text that stands in the address of a page of items, and in no other request.
        write_path: text in the address of the request that makes a payment.
        write_method: its HTTP method.
        has_sessions: whether a session or token can end in the middle of a reading.
        has_etags: whether a changed row is refused by version. ``state_path`` and ``state_method``
            are then the request that changes a credit limit.
        applies_parts: whether a part of an invoice can be paid (else only whole items are cleared).
        has_deletes: whether ``remove_invoice`` takes the document out of the vendor's sight (else
            it is reversed and stays visible).
        currencies: in which the company can post; JPY and KWD among them where the vendor can.
        is_virtual: whether time may be virtual (nothing of it waits for a real socket).
        settle_seconds: how long an accepted write may take to be seen, in the bench's own time.
        effect_writes: the requests that write a returned payment, refund or debit memo, in order.
        effect_values: payload values of these objects that differ from the suite's own.
        uses_up_receipts: whether a refund or return closes its receipt itself (else a command of
            its own does).
        missing_objects: those of the three that the vendor does not have.
    """

    read_path: str
    write_path: str
    write_method: str = "POST"
    has_sessions: bool = True
    has_etags: bool = False
    state_path: str = ""
    state_method: str = "PATCH"
    applies_parts: bool = True
    has_deletes: bool = True
    currencies: tuple[str, ...] = ("USD", "JPY", "KWD")
    is_virtual: bool = True
    settle_seconds: float = 0.0
    item_objects: tuple[str, ...] = ()
    effect_writes: Mapping[str, tuple[Write, ...]] = field(default_factory=dict)
    effect_values: Mapping[str, Any] = field(default_factory=dict)
    uses_up_receipts: bool = True
    missing_objects: tuple[str, ...] = ()
    bad_answers: Mapping[str, Response] = field(default_factory=dict)
    """Answers of this vendor's protocol that are wrong in a way of their own, by a name; the suite
    adds HTML, half a page and a wrong content type."""


class ErpBench(Protocol):
    """One running system of a kind. Every coroutine acts as somebody beside the hub would."""

    kind: str
    shape: Shape
    customer: str
    """The customer's number as the hub calls it (``customer`` of the kind's feeds)."""
    company_code: str

    @property
    def system(self) -> System:
        """The connected system, with credentials; its id is ``<kind>_test``."""
        ...

    def transport(self) -> Transport:
        """A fresh transport to the running system (``AsgiTransport`` for a sandbox)."""
        ...

    async def start(self) -> None:
        """Make customer and company: once, before everything else."""
        ...

    async def stop(self) -> None:
        """Let go of whatever was started outside this process."""
        ...

    async def post_invoice(
        self, number: str, amount: Decimal, currency_code: str = "USD"
    ) -> dict[str, Any]:
        """Post an invoice on ``TODAY``; its line as ``int_clearings_wanted`` writes it: item_key,
        fiscal_year, document, item, amount (text)."""
        ...

    async def touch_invoice(self, number: str) -> None:
        """Change a field of an invoice that moves the kind's cursor (a memo, a text)."""
        ...

    async def remove_invoice(self, number: str) -> None:
        """Take an unpaid invoice away as the vendor does it: delete, or reverse."""
        ...

    async def end_sessions(self) -> None:
        """End every session and token now. Does nothing where there are none."""
        ...

    async def change_limit(self, amount: Decimal) -> None:
        """Change the customer's credit limit, as a person in the ERP would."""
        ...

    def throttled(self) -> Response:
        """The vendor's answer to too many requests. A Retry-After, if any, of 0 or 1 second."""
        ...

    def items(self, warehouse: duckdb.DuckDBPyConnection) -> dict[str, Decimal]:
        """Live invoices and debit memos by number, with their original amounts, from the kind's
        raw tables."""
        ...

    def payment(self, receipt_id: str, amount: str, **changes: Any) -> Sending:
        """A receipt of the customer to be posted in USD on ``TODAY``; ``changes`` go into the
        payload (``currency_code``, ``posting_date`` …)."""
        ...

    def application(
        self, receipt_id: str, lines: Sequence[Mapping[str, Any]], payment_native_id: str
    ) -> Sending:
        """Applying the posted payment to lines of ``post_invoice``, perhaps changed by the test."""
        ...

    def credit_limit(self, amount: str) -> Sending:
        """Setting the customer's limit (``limit_kind`` limited)."""
        ...

    def effects(self, sending: Sending) -> int:
        """How often the books hold this command's effect, by the key that travelled; asked of the
        books themselves (``ledger()``), never through the writer."""
        ...

    async def open_amount(self, number: str) -> Decimal:
        """What is open now of all that the customer calls by that number, asked of the books or
        through the vendor's protocol."""
        ...

    async def unapplied_amount(self, receipt_id: str) -> Decimal:
        """What is left of a receipt for cash application, without sign, in the books themselves."""
        ...

    async def books(self) -> Books:
        """The company's books, asked of the books themselves."""
        ...

    def move_clock(self, seconds: float) -> None:
        """Let the system's own clock go on."""
        ...


def bench_kinds() -> tuple[str, ...]:
    """Every kind with an adapter, found by looking."""
    folder = Path(__file__).parent / "benches"
    return tuple(sorted(p.stem for p in folder.glob("*.py") if p.stem != "__init__"))


def make_bench(kind: str) -> ErpBench:
    """The adapter of a kind. ``Bench()`` may skip the test, loudly, where its server is absent."""
    module = importlib.import_module(f"tests.contract.erp.benches.{kind}")
    made: ErpBench = module.Bench()
    return made
