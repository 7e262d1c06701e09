"""The vendors on loopback: each kind's wire protocol over rules like the vendor's own.

Nothing outside this package is imported here, and only ``orchestration/cli.py`` starts it.
"""
