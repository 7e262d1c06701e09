"""READ: copies each vendor's objects unchanged into ``<kind>_raw`` in the warehouse.

One folder per kind. Nothing here imports ``reverse_etl`` or ``orchestration``.
"""
