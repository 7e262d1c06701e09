"""Commands to a bulk job's CSV and back: exact text out, outcomes joined by key.

A bulk job answers in any order and in three files (done, failed, never looked at), so the key
column is the only join there is. Empty cells change nothing; ``#N/A`` empties a field. It must not
send anything.
"""

import csv
import io
from collections.abc import Mapping, Sequence

from ingestion.salesforce.client import BulkResult
from reverse_etl.delivery.writer import Accepted, Outcome, Retry, Unknown
from reverse_etl.ledger.commands import Value
from reverse_etl.outcomes import OutcomeTable

__all__ = ["NULL_TEXT", "bulk_outcomes", "csv_of"]

#: Empties a field; the one text that a field can therefore not be set to.
NULL_TEXT = "#N/A"


def csv_of(key_name: str, rows: Mapping[str, Mapping[str, Value]]) -> bytes:
    """The file of a job: key column first, then every field that any row sets, by name.

    Args:
        key_name: the external id field, or ``Id``.
        rows: key to the fields in the vendor's names.
    """
    names = sorted({name for row in rows.values() for name in row})
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([key_name, *names])
    for key, row in rows.items():
        writer.writerow([key, *(_cell(row[name]) if name in row else "" for name in names)])
    return out.getvalue().encode()


def _cell(value: Value) -> str:
    if value is None or value == "":
        return NULL_TEXT
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def bulk_outcomes(
    result: BulkResult, key_name: str, keys: Sequence[str], table: OutcomeTable
) -> dict[str, Outcome]:
    """The outcome of every key. In no file, or in two that contradict: nothing is certain."""
    done = {row[key_name]: row["sf__Id"] for row in _rows(result.successful)}
    failed = {row[key_name]: row["sf__Error"] for row in _rows(result.failed)}
    untouched = {row[key_name] for row in _rows(result.unprocessed)}
    outcomes: dict[str, Outcome] = {}
    for key in keys:
        if (key in done) + (key in failed) + (key in untouched) != 1:
            outcomes[key] = Unknown(
                "bulk_row_missing", f"job {result.job_id} ({result.state}) does not settle {key}"
            )
        elif key in done:
            outcomes[key] = Accepted(done[key])
        elif key in untouched:
            outcomes[key] = Retry("bulk_unprocessed", f"job {result.job_id} left {key} untouched")
        else:
            outcomes[key] = _refused(failed[key], table)
    return outcomes


def _refused(text: str, table: OutcomeTable) -> Outcome:
    """``CODE:message:fields`` with ``--`` for no field."""
    code, _, rest = text.partition(":")
    message, separator, fields = rest.rpartition(":")
    names = "" if fields.strip() == "--" else fields.strip()
    return table.of_refusal(code, message if separator else rest, field_name=names)


def _rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
