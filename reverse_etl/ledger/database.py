"""The connection under the store: SQLite or PostgreSQL, pragmas, migrations, transactions.

One SQL text serves both dialects: ``?`` for values, ``{ids}`` / ``{texts}`` for a list given as
one JSON text, ``{pairs}`` for a two-column table (``no``, ``txt``) given as one JSON text. Lists as
JSON keep the number of statements, and of prepared plans, independent of the size of a batch.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError

from ingestion.common.config import home_path
from ingestion.common.errors import ConfigError
from reverse_etl.ledger.schema import SCHEMA_REVISION

__all__ = ["Database", "Rows", "operations_url"]

_FRAGMENTS = {
    "sqlite": {
        "{ids}": "(SELECT value FROM json_each(?))",
        "{texts}": "(SELECT value FROM json_each(?))",
        "{pairs}": (
            "(SELECT json_extract(value, '$[0]') AS no, json_extract(value, '$[1]') AS txt"
            " FROM json_each(?))"
        ),
        "{for_update}": "",
    },
    "postgresql": {
        "{ids}": "(SELECT value::bigint FROM json_array_elements_text(CAST(? AS json)))",
        "{texts}": "(SELECT value FROM json_array_elements_text(CAST(? AS json)))",
        "{pairs}": (
            "(SELECT (value->>0)::bigint AS no, value->>1 AS txt"
            " FROM json_array_elements(CAST(? AS json)))"
        ),
        "{for_update}": "FOR UPDATE",
    },
}
_SQLITE_PRAGMAS = (
    "PRAGMA busy_timeout=60000",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-8000",
)


def operations_url() -> str:
    """``LEDGERLOOP_OPS_URL``, else the SQLite file in ``LEDGERLOOP_HOME``."""
    named = os.environ.get("LEDGERLOOP_OPS_URL")
    return named or f"sqlite:///{home_path() / 'ops.sqlite'}"


class Rows:
    """The whole answer of a statement. A row's columns are known only to the statement's text."""

    __slots__ = ("_rows", "rowcount")

    def __init__(self, rows: Sequence[Any], rowcount: int) -> None:
        self._rows = rows
        self.rowcount = rowcount

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def fetchall(self) -> Sequence[Any]:
        return self._rows

    def first(self) -> Any:
        """The first row, None when there is none."""
        return self._rows[0] if self._rows else None

    def one(self) -> Any:
        """The only row. Raises LookupError when there is none or more than one."""
        if len(self._rows) != 1:
            raise LookupError(f"expected one row, found {len(self._rows)}")
        return self._rows[0]

    def scalar_one(self) -> Any:
        """The first column of the only row."""
        return self.one()[0]


class Database:
    """An open operations database of the newest schema.

    Raises:
        ConfigError: the address is neither SQLite nor PostgreSQL, or cannot be reached.
    """

    def __init__(self, engine: Engine) -> None:
        if engine.dialect.name not in _FRAGMENTS:
            raise ConfigError(
                f"LEDGERLOOP_OPS_URL names {engine.dialect.name!r}: use a SQLite file or a "
                "postgresql:// address",
                code="ops_url",
            )
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"
        self._fragments = _FRAGMENTS[engine.dialect.name]
        self._texts: dict[str, str] = {}

    @classmethod
    def open(cls, url: str | Path | None = None) -> Self:
        """Connect and bring the schema up to date."""
        database = cls(make_engine(url))
        database.migrate()
        return database

    def close(self) -> None:
        self.engine.dispose()

    def migrate(self) -> None:
        """Run the packaged migrations when the schema is not the newest; two openers are safe."""
        try:
            if self._revision() == SCHEMA_REVISION:
                return
        except DatabaseError as error:
            place = self.engine.url.render_as_string(hide_password=True)
            raise ConfigError(
                f"the operations database {place} cannot be opened: {error.orig}", code="ops_url"
            ) from error
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        config.attributes["engine"] = self.engine
        command.upgrade(config, "head")

    def _revision(self) -> str:
        """The schema revision in the database, empty for a new one."""
        with self.engine.connect() as connection:
            if not self.engine.dialect.has_table(connection, "alembic_version"):
                return ""
            found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
            return str(found or "")

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that may write. SQLite takes its only write lock at once."""
        with self.engine.connect() as connection:
            writing = connection.execution_options(ledgerloop_write=True)
            with writing.begin():
                yield writing

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view of the database."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    def sql(self, text: str) -> str:
        """The dialect's form of a statement, see the module's text."""
        found = self._texts.get(text)
        if found is None:
            found = text
            for mark, fragment in self._fragments.items():
                found = found.replace(mark, fragment)
            if not self.is_sqlite:
                found = found.replace("?", "%s")
            self._texts[text] = found
        return found

    def run(self, connection: Connection, text: str, values: Sequence[Any] = ()) -> "Rows":
        """Execute one statement on the driver's own cursor, inside SQLAlchemy's transaction.

        SQLAlchemy's result costs more than these statements themselves; this reads all rows, so
        an answer must be small (``stream`` is for the others).
        """
        cursor = connection.connection.cursor()
        try:
            cursor.execute(self.sql(text), tuple(values))
            rows = cursor.fetchall() if cursor.description else []
            return Rows(rows, cursor.rowcount)
        finally:
            cursor.close()

    def run_many(self, connection: Connection, text: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Execute one statement for every row; nothing happens for none."""
        if not rows:
            return
        cursor = connection.connection.cursor()
        try:
            cursor.executemany(self.sql(text), rows)
        finally:
            cursor.close()

    def stream(
        self, text: str, values: Sequence[Any] = (), *, page_rows: int = 5_000
    ) -> Iterator[Sequence[tuple[Any, ...]]]:
        """Rows in pages from a server-side cursor: memory does not grow with the answer."""
        with self.engine.connect() as connection:
            streaming = connection.execution_options(stream_results=True, max_row_buffer=page_rows)
            with (
                streaming.begin(),
                closing(streaming.exec_driver_sql(self.sql(text), tuple(values))) as result,
            ):
                for page in result.partitions(page_rows):
                    yield [tuple(row) for row in page]


def make_engine(url: str | Path | None = None) -> Engine:
    """An SQLAlchemy engine for a path, a URL, or what the environment says."""
    text = str(url) if url is not None else operations_url()
    if "://" not in text:
        text = f"sqlite:///{text}"
    if text.startswith("postgres"):
        return create_engine("postgresql+psycopg://" + text.split("://", 1)[1])
    if not text.startswith("sqlite"):
        raise ConfigError(
            f"LEDGERLOOP_OPS_URL starts with {text.split(':', 1)[0]!r}: use a SQLite path or a "
            "postgresql:// address",
            code="ops_url",
        )
    engine = create_engine(text)
    if engine.url.database and not engine.url.query:
        Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)
    prepare_sqlite(engine)
    return engine


def prepare_sqlite(engine: Engine) -> None:
    """Set the pragmas on every connection and take transactions out of the driver's hands."""

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in _SQLITE_PRAGMAS:
            connection.execute(pragma)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        is_write = connection.get_execution_options().get("ledgerloop_write", False)
        cursor = connection.connection.cursor()
        cursor.execute("BEGIN IMMEDIATE" if is_write else "BEGIN")
        cursor.close()
