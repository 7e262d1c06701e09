"""Words of a remittance that say what kind of payment it is, in the languages payers write.

A word here never applies anything; it only stops the stages that would have to guess, or allows a
deduction whose amount stands in the same text. Stems are folded (no accents, upper case).
"""

import re

__all__ = ["tells_in"]

_STEMS = {
    # Money before an invoice: nothing open is paid by it.
    "prepayment": (
        "PREPAY PRE-PAY PREPAID PRE-PAID ADVANCE DEPOSIT DOWNPAYMENT ANZAHLUNG VORAUSZAHLUNG "
        "VORKASSE VORAUSKASSE ACOMPTE ARRHES AVANCE ANTICIPO ANTICIPAD ACCONTO CAPARRA ZALICZK "
        "PRZEDPLAT AANBETALING VOORUITBETALING FORSKOTT FORSKUD ZALOH PROFORMA"
    ),
    # Only a part of what is named.
    "partial": (
        "PARTIAL INSTALLMENT INSTALMENT TEILZAHLUNG TEILBETRAG ABSCHLAG RATENZAHLUNG PARTIEL "
        "PARCIAL PARZIALE CZESCIOW DEELBETALING DELBETALNING DELVIS"
    ),
    # Money that came back, or is to go back.
    "returned": (
        "RETURNED NSF CHARGEBACK REVERSAL REVERSED BOUNCED UNPAID RUCKLASTSCHRIFT "
        "RUECKLASTSCHRIFT RUCKGABE RUECKGABE STORNO REJET IMPAYE DEVOLUCION DEVUELTO INSOLUTO "
        "ZWROT REFUND"
    ),
    # The payer says that it took something off.
    "deduction": (
        "LESS MINUS DEDUCT SHORT DISPUTE CLAIM DAMAGE FREIGHT ALLOWANCE DEBIT PRICE SHORTAGE "
        "PROMO REBATE ABZUG ABZUEGL ABZGL KURZUNG KUERZUNG MINDERUNG MANGEL DEDUC DESCUENTO "
        "MOINS RETENUE DETRAZIONE POTRACEN INHOUDING AVDRAG"
    ),
}
_PATTERNS = {
    name: re.compile(r"(?<![A-Z])(?:" + "|".join(re.escape(s) for s in stems.split()) + ")")
    for name, stems in _STEMS.items()
}
_TWO_WORDS = re.compile(
    r"(?<![A-Z])(?:DOWN PAY|PRE PAY|ON ACCOUNT|A CONTO|AKONTO|A CUENTA|A VALOIR)"
)


def tells_in(folded: str) -> frozenset[str]:
    """What the words of a folded text say: prepayment, partial, returned, deduction."""
    found = {name for name, pattern in _PATTERNS.items() if pattern.search(folded)}
    if _TWO_WORDS.search(folded):
        found.add("prepayment")
    return frozenset(found)
