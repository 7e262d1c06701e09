"""A pushed table: which may be pushed, what travels exactly, what is refused by name."""

import hashlib
from datetime import date
from decimal import Decimal

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.common.config import load_config
from ingestion.common.errors import ConfigError
from ingestion.common.money import canonical_text
from orchestration.delivering import open_store
from orchestration.pushing import run_push
from reverse_etl.planning.push import Table, open_table
from reverse_etl.rest.target import target_of
from tests.reverse_etl.rest.books import Books
from tests.reverse_etl.rest.support import (
    FIELDS,
    READ_ALL,
    READ_MANY,
    UPSERT_BATCH,
    UPSERT_ONE,
    Desk,
    configuration,
    invoices,
    write_table,
)

PARTS = (FIELDS, UPSERT_ONE, UPSERT_BATCH, READ_MANY)


@pytest.fixture
def desk(home):
    """A desk whose target nobody serves: enough to plan."""
    return Desk(home, configuration("http://127.0.0.1:9", *PARTS))


def wanted(desk, query, key="id"):
    """What the sync view says, by key; and the exceptions for values that may not travel."""
    write_table(desk.file, query)
    system = load_config(desk.config).systems["desk"]
    with open_table(Table(desk.file, "invoices", key), desk.home) as pushed:
        found = target_of(system, "invoices", pushed.columns)
        refused = pushed.desire(found.target, "desk", found.timestamps)
        rows = pushed.connection.sql("select * from sync.rest__invoices order by object_key")
        names = rows.columns
        by_key = {row[1]: dict(zip(names[2:], row[2:], strict=True)) for row in rows.fetchall()}
    return by_key, refused


def test_values_travel_as_canonical_text(desk) -> None:
    rows, refused = wanted(
        desk,
        """select 'A' as id, cast(12.50 as decimal(18, 2)) as amount, date '2026-02-01' as due_date,
           true as is_open, 7::utinyint as level, timestamp '2026-02-01 10:00:00.5' as seen_at,
           timestamptz '2026-02-01 11:00:00+01' as sent_at, '' as empty, null::varchar as nothing,
           ' text ' as note, uuid '00000000-0000-0000-0000-000000000001' as reference""",
    )
    assert refused == []
    assert rows == {
        "A": {
            "amount": "12.5",
            "due_date": "2026-02-01",
            "is_open": "true",
            "level": "7",
            "seen_at": "2026-02-01T10:00:00.5",
            "sent_at": "2026-02-01T10:00:00Z",
            "empty": None,
            "nothing": None,
            "note": " text ",
            "reference": "00000000-0000-0000-0000-000000000001",
        }
    }


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None
)
@given(
    st.lists(
        st.decimals(min_value=Decimal(-(10**22) + 1), max_value=Decimal(10**22 - 1), places=6),
        min_size=1,
        max_size=5,
    )
)
def test_money_keeps_every_digit(desk, amounts) -> None:
    values = ", ".join(
        f"('{n}', cast('{amount:f}' as decimal(28, 6)))" for n, amount in enumerate(amounts)
    )
    rows, refused = wanted(desk, f"select * from (values {values}) as t(id, amount)")
    assert refused == []
    assert {key: row["amount"] for key, row in rows.items()} == {
        str(n): canonical_text(amount) for n, amount in enumerate(amounts)
    }


def test_a_value_that_is_not_of_its_format_leaves_its_row_out_and_is_told(desk) -> None:
    rows, refused = wanted(
        desk,
        """select * from (values ('a', '12.50'), ('b', 'abc'), ('c', '1.1234567'), ('d', null),
           ('e', '1e5'), ('f', '-0.0000010')) as t(id, amount)""",
    )
    assert {key: row["amount"] for key, row in rows.items()} == {
        "a": "12.5", "d": None, "f": "-0.000001",
    }  # fmt: skip
    assert [(one.object_key, one.field, one.code) for one in refused] == [
        (key, "amount", "invalid_value") for key in ("b", "c", "e")
    ]
    assert "'1.1234567' is not of format money" in refused[1].message


def test_digits_beyond_six_places_are_refused_not_rounded(desk) -> None:
    rows, refused = wanted(
        desk,
        """select * from (values ('a', 1.12345678::decimal(18, 8)), ('b', 1.5::decimal(18, 8)))
           as t(id, amount)""",
    )
    assert rows == {"b": {"amount": "1.5"}}
    assert [one.object_key for one in refused] == ["a"]


