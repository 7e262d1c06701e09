"""Cash application: which open items does each receipt pay (domain §B1, DESIGN §5 and §9).

Pure: frames in, a frame out. What is not certain becomes a ranked proposal; every cent is
conserved; nothing is chosen silently. Who paid is ``payers``, what a text names ``cash_text``, the
ordered stages ``matching_stages``; here the receipts are walked in order (received date, then id),
so that an item is given once. Work per receipt depends on its words and its payer's items, never on
the ledger. It must not read a clock, a table or another module's state.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from reverse_etl.decisions.cash_frames import (
    DECISION_SCHEMA,
    Why,
    customer_names,
    customer_numbers,
    match_rows,
    on_account_row,
    pairs_of,
    read_earlier,
    read_lines,
    read_receipts,
)
from reverse_etl.decisions.cash_guards import Seen
from reverse_etl.decisions.cash_habits import Habits
from reverse_etl.decisions.cash_items import sifted
from reverse_etl.decisions.cash_ledger import Ledger
from reverse_etl.decisions.cash_proof import proven_payer
from reverse_etl.decisions.cash_proposals import ranked
from reverse_etl.decisions.cash_settled import read_settled
from reverse_etl.decisions.cash_text import Reading, read_text
from reverse_etl.decisions.matching import Earlier, Match, Receipt, RemittanceLine, Stop, applied
from reverse_etl.decisions.matching_case import Case, make_case
from reverse_etl.decisions.matching_lines import by_lines
from reverse_etl.decisions.matching_stages import run_stages
from reverse_etl.decisions.payers import Payer, PayerDirectory, account_rows, identify_payer
from reverse_etl.planning.policy import CashPolicy, Policy

__all__ = ["DECISION_SCHEMA", "decide_cash"]

#: With fewer items per receipt most customers are concerned, and sifting costs more than it saves.
_SIFTED_ITEMS_PER_RECEIPT = 20
#: Similar names looked through for each suspect, and items of one amount looked at.
_NAMES_PER_SUSPECT = 5
_OWING_MAX = 50
#: So many customers who owe just the amount are worth a look although their names are not alike.
_OWING_SHOWN = 2
#: Confidence in what is suggested by a name or a text, and by nothing but the amount.
_BY_NAME, _BY_AMOUNT = 0.5, 0.3
#: Stages in which every item is named: from these a payer's habit is learned.
_LEARNED_STAGES = frozenset(
    {"exact_reference", "sum_of_references", "normalised_references", "discount", "fee"}
)
Progress = Callable[[int, int], None]
Row = dict[str, Any]


def decide_cash(
    receipts: pl.DataFrame,
    open_items: pl.DataFrame,
    payers: pl.DataFrame | None,
    aliases: pl.DataFrame | None,
    policy: Policy,
    *,
    reserved: pl.DataFrame | None = None,
    remittance_lines: pl.DataFrame | None = None,
    earlier: pl.DataFrame | None = None,
    settled: pl.DataFrame | None = None,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Decide every receipt.

    Args:
        receipts: receipt_id, received_date, amount, currency_code, and where known payer_account,
            payer_name, text, virtual_account, system_id, company_code (of the bank account),
            known_customer_id (the customer the ERP shows for it).
        open_items: item_id, customer_id, amount_open, currency_code, references (``;`` between
            them), and where known customer_number, customer_name, system_id, company_code,
            document_date, due_date, discount_percent, discount_date, open_from, open_until.
        payers: payer_account, customer_id, and where known valid_from, valid_to; an account may
            belong to several customers.
        aliases: payer_name, customer_id, as persons confirmed them.
        policy: thresholds.
        reserved: receipt_id, item_id of applications on their way to the ERP: such an item is
            nobody else's.
        remittance_lines: receipt_id, reference, amount_paid, and where known position,
            discount_amount, adjustment_amount, adjustment_code, adjustment_text.
        earlier: receipts of runs before this one: receipt_id, received_date, amount, currency_code,
            customer_id, text. With the items they closed among ``open_items`` (``open_until`` in
            the past) a second payment is seen in a later run too.
        settled: what customers paid before: customer_id, due_date, open_from, paid_on, known_on
            (the day on which the ledger knew it). Their habits are learned from it.
        progress: called with (receipts decided, receipts) from time to time.

    Returns:
        ``DECISION_SCHEMA``: one row per decision and item. The rows of one receipt and rank sum to
        the receipt. ``auto`` = items applied; a known payer with nothing applied = ``proposal``,
        ``on_account`` at rank 1, ranked sets of items after it; ``unidentified`` = one
        ``on_account`` row without a customer at rank 1; what a similar name suggests follows it as
        ``proposal`` from rank 2 and names nobody by itself.

    Raises:
        InputRefused: a column is missing (named, with the nearest one), money arrived as a float,
            a date or an amount cannot be read.
    """
    ordered = sorted(read_receipts(receipts), key=lambda r: (r.received_date, r.receipt_id))
    accounts = list(account_rows(payers))
    directory = PayerDirectory(
        accounts,
        pairs_of(aliases, "payer_name", "customer_id", "aliases"),
        customer_numbers(open_items),
        customer_names(open_items),
        number_length_min=policy.cash.customer_number_length_min,
    )
    if open_items.height > _SIFTED_ITEMS_PER_RECEIPT * len(ordered):
        open_items = sifted(open_items, ordered, directory, policy.cash)
    ledger = Ledger(open_items, policy.cash)
    habits = Habits(read_settled(settled, ledger))
    batch = _Batch(ledger, directory, policy.cash, read_lines(remittance_lines), habits)
    batch.reserve(dict(pairs_of(reserved, "item_id", "receipt_id", "reserved")))
    for one in read_earlier(earlier):
        batch.remember(one)
    found: dict[str, _Decided] = {}
    for number, receipt in enumerate(ordered, start=1):
        found[receipt.receipt_id] = batch.decide(receipt)
        if progress is not None and (number % 100 == 0 or number == len(ordered)):
            progress(number, len(ordered))
    _settle(ordered, batch, found)
    rows = [row for receipt in ordered for row in found[receipt.receipt_id].all_rows()]
    return pl.DataFrame(rows, schema=DECISION_SCHEMA, orient="row")


