"""Matching one receipt of a certain payer to open items: an ordered pipeline of stages.

Each stage is one function: it sees the evidence and answers a decision, a stop (something forbids
going on) or nothing. The first answer holds. Stages never guess: two explanations are no
explanation. Later stages of domain §B1 are added to ``STAGES``; nothing else changes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from ingestion.common.money import canonical_text

__all__ = ["STAGES", "Evidence", "Item", "Match", "Receipt", "Stop", "proposals", "run_stages"]


@dataclass(frozen=True, slots=True)
class Item:
    """One open item; credits have a negative ``amount_open``."""

    item_id: str
    customer_id: str
    system_id: str
    company_code: str
    amount_open: Decimal
    currency_code: str
    document_date: date | None
    due_date: date | None
    open_from: date | None
    open_until: date | None

    def is_open_on(self, day: date) -> bool:
        """Whether the item may be applied to a receipt of that day."""
        return (self.open_from is None or self.open_from <= day) and (
            self.open_until is None or day <= self.open_until
        )


@dataclass(frozen=True, slots=True)
class Receipt:
    """One receipt to be applied; ``company_code`` is empty when the bank account is unknown."""

    receipt_id: str
    received_date: date
    amount: Decimal
    currency_code: str
    system_id: str
    company_code: str
    payer_account: str
    payer_name: str
    text: str
    known_customer_id: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything a stage may look at.

    Attributes:
        receipt: the receipt.
        customer_id: the certain payer.
        named: open items of the payer that the text names, not yet taken.
        taken: items that the text names and the receipt or command that took them already.
        foreign: references in the text that lead to open items of other customers only.
        is_ambiguous: one stretch of the text can be read as references to different items.
        duplicate_of: the earlier receipt this one repeats, empty when none.
        equal: open items of the payer in the receipt's currency with just its amount, not taken.
    """

    receipt: Receipt
    customer_id: str
    named: Sequence[Item]
    taken: Mapping[str, str]
    foreign: Sequence[str]
    is_ambiguous: bool
    duplicate_of: str
    equal: Sequence[Item]


@dataclass(frozen=True, slots=True)
class Match:
    """Items that explain the receipt to the cent."""

    stage: str
    items: tuple[Item, ...]
    confidence: float
    reason: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing may be applied by itself, and why."""

    stage: str
    reason: str


Stage = Callable[[Evidence], Match | Stop | None]


def not_a_receipt(evidence: Evidence) -> Stop | None:
    """A reversal or an outgoing amount is never applied as cash."""
    if evidence.receipt.amount <= 0:
        return Stop("not_a_receipt", "the amount is not positive: a reversal is a person's")
    return None


def duplicate_guard(evidence: Evidence) -> Stop | None:
    """The same payer, amount and text again is held to be a second payment of the same debt."""
    if evidence.duplicate_of:
        return Stop(
            "duplicate_guard",
            f"repeats receipt {evidence.duplicate_of}: same payer, amount and text",
        )
    return None


def ambiguous_text(evidence: Evidence) -> Stop | None:
    """Where the text can be read in two ways nobody chooses silently."""
    if evidence.is_ambiguous:
        return Stop("ambiguous_reference", "the text can be read as references to different items")
    return None


def other_currency(evidence: Evidence) -> Stop | None:
    """Another currency than the item's is never applied automatically."""
    receipt = evidence.receipt
    others = sorted({item.currency_code for item in evidence.named} - {receipt.currency_code})
    if others:
        return Stop(
            "other_currency",
            f"the named items are in {', '.join(others)}, the receipt in {receipt.currency_code}",
        )
    return None


def other_company(evidence: Evidence) -> Stop | None:
    """A payment across companies, or across ERPs, is a proposal."""
    receipt = evidence.receipt
    places = {(item.system_id, item.company_code) for item in evidence.named}
    if receipt.company_code:
        strangers = places - {(receipt.system_id, receipt.company_code)}
        if strangers:
            names = ", ".join(sorted(company for _, company in strangers))
            return Stop(
                "other_company",
                f"the named items belong to {names}, the bank account to {receipt.company_code}",
            )
    elif len(places) > 1:
        return Stop("other_company", "the named items belong to several companies")
    return None


