"""Workday read for measuring, over SOAP and the three reports of the kind's README.

Invoices and adjustments say themselves what is due of them; a payment does not, so what the
applications report says of it is taken off. No limit is unlimited, a limit of zero grants nothing,
a hold is a value of the customer's status. There are no orders that credit holds.
"""

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal

from lxml import etree

from ingestion.common.config import System
from ingestion.common.transport import transport_of
from ingestion.workday.client import WorkdayClient, id_of, qualified, text_at
from sandbox.demo.reading.frames import (
    Balance,
    Closing,
    Credit,
    ErpBooks,
    Item,
    LimitKind,
    Nature,
    PayerAccount,
    closed_by_last,
    items_frame,
    normal_account,
    references_of,
)

__all__ = ["read"]

ZERO = Decimal(0)
_TRUE = frozenset({"1", "true"})
_HOLD = "HOLD"
_POSTED = "Approved"
_BALANCE_OPTION, _RECEIVABLES = "ar_gl_account", "12100000"

Row = Mapping[str, str]


async def read(system: System, as_of: date) -> ErpBooks:
    """What the tenant holds; what is open is so now.

    Raises:
        LedgerloopError: the tenant did not answer.
    """
    client = WorkdayClient(system, transport_of(system))
    options = client.options
    try:
        moment = await client.moment()
        customers, invoices, adjustments, payments = [
            await _elements(client, operation, moment)
            for operation in (
                "Get_Customers",
                "Get_Customer_Invoices",
                "Get_Customer_Invoice_Adjustments",
                "Get_Customer_Payments",
            )
        ]
        applied, posted, balances = await asyncio.gather(
            _report(client, options["applications_report"]),
            _report(client, options["ledger_amounts_report"]),
            _report(client, options["balances_report"]),
        )
    finally:
        await client.close()
    desk = _Desk(system, applied, posted, payments)
    receivables = str(system.options.get(_BALANCE_OPTION, _RECEIVABLES))
    items = [*desk.invoices(invoices), *desk.adjustments(adjustments), *desk.payments(payments)]
    return ErpBooks(
        items=items_frame(one for one in items if one.posting_date <= as_of),
        balances=[
            Balance(row["Company_Reference_ID"], Decimal(row["Ending_Balance"]))
            for row in balances
            if row["Ledger_Account_ID"] == receivables
        ],
        customers=[text_at(one, "Customer_Data/Customer_ID") for one in customers],
        payers=list(_payers(customers)),
        credit=[_credit(system, one) for one in customers],
    )


async def _elements(client: WorkdayClient, operation: str, moment: str) -> list[etree._Element]:
    return [row async for page in client.pages(operation, moment=moment) for row in page]


async def _report(client: WorkdayClient, name: str) -> list[dict[str, str]]:
    tree = json.loads(await client.rest.report(name), parse_float=str, parse_int=str)
    rows: list[dict[str, str]] = tree["Report_Entry"]
    return rows


def _reference(element: etree._Element, path: str, id_type: str = "") -> str:
    """The id in a reference below an element; empty where there is none."""
    return id_of(element.find("/".join(qualified(name) for name in path.split("/"))), id_type)


