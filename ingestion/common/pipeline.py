"""The dlt source and pipeline that load finished parquet files into the warehouse.

dlt owns schemas, staging, the MERGE and the ``_dlt_*`` bookkeeping; the rows arrive as files that
were proven to match the declared columns, so nothing is inferred, renamed or rewritten. Vendors'
names are kept exactly (naming ``direct``). The working folder lives only as long as the run: what
a killed run left behind is read again from the vendor, never replayed from disk.
"""

import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

# dlt reads these once, when it is imported: no telemetry leaves a finance system, and one worker
# is enough, because DuckDB has one writer; signals are kept by us, since dlt forgets some.
os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
os.environ.setdefault("LOAD__WORKERS", "1")
os.environ.setdefault("LOAD__TRUNCATE_STAGING_DATASET", "true")
os.environ.setdefault("RUNTIME__INTERCEPT_SIGNALS", "false")

with warnings.catch_warnings():
    # A parser that dlt pulls in announces its own successor.
    warnings.filterwarnings("ignore", message="sqlglotrs is deprecated")
    import dlt
    from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials
    from dlt.extract import DltResource, DltSource

from ingestion.common.config import System
from ingestion.common.loading import Change
from ingestion.common.objects import Field, FieldType, ObjectSpec
from ingestion.common.signals import signals_afterwards
from ingestion.common.warehouse import memory_limit, raw_schema

__all__ = ["dlt_columns", "raw_source", "run_pipeline"]

#: Order within a raw table means nothing; keeping it, and a second thread on the sibling of the
#: same core, cost 0.5 and 0.2 of 3.5 CPU microseconds a row.
_DUCKDB = {"preserve_insertion_order": False, "threads": 1}
#: Rows that are only appended stream through: more memory would be filled with blocks that nobody
#: reads again. Of every column DuckDB holds a row group (122,880 values) until it is written. A
#: merge joins, and keeps the common limit.
_APPEND_MEGABYTES_PER_COLUMN = 4


def run_pipeline(system: System, warehouse_path: Path, changes: Sequence[Change]) -> None:
    """Load the changes of one system; a Ctrl-C meanwhile acts once they are loaded.

    Raises dlt's own errors: nothing of them is half done.
    """
    settings = {**_DUCKDB, "memory_limit": _memory_for(changes)}
    with signals_afterwards(), tempfile.TemporaryDirectory(prefix="ledgerloop-dlt-") as folder:
        pipeline = dlt.pipeline(
            pipeline_name=f"ledgerloop_{system.system_id}",
            pipelines_dir=folder,
            destination=dlt.destinations.duckdb(
                DuckDbCredentials(str(warehouse_path), global_config=settings)
            ),
            dataset_name=raw_schema(system.kind),
        )
        pipeline.config.restore_from_destination = False
        pipeline.run(raw_source(system.kind, changes), loader_file_format="parquet", refresh=None)
        pipeline.deactivate()


def _memory_for(changes: Sequence[Change]) -> str:
    if not all(change.is_first for change in changes):
        return memory_limit()
    widest = max(len(change.spec.columns) for change in changes)
    return f"{max(widest, 16) * _APPEND_MEGABYTES_PER_COLUMN}MB"


def raw_source(kind: str, changes: Sequence[Change]) -> DltSource:
    """A dlt source of a kind: one resource per changed object, each with its primary key."""
    schema = dlt.Schema(
        kind,
        normalizers={
            "names": "direct",
            "json": {"module": "dlt.common.normalizers.json.relational"},
        },
    )

    def source() -> Iterator[DltResource]:
        for change in changes:
            yield _resource(change)

    make = dlt.source(source, schema=schema, max_table_nesting=0)
    made: DltSource = make()
    return made


def _resource(change: Change) -> DltResource:
    spec = change.spec
    disposition: Any = (
        "append" if change.is_first else {"disposition": "merge", "strategy": "upsert"}
    )

    def files() -> Iterator[Any]:
        yield dlt.mark.with_file_import(str(change.path), "parquet", change.rows)

    made: DltResource = dlt.resource(
        files,
        name=spec.name,
        write_disposition=disposition,
        primary_key=spec.key_columns,
        columns=dlt_columns(spec),
        schema_contract={"tables": "evolve", "columns": "evolve", "data_type": "freeze"},
    )
    return made


def dlt_columns(spec: ObjectSpec) -> dict[str, dict[str, Any]]:
    """Column hints of an object for dlt: every column declared, none inferred."""
    keys = set(spec.key_columns)
    return {
        one.name: {"name": one.name, "nullable": one.name not in keys, **_dlt_type(one)}
        for one in spec.columns
    }


def _dlt_type(field: Field) -> dict[str, Any]:
    match field.type:
        case FieldType.MONEY:
            return {"data_type": "decimal", "precision": 28, "scale": 6}
        case FieldType.FLAG:
            return {"data_type": "bool"}
        case FieldType.INTEGER:
            return {"data_type": "bigint"}
        case other:
            return {"data_type": str(other)}
