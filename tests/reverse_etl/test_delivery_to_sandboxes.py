"""Engine, writers and both sandboxed vendors together, in virtual time, with seeded faults.

The oracle is the vendors' own books: effects counted per external key, never what the engine says.
"""

import asyncio
import hashlib
from dataclasses import replace

import pytest

from ingestion.common.config import System
from ingestion.salesforce.client import SalesforceClient
from ingestion.sap_s4hana.client import SapClient
from reverse_etl.delivery.engine import deliver
from reverse_etl.ledger.commands import external_key_of
from reverse_etl.ledger.store import Store
from reverse_etl.planning.governance import load_governance
from reverse_etl.writers import create_writer
from sandbox.core.clock import Clock
from sandbox.core.faults import Fault, Faults, faulty
from sandbox.salesforce import Settings
from sandbox.salesforce import create_app as create_org
from sandbox.sap_s4hana import SapSettings
from sandbox.sap_s4hana import create_app as create_sap
from tests.reverse_etl.sap_s4hana.conftest import (
    CUSTOMERS,
    clearing,
    invoices,
    receipt,
    seed_customers,
)
from tests.reverse_etl.support import sending
from tests.simulation.virtual import START, VirtualClock, VirtualLoop
from tests.support.serving import asgi_transport

RECEIPTS = 8
ROUNDS_MAX = 8
RATES = {
    Fault.LOST_ANSWER: 0.12,
    Fault.LOST_REQUEST: 0.12,
    Fault.ERROR_AFTER: 0.08,
    Fault.ERROR_BEFORE: 0.08,
    Fault.THROTTLED: 0.08,
    Fault.UNAVAILABLE: 0.08,
    Fault.LOCK: 0.06,
    Fault.TOKEN_EXPIRY: 0.06,
}


class World:
    """Both vendors, signed in to without sockets, and commands for them."""

    def __init__(self, loop, *, deduplicates_entries=True):
        self.loop = loop
        sandbox_clock = Clock(START, monotonic=loop.time)
        self.sap_faults, self.org_faults = Faults(), Faults()
        self.sap = create_sap(
            "sap_s4hana_test",
            clock=sandbox_clock,
            faults=self.sap_faults,
            settings=SapSettings(deduplicates_entries=deduplicates_entries),
        )
        self.org = create_org(
            "salesforce_test", clock=sandbox_clock, faults=self.org_faults, settings=Settings()
        )
        apps = {
            "sap_s4hana_test": faulty(self.sap, self.sap_faults, "sap_s4hana_test"),
            "salesforce_test": faulty(self.org, self.org_faults, "salesforce_test"),
        }
        self.transport, urls = asgi_transport(apps)
        self.systems = {
            name: System(
                system_id=name,
                kind=name.removesuffix("_test"),
                base_url=urls[name],
                credentials=dict(app.credentials()),
                options={"settle_seconds": 3, "clearing_seconds": 60, "bulk_interval_seconds": 0}
                if name.startswith("sap")
                else {},
            )
            for name, app in (("sap_s4hana_test", self.sap), ("salesforce_test", self.org))
        }

    async def commands(self):
        """Receipts with their clearings, credit accounts, invoices for the CRM."""
        client = SapClient(self.systems["sap_s4hana_test"], self.transport)
        await seed_customers(client, CUSTOMERS)
        day = START.date()
        numbers = [(CUSTOMERS[0], f"INV-{n}", f"{n}.25") for n in range(1, RECEIPTS + 1)]
        lines = await invoices(client, numbers, day=day)
        crm = SalesforceClient(self.systems["salesforce_test"], self.transport)
        account = await crm.create("Account", {"Name": "One"})
        found = []
        for line in lines:
            key = hashlib.sha256(line["document"].encode()).hexdigest()[:20]
            dates = dict.fromkeys(("posting_date", "document_date", "value_date"), str(day))
            posting = receipt(key, line["amount"], **dates).command
            clear = clearing(key, [line], posting_date=str(day)).command
            found += [posting, replace(clear, after=(posting.command_id,))]
            payload = {"account_id": account, "amount": line["amount"], "status": "Paid"}
            found.append(sending("salesforce", "invoices", line["item_key"], payload).command)
        limit = {"limit_kind": "limited", "limit_amount": "2500"}
        found.append(
            sending("sap_s4hana", "credit_accounts", f"{CUSTOMERS[0]}/1000", limit).command
        )
        return found

    async def run(self, seed, rates):
        """Deliver until nothing is left; the commands and their states by object."""
        commands = await self.commands()
        self.sap_faults.configure(seed, rates=rates)
        self.org_faults.configure(seed + 1, rates=rates)
        clock = VirtualClock(self.loop)
        with Store.open("sqlite://", now=clock.now) as store:
            store.record_plan(commands)
            for _ in range(ROUNDS_MAX):
                writers = {
                    name: create_writer(system, self.transport, load_governance())
                    for name, system in self.systems.items()
                }
                report = await deliver(store, writers, clock=clock, seed=seed)
                if report.is_complete:
                    break
            states = {one.command_id: str(store.command(one.command_id).state) for one in commands}
        return commands, states


@pytest.mark.parametrize("seed", range(12))
def test_no_fault_makes_a_second_effect_and_all_that_is_verified_is_there(seed):
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        # Whether SAP guards single entries against doubles is not verified: it must not matter.
        world = World(runner.get_loop(), deduplicates_entries=bool(seed % 2))
        commands, states = runner.run(world.run(seed, RATES if seed else {}))
    effects = world.sap.ledger()["effects"]
    records = world.org.effects()["AR_Invoice__c"]
    for one in commands:
        is_verified = states[one.command_id] == "verified"
        if one.object_name in ("journal_entries", "clearings"):
            count = len(effects.get(external_key_of(one.command_id), []))
            assert count <= 1, (one.object_name, one.business_key)
            assert count == 1 or not is_verified
        elif one.object_name == "invoices":
            assert records.get(one.business_key, {"creates": 0})["creates"] <= 1
        if seed == 0:
            assert is_verified
    assert sum(state == "verified" for state in states.values()) > len(states) // 2
