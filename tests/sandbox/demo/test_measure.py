"""The figures before the loop against the truth; each moves when its cause is mended."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal

import polars as pl
import pytest

from ingestion.common.transport import AiohttpTransport
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
from sandbox.demo.measure import measure, verify_postings
from sandbox.demo.measure_cash import cash_decisions, customer_items


@asynccontextmanager
async def client_of(seeded, kind, system_id):
    client = kind(seeded.config.systems[system_id], AiohttpTransport())
    try:
        yield client
    finally:
        await client.close()


def figures(seeded):
    return measure(seeded.config, home=seeded.home, as_of=seeded.as_of)


@pytest.fixture(scope="module")
def before(seeded):
    return figures(seeded)


def test_paid_but_open_are_every_item_of_exact_payments_and_no_item_that_another_one_paid(
    seeded, before
):
    books = read_books(seeded.config, seeded.as_of)
    found = cash_decisions(books, seeded.config, load_policy()).paid
    assert before["paid_but_open"] == found.height
    receipts = books.receipts.select("receipt_id", "bank_reference")
    items = customer_items(books, seeded.config).select("item_key", "reference")
    named = found.join(receipts, on="receipt_id").join(items, on="item_key")
    assert named.height == found.height
    decided = set(named.select("bank_reference", "reference").iter_rows())
    truth = {
        kind: {
            (one["bank_reference"], number)
            for one in seeded.truth["receipts"]
            for number in one["pays"]
            if (one["kind"] in {"exact", "credit_memo"}) is kind
        }
        for kind in (True, False)
    }
    assert truth[True] <= decided
    assert decided <= truth[True] | truth[False]


def test_stale_limits_and_unlinked_accounts_are_those_of_the_truth(seeded, before):
    assert before["stale_limits"] == sum(x["is_stale_in_erp"] for x in seeded.truth["limits"])
    assert before["crm_unlinked"] == sum(not x["is_linked"] for x in seeded.truth["links"])


def test_orders_that_should_go_out_are_counted_and_blocked_customers_never(seeded, before):
    assert 0 < before["blocked_in_good_standing"] < len(seeded.truth["orders"])


def test_books_tie_and_all_cash_is_unapplied_before_the_loop(seeded, before):
    assert before["gl_ties"] is True
    received: dict[str, Decimal] = {}
    for receipt in seeded.truth["receipts"]:
        code = receipt["currency_code"]
        received[code] = received.get(code, Decimal(0)) + Decimal(receipt["amount"])
    assert {c: Decimal(a) for c, a in before["unapplied_cash"].items()} == received


def test_the_caller_adds_what_only_the_product_knows(seeded):
    found = measure(
        seeded.config, home=seeded.home, as_of=seeded.as_of, awaiting_approval=3, drift_rows=0
    )
    assert (found["awaiting_approval"], found["drift_rows"]) == (3, 0)


def test_mending_a_limit_lowers_the_count_by_one(seeded, before):
    stale = next(x for x in seeded.truth["limits"] if x["is_stale_in_erp"])

    async def mend():
        async with client_of(seeded, SapClient, "sap_emea") as client:
            path = (
                f"CreditManagementAccount(BusinessPartner='{stale['customer']}',"
                "CreditSegment='1000')"
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


def test_receipts_that_nobody_booked_are_missing_and_a_second_booking_is_doubled(seeded):
    booked = [r for r in seeded.truth["receipts"] if r["booked_by"]]
    counted = verify_postings(seeded.config, home=seeded.home, admin_url=seeded.admin_url)
    assert counted["missing"] == len(seeded.truth["receipts"]) - len(booked)
    assert (counted["doubled"], counted["unbalanced"]) == (0, 0)
    assert not counted["is_exact"]
    asyncio.run(_book_again(seeded, booked[0]))
    again = verify_postings(seeded.config, home=seeded.home, admin_url=seeded.admin_url)
    assert again["doubled"] == 1
    assert again["keys_doubled"] == 1
    assert again["unbalanced"] == 0


async def _book_again(seeded, receipt):
    """The same receipt once more, by hand: the ledger still balances."""
    amount = Decimal(receipt["amount"])
    day = seeded.as_of
    entry = JournalEntry(
        entry_id="f" * 32,
        header=EntryHeader(
            company_code=receipt["company_code"],
            document_type="DZ",
            document_date=day,
            posting_date=day,
            document_reference=receipt["bank_reference"],
        ),
        currency_code=receipt["currency_code"],
        debtor_items=(DebtorItem(receipt["customer"], -amount, due_base_date=day),),
        gl_items=(GlItem("11001000", amount),),
    )
    async with client_of(seeded, SapClient, "sap_emea") as client:
        message = post_envelope([entry], created_at=datetime(2026, 5, 23, tzinfo=UTC))
        await client.soap(POST_PATH, POST_ACTION, message)


def test_without_approvals_no_limit_is_stale(seeded):
    none = pl.DataFrame(
        schema=dict.fromkeys(
            [
                "system_id",
                "customer",
                "credit_segment",
                "limit_kind",
                "limit_amount",
                "approved_at",
            ],
            pl.String,
        )
    )
    found = measure(seeded.config, home=seeded.home, as_of=seeded.as_of, approved_limits=none)
    assert found["stale_limits"] == 0
