"""The sandboxed environment: books survive a restart and refuse what an ERP refuses."""

import json
from datetime import date
from decimal import Decimal

import pytest

from ingestion.common.errors import VendorRejected
from ingestion.dynamics365_finance.client import Operation
from sandbox.core.faults import Faults
from sandbox.core.state import load_state, save_state
from sandbox.dynamics365_finance import D365Company, D365Settings, create_app
from tests.reverse_etl.dynamics365_finance.environment import Environment, application, payment


def settled(env):
    line = env.invoice("A", "100")
    (outcome,) = env.call("send", payment("r1", "60"))
    part = {**line, "amount": "60", "kind": "partial", "open_amount": "100"}
    env.call("send", application("r1", outcome.native_id, part))


def test_a_restart_keeps_books_versions_and_what_waits(tmp_path):
    env = Environment()
    settled(env)
    save_state(tmp_path, "d365", env.app.snapshot())
    again = create_app(
        "d365", clock=env.clock, faults=Faults(), settings=env.app.settings,
        state=load_state(tmp_path, "d365"),
    )  # fmt: skip
    assert json.dumps(again.ledger(), default=str) == json.dumps(env.app.ledger(), default=str)
    tables = again.state.d365.tables["CustTransOpenEntities"].rows.values()
    assert [row["OpenAmountCur"] for row in tables] == [40, 0]
    assert again.state.d365.ledger.balances == env.app.state.d365.ledger.balances


def test_settlements_of_a_foreign_currency_say_what_the_ledger_says():
    env = Environment(
        {
            "companies": {"usmf": D365Company("USD")},
            "rates": {("KWD", "USD"): Decimal("3.333")},
        }
    )
    header = {"ExternalInvoiceId": "K", "CustomerAccount": "C1", "InvoiceId": "K",
              "CurrencyCode": "KWD", "InvoiceDate": "2026-05-22T12:00:00Z"}  # fmt: skip
    env.make("FreeTextInvoiceHeaders", **header)
    env.make("FreeTextInvoiceLines", ExternalInvoiceId="K", MainAccountDisplayValue="401100",
             TransactionCurrencyAmount=Decimal("10.001"))  # fmt: skip
    record = str(env.item("K")["RecId"])
    for name, amount in (("k1", "3.333"), ("k2", "6.668")):
        (outcome,) = env.call("send", payment(name, amount, currency_code="KWD"))
        line = {"document": record, "item": "001", "amount": amount}
        env.call("send", application(name, outcome.native_id, line))
    rows = env.rows("CustSettlementEntities", f"TransRecId eq {record}")
    item = env.item("K")
    assert sum(Decimal(row["SettleAmountMST"]) for row in rows) == item["AmountMST"]
    assert (item["OpenAmountCur"], item["SettleAmountMST"]) == (0, item["AmountMST"])


def test_a_reversed_invoice_and_its_mirror_name_and_close_each_other():
    env = Environment()
    env.invoice("A", "100")
    mirror = env.app.books.reverse(env.item("A"))
    assert (env.item("A")["OpenAmountCur"], mirror["OpenAmountCur"]) == (0, 0)
    assert env.item("A")["ReversalRecId"] == mirror["RecId"]
    assert env.app.state.d365.ledger.balances["usmf", "130100"] == 0


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"AccountDisplayValue": "C9"}, "C9 does not exist"),
        ({"OffsetAccountDisplayValue": "BANK"}, "Bank account BANK does not exist"),
        ({"TransactionDate": "2025-11-14T12:00:00Z"}, "11/2025 is not open"),
        ({"TransactionDate": "2026-06-01T12:00:00Z"}, "06/2026 is not open"),
        ({"CreditAmount": Decimal("1.001")}, "more than 2 decimals"),
        ({"CurrencyCode": "QQQ"}, "Currency QQQ does not exist"),
        ({"CreditAmount": Decimal(0)}, "has no amount"),
        ({"CustomerName": "x"}, "does not allow editing"),
    ],
)
def test_a_wrong_line_is_refused_in_the_products_words(values, text):
    env = Environment({"companies": {"usmf": D365Company("USD", open_from=date(2026, 1, 1))}})
    env.make("CustomerPaymentJournalHeaders", JournalBatchNumber="J", JournalName="CustPay")
    good = {
        "JournalBatchNumber": "J", "AccountType": "Cust", "AccountDisplayValue": "C1",
        "CreditAmount": Decimal(1), "CurrencyCode": "USD",
        "TransactionDate": "2026-05-22T12:00:00Z", "OffsetAccountType": "Bank",
        "OffsetAccountDisplayValue": "OPER\\-01",
    }  # fmt: skip
    with pytest.raises(VendorRejected, match=text):
        env.make("CustomerPaymentJournalLines", **{**good, **values})


