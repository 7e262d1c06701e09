"""The same delivery on SQLite and on PostgreSQL, two senders at once, in real time."""

import asyncio

from ingestion.common.clock import SystemClock
from reverse_etl.delivery.engine import deliver
from reverse_etl.delivery.writer import Limits
from reverse_etl.ledger.leases import ProcessIdentity
from reverse_etl.ledger.store import Store
from tests.reverse_etl.delivery.fake_target import FakeTarget, FakeWriter, Faults
from tests.reverse_etl.ledger.commands import posting
from tests.reverse_etl.ledger.conftest import ops_url  # noqa: F401 - a fixture
from tests.simulation.processes import snapshot


def test_two_senders_on_one_database_make_one_effect_each(ops_url):  # noqa: F811
    clock = SystemClock()
    faults = Faults(lost_answer=0.05, row_lock=0.05, latency_seconds=0.005)
    target = FakeTarget(clock, seed=3, faults=faults)
    target.poison = {"R7", "R70"}
    limits = Limits(batch_max=5, concurrency_max=4, settle_seconds=0.1, allows_many_per_lane=True)

    async def send(store: Store, number: int):
        writer = FakeWriter(target, default_limits=limits)
        identity = ProcessIdentity("", f"sender {number}")
        return await deliver(store, {"erp": writer}, clock=clock, identity=identity, seed=number)

    async def both(first: Store, second: Store):
        return await asyncio.gather(send(first, 1), send(second, 2))

    with (
        Store.open(ops_url, now=clock.now) as first,
        Store.open(ops_url, now=clock.now) as second,
    ):
        first.record_plan(posting(f"R{n}", lane=f"L{n % 60}") for n in range(300))
        reports = asyncio.run(both(first, second))

        assert sum(one.verified for one in reports) == 298
        assert first.counts() == {"verified": 298, "rejected": 2}
        assert sorted(target.effects.values()) == [1] * 298
        assert second.verify_audit().is_intact
        before = snapshot(first.database)
        second.rebuild()
        assert snapshot(first.database) == before
