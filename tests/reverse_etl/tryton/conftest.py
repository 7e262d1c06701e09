"""One real Tryton server and one database for the tests of this folder."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from ingestion.common.config import System
from ingestion.common.transport import AiohttpTransport
from ingestion.tryton.client import TrytonClient
from reverse_etl.delivery.writer import Sending, Writer
from reverse_etl.planning.governance import load_governance
from reverse_etl.writers import create_writer
from sandbox.tryton.people import People
from sandbox.tryton.server import TrytonServer, missing_parts, running_server
from tests.reverse_etl.tryton.orders import CUSTOMER


@dataclass
class Desk:
    """A database of Tryton with one customer: people's side, the hub's side, the books' own."""

    server: TrytonServer
    database: str

    @property
    def system(self) -> System:
        return self.server.system(self.database)

    def people(self, work: Callable[[People], Awaitable[Any]]) -> Any:
        """Let people beside the hub do something."""

        async def visit() -> Any:
            client = TrytonClient(self.system, AiohttpTransport())
            try:
                return await work(People(client))
            finally:
                await client.close()

        return asyncio.run(visit())

    def hub(self, verb: str, *batch: Sending) -> list[Any]:
        """``writer.<verb>`` of each sending, in their order."""

        async def work() -> list[Any]:
            writer: Writer = create_writer(self.system, AiohttpTransport(), load_governance())
            try:
                call = getattr(writer, verb)
                return [(await call([one]))[one.command.command_id] for one in batch]
            finally:
                await writer.close()

        return asyncio.run(work())

    def invoice(self, amount: str, reference: str) -> dict[str, Any]:
        """A posted invoice of the customer."""
        made: dict[str, Any] = self.people(
            lambda people: people.post_invoice(
                CUSTOMER, Decimal(amount), date(2026, 5, 2), reference=reference
            )
        )
        return made

    def moves(self, key: str) -> list[tuple[int, str]]:
        """Moves with a key, straight from Tryton's own tables: id and state."""
        rows = self.server.query(
            self.database,
            "SELECT id, state FROM account_move WHERE description LIKE %s ORDER BY id",
            f"{key}%",
        )
        return [(int(number), str(state)) for number, state in rows]

    def state_of(self, invoice: dict[str, Any]) -> str:
        """An invoice's state in Tryton's own tables."""
        rows = self.server.query(
            self.database, "SELECT state FROM account_invoice WHERE id = %s", invoice["id"]
        )
        return str(rows[0][0])


@pytest.fixture(scope="session")
def tryton_server() -> Iterator[TrytonServer]:
    url = os.environ.get("LEDGERLOOP_TEST_POSTGRES_URL")
    if missing := missing_parts(url):
        pytest.skip(f"TRYTON IS NOT TESTED: {missing}")
    assert url is not None
    with running_server(url) as server:
        yield server


@pytest.fixture(scope="module")
def desk(tryton_server: TrytonServer) -> Iterator[Desk]:
    name = f"tryton_writer_{os.getpid()}"
    tryton_server.copy(tryton_server.base(), name)
    made = Desk(tryton_server, name)
    made.people(lambda people: people.create_party(CUSTOMER, "Acme"))
    yield made
    tryton_server.drop(name)
