"""The demo's world in a tenant: every item posted once, on its own day, and the ledger agrees."""

import asyncio
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest

from sandbox.demo.additions import World, make_world
from sandbox.demo.dataset import DatasetError
from sandbox.demo.generator import generate
from sandbox.demo.seed_workday import seed_workday
from sandbox.demo.settings import load_settings
from sandbox.workday import WorkdayCompany
from tests.sandbox.workday.tenant import Tenant


def world() -> World:
    settings = load_settings()
    dataset = generate(settings, customers=10, open_items=12, closed_items=12, seed=5)
    return make_world(dataset, settings, seed=5)


def test_a_world_is_seeded_once_and_a_second_time_refused() -> None:
    made = world()
    companies = sorted({code for one in made.partners.values() for code in one.companies})
    tenant = Tenant(
        companies={code: WorkdayCompany("CAD" if code[:2] == "CA" else "USD") for code in companies}
    )
    lines: list[str] = []

    async def set_clock(day: date) -> None:
        tenant.clock.set(datetime.combine(day, time(12), UTC))

    items = asyncio.run(seed_workday(tenant.client, made, lines.append, set_clock))
    balances = tenant.app.state.ledger.balances
    posted: dict[str, Decimal] = {}
    for item in items:
        posted[item.company_code] = posted.get(item.company_code, Decimal(0)) + item.amount
        assert item.item_key.startswith(f"WD-{item.company_code}-{item.document_date.year}-")
    assert {c: balances[c, "12100000"] for c in posted} == posted
    assert len({item.item_key for item in items}) == len(items)
    assert tenant.clock.today() == made.dataset.as_of
    assert lines[-1].endswith("sales orders left out: Workday has none")
    with pytest.raises(DatasetError, match="already in use"):
        asyncio.run(seed_workday(tenant.client, made, lines.append, set_clock))
