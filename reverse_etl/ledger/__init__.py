"""The operations database: immutable commands, hash-chained events, rebuildable state, leases.

Imports no polars, pyarrow, dlt or dbt, so that a sender process stays small.
"""
