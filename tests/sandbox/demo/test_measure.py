"""The figures before the loop against the truth, on every ERP; each moves with its cause."""

import asyncio
import uuid
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest
import requests

from ingestion.common.transport import AiohttpTransport
from ingestion.dynamics365_finance.client import D365Client, Operation
from ingestion.netsuite.client import NetSuiteClient
from ingestion.salesforce.client import SalesforceClient
from ingestion.sap_s4hana.client import SapClient
from reverse_etl.planning.policy import load_policy
from reverse_etl.sap_s4hana.messages import (
    POST_ACTION,
    POST_PATH,
    DebtorItem,
    EntryHeader,
    GlItem,
    JournalEntry,
    post_envelope,
)
from sandbox.demo.books import read_books
from sandbox.demo.measure import measure
from sandbox.demo.measure_cash import booked_receipts, cash_decisions, customer_items
from sandbox.demo.measure_postings import verify_postings

SAP, NETSUITE, D365 = "sap_emea", "netsuite_na", "d365_apac"
ERPS = {SAP, NETSUITE, D365, "workday_services"}


@asynccontextmanager
async def client_of(seeded, kind, system_id):
    client = kind(seeded.config.systems[system_id], AiohttpTransport())
    try:
        yield client
    finally:
        await client.close()


def figures(seeded):
    return measure(seeded.config, home=seeded.home, as_of=seeded.as_of)


def postings(seeded):
    return verify_postings(seeded.config, home=seeded.home, admin_url=seeded.admin_url)


@pytest.fixture(scope="module")
def books(seeded):
    return read_books(seeded.config, seeded.as_of)


@pytest.fixture(scope="module")
def before(seeded):
    return figures(seeded)


def test_paid_but_open_are_every_item_of_exact_payments_and_no_item_that_another_one_paid(
    seeded, before, books
):
    found = cash_decisions(books, load_policy()).paid
    assert before["paid_but_open"] == found.height
    receipts = books.receipts.select("receipt_id", "system_id", "bank_reference")
    items = customer_items(books).select("item_key", "references")
    named = found.join(receipts, on="receipt_id").join(items, on="item_key")
    assert named.height == found.height
    decided = {
        (system_id, bank_reference, number)
        for system_id, bank_reference, numbers in named.select(
            "system_id", "bank_reference", "references"
        ).iter_rows()
        for number in numbers.split(";")
    }
    pays = {
        kind: {
            (one["system_id"], one["bank_reference"], number)
            for one in seeded.truth["receipts"]
            for number in one["pays"]
            if (one["kind"] in {"exact", "credit_memo"}) is kind
        }
        for kind in (True, False)
    }
    assert pays[True] <= decided
    told = {(system_id, reference) for system_id, reference, _ in pays[True] | pays[False]}
    assert {one[:2] for one in decided} <= told
    assert len(decided & (pays[True] | pays[False])) == found.height


def test_stale_limits_and_unlinked_accounts_are_those_of_the_truth(seeded, before):
    for system_id, found in before["systems"].items():
        limits = [one for one in seeded.truth["limits"] if one["system_id"] == system_id]
        assert found["stale_limits"] == sum(one["is_stale_in_erp"] for one in limits)
    linked = {
        one["crm_account_number"]: one["is_linked"]
        for one in sorted(seeded.truth["links"], key=lambda one: one["is_linked"])
    }
    assert before["crm_unlinked"] == sum(not is_linked for is_linked in linked.values())


def test_orders_that_should_go_out_are_counted_and_blocked_customers_never(seeded, before):
    assert 0 < before["blocked_in_good_standing"] < len(seeded.truth["orders"])


def test_books_tie_and_all_cash_is_unapplied_before_the_loop(seeded, before):
    assert before["gl_ties"] is True
    received: dict[str, Decimal] = {}
    for receipt in seeded.truth["receipts"]:
        code = receipt["currency_code"]
        received[code] = received.get(code, Decimal(0)) + Decimal(receipt["amount"])
    assert {c: Decimal(a) for c, a in before["unapplied_cash"].items()} == received


def test_every_figure_of_an_erp_is_a_part_of_the_whole(before):
    assert set(before["systems"]) == ERPS
    for name in ("paid_but_open", "stale_limits", "blocked_in_good_standing"):
        assert sum(one[name] for one in before["systems"].values()) == before[name]
    assert all(one["paid_but_open"] for one in before["systems"].values())


def test_the_caller_adds_what_only_the_product_knows(seeded):
    found = measure(
        seeded.config, home=seeded.home, as_of=seeded.as_of, awaiting_approval=3, drift_rows=0
    )
    assert (found["awaiting_approval"], found["drift_rows"]) == (3, 0)


