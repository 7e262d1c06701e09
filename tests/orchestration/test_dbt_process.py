"""The dbt child beside the loop: it never keeps anybody waiting for nothing."""

import signal
from pathlib import Path

from orchestration.dbt_process import DbtProcess, erp_kinds, kinds_to_build


def test_a_warm_up_that_nobody_asked_a_build_of_ends_with_the_run(tmp_path: Path) -> None:
    dbt = DbtProcess(tmp_path / "warehouse.duckdb", tmp_path).start()
    process = dbt._process
    dbt.close()
    assert process is not None
    assert process.returncode == -signal.SIGTERM


def test_models_of_erps_that_nobody_connected_are_left_out() -> None:
    """SAP's stay, because shared models look into its residual items."""
    assert kinds_to_build({"netsuite", "salesforce", "bank_files"}) == ["netsuite", "sap_s4hana"]


def test_where_no_erp_is_connected_every_kind_is_built() -> None:
    assert kinds_to_build({"salesforce"}) == erp_kinds()
