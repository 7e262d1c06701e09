"""Alembic migrations of the operations database, run by ``Database.open``."""
