"""What the data can decide at all: how many other sets explain a payment as well as the right one.

*As well* is meant in favour of the matcher: a rival must be at least as good in each of three
respects, so that every doubt counts as decidable and the shares are upper bounds.

1. It leaves out no more of the references that the text shows (as the product reads them).
2. What it adds to them is no odder: nothing, then one item or a run in due-date order, then up to
   three items, then any set.
3. Its sum differs from the money no oddlier: not at all, then by a usual discount or a round fee,
   then by some percent.

The payer is taken as known (``is_payer_named`` tells where nothing but a name says so), and
everything before the payment as applied rightly. Of sets of many items only those are counted that
differ from the right one by a twin, or within some thirty items due about the same time: the number
of rivals is a lower bound. A payer's habit may still tell rivals apart; it is odds, not evidence.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice, product
from math import comb

import numpy as np
import numpy.typing as npt

from bench.decisions_noise import Case, Truth
from reverse_etl.decisions.cash_frames import customer_numbers, read_receipts
from reverse_etl.decisions.cash_ledger import Ledger
from reverse_etl.decisions.cash_text import read_text
from reverse_etl.decisions.matching import Receipt
from reverse_etl.decisions.matching_case import Case as Matching
from reverse_etl.decisions.matching_case import make_case
from reverse_etl.decisions.matching_sums import changes, runs_between, sets_of
from reverse_etl.decisions.payers import PayerDirectory, account_rows
from reverse_etl.planning.policy import load_policy

__all__ = ["RIVALS_MAX", "Bound", "bounds"]

#: So many rivals are counted, not more.
RIVALS_MAX = 100
#: Ways to read the references that are looked at, and those of them to which items are added.
_READINGS_MAX, _ADDED_TO_MAX = 200, 6
#: Items among which every change of the right set is counted.
_CHANGED_MAX = 30
#: Items, due about the same time, among which up to three are looked for.
_FEW_AMONG_MAX = 300
_SHORT_PERCENT, _OVER_PERCENT = 25, 15
#: How odd what is added to the references is.
_NOTHING, _RUN, _FEW, _ANY = range(4)

Places = frozenset[int]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Bound:
    """What can be known of a receipt that pays something.

    Attributes:
        rivals: other sets that explain it as well, up to ``RIVALS_MAX``.
        is_payer_named: account, text or a confirmed name may say who paid.
    """

    rivals: int
    is_payer_named: bool


def bounds(case: Case) -> dict[str, Bound]:
    """What can be known of every receipt that pays something."""
    policy = load_policy().cash
    directory = PayerDirectory(
        account_rows(case.payers),
        case.aliases.iter_rows(),
        customer_numbers(case.open_items),
        (),
        number_length_min=policy.customer_number_length_min,
    )
    ledger = Ledger(case.open_items, policy)
    place_of = {item.item_id: place for place, item in enumerate(ledger.items)}
    found: dict[str, Bound] = {}
    ordered = sorted(read_receipts(case.receipts), key=lambda r: (r.received_date, r.receipt_id))
    for receipt in ordered:
        truth = case.truths[receipt.receipt_id]
        if not truth.items:
            continue
        right = frozenset(place_of[item] for item in truth.items)
        reading = read_text(receipt.text, ledger, directory.numbers, policy)
        matching = make_case(receipt, _customers(ledger, right, truth), reading, ledger, policy)
        found[receipt.receipt_id] = Bound(
            _count(matching, right),
            not reading.is_silent
            or bool(directory.of_receipt(receipt) | directory.by_alias(receipt.payer_name)),
        )
        ledger.take(right, receipt.receipt_id)
    return found


def _customers(ledger: Ledger, right: Places, truth: Truth) -> frozenset[str]:
    return frozenset(ledger.items[place].customer_id for place in right) | {truth.customer}


def _count(case: Matching, right: Places) -> int:
    found: set[Places] = set()
    for one in _explanations(case, right):
        if one != right:
            found.add(one)
            if len(found) >= RIVALS_MAX:
                break
    return len(found)


def _explanations(case: Matching, right: Places) -> Iterator[Places]:
    """Sets as good as the right one, from the plainest on."""
    shown = [((place,),) for place in case.named] + [c.options for c in case.choices if c.options]
    agreeing = [[o for o in options if right.issuperset(o)] for options in shown]
    left_out = sum(1 for options in agreeing if not options)
    own = frozenset(place for options in agreeing for option in options[:1] for place in option)
    worst = _oddity(case, right, own)
    allowed = _difference(case.receipt, np.array([case.total(tuple(right))]), case)[0]
    due = case.ledger.due_days[case.pool]
    centre = np.median(due[case.positions(right)])
    near = np.argsort(np.abs(due - centre), kind="stable")
    for number, base in enumerate(_bases(shown, left_out, own)):
        total = np.array([case.total(tuple(base))])
        if base and _difference(case.receipt, total, case)[0] <= allowed:
            yield base
        if number >= _ADDED_TO_MAX:
            continue
        if worst >= _RUN:
            yield from _with_run(case, base, int(allowed))
        if worst >= _FEW:
            yield from _with_few(case, base, case.total(tuple(right)), near)
    if worst == _ANY:
        yield from _swapped(case, right, own)
        yield from _changed(case, right, near[~np.isin(case.pool[near], list(own))])


def _oddity(case: Matching, right: Places, own: Places) -> int:
    """How odd the items are that the text does not show."""
    added = right - own
    at = case.positions(added)
    outside = case.outside(own).tolist()
    spread = [outside.index(position) for position in at]
    if not added:
        return _NOTHING
    if len(spread) == len(added) and spread[-1] - spread[0] + 1 == len(spread):
        return _RUN
    return _FEW if len(added) <= 3 else _ANY


def _bases(
    shown: Sequence[Sequence[tuple[int, ...]]], left_out: int, own: Places
) -> Iterator[Places]:
    """Ways to read the references, the right one first; none leaves out more than that."""
    ways: dict[Places, None] = {own: None}
    for count in range(left_out + 1):
        if comb(len(shown), count) > _READINGS_MAX:
            break
        for out in combinations(range(len(shown)), count):
            kept = [options for n, options in enumerate(shown) if n not in out]
            for picked in islice(product(*kept), _READINGS_MAX):
                ways[frozenset(place for option in picked for place in option)] = None
    return iter(islice(ways, _READINGS_MAX))


def _with_run(case: Matching, base: Places, allowed: int) -> Iterator[Places]:
    """A base with one more item, or with a run of neighbours among all others."""
    outside = case.outside(base)
    others, total = case.pool[outside], case.total(tuple(base))
    wanted = case.receipt.units - total
    runs = list(sets_of(case.units[outside], wanted, pair_items_max=0, triple_items_max=0,
                        most=RIVALS_MAX))  # fmt: skip
    if allowed:
        reach = (wanted * 80 // 100, wanted * 135 // 100)
        runs += runs_between(case.units[outside], *reach, most=4 * RIVALS_MAX)
    for run in runs:
        places = others[list(run)].tolist()
        totals = np.array([total + case.total(places)])
        if _difference(case.receipt, totals, case)[0] <= allowed:
            yield base | frozenset(places)


def _with_few(case: Matching, base: Places, total: int, near: Integers) -> Iterator[Places]:
    """A base with up to three more items that make it the sum of the right set."""
    outside = np.sort(near[~np.isin(case.pool[near], list(base))][:_FEW_AMONG_MAX])
    rest = total - case.total(tuple(base))
    if rest != 0:
        for few in changes(case.units[outside], rest, RIVALS_MAX):
            yield base | frozenset(case.pool[outside[list(few)]].tolist())


def _swapped(case: Matching, right: Places, own: Places) -> Iterator[Places]:
    """The right set with one item that the text does not show swapped for one of its amount."""
    for place in sorted(right - own):
        for twin in case.by_units[case.item(place).units]:
            if twin not in right:
                yield right - {place} | {twin}


def _changed(case: Matching, right: Places, free: Integers) -> Iterator[Places]:
    """The right set with items taken out and others put in, its sum kept."""
    free = free[:_CHANGED_MAX]
    is_in = np.isin(case.pool[free], list(right))
    signed = np.where(is_in, -case.units[free], case.units[free])
    half = len(signed) // 2
    one, other = _sums(signed[:half]), _sums(signed[half:])
    order = np.argsort(one, kind="stable")
    ordered = one[order]
    low = np.searchsorted(ordered, -other, side="left")
    high = np.searchsorted(ordered, -other, side="right")
    for second in np.flatnonzero(high > low)[:RIVALS_MAX].tolist():
        for first in order[low[second] : high[second]][:RIVALS_MAX].tolist():
            mask = first | second << half
            moved = [int(case.pool[free[n]]) for n in range(len(free)) if mask >> n & 1]
            yield right.symmetric_difference(moved)


def _sums(units: Integers) -> Integers:
    """The sum of every part, by the bits of its number."""
    sums = np.zeros(1, dtype=np.int64)
    for amount in units.tolist():
        sums = np.concatenate((sums, sums + amount))
    return sums


def _difference(receipt: Receipt, totals: Integers, case: Matching) -> Integers:
    """How odd the differences of sums to the money are: 0 none, 1 usual, 2 some percent, 3 more."""
    missing = totals - receipt.units
    odd = np.full(len(totals), 3)
    odd[(missing > 0) & (missing * 100 <= totals * _SHORT_PERCENT)] = 2
    odd[(missing < 0) & (-missing * 100 <= totals * _OVER_PERCENT)] = 2
    limit, step = case.policy.fee_limit(receipt.currency_code), case.policy.fee_step * case.minor
    usual: Booleans = (missing > 0) & (missing <= limit) & (missing % step == 0)
    for percent in case.policy.discount_percents:
        usual |= (missing > 0) & (np.abs(totals * float(percent) / 100 - missing) <= case.minor)
    odd[usual] = 1
    odd[missing == 0] = 0
    return odd
