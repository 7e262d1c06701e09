"""Documents of pushed files into SAP's books: postings, invoices, credit accounts, customers.

The form is told by the columns a line has. It knows SAP's field names and checks values; whether a
document came before is the intake's business.
"""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from sandbox.core.ledger import JournalKey
from sandbox.sap_s4hana.books import Books, EntryDraft, EntryRefused, ItemDraft
from sandbox.sap_s4hana.odata.payload import Payload
from sandbox.sap_s4hana.odata.rules import SetRules
from sandbox.sap_s4hana.odata.values import alpha
from sandbox.sap_s4hana.state import SapState

__all__ = ["SapDocuments"]

_UNCHANGED = "/"
_Line = dict[str, str]


class SapDocuments:
    """Applies one document at a time.

    Args:
        state: the system's state.
        books: where postings go.
        credit, partners: the rules of credit accounts and business partners.
    """

    def __init__(self, state: SapState, books: Books, credit: SetRules, partners: SetRules) -> None:
        self._state = state
        self._books = books
        self._credit = credit
        self._partners = partners

    def counted(self, line: _Line) -> Iterator[tuple[str, Decimal]]:
        """What a line adds to the control totals: debits of postings, limits of credit accounts."""
        if "WRBTR" in line:
            yield line["WAERS"], _amount(line["WRBTR"]) if line["SHKZG"] == "S" else Decimal(0)
        elif "CREDIT_LIMIT" in line:
            text = line["CREDIT_LIMIT"]
            yield "X" * 3, Decimal(0) if text in ("", _UNCHANGED) else _amount(text)

    def apply(self, key: str, lines: list[_Line]) -> JournalKey | None:
        """Apply a document; its journal where it is a posting.

        Raises:
            EntryRefused, ODataError: with SAP's message; nothing was applied.
        """
        if "WRBTR" in lines[0]:
            return self._post(key, lines)
        if "CREDIT_LIMIT" in lines[0]:
            self._change_credit(lines[0])
        else:
            self._create_customer(lines[0])
        return None

    def _post(self, key: str, lines: list[_Line]) -> JournalKey:
        first = lines[0]
        draft = EntryDraft(
            company_code=first["BUKRS"],
            document_type=first["BLART"],
            posting_date=_day(first["BUDAT"], "PostingDate"),
            document_date=_day(first["BLDAT"], "DocumentDate"),
            currency_code=first["WAERS"],
            items=[_item(line, self._state.settings.tax_gl_account) for line in lines],
            values={"DocumentReferenceID": first["XBLNR"]},
        )
        journal = self._books.post(draft)
        self._state.effects.external_keys.setdefault(f"file {key}", []).append(
            "/".join(map(str, journal.key))
        )
        return journal.key

    def _change_credit(self, line: _Line) -> None:
        row = self._credit.table.get(line["PARTNER"], line["CREDIT_SGMNT"])
        if row is None:
            raise EntryRefused(
                "001(UKM)", f"Partner {line['PARTNER']} has no credit account", "PARTNER"
            )
        changes: dict[str, Any] = {}
        if line["CREDIT_LIMIT"] != _UNCHANGED:
            changes["CreditLimitAmount"] = _amount(line["CREDIT_LIMIT"] or "0")
        for column, name in (
            ("LIMIT_IS_ZERO", "CreditLimitIsZero"),
            ("XBLOCKED", "CreditAccountIsBlocked"),
        ):
            if line[column] != _UNCHANGED:
                changes[name] = line[column] == "X"
        if line["BLOCK_REASON"] != _UNCHANGED:
            changes["CreditAccountBlockReason"] = line["BLOCK_REASON"]
        self._credit.update(row, changes)

    def _create_customer(self, line: _Line) -> None:
        number = alpha(line["KUNNR"], 10)
        company = Payload({"Customer": number, "CompanyCode": line["BUKRS"]})
        company.values["PaymentTerms"] = line["ZTERM"]
        customer = Payload({"Customer": number}, {"to_CustomerCompany": [company]})
        address = Payload(
            {
                "StreetName": line["STRAS"],
                "PostalCode": line["PSTLZ"],
                "CityName": line["ORT01"],
                "Country": line["LAND1"],
            }
        )
        values = {
            "BusinessPartner": number,
            "BusinessPartnerCategory": "2",
            "OrganizationBPName1": line["NAME1"],
        }
        nested = {"to_Customer": [customer], "to_BusinessPartnerAddress": [address]}
        if line["BUKRS"] not in self._state.settings.companies:
            raise EntryRefused("163(F2)", f"Company code {line['BUKRS']} does not exist", "BUKRS")
        self._partners.create(Payload(values, nested))


def _item(line: _Line, tax_gl_account: str) -> ItemDraft:
    amount = _amount(line["WRBTR"])
    values: dict[str, Any] = {
        name: line[column]
        for column, name in (
            ("SGTXT", "DocumentItemText"),
            ("ZUONR", "AssignmentReference"),
            ("XREF3", "Reference3IDByBusinessPartner"),
        )
        if line[column]
    }
    if line["VALUT"]:
        values["ValueDate"] = _day(line["VALUT"], "ValueDate")
    if line["ZFBDT"]:
        values["DueCalculationBaseDate"] = _day(line["ZFBDT"], "DueCalculationBaseDate")
        values["NetPaymentDays"] = Decimal(line["ZBD1T"] or "0")
    is_customer = line["KOART"] == "D"
    account = alpha(line["KONTO"], 10) if is_customer else line["KONTO"].lstrip("0")
    signed = -amount if line["SHKZG"] == "H" else amount
    return ItemDraft(line["KOART"], account, signed, None, values, account == tax_gl_account)


def _amount(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise EntryRefused("000(RW)", f"{text!r} is no amount", "WRBTR") from None


def _day(text: str, element: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise EntryRefused("000(RW)", f"{text!r} is no date", element) from None