def test_mending_a_limit_lowers_the_count_by_one(seeded, before):
    stale = next(
        one for one in seeded.truth["limits"] if one["is_stale_in_erp"] and one["system_id"] == SAP
    )

    async def mend():
        async with client_of(seeded, SapClient, SAP) as client:
            path = (
                f"CreditManagementAccount(BusinessPartner='{stale['customer']}',"
                f"CreditSegment='{stale['credit_segment']}')"
            )
            body = {
                "CreditLimitAmount": stale["limit_amount"],
                "CreditLimitIsZero": stale["limit_kind"] == "none_granted",
            }
            await client.change("PATCH", "API_CRDTMBUSINESSPARTNER", path, body, etag="*")

    asyncio.run(mend())
    assert figures(seeded)["stale_limits"] == before["stale_limits"] - 1


def test_a_wrong_crm_invoice_and_a_paid_status_are_seen(seeded):
    counted = figures(seeded)["details"]["crm_wrong_invoices"]

    async def spoil():
        async with client_of(seeded, SalesforceClient, "crm") as client:
            rows = await client.query_rows(
                "SELECT Id, Status__c, Open_Amount__c FROM AR_Invoice__c "
                "WHERE Status__c = 'Overdue' LIMIT 1"
            )
            await client.update("AR_Invoice__c", rows[0]["Id"], {"Status__c": "Paid"})

    asyncio.run(spoil())
    assert figures(seeded)["details"]["crm_wrong_invoices"] == counted + 1


def test_a_part_that_a_clerk_applies_leaves_the_rest_open_on_both_sides(seeded, books):
    """NetSuite, as every ERP but SAP, applies parts: an invoice is open by what is left."""
    owed = books.items.filter(pl.col("system_id") == NETSUITE, pl.col("item_class") == "invoice")
    invoice = owed.row(0, named=True)

    async def pay_a_part():
        async with client_of(seeded, NetSuiteClient, NETSUITE) as client:
            (row,) = await client.rows(
                f"SELECT entity, currency FROM transaction WHERE id = {invoice['document']}"
            )
            lines = [{"doc": {"id": invoice["document"]}, "apply": True, "amount": Decimal("10.5")}]
            body = {
                "customer": {"id": row["entity"]},
                "subsidiary": {"id": invoice["company_code"]},
                "currency": {"id": row["currency"]},
                "payment": Decimal(11),
                "tranDate": seeded.as_of.isoformat(),
                "checkNumber": "COUNTER-1",
                "autoApply": False,
                "apply": {"items": lines},
            }
            return await client.change("POST", "customerPayment", body)

    payment = asyncio.run(pay_a_part())
    again = read_books(seeded.config, seeded.as_of).items
    left = again.row(by_predicate=pl.col("item_key") == invoice["item_key"], named=True)
    assert left["amount_open"] == invoice["amount"] - Decimal("10.5")
    paying = again.row(
        by_predicate=(pl.col("system_id") == NETSUITE) & (pl.col("document") == payment),
        named=True,
    )
    assert (paying["amount"], paying["amount_open"]) == (Decimal(-11), Decimal("-0.5"))
    assert figures(seeded)["gl_ties"] is True


def test_receipts_that_nobody_booked_are_missing_and_a_second_booking_is_doubled(seeded):
    booked = [r for r in seeded.truth["receipts"] if r["booked_by"]]
    counted = postings(seeded)
    assert counted["missing"] == len(seeded.truth["receipts"]) - len(booked)
    assert (counted["doubled"], counted["unbalanced"]) == (0, 0)
    assert not counted["is_exact"]
    assert set(counted["systems"]) == ERPS
    asyncio.run(_book_again(seeded, next(one for one in booked if one["system_id"] == SAP)))
    again = postings(seeded)
    assert again["systems"][SAP]["doubled"] == again["doubled"] == 1
    assert again["keys_doubled"] == 1
    assert again["unbalanced"] == 0


async def _book_again(seeded, receipt):
    """The same receipt once more, by hand: the ledger still balances."""
    amount = Decimal(receipt["amount"])
    debtor = DebtorItem(receipt["customer"], -amount, due_base_date=seeded.as_of)
    await _post(seeded, receipt, (debtor,), (GlItem("11001000", amount),), "DZ")


async def _post(seeded, receipt, debtors, general, document_type, reference=None):
    day = seeded.as_of
    entry = JournalEntry(
        entry_id=uuid.uuid4().hex,
        header=EntryHeader(
            company_code=receipt["company_code"],
            document_type=document_type,
            document_date=day,
            posting_date=day,
            document_reference=reference or receipt["bank_reference"],
        ),
        currency_code=receipt["currency_code"],
        debtor_items=debtors,
        gl_items=general,
    )
    async with client_of(seeded, SapClient, SAP) as client:
        message = post_envelope([entry], created_at=datetime(2026, 5, 23, tzinfo=UTC))
        await client.soap(POST_PATH, POST_ACTION, message)


async def _sap_unidentified(seeded, receipt, _):
    amount = Decimal(receipt["amount"])
    lines = (GlItem("21650000", -amount), GlItem("11001000", amount))
    await _post(seeded, receipt, (), lines, "SA")


async def _sap_move(seeded, receipt, document):
    amount = Decimal(receipt["amount"])
    debtor = DebtorItem(receipt["customer"], -amount, due_base_date=seeded.as_of)
    move = (GlItem("21650000", amount),)
    await _post(seeded, receipt, (debtor,), move, "DZ", reference=document)


