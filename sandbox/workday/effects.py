"""What tests ask for: journals, and what was made by which key of the outside (``/ledger``)."""

from typing import Any

from sandbox.workday.state import WorkdayState

__all__ = ["effects_of"]

_HUB_PREFIX = "LLP-"


def effects_of(state: WorkdayState) -> dict[str, Any]:
    """The books as the oracle of tests.

    Returns:
        ``journals``: per company and currency the debit and credit sums and number of journals.
        ``effects``: the hub's key (reference id without ``LLP-`` and what follows the key; for an
        application the key in the remittance line's details) → what was made under it.
        ``documents_by_key``: whole reference id without ``LLP-`` → documents: never more than one.
        ``bookings_by_bank_reference``: ``company|payment number`` → payments.
        ``applications``: ``credit/invoice`` → amount applied. ``waiting_clearings``: remittances
        that are not applied yet.
    """
    applied: dict[str, str] = {}
    for one in state.applied:
        place = f"{one.credit}/{one.invoice}"
        before = one.amount.__class__(applied.get(place, "0"))
        applied[place] = format(before + one.amount, "f")
    documents: dict[str, list[str]] = {}
    for record in state.records.values():
        if record.id.startswith(_HUB_PREFIX):
            key = record.id.removeprefix(_HUB_PREFIX)
            documents.setdefault(key, []).append(f"{record.kind}/{record.wid}")
    return {
        "journals": state.ledger.totals(),
        "effects": state.effects,
        "documents_by_key": documents,
        "bookings_by_bank_reference": state.bank_references,
        "applications": applied,
        "waiting_clearings": len(state.waiting),
    }
