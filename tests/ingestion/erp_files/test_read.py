"""Extracts into the raw tables: whole files once, bad rows with line and code."""

from datetime import UTC, date, datetime
from decimal import Decimal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingestion import erp_files
from ingestion.common.config import System
from ingestion.common.errors import ConfigError

STARTED_AT = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
HEADING = "BUKRS;KUNNR;GJAHR;BELNR;BUZEI;BLDAT;NETDT;AUGDT;AUGBL;WAERS;WRBTR;XBLNR"


def row(number, amount="1.234,50", **changes):
    values = {
        "BUKRS": "U001", "KUNNR": "140105686", "GJAHR": "2019", "BELNR": f"18000{number:05d}",
        "BUZEI": "1", "BLDAT": "20190301", "NETDT": "20190331", "AUGDT": "20190402",
        "AUGBL": "1400000001", "WAERS": "USD", "WRBTR": amount, "XBLNR": f"INV{number}",
    }  # fmt: skip
    return ";".join({**values, **changes}.values())


@pytest.fixture
def shop(tmp_path):
    """An inbox, a warehouse, and what a read of them brings."""

    class Shop:
        inbox = tmp_path / "inbox"
        path = tmp_path / "warehouse.duckdb"

        def __init__(self):
            self.options = {"erp_system": "sap_emea"}

        def drop(self, name, *lines, encoding="utf-8"):
            (self.inbox / name).write_text("\n".join(lines) + "\n", encoding=encoding)
            (self.inbox / f"{name}.done").touch()

        def read(self):
            system = System(
                system_id="extracts",
                kind="erp_files",
                base_url=self.inbox.as_uri(),
                options=self.options,
            )
            return erp_files.read(system, self.path, run_started_at=STARTED_AT)

        def query(self, sql):
            with duckdb.connect(str(self.path)) as connection:
                return connection.execute(sql).fetchall()

    Shop.inbox.mkdir()
    return Shop()


def test_years_of_paid_items_arrive_with_sap_s_keys_and_exact_amounts(shop):
    shop.drop("bsad.csv", HEADING, row(1), row(2, "99,00-"))
    report = shop.read()
    assert report.refused == ()
    found = shop.query(
        "select erp_system_id, BUKRS, GJAHR, BELNR, BUZEI, KUNNR, WRBTR, AUGDT "
        "from erp_files_raw.sap_cleared_items order by BELNR"
    )
    assert found == [
        ("sap_emea", "U001", "2019", "1800000001", "001", "0140105686", Decimal("1234.5"),
         date(2019, 4, 2)),
        ("sap_emea", "U001", "2019", "1800000002", "001", "0140105686", Decimal(-99),
         date(2019, 4, 2)),
    ]  # fmt: skip


def test_a_file_is_taken_once_and_a_copy_is_a_duplicate(shop):
    shop.drop("a.csv", HEADING, row(1))
    assert shop.read().rows_changed > 0
    assert shop.read().rows_changed == 0
    shop.drop("b.csv", HEADING, row(1))
    (refused,) = shop.read().refused
    assert refused.code == "duplicate_file"
    assert shop.query("select status from erp_files_raw.files order by file_name") == [
        ("accepted",),
        ("duplicate",),
    ]


def test_bad_rows_are_refused_with_their_lines_and_the_others_are_taken(shop):
    shop.drop(
        "bsad.csv",
        HEADING,
        row(1),
        row(2, KUNNR="1.40106E+08"),
        "U001;too;few",
        row(4, AUGDT="05:23.4"),
        row(5),
        row(6, "12,3456789"),
    )
    report = shop.read()
    assert {one.code for one in report.refused} == {
        "digits_lost",
        "wrong_column_count",
        "bad_date",
        "bad_amount",
    }
    assert shop.query(
        "select line, column_name, code from erp_files_raw.refusals order by line"
    ) == [
        (3, "KUNNR", "digits_lost"),
        (4, "", "wrong_column_count"),
        (5, "AUGDT", "bad_date"),
        (7, "WRBTR", "bad_amount"),
    ]
    assert shop.query("select rows_read, rows_taken, rows_refused from erp_files_raw.files") == [
        (6, 2, 4)
    ]


def test_a_line_item_list_with_titles_and_its_own_headings_is_read(shop):
    shop.drop(
        "fbl5n.txt",
        "Customer Line Item Display",
        "",
        "Company Code\tYear\tDocument Number\tItm\tCustomer\tDocument Date\tBaseline Date\tDays 1"
        "\tCurrency\tAmount in doc. curr.\tReference",
        "U001\t2020\t1800000007\t1\t200769623\t03/30/2020\t03/30/2020\t15\tUSD\t1,234.50-\tINV7",
        encoding="cp1252",
    )
    assert shop.read().refused == ()
    assert shop.query("select KUNNR, NETDT, WRBTR, XBLNR from erp_files_raw.sap_open_items") == [
        ("0200769623", date(2020, 4, 14), Decimal("-1234.5"), "INV7")
    ]


def test_parquet_with_numbers_as_floats_is_read(shop):
    table = pa.table(
        {
            "KUNNR": pa.array([1930659387.0]),
            "NAME1": ["Müller GmbH"],
            "LAND1": ["de"],
        }
    )
    pq.write_table(table, shop.inbox / "kna1.parquet")
    (shop.inbox / "kna1.parquet.done").touch()
    assert shop.read().refused == ()
    assert shop.query("select KUNNR, NAME1, LAND1 from erp_files_raw.sap_customers") == [
        ("1930659387", "Müller GmbH", "DE")
    ]


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (("a;b;c", "1;2;3"), "unknown_form"),
        ((HEADING.replace("WAERS;", ""), "x"), "missing_column"),
        ((HEADING.replace("NETDT;", ""), "x"), "missing_column"),
    ],
)
def test_a_file_without_what_is_needed_is_refused_whole_with_what_to_do(shop, lines, code):
    shop.drop("odd.csv", *lines)
    (refused,) = shop.read().refused
    assert refused.code == code
    assert shop.query("select status, reason_code from erp_files_raw.files") == [("refused", code)]


def test_a_newer_extract_replaces_a_row_and_none_is_doubled(shop):
    shop.drop("1.csv", HEADING, row(1), row(1))
    shop.read()
    shop.drop("2.csv", HEADING, row(1, AUGDT="20190405"))
    shop.read()
    assert shop.query("select count(*), max(AUGDT) from erp_files_raw.sap_cleared_items") == [
        (1, date(2019, 4, 5))
    ]


def test_whose_extracts_they_are_must_be_said(shop):
    shop.options = {}
    with pytest.raises(ConfigError, match="erp_system is missing"):
        shop.read()
