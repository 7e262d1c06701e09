"""A payer that nothing names directly, proven by the tails of references and the exact amount.

Last digits may belong to items of several customers. Only when all tails together make the amount
exact for one customer, in one way, and for nobody else, is the payer certain.
"""

from rapidfuzz.distance import OSA

from reverse_etl.decisions.cash_ledger import Ledger
from reverse_etl.decisions.cash_text import Reading
from reverse_etl.decisions.matching import Receipt
from reverse_etl.decisions.matching_case import make_case
from reverse_etl.decisions.matching_references import readings_of
from reverse_etl.decisions.payers import Payer
from reverse_etl.planning.policy import CashPolicy

__all__ = ["proven_payer"]


def proven_payer(
    receipt: Receipt,
    reading: Reading,
    ledger: Ledger,
    policy: CashPolicy,
    accounts: frozenset[str],
) -> Payer | None:
    """The one customer for whom all tails in a text sum to the amount, if there is one.

    ``accounts``: the customers of the payer's account where it is shared; it must be one of them.
    """
    length = policy.tail_length_min
    customers = _mistyped(receipt, reading, ledger, policy)
    for token in reading.unresolved:
        if token.raw.isdigit() and len(token.raw) >= length:
            customers |= {
                ledger.items[place].customer_id
                for place in ledger.by_tail.get(token.raw[-length:], ())
                if any(k.endswith(token.raw) for k in ledger.items[place].references)
            }
    proven = []
    for customer in sorted(customers):
        case = make_case(receipt, frozenset({customer}), reading, ledger, policy)
        if case.lost or case.foreign or case.dead:
            continue
        readings = readings_of(case) or []
        if any(one.total == receipt.units for one in readings):
            proven.append(customer)
    found = frozenset(proven)
    if len(found) != 1 or (accounts and not found <= accounts):
        return None
    why = f"of {len(customers)} customers only here the numbers and the amount fit"
    if accounts:
        return Payer(accounts, "shared", 0.95, why, named=found)
    return Payer(found, "proven", 0.95, why)


def _mistyped(receipt: Receipt, reading: Reading, ledger: Ledger, policy: CashPolicy) -> set[str]:
    """Customers of items with just the amount and a reference one character off."""
    keys = [t.key for t in reading.unresolved if len(t.key) >= policy.mistyped_length_min]
    if not keys:
        return set()
    return {
        ledger.items[place].customer_id
        for place in ledger.by_amount.get((receipt.units, receipt.currency_code), ())
        for reference in ledger.items[place].references
        if any(OSA.distance(key, reference, score_cutoff=1) <= 1 for key in keys)
    }
