"""The order of the stages: guards first, then from the surest explanation to the least.

The first answer holds. A stop is an answer: what one stage found ambiguous no later stage may
decide. Adding a stage is one line here.
"""

from collections.abc import Callable, Sequence

from ingestion.common.money import canonical_text
from reverse_etl.decisions.matching import Match, Stop, amount_of
from reverse_etl.decisions.matching_case import Case
from reverse_etl.decisions.matching_discounts import with_discount, with_fee
from reverse_etl.decisions.matching_references import (
    Reached,
    exact_sum,
    mistyped,
    readings_of,
    stray,
)
from reverse_etl.decisions.matching_rest import netted, other_items, over_paid, short_paid
from reverse_etl.decisions.matching_unreferenced import amount_alone, discounted_run

__all__ = ["run_stages"]

Referenced = Callable[[Case, Sequence[Reached]], Match | Stop | None]

#: With references, in this order (domain §B1, stages 1 to 5, 7, 8).
REFERENCED: tuple[Referenced, ...] = (
    exact_sum,
    stray,
    mistyped,
    with_discount,
    with_fee,
    netted,
    other_items,
    short_paid,
    over_paid,
)
#: Without any (stage 6).
UNREFERENCED: tuple[Callable[[Case], Match | Stop | None], ...] = (amount_alone, discounted_run)


def run_stages(case: Case, *, is_surely_known: bool) -> Match | Stop:
    """The answer of the pipeline. ``is_surely_known``: the payer is known by more than a name."""
    stopped = _not_for_stages(case)
    if stopped is not None:
        return stopped
    readings = readings_of(case)
    if readings is None:
        return Stop("ambiguous_reference", "the references can be read in too many ways")
    if readings:
        for stage in REFERENCED:
            answer = stage(case, readings)
            if answer is not None:
                return _in_company(case, answer)
        against = None if case.named else _speaks_against(case, is_surely_known=True)
        return against or _unexplained(case, readings)
    for unreferenced in UNREFERENCED:
        answer = unreferenced(case)
        if isinstance(answer, Stop):
            return answer
        if answer is not None:
            stop = _speaks_against(case, is_surely_known=is_surely_known)
            return stop or _in_company(case, answer)
    return _speaks_against(case, is_surely_known=is_surely_known) or Stop(
        "on_account", "nothing that is open explains the amount"
    )


def _not_for_stages(case: Case) -> Stop | None:
    if case.reading.collides:
        return Stop("ambiguous_reference", "the text can be read as references to different items")
    if case.other_currency:
        named = ", ".join(token.key for token in case.other_currency[:3])
        return Stop("other_currency", f"{named} is open in another currency")
    if "prepayment" in case.reading.tells and not case.named:
        return Stop("prepayment", "the text speaks of money in advance and names nothing open")
    if "returned" in case.reading.tells:
        return Stop("returned", "the text speaks of returned money")
    return None


def _speaks_against(case: Case, *, is_surely_known: bool) -> Stop | None:
    """Why the amount alone may not decide."""
    taken = [p for t in case.dead for p in t.places if p in case.ledger.taken_by]
    if taken:
        item, by = case.item(taken[0]), case.ledger.taken_by[taken[0]]
        return Stop("already_paid", f"{item.item_id} is named but {by} pays it already")
    if case.dead:
        named = ", ".join(token.key for token in case.dead[:3])
        return Stop("stale_reference", f"{named} is not open: paid already, or not yet invoiced")
    if case.foreign:
        named = ", ".join(token.key for token in case.foreign[:3])
        return Stop("foreign_reference", f"{named} is another customer's")
    if case.reading.customers - case.customers:
        return Stop("foreign_customer", "the text holds the number of another customer")
    if case.lost or case.reading.has_loose_numbers or case.reading.is_truncated:
        named = ", ".join(token.key for token in case.lost[:3]) or "a number"
        return Stop("unknown_reference", f"{named} in the text names nothing that is open")
    if case.reading.tells & {"partial", "prepayment", "deduction"}:
        return Stop("unusual_payment", "the text says that this is no ordinary payment")
    if not is_surely_known:
        return Stop(
            "uncertain_payer", "the payer is not certain enough for the amount alone to decide"
        )
    return None


def _in_company(case: Case, answer: Match | Stop) -> Match | Stop:
    """A payment across companies, or across ERPs, is a proposal."""
    receipt = case.receipt
    if isinstance(answer, Stop):
        return answer
    for item in answer.items:
        if receipt.system_id and item.system_id and receipt.system_id != item.system_id:
            return Stop("other_company", f"{item.item_id} is in another ERP")
        if receipt.company_code and item.company_code and receipt.company_code != item.company_code:
            return Stop(
                "other_company",
                f"{item.item_id} is of company {item.company_code}, the money came to "
                f"{receipt.company_code}",
            )
    return answer


def _unexplained(case: Case, readings: Sequence[Reached]) -> Stop:
    total = canonical_text(amount_of(readings[0].total))
    paid = canonical_text(case.receipt.amount)
    return Stop("on_account", f"the referenced items sum to {total}, the receipt is {paid}")
