"""A world is seeded through the account's own protocol, and its books are the world's."""

from collections import Counter
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest

from ingestion.netsuite.client import NetSuiteClient
from sandbox.demo.additions import World, make_world
from sandbox.demo.generator import generate
from sandbox.demo.seed_netsuite import seed_netsuite
from sandbox.demo.settings import load_settings
from sandbox.netsuite import Subsidiary
from tests.sandbox.netsuite.account import Account


@pytest.fixture(scope="module")
def world() -> World:
    settings = load_settings()
    dataset = generate(settings, seed=5, customers=12, open_items=40, closed_items=40)
    return make_world(dataset, settings, seed=5)


def test_every_item_is_posted_once_however_often_the_world_is_seeded(world: World) -> None:
    companies = world.dataset.companies
    subsidiaries = {code: Subsidiary(one) for code, one in {"1": "USD", **companies}.items()}
    account = Account(subsidiaries=subsidiaries)

    async def set_clock(day: date) -> None:
        account.clock.set(datetime.combine(day, time(12), UTC))

    async def seed(client: NetSuiteClient) -> list[object]:
        return list(await seed_netsuite(client, world, lambda _: None, set_clock))

    posted = account.act(seed)
    booked = [one for one in world.payments.payments if one.booked_by]
    assert len(posted) == world.items.height + len(booked)
    assert len({one.item_key for one in posted}) == len(posted)
    wanted: Counter[str] = Counter()
    for code, amount in world.items.select("company_code", "amount").iter_rows():
        wanted[code] += amount
    for one in booked:
        wanted[one.company_code] -= one.amount
    held = {code: account.balance("12100000", code) for code in companies}
    assert held == {code: wanted.get(code, Decimal(0)) for code in companies}
    limits = account.rows("SELECT count(*) AS n FROM customer WHERE creditholdoverride = 'ON'")
    assert int(limits[0]["n"]) == sum(bool(one.block_reason) for one in world.credit.accounts)
    before = account.app.ledger()["journals"]
    assert account.act(seed) == posted
    assert account.app.ledger()["journals"] == before
