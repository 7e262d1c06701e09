"""Limits with their kind, holds, released orders, credit notes, disputes, files."""

from decimal import Decimal

import pytest

from ingestion.common.errors import VendorAnswerInvalid
from reverse_etl.delivery.writer import Absent, Accepted, CannotTell, Found, Rejected, Unknown
from reverse_etl.files.forms import forms_of
from reverse_etl.planning.governance import load_governance
from sandbox.core.faults import Fault, Point
from tests.reverse_etl.dynamics365_finance.environment import KIND, Environment, payment
from tests.reverse_etl.support import sending


def limit(**payload):
    return sending(KIND, "credit_limits", "C1/USMF", payload)


@pytest.mark.parametrize(
    ("kind", "amount", "native"),
    [
        ("limited", "500.5", (Decimal("500.5"), "Yes", "No")),
        ("none_granted", "0", (0, "Yes", "No")),
        ("unlimited", None, (0, "No", "Yes")),
    ],
)
def test_a_limit_is_written_and_read_with_its_kind(kind, amount, native):
    env = Environment()
    one = limit(limit_kind=kind, limit_amount=amount)
    assert isinstance(env.call("send", one)[0], Accepted)
    (row,) = env.rows("CustomersV3", "CustomerAccount eq 'C1'")
    held = row["CreditLimit"], row["CreditLimitIsMandatory"], row["CredManCustUnlimitedCredit"]
    assert held == native
    assert env.call("read_back", one)[0].fields == dict(one.command.payload)


def test_a_zero_limit_or_an_amount_without_its_kind_never_leaves():
    env = Environment()
    for one in (limit(limit_kind="limited", limit_amount="0"), limit(limit_amount="5")):
        (outcome,) = env.call("send", one)
        assert isinstance(outcome, Rejected)
    assert env.rows("CustomersV3", "CustomerAccount eq 'C1'")[0]["CreditLimitIsMandatory"] == "No"


def test_a_hold_still_lets_payments_be_posted_and_is_lifted():
    env = Environment()
    assert isinstance(env.call("send", limit(is_blocked=True))[0], Accepted)
    assert isinstance(env.call("send", payment("h1"))[0], Accepted)
    assert isinstance(env.call("look_up", limit(is_blocked=True))[0], Found)
    env.call("send", limit(is_blocked=False))
    assert env.call("read_back", limit(is_blocked=False))[0].fields == {"is_blocked": False}


def test_several_limits_go_in_one_batch_and_each_has_its_own_answer():
    env = Environment()
    other = sending(KIND, "credit_limits", "C9/USMF", {"is_blocked": True})
    good, bad = env.call("send", limit(is_blocked=True), other)
    assert isinstance(good, Accepted)
    assert (bad.code, type(bad)) == ("no_customer", Rejected)


def order(env, amount="100"):
    env.make("SalesOrderHeadersV2", SalesOrderNumber="SO1", OrderingCustomerAccountNumber="C1")
    env.make("SalesOrderLines", SalesOrderNumber="SO1", LineAmount=Decimal(amount))
    return sending(KIND, "sales_orders", "USMF-SO1", {"is_credit_blocked": False})


def test_an_order_above_the_limit_is_held_and_released_once():
    env = Environment()
    env.call("send", limit(limit_kind="limited", limit_amount="50"))
    one = order(env)
    assert env.call("look_up", one) == [Absent()]
    assert isinstance(env.call("send", one)[0], Accepted)
    assert isinstance(env.call("send", one)[0], Accepted), "released before counts as released"
    assert env.call("read_back", one)[0].fields == {"is_credit_blocked": False}
    assert env.app.ledger()["orders_released"] == {"usmf/SO1": 1}


def test_without_a_release_action_or_with_a_block_wanted_a_person_acts():
    env = Environment({"release_action": ""}, release_action="")
    one = order(env)
    assert env.call("send", one)[0].code == "no_release_action"
    blocking = sending(KIND, "sales_orders", "USMF-SO1", {"is_credit_blocked": True})
    assert env.call("send", blocking)[0].code == "cannot_block"


def test_a_status_that_the_product_does_not_have_is_neither_held_nor_free():
    env = Environment()
    env.call("send", limit(limit_kind="limited", limit_amount="50"))
    one = order(env)
    holds = env.app.state.d365.tables["CredManHoldEntities"]
    holds.update(holds.get("usmf", "SO1"), HoldStatus="Perhaps")
    assert isinstance(env.call("look_up", one)[0], CannotTell)
    with pytest.raises(VendorAnswerInvalid, match="Perhaps"):
        env.call("read_back", one)


def memo(**changes):
    payload = {
        "company_code": "USMF", "customer": "C1", "posting_kind": "credit_memo", "amount": "10",
        "currency_code": "USD", "posting_date": "2026-05-22", "invoice_number": "A",
        "reason_code": "PRICE", "item_text": "D-1", "is_agreed": True,
    }  # fmt: skip
    return sending(KIND, "credit_memos", "decision-1", {**payload, **changes})


def test_a_credit_note_is_made_once_and_settles_the_invoice_it_corrects():
    env = Environment()
    env.invoice("A", "100")
    one = memo()
    env.faults.configure(points=[Point(Fault.LOST_ANSWER, method="POST", path="$batch")])
    assert isinstance(env.call("send", one)[0], Unknown)
    assert isinstance(env.call("look_up", one)[0], Found)
    assert isinstance(env.call("send", one)[0], Accepted)
    assert env.item("A")["OpenAmountCur"] == 90
    assert env.call("read_back", one)[0].fields == dict(one.command.payload)
    assert len(env.app.ledger()["effects"][one.external_key]) == 1
    assert env.app.state.d365.ledger.balances["usmf", "418100"] == 10


def test_a_reason_that_no_code_stands_for_is_refused_before_it_leaves():
    (outcome,) = Environment().call("send", memo(reason_code="BECAUSE"))
    assert (outcome.code, outcome.field) == ("reason_not_mapped", "reason_code")


def test_a_dispute_is_made_then_changed_and_stands_once_on_its_transaction():
    env = Environment()
    record = env.invoice("A", "100")["document"]
    wanted = {"status": "disputed", "reason_code": "PRICE", "amount": "30", "note": "n",
              "follow_up_date": "2026-06-01"}  # fmt: skip
    one = sending(KIND, "disputes", f"USMF/{record}", wanted)
    assert isinstance(env.call("send", one)[0], Accepted)
    assert env.call("read_back", one)[0].fields == wanted
    solved = sending(KIND, "disputes", f"USMF/{record}", {"status": "resolved"})
    assert isinstance(env.call("send", solved)[0], Accepted)
    assert isinstance(env.call("look_up", solved)[0], Found)
    (row,) = env.rows("CustDisputes", f"CustTrans eq {record}")
    assert (row["Status"], row["AmountCur"]) == ("Resolved", 30)


def test_files_carry_the_same_rows_as_the_service():
    env = Environment()
    forms = forms_of(env.system, load_governance())
    form = forms["payments", "post"]
    one = payment("f1", "12.50")
    (line,) = form.lines(one)
    row = dict(zip(form.columns, line.values, strict=True))
    assert (line.amount, line.currency_code) == (Decimal("12.50"), "USD")
    assert (row["PaymentReference"], row["JournalBatchNumber"]) == (
        one.external_key,
        one.external_key[:10],
    )
    assert form.field_of("CreditAmount") == "amount"
    (held,) = forms["credit_limits", "update"].lines(limit(is_blocked=True))
    assert held.values == ("usmf", "C1", "/", "/", "/", "Invoice")
