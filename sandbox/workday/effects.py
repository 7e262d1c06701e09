"""What tests ask for: journals, and what was made by which key of the outside (``/ledger``)."""

from typing import Any

from sandbox.workday.state import WorkdayState

__all__ = ["effects_of"]


def effects_of(state: WorkdayState) -> dict[str, Any]:
    """The books as the oracle of tests.

    Returns:
        ``journals``: per company and currency the debit and credit sums and number of journals.
        ``effects``: the hub's key (reference id without ``LLP-`` and what follows the key; for an
        application the key in the remittance line's details) → what was made under it.
        ``bookings_by_bank_reference``: ``company|payment number`` → payments.
        ``applications``: ``credit/invoice`` → amount applied.
    """
    applied: dict[str, str] = {}
    for one in state.applied:
        place = f"{one.credit}/{one.invoice}"
        before = one.amount.__class__(applied.get(place, "0"))
        applied[place] = format(before + one.amount, "f")
    return {
        "journals": state.ledger.totals(),
        "effects": state.effects,
        "bookings_by_bank_reference": state.bank_references,
        "applications": applied,
        "waiting_remittances": len(state.waiting),
    }
