"""A sandboxed S/4HANA that takes files, an SFTP server on loopback, and a writer for both ways."""

import asyncio
import json
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from ingestion.common.clock import SystemClock
from ingestion.common.config import System
from ingestion.common.transport import AiohttpTransport
from ingestion.sap_s4hana.client import SapClient
from reverse_etl.files.wrapper import with_files
from reverse_etl.planning.governance import load_governance
from reverse_etl.writers import create_writer
from sandbox.core.clock import Clock
from sandbox.core.faults import Faults, faulty
from sandbox.core.serve import Listener
from sandbox.sap_s4hana import SapSettings, create_app
from sandbox.sftp.exchange import FileExchange
from sandbox.sftp.faults import FileFaults
from sandbox.sftp.sap_intake import IntakeFaults
from tests.reverse_etl.sap_s4hana.conftest import CUSTOMERS, seed_customers
from tests.reverse_etl.support import by_key
from tests.support.serving import _in_thread

SYSTEM = "sap_s4hana_test"


class Hasty(SystemClock):
    """Waits next to nothing where the product would wait for a network to come back."""

    async def sleep(self, seconds):
        await asyncio.sleep(min(seconds, 0.02))


@dataclass
class FileSap:
    """The served system with its file exchange."""

    app: Any
    exchange: FileExchange
    base_url: str
    faults: FileFaults
    intake: IntakeFaults
    options: dict[str, Any]

    @property
    def system(self):
        return System(
            system_id=SYSTEM,
            kind="sap_s4hana",
            base_url=self.base_url,
            options=self.options,
            credentials={**self.app.credentials(), **self.exchange.credentials_of(SYSTEM)},
        )

    def writer(self):
        governance = load_governance()
        inner = create_writer(self.system, AiohttpTransport(), governance)
        return with_files(inner, self.system, governance, clock=Hasty())

    def call(self, verb, batch):
        """``writer.<verb>(batch)`` by business key, on a writer of its own."""

        async def run():
            writer = self.writer()
            try:
                return by_key(batch, await getattr(writer, verb)(batch))
            finally:
                await writer.close()

        return asyncio.run(run())

    def answers(self):
        """SAP's answers to whole files, on its disk."""
        return sorted((self.exchange.server.root / SYSTEM / "outbox").glob("*.ack"))

    def answer(self, name, **said):
        """Answer a file as somebody else than SAP would."""
        path = self.exchange.server.root / SYSTEM / "outbox" / f"{name}.ack"
        path.write_text(json.dumps({"file": name, **said}))

    def wait_until(self, holds):
        """Wait until SAP got so far."""
        while not holds():
            time.sleep(0.01)

    def rows(self, table):
        """Every row of one of SAP's sets."""
        return list(self.app.state.sap.tables[table].rows.values())

    def effects(self, one):
        """How often the books show a command's effect, by the key that travelled."""
        return len(self.app.ledger()["effects"].get(one.external_key, []))


@pytest.fixture
def serve_files(home):
    """``serve_files(options={...})`` serves SAP and its file exchange until the test ends."""
    with ExitStack() as stack:

        def start(options=None, **intake_faults):
            clock = Clock(datetime(2026, 5, 22, 8, 0, tzinfo=UTC))
            faults, intake = FileFaults(), IntakeFaults(**intake_faults)
            app = create_app(SYSTEM, clock=clock, faults=Faults(), settings=SapSettings())
            served = faulty(app, Faults(), SYSTEM)

            class Opened:
                async def __aenter__(self):
                    self.listener = Listener(served)
                    await self.listener.start()
                    self.exchange = FileExchange(
                        home, {SYSTEM: "sap_s4hana"}, {SYSTEM: app}, clock,
                        faults=faults, intake_faults=intake,
                    )  # fmt: skip
                    await self.exchange.__aenter__()
                    return self.listener.base_url, self.exchange

                async def __aexit__(self, *_):
                    await self.exchange.__aexit__()
                    await self.listener.stop()

            base_url, exchange = stack.enter_context(_in_thread(Opened))
            defaults = {
                "sftp_file_from": 10,
                "sftp_file_rows_max": 500,
                "sftp_ack_wait_seconds": 20,
            }
            sap = FileSap(app, exchange, base_url, faults, intake, {**defaults, **(options or {})})

            async def seed():
                client = SapClient(sap.system, AiohttpTransport())
                try:
                    await seed_customers(client, CUSTOMERS)
                finally:
                    await client.close()

            asyncio.run(seed())
            return sap

        yield start


@pytest.fixture
def sap(serve_files):
    return serve_files()
