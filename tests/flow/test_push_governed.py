"""A table whose columns are named like governed fields goes to a governed object of the CRM."""

import asyncio

import pytest

from ingestion.common.config import load_config
from ingestion.common.errors import ConfigError
from ingestion.common.transport import AiohttpTransport
from ingestion.salesforce.client import SalesforceClient
from orchestration.pushing import run_push
from reverse_etl.planning.push import Table
from sandbox.core.clock import Clock
from sandbox.core.faults import Faults
from sandbox.salesforce import Settings, create_app
from tests.reverse_etl.rest.support import write_table

ACCOUNTS = 30


@pytest.fixture
def crm(serve_app, home, monkeypatch):
    """A served org with accounts: their ids, and a reader of their fields."""
    org = create_app("crm", clock=Clock(), faults=Faults(), settings=Settings())
    url = serve_app(org)
    for name, value in org.credentials().items():
        monkeypatch.setenv(f"LEDGERLOOP_CREDENTIALS_CRM_{name.upper()}", str(value))
    config = home / "ledgerloop.toml"
    config.write_text(f'[systems.crm]\nkind = "salesforce"\nbase_url = "{url}"\n')
    system = load_config(config).systems["crm"]

    async def with_client(use):
        client = SalesforceClient(system, AiohttpTransport())
        try:
            return await use(client)
        finally:
            await client.close()

    async def make(client):
        return [await client.create("Account", {"Name": f"A{i}"}) for i in range(ACCOUNTS)]

    def held(query):
        return asyncio.run(with_client(lambda client: client.query_rows(query)))

    return asyncio.run(with_client(make)), held, config


def push(home, config, query, object_name="accounts", key="account_id", **options):
    file = write_table(home / "mine.duckdb", query, "figures")
    table = Table(file, "figures", key)
    return run_push(load_config(config), home, table, "crm", object_name, **options)[0]


def figures(ids, amount="100.50", status="Past Due"):
    rows = ", ".join(f"('{one}', {amount} + {n}, '{status}')" for n, one in enumerate(ids))
    return f"""
        select account_id, cast(amount as decimal(18, 2)) as open_balance, status
        from (values {rows}) as t(account_id, amount, status)
    """


def test_governed_fields_are_pushed_compared_with_the_org_itself(crm, home) -> None:
    ids, held, config = crm
    assert push(home, config, figures(ids)).left == ACCOUNTS
    first = push(home, config, figures(ids), initial=True)
    assert (first.status, first.verified) == ("verified", ACCOUNTS)
    rows = held("SELECT Id, AR_Open_Balance__c, AR_Status__c, AR_Sync_Version__c FROM Account")
    assert {str(row["AR_Open_Balance__c"]) for row in rows} == {
        f"{100 + n}.50" for n in range(ACCOUNTS)
    }
    assert {row["AR_Status__c"] for row in rows} == {"Past Due"}
    assert push(home, config, figures(ids)).requests == 0


def test_a_column_the_matrix_does_not_hold_is_named_with_the_nearest_right_one(crm, home) -> None:
    ids, _held, config = crm
    with pytest.raises(ConfigError, match="did you mean 'open_balance'"):
        push(home, config, f"select '{ids[0]}' as account_id, 1 as open_balanc")


def test_fields_that_travel_together_must_be_pushed_together(crm, home) -> None:
    ids, _held, config = crm
    with pytest.raises(ConfigError, match="travel together"):
        push(home, config, f"select '{ids[0]}' as account_id, 'limited' as credit_limit_kind")


def test_postings_and_what_follows_decisions_cannot_be_pushed(home) -> None:
    config = home / "ledgerloop.toml"
    config.write_text('[systems.crm]\nkind = "sap_s4hana"\nbase_url = "http://127.0.0.1:9"\n')
    for name in ("journal_entries", "sales_orders"):
        with pytest.raises(ConfigError, match="by the loop only"):
            push(home, config, "select '1' as account_id, 1 as amount", name)
