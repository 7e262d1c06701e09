"""Stores for tests: every test that takes ``store`` runs on SQLite and on PostgreSQL.

PostgreSQL is used where LEDGERLOOP_TEST_POSTGRES_URL names a server; elsewhere those tests are
skipped, and the run says so at its end.
"""

import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text

from reverse_etl.ledger.database import Database
from reverse_etl.ledger.store import Store
from tests.reverse_etl.ledger.commands import NOW

POSTGRES_URL = os.environ.get("LEDGERLOOP_TEST_POSTGRES_URL", "")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say it once, loudly: half of these tests did not run."""
    if not POSTGRES_URL:
        terminalreporter.write_line(
            "NOT tested on PostgreSQL: LEDGERLOOP_TEST_POSTGRES_URL is not set", yellow=True
        )


class SettableClock:
    """A clock that a test moves by hand."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at

    def advance(self, **parts: float) -> None:
        self.at += timedelta(**parts)


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)],
)
def ops_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a new, empty operations database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'ops.sqlite'}"
        return
    if not POSTGRES_URL:
        pytest.skip("LEDGERLOOP_TEST_POSTGRES_URL is not set: NOT tested on PostgreSQL")
    schema = f"test_{uuid4().hex[:12]}"
    admin = create_engine("postgresql+psycopg://" + POSTGRES_URL.split("://", 1)[1])
    with admin.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    joint = "&" if "?" in POSTGRES_URL else "?"
    yield f"{POSTGRES_URL}{joint}options=-csearch_path%3D{schema}"
    with admin.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    admin.dispose()


@pytest.fixture
def store(ops_url: str, clock: SettableClock) -> Iterator[Store]:
    with Store.open(ops_url, now=clock.now) as opened:
        yield opened


@pytest.fixture
def another(ops_url: str, clock: SettableClock, store: Store) -> Iterator[Store]:
    """A second process's view of the same database."""
    with Store.open(ops_url, now=clock.now) as opened:
        yield opened


@pytest.fixture
def execute(store: Store) -> Callable[..., list[tuple[object, ...]]]:
    """Any statement, as somebody with a database tool would run it."""

    def run(statement: str, *values: object) -> list[tuple[object, ...]]:
        database: Database = store.database
        with database.write() as connection:
            return [tuple(row) for row in database.run(connection, statement, values)]

    return run
