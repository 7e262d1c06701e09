"""What tests ask for: journals, and what was made by which key of the outside (``/ledger``)."""

from typing import Any

from sandbox.netsuite.state import NetSuiteState

__all__ = ["effects_of"]


def effects_of(state: NetSuiteState) -> dict[str, Any]:
    """The books as the oracle of tests.

    Returns:
        ``journals``: per subsidiary and currency the debit and credit sums and number of journals.
        ``effects``: external id without the hub's ``LLP-`` → records made under it.
        ``documents_by_key``: the same: no key may have made two records.
        ``bookings_by_bank_reference``: ``subsidiary|reference`` → records on a bank account.
        ``applications``: ``credit/invoice`` → amount and discount applied now.
        ``orders_released``: order → how often it was approved. ``waiting_clearings``: none ever
        waits, what is applied is applied by its request.
    """
    return {
        "journals": state.ledger.totals(),
        "effects": state.effects,
        "documents_by_key": state.effects,
        "bookings_by_bank_reference": state.bank_references,
        "applications": {
            f"{link.credit}/{link.invoice}": {
                "amount": format(link.amount, "f"),
                "discount": format(link.discount, "f"),
            }
            for link in state.links.values()
        },
        "orders_released": state.orders_released,
        "waiting_clearings": 0,
    }
