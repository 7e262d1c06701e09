"""Tryton beside the sandbox: a real server on a database of its own, for as long as a run lasts.

Its entry belongs into the endpoints file like any sandboxed system's. It runs where there is a
PostgreSQL server and Tryton's virtual environment; elsewhere one plain line says what is missing,
and every other system works without it. What a run changed is kept as a dump when asked for.
"""

import asyncio
import hashlib
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from ingestion.common.errors import ConfigError
from sandbox.tryton.server import (
    TrytonServer,
    base_is_made,
    cache_folder,
    missing_parts,
    postgres_of,
)

__all__ = ["POSTGRES_SETTINGS", "Beside", "absence", "beside", "postgres_url"]

#: Environment variables that name the PostgreSQL server, the first that is set; empty is none.
POSTGRES_SETTINGS = ("LEDGERLOOP_TRYTON_POSTGRES_URL", "LEDGERLOOP_TEST_POSTGRES_URL")


def postgres_url() -> str:
    """The PostgreSQL server that Tryton may use; empty when there is none."""
    return next((os.environ[name] for name in POSTGRES_SETTINGS if name in os.environ), "")


def absence() -> str:
    """Why Tryton is left out, in a line for people; empty when it can run."""
    url = postgres_url()
    if not url:
        return "no PostgreSQL: Tryton is left out"
    missing = missing_parts(url)
    return f"Tryton is left out: {missing}" if missing else ""


@dataclass(slots=True)
class Beside:
    """A running Tryton with one database of this run."""

    system_id: str
    server: TrytonServer
    database: str
    is_made: bool = False

    @property
    def entry(self) -> dict[str, Any]:
        """Its entry of the endpoints file."""
        return self.server.entry(self.database)

    def save(self, directory: Path) -> None:
        """Keep the database's content, and the password that goes with it."""
        directory.mkdir(parents=True, exist_ok=True)
        dump, secret = _files(directory, self.system_id)
        self.server.dump(self.database, dump.with_suffix(".part"))
        secret.touch(mode=0o600)
        secret.write_text(self.server.password)
        dump.with_suffix(".part").rename(dump)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@asynccontextmanager
async def beside(
    system_id: str,
    home: Path,
    state: Path | None = None,
    say: Callable[[str], None] = _tell,
) -> AsyncIterator[Beside]:
    """Run Tryton on a database of its own, which goes when the block ends.

    Args:
        system_id: of the system in the endpoints file.
        home: ``LEDGERLOOP_HOME``; each has a database of its own.
        state: directory of an earlier ``save``; base books where it holds none.
        say: takes a line for people.

    Raises:
        ConfigError: Tryton cannot run here, PostgreSQL does not answer, or Tryton does not start.
    """
    if missing := absence():
        raise ConfigError(missing, code="tryton_absent")
    server = TrytonServer(postgres_of(postgres_url()), cache_folder())
    running = Beside(system_id, server, _database_of(system_id, home))
    try:
        await asyncio.to_thread(_start, running, state, say)
        yield running
    finally:
        await asyncio.to_thread(_stop, running)


def _database_of(system_id: str, home: Path) -> str:
    """A name of the database that no other home uses, and the next run of this one finds again."""
    return f"{system_id}_{hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:12]}"


def _start(running: Beside, state: Path | None, say: Callable[[str], None]) -> None:
    server = running.server
    server.start()
    if not base_is_made(server.cache):
        say("Tryton's base books are made once: about two minutes")
    try:
        base = server.base()
    except psycopg.OperationalError as error:
        named = " or ".join(POSTGRES_SETTINGS)
        raise ConfigError(
            f"PostgreSQL does not answer ({type(error).__name__}): start it, or correct {named} "
            "(empty leaves Tryton out)",
            code="no_postgresql",
        ) from error
    dump, secret = _files(state or Path(), running.system_id)
    running.is_made = True
    if state is not None and dump.exists():
        server.password = secret.read_text()
        server.restore(dump, running.database)
        server.open(running.database)
    else:
        server.copy(base, running.database)


def _stop(running: Beside) -> None:
    running.server.stop()
    if running.is_made:
        running.server.drop(running.database)


def _files(directory: Path, system_id: str) -> tuple[Path, Path]:
    return directory / f"{system_id}.dump", directory / f"{system_id}.password"
