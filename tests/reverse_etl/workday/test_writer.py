"""What the Workday writer sends, finds and reads back, on the sandbox tenant."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from ingestion.common.errors import ConfigError, OutcomeUnknown
from ingestion.common.transport import Request, Response, Transport
from reverse_etl.delivery.verifying import differences
from reverse_etl.delivery.writer import (
    Absent,
    Accepted,
    CannotTell,
    Found,
    Outcome,
    ReadBack,
    Rejected,
    Sending,
    Unknown,
)
from reverse_etl.planning.governance import load_governance
from reverse_etl.workday.writer import WorkdayWriter, create
from tests.reverse_etl.support import sending
from tests.sandbox.workday.tenant import Tenant

KIND = "workday"
RECEIPT = "0123456789abcdef0123"


@pytest.fixture
def tenant() -> Tenant:
    made = Tenant()
    asyncio.run(made.customer(limit="5000"))
    return made


def writer_of(tenant: Tenant, transport: Transport | None = None) -> WorkdayWriter:
    return create(tenant.system, transport or tenant.transport(), load_governance())


def send(tenant: Tenant, one: Sending, transport: Transport | None = None) -> Outcome:
    found = asyncio.run(writer_of(tenant, transport).send([one]))
    return found[one.command.command_id]


def look_up(tenant: Tenant, one: Sending) -> Any:
    return asyncio.run(writer_of(tenant).look_up([one]))[one.command.command_id]


def read_back(tenant: Tenant, one: Sending) -> ReadBack:
    return asyncio.run(writer_of(tenant).read_back([one]))[one.command.command_id]


def wrong(tenant: Tenant, one: Sending) -> dict[str, Any]:
    shown = read_back(tenant, one)
    assert shown.fields is not None
    limits = writer_of(tenant).limits(one.command.object_name, one.command.operation)
    return dict(differences(one.command.payload, shown.fields, limits.unreadable_fields))


def payment(receipt_id: str = RECEIPT, **changes: Any) -> Sending:
    payload = {
        "company_code": "W100",
        "posting_kind": "customer",
        "customer": "C-100",
        "amount": "100",
        "currency_code": "USD",
        "posting_date": "2026-05-22",
        "bank_reference": "BANK-1",
        "item_text": "Acme & Sons <Ltd>; value date 2026-05-20",
    }
    return sending(KIND, "payments", receipt_id, {**payload, **changes})


def application(
    wid: str | None, lines: list[Mapping[str, Any]], *, after: str = "", receipt_id: str = RECEIPT
) -> Sending:
    payload = {
        "company_code": "W100",
        "customer": "C-100",
        "currency_code": "USD",
        "payment_document": wid.upper() if wid else None,
        "lines": [dict(line) for line in lines],
    }
    predecessors = {receipt_id: after} if after else None
    return sending(KIND, "applications", receipt_id, payload, after=predecessors)


def line(wid: str, amount: str, **more: Any) -> dict[str, Any]:
    return {"item_key": f"WD-{wid.upper()}", "document": wid.upper(), "amount": amount, **more}


def posted(tenant: Tenant, one: Sending) -> str:
    outcome = send(tenant, one)
    assert isinstance(outcome, Accepted), outcome
    assert outcome.native_id
    return outcome.native_id


# -- payments -----------------------------------------------------------------------------------


def test_an_unidentified_receipt_is_a_payment_without_customer(tenant: Tenant) -> None:
    one = payment(posting_kind="unidentified", customer=None)
    posted(tenant, one)
    assert wrong(tenant, one) == {}
    record = tenant.app.state.of_kind("payment")[0]
    assert record.id == f"LLP-{one.external_key}"
    assert "Remitfrom_Customer_Reference" not in record.values
    assert tenant.app.state.ledger.balances["W100", "21650000"] == Decimal(-100)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"posting_kind": "other"}, "posting_kind"),
        ({"customer": None}, "field_missing"),
        ({"amount": "-5"}, "not_positive"),
        ({"amount": "0.001"}, "too_many_decimals"),
        ({"currency_code": "QQQ"}, "unknown_currency"),
        ({"item_text": "bell \x07"}, "does_not_fit"),
        ({"customer": "NOBODY"}, "invalid_reference"),
        ({"posting_date": "2025-12-31"}, "period_closed"),
    ],
)
def test_what_cannot_be_a_payment_is_refused_with_its_reason(
    tenant: Tenant, changes: dict[str, Any], code: str
) -> None:
    outcome = send(tenant, payment(**changes))
    assert isinstance(outcome, Rejected)
    assert (outcome.code, outcome.is_business) == (code, True)
    assert tenant.app.state.of_kind("payment") == []


def test_a_refused_field_is_named_as_the_hub_calls_it(tenant: Tenant) -> None:
    outcome = send(tenant, payment(customer="NOBODY"))
    assert isinstance(outcome, Rejected)
    assert outcome.field == "customer"


def test_many_are_looked_up_at_once_and_only_the_posted_are_found(tenant: Tenant) -> None:
    here, absent = payment("aaaaaaaaaaaaaaaaaaaa"), payment("bbbbbbbbbbbbbbbbbbbb")
    wid = posted(tenant, here)
    found = asyncio.run(writer_of(tenant).look_up([absent, here]))
    assert found == {here.command.command_id: Found(wid), absent.command.command_id: Absent()}
    assert read_back(tenant, absent) == ReadBack(None)


def test_a_look_up_without_answer_tells_nothing(tenant: Tenant) -> None:
    class Silent:
        async def send(self, request: Request) -> Response:
            return Response(403)

        async def close(self) -> None:
            return None

    one = payment()
    found = asyncio.run(writer_of(tenant, Silent()).look_up([one]))
    assert isinstance(found[one.command.command_id], CannotTell)


# -- applications -------------------------------------------------------------------------------


def test_a_payment_made_just_before_is_applied_by_its_native_id(tenant: Tenant) -> None:
    invoice = asyncio.run(tenant.invoice("INV-1", "100"))
    wid = posted(tenant, payment())
    one = application(None, [line(invoice, "100")], after=wid)
    assert send(tenant, one) == Accepted(wid)
    assert wrong(tenant, one) == {}
    assert tenant.open_amount("INV-1") == 0
    assert look_up(tenant, one) == Found(wid)


def test_what_others_wrote_on_the_payment_stays(tenant: Tenant) -> None:
    first = asyncio.run(tenant.invoice("INV-1", "30"))
    second = asyncio.run(tenant.invoice("INV-2", "50"))
    wid = posted(tenant, payment())
    by_hand = application(wid, [line(first, "30")], receipt_id="ffffffffffffffffffff")
    posted(tenant, by_hand)
    one = application(wid, [line(second, "50"), {"kind": "on_account", "amount": "20"}])
    posted(tenant, one)
    assert (tenant.open_amount("INV-1"), tenant.open_amount("INV-2")) == (0, 0)
    assert wrong(tenant, one) == wrong(tenant, by_hand) == {}
    values = tenant.app.state.of_kind("payment")[0].values
    assert len(values["Customer_Payment_Remittance_Advice_Data"]) == 2
    assert values["Payment_Memo"].startswith("Acme & Sons")


def test_a_credit_and_a_payment_together_close_an_invoice(tenant: Tenant) -> None:
    from tests.sandbox.workday.test_books import credit

    invoice = asyncio.run(tenant.invoice("INV-1", "130"))
    memo = credit(tenant, "CM-1", "30")
    wid = posted(tenant, payment())
    one = application(wid, [line(invoice, "130"), line(memo, "-30")])
    posted(tenant, one)
    assert tenant.open_amount("INV-1") == 0
    assert wrong(tenant, one) == {}


def test_discount_and_fee_are_adjusted_and_a_deduction_stays_open_in_dispute(
    tenant: Tenant,
) -> None:
    invoice = asyncio.run(tenant.invoice("INV-1", "120"))
    wid = posted(tenant, payment())
    kept = [
        {"kind": "fee", "reason_code": "BANK-FEE", "amount": "3"},
        {"kind": "deduction", "reason_code": "PRICE", "amount": "15"},
    ]
    one = application(wid, [line(invoice, "120", discount_amount="2", differences=kept)])
    posted(tenant, one)
    posted(tenant, one)
    assert tenant.open_amount("INV-1") == Decimal(15)
    reasons = [
        a.values["Adjustment_Reason_Reference"]["id"]
        for a in tenant.app.state.of_kind("adjustment")
    ]
    assert reasons == ["DISCOUNT", "BANK_FEE"]
    values = tenant.record("invoice", "INV-1").values
    assert values["Dispute_Amount"] == Decimal(15)
    assert values["Dispute_Reason_Reference"][0]["id"] == "PRICE"
    assert look_up(tenant, one) == Found(wid)
    assert wrong(tenant, one) == {}


def test_a_send_that_was_cut_off_goes_on_where_it_stopped(tenant: Tenant) -> None:
    class Cutting:
        """Loses the answer to the n-th write, after its effect."""

        def __init__(self, number: int) -> None:
            self.left = number

        async def send(self, request: Request) -> Response:
            response = await tenant.transport().send(request)
            if b"Get_" not in (request.body or b""):
                self.left -= 1
                if self.left == 0:
                    raise OutcomeUnknown("the answer was lost", code="no_answer")
            return response

        async def close(self) -> None:
            return None

    invoice = asyncio.run(tenant.invoice("INV-1", "120"))
    wid = posted(tenant, payment())
    kept = [{"kind": "deduction", "reason_code": "PRICE", "amount": "18"}]
    one = application(wid, [line(invoice, "120", discount_amount="2", differences=kept)])
    assert look_up(tenant, one) == Absent()
    for number in (1, 1, 1):
        outcome = send(tenant, one, Cutting(number))
        if isinstance(outcome, Accepted):
            break
        assert isinstance(outcome, Unknown)
    assert send(tenant, one) == Accepted(wid)
    assert tenant.open_amount("INV-1") == Decimal(18)
    assert len(tenant.app.state.of_kind("adjustment")) == 1
    assert len(tenant.app.state.of_kind("payment")) == 1


def test_an_application_is_pending_until_workday_applied_it() -> None:
    tenant = Tenant(auto_apply_seconds=60)
    asyncio.run(tenant.customer())
    invoice = asyncio.run(tenant.invoice("INV-1", "100"))
    wid = posted(tenant, payment())
    one = application(wid, [line(invoice, "100")])
    posted(tenant, one)
    assert read_back(tenant, one).is_pending
    tenant.seconds += 61
    assert not read_back(tenant, one).is_pending
    assert wrong(tenant, one) == {}


@pytest.mark.parametrize(
    "lines",
    [
        [],
        "text",
        [{"kind": "on_account", "amount": "5"}],
        [line("a" * 32, "5"), line("a" * 32, "6")],
        [line("a" * 32, "0")],
        [line("a" * 32, "5", kind="residual")],
        [line("a" * 32, "5", discount_amount="5")],
        [line("a" * 32, "5", differences=[{"kind": "gift", "amount": "1"}])],
        [line("a" * 32, "5", differences=[{"kind": "fee", "amount": "x"}])],
    ],
)
def test_lines_that_do_not_fit_are_refused_before_anything_is_sent(
    tenant: Tenant, lines: Any
) -> None:
    payload = {
        "company_code": "W100",
        "customer": "C-100",
        "currency_code": "USD",
        "payment_document": "B" * 32,
        "lines": lines,
    }
    outcome = send(tenant, sending(KIND, "applications", RECEIPT, payload))
    assert isinstance(outcome, Rejected)
    assert outcome.field == "lines"


def test_a_payment_that_does_not_exist_is_no_target(tenant: Tenant) -> None:
    invoice = asyncio.run(tenant.invoice("INV-1", "100"))
    outcome = send(tenant, application("d" * 32, [line(invoice, "100")]))
    assert isinstance(outcome, Rejected)
    assert outcome.code == "payment_missing"
    outcome = send(tenant, application(None, [line(invoice, "100")]))
    assert isinstance(outcome, Rejected)


# -- limits and holds ---------------------------------------------------------------------------


def limit(**payload: Any) -> Sending:
    return sending(KIND, "credit_limits", "C-100/1000", payload)


def test_a_limit_changes_and_everything_else_of_the_customer_stays(tenant: Tenant) -> None:
    before = dict(tenant.record("customer", "C-100").values)
    one = limit(limit_kind="limited", limit_amount="7500.5")
    posted(tenant, one)
    after = tenant.record("customer", "C-100").values
    assert after == {**before, "Credit_Limit": Decimal("7500.5")}
    assert wrong(tenant, one) == {}
    assert isinstance(look_up(tenant, one), Found)


def test_zero_is_none_granted_and_unlimited_is_no_amount_at_all(tenant: Tenant) -> None:
    none = limit(limit_kind="none_granted", limit_amount="0")
    posted(tenant, none)
    assert tenant.record("customer", "C-100").values["Credit_Limit"] == 0
    assert wrong(tenant, none) == {}
    unlimited = limit(limit_kind="unlimited", limit_amount=None)
    posted(tenant, unlimited)
    assert "Credit_Limit" not in tenant.record("customer", "C-100").values
    assert wrong(tenant, unlimited) == {}
    assert wrong(tenant, none) != {}
    back = limit(limit_kind="limited", limit_amount="10")
    posted(tenant, back)
    assert wrong(tenant, back) == {}


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"limit_kind": "limited", "limit_amount": "0"}, "zero_limit"),
        ({"limit_amount": "5"}, "limit_without_kind"),
        ({"limit_kind": "limited", "limit_amount": None}, "zero_limit"),
    ],
)
def test_an_amount_that_could_be_misread_is_never_sent(
    tenant: Tenant, payload: dict[str, Any], code: str
) -> None:
    outcome = send(tenant, limit(**payload))
    assert isinstance(outcome, Rejected)
    assert outcome.code == code


def test_a_tenant_without_a_word_for_unlimited_refuses_it(tenant: Tenant) -> None:
    options = {**tenant.system.options, "unlimited_is_empty": False}
    tenant.system = tenant.system.model_copy(update={"options": options})
    outcome = send(tenant, limit(limit_kind="unlimited", limit_amount=None))
    assert isinstance(outcome, Rejected)
    assert outcome.code == "unlimited_not_mapped"


def test_a_hold_is_a_status_that_comes_and_goes(tenant: Tenant) -> None:
    hold = limit(is_blocked=True, block_reason="02")
    posted(tenant, hold)
    status = tenant.record("customer", "C-100").values["Customer_Status_Data"]
    assert [one["Customer_Status_Value_Reference"]["id"] for one in status] == ["HOLD"]
    assert wrong(tenant, hold) == {}
    free = limit(is_blocked=False, block_reason=None)
    posted(tenant, free)
    assert wrong(tenant, free) == {}
    assert tenant.record("customer", "C-100").values["Credit_Limit"] == Decimal(5000)


def test_an_answer_lost_while_putting_a_limit_is_unknown_then_found(tenant: Tenant) -> None:
    class Losing:
        async def send(self, request: Request) -> Response:
            response = await tenant.transport().send(request)
            if b"Put_Customer_Request" in (request.body or b""):
                raise OutcomeUnknown("the answer was lost", code="no_answer")
            return response

        async def close(self) -> None:
            return None

    one = limit(limit_kind="limited", limit_amount="6000")
    assert isinstance(send(tenant, one, Losing()), Unknown)
    assert isinstance(look_up(tenant, one), Found)


# -- adjustments and disputes -------------------------------------------------------------------


def memo(invoice: str, **changes: Any) -> Sending:
    payload = {
        "company_code": "W100",
        "customer": "C-100",
        "posting_kind": "credit_memo",
        "amount": "25",
        "currency_code": "USD",
        "posting_date": "2026-05-22",
        "reason_code": "PRICE",
        "invoice_document": invoice.upper(),
        "item_text": "dispute d-1",
        "is_agreed": True,
    }
    return sending(KIND, "credit_memos", "d-1", {**payload, **changes})


def test_a_credit_memo_lowers_its_invoice_once(tenant: Tenant) -> None:
    invoice = asyncio.run(tenant.invoice("INV-1", "100"))
    one = memo(invoice)
    assert look_up(tenant, one) == Absent()
    wid = posted(tenant, one)
    assert isinstance(send(tenant, one), Accepted)
    assert tenant.open_amount("INV-1") == Decimal(75)
    assert len(tenant.app.state.of_kind("adjustment")) == 1
    assert wrong(tenant, one) == {}
    assert look_up(tenant, one) == Found(wid)


def test_a_write_off_has_its_own_reason_and_too_much_is_refused(tenant: Tenant) -> None:
    invoice = asyncio.run(tenant.invoice("INV-1", "100"))
    one = memo(invoice, posting_kind="write_off", reason_code="OTHER")
    posted(tenant, one)
    record = tenant.app.state.of_kind("adjustment")[0]
    assert record.values["Adjustment_Reason_Reference"]["id"] == "WRITE_OFF"
    assert wrong(tenant, one) == {}
    outcome = send(tenant, sending(KIND, "credit_memos", "d-2", {
        **one.command.payload, "amount": "75.01"}))  # fmt: skip
    assert isinstance(outcome, Rejected)
    assert outcome.code == "over_applied"


def test_a_reason_nobody_mapped_is_refused_and_an_installations_own_is_used(
    tenant: Tenant,
) -> None:
    invoice = asyncio.run(tenant.invoice("INV-1", "100"))
    outcome = send(tenant, memo(invoice, reason_code="MOON"))
    assert isinstance(outcome, Rejected)
    assert outcome.code == "reason_not_mapped"
    options = {**tenant.system.options, "adjustment_reasons": "MOON=TAX;SUN=PRICE"}
    tenant.system = tenant.system.model_copy(update={"options": options})
    posted(tenant, memo(invoice, reason_code="MOON"))


def dispute(invoice: str, **payload: Any) -> Sending:
    return sending(KIND, "invoice_disputes", invoice.upper(), payload)


def test_a_dispute_is_flagged_and_ended_without_touching_the_hold(tenant: Tenant) -> None:
    invoice = asyncio.run(tenant.invoice("INV-1", "100"))
    record = tenant.record("invoice", "INV-1")
    record.values["On_Hold"] = True
    record.values["Payment_Amount_Promised"] = Decimal(9)
    one = dispute(
        invoice, dispute_amount="40", dispute_date="2026-05-21", dispute_reason="SHORTAGE"
    )
    posted(tenant, one)
    assert wrong(tenant, one) == {}
    assert record.values["Dispute_Reason_Reference"] == [
        {"type": "Dispute_Reason_ID", "id": "QUANTITY"}
    ]
    end = dispute(invoice, dispute_amount=None, dispute_date=None, dispute_reason=None)
    posted(tenant, end)
    assert wrong(tenant, end) == {}
    assert "Dispute_Amount" not in record.values
    assert record.values["On_Hold"] is True
    assert record.values["Payment_Amount_Promised"] == Decimal(9)


def test_a_dispute_of_no_invoice_is_refused(tenant: Tenant) -> None:
    outcome = send(tenant, dispute("e" * 32, dispute_amount="5", dispute_date="2026-05-21"))
    assert isinstance(outcome, Rejected)
    assert outcome.code == "invoice_missing"


def test_an_order_cannot_be_released_because_workday_has_none(tenant: Tenant) -> None:
    with pytest.raises(ConfigError, match="no operation sales_orders/release"):
        writer_of(tenant).limits("sales_orders", "release")
