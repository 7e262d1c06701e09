"""The account keeps NetSuite's rules: money, deletes, credit, SuiteQL, sign-in, jobs, state."""

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest

from ingestion.common.errors import Reauthenticate, VendorRejected
from ingestion.common.transport import Request
from sandbox.core.state import load_state, save_state
from sandbox.netsuite import create_app
from tests.contract.erp.wires import run
from tests.sandbox.netsuite.account import Account

AR, BANK, DISCOUNTS, FX = "12100000", "11001000", "44000000", "71000000"


@pytest.fixture
def account() -> Account:
    return Account()


def test_a_payment_pays_parts_and_the_rest_stays_unapplied(account: Account) -> None:
    first, second = account.invoice("100.00"), account.invoice("50.00")
    payment = account.payment("120.00", (first, "100.00"), (second, "15.50"))
    shown = account.get(f"customerPayment/{payment}")
    assert (str(shown["applied"]), str(shown["unapplied"])) == ("115.50", "4.50")
    assert [account.open_of(one) for one in (first, second)] == ["0.00", "34.50"]
    assert account.balance(AR) == Decimal("30.00")


def test_a_discount_closes_what_was_not_paid_and_goes_to_its_account(account: Account) -> None:
    invoice, payment = account.invoice("100.00"), account.payment("98.00")
    line = {"doc": {"id": invoice}, "apply": True, "amount": Decimal(98), "disc": Decimal(2)}
    account.change("PATCH", f"customerPayment/{payment}", apply={"items": [line]})
    assert account.open_of(invoice) == "0.00"
    assert account.balance(DISCOUNTS) == 2
    assert account.balance(AR) == 0
    out = {"doc": {"id": invoice}, "apply": False}
    account.change("PATCH", f"customerPayment/{payment}", apply={"items": [out]})
    assert account.open_of(invoice) == "100.00"
    assert account.balance(DISCOUNTS) == 0


def test_the_same_lines_again_change_nothing(account: Account) -> None:
    invoice = account.invoice("100.00")
    payment = account.payment("60.00", (invoice, "60.00"))
    before = account.app.ledger()
    line = {"doc": {"id": invoice}, "apply": True, "amount": Decimal(60)}
    account.change("PATCH", f"customerPayment/{payment}", apply={"items": [line]})
    assert account.app.ledger() == before


@pytest.mark.parametrize("amount", ["100.01", "90.00"])
def test_more_than_is_due_or_paid_is_refused_and_nothing_moves(
    account: Account, amount: str
) -> None:
    invoice = account.invoice("100.00")
    payment = account.payment("80.00", (invoice, "30.00"))
    line = {"doc": {"id": invoice}, "apply": True, "amount": Decimal(amount)}
    with pytest.raises(VendorRejected):
        account.change("PATCH", f"customerPayment/{payment}", apply={"items": [line]})
    assert account.open_of(invoice) == "70.00"


def test_a_payment_whose_first_lines_are_refused_was_never_there(account: Account) -> None:
    invoice = account.invoice("10.00")
    with pytest.raises(VendorRejected):
        account.payment("80.00", (invoice, "30.00"), externalId="LLP-X")
    assert account.balance(BANK) == 0
    assert account.app.ledger()["effects"] == {"X": []}
    assert account.rows("SELECT id FROM transaction WHERE type = 'CustPymt'") == []
    assert account.rows("SELECT recordid FROM deletedrecord") == []


def test_a_credit_memo_made_of_an_invoice_pays_it_and_one_key_makes_one_memo(
    account: Account,
) -> None:
    invoice = account.invoice("100.00")
    body = {
        "externalId": "LLP-M",
        "item": {"items": [{"item": {"id": "2"}, "amount": Decimal("12.50")}]},
    }
    path = f"invoice/{invoice}/!transform/creditMemo?replace=item"
    memo = account.change("POST", path, **body)
    assert account.open_of(invoice) == "87.50"
    assert str(account.get(f"creditMemo/{memo}")["amountRemaining"]) == "0.00"
    with pytest.raises(VendorRejected, match="already exists"):
        account.change("POST", path, **body)
    assert account.app.ledger()["effects"]["M"] == [f"creditMemo/{memo}"]