class _Desk:
    """Documents to items, with what the reports say of them by Workday id."""

    def __init__(
        self,
        system: System,
        applied: Iterable[Row],
        posted: Iterable[Row],
        payments: Iterable[etree._Element],
    ) -> None:
        self._system = system
        self._company_amounts = {
            row["Transaction_Workday_ID"]: abs(Decimal(row["Ledger_Amount"])) for row in posted
        }
        came = {
            _reference(one, "Customer_Payment_for_Invoices_Reference", "WID"): date.fromisoformat(
                text_at(one, "Customer_Payment_Data/Payment_Date")[:10]
            )
            for one in payments
        }
        self._used: dict[str, Decimal] = {}
        self._closings: dict[str, list[Closing]] = {}
        for row in applied:
            credit, invoice = row["Applied_From_Workday_ID"], row["Applied_To_Workday_ID"]
            on = date.fromisoformat(row["Application_Date"])
            self._used[credit] = self._used.get(credit, ZERO) + Decimal(row["Applied_Amount"])
            closing = Closing(on, credit, came.get(credit, on))
            self._closings.setdefault(credit, []).append(closing)
            self._closings.setdefault(invoice, []).append(closing)

    def invoices(self, elements: Iterable[etree._Element]) -> Iterator[Item]:
        """Approved invoices."""
        for one in elements:
            wid, data = (
                _reference(one, "Customer_Invoice_Reference", "WID"),
                "Customer_Invoice_Data",
            )
            if text_at(one, f"{data}/Document_Status") != _POSTED:
                continue
            issued = text_at(one, f"{data}/Invoice_Date")[:10]
            words = [text_at(one, f"{data}/{name}") for name in (
                "Invoice_Number", "Customer_Invoice_ID", "Customer_PO_Number",
            )]  # fmt: skip
            yield self._document(
                one, data, wid,
                sign=1,
                issued=date.fromisoformat(issued),
                due=text_at(one, f"{data}/Due_Date_Override")[:10],
                references=references_of(*words),
            )  # fmt: skip

    def adjustments(self, elements: Iterable[etree._Element]) -> Iterator[Item]:
        """Approved adjustments: credits, unless they raise what is due."""
        for one in elements:
            wid = _reference(one, "Customer_Invoice_Adjustment_Reference", "WID")
            data = "Customer_Invoice_Adjustment_Data"
            if text_at(one, f"{data}/Document_Status") != _POSTED:
                continue
            issued = text_at(one, f"{data}/Adjustment_Date")[:10]
            number = text_at(one, f"{data}/Invoice_Number")
            own_id = text_at(one, f"{data}/Customer_Invoice_Adjustment_ID")
            yield self._document(
                one, data, wid,
                sign=1 if text_at(one, f"{data}/Increase_Amount_Due") in _TRUE else -1,
                issued=date.fromisoformat(issued),
                due=issued,
                references=references_of(number, own_id),
            )  # fmt: skip

    def _document(
        self,
        element: etree._Element,
        data: str,
        wid: str,
        *,
        sign: int,
        issued: date,
        due: str,
        references: str,
    ) -> Item:
        posted_on = date.fromisoformat(
            text_at(element, f"{data}/Accounting_Date")[:10] or str(issued)
        )
        amount = sign * Decimal(text_at(element, f"{data}/Control_Amount_Total"))
        still_open = sign * Decimal(text_at(element, f"{data}/Amount_Due"))
        company = _reference(element, f"{data}/Company_Reference", "Company_Reference_ID")
        return Item(
            company_code=company,
            document=wid.upper(),
            item="001",
            nature=Nature.RECEIVABLE,
            customer=_reference(element, f"{data}/Customer_Reference", "Customer_ID"),
            amount=amount,
            amount_open=still_open,
            amount_company=sign * self._company_amounts[wid],
            company_currency_code=self._system.companies[company].currency_code,
            currency_code=_reference(element, f"{data}/Currency_Reference"),
            posting_date=posted_on,
            document_date=issued,
            due_date=date.fromisoformat(due) if due else posted_on,
            references=references,
            closing=None if still_open else closed_by_last(self._closings.get(wid, ())),
        )

    def payments(self, elements: Iterable[etree._Element]) -> Iterator[Item]:
        """Payments; one without a customer is an unidentified receipt."""
        data = "Customer_Payment_Data"
        for one in elements:
            wid = _reference(one, "Customer_Payment_for_Invoices_Reference", "WID")
            customer = _reference(one, f"{data}/Remitfrom_Customer_Reference", "Customer_ID")
            company = _reference(one, f"{data}/Company_Reference", "Company_Reference_ID")
            amount = -Decimal(text_at(one, f"{data}/Payment_Amount"))
            still_open = amount + self._used.get(wid, ZERO)
            day = date.fromisoformat(text_at(one, f"{data}/Payment_Date")[:10])
            yield Item(
                company_code=company,
                document=wid.upper(),
                item="001",
                nature=Nature.PAYMENT if customer else Nature.UNIDENTIFIED,
                customer=customer or None,
                amount=amount,
                amount_open=still_open,
                amount_company=-self._company_amounts[wid],
                company_currency_code=self._system.companies[company].currency_code,
                currency_code=_reference(one, f"{data}/Payment_Currency_Reference"),
                posting_date=day,
                document_date=day,
                due_date=day,
                bank_reference=text_at(one, f"{data}/Payment_Number"),
                closing=None if still_open else closed_by_last(self._closings.get(wid, ())),
            )


def _payers(customers: Iterable[etree._Element]) -> Iterator[PayerAccount]:
    for one in customers:
        number = text_at(one, "Customer_Data/Customer_ID")
        accounts = one.findall(
            "/".join(qualified(name) for name in ("Customer_Data", "Settlement_Account_Data"))
        )
        for account in accounts:
            normal = normal_account(
                text_at(account, "IBAN"), text_at(account, "Bank_Account_Number")
            )
            if normal:
                yield PayerAccount(number, normal)


def _credit(system: System, customer: etree._Element) -> Credit:
    """One limit for all companies: it counts in the tenant's first credit segment."""
    data = "Customer_Data"
    text = text_at(customer, f"{data}/Credit_Limit")
    amount = Decimal(text or "0")
    kind = LimitKind.LIMITED if amount > 0 else LimitKind.NONE_GRANTED
    first = min(system.companies)
    currency = _reference(customer, f"{data}/Credit_Limit_Currency_Reference") or _reference(
        customer, f"{data}/Currency_Reference"
    )
    status = _reference(customer, f"{data}/Customer_Status_Data/Customer_Status_Value_Reference")
    return Credit(
        customer=text_at(customer, f"{data}/Customer_ID"),
        credit_segment=min(one.credit_segment for one in system.companies.values()),
        segment_currency=currency or system.companies[first].currency_code,
        limit_kind=kind if text else LimitKind.UNLIMITED,
        limit_amount=amount,
        is_blocked=status == _HOLD,
    )
