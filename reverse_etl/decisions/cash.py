"""Cash application: which open items does each receipt pay (domain §B1, DESIGN §5 and §9).

Pure: frames in, a frame out. What is not certain becomes a ranked proposal; every cent is
conserved; nothing is chosen silently. Who paid is ``payers``, what a text names ``references``, the
ordered stages ``matching``; here the receipts are walked in order (received date, then id), so that
an item is given once. Work per receipt depends on its words and its payer's items, never on the
ledger. It must not read a clock, a table or another module's state.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from reverse_etl.decisions.cash_frames import (
    DECISION_SCHEMA,
    Why,
    customer_numbers,
    decision_row,
    pairs_of,
    read_items,
    read_receipts,
)
from reverse_etl.decisions.cash_items import sifted
from reverse_etl.decisions.matching import (
    Evidence,
    Item,
    Match,
    Receipt,
    proposals,
    run_stages,
)
from reverse_etl.decisions.payers import Payer, PayerDirectory, identify_payer
from reverse_etl.decisions.references import (
    Mention,
    ReferenceIndex,
    Word,
    normalise,
    spans_of,
    words_of,
)
from reverse_etl.planning.policy import CashPolicy, Policy

__all__ = ["DECISION_SCHEMA", "decide_cash"]


def decide_cash(
    receipts: pl.DataFrame,
    open_items: pl.DataFrame,
    payers: pl.DataFrame | None,
    aliases: pl.DataFrame | None,
    policy: Policy,
    *,
    reserved: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Decide every receipt.

    Args:
        receipts: receipt_id, received_date, amount, currency_code, and where known payer_account,
            payer_name, text, system_id, company_code (of the bank account), known_customer_id (the
            customer the ERP shows for it).
        open_items: item_id, customer_id, amount_open, currency_code, references (``;`` between
            them), and where known customer_number, system_id, company_code, document_date,
            due_date, open_from, open_until.
        payers: payer_account, customer_id; an account may belong to several customers.
        aliases: payer_name, customer_id, as persons confirmed them.
        policy: thresholds.
        reserved: receipt_id, item_id of applications on their way to the ERP: such an item is
            nobody else's.

    Returns:
        ``DECISION_SCHEMA``: one row per decision and item. The rows of one receipt and rank sum to
        the receipt. ``auto`` = items applied; a known payer with nothing applied = ``proposal``,
        ``on_account`` at rank 1; ``unidentified`` = one ``on_account`` row without a customer.

    Raises:
        InputRefused: a column is missing (named, with the nearest one), money arrived as a float,
            a date or an amount cannot be read.
    """
    ordered = sorted(read_receipts(receipts), key=lambda r: (r.received_date, r.receipt_id))
    ledger = _Ledger(_that_matter(open_items, ordered, policy.cash), policy.cash)
    directory = PayerDirectory(
        pairs_of(payers, "payer_account", "customer_id", "payers"),
        pairs_of(aliases, "payer_name", "customer_id", "aliases"),
        customer_numbers(open_items),
        number_length_min=policy.cash.customer_number_length_min,
    )
    held = pairs_of(reserved, "item_id", "receipt_id", "reserved")
    batch = _Batch(ledger, directory, policy.cash, dict(held))
    rows: list[dict[str, Any]] = []
    for receipt in ordered:
        rows.extend(batch.decide(receipt))
    return pl.DataFrame(rows, schema=DECISION_SCHEMA, orient="row")


def _that_matter(
    open_items: pl.DataFrame, receipts: Sequence[Receipt], policy: CashPolicy
) -> pl.DataFrame:
    """The open items that one of the receipts may name or equal."""
    keys = {
        key
        for receipt in receipts
        for _start, _end, key in spans_of(
            words_of(receipt.text),
            joined_words_max=policy.joined_words_max,
            digits_min=policy.payer_reference_length_min,
        )
    }
    return sifted(open_items, keys, (receipt.amount for receipt in receipts))


class _Ledger:
    """The open items with their indexes."""

    def __init__(self, frame: pl.DataFrame, policy: CashPolicy) -> None:
        self.items = items = list(read_items(frame))
        references = frame.get_column("references").cast(pl.String).to_list()
        spelled = (
            (position, reference)
            for position, listed in enumerate(references)
            for reference in (listed or "").split(";")
        )
        self.references = ReferenceIndex(spelled, length_min=policy.reference_length_min)
        self._equal: dict[tuple[str, str, Decimal], list[int]] = {}
        for position, item in enumerate(items):
            key = (item.customer_id, item.currency_code, item.amount_open)
            self._equal.setdefault(key, []).append(position)

    def equal(self, customer_id: str, currency_code: str, amount: Decimal) -> Sequence[int]:
        """Positions of a customer's items with just this amount."""
        return self._equal.get((customer_id, currency_code, amount), ())


@dataclass(frozen=True, slots=True)
class Reading:
    """A receipt's text, read once."""

    words: list[Word]
    mentions: list[Mention]
    collides: bool


