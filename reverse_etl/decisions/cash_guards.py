"""What was seen before in a batch: second payments of one debt, and money that came back.

A second payment is the same payer and amount within a few days that does not clearly name other
open items. Reversals are never applied; they propose to open again what their receipt had closed.
"""

from dataclasses import dataclass
from datetime import date, timedelta

from reverse_etl.decisions.matching import Earlier, Line, Match, Receipt, Stop
from reverse_etl.decisions.matching_case import Case
from reverse_etl.planning.policy import CashPolicy

__all__ = ["Seen"]

#: Stages in which references alone, each exact, say what is paid: a payer may pay equal amounts.
_SURE_STAGES = frozenset({"exact_reference", "sum_of_references"})


@dataclass(frozen=True, slots=True)
class _Before:
    received_date: date
    receipt_id: str
    keys: frozenset[str]


class Seen:
    """Receipts of a batch, and of runs before it."""

    def __init__(self, policy: CashPolicy) -> None:
        self._window = timedelta(days=policy.duplicate_window_days)
        self._by_payer: dict[tuple[str, int, str], dict[str, _Before]] = {}
        self._unknown: dict[tuple[int, str], dict[str, _Before]] = {}
        self._applied: dict[tuple[str, int, str], tuple[Receipt, Match]] = {}

    def earlier(self, one: Earlier, keys: frozenset[str]) -> None:
        """Remember a receipt of a run before this one."""
        before = _Before(one.received_date, one.receipt_id, keys)
        place = (one.customer_id, one.units, one.currency_code)
        self._by_payer.setdefault(place, {})[one.receipt_id] = before

    def unknown(self, receipt: Receipt, keys: frozenset[str]) -> None:
        """Remember a receipt of nobody knows whom: a known payer may pay the same once more."""
        this = _Before(receipt.received_date, receipt.receipt_id, keys)
        place = (receipt.units, receipt.currency_code)
        self._unknown.setdefault(place, {})[receipt.receipt_id] = this

    def repeats(self, case: Case, answer: Match | Stop) -> Stop | None:
        """Why a receipt is held to be a second payment, if it is; remembers it for later ones."""
        receipt = case.receipt
        this = _Before(receipt.received_date, receipt.receipt_id, case.reading.keys)
        unknown = self._unknown.get((receipt.units, receipt.currency_code), {})
        unknown.pop(receipt.receipt_id, None)
        found = [one for one in unknown.values() if self._is_repeated(one, this, answer)]
        for customer in case.customers:
            place = (customer, receipt.units, receipt.currency_code)
            known = self._by_payer.setdefault(place, {})
            found += [one for one in known.values() if self._is_repeated(one, this, answer)]
            known[receipt.receipt_id] = this
        if not found:
            return None
        last = max(found, key=lambda one: (one.received_date, one.receipt_id))
        return Stop(
            "duplicate_guard",
            f"repeats receipt {last.receipt_id}: same amount within {self._window.days} days "
            "by the same or an unknown payer, and no other open items are clearly named",
            may_suggest=False,
        )

    def _is_repeated(self, before: _Before, this: _Before, answer: Match | Stop) -> bool:
        """Whether a receipt is the earlier one of two within the window."""
        order = (before.received_date, before.receipt_id) < (this.received_date, this.receipt_id)
        is_near = this.received_date - before.received_date <= self._window
        return order and is_near and not _is_another_debt(before, this.keys, answer)

    def applied(self, receipt: Receipt, match: Match) -> None:
        """Remember what a receipt closed, in case its money comes back."""
        for customer in {item.customer_id for item in match.items}:
            self._applied[customer, receipt.units, receipt.currency_code] = (receipt, match)

    def reversal(self, receipt: Receipt, customers: frozenset[str]) -> Stop:
        """A negative amount: propose to open again what the reversed receipt closed."""
        reason = "the amount is not positive: a reversal is a person's"
        for customer in sorted(customers):
            found = self._applied.get((customer, -receipt.units, receipt.currency_code))
            if found is not None:
                before, match = found
                lines = tuple(Line(line.item, line.kind, -line.units) for line in match.lines)
                again = Match(
                    "reversal", lines, 0.8, f"opens again what receipt {before.receipt_id} closed"
                )
                why = f"{reason}; receipt {before.receipt_id} of the same amount was applied"
                return Stop("reversal", why, suggestions=(again,))
        return Stop("not_a_receipt", reason)


def _is_another_debt(before: _Before, keys: frozenset[str], answer: Match | Stop) -> bool:
    """Whether exact references of open items say that this pays something else."""
    return isinstance(answer, Match) and answer.stage in _SURE_STAGES and not keys & before.keys
