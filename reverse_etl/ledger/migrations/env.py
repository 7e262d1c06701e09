"""Runs the migrations on the engine that ``Database.migrate`` hands over; never offline."""

from alembic import context
from sqlalchemy import Engine

from reverse_etl.ledger.schema import metadata

engine: Engine = context.config.attributes["engine"]

with engine.connect() as connection:
    # SQLite takes its write lock before it looks at the revision, PostgreSQL an advisory lock:
    # two processes that open a new database at once make its tables once.
    writing = connection.execution_options(ledgerloop_write=True)
    with writing.begin():
        if engine.dialect.name == "postgresql":
            writing.exec_driver_sql("SELECT pg_advisory_xact_lock(7106010327)")
        context.configure(connection=writing, target_metadata=metadata)
        context.run_migrations()
