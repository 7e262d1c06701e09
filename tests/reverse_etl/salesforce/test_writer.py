"""Salesforce over real sockets: keyed, exact, and every row its own outcome."""

import asyncio
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.common.config import System
from ingestion.common.transport import AiohttpTransport
from ingestion.salesforce.client import BulkResult, SalesforceClient
from reverse_etl.delivery.verifying import differences
from reverse_etl.delivery.writer import Absent, Accepted, Found, Rejected, Retry, Unknown
from reverse_etl.planning.governance import load_governance
from reverse_etl.salesforce.bulk_rows import bulk_outcomes, csv_of
from reverse_etl.salesforce.settings import OUTCOMES
from reverse_etl.salesforce.writer import _queries
from reverse_etl.writers import create_writer
from sandbox.core.clock import Clock
from sandbox.core.faults import Fault, Faults, Point, faulty
from sandbox.salesforce import Settings, create_app
from tests.reverse_etl.support import by_key, sending


@dataclass
class Org:
    app: Any
    faults: Faults
    base_url: str
    accounts: list[str]

    @property
    def system(self):
        return System(
            system_id="salesforce_test",
            kind="salesforce",
            base_url=self.base_url,
            options={"bulk_interval_seconds": 0},
            credentials=dict(self.app.credentials()),
        )

    def call(self, verb, batch):
        async def run():
            writer = create_writer(self.system, AiohttpTransport(), load_governance())
            try:
                return by_key(batch, await getattr(writer, verb)(batch))
            finally:
                await writer.close()

        return asyncio.run(run())

    def check(self, batch):
        """Assert that the org holds every field of every command."""
        held = self.call("read_back", batch)
        for one in batch:
            found = held[one.command.business_key].fields
            assert found is not None
            assert differences(one.command.payload, found, frozenset()) == {}


@pytest.fixture
def serve_org(serve_app):
    def start(**changes):
        faults = Faults()
        app = create_app(
            "salesforce_test", clock=Clock(), faults=faults, settings=Settings(**changes)
        )
        org = Org(app, faults, serve_app(faulty(app, faults, "salesforce_test")), [])

        async def seed():
            client = SalesforceClient(org.system, AiohttpTransport())
            for n in range(3):
                fields = {"Name": f"Account {n}", "ERP_Customer_Id__c": f"000010000{n}"}
                org.accounts.append(await client.create("Account", fields))
            await client.close()

        asyncio.run(seed())
        return org

    return start


@pytest.fixture
def org(serve_org):
    return serve_org()


def account(account_id, **changes):
    payload = {
        "open_balance": "12345678901.23",
        "overdue_amount": "0.3",
        "credit_limit": None,
        "credit_limit_kind": "unlimited",
        "credit_hold": True,
        "status": "On Hold",
        "as_of_date": "2026-05-22",
        "sync_version": 3,
        "sync_correlation_id": "rcpt-1",
        **changes,
    }
    return sending("salesforce", "accounts", account_id, payload)


def invoice(n, account_id, **changes):
    payload = {
        "account_id": account_id,
        "company_code": "U001",
        "currency_code": "USD",
        "invoice_number": f'19306"{n}, é',
        "amount": f"{n}.1",
        "open_amount": "0",
        "invoice_date": "2026-05-01",
        "due_date": None,
        "status": "Paid",
        "aging_bucket": "Paid",
        **changes,
    }
    return sending("salesforce", "invoices", f"SAP-U001-2026-18{n:08}-001", payload)


def balance(n, account_id, **changes):
    payload = {
        "account_id": account_id,
        "company_code": "U001",
        "currency_code": "USD",
        "amount_current": "0.1",
        "credits": "-0.2",
        "net": "-0.1",
        "sync_version": 1,
        **changes,
    }
    return sending("salesforce", "balances", f"SAP-U001-{n:010}-USD", payload)


def effects(org, name, key):
    return org.app.effects()[name].get(key)


@pytest.mark.parametrize("switches", [{}, {"upsert_update_answers_204": True}])
def test_one_row_is_created_then_updated_and_reads_back_exactly(serve_org, switches):
    org = serve_org(numbers_are_scientific=bool(switches), **switches)
    first = invoice(1, org.accounts[0], amount="12345678901.23")
    assert isinstance(org.call("send", [first])[first.command.business_key], Accepted)
    second = sending(
        "salesforce", "invoices", first.command.business_key, {"open_amount": "0.3"}, revision=2
    )
    assert isinstance(org.call("send", [second])[first.command.business_key], Accepted)
    org.check(
        [replace(first, command=replace(first.command, payload={"amount": "12345678901.23"}))]
    )
    org.check([second])
    org.call("send", [account(org.accounts[0])])
    org.check([account(org.accounts[0])])
    org.call("send", [balance(1, org.accounts[0])])
    org.check([balance(1, org.accounts[0])])


