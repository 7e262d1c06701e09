"""Dagster definitions, one folder per concern; loaded whole by ``orchestration.definitions``."""
