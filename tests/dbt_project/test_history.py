"""Daily history, versions and a build that fails: several runs, one dbt process, from nothing.

The builds are made once; each test looks at what stood in the tables after some of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingestion.common.warehouse import Run, open_warehouse, write_config
from orchestration.dbt_process import DbtFailed, DbtProcess
from tests.dbt_project.conftest import Built
from tests.dbt_project.small_story import ONE, TWO, tell
from tests.support.dbt import lend_parse
from tests.support.warehouse import SmallWarehouse, small_config

FIRST, SECOND = date(2020, 6, 1), date(2020, 6, 2)
AGING, CREDIT = "marts.fct_aging_daily", "marts.fct_credit_daily"
TERMS, LINKS = "history.credit_terms_versions", "history.customer_links_versions"
RECEIPTS, EXPOSURE = "intermediate.int_receipts_mapped", "marts.fct_credit"
Row = dict[str, Any]


@dataclass(frozen=True)
class After:
    """The history tables after one build."""

    counts: dict[str, int]
    tables: dict[str, list[Row]]

    def of(self, table: str, **values: Any) -> list[Row]:
        """Rows of a table that have these values."""
        return [r for r in self.tables[table] if all(r[k] == v for k, v in values.items())]


def _look(path: Path) -> dict[str, list[Row]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        found: dict[str, list[Row]] = {}
        for table in (AGING, CREDIT, TERMS, LINKS, RECEIPTS, EXPOSURE):
            rows = connection.execute(f"select * from {table} order by all")
            names = [column[0] for column in rows.description or ()]
            found[table] = [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
        return found


def _changed(connection: duckdb.DuckDBPyConnection) -> None:
    """The ERP raises customer 1's limit and clears what 2 owes; account 001E loses its number."""
    connection.execute(
        "update sap_s4hana_raw.credit_accounts set CreditLimitAmount = 2000"
        f" where BusinessPartner = '{ONE}'"
    )
    connection.execute(
        "update sap_s4hana_raw.operational_items set IsCleared = true,"
        f" ClearingDate = date '2020-06-01' where Customer = '{TWO}'"
    )
    connection.execute(
        "update salesforce_raw.accounts set ERP_Customer_Id__c = null where Id = '001E'"
    )


def _unchanged(_: duckdb.DuckDBPyConnection) -> None:
    return


def _drifted(connection: duckdb.DuckDBPyConnection) -> None:
    """A bank entry's amount goes under another name, though dbt was not told."""
    connection.execute("alter table bank_files_raw.entries rename amount to money")


def _linked_again(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "update salesforce_raw.accounts set ERP_Customer_Id__c = '4' where Id = '001E'"
    )


@pytest.fixture(scope="module")
def history(built: Built, tmp_path_factory: pytest.TempPathFactory) -> dict[str, After]:
    """What stood after each build, by the name of its run."""
    home = tmp_path_factory.mktemp("history")
    lend_parse(built.home / "target", built.home, home)
    path = home / "warehouse.duckdb"
    seen: dict[str, After] = {}

    def run(name: str, day: date, change: Callable[[duckdb.DuckDBPyConnection], None]) -> None:
        with open_warehouse(path) as connection:
            change(connection)
            started_at = datetime(2020, 6, 3, 6, len(seen), tzinfo=UTC)
            write_config(connection, small_config(), Run(name, day, started_at))
        built = dbt.build(is_refresh=bool(seen))
        seen[name] = After(built.counts, _look(path))

    kinds = {system.kind for system in small_config().systems.values()}
    with DbtProcess(path, home, kinds) as dbt:
        with SmallWarehouse(path) as warehouse:
            pass
        run("empty", FIRST, _unchanged)
        with duckdb.connect(str(path)) as warehouse.connection:
            warehouse.connection.execute("set TimeZone = 'UTC'")
            tell(warehouse)
        run("told", FIRST, _unchanged)
        run("changed", FIRST, _changed)
        run("unchanged", FIRST, _unchanged)
        run("next day", SECOND, _linked_again)
        run("restated", FIRST, _unchanged)
        with pytest.raises(DbtFailed):
            run("failed", FIRST, _drifted)
        seen["failed"] = After({}, _look(path))
    return seen