def test_a_bad_row_of_a_collection_takes_no_other_row_with_it(org):
    batch = [invoice(n, org.accounts[n % 3]) for n in range(8)]
    batch[2] = invoice(2, org.accounts[0], status="Overpaid")
    batch[5] = invoice(5, None)
    outcomes = org.call("send", batch)
    bad = {key: one for key, one in outcomes.items() if isinstance(one, Rejected)}
    assert set(bad) == {batch[2].command.business_key, batch[5].command.business_key}
    assert bad[batch[2].command.business_key].field == "status"
    good = [one for one in batch if one.command.business_key not in bad]
    assert all(isinstance(outcomes[one.command.business_key], Accepted) for one in good)
    org.check(good)


def test_a_collection_of_accounts_is_updated_by_id(org):
    batch = [account(one, open_balance=f"{n}.05") for n, one in enumerate(org.accounts)]
    batch.append(account("001000000000000AAA"))
    outcomes = org.call("send", batch)
    assert outcomes[org.accounts[1]] == Accepted(org.accounts[1])
    assert isinstance(outcomes["001000000000000AAA"], Rejected)
    org.check(batch[:3])


def test_a_lost_answer_is_unknown_then_found_and_a_resend_makes_no_second_record(org):
    for size in (1, 3):
        batch = [invoice(10 * size + n, org.accounts[0]) for n in range(size)]
        keys = [one.command.business_key for one in batch]
        org.faults.configure(points=[Point(Fault.LOST_ANSWER, method="PATCH")])
        assert all(isinstance(one, Unknown) for one in org.call("send", batch).values())
        found = org.call("look_up", batch)
        assert all(isinstance(found[key], Found) for key in keys)
        org.call("send", batch)
        assert all(effects(org, "AR_Invoice__c", key)["creates"] == 1 for key in keys)


def test_a_lost_request_is_unknown_and_absent(org):
    batch = [invoice(1, org.accounts[0])]
    org.faults.configure(points=[Point(Fault.LOST_REQUEST, method="PATCH")])
    assert all(isinstance(one, Unknown) for one in org.call("send", batch).values())
    assert list(org.call("look_up", batch).values()) == [Absent()]


def test_a_locked_row_is_tried_again_alone_and_the_day_limit_pauses_the_system(org):
    batch = [invoice(n, org.accounts[0]) for n in range(3)]
    org.faults.configure(points=[Point(Fault.LOCK, times=1)])
    outcomes = list(org.call("send", batch).values())
    locked = [one for one in outcomes if isinstance(one, Retry)]
    assert len(locked) == 1
    assert (locked[0].code, locked[0].is_system_wide) == ("UNABLE_TO_LOCK_ROW", False)
    for some in (batch, batch[:1]):
        org.faults.configure(points=[Point(Fault.DAILY_LIMIT)])
        for one in org.call("send", some).values():
            assert isinstance(one, Retry)
            assert one.is_system_wide
            assert one.after_seconds == 900


def test_a_dropped_field_shows_in_the_read_back(org):
    one = invoice(1, org.accounts[0])
    org.faults.configure(points=[Point(Fault.DROPPED_FIELD, name="Open_Amount__c")])
    org.call("send", [one])
    (held,) = org.call("read_back", [one]).values()
    assert set(differences(one.command.payload, held.fields, frozenset())) == {"open_amount"}


def test_a_request_that_is_refused_whole_is_marked_so_for_halving(org):
    """A value of the wrong JSON type is refused before any row is looked at."""
    batch = [invoice(n, org.accounts[0]) for n in range(2)]
    batch[1] = invoice(1, org.accounts[0], status=["Paid"])
    outcomes = org.call("send", batch)
    assert all(one.is_whole_batch for one in outcomes.values())


def test_bulk_joins_every_row_by_its_key(org):
    batch = [invoice(n, org.accounts[n % 3], amount=f"{n}.07") for n in range(450)]
    batch[7] = invoice(7, org.accounts[0], status="Overpaid")
    batch[99] = invoice(99, org.accounts[0], invoice_number="#N/A")
    outcomes = org.call("send", batch)
    rejected = {key for key, one in outcomes.items() if isinstance(one, Rejected)}
    assert rejected == {batch[7].command.business_key, batch[99].command.business_key}
    good = [one for one in batch if one.command.business_key not in rejected]
    assert all(isinstance(outcomes[one.command.business_key], Accepted) for one in good)
    org.check(good)