async def _d365_line(seeded, receipt, line):
    """A payment journal of one line, posted."""
    company, number = receipt["company_code"].lower(), uuid.uuid4().hex[:9]
    journal = {"dataAreaId": company, "JournalBatchNumber": number}
    whole = {
        **journal,
        "LineNumber": Decimal(1),
        "CreditAmount": Decimal(receipt["amount"]),
        "CurrencyCode": receipt["currency_code"],
        "TransactionDate": f"{seeded.as_of}T12:00:00Z",
        **line,
    }
    async with client_of(seeded, D365Client, D365) as client:
        headers, lines = "CustomerPaymentJournalHeaders", "CustomerPaymentJournalLines"
        header = {**journal, "JournalName": "CustPay"}
        await client.batch([(Operation("POST", headers, header), Operation("POST", lines, whole))])


async def _d365_unidentified(seeded, receipt, _):
    line = {
        "AccountType": "Ledger",
        "AccountDisplayValue": "201150",
        "OffsetAccountType": "Bank",
        "OffsetAccountDisplayValue": "OPER\\-01",
        "PaymentId": receipt["bank_reference"],
    }
    await _d365_line(seeded, receipt, line)


async def _d365_move(seeded, receipt, document):
    line = {
        "AccountType": "Cust",
        "AccountDisplayValue": receipt["customer"].replace("-", "\\-"),
        "OffsetAccountType": "Ledger",
        "OffsetAccountDisplayValue": "201150",
        "PaymentId": document,
    }
    await _d365_line(seeded, receipt, line)


async def _netsuite_unidentified(seeded, receipt, _):
    amount = Decimal(receipt["amount"])
    lines = [
        {"account": {"id": "101"}, "debit": amount},
        {"account": {"id": "103"}, "credit": amount},
    ]
    async with client_of(seeded, NetSuiteClient, NETSUITE) as client:
        body = {
            "subsidiary": {"id": receipt["company_code"]},
            "currency": {"id": await _netsuite_currency(client, receipt)},
            "tranDate": seeded.as_of.isoformat(),
            "memo": receipt["bank_reference"],
            "line": {"items": lines},
        }
        await client.change("POST", "journalEntry", body)


async def _netsuite_currency(client, receipt):
    code = receipt["currency_code"]
    (row,) = await client.rows(f"SELECT id FROM currency WHERE symbol = '{code}'")
    return row["id"]


async def _netsuite_move(seeded, receipt, document):
    async with client_of(seeded, NetSuiteClient, NETSUITE) as client:
        number = receipt["customer"]
        (row,) = await client.rows(f"SELECT id FROM customer WHERE entityid = '{number}'")
        body = {
            "customer": {"id": row["id"]},
            "subsidiary": {"id": receipt["company_code"]},
            "currency": {"id": await _netsuite_currency(client, receipt)},
            "payment": Decimal(receipt["amount"]),
            "account": {"id": "103"},
            "tranDate": seeded.as_of.isoformat(),
            "checkNumber": document,
            "autoApply": False,
        }
        await client.change("POST", "customerPayment", body)


def _let_a_minute_pass(seeded):
    now = requests.get(f"{seeded.admin_url}/health", timeout=10).json()["now"]
    later = datetime.fromisoformat(now) + timedelta(minutes=1)
    moved = requests.post(
        f"{seeded.admin_url}/clock", json={"instant": later.isoformat()}, timeout=10
    )
    assert moved.status_code == 200


@pytest.mark.parametrize(
    ("system_id", "book", "move"),
    [
        (SAP, _sap_unidentified, _sap_move),
        (D365, _d365_unidentified, _d365_move),
        (NETSUITE, _netsuite_unidentified, _netsuite_move),
    ],
)
def test_an_unidentified_receipt_that_moved_to_its_customer_is_one_posting(
    seeded, system_id, book, move
):
    receipt = next(
        one
        for one in seeded.truth["receipts"]
        if one["system_id"] == system_id and not one["booked_by"] and one["kind"] == "exact"
    )

    def booked():
        _let_a_minute_pass(seeded)  # Dynamics 365 posts a journal after a lag
        found = booked_receipts(read_books(seeded.config, seeded.as_of))
        return found.row(
            by_predicate=pl.col("bank_reference") == receipt["bank_reference"], named=True
        )

    asyncio.run(book(seeded, receipt, None))
    held = booked()
    assert (held["postings"], held["is_unidentified"]) == (1, True)
    asyncio.run(move(seeded, receipt, held["booked_item_key"].split("-")[3]))
    moved = booked()
    assert (moved["postings"], moved["is_unidentified"]) == (1, False)
    assert moved["booked_customer_id"].endswith(receipt["customer"])


def test_without_approvals_no_limit_is_stale(seeded):
    names = (
        "system_id", "customer", "credit_segment", "limit_kind", "limit_amount", "approved_at",
    )  # fmt: skip
    none = pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    found = measure(seeded.config, home=seeded.home, as_of=seeded.as_of, approved_limits=none)
    assert found["stale_limits"] == 0
