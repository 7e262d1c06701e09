import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.common.arrow_pages import PageReader, first_row_keys
from ingestion.common.errors import SchemaDrift, VendorAnswerInvalid
from ingestion.common.objects import ObjectSpec, fields_of
from ingestion.common.page_style import DateStyle, PageStyle

LOADED_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SPEC = ObjectSpec(
    "items", "", fields_of("Id Amount:money Day:date At:timestamp IsOpen:flag Note"), ("Id",)
)
ODATA = PageStyle(("d", "results"), DateStyle.ODATA_V2, frozenset({"__metadata"}), "to_")
REST = PageStyle(("records",), DateStyle.ISO, frozenset({"attributes"}))


def reader(style: PageStyle) -> PageReader:
    return PageReader(SPEC, style, system_id="erp", loaded_at=LOADED_AT)


def odata(*rows: dict, **outside: object) -> bytes:
    return json.dumps({"d": {"results": list(rows), **outside}}).encode()


def rest(*rows: dict) -> bytes:
    return json.dumps({"done": True, "records": list(rows)}).encode()


ROW = {
    "__metadata": {"uri": "x"},
    "Id": "1",
    "Amount": "12.30",
    "Day": "/Date(1492041600000)/",
    "At": "/Date(1492098664000+0000)/",
    "IsOpen": True,
    "Note": "Straße 'quoted' \"twice\"",
    "to_Item": {"__deferred": {"uri": "y"}},
}


def test_a_page_becomes_the_stored_columns() -> None:
    table = reader(ODATA).read(odata(ROW, __next="https://x/A?$skiptoken=1"))
    assert table.schema == SPEC.arrow_schema()
    assert table.to_pylist() == [
        {
            "system_id": "erp",
            "Id": "1",
            "Amount": Decimal("12.300000"),
            "Day": date(2017, 4, 13),
            "At": datetime(2017, 4, 13, 15, 51, 4, tzinfo=UTC),
            "IsOpen": True,
            "Note": "Straße 'quoted' \"twice\"",
            "_loaded_at": LOADED_AT,
        }
    ]


@given(st.decimals(min_value=-(10**20), max_value=10**20, places=6))
def test_money_as_text_or_number_arrives_to_the_last_digit(amount: Decimal) -> None:
    text = format(amount, "f")
    row = {"Id": "1", "Amount": None, "Day": None, "At": None, "IsOpen": None, "Note": None}
    as_text = rest({**row, "Amount": text})
    as_number = as_text.replace(f'"{text}"'.encode(), text.encode())
    for page in (as_text, as_number):
        assert reader(REST).read(page)["Amount"].to_pylist() == [amount]


def test_a_number_with_an_exponent_is_exact() -> None:
    row = {"Id": "1", "Amount": 0, "Day": None, "At": None, "IsOpen": None, "Note": None}
    page = rest(row).replace(b'"Amount": 0', b'"Amount": 1.234567890123E10')
    assert reader(REST).read(page)["Amount"].to_pylist() == [Decimal("12345678901.23")]


@given(st.dates(min_value=date(1900, 1, 1), max_value=date(2200, 1, 1)))
def test_every_date_survives_both_spellings(day: date) -> None:
    milliseconds = (day - date(1970, 1, 1)) // timedelta(milliseconds=1)
    row = {**ROW, "Day": f"/Date({milliseconds})/"}
    assert reader(ODATA).read(odata(row))["Day"].to_pylist() == [day]
    row = {
        "Id": "1",
        "Amount": None,
        "Day": day.isoformat(),
        "At": None,
        "IsOpen": None,
        "Note": "",
    }
    assert reader(REST).read(rest(row))["Day"].to_pylist() == [day]


def test_instants_in_the_vendors_iso_spelling() -> None:
    row = {"Id": "1", "Amount": None, "Day": None, "IsOpen": None, "Note": ""}
    page = rest({**row, "At": "2026-01-02T03:04:05.678+0000"}, {**row, "Id": "2", "At": None})
    assert reader(REST).read(page)["At"].to_pylist() == [
        datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC),
        None,
    ]


def test_an_empty_page_is_an_empty_table() -> None:
    table = reader(ODATA).read(odata())
    assert table.num_rows == 0
    assert table.schema == SPEC.arrow_schema()


def test_a_pretty_printed_page_is_read_too() -> None:
    page = json.dumps(json.loads(odata(ROW, {**ROW, "Id": "2"})), indent=2).encode() + b"\n"
    assert reader(ODATA).read(page)["Id"].to_pylist() == ["1", "2"]


def test_an_unknown_column_is_reported_and_the_page_still_read() -> None:
    pages = reader(ODATA)
    assert pages.read(odata({**ROW, "Surprise": 1})).num_rows == 1
    assert pages.new_columns == {"Surprise"}


def test_a_vanished_column_is_drift_and_named() -> None:
    row = {name: value for name, value in ROW.items() if name != "Amount"}
    with pytest.raises(SchemaDrift, match="Amount") as caught:
        reader(ODATA).read(odata(row))
    assert caught.value.code == "vanished_column"


@pytest.mark.parametrize(
    "change",
    [
        {"IsOpen": "yes"},
        {"Note": {"deep": 1}},
        {"Amount": "12,30"},
        {"Amount": "1.1234567"},
        {"Day": "yesterday"},
        {"At": "/Date(x)/"},
        {"Id": 7},
    ],
)
def test_a_value_of_another_type_is_drift(change: dict) -> None:
    with pytest.raises(SchemaDrift) as caught:
        reader(ODATA).read(odata({**ROW, **change}))
    assert caught.value.code == "changed_type"


@pytest.mark.parametrize(
    "page",
    [
        b"<html><body>Service Unavailable</body></html>",
        odata(ROW)[:-30],
        b'{"error":{"code":"X","message":{"value":"no"}}}',
        b'{"d":{"results":null}}',
        b"",
    ],
)
def test_what_is_no_page_is_refused_as_no_answer(page: bytes) -> None:
    with pytest.raises(VendorAnswerInvalid):
        reader(ODATA).read(page)


def test_a_row_without_its_key_is_refused() -> None:
    with pytest.raises(VendorAnswerInvalid, match="without their key Id"):
        reader(ODATA).read(odata(ROW, {**ROW, "Id": None}))


def test_only_the_first_row_is_looked_at_for_its_keys() -> None:
    assert first_row_keys(b'{"d":{"results":[{"a":1,"b":"]}"},{"c":2}]}}', "results") == ["a", "b"]
    assert first_row_keys(b'{"d":{"results":[]}}', "results") is None
