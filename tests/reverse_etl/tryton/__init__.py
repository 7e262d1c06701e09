"""Tests of the Tryton writer, on the real server."""
