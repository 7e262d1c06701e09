"""What cash decisions are worth beside the truth: rates, precision, every wrong one, recall.

A decision is right when the items it applies are just the items that were paid; for a duplicate or
a prepayment nothing may be applied. A transposed number that names an open item of the same
customer with the same amount cannot be told from the right one: it is counted apart.

Beside the rates stands what the data can decide at all (``decisions_ceiling``): payments whose
right set has no rival, less those that are short, which domain §C1 leaves to a person, and those of
payers that nothing names; and of what was not applied, the share whose right set has less than
three.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import polars as pl
from rapidfuzz.distance import OSA

from bench.decisions_ceiling import Bound
from bench.decisions_noise import Case, Truth

__all__ = ["Score", "Wrong", "score"]

#: Rivals of the right set with which it still is among the three best.
_RIVALS_IN_THREE = 2
#: Rank 1 of what is not applied is the money on account: three sets of items are ranks 2 to 4.
_TOP_RANKS = range(2, 5)

Items = frozenset[str]


@dataclass(frozen=True, slots=True)
class Wrong:
    """One automatic decision that was wrong."""

    where: str
    kind: str
    stage: str
    text: str
    right: str
    reason: str


@dataclass(slots=True)
class Score:
    """Sums over decisions; several add up."""

    payments: int = 0
    automatic: int = 0
    lines: int = 0
    lines_automatic: int = 0
    value: Decimal = Decimal(0)
    value_automatic: Decimal = Decimal(0)
    proposals: int = 0
    proposals_hit: int = 0
    payable: int = 0
    not_conserved: int = 0
    bounded: int = 0
    bounded_value: Decimal = Decimal(0)
    decidable: int = 0
    decidable_value: Decimal = Decimal(0)
    left: int = 0
    left_in_three: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    kinds_automatic: Counter[str] = field(default_factory=Counter)
    stages: Counter[str] = field(default_factory=Counter)
    wrong: list[Wrong] = field(default_factory=list)
    twins: list[Wrong] = field(default_factory=list)

    def add(self, other: "Score") -> None:
        """Add another score to this one."""
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def rates(self) -> tuple[float, float, float]:
        """Automatic share of payments, of lines and of value."""
        return (
            self.automatic / max(self.payments, 1),
            self.lines_automatic / max(self.lines, 1),
            float(self.value_automatic / max(self.value, Decimal(1))),
        )

    @property
    def ceilings(self) -> tuple[float, float, float]:
        """Decidable share of payments and of value; share of proposals with few rivals."""
        return (
            self.decidable / max(self.bounded, 1),
            float(self.decidable_value / max(self.bounded_value, Decimal(1))),
            self.left_in_three / max(self.left, 1),
        )

    @property
    def recall(self) -> float:
        """Share of proposals whose top three hold the right set."""
        return self.proposals_hit / max(self.proposals, 1)

    @property
    def recall_of_all(self) -> float:
        """Share of all payable receipts that are applied, or proposed rightly in the top three."""
        return (self.automatic - len(self.wrong) + self.proposals_hit) / max(self.payable, 1)


def score(
    name: str, case: Case, decided: pl.DataFrame, known: Mapping[str, Bound] | None = None
) -> Score:
    """Hold decisions against the truth of a case; ``known``: what the data can decide of it."""
    first, sets = _read(decided)
    amounts = dict(case.open_items.select("item_id", "amount_open").iter_rows())
    found = Score(not_conserved=sum(1 for _ in _not_conserved(case, decided)))
    for receipt_id, truth in case.truths.items():
        decision, stage, reason = first[receipt_id]
        if known is not None:
            _bound(found, truth, known.get(receipt_id), is_left=decision != "auto")
        found.payments += 1
        found.kinds[truth.kind] += 1
        found.lines += truth.lines
        found.value += truth.amount
        found.payable += bool(truth.items)
        if decision != "auto":
            if truth.items:
                found.proposals += 1
                found.proposals_hit += any(
                    sets.get((receipt_id, rank)) == truth.items for rank in _TOP_RANKS
                )
            continue
        found.automatic += 1
        found.kinds_automatic[truth.kind] += 1
        found.lines_automatic += truth.lines
        found.value_automatic += truth.amount
        found.stages[stage] += 1
        applied = sets[receipt_id, 1]
        if applied != truth.items:
            wrong = Wrong(
                f"{name} {receipt_id}", truth.kind, stage, truth.text, truth.references, reason
            )
            is_twin = _is_twin(case, truth, applied, amounts)
            (found.twins if is_twin else found.wrong).append(wrong)
    return found


def _bound(found: Score, truth: Truth, bound: Bound | None, *, is_left: bool) -> None:
    """Count what the data can decide of one receipt."""
    found.bounded += 1
    found.bounded_value += truth.amount
    if bound is None:
        return
    if bound.rivals == 0 and bound.is_payer_named and truth.kind != "short":
        found.decidable += 1
        found.decidable_value += truth.amount
    if is_left:
        found.left += 1
        found.left_in_three += bound.rivals <= _RIVALS_IN_THREE


def _read(
    decided: pl.DataFrame,
) -> tuple[dict[str, tuple[str, str, str]], dict[tuple[str, int], Items]]:
    first: dict[str, tuple[str, str, str]] = {}
    sets: dict[tuple[str, int], Items] = {}
    for row in decided.iter_rows(named=True):
        if row["rank"] == 1:
            first[row["receipt_id"]] = (row["decision"], row["stage"], row["reason"])
        if row["kind"] == "apply":
            place = row["receipt_id"], row["rank"]
            sets[place] = sets.get(place, frozenset()) | {row["item_id"]}
    return first, sets


def _not_conserved(case: Case, decided: pl.DataFrame) -> Iterator[str]:
    """Receipts of which a rank does not sum to the receipt, to the cent."""
    sums = decided.group_by("receipt_id", "rank").agg(pl.col("amount").sum().alias("decided"))
    joined = case.receipts.select("receipt_id", "amount").join(sums, on="receipt_id", how="left")
    bad = joined.filter(
        pl.col("decided").is_null()
        | (pl.col("decided") != pl.col("amount").cast(pl.Decimal(28, 6)))
    )
    yield from bad["receipt_id"].unique()


def _is_twin(case: Case, truth: Truth, applied: Items, amounts: dict[str, Decimal]) -> bool:
    """Whether each wrong item has the amount of the right one and a number one character off it."""
    missing, extra = sorted(truth.items - applied), sorted(applied - truth.items)
    squeezed = truth.text.replace(" ", "")
    if not missing or len(missing) != len(extra):
        return False
    return all(
        any(
            amounts[right] == amounts[wrong]
            and OSA.distance(case.numbers[right], case.numbers[wrong]) <= 1
            and case.numbers[wrong][-6:] in squeezed
            for right in missing
        )
        for wrong in extra
    )
