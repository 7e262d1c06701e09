"""Tests of reading Tryton, without a server."""
