"""Whole syncs against the real Tryton server."""