def exact_reference(evidence: Evidence) -> Match | None:
    """One named item, and its open amount is the receipt's."""
    if len(evidence.named) == 1 and evidence.named[0].amount_open == evidence.receipt.amount:
        item = evidence.named[0]
        return Match(
            "exact_reference",
            (item,),
            1.0,
            f"the text names {item.item_id} and the amount is equal",
        )
    return None


def sum_of_references(evidence: Evidence) -> Match | None:
    """All named items together, credits negative, are the receipt's amount."""
    named = evidence.named
    if len(named) > 1 and sum(item.amount_open for item in named) == evidence.receipt.amount:
        return Match(
            "sum_of_references",
            tuple(named),
            1.0,
            f"the {len(named)} named items sum to the amount",
        )
    return None


def one_of_references(evidence: Evidence) -> Match | Stop | None:
    """Several are named and exactly one of them has the receipt's amount; twins stop."""
    equal = [item for item in evidence.named if item.amount_open == evidence.receipt.amount]
    if len(equal) > 1:
        names = ", ".join(item.item_id for item in equal)
        return Stop("ambiguous_reference", f"{names} are all named and all have the amount")
    if len(equal) == 1 and len(evidence.named) > 1:
        return Match(
            "one_of_references",
            (equal[0],),
            0.99,
            f"of {len(evidence.named)} named items only {equal[0].item_id} has the amount",
        )
    return None


def already_taken(evidence: Evidence) -> Stop | None:
    """What the text names was paid by another receipt before."""
    if evidence.taken and not evidence.named:
        items, by = next(iter(evidence.taken.items()))
        return Stop("already_paid", f"{items} is named but {by} pays it already")
    return None


def unexplained(evidence: Evidence) -> Stop:
    """The last stage: a known payer, and nothing explains the amount."""
    receipt = evidence.receipt
    if evidence.named:
        total = sum((item.amount_open for item in evidence.named), Decimal(0))
        count = len(evidence.named)
        return Stop(
            "on_account",
            f"the {count} named items sum to {canonical_text(total)}, "
            f"the receipt is {canonical_text(receipt.amount)}",
        )
    if evidence.foreign:
        return Stop(
            "on_account",
            f"the text names items of another customer ({', '.join(evidence.foreign)})",
        )
    return Stop("on_account", "the text names no open item of this customer")


#: In this order; the first answer holds (domain §B1).
STAGES: tuple[Stage, ...] = (
    not_a_receipt,
    duplicate_guard,
    ambiguous_text,
    other_currency,
    other_company,
    exact_reference,
    sum_of_references,
    one_of_references,
    already_taken,
    unexplained,
)


def run_stages(evidence: Evidence, stages: Sequence[Stage] = STAGES) -> Match | Stop:
    """The first answer of the pipeline."""
    for stage in stages:
        answer = stage(evidence)
        if answer is not None:
            return answer
    return unexplained(evidence)


def proposals(evidence: Evidence, limit: int) -> list[Match]:
    """What a person may want to look at, best first; each leaves a rest that the caller shows.

    Named items that alone have the amount come first, then everything named, then every other
    item of the payer with just this amount (twins each on their own, oldest due first).
    """
    receipt = evidence.receipt
    if receipt.amount <= 0 or evidence.duplicate_of:
        return []
    equal = sorted(evidence.equal, key=lambda item: (item.due_date or date.max, item.item_id))
    singles = [
        Match(
            "equal_amount",
            (item,),
            round(0.5 / len(equal), 4),
            f"{item.item_id} has just this amount ({len(equal)} such open)",
        )
        for item in equal
    ]
    found = [single for single in singles if single.items[0] in evidence.named]
    named = tuple(i for i in evidence.named if i.currency_code == receipt.currency_code)
    is_new = named not in {single.items for single in singles}
    if is_new and sum(item.amount_open for item in named) > 0:
        found.append(Match("named_items", named, 0.6, "the items that the text names"))
    found += [single for single in singles if single.items[0] not in evidence.named]
    return found[:limit]
