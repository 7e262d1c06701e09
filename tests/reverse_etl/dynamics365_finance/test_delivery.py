"""Engine, writer and environment together, in virtual time, with seeded faults.

The oracle is the environment's own books: effects counted per key, never what the engine says.
"""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from ingestion.common.config import System
from ingestion.dynamics365_finance.client import D365Client, Operation
from reverse_etl.delivery.engine import deliver
from reverse_etl.ledger.commands import external_key_of
from reverse_etl.ledger.store import Store
from reverse_etl.planning.governance import load_governance
from reverse_etl.writers import create_writer
from sandbox.core.clock import Clock
from sandbox.core.faults import Fault, Faults, faulty
from sandbox.dynamics365_finance import D365Company, D365Settings, create_app
from tests.reverse_etl.dynamics365_finance.environment import KIND, application, payment
from tests.reverse_etl.support import sending
from tests.simulation.virtual import START, VirtualClock, VirtualLoop
from tests.support.serving import asgi_transport

RECEIPTS, ROUNDS_MAX = 6, 8
RATES = {
    Fault.LOST_ANSWER: 0.1,
    Fault.LOST_REQUEST: 0.1,
    Fault.ERROR_AFTER: 0.08,
    Fault.ERROR_BEFORE: 0.08,
    Fault.THROTTLED: 0.08,
    Fault.UNAVAILABLE: 0.08,
    Fault.TOKEN_EXPIRY: 0.06,
}


class World:
    """One environment whose journals are posted after a lag, and commands for it."""

    def __init__(self, loop, numbers):
        self.loop = loop
        self.faults = Faults()
        settings = D365Settings(
            companies={"usmf": D365Company("USD")},
            is_sequence_manual=numbers == "manual",
            posting_lag_seconds=20,
        )
        clock = Clock(START, monotonic=loop.time)
        self.app = create_app("d365", clock=clock, faults=self.faults, settings=settings)
        self.transport, urls = asgi_transport({"d365": faulty(self.app, self.faults, "d365")})
        self.system = System(
            system_id=f"{KIND}_test",
            kind=KIND,
            base_url=urls["d365"],
            options={"journal_numbers": numbers, "settle_seconds": 3, "posting_seconds": 120},
            credentials=dict(self.app.credentials()),
        )

    async def commands(self):
        """Receipts with their applications, and a limit."""
        client = D365Client(self.system, self.transport)
        common = {"dataAreaId": "usmf", "CustomerAccount": "C1"}
        await client.change("POST", "CustomersV3", common)
        day = START.date().isoformat()
        sets = []
        for number in range(RECEIPTS):
            header = {
                **common, "InvoiceId": f"I{number}", "ExternalInvoiceId": f"I{number}",
                "CurrencyCode": "USD", "InvoiceDate": f"{day}T12:00:00Z",
            }  # fmt: skip
            line = {
                "dataAreaId": "usmf", "ExternalInvoiceId": f"I{number}",
                "MainAccountDisplayValue": "401100",
                "TransactionCurrencyAmount": Decimal(10 + number),
            }  # fmt: skip
            sets.append(
                [
                    Operation("POST", "FreeTextInvoiceHeaders", header),
                    Operation("POST", "FreeTextInvoiceLines", line),
                ]
            )
        await client.batch(sets)
        await asyncio.sleep(21)
        found = []
        for row in await client.rows("CustTransOpenEntities", "AccountNum eq 'C1'"):
            key, amount = f"r-{row['Invoice']}", str(row["AmountCur"])
            posting = payment(key, amount, posting_date=day).command
            line = {"document": str(row["RecId"]), "item": "001", "amount": amount}
            one = application(key, "", line).command
            found += [posting, replace(one, after=(posting.command_id,))]
        limit = {"limit_kind": "limited", "limit_amount": "2500"}
        found.append(sending(KIND, "credit_limits", "C1/USMF", limit).command)
        return found

    async def run(self, seed, rates):
        """Deliver until nothing is left; the commands and their states."""
        commands = await self.commands()
        self.faults.configure(seed, rates=rates)
        clock = VirtualClock(self.loop)
        with Store.open("sqlite://", now=clock.now) as store:
            store.record_plan(commands)
            for _ in range(ROUNDS_MAX):
                writer = create_writer(self.system, self.transport, load_governance())
                writers = {self.system.system_id: writer}
                report = await deliver(store, writers, clock=clock, seed=seed)
                if report.is_complete:
                    break
            states = {one.command_id: str(store.command(one.command_id).state) for one in commands}
        return commands, states


@pytest.mark.parametrize("seed", range(8))
def test_no_fault_makes_a_second_effect_and_all_that_is_verified_is_there(seed):
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        world = World(runner.get_loop(), "sequence" if seed % 2 else "manual")
        commands, states = runner.run(world.run(seed, RATES if seed > 1 else {}))
    books = world.app.ledger()
    items = world.app.state.d365.tables["CustTransOpenEntities"].rows
    for one in commands:
        is_verified = states[one.command_id] == "verified"
        if one.object_name == "payments":
            count = len(books["effects"].get(external_key_of(one.command_id), []))
            assert count <= 1, one.business_key
            assert count == 1 or not is_verified
        elif one.object_name == "applications" and is_verified:
            record = int(one.payload["lines"][0]["document"])
            assert items["usmf", record]["OpenAmountCur"] == 0
        if seed < 2:
            assert is_verified, one.object_name
    assert max((len(v) for v in books["settlements"].values()), default=0) <= 1
    assert sum(state == "verified" for state in states.values()) > len(states) // 2
