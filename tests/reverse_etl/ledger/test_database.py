"""Opening the operations database: migrations, addresses, two openers at once."""

import multiprocessing
import sqlite3

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from ingestion.common.errors import ConfigError
from reverse_etl.ledger import migrations
from reverse_etl.ledger.clock import instant_of, text_of
from reverse_etl.ledger.database import Database, operations_url
from reverse_etl.ledger.schema import SCHEMA_REVISION, metadata
from reverse_etl.ledger.store import Store
from tests.reverse_etl.ledger.commands import NOW, posting


def test_the_migrations_make_exactly_the_declared_schema(store):
    with store.database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)

    assert differences == []


def test_the_newest_migration_is_the_declared_revision():
    assert ScriptDirectory(migrations.__path__[0]).get_current_head() == SCHEMA_REVISION


def test_opening_again_keeps_everything(ops_url, clock):
    with Store.open(ops_url, now=clock.now) as store:
        store.record_plan([posting("R1")])
    with Store.open(ops_url, now=clock.now) as store:
        assert store.counts() == {"ready": 1}


def test_sqlite_writes_ahead_and_syncs_every_commit(tmp_path):
    database = Database.open(tmp_path / "ops.sqlite")
    with database.read() as connection:
        assert database.run(connection, "PRAGMA journal_mode").scalar_one() == "wal"
        assert database.run(connection, "PRAGMA synchronous").scalar_one() == 2
    database.close()


def test_the_default_lies_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LEDGERLOOP_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("LEDGERLOOP_OPS_URL", raising=False)
    assert operations_url() == f"sqlite:///{tmp_path / 'home' / 'ops.sqlite'}"

    Database.open().close()

    assert (tmp_path / "home" / "ops.sqlite").exists()
    monkeypatch.setenv("LEDGERLOOP_OPS_URL", "postgresql://host/ops")
    assert operations_url() == "postgresql://host/ops"


@pytest.mark.parametrize("url", ["mysql://host/db", "duckdb:///x"])
def test_another_product_is_refused_by_name(url):
    with pytest.raises(ConfigError, match="SQLite path or a postgresql"):
        Database.open(url)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    path = tmp_path / "ops.sqlite"
    path.write_text("this is a letter" * 100)
    with pytest.raises((ConfigError, sqlite3.DatabaseError)) as caught:
        Database.open(path)
    assert "not a database" in str(caught.value)


def _open(path: str) -> None:
    Database.open(path).close()


def test_two_processes_that_open_a_new_database_make_its_tables_once(tmp_path):
    path = str(tmp_path / "ops.sqlite")
    context = multiprocessing.get_context("spawn")
    openers = [context.Process(target=_open, args=(path,)) for _ in range(2)]
    for opener in openers:
        opener.start()
    for opener in openers:
        opener.join(60)

    assert [opener.exitcode for opener in openers] == [0, 0]
    assert Database.open(path)._revision() == SCHEMA_REVISION


def test_instants_keep_their_order_as_text():
    assert instant_of(text_of(NOW)) == NOW
    assert text_of(NOW) < text_of(NOW.replace(microsecond=1))
    with pytest.raises(ValueError, match="no time zone"):
        text_of(NOW.replace(tzinfo=None))