INVOICE_LINE = {
    "JournalBatchNumber": "I", "AccountType": "Cust", "CustomerAccountDisplayValue": "C1",
    "DebitAmount": Decimal(5), "Currency": "USD", "InvoiceId": "DM-1",
    "InvoiceDate": "2026-05-22T12:00:00Z", "OffsetAccountType": "Bank",
    "OffsetAccountDisplayValue": "OPER\\-01",
}  # fmt: skip


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"CustomerAccountDisplayValue": "C9"}, "C9 does not exist"),
        ({"OffsetAccountDisplayValue": "BANK"}, "Bank account BANK does not exist"),
        ({"OffsetAccountType": "Ledger"}, "Main account OPER-01 does not exist"),
        ({"InvoiceId": ""}, "Field 'Invoice' must be filled in"),
        ({"InvoiceDate": "2025-11-14T12:00:00Z"}, "11/2025 is not open"),
        ({"DebitAmount": Decimal(0)}, "has no amount"),
        ({"JournalBatchNumber": "NONE"}, "Journal NONE does not exist"),
    ],
)
def test_a_wrong_line_of_an_invoice_journal_is_refused_in_the_products_words(values, text):
    env = Environment({"companies": {"usmf": D365Company("USD", open_from=date(2026, 1, 1))}})
    env.make("GeneralLedgerCustInvoiceJournalHeaders", JournalBatchNumber="I", JournalName="Inv")
    with pytest.raises(VendorRejected, match=text):
        env.make("GeneralLedgerCustInvoiceJournalLines", **{**INVOICE_LINE, **values})


def test_an_invoice_journal_is_posted_whole_or_not_at_all_and_is_fixed_then():
    env = Environment({"checks_period": "post"})
    env.make("GeneralLedgerCustInvoiceJournalHeaders", JournalBatchNumber="I", JournalName="Inv")
    env.make("GeneralLedgerCustInvoiceJournalHeaders", JournalBatchNumber="J", JournalName="Inv")
    early = {**INVOICE_LINE, "InvoiceDate": "2025-11-14T12:00:00Z"}
    lines = [[
        Operation("POST", "GeneralLedgerCustInvoiceJournalLines", {"dataAreaId": "usmf", **one})
        for one in (INVOICE_LINE, early)
    ]]  # fmt: skip
    assert isinstance(env.run(env.client.batch(lines))[0], list)
    assert env.app.ledger()["unposted"] == ["usmf/I", "usmf/J"]
    assert env.rows("CustTransOpenEntities", "AccountNum eq 'C1'") == []
    env.make("GeneralLedgerCustInvoiceJournalLines", **{**INVOICE_LINE, "JournalBatchNumber": "J"})
    assert env.app.ledger()["unposted"] == ["usmf/I"]
    with pytest.raises(VendorRejected, match="Journal J is posted"):
        env.make(
            "GeneralLedgerCustInvoiceJournalLines", **{**INVOICE_LINE, "JournalBatchNumber": "J"}
        )


def test_a_customer_on_hold_for_all_takes_no_payment():
    env = Environment()
    env.make("CustomersV3", CustomerAccount="C2", OnHoldStatus="All")
    (outcome,) = env.call("send", payment("x", customer="C2"))
    assert outcome.code == "on_hold"


def test_every_field_of_the_settings_has_a_default():
    assert D365Settings().home_company == "usmf"