def test_a_credit_memo_used_by_a_payment_pays_beside_it(account: Account) -> None:
    invoice = account.invoice("100.00")
    lines = {"items": [{"item": {"id": "2"}, "amount": Decimal(30)}]}
    memo = account.make("creditMemo", entity={"id": account.customer}, item=lines)
    used = {"items": [{"doc": {"id": memo}, "apply": True, "amount": Decimal(30)}]}
    payment = account.payment("70.00", (invoice, "100.00"), credit=used)
    assert account.open_of(invoice) == "0.00"
    assert set(account.app.ledger()["applications"]) == {
        f"{memo}/{invoice}",
        f"{payment}/{invoice}",
    }


def refund(account: Account, doc: str, amount: str, **body: Any) -> str:
    lines = [{"doc": {"id": doc}, "apply": True, "amount": Decimal(amount)}]
    given = {"customer": {"id": account.customer}, "account": {"id": "101"}}
    return account.make("customerRefund", **{**given, "apply": {"items": lines}, **body})


def test_a_refund_credits_the_bank_and_uses_up_the_payment_that_it_gives_back(
    account: Account,
) -> None:
    payment = account.payment("100")
    made = refund(account, payment, "60", tranId="R-1")
    assert account.get(f"customerPayment/{payment}")["unapplied"] == 40
    assert account.get(f"customerRefund/{made}")["total"] == 60
    assert (account.balance("11001000"), account.balance("12100000")) == (40, -40)
    (link,) = account.rows("SELECT previousdoc, nextdoc, nexttype FROM nexttransactionlinelink")
    assert link == {"previousdoc": payment, "nextdoc": made, "nexttype": "CustRfnd"}


def test_a_refund_of_more_than_is_left_or_of_a_paid_invoice_is_refused_and_was_never_there(
    account: Account,
) -> None:
    invoice = account.invoice("70")
    payment = account.payment("100", (invoice, "70"))
    for doc, amount in ((payment, "31"), (invoice, "10")):
        with pytest.raises(VendorRejected):
            refund(account, doc, amount)
    with pytest.raises(VendorRejected, match="closed"):
        refund(account, payment, "30", tranDate="2025-11-14")
    assert account.balance("11001000") == 100
    assert account.get(f"customerPayment/{payment}")["unapplied"] == 30


def test_a_payment_moves_from_its_invoice_to_a_journal_entry_of_its_customer(
    account: Account,
) -> None:
    invoice = account.invoice("70")
    payment = account.payment("70", (invoice, "70"))
    receivable = {"account": {"id": "102"}, "debit": 70, "entity": {"id": account.customer}}
    entry = account.make(
        "journalEntry",
        subsidiary={"id": "1"},
        line={"items": [{"account": {"id": "101"}, "credit": 70}, receivable]},
    )
    lines = [{"doc": {"id": entry}, "line": 1, "apply": True, "amount": 70}]
    path = f"customerPayment/{payment}?replace=apply"
    account.change("PATCH", path, apply={"items": lines})
    assert account.open_of(invoice) == "70"
    assert account.get(f"customerPayment/{payment}")["unapplied"] == 0


def test_another_currency_posts_its_exchange_difference_and_takes_it_back() -> None:
    account = Account(rates={("CAD", "USD"): Decimal("0.72")})
    invoice = account.invoice("100.00", currency={"id": "2"})
    account.app.state.ledger.rates["CAD", "USD"] = Decimal("0.75")
    payment = account.payment("100.00", (invoice, "100.00"), currency={"id": "2"})
    assert account.balance(AR) == 0
    assert account.balance(FX) == Decimal("-3.00")
    out = {"doc": {"id": invoice}, "apply": False}
    account.change("PATCH", f"customerPayment/{payment}", apply={"items": [out]})
    assert account.balance(FX) == 0
    assert account.open_of(invoice) == "100.00"


def test_a_closed_period_and_an_unknown_field_are_refused(account: Account) -> None:
    with pytest.raises(VendorRejected, match="period") as refused:
        account.payment("5.00", tranDate="2025-11-14")
    assert refused.value.field == "tranDate"
    with pytest.raises(VendorRejected, match="Unknown field 'paymnet'"):
        account.make("customerPayment", customer={"id": account.customer}, paymnet=Decimal(5))
    with pytest.raises(VendorRejected, match="decimals"):
        account.payment("5.001")


