"""One receipt of a certain payer, ready for the stages: what its text names among what is open.

Every reference of the text becomes one of: *named* (one open item carries it), a *choice* (several
may be meant, or it needs a repair that the amount must prove), *dead* (the item is not open any
more or not yet), *foreign* (another customer's), *lost* (nothing fits). Nothing is chosen here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from reverse_etl.decisions.cash_habits import Habit, Habits, working_day
from reverse_etl.decisions.cash_ledger import Ledger, Numbers, grouped
from reverse_etl.decisions.cash_text import Reading, Token
from reverse_etl.decisions.matching import Item, Line, Match, Receipt, minor_unit
from reverse_etl.decisions.matching_sums import coarseness
from reverse_etl.planning.policy import CashPolicy

__all__ = ["NEAR", "TAIL", "Case", "Choice", "make_case"]

#: How a choice is told whose reference is the end of a longer one, or a mistyped one.
TAIL = "its last digits"
NEAR = "one character off"

_SUBSETS_ITEMS_MAX = 5


@dataclass(frozen=True, slots=True)
class Choice:
    """A reference that may mean several sets of items; ``how`` says what was repaired."""

    token: Token
    options: tuple[tuple[int, ...], ...]
    how: str


@dataclass
class Case:
    """What the stages see of one receipt.

    Attributes:
        pool: positions of all open items of the payer in the receipt's currency, oldest due first.
        named: positions that the text names without any doubt, with the reference that did.
        habits: of every payer, as far as they are known.
        is_by_name: the payer is known by a confirmed name only.
        suggestions: what stages found and did not dare, for the proposals.
    """

    receipt: Receipt
    customers: frozenset[str]
    reading: Reading
    ledger: Ledger
    policy: CashPolicy
    pool: Numbers
    habits: Habits = field(default_factory=Habits)
    is_by_name: bool = False
    named: dict[int, Token] = field(default_factory=dict)
    choices: list[Choice] = field(default_factory=list)
    dead: list[Token] = field(default_factory=list)
    foreign: list[Token] = field(default_factory=list)
    other_currency: list[Token] = field(default_factory=list)
    lost: list[Token] = field(default_factory=list)
    suggestions: list[Match] = field(default_factory=list)

    @cached_property
    def units(self) -> Numbers:
        """Amounts of the pool."""
        units: Numbers = self.ledger.units[self.pool]
        return units

    @cached_property
    def by_units(self) -> dict[int, tuple[int, ...]]:
        """Positions of the pool by amount."""
        return grouped(zip(self.units.tolist(), self.pool.tolist(), strict=True))

    @cached_property
    def delays(self) -> Numbers:
        """Working days from the due date of each item of the pool to the receipt."""
        days: Numbers = working_day(self.receipt.received_date) - self.ledger.due_days[self.pool]
        return days

    @cached_property
    def habit(self) -> Habit:
        """How likely the payer is to pay each item of the pool now."""
        return self.habits.of(self.customers, self.delays, self.receipt.received_date)

    @property
    def has_habit(self) -> bool:
        """Whether the payer was seen often enough for its habit to say anything."""
        known = self.habits.payments(self.customers, self.receipt.received_date)
        return known >= self.policy.habit_payments_min

    @cached_property
    def _position_of_item(self) -> dict[str, int]:
        items = self.ledger.items
        return {items[place].item_id: n for n, place in enumerate(self.pool.tolist())}

    def positions_of(self, items: Iterable[Item]) -> list[int]:
        """Where items stand in the pool, in its order; those that are not in it are left out."""
        at = self._position_of_item
        return sorted(at[item.item_id] for item in items if item.item_id in at)

    def positions(self, places: Iterable[int]) -> list[int]:
        """Where items stand in the pool, in its order; those that are not in it are left out."""
        wanted = np.array(sorted(places), dtype=np.int64)
        at = np.searchsorted(self.pool, wanted)
        is_in = at < len(self.pool)
        is_in[is_in] = self.pool[at[is_in]] == wanted[is_in]
        found: list[int] = at[is_in].tolist()
        return found

    def outside(self, places: Iterable[int]) -> Numbers:
        """Where all the other items stand in the pool."""
        is_outside = np.ones(len(self.pool), dtype=bool)
        is_outside[self.positions(places)] = False
        return np.flatnonzero(is_outside)

    @cached_property
    def minor(self) -> int:
        """The smallest coin in units."""
        return minor_unit(self.receipt.currency_code)

    @cached_property
    def step(self) -> int:
        """In which steps this payer's amounts move."""
        return self.step_of(self.receipt.units)

    def step_of(self, amount: int) -> int:
        """In which steps this payer's amounts move, of which an amount is a multiple."""
        return coarseness(self.units, amount, self.minor)

    @cached_property
    def room(self) -> float:
        """How many amounts the receipt could have had."""
        return max(abs(self.receipt.units) / self.minor, 1.0)

    def item(self, place: int) -> Item:
        """The item at a position."""
        return self.ledger.items[place]

    def items(self, places: Sequence[int]) -> list[Item]:
        """Items in the order they are shown: oldest due first."""
        return [self.ledger.items[p] for p in sorted(places)]

    def total(self, places: Sequence[int]) -> int:
        """Sum of open amounts."""
        return sum(self.ledger.items[p].units for p in places)

    @property
    def is_fully_read(self) -> bool:
        """Every reference in the text names open items of this payer, and nothing is cut off."""
        return not (
            self.dead
            or self.foreign
            or self.lost
            or self.other_currency
            or self.reading.is_truncated
            or self.reading.has_loose_numbers
        )

    def suggest(
        self, stage: str, places: Sequence[int], rest_kind: str, confidence: float, reason: str
    ) -> None:
        """Remember a set for the proposals; what it leaves of the receipt gets ``rest_kind``."""
        lines = [Line(item, "apply", item.units) for item in self.items(places)]
        rest = self.receipt.units - sum(line.units for line in lines)
        if rest:
            kind = rest_kind if rest < 0 else "on_account"
            lines.append(Line(None, kind, rest))
        self.suggestions.append(Match(stage, tuple(lines), confidence, reason))


