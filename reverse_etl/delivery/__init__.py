"""The delivery engine: record first, send second, read back third.

Imports no polars, pyarrow, dlt or dbt, so that a sender process stays small.
"""