def _settle(ordered: Sequence[Receipt], batch: "_Batch", found: dict[str, "_Decided"]) -> None:
    """Decide what is left again, until nothing more follows from what was given meanwhile.

    Only now a payer's habit is asked: every payment that says itself what it pays has told by then.

    Items given to later receipts may leave one explanation of an earlier one. Without this the next
    run would find it, and a rerun on the same truth must find nothing.
    """
    batch.is_settling = True
    touched, batch.touched = batch.touched | batch.habitual(), set()
    while touched:
        for receipt in ordered:
            is_left = not found[receipt.receipt_id].is_automatic
            if is_left and batch.concerns(receipt.receipt_id, touched):
                found[receipt.receipt_id] = batch.decide(receipt)
        touched, batch.touched = batch.touched, set()


@dataclass(frozen=True, slots=True)
class _Decided:
    """What was decided about a receipt; ``proposals`` are made when nothing changes any more."""

    rows: list[Row]
    proposals: Callable[[], Iterator[Row]] = lambda: iter(())

    @property
    def is_automatic(self) -> bool:
        """Whether items were applied."""
        return bool(self.rows[0]["decision"] == "auto")

    def all_rows(self) -> Iterator[Row]:
        """The decision, then what may be looked at."""
        yield from self.rows
        yield from self.proposals()