def test_a_deleted_invoice_is_gone_and_remembered_and_an_applied_one_stays(
    account: Account,
) -> None:
    gone, kept = account.invoice("10.00"), account.invoice("20.00")
    account.payment("20.00", (kept, "20.00"))
    account.change("DELETE", f"invoice/{gone}")
    with pytest.raises(VendorRejected, match="linked"):
        account.change("DELETE", f"invoice/{kept}")
    assert account.rows("SELECT recordid, type FROM deletedrecord") == [
        {"recordid": gone, "type": "invoice"}
    ]
    assert account.rows(f"SELECT id FROM transaction WHERE id = {gone}") == []


def test_an_order_of_a_customer_on_hold_or_above_its_limit_waits_for_approval(
    account: Account,
) -> None:
    def order(amount: str) -> str:
        lines = {"items": [{"item": {"id": "1"}, "amount": Decimal(amount)}]}
        number = account.make("salesOrder", entity={"id": account.customer}, item=lines)
        return str(account.get(f"salesOrder/{number}")["orderStatus"]["id"]) + number

    assert order("5000")[0] == "B", "no limit is no bound"
    account.change("PATCH", f"customer/{account.customer}", creditLimit=Decimal(6000))
    waiting = order("1000.01")
    assert waiting[0] == "A"
    assert order("1000.00")[0] == "B"
    account.change("PATCH", f"customer/{account.customer}", creditLimit=None)
    account.change("PATCH", f"customer/{account.customer}", creditHoldOverride={"id": "ON"})
    assert order("1")[0] == "A"
    with pytest.raises(VendorRejected, match="hold"):
        account.change("PATCH", f"salesOrder/{waiting[1:]}", orderStatus={"id": "B"})
    account.change("PATCH", f"customer/{account.customer}", creditHoldOverride={"id": "AUTO"})
    account.change("PATCH", f"salesOrder/{waiting[1:]}", orderStatus={"id": "B"})
    assert account.app.ledger()["orders_released"] == {waiting[1:]: 1}


# -- SuiteQL --------------------------------------------------------------------------------------


def test_suiteql_answers_in_strings_leaves_out_nulls_and_writes_dates_its_own_way(
    account: Account,
) -> None:
    account.invoice("100.10", tranDate="2026-05-04", memo="")
    (row,) = account.rows(
        "SELECT ID, TranDate, memo, foreigntotal, BUILTIN.DF(currency) AS money, "
        "TO_CHAR(trandate, 'YYYY-MM-DD') AS iso FROM transaction "
        "WHERE trandate >= TO_DATE('05/01/2026', 'MM/DD/YYYY') FETCH FIRST 5 ROWS ONLY"
    )
    assert row == {
        "id": "5001",
        "trandate": "5/4/2026",
        "foreigntotal": "100.1",
        "money": "1",
        "iso": "2026-05-04",
    }


@pytest.mark.parametrize(
    "query",
    ["DELETE FROM transaction", "SELECT 1; SELECT 2", "SELECT nothing FROM transaction", "hello",
     "SELECT * FROM read_csv('/etc/hostname')", "SELECT * FROM glob('/*')"],
)  # fmt: skip
def test_what_is_no_query_of_the_accounts_data_is_refused(account: Account, query: str) -> None:
    with pytest.raises(VendorRejected) as refused:
        account.rows(query)
    assert refused.value.code == "INVALID_PARAMETER"


def test_no_more_rows_than_the_cap_can_be_reached_by_pages() -> None:
    account = Account(rows_max=4, page_rows_max=2)
    for _ in range(6):
        account.invoice("1.00")

    async def page(client: Any, offset: int) -> dict[str, Any]:
        response = await client._read(  # the offset is what the product never uses
            "POST",
            f"/services/rest/query/v1/suiteql?limit=2&offset={offset}",
            {"Prefer": "transient", "Content-Type": "application/json"},
            json.dumps({"q": "SELECT id FROM transaction ORDER BY id"}).encode(),
            lambda response, where: None,
        )
        found: dict[str, Any] = json.loads(response.body)
        return found

    last = account.act(lambda client: page(client, 2))
    assert (last["totalResults"], last["hasMore"]) == (4, False)
    with pytest.raises(VendorRejected, match="at most 4"):
        account.act(lambda client: page(client, 4))


def test_suiteql_wants_the_transient_preference(account: Account) -> None:
    async def ask(client: Any) -> None:
        path = "/services/rest/query/v1/suiteql"
        await client._read("POST", path, {}, b'{"q": "SELECT 1"}', lambda response, where: None)

    with pytest.raises(VendorRejected, match="Prefer"):
        account.act(ask)


# -- signing in -----------------------------------------------------------------------------------