def test_bulk_leaves_unset_fields_alone_and_empties_what_is_null(org):
    first = [invoice(n, org.accounts[0], due_date="2026-06-01") for n in range(201)]
    org.call("send", first)
    keys = [one.command.business_key for one in first]
    second = [
        sending("salesforce", "invoices", key, {"due_date": None} if n % 2 else {"amount": "5"})
        for n, key in enumerate(keys)
    ]
    outcomes = org.call("send", second)
    assert all(isinstance(one, Accepted) for one in outcomes.values())
    org.check(second)
    org.check(
        [
            sending("salesforce", "invoices", keys[0], {"due_date": "2026-06-01", "amount": "5"}),
            sending("salesforce", "invoices", keys[1], {"due_date": None, "amount": "1.1"}),
        ]
    )


def test_a_bulk_update_goes_by_id(serve_org):
    org = serve_org()

    async def more():
        client = SalesforceClient(org.system, AiohttpTransport())
        for _ in range(198):
            org.accounts.append(await client.create("Account", {"Name": "One more"}))
        await client.close()

    asyncio.run(more())
    batch = [account(one, open_balance=f"{n}") for n, one in enumerate(org.accounts)]
    assert len(batch) == 201
    outcomes = org.call("send", batch)
    assert all(isinstance(one, Accepted) for one in outcomes.values())
    org.check(batch)


def test_a_bulk_job_that_stops_half_way_leaves_the_rest_certainly_untouched(serve_org):
    org = serve_org(bulk_rows_per_poll=200)
    org.faults.configure(points=[Point(Fault.BULK_FAILURE, skip=1)])
    batch = [invoice(n, org.accounts[0]) for n in range(600)]
    outcomes = org.call("send", batch)
    done = [one for one in batch if isinstance(outcomes[one.command.business_key], Accepted)]
    untouched = [one for one in batch if isinstance(outcomes[one.command.business_key], Retry)]
    assert len(done) + len(untouched) == 600
    assert done
    assert untouched
    org.check(done)
    assert set(org.call("look_up", untouched).values()) == {Absent()}


def test_queries_stay_short_enough_for_a_url():
    target = load_governance().object("salesforce", "invoices")
    keys = [f"SAP-U001-2026-18{n:08}-{'x' * 60}" for n in range(1000)]
    queries = list(_queries(target, ["Id", "ERP_Invoice_Key__c"], keys))
    assert all(len(one) < 12_000 for one in queries)
    assert sum(one.count("'SAP-") for one in queries) == 1000


# -- bulk rows, without a network ------------------------------------------------------------------

KEY = "ERP_Invoice_Key__c"


@given(
    st.permutations(range(12)),
    st.lists(st.sampled_from(["done", "failed", "untouched", "none"]), min_size=12, max_size=12),
)
def test_bulk_outcomes_do_not_depend_on_the_order_of_rows(order, fates):
    files = {"done": f"sf__Id,sf__Created,{KEY}\n", "failed": f"sf__Id,sf__Error,{KEY}\n"}
    files["untouched"] = f"{KEY}\n"
    for n in order:
        line = {
            "done": f'"a02{n}","true","K{n}"\n',
            "failed": f'"","STRING_TOO_LONG:too long: {n}:Status__c --","K{n}"\n',
            "untouched": f'"K{n}"\n',
        }
        if fates[n] != "none":
            files[fates[n]] += line[fates[n]]
    result = BulkResult(
        "750", "JobComplete", *(files[f].encode() for f in ("done", "failed", "untouched")), {}
    )
    outcomes = bulk_outcomes(result, KEY, [f"K{n}" for n in range(12)], OUTCOMES)
    kinds = {"done": Accepted, "failed": Rejected, "untouched": Retry, "none": Unknown}
    for n, fate in enumerate(fates):
        assert type(outcomes[f"K{n}"]) is kinds[fate]
        if fate == "done":
            assert outcomes[f"K{n}"] == Accepted(f"a02{n}")
        if fate == "failed":
            assert outcomes[f"K{n}"].message == f"too long: {n}"


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, max_value=Decimal("9e15")))
def test_an_amount_stays_as_it_is_in_a_bulk_file(amount):
    text = f"{amount:f}"
    assert csv_of(KEY, {"K1": {"Amount__c": text}}) == f"{KEY},Amount__c\nK1,{text}\n".encode()