WRONG = {
    "a double": ("select 'a' as id, 1.5::double as amount", "amount cannot be sent|cannot be sent"),
    "a double nobody declared": ("select 'a' as id, 1.5::double as score", "has lost digits"),
    "money nobody declared": ("select 'a' as id, 1.5::decimal(9, 2) as fee", r'fields\] fee = \{'),
    "a nested value": ("select 'a' as id, [1, 2] as lines", "one value per column"),
    "a record": ("select 'a' as id, {'x': 1} as record", "one value per column"),
    "bytes": ("select 'a' as id, 'x'::blob as file", "one value per column"),
    "a name of push's own": ("select 'a' as id, 'x' as system_id", "rename it in a view"),
    "a missing key": ("select null::varchar as id, 1 as n", "1 of 1 rows have no id"),
    "an empty key": ("select '' as id, 1 as n", "rows have no id"),
    "a key that stands twice": (
        "select * from (values ('a', 1), ('a', 2), ('b', 1)) as t(id, n)", r"a \(2 times\)",
    ),
    "a key of another sort": ("select 1.5::double as id, 1 as n", "a key is a text or a whole"),
    "nothing beside the key": ("select 'a' as id", "no column beside its key"),
    "an unknown context column": ("select 'a' as id, 1 as n, '' as ctx_custmer_id", "did you mean"),
    "a wrong key column": ("select 'a' as idd, 1 as n", "no column 'id'; did you mean 'idd'"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_table_that_cannot_be_pushed_is_refused_by_name_before_anything_is_sent(
    desk, name
) -> None:
    query, message = WRONG[name]
    with pytest.raises(ConfigError, match=message):
        desk.push(query)
    with open_store(desk.home) as store:
        assert store.counts() == {}


def test_a_file_table_system_or_object_that_is_not_there_is_named(desk) -> None:
    write_table(desk.file, invoices(1))
    config = load_config(desk.config)

    def push(file=desk.file, table="invoices", system="desk", name="invoices"):
        run_push(config, desk.home, Table(file, table, "id"), system, name)

    for arguments, message in (
        ({"file": desk.home / "none.duckdb"}, "no file"),
        ({"file": desk.config}, "cannot be read"),
        ({"table": "invoice"}, "no table 'invoice'; did you mean 'invoices'"),
        ({"system": "dsk"}, "no system 'dsk'; did you mean 'desk'"),
        ({"name": "invoics"}, "no object 'invoics'; did you mean 'invoices'"),
    ):
        with pytest.raises(ConfigError, match=message):
            push(**arguments)


def test_the_file_is_only_read_and_others_may_read_it_meanwhile(serve_app, home) -> None:
    desk = Desk(home, configuration(serve_app(Books()), *PARTS))
    write_table(desk.file, invoices(50))
    before = hashlib.sha256(desk.file.read_bytes()).hexdigest()
    with duckdb.connect(str(desk.file), read_only=True):
        assert desk.command().returncode == 0
    assert hashlib.sha256(desk.file.read_bytes()).hexdigest() == before
    assert {one.name for one in home.glob("mine.*")} == {"mine.duckdb"}


def test_while_another_push_is_on_its_way_it_works_in_memory(serve_app, home) -> None:
    desk = Desk(home, configuration(serve_app(Books()), *PARTS))
    write_table(desk.file, invoices(5))
    (home / "push").mkdir()
    with duckdb.connect(str(home / "push" / "scratch.duckdb")):
        assert desk.command().returncode == 0
    assert desk.push().writes == 0


def test_a_view_and_a_table_of_another_schema_can_be_pushed(serve_app, home) -> None:
    books = Books()
    desk = Desk(home, configuration(serve_app(books), *PARTS))
    with duckdb.connect(str(desk.file)) as connection:
        connection.execute(f"create table all_of_them as {invoices(10)}")
        connection.execute("create view few as select * from all_of_them where number < 3")
        connection.execute("create schema x")
        connection.execute("create table x.more as select * from all_of_them where number > 7")
    for table in ("few", "x.more"):
        run_push(load_config(desk.config), home, Table(desk.file, table, "id"), "desk", "invoices")
    assert set(books.rows) == {f"INV-{n:06d}" for n in (0, 1, 2, 8, 9)}


def test_a_value_that_becomes_empty_is_emptied_there_and_a_new_row_leaves_it_out(
    serve_app, home
) -> None:
    books = Books()
    desk = Desk(home, configuration(serve_app(books), *PARTS))
    query = "select * from (values ('a', {}, 1), ('b', null::varchar, 2)) as t(id, note, number)"
    assert desk.push(query.format("'x'")).status == "verified"
    assert "note" not in books.rows["b"]
    books.bodies.clear()
    assert desk.push(query.format("null")).writes == 1
    assert books.bodies == [{"note": None}]
    assert desk.push().writes == 0


def test_a_column_that_comes_later_is_sent_for_every_row_and_nothing_else(serve_app, home) -> None:
    books = Books()
    desk = Desk(home, configuration(serve_app(books), *PARTS))
    desk.push("select 'a' as id, 1 as number")
    books.bodies.clear()
    desk.push("select 'a' as id, 1 as number, 'x' as note")
    assert books.bodies == [{"note": "x"}]


def test_two_tables_pushed_to_one_object_leave_each_other_s_commands_alone(serve_app, home) -> None:
    config = configuration(serve_app(Books()), *PARTS)
    held = config.replace('kind = "rest"', 'kind = "rest"\nmode = "approve_all"')
    desk = Desk(home, held)
    desk.push("select 'a' as id, 1 as number")
    desk.push("select 'b' as id, 1 as number")
    with open_store(home) as store:
        waiting = {one.command.business_key for one in store.awaiting_approval()}
    assert waiting == {"a", "b"}


def test_plan_only_shows_everything_and_records_nothing(desk) -> None:
    report = desk.push(invoices(5), plan_only=True)
    assert (report.status, report.changed, report.writes) == ("planned", 5, 0)
    (plan,) = desk.plans
    fields = {row.field: row.desired for row in plan.rows if row.object_key == "INV-000003"}
    assert fields["amount"] == "0.03"
    assert fields["due_date"] == date(2026, 1, 4).isoformat()
    with open_store(desk.home) as store:
        assert store.counts() == {}


def test_where_the_target_lists_its_rows_it_is_compared_with_itself(serve_app, home) -> None:
    books = Books()
    desk = Desk(home, configuration(serve_app(books), *PARTS, READ_ALL))
    assert desk.push(invoices(2500)).verified == 2500
    assert desk.push().writes == 0
    # Somebody changes one row there and deletes another: both are put right.
    books.records["INV-000007"][0]["amount"] = 1
    del books.records["INV-000008"]
    books.bodies.clear()
    report = desk.push()
    assert (report.status, report.changed, report.writes) == ("verified", 2, 2)
    sent = {row["id"]: row for body in books.bodies for row in body["rows"]}
    assert set(sent["INV-000007"]) == {"id", "amount"}
    assert len(sent["INV-000008"]) == 6
    assert desk.push().writes == 0


def test_rows_that_are_already_as_wanted_are_not_sent_at_first(serve_app, home) -> None:
    books = Books()
    for n in range(20):
        books.records[f"k{n}"] = [{"id": f"k{n}", "number": n, "amount": Decimal("5.00")}]
    desk = Desk(home, configuration(serve_app(books), *PARTS, READ_ALL))
    report = desk.push(
        "select 'k' || i as id, cast(i + if(i = 3, 1, 0) as integer) as number,"
        " cast(5 as decimal(9, 2)) as amount from range(20) as t(i)"
    )
    assert (report.status, report.writes) == ("verified", 1)
    assert books.bodies == [{"number": 4}]


def test_where_the_endpoint_replaces_the_row_all_of_it_is_sent(serve_app, home) -> None:
    books = Books()
    upsert = UPSERT_ONE + "is_whole_row = true\n"
    desk = Desk(home, configuration(serve_app(books), FIELDS, upsert, READ_MANY))
    desk.push("select 'a' as id, 1 as number, 'x' as note, null::date as due_date")
    books.bodies.clear()
    desk.push("select 'a' as id, 2 as number, 'x' as note, null::date as due_date")
    assert books.bodies == [{"number": 2, "note": "x", "due_date": None}]


def test_people_are_told_in_plain_words_whose_row_was_refused(serve_app, home) -> None:
    books = Books(poison={"a"})
    desk = Desk(home, configuration(serve_app(books), *PARTS))
    desk.push(
        "select 'a' as id, 1 as number, 'C-1' as ctx_customer_id, 'Bosch' as ctx_customer_name,"
        " 12.5 as ctx_amount, 'EUR' as ctx_currency_code"
    )
    with open_store(home) as store:
        (one,) = store.exceptions()
    assert (one.customer_name, one.amount_text, one.currency_code) == ("Bosch", "12.5", "EUR")
    assert "ctx_customer_id" not in str(books.bodies)


def test_refused_credentials_stop_the_push_before_every_row_is_refused(serve_app, home) -> None:
    from tests.reverse_etl.rest.books import Faults

    books = Books(Faults(wanted_header=("authorization", "Bearer right")))
    desk = Desk(home, configuration(serve_app(books), *PARTS))
    write_table(desk.file, invoices(20))
    done = desk.command()
    assert done.returncode == 1
    assert "refuses our credentials" in done.stderr
    assert books.writes == 0
    with open_store(home) as store:
        assert list(store.exceptions()) == []
        assert store.counts() == {"ready": 20}
    books.faults.wanted_header = ("", "")
    assert desk.command().returncode == 0
