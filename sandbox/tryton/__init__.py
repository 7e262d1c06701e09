"""Tryton: no sandbox application but the real server, started from PyPI on PostgreSQL."""
