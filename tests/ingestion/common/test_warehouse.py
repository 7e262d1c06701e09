import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from ingestion.common.config import BankAccount, Company, Config, Hub, System
from ingestion.common.errors import ConfigError
from ingestion.common.objects import ObjectSpec, declared_kinds, fields_of, objects_of
from ingestion.common.warehouse import (
    Run,
    create_declared_tables,
    ensure_table,
    open_warehouse,
    write_config,
)

STARTED_AT = datetime(2020, 6, 1, 6, tzinfo=UTC)


def small_config() -> Config:
    erp = System(
        system_id="erp",
        kind="sap_s4hana",
        base_url="http://127.0.0.1:1",
        key_prefix="SAP",
        companies={"U001": Company(currency_code="USD"), "CA02": Company(currency_code="CAD")},
        options={"ar_gl_account": "12100000", "unidentified_gl_account": "21650000"},
    )
    account = BankAccount(account="A1", system_id="erp", company_code="U001", currency_code="USD")
    bank = System(system_id="bank", kind="bank_files", base_url="file:///x", accounts=[account])
    return Config(hub=Hub(rates={"CAD": Decimal("0.75")}), systems={"erp": erp, "bank": bank})


def test_the_configuration_of_a_run_stands_in_the_warehouse(tmp_path: Path) -> None:
    run = Run("r1", date(2020, 5, 31), STARTED_AT, {("erp", "CA02"): date(2020, 5, 30)})
    with open_warehouse(tmp_path / "w.duckdb") as connection:
        write_config(connection, small_config(), run)
        write_config(connection, small_config(), run)

        def rows(sql: str) -> list:
            return connection.execute(sql).fetchall()

        assert rows("select * from config.run") == [("r1", date(2020, 5, 31), STARTED_AT, "USD")]
        assert rows("select system_id, mode from config.systems order by 1") == [
            ("bank", "automatic"),
            ("erp", "automatic"),
        ]
        assert rows("select company_code, as_of_date from config.companies order by 1") == [
            ("CA02", date(2020, 5, 30)),
            ("U001", date(2020, 5, 31)),
        ]
        assert rows("select account, bank_line from config.bank_accounts") == [("A1", "hub")]
        assert rows("select * from config.rates order by 1") == [
            ("CAD", Decimal("0.75000000")),
            ("USD", Decimal("1.00000000")),
        ]
        assert rows("select role, gl_account from config.gl_accounts order by 1") == [
            ("ar", "12100000"),
            ("unidentified", "21650000"),
        ]


def test_every_declared_table_of_every_kind_is_made_and_making_it_again_keeps_rows(
    tmp_path: Path,
) -> None:
    with open_warehouse(tmp_path / "w.duckdb") as connection:
        create_declared_tables(connection)
        connection.execute(
            "insert into salesforce_raw.accounts (system_id, Id) values ('crm', '001')"
        )
        create_declared_tables(connection)
        made = "select schema_name, table_name from duckdb_tables()"
        found = set(connection.execute(made).fetchall())
        wanted = {(f"{k}_raw", spec.name) for k in declared_kinds() for spec in objects_of(k)}
        assert wanted <= found
        assert connection.execute("select count(*) from salesforce_raw.accounts").fetchone() == (1,)


def test_a_column_declared_later_is_added_to_the_table(tmp_path: Path) -> None:
    before = ObjectSpec("things", "", fields_of("Id"), ("Id",))
    after = ObjectSpec("things", "", fields_of("Id Amount:money"), ("Id",))
    with open_warehouse(tmp_path / "w.duckdb") as connection:
        ensure_table(connection, "rest", before)
        connection.execute("insert into rest_raw.things (system_id, Id) values ('s', '1')")
        ensure_table(connection, "rest", after)
        assert connection.execute("select Id, Amount from rest_raw.things").fetchall() == [
            ("1", None)
        ]


def test_a_file_that_another_process_holds_is_named_plainly(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    code = (
        f"import duckdb, sys; c = duckdb.connect({str(path)!r}); print('open', flush=True); "
        "sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline().strip() == b"open"
        with pytest.raises(ConfigError, match="another process") as caught, open_warehouse(path):
            raise AssertionError("unreachable")
        assert caught.value.code == "warehouse_locked"
        holder.stdin.close()
        holder.wait()


def test_a_file_that_is_no_warehouse_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(ConfigError), open_warehouse(path):
        raise AssertionError("unreachable")
