"""What tests ask for: journals, and what was made by which key of the outside (``/ledger``)."""

from typing import Any

from sandbox.sap_s4hana.state import SapState

__all__ = ["effects_of"]


def effects_of(state: SapState) -> dict[str, Any]:
    """The books as the oracle of tests.

    Returns:
        ``journals``: per company and currency the debit and credit sums and number of documents.
        ``effects``: every Reference3ID, G/L text key, message and entry id → documents.
        ``documents_by_key``: the same: no key may have made two documents.
        ``bookings_by_bank_reference``: ``company|bank reference`` → documents on a bank account,
        the ERP's own included. ``clearings``: clearing document → items. ``reversals``: document →
        its reversal. ``orders_released``, ``orders_rejected``: order → how often.
    """
    effects = state.effects
    return {
        "journals": state.ledger.totals(),
        "effects": effects.external_keys,
        "documents_by_key": effects.external_keys,
        "bookings_by_bank_reference": effects.bank_references,
        "clearings": effects.clearings,
        "reversals": effects.reversals,
        "orders_released": _count(effects.orders, "released"),
        "orders_rejected": _count(effects.orders, "rejected"),
        "waiting_clearings": len(state.waiting),
    }


def _count(orders: dict[str, list[str]], verb: str) -> dict[str, int]:
    return {order: verbs.count(verb) for order, verbs in orders.items() if verb in verbs}
