"""Decisions: pure functions, polars in and polars out, every decision with its reasons."""