class _Batch:
    """The walk over the receipts: which items are given, which receipts were seen."""

    def __init__(
        self,
        ledger: _Ledger,
        directory: PayerDirectory,
        policy: CashPolicy,
        reserved: dict[str, str],
    ) -> None:
        self._ledger = ledger
        self._directory = directory
        self._policy = policy
        self._taken_by = reserved
        self._seen: dict[tuple[str, ...], tuple[date, str]] = {}

    def decide(self, receipt: Receipt) -> Iterator[dict[str, Any]]:
        """All rows of one receipt."""
        reading = self._read(receipt)
        payer = identify_payer(
            known_customer_id=receipt.known_customer_id,
            account=receipt.payer_account,
            name=receipt.payer_name,
            numbered=self._directory.in_text(reading.words, self._policy.joined_words_max),
            mentions=[
                (mention, frozenset(self._ledger.items[place].customer_id for place in open_places))
                for mention in reading.mentions
                if (open_places := self._open(mention.items, receipt))
            ],
            directory=self._directory,
            reference_length_min=self._policy.payer_reference_length_min,
        )
        yield from self._rows(receipt, payer, reading)

    def _rows(self, receipt: Receipt, payer: Payer, reading: Reading) -> Iterator[dict[str, Any]]:
        """The rows of a receipt whose payer was looked for."""
        if not payer.customer_id:
            why = Why(_STAGE_OF_HOW[payer.how], payer.confidence, payer.reason)
            yield decision_row(receipt, "unidentified", 1, "", None, receipt.amount, why)
            return
        evidence = self._evidence(receipt, payer.customer_id, reading)
        answer = run_stages(evidence)
        if isinstance(answer, Match):
            why = Why(answer.stage, min(payer.confidence, answer.confidence), answer.reason)
            for item in answer.items:
                self._taken_by[item.item_id] = receipt.receipt_id
                yield decision_row(
                    receipt, "auto", 1, payer.customer_id, item, item.amount_open, why
                )
            return
        why = Why(answer.stage, payer.confidence, answer.reason)
        yield decision_row(receipt, "proposal", 1, payer.customer_id, None, receipt.amount, why)
        ranked = proposals(evidence, self._policy.proposals_max - 1)
        for rank, proposal in enumerate(ranked, start=2):
            yield from _proposal_rows(receipt, rank, payer, proposal)

    def _read(self, receipt: Receipt) -> Reading:
        words = words_of(receipt.text)
        mentions, collides = self._ledger.references.mentions(
            words,
            joined_words_max=self._policy.joined_words_max,
            digits_min=self._policy.payer_reference_length_min,
        )
        return Reading(words, mentions, collides)

    def _open(self, places: Iterable[int], receipt: Receipt) -> list[int]:
        return [p for p in places if self._ledger.items[p].is_open_on(receipt.received_date)]

    def _evidence(self, receipt: Receipt, customer_id: str, reading: Reading) -> Evidence:
        """What the stages see of one receipt of a certain payer."""
        named: dict[str, Item] = {}
        taken: dict[str, str] = {}
        foreign: list[str] = []
        for mention in reading.mentions:
            found = [self._ledger.items[p] for p in self._open(mention.items, receipt)]
            own = [item for item in found if item.customer_id == customer_id]
            if found and not own:
                foreign.append(mention.reference)
            for item in own:
                by = self._taken_by.get(item.item_id, receipt.receipt_id)
                if by == receipt.receipt_id:
                    named[item.item_id] = item
                else:
                    taken[item.item_id] = by
        places = self._ledger.equal(customer_id, receipt.currency_code, receipt.amount)
        equal = [
            self._ledger.items[p]
            for p in self._open(places, receipt)
            if self._ledger.items[p].item_id not in self._taken_by
        ]
        return Evidence(
            receipt=receipt,
            customer_id=customer_id,
            named=tuple(named.values()),
            taken=taken,
            foreign=foreign,
            is_ambiguous=reading.collides,
            duplicate_of=self._duplicate_of(receipt, customer_id),
            equal=equal,
        )

    def _duplicate_of(self, receipt: Receipt, customer_id: str) -> str:
        """The receipt of the same payer, amount and text within the window, if any."""
        spelled = normalise(receipt.text)
        if not spelled:
            return ""
        key = (customer_id, str(receipt.amount), receipt.currency_code, spelled)
        before = self._seen.get(key)
        if before is not None:
            window = timedelta(days=self._policy.duplicate_window_days)
            if receipt.received_date - before[0] <= window:
                return before[1]
        self._seen[key] = (receipt.received_date, receipt.receipt_id)
        return ""


_STAGE_OF_HOW = {"none": "unidentified", "conflict": "payer_conflict", "shared": "shared_account"}


def _proposal_rows(
    receipt: Receipt, rank: int, payer: Payer, proposal: Match
) -> Iterator[dict[str, Any]]:
    """Items of a proposal and, where they do not sum up, what is left or what is missing."""
    why = Why(proposal.stage, min(payer.confidence, proposal.confidence), proposal.reason)
    for item in proposal.items:
        yield decision_row(
            receipt, "proposal", rank, payer.customer_id, item, item.amount_open, why
        )
    rest = receipt.amount - sum(item.amount_open for item in proposal.items)
    if rest:
        kind = "on_account" if rest > 0 else "deduction"
        yield decision_row(receipt, "proposal", rank, payer.customer_id, None, rest, why, kind)