def test_a_request_that_is_sent_again_word_for_word_is_refused(account: Account) -> None:
    sent: list[Request] = []

    class Keeping:
        async def send(self, request: Request) -> Any:
            sent.append(request)
            return await account.transport.send(request)

        async def close(self) -> None:
            return None

    from ingestion.netsuite.client import NetSuiteClient

    run(NetSuiteClient(account.system, Keeping()).get("customer/101"), is_virtual=True)
    response = asyncio.run(account.transport.send(sent[0]))
    assert response.status == 401
    assert b"INVALID_LOGIN" in response.body


def test_an_ended_token_is_renewed_and_a_foreign_certificate_is_not_taken() -> None:
    account = Account(login="m2m")
    account.app.auth.expire_all()
    assert account.get(f"customer/{account.customer}")["entityId"] == "C0001"
    other = Account(login="m2m")
    account.system = account.system.model_copy(
        update={"credentials": dict(other.app.credentials())}
    )
    with pytest.raises(VendorRejected, match="invalid_grant"):
        account.get(f"customer/{account.customer}")


@pytest.mark.parametrize("answer", ["429", "401"])
def test_one_request_too_many_is_refused_over_all_services(answer: str) -> None:
    account = Account(concurrency_limit=2, request_seconds=0.5, concurrency_answer=answer)
    statuses: list[int] = []

    async def crowd(client: Any) -> None:
        async def one(path: str) -> None:
            request = Request("GET", account.system.base_url + path, {})
            statuses.append((await account.transport.send(request)).status)

        await asyncio.gather(*(one(f"/services/rest/record/v1/customer/{n}") for n in range(3)))

    account.act(crowd)
    assert statuses.count(int(answer)) >= 1
    assert account.app.requests_at_once_max == 2


def test_with_our_places_kept_the_account_is_never_too_full() -> None:
    account = Account(concurrency_limit=5, request_seconds=0.01)

    async def many(client: Any) -> list[Any]:
        return await asyncio.gather(*(client.get("customer/101") for _ in range(20)))

    assert len(account.act(many)) == 20
    assert account.app.requests_at_once_max == 4


def test_a_wrong_secret_stays_wrong_after_one_patient_try(account: Account) -> None:
    wrong = {**account.system.credentials, "token_secret": "wrong"}
    account.system = account.system.model_copy(update={"credentials": wrong})
    with pytest.raises(Reauthenticate, match="INVALID_LOGIN"):
        account.get("customer/101")


# -- jobs and state -------------------------------------------------------------------------------


def test_a_collection_is_worked_on_row_by_row_once_per_key(account: Account) -> None:
    rows = [
        {"externalId": "A", "customer": {"id": account.customer}, "payment": Decimal(5)},
        {"externalId": "B", "customer": {"id": "999"}, "payment": Decimal(5)},
    ]

    async def work(client: Any) -> Any:
        job = await client.submit("PUT", "customerPayment", rows, idempotency_key="k")
        again = await client.submit("PUT", "customerPayment", rows, idempotency_key="k")
        return job, again, await client.job_result(job), await client.job_result(again)

    job, again, pending, done = account.act(work)
    assert (job.path, again.is_repeated, pending) == (again.path, True, None)
    assert [one["status"] for one in done] == ["succeeded", "failed"]
    assert done[1]["o:errorDetails"][0]["o:errorPath"] == "customer"
    assert account.app.ledger()["effects"] == {"A": ["customerPayment/5001"]}


def test_saved_state_comes_back_whole(account: Account, tmp_path: Any) -> None:
    invoice = account.invoice("100.00")
    payment = account.payment("60.00", (invoice, "50.00"), externalId="LLP-S")
    account.change("DELETE", f"invoice/{account.invoice('1.00')}")
    save_state(tmp_path, "ns", account.app.snapshot())
    account.app = create_app(
        "ns",
        clock=account.clock,
        faults=account.faults,
        settings=account.app.settings,
        state=load_state(tmp_path, "ns"),
    )
    account.transport._apps[account.system.base_url.partition("//")[2]] = account.app
    assert account.open_of(invoice) == "50.00"
    assert account.app.ledger()["effects"] == {"S": [f"customerPayment/{payment}"]}
    assert len(account.rows("SELECT recordid FROM deletedrecord")) == 1
    line = {"doc": {"id": invoice}, "apply": False}
    account.change("PATCH", f"customerPayment/{payment}", apply={"items": [line]})
    assert account.open_of(invoice) == "100.00"