def test_an_empty_warehouse_builds_and_has_no_history(history: dict[str, After]) -> None:
    tables = history["empty"].tables
    assert [tables[name] for name in (AGING, CREDIT, TERMS, LINKS)] == [[], [], [], []]
    assert "error" not in history["empty"].counts


def test_a_table_that_cannot_be_made_stays_as_it_was_and_what_stands_on_it_too(
    history: dict[str, After],
) -> None:
    assert len(history["restated"].tables[RECEIPTS]) > 0
    assert history["failed"].tables[RECEIPTS] == history["restated"].tables[RECEIPTS]
    assert history["failed"].tables[EXPOSURE] == history["restated"].tables[EXPOSURE]


@pytest.mark.parametrize(
    ("table", "key"),
    [
        (AGING, ("customer_id", "company_code", "currency_code", "as_of_date")),
        (CREDIT, ("customer_id", "credit_segment", "as_of_date")),
    ],
)
def test_no_key_has_two_rows_for_a_day(
    history: dict[str, After], table: str, key: tuple[str, ...]
) -> None:
    for name, after in history.items():
        keys = [tuple(row[column] for column in key) for row in after.tables[table]]
        assert len(keys) == len(set(keys)), name


def test_the_last_run_of_a_day_wins_and_signs(history: dict[str, After]) -> None:
    for table in (AGING, CREDIT):
        assert {r["run_id"] for r in history["told"].tables[table]} == {"told"}
        assert {r["run_id"] for r in history["changed"].tables[table]} == {"changed"}
    (before,) = history["told"].of(CREDIT, customer=ONE)
    (after,) = history["changed"].of(CREDIT, customer=ONE)
    assert (before["limit_amount"], after["limit_amount"]) == (Decimal(1000), Decimal(2000))


def test_what_is_no_longer_open_leaves_the_day_that_is_stated_again(
    history: dict[str, After],
) -> None:
    """Customer 2 was the only one of its company: the company's day becomes empty."""
    assert len(history["told"].of(AGING, company_code="CA02")) == 1
    assert history["changed"].of(AGING, company_code="CA02") == []


def test_a_new_day_stands_beside_the_old_and_a_restated_day_replaces_only_itself(
    history: dict[str, After],
) -> None:
    for table in (AGING, CREDIT):
        old, both = history["unchanged"], history["next day"]
        assert both.of(table, as_of_date=FIRST) == old.of(table, as_of_date=FIRST)
        assert {r["run_id"] for r in both.of(table, as_of_date=SECOND)} == {"next day"}
        restated = history["restated"]
        assert restated.of(table, as_of_date=SECOND) == both.of(table, as_of_date=SECOND)
        assert {r["run_id"] for r in restated.of(table, as_of_date=FIRST)} == {"restated"}


def test_a_changed_limit_gets_a_version_and_the_old_one_ends_when_it_begins(
    history: dict[str, After],
) -> None:
    assert [r["valid_to"] for r in history["told"].of(TERMS, customer=ONE)] == [None]
    versions = sorted(history["changed"].of(TERMS, customer=ONE), key=lambda r: r["valid_from"])
    assert [r["limit_amount"] for r in versions] == [Decimal(1000), Decimal(2000)]
    assert [r["first_run_id"] for r in versions] == ["told", "changed"]
    assert versions[0]["valid_to"] == versions[1]["valid_from"]
    assert versions[1]["valid_to"] is None


def test_a_link_that_ended_keeps_its_row_and_one_that_comes_back_gets_another(
    history: dict[str, After],
) -> None:
    (told,) = history["told"].of(LINKS, native_id="001E")
    (ended,) = history["changed"].of(LINKS, native_id="001E")
    assert told["valid_to"] is None
    assert ended["valid_to"] > ended["valid_from"]
    versions = history["next day"].of(LINKS, native_id="001E")
    assert sorted(r["valid_to"] is None for r in versions) == [False, True]


def test_a_run_without_changes_makes_no_version(history: dict[str, After]) -> None:
    for table in (TERMS, LINKS):
        assert history["unchanged"].tables[table] == history["changed"].tables[table]
        assert history["restated"].tables[table] == history["next day"].tables[table]