def make_case(
    receipt: Receipt,
    customers: frozenset[str],
    reading: Reading,
    ledger: Ledger,
    policy: CashPolicy,
    habits: Habits | None = None,
) -> Case:
    """Sort a receipt's references by what they mean for this payer."""
    payables = ledger.payables(customers)
    pool = payables.open_on(receipt.received_date, receipt.currency_code)
    case = Case(receipt, customers, reading, ledger, policy, pool, habits or Habits())
    is_open = frozenset(pool.tolist())
    for token in reading.tokens:
        _sort_exact(case, token, is_open)
    for token in reading.unresolved:
        _sort_unresolved(case, token, is_open)
    return case


def _sort_exact(case: Case, token: Token, is_open: frozenset[int]) -> None:
    own = [p for p in token.places if case.item(p).customer_id in case.customers]
    found = [p for p in own if p in is_open]
    if len(found) == 1:
        case.named.setdefault(found[0], token)
    elif found:
        case.choices.append(Choice(token, _subsets(found), "several items carry it"))
    elif own:
        others = [p for p in own if case.item(p).is_open_on(case.receipt.received_date)]
        is_other_currency = any(not case.ledger.taken[p] for p in others)
        (case.other_currency if is_other_currency else case.dead).append(token)
    else:
        _sort_foreign(case, token, is_open)


def _sort_foreign(case: Case, token: Token, is_open: frozenset[int]) -> None:
    """A number of another customer may still be a mistyped one of this payer."""
    case.foreign.append(token)
    near = _near(case, token, is_open)
    if near is not None and near.options:
        case.choices.append(replace(near, how=f"{near.how}, though another customer has it"))


def _sort_unresolved(case: Case, token: Token, is_open: frozenset[int]) -> None:
    for look in (_tail, _head, _near):
        choice = look(case, token, is_open)
        if choice is None:
            continue
        if choice.options:
            case.choices.append(choice)
        else:
            case.dead.append(token)
        return
    case.lost.append(token)


def _subsets(places: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """What a reference of several items may mean: all of them, each one, any part of a few."""
    if len(places) > _SUBSETS_ITEMS_MAX:
        return (tuple(places), *((p,) for p in places))
    masks = range((1 << len(places)) - 1, 0, -1)
    return tuple(tuple(p for i, p in enumerate(places) if mask >> i & 1) for mask in masks)


def _tail(case: Case, token: Token, is_open: frozenset[int]) -> Choice | None:
    """The last digits of a longer reference. No options: only of items that are not open."""
    length = case.policy.tail_length_min
    if not token.raw.isdigit() or len(token.raw) < length:
        return None
    found = [
        place
        for place in case.ledger.by_tail.get(token.raw[-length:], ())
        if case.item(place).customer_id in case.customers
        and any(k.endswith(token.raw) for k in case.item(place).references)
    ]
    return _choice(case, token, found, is_open, TAIL) if found else None


def _head(case: Case, token: Token, is_open: frozenset[int]) -> Choice | None:
    """The first digits of a reference that the end of the text cut off."""
    if not token.is_cut or len(token.key) < case.policy.tail_length_min:
        return None
    found = [
        place
        for place in case.pool.tolist()
        if any(k.startswith(token.key) for k in case.item(place).references)
    ]
    return _choice(case, token, found, is_open, "cut off at the end") if found else None


def _near(case: Case, token: Token, is_open: frozenset[int]) -> Choice | None:
    """References one edit or transposition away."""
    if len(token.key) < case.policy.mistyped_length_min:
        return None
    found = case.ledger.payables(case.customers).near(token.key)
    return _choice(case, token, found, is_open, NEAR) if found else None


def _choice(
    case: Case, token: Token, found: Sequence[int], is_open: frozenset[int], how: str
) -> Choice:
    """Options among open items; the same amount on one that is no longer open spoils an option."""
    places = dict.fromkeys(found)
    gone = {case.item(p).units for p in places if p not in is_open}
    options = tuple((p,) for p in places if p in is_open and case.item(p).units not in gone)
    return Choice(token, options, how)
