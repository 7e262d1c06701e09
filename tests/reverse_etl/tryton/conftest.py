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
from ingestion.common.errors import OutcomeUnknown
from ingestion.common.transport import AiohttpTransport, Request, Response, Transport
from ingestion.tryton.client import TrytonClient
from reverse_etl.delivery.writer import Sending, Unknown, Writer
from reverse_etl.planning.governance import load_governance
from reverse_etl.writers import create_writer
from sandbox.tryton.people import People
from sandbox.tryton.server import TrytonServer, missing_parts, running_server
from tests.reverse_etl.tryton.orders import BILLED_ON, CUSTOMER

#: More than any command has writes.
_DEATHS_MAX = 15
_READS = ("search_read", "login", "get_preferences", ".read")


def _writes(url: str) -> bool:
    """Whether a request changes the books; of a wizard only its execution does."""
    return url.endswith(".execute") if "?wizard." in url else not url.endswith(_READS)


class _Deadly:
    """A way to Tryton on which a hub dies as soon as it has written something."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.is_dead = False

    async def send(self, request: Request) -> Response:
        if self.is_dead:
            raise OutcomeUnknown("the hub is dead", code="dead")
        answer = await self._inner.send(request)
        self.is_dead = _writes(request.url)
        if self.is_dead:
            raise OutcomeUnknown("the hub died", code="dead")
        return answer

    async def close(self) -> None:
        await self._inner.close()


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

    def hub(self, verb: str, *batch: Sending, transport: Transport | None = None) -> list[Any]:
        """``writer.<verb>`` of each sending, in their order."""

        async def work() -> list[Any]:
            wire = transport or AiohttpTransport()
            writer: Writer = create_writer(self.system, wire, load_governance())
            try:
                call = getattr(writer, verb)
                return [(await call([one]))[one.command.command_id] for one in batch]
            finally:
                await writer.close()

        return asyncio.run(work())

    def hub_that_dies(self, one: Sending) -> tuple[Any, int]:
        """Send a command by one hub after another, each of which dies behind its first write, until
        nothing is left to be written; how the last one ended, and how many died."""
        for died in range(_DEATHS_MAX):
            wire = _Deadly(AiohttpTransport())
            (outcome,) = self.hub("send", one, transport=wire)
            if not wire.is_dead:
                return outcome, died
            assert isinstance(outcome, Unknown), outcome
        raise AssertionError(f"{_DEATHS_MAX} hubs died, and something is still to be written")

    def open_amount(self, invoice: dict[str, Any]) -> Decimal:
        """What Tryton says is to be paid of an invoice."""
        found = self.people(
            lambda people: people.rows(
                "account.invoice", [["id", "=", invoice["id"]]], "amount_to_pay"
            )
        )
        return Decimal(found[0]["amount_to_pay"])

    def balance(self, code: str, *keys: str) -> Decimal:
        """What posted moves with these keys leave on an account, from Tryton's own tables."""
        rows = self.server.query(
            self.database,
            "SELECT coalesce(sum(line.debit - line.credit), 0) FROM account_move_line AS line "
            "JOIN account_move AS move ON move.id = line.move "
            "JOIN account_account AS account ON account.id = line.account "
            "WHERE move.state = 'posted' AND account.code = %s "
            "AND left(move.description, 20) = ANY (%s)",
            code,
            list(keys),
        )
        return Decimal(rows[0][0])

    def reconciled(self, code: str, *keys: str) -> list[bool]:
        """Of each line of these keys on an account, whether it is reconciled."""
        rows = self.server.query(
            self.database,
            "SELECT line.reconciliation IS NOT NULL FROM account_move_line AS line "
            "JOIN account_move AS move ON move.id = line.move "
            "JOIN account_account AS account ON account.id = line.account "
            "WHERE account.code = %s AND left(move.description, 20) = ANY (%s)",
            code,
            list(keys),
        )
        return [bool(row[0]) for row in rows]

    def invoice(self, amount: str, reference: str) -> dict[str, Any]:
        """A posted invoice of the customer."""
        made: dict[str, Any] = self.people(
            lambda people: people.post_invoice(
                CUSTOMER, Decimal(amount), date.fromisoformat(BILLED_ON), reference=reference
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


@pytest.fixture(scope="session")
def databases(tryton_server: TrytonServer) -> Iterator[dict[str, str]]:
    """Two databases by what they are for: made together, or the server would find one only."""
    base = tryton_server.base()
    names = {what: f"tryton_writer_{what}_{os.getpid()}" for what in ("shared", "alone")}
    for name in names.values():
        tryton_server.prepare(base, name)
    yield names
    for name in names.values():
        tryton_server.drop(name)


@pytest.fixture(scope="session")
def desk(tryton_server: TrytonServer, databases: dict[str, str]) -> Desk:
    """A database that tests share; each has invoices and keys of its own."""
    return _desk(tryton_server, databases["shared"])


@pytest.fixture(scope="session")
def desk_alone(tryton_server: TrytonServer, databases: dict[str, str]) -> Desk:
    """A database in which nothing is but what one module makes."""
    return _desk(tryton_server, databases["alone"])


def _desk(server: TrytonServer, database: str) -> Desk:
    server.open(database)
    made = Desk(server, database)
    made.people(lambda people: people.create_party(CUSTOMER, "Acme"))
    return made
