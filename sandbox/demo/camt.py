"""camt.053 statements as a bank makes them: one per account and day, balances that add up.

Two message versions are written (001.02 and 001.08), because banks disagree and a reader must take
both. Bytes are a pure function of the arguments. It only writes; reading is the product's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import groupby

from lxml import etree

from sandbox.demo.dataset import unit_of
from sandbox.demo.payments import OwnAccount, Payment

__all__ = ["StatementFile", "make_statements"]

_OPENING_BALANCE = Decimal("250000.00")
_VERSION_OLD = "camt.053.001.02"
_VERSION_NEW = "camt.053.001.08"
_BANK_NAME = "Ledger Bank"


@dataclass(frozen=True, slots=True)
class StatementFile:
    """One statement file: its name, its bytes and the figures it claims."""

    name: str
    body: bytes
    account: str
    day: date
    sequence_number: int
    opening_amount: Decimal
    closing_amount: Decimal
    entries: int


def make_statements(
    payments: Sequence[Payment], accounts: Sequence[OwnAccount]
) -> list[StatementFile]:
    """One statement per account and day with entries, numbered without gaps per account.

    Canadian-dollar accounts get the older message version, all others the newer one.
    """
    files = []
    for account in accounts:
        mine = sorted(
            (p for p in payments if p.account == account.account),
            key=lambda p: (p.value_date, p.bank_reference),
        )
        opening = _OPENING_BALANCE.quantize(unit_of(account.currency_code))
        days = groupby(mine, key=lambda p: p.value_date)
        for number, (day, entries) in enumerate(days, start=1):
            made = _statement(account, day, number, opening, list(entries))
            files.append(made)
            opening = made.closing_amount
    return sorted(files, key=lambda f: (f.day, f.account))


def _statement(
    account: OwnAccount, day: date, number: int, opening: Decimal, entries: list[Payment]
) -> StatementFile:
    closing = opening + sum((p.amount for p in entries), Decimal(0))
    version = _VERSION_OLD if account.currency_code == "CAD" else _VERSION_NEW
    names: dict[str | None, str] = {None: f"urn:iso:std:iso:20022:tech:xsd:{version}"}
    root = etree.Element("Document", nsmap=names)  # type: ignore[arg-type] # the stub lacks None
    message = etree.SubElement(root, "BkToCstmrStmt")
    created = datetime.combine(day, time(22, 30), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    header = etree.SubElement(message, "GrpHdr")
    _put(header, "MsgId", f"{account.account[-10:]}-{day:%Y%m%d}")
    _put(header, "CreDtTm", created)
    statement = etree.SubElement(message, "Stmt")
    _put(statement, "Id", f"{account.account[-10:]}-{number:05d}")
    _put(statement, "ElctrncSeqNb", str(number))
    _put(statement, "LglSeqNb", str(number))
    _put(statement, "CreDtTm", created)
    _account(statement, account)
    _balance(statement, "OPBD", opening, account.currency_code, day)
    _balance(statement, "CLBD", closing, account.currency_code, day)
    for payment in entries:
        _entry(etree.SubElement(statement, "Ntry"), payment, is_new=version == _VERSION_NEW)
    name = f"camt053_{account.account}_{day:%Y%m%d}_{number:05d}.xml"
    body = etree.tostring(root, encoding="utf-8", xml_declaration=True)
    return StatementFile(name, body, account.account, day, number, opening, closing, len(entries))


def _account(parent: etree._Element, account: OwnAccount) -> None:
    element = etree.SubElement(parent, "Acct")
    _put(etree.SubElement(element, "Id"), "IBAN", account.account)
    _put(element, "Ccy", account.currency_code)
    servicer = etree.SubElement(etree.SubElement(element, "Svcr"), "FinInstnId")
    _put(servicer, "Nm", _BANK_NAME)


def _balance(
    parent: etree._Element, code: str, amount: Decimal, currency_code: str, day: date
) -> None:
    element = etree.SubElement(parent, "Bal")
    kind = etree.SubElement(etree.SubElement(element, "Tp"), "CdOrPrtry")
    _put(kind, "Cd", code)
    _put(element, "Amt", str(abs(amount)), Ccy=currency_code)
    _put(element, "CdtDbtInd", "DBIT" if amount < 0 else "CRDT")
    _put(etree.SubElement(element, "Dt"), "Dt", day.isoformat())


def _entry(parent: etree._Element, payment: Payment, *, is_new: bool) -> None:
    _put(parent, "NtryRef", payment.receipt_number)
    _put(parent, "Amt", str(payment.amount), Ccy=payment.currency_code)
    _put(parent, "CdtDbtInd", "CRDT")
    if is_new:
        _put(etree.SubElement(parent, "Sts"), "Cd", "BOOK")
    else:
        _put(parent, "Sts", "BOOK")
    for name in ("BookgDt", "ValDt"):
        _put(etree.SubElement(parent, name), "Dt", payment.value_date.isoformat())
    _put(parent, "AcctSvcrRef", payment.bank_reference)
    _transaction_code(etree.SubElement(parent, "BkTxCd"))
    details = etree.SubElement(etree.SubElement(parent, "NtryDtls"), "TxDtls")
    references = etree.SubElement(details, "Refs")
    _put(references, "AcctSvcrRef", payment.bank_reference)
    _put(references, "EndToEndId", payment.end_to_end_id)
    if is_new:
        _put(details, "Amt", str(payment.amount), Ccy=payment.currency_code)
        _put(details, "CdtDbtInd", "CRDT")
    _parties(etree.SubElement(details, "RltdPties"), payment, is_new=is_new)
    _remittance(details, payment)


def _transaction_code(parent: etree._Element) -> None:
    domain = etree.SubElement(parent, "Domn")
    _put(domain, "Cd", "PMNT")
    family = etree.SubElement(domain, "Fmly")
    _put(family, "Cd", "RCDT")
    _put(family, "SubFmlyCd", "ESCT")


def _parties(parent: etree._Element, payment: Payment, *, is_new: bool) -> None:
    """The payer. Newer versions wrap a party in ``Pty``."""
    debtor = etree.SubElement(parent, "Dbtr")
    _put(etree.SubElement(debtor, "Pty") if is_new else debtor, "Nm", payment.payer_name)
    account = etree.SubElement(etree.SubElement(parent, "DbtrAcct"), "Id")
    _put(account, "IBAN", payment.payer_account)


def _remittance(parent: etree._Element, payment: Payment) -> None:
    if not payment.text_lines and not payment.structured:
        return
    information = etree.SubElement(parent, "RmtInf")
    for line in payment.text_lines:
        _put(information, "Ustrd", line)
    for number in payment.structured:
        document = etree.SubElement(etree.SubElement(information, "Strd"), "RfrdDocInf")
        kind = etree.SubElement(etree.SubElement(document, "Tp"), "CdOrPrtry")
        _put(kind, "Cd", "CINV")
        _put(document, "Nb", number)


def _put(parent: etree._Element, name: str, text: str, **attributes: str) -> None:
    etree.SubElement(parent, name, attributes).text = text