class _Batch:
    """The walk over the receipts: which items are given, which receipts were seen."""

    def __init__(
        self,
        ledger: Ledger,
        directory: PayerDirectory,
        policy: CashPolicy,
        lines: Mapping[str, Sequence[RemittanceLine]],
        habits: Habits,
    ) -> None:
        self._lines = lines
        self._habits = habits
        self._ledger = ledger
        self._directory = directory
        self._policy = policy
        self._seen = Seen(policy)
        self._readings: dict[str, Reading] = {}
        self.is_settling = False
        self._reserved: dict[str, set[int]] = {}
        self._customers: dict[str, frozenset[str]] = {}
        self.touched: set[str] = set()

    def remember(self, one: Earlier) -> None:
        """A receipt that was applied before this run."""
        reading = read_text(one.text, self._ledger, self._directory.numbers, self._policy)
        self._seen.earlier(one, reading.keys)

    def concerns(self, receipt_id: str, customers: Collection[str]) -> bool:
        """Whether items of one of the customers could matter to a receipt."""
        return not self._customers[receipt_id].isdisjoint(customers)

    def habitual(self) -> set[str]:
        """Customers of the batch of whose payments before it something is known."""
        concerned = set().union(*self._customers.values()) if self._customers else set()
        return {customer for customer in concerned if self._habits.knows(customer)}

    def reserve(self, held: dict[str, str]) -> None:
        """Items that are on their way to the ERP for a receipt."""
        for place, item in enumerate(self._ledger.items):
            by = held.get(item.item_id)
            if by is not None:
                self._ledger.take([place], by)
                self._reserved.setdefault(by, set()).add(place)

    def decide(self, receipt: Receipt) -> _Decided:
        """What is applied of one receipt, or why nothing is."""
        self._ledger.release(self._reserved.get(receipt.receipt_id, ()))
        reading = self._reading(receipt)
        referenced = self._referenced(receipt, reading)
        payer = identify_payer(receipt, reading.customers, referenced, self._directory)
        if payer.how in {"none", "shared"} and not payer.customers and receipt.units > 0:
            accounts = self._directory.of_receipt(receipt)
            payer = proven_payer(receipt, reading, self._ledger, self._policy, accounts) or payer
        items = self._ledger.items
        self._customers[receipt.receipt_id] = payer.customers or frozenset(
            items[place].customer_id for token in reading.tokens for place in token.places
        )
        if not payer.customers:
            self._seen.unknown(receipt, reading.keys)
            return self._unknown(receipt, reading, payer)
        habits = self._habits if self.is_settling else None
        case = make_case(receipt, payer.customers, reading, self._ledger, self._policy, habits)
        answer = self._answer(case, payer)
        if isinstance(answer, Stop):
            answer = self._under_way(case) or answer
        if isinstance(answer, Match):
            positions = case.positions_of(answer.items)
            if answer.stage in _LEARNED_STAGES:
                self._habits.learn(case.customers, case.delays, positions)
            self._ledger.take(case.pool[positions].tolist(), receipt.receipt_id)
            self._seen.applied(receipt, answer)
            self.touched |= {item.customer_id for item in answer.items}
            customer = answer.items[0].customer_id
            return _Decided(
                list(match_rows(receipt, "auto", 1, customer, answer, payer.confidence))
            )
        for place in self._reserved.get(receipt.receipt_id, ()):
            self._ledger.take([place], receipt.receipt_id)
        why = Why(answer.stage, payer.confidence, f"{answer.reason} ({payer.reason})")
        decision = "proposal" if payer.customer_id else "unidentified"
        row = on_account_row(receipt, decision, 1, payer.customer_id, why)
        return _Decided([row], lambda: self._ranked(case, payer, answer))

    def _reading(self, receipt: Receipt) -> Reading:
        """What a text says: it does not change while items are given."""
        found = self._readings.get(receipt.receipt_id)
        if found is None:
            found = read_text(receipt.text, self._ledger, self._directory.numbers, self._policy)
            self._readings[receipt.receipt_id] = found
        return found

    def _referenced(self, receipt: Receipt, reading: Reading) -> frozenset[str]:
        """Customers of the open items that text or advice names, long enough to say who."""
        items, day = self._ledger.items, receipt.received_date
        named: dict[str, Sequence[int]] = {token.key: token.places for token in reading.tokens}
        named |= {key: self._ledger.by_key.get(key, ()) for key in self._advised(receipt)}
        return frozenset(
            items[place].customer_id
            for key, places in named.items()
            if len(key) >= self._policy.payer_reference_length_min
            for place in places
            if items[place].is_open_on(day) and not self._ledger.taken[place]
        )

    def _advised(self, receipt: Receipt) -> frozenset[str]:
        """What the lines of a remittance name, where together they are just the receipt."""
        lines = self._lines.get(receipt.receipt_id, ())
        is_whole = sum(line.paid for line in lines) == receipt.units
        return frozenset(line.key for line in lines) if is_whole else frozenset()

    def _answer(self, case: Case, payer: Payer) -> Match | Stop:
        receipt = case.receipt
        if receipt.units <= 0:
            return self._seen.reversal(receipt, payer.customers)
        answer = by_lines(case, self._lines.get(receipt.receipt_id, ()))
        if answer is None:
            case.is_by_name = payer.how == "alias"
            is_sure = payer.how in {"known", "account", "customer_number", "alias"}
            answer = run_stages(case, is_surely_known=is_sure)
        if isinstance(answer, Match) and payer.named:
            strange = {item.customer_id for item in answer.items} - payer.named
            if strange:
                answer = Stop("shared_account", "an item of a customer that the text does not name")
        repeated = self._seen.repeats(case, answer)
        return repeated or answer

    def _under_way(self, case: Case) -> Match | None:
        """What is on its way to the ERP for a receipt, where it still is just the receipt.

        It was decided with what was known then; until the ERP answers nothing else is decided.
        """
        held = sorted(self._reserved.get(case.receipt.receipt_id, ()))
        if not held or case.total(held) != case.receipt.units:
            return None
        if len(case.positions(held)) != len(held):
            return None
        return Match("under_way", applied(case.items(held)), 0.96, "on its way to the ERP already")

    def _ranked(self, case: Case, payer: Payer, stop: Stop) -> Iterator[Row]:
        found = list(stop.suggestions)
        if stop.may_suggest and case.receipt.units > 0:
            found += ranked(case, self._policy.proposals_max - 1)
        for rank, match in enumerate(found[: self._policy.proposals_max - 1], start=2):
            customer = payer.customer_id or match.items[0].customer_id
            yield from match_rows(case.receipt, "proposal", rank, customer, match, payer.confidence)

    def _unknown(self, receipt: Receipt, reading: Reading, payer: Payer) -> _Decided:
        """Nobody is certain: a similar name, or what the text names, may suggest."""
        stage = {"none": "unidentified", "conflict": "payer_conflict", "shared": "shared_account"}
        why = Why(stage[payer.how], payer.confidence, payer.reason)
        row = on_account_row(receipt, "unidentified", 1, "", why)
        return _Decided([row], lambda: self._suspected(receipt, reading))

    def _suspected(self, receipt: Receipt, reading: Reading) -> Iterator[Row]:
        """What is likeliest of the customers that are worth a look, each set once."""
        found: list[tuple[str, Match]] = []
        suspects = self._suspects(receipt, reading)
        if receipt.units > 0:
            for customer in list(suspects)[: self._policy.suspects_max]:
                case = make_case(
                    receipt,
                    frozenset({customer}),
                    reading,
                    self._ledger,
                    self._policy,
                    self._habits,
                )
                answer = run_stages(case, is_surely_known=False)
                matches = [answer] if isinstance(answer, Match) else []
                matches += ranked(case, 2)
                found += [(customer, match) for match in matches]
        found.sort(key=lambda pair: -pair[1].confidence)
        shown: set[frozenset[str]] = set()
        for customer, match in found:
            items = frozenset(item.item_id for item in match.items)
            if items in shown or len(shown) >= self._policy.proposals_max - 1:
                continue
            shown.add(items)
            rank, confidence = len(shown) + 1, suspects[customer]
            yield from match_rows(receipt, "proposal", rank, customer, match, confidence)

    def _suspects(self, receipt: Receipt, reading: Reading) -> dict[str, float]:
        """Customers worth a look, and how much: of account, text or similar name; of the amount."""
        found = dict.fromkeys(
            [
                *sorted(self._directory.by_account(receipt.payer_account, receipt.received_date)),
                *sorted(reading.customers),
                *sorted(self._referenced(receipt, reading)),
            ]
        )
        names = self._directory.by_name(
            receipt.payer_name,
            self._policy.name_score_min,
            _NAMES_PER_SUSPECT * self._policy.suspects_max,
        )
        # First those of a similar name who owe just this amount, else the few who owe it at all.
        alike, owing = [customer for customer, _score in names], self._owing(receipt)
        both = [customer for customer in alike if customer in owing]
        few = sorted(owing) if not both and len(owing) <= _OWING_SHOWN else []
        by_name = {*found, *alike}
        found.update(dict.fromkeys([*both, *few, *alike]))
        return {
            customer: _BY_NAME if customer in by_name else _BY_AMOUNT
            for customer in found
            if self._ledger.has_customer(customer)
        }

    def _owing(self, receipt: Receipt) -> frozenset[str]:
        """Customers with an open item of just this amount; nobody where they are many."""
        places = self._ledger.by_amount.get((receipt.units, receipt.currency_code), ())
        items, day = self._ledger.items, receipt.received_date
        return frozenset(
            items[place].customer_id
            for place in places[:_OWING_MAX]
            if items[place].is_open_on(day) and not self._ledger.taken[place]
        )
