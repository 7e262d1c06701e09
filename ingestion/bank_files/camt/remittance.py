"""Remittance information of a camt transaction: text, references, and lines with amounts.

A line with an amount is evidence of what the payer pays; a number without one is a reference only.
"""

from decimal import Decimal

from lxml import etree

from ingestion.bank_files.camt.elements import child, children, text
from ingestion.bank_files.remittances import ReferenceKind, RemittanceLine, gross_lines
from ingestion.common.money import parse_amount

__all__ = ["lines_of", "structured", "unstructured"]

_LINE_CHARACTERS = 140
_KINDS = {
    "CINV": ReferenceKind.INVOICE,
    "MSIN": ReferenceKind.INVOICE,
    "SBIN": ReferenceKind.INVOICE,
    "DNFA": ReferenceKind.INVOICE,
    "DEBN": ReferenceKind.INVOICE,
    "CREN": ReferenceKind.CREDIT_MEMO,
    "PUOR": ReferenceKind.PURCHASE_ORDER,
    "SOAC": ReferenceKind.OTHER,
    "DISP": ReferenceKind.DELIVERY,
}


def unstructured(element: etree._Element) -> str:
    """``Ustrd`` repeats as one text: a full line runs on, a shorter one ends a word."""
    information = child(element, "RmtInf")
    if information is None:
        return ""
    found = ""
    for line in children(information, "Ustrd"):
        piece = (line.text or "").replace("\n", " ").strip("\r")
        found += piece if len(piece) >= _LINE_CHARACTERS else piece + " "
    return found.strip()


def structured(details: list[etree._Element], *path: str) -> str:
    """Structured references joined by semicolons, each once, in order."""
    found: dict[str, None] = {}
    for part in _structures(details):
        for holder in children(part, path[0]):
            reference = text(holder, *path[1:])
            if reference:
                found[reference] = None
    return ";".join(found)


def lines_of(
    details: list[etree._Element], amount: Decimal, currency_code: str, where: str
) -> tuple[RemittanceLine, ...]:
    """Structured documents with what is paid on each; none unless every one has an amount.

    Args:
        details: the transactions of one receipt.
        amount: the receipt's amount, to see whether amounts paid are before or after adjustments.
        currency_code: lines in another currency are no evidence for this receipt.
        where: for messages.
    """
    found = []
    for part in _structures(details):
        if child(part, "RfrdDocInf") is None and child(part, "RfrdDocAmt") is None:
            continue
        line = _line(part, currency_code, where)
        if line is None:
            return ()
        found.append(line)
    return gross_lines(found, amount)


def _structures(details: list[etree._Element]) -> list[etree._Element]:
    found = []
    for one in details:
        information = child(one, "RmtInf")
        if information is not None:
            found += children(information, "Strd")
    return found


def _line(part: etree._Element, currency_code: str, where: str) -> RemittanceLine | None:
    """One ``Strd``; None without a paid amount in the receipt's currency."""
    amounts = child(part, "RfrdDocAmt")
    documents = children(part, "RfrdDocInf")
    if amounts is None or len(documents) > 1:
        return None

    def money(*path: str) -> Decimal | None:
        holder = child(amounts, *path) if amounts is not None else None
        if holder is None or holder.get("Ccy") != currency_code:
            return None
        return parse_amount(holder.text or "", currency_code, where=where)

    original = money("DuePyblAmt")
    credited = money("CdtNoteAmt")
    discount = money("DscntApldAmt") or money("DscntApldAmt", "Amt") or Decimal(0)
    paid = money("RmtdAmt")
    kind = _kind(documents)
    if paid is None:
        base = original if original is not None else credited
        if base is None:
            return None
        paid = base - discount
    if kind is ReferenceKind.CREDIT_MEMO or (credited is not None and original is None):
        paid, kind = -abs(paid), ReferenceKind.CREDIT_MEMO
    adjustment, code, words = _adjustments(amounts, currency_code, where)
    return RemittanceLine(
        reference=text(documents[0], "Nb") if documents else "",
        reference_kind=kind,
        amount_paid=paid,
        amount_original=original if original is not None else credited,
        discount_amount=discount,
        adjustment_amount=adjustment,
        adjustment_code=code,
        adjustment_text=words,
    )


def _kind(documents: list[etree._Element]) -> ReferenceKind:
    if not documents:
        return ReferenceKind.OTHER
    code = text(documents[0], "Tp", "CdOrPrtry", "Cd") or text(documents[0], "Tp", "Cd")
    return _KINDS.get(code, ReferenceKind.INVOICE if not code else ReferenceKind.OTHER)


def _adjustments(
    amounts: etree._Element, currency_code: str, where: str
) -> tuple[Decimal, str, str]:
    """What the payer kept back (a debit note to us, +) or added (−), with reason and words."""
    total, codes, words = Decimal(0), [], []
    for one in children(amounts, "AdjstmntAmtAndRsn"):
        holder = child(one, "Amt")
        if holder is None or holder.get("Ccy") != currency_code:
            continue
        amount = parse_amount(holder.text or "", currency_code, where=where)
        total += -amount if text(one, "CdtDbtInd") == "CRDT" else amount
        codes.append(text(one, "Rsn"))
        words.append(text(one, "AddtlInf"))
    return total, ";".join(filter(None, codes)), " ".join(filter(None, words))
