"""Returned payments, refunds and debit memos: what beside the shared suite is Workday's own."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from ingestion.common.errors import OutcomeUnknown, VendorRejected
from ingestion.common.transport import Request, Response
from reverse_etl.delivery.writer import Absent, Accepted, Found, Rejected, Sending, Unknown
from tests.reverse_etl.support import sending
from tests.reverse_etl.workday.test_writer import (
    KIND,
    RECEIPT,
    application,
    line,
    look_up,
    payment,
    posted,
    send,
    wrong,
)
from tests.sandbox.workday.tenant import Tenant

COMMON = {
    "company_code": "W100", "customer": "C-100", "currency_code": "USD",
    "posting_date": "2026-05-22", "document_date": "2026-05-21",
}  # fmt: skip


@pytest.fixture
def tenant() -> Tenant:
    made = Tenant()
    asyncio.run(made.customer())
    return made


def returned(wid: str, amount: str = "100", lines: Any = None, **changes: Any) -> Sending:
    payload = {
        **COMMON, "amount": amount, "fee_amount": None, "value_date": "2026-05-21",
        "bank_gl_account": "11001000", "bank_reference": "RETURN-1",
        "item_text": "Returned payment BANK-1", "lines": lines,
        "receipt_document": wid.upper(), "receipt_key": RECEIPT,
    }  # fmt: skip
    return sending(KIND, "returned_payments", "back-1", {**payload, **changes})


def refund(wid: str, amount: str = "100") -> Sending:
    payload = {
        **COMMON, "amount": amount, "value_date": "2026-05-22", "bank_gl_account": "11001000",
        "bank_reference": "R-BANK-1", "item_text": "Refund: paid twice",
        "receipt_document": wid.upper(), "receipt_key": RECEIPT,
    }  # fmt: skip
    return sending(KIND, "refunds", RECEIPT, payload)


def balance(tenant: Tenant, account: str) -> Decimal:
    return tenant.app.state.ledger.balances.get(("W100", account), Decimal(0))


def paid_in_parts(tenant: Tenant) -> tuple[str, list[dict[str, Any]]]:
    """A receipt of 100: 80 less discount and fee, 30 with a credit of 20, and 16 on account."""
    from tests.sandbox.workday.test_books import credit

    first = asyncio.run(tenant.invoice("INV-1", "80"))
    second = asyncio.run(tenant.invoice("INV-2", "30"))
    memo = credit(tenant, "CM-1", "20")
    wid = posted(tenant, payment())
    fee = [{"kind": "fee", "reason_code": "BANK-FEE", "amount": "4"}]
    lines = [
        line(first, "80", discount_amount="2", differences=fee),
        line(second, "30"),
        line(memo, "-20"),
        {"kind": "on_account", "amount": "16"},
    ]
    posted(tenant, application(wid, lines))
    for one, number in zip(lines, ("INV-1", "INV-2", "CM-1"), strict=False):
        one |= {"invoice_number": number, "due_date": "2026-04-30"}
    return wid, lines


def test_each_invoice_is_due_again_with_its_day_and_the_rest_on_account_is_used_up(
    tenant: Tenant,
) -> None:
    wid, lines = paid_in_parts(tenant)
    adjusted, bank = balance(tenant, "44100000"), balance(tenant, "11001000")
    one = returned(wid, "100", lines)
    posted(tenant, one)
    assert wrong(tenant, one) == {}
    raised = [
        (r.values["Customer_PO_Number"], r.values["Control_Amount_Total"],
         r.values["Due_Date_Override"].isoformat(), tenant.app.state.open_amount(r))
        for r in tenant.app.state.of_kind("invoice") if r.id.startswith("LLP-")
    ]  # fmt: skip
    # The credit of 20 paid the first invoice in part, and stays used: 74 in cash less 20.
    assert raised == [
        ("INV-1", 60, "2026-04-30", 60),
        ("INV-2", 30, "2026-04-30", 30),
        ("RETURN-1", 16, "2026-05-22", 0),
    ]
    assert balance(tenant, "11001000") - bank == -100
    assert balance(tenant, "44100000") - adjusted == -6
    (receipt,) = tenant.app.state.of_kind("payment")
    assert tenant.app.state.open_amount(receipt) == 0


class Cutting:
    """Loses the answer to the n-th write, after its effect."""

    def __init__(self, tenant: Tenant, number: int) -> None:
        self._inner = tenant.transport()
        self._left = number

    async def send(self, request: Request) -> Response:
        response = await self._inner.send(request)
        if b"Get_" not in (request.body or b""):
            self._left -= 1
            if self._left == 0:
                raise OutcomeUnknown("the answer was lost", code="no_answer")
        return response

    async def close(self) -> None:
        return None


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_a_return_that_was_cut_off_at_any_step_goes_on_where_it_stopped(
    tenant: Tenant, step: int
) -> None:
    wid, lines = paid_in_parts(tenant)
    one = returned(wid, "100", lines)
    assert look_up(tenant, one) == Absent()
    assert isinstance(send(tenant, one, Cutting(tenant, step)), Unknown)
    assert isinstance(look_up(tenant, one), Found if step == 4 else Absent)
    posted(tenant, one)
    assert isinstance(look_up(tenant, one), Found)
    assert wrong(tenant, one) == {}
    documents = tenant.app.ledger()["documents_by_key"]
    assert {len(found) for found in documents.values()} == {1}
    assert balance(tenant, "11001000") == 0


class Refusing(Cutting):
    """Refuses the n-th write, without effect."""

    async def send(self, request: Request) -> Response:
        if b"Get_" not in (request.body or b""):
            self._left -= 1
            if self._left == 0:
                raise VendorRejected("the task is closed", code="validation_error", status=400)
        return await self._inner.send(request)


@pytest.mark.parametrize(("step", "is_partial"), [(1, False), (2, True), (4, True)])
def test_a_return_that_is_refused_after_an_invoice_was_raised_says_so(
    tenant: Tenant, step: int, is_partial: bool
) -> None:
    wid, lines = paid_in_parts(tenant)
    outcome = send(tenant, returned(wid, "100", lines), Refusing(tenant, step))
    assert isinstance(outcome, Rejected)
    assert outcome.is_partial is is_partial


def test_a_return_that_waits_for_workday_to_apply_the_rest_is_pending() -> None:
    tenant = Tenant(auto_apply_seconds=60)
    asyncio.run(tenant.customer())
    wid = posted(tenant, payment())
    one = returned(wid)
    posted(tenant, one)
    from tests.reverse_etl.workday.test_writer import read_back

    assert read_back(tenant, one).is_pending
    tenant.seconds += 61
    assert wrong(tenant, one) == {}
    assert not read_back(tenant, one).is_pending


def test_a_charge_of_the_bank_is_owed_beside_it(tenant: Tenant) -> None:
    wid = posted(tenant, payment())
    one = returned(wid, fee_amount="7.50")
    posted(tenant, one)
    assert wrong(tenant, one) == {}
    assert balance(tenant, "11001000") == Decimal("-7.50")
    assert balance(tenant, "12100000") == Decimal("7.50")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"lines": [line("a" * 32, "99")]}, "not_the_payment"),
        ({"lines": "text"}, "line_form"),
        ({"receipt_document": None}, "field_missing"),
        ({"receipt_document": "D" * 32}, "payment_missing"),
    ],
)
def test_a_return_that_cannot_be_meant_raises_no_invoice(
    tenant: Tenant, changes: dict[str, Any], code: str
) -> None:
    outcome = send(tenant, returned("B" * 32, **changes))
    assert isinstance(outcome, Rejected)
    assert outcome.code == code
    assert tenant.app.state.of_kind("invoice") == []


@pytest.mark.parametrize(
    ("category", "code"), [("", "no_returned_category"), ("NONE_SUCH", "invalid_reference")]
)
def test_a_tenant_without_a_category_for_it_leaves_a_return_to_a_person(
    tenant: Tenant, category: str, code: str
) -> None:
    wid = posted(tenant, payment())
    options = {**tenant.system.options, "returned_category": category}
    tenant.system = tenant.system.model_copy(update={"options": options})
    outcome = send(tenant, returned(wid))
    assert isinstance(outcome, Rejected)
    assert (outcome.code, outcome.is_business) == (code, True)
    assert balance(tenant, "11001000") == 100


def test_a_refund_takes_just_what_is_on_account_of_its_receipt(tenant: Tenant) -> None:
    invoice = asyncio.run(tenant.invoice("INV-1", "30"))
    wid = posted(tenant, payment())
    posted(tenant, application(wid, [line(invoice, "30")]))
    outcome = send(tenant, refund(wid))
    assert isinstance(outcome, Rejected)
    assert (outcome.code, outcome.is_business) == ("over_applied", True)
    one = refund(wid, "70")
    posted(tenant, one)
    assert wrong(tenant, one) == {}
    assert balance(tenant, "11001000") == 30
    assert isinstance(send(tenant, one), Accepted)
    assert len(tenant.app.state.of_kind("refund")) == 1


def test_nothing_more_is_applied_of_a_receipt_that_went_back(tenant: Tenant) -> None:
    invoice = asyncio.run(tenant.invoice("INV-1", "100"))
    wid = posted(tenant, payment())
    posted(tenant, refund(wid))
    outcome = send(tenant, application(wid, [line(invoice, "100")]))
    assert isinstance(outcome, Rejected)
    assert outcome.code == "over_applied"


def test_a_debit_memo_names_the_invoice_and_the_reason_and_is_due_on_its_day(
    tenant: Tenant,
) -> None:
    payload = {
        **COMMON, "amount": "25.5", "due_date": "2026-06-21", "document_reference": "DM-1",
        "invoice_number": "INV-7", "reason_code": "FREIGHT", "item_text": "Freight of May",
    }  # fmt: skip
    one = sending(KIND, "debit_memos", "memo-1", payload)
    posted(tenant, one)
    assert wrong(tenant, one) == {}
    (record,) = tenant.app.state.of_kind("invoice")
    assert record.values["Memo"] == "Freight of May (invoice INV-7)"
    assert record.values["Due_Date_Override"].isoformat() == "2026-06-21"
    assert balance(tenant, "44100000") == Decimal("-25.50")
