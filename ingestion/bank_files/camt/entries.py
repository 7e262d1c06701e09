"""One ``Ntry`` of a camt message as entries: none, one, or the transactions of a batch booking."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

from lxml import etree

from ingestion.bank_files.camt.elements import (
    account,
    agreed,
    amount_of,
    child,
    children,
    day,
    text,
)
from ingestion.bank_files.camt.remittance import lines_of, structured, unstructured
from ingestion.bank_files.statements import Entry, total_of
from ingestion.common.errors import InputRefused
from ingestion.common.money import parse_amount

__all__ = ["entries_of"]

_NOT_PROVIDED = frozenset({"NOTPROVIDED", "NOT PROVIDED"})
#: Sub-families of a payment that came back.
_RETURNS = frozenset({"RRTN", "RPCR", "UPDD", "UPCT", "UPCQ", "PRDD", "ARET"})


def entries_of(
    element: etree._Element, before: int, fallback_day: date | None, where: str
) -> list[Entry]:
    """The movements of one ``Ntry``: none when pending, several when a batch can be split.

    Args:
        element: the entry.
        before: entries of the statement before it.
        fallback_day: the day of an entry without one; None refuses it.
        where: for messages.

    Raises:
        InputRefused: an amount, sign or date is missing or none.
    """
    status = text(element, "Sts", "Cd") or text(element, "Sts", "Prtry") or text(element, "Sts")
    if status not in ("", "BOOK"):
        return []
    amount, currency_code = amount_of(element, where)
    booked, valued = day(element, "BookgDt", where), day(element, "ValDt", where)
    either = booked or valued or fallback_day
    if either is None:
        raise InputRefused(
            f"{where} has neither booking nor value date: ask the bank for a correct statement",
            code="missing_date",
            where=where,
        )
    groups = children(element, "NtryDtls")
    details = [one for group in groups for one in children(group, "TxDtls")]
    whole = Entry(
        position=before + 1,
        amount=amount,
        currency_code=currency_code,
        booking_date=booked or either,
        value_date=valued or either,
        is_reversal=text(element, "RvslInd") in ("true", "1"),
        account_servicer_reference=text(element, "AcctSvcrRef"),
        entry_reference=text(element, "NtryRef"),
        bank_code=_bank_code(element),
        transactions=_count(groups, len(details)),
    )
    split = _split(whole, details, where)
    if split:
        return split
    return [_with_details(whole, details, text(element, "AddtlNtryInf"), where)]


def _count(groups: list[etree._Element], details: int) -> int:
    counts = [text(group, "Btch", "NbOfTxs") for group in groups]
    return max(details, sum(int(one) for one in counts if one.isdigit()))


def _split(whole: Entry, details: list[etree._Element], where: str) -> list[Entry]:
    """A batch booking as its transactions, when each has an amount and they sum to the entry."""
    if len(details) < 2:
        return []
    amounts = [_detail_amount(one, whole, where) for one in details]
    if None in amounts:
        return []
    parts = []
    for number, (one, amount) in enumerate(zip(details, amounts, strict=True), 1):
        assert amount is not None
        own = text(one, "Refs", "AcctSvcrRef")
        shared = whole.account_servicer_reference
        has_own = own not in ("", shared)
        reference = own if has_own else (f"{shared}/{number}" if shared else "")
        part = replace(
            whole,
            position=whole.position + number - 1,
            amount=amount,
            account_servicer_reference=reference,
            batch_reference=shared,
            transactions=1,
        )
        parts.append(_with_details(part, [one], "", where))
    return parts if total_of(parts) == whole.amount else []


def _detail_amount(element: etree._Element, whole: Entry, where: str) -> Decimal | None:
    """A transaction's amount in the account's currency, signed; None when it has none."""
    for path in (("AmtDtls", "TxAmt"), ()):
        holder = child(element, *path) if path else element
        found = None if holder is None else child(holder, "Amt")
        if found is None or found.get("Ccy") != whole.currency_code:
            continue
        amount = parse_amount(found.text or "", whole.currency_code, where=where)
        side = text(element, "CdtDbtInd")
        is_debit = side == "DBIT" if side else whole.amount < 0
        return -amount if is_debit else amount
    return None


def _with_details(entry: Entry, details: list[etree._Element], fallback: str, where: str) -> Entry:
    """An entry with what its transaction details say; of several only what they agree on."""
    if not details:
        return replace(entry, remittance_text=fallback)
    parties = [one for tx in details if (one := child(tx, "RltdPties")) is not None]
    payers = {account(one, "DbtrAcct") for one in parties} - {""}
    end_to_end = agreed(details, "Refs", "EndToEndId")
    end_to_end = "" if end_to_end in _NOT_PROVIDED else end_to_end
    texts = [found for one in details if (found := unstructured(one))]
    reason = agreed(details, "RtrInf", "Rsn", "Cd") or agreed(details, "RtrInf", "Rsn", "Prtry")
    is_reversal = entry.is_reversal or _is_return(entry, details)
    return replace(
        entry,
        is_reversal=is_reversal,
        account_servicer_reference=entry.account_servicer_reference
        or agreed(details, "Refs", "AcctSvcrRef"),
        end_to_end_id=end_to_end,
        remittance_text="\n".join(texts) or agreed(details, "AddtlTxInf") or fallback,
        structured_references=structured(details, "RfrdDocInf", "Nb"),
        creditor_reference=structured(details, "CdtrRefInf", "Ref"),
        payer_name=_party(details, "Dbtr"),
        payer_account=payers.pop() if len(payers) == 1 else "",
        ultimate_payer_name=_party(details, "UltmtDbtr"),
        virtual_account=_creditor_account(parties) if entry.amount > 0 else "",
        original_reference=_original(details, end_to_end) if is_reversal else "",
        return_reason=reason,
        lines=lines_of(details, entry.amount, entry.currency_code, where),
    )


def _party(details: list[etree._Element], role: str) -> str:
    return agreed(details, "RltdPties", role, "Pty", "Nm") or agreed(
        details, "RltdPties", role, "Nm"
    )


def _creditor_account(parties: list[etree._Element]) -> str:
    """The account that the payer wrote; the reader drops it where it is the statement's own."""
    found = {account(one, "CdtrAcct") for one in parties} - {""}
    return found.pop() if len(found) == 1 else ""


def _is_return(entry: Entry, details: list[etree._Element]) -> bool:
    has_reason = any(child(one, "RtrInf") is not None for one in details)
    return has_reason or entry.bank_code.rpartition("-")[2] in _RETURNS


def _original(details: list[etree._Element], end_to_end: str) -> str:
    """The reference of the payment that came back, as far as the bank gives one."""
    for one in details:
        references = child(one, "Refs")
        if references is None:
            continue
        for proprietary in children(references, "Prtry"):
            if "ORIG" in text(proprietary, "Tp").upper():
                return text(proprietary, "Ref")
    return end_to_end or agreed(details, "Refs", "InstrId") or agreed(details, "Refs", "TxId")


def _bank_code(element: etree._Element) -> str:
    code = child(element, "BkTxCd")
    if code is None:
        return ""
    family = ("Domn", "Fmly")
    parts = (
        text(code, "Domn", "Cd"),
        text(code, *family, "Cd"),
        text(code, *family, "SubFmlyCd"),
    )
    return "-".join(part for part in parts if part) or text(code, "Prtry", "Cd")
