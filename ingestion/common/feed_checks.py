"""Feed plausibility: counts of implausible raw rows, judged by Great Expectations.

Shape and ties are dbt tests, volume and money are guards; this module alone asks whether what a
vendor sent can be true at all (DESIGN §7). No datasource of Great Expectations works on DuckDB
here, so one aggregate statement counts the violations and the one-row frame is validated
(STACK.md). Imported only where it is needed: the library costs seconds of CPU to import.
"""

from dataclasses import dataclass
from pathlib import Path

from ingestion.common.errors import LedgerloopError
from ingestion.common.warehouse import open_warehouse

__all__ = ["FeedCheckFailed", "Violation", "judge", "raw_row_counts"]

#: Name of a check to the statement that counts its violations, and what it means to a person.
CHECKS: dict[str, tuple[str, str]] = {
    "items_without_currency": (
        (
            "select count(*) from sap_s4hana_raw.operational_items"
            " where coalesce(TransactionCurrency, '') = ''"
        ),
        "open items without a transaction currency",
    ),
    "items_without_customer": (
        (
            "select count(*) from sap_s4hana_raw.operational_items"
            " where FinancialAccountType = 'D' and coalesce(Customer, '') = ''"
        ),
        "customer items without a customer",
    ),
    "items_cleared_without_document": (
        (
            "select count(*) from sap_s4hana_raw.operational_items"
            " where IsCleared and coalesce(ClearingAccountingDocument, '') = ''"
        ),
        "items said to be cleared, without a clearing document",
    ),
    "items_with_wrong_sign": (
        (
            "select count(*) from sap_s4hana_raw.operational_items"
            " where (DebitCreditCode = 'S' and AmountInTransactionCurrency < 0)"
            " or (DebitCreditCode = 'H' and AmountInTransactionCurrency > 0)"
        ),
        "items whose sign contradicts debit or credit",
    ),
    "entries_of_unknown_account": (
        (
            "select count(*) from bank_files_raw.entries as entries"
            " left join config.bank_accounts as accounts on entries.account = accounts.account"
            " where accounts.account is null"
        ),
        "bank entries on an account that is not in ledgerloop.toml",
    ),
}


@dataclass(frozen=True, slots=True)
class Violation:
    """One check that found implausible rows."""

    name: str
    rows: int
    message: str


class FeedCheckFailed(LedgerloopError):
    """The check itself could not run; this is not a violation."""


def judge(warehouse: Path) -> list[Violation]:
    """Count and judge; an empty list means every feed is plausible.

    Raises:
        FeedCheckFailed: an expectation raised instead of answering.
    """
    import great_expectations as gx
    import pandas as pd

    counts = ", ".join(f"({statement}) as {name}" for name, (statement, _) in CHECKS.items())
    with open_warehouse(warehouse) as connection:
        row = connection.execute(f"select {counts}").fetchall()[0]
    frame = pd.DataFrame([row], columns=list(CHECKS))
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    batch = (
        context.data_sources.add_pandas("feeds")
        .add_dataframe_asset("violations")
        .add_batch_definition_whole_dataframe("all")
        .get_batch({"dataframe": frame})
    )
    found = []
    for name, (_, message) in CHECKS.items():
        result = batch.validate(
            gx.expectations.ExpectColumnMaxToBeBetween(column=name, max_value=0)
        )
        if result.exception_info and result.exception_info.get("raised_exception"):
            raise FeedCheckFailed(
                f"feed check {name} could not run: {result.exception_info}", code="feed_check"
            )
        if not result.success:
            found.append(Violation(name, int(frame[name][0]), message))
    return found


def raw_row_counts(warehouse: Path) -> dict[tuple[str, str], int]:
    """Estimated rows of every table in the warehouse, by (schema, table)."""
    with open_warehouse(warehouse) as connection:
        rows = connection.execute(
            "select schema_name, table_name, estimated_size from duckdb_tables()"
        ).fetchall()
    return {(str(schema), str(table)): int(size) for schema, table, size in rows}
