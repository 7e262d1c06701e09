"""The copy of the operations database: whole, exact, and made only when something happened."""

from decimal import Decimal

from reverse_etl.ledger.events import EventName
from reverse_etl.ledger.exceptions import NewException
from reverse_etl.ledger.store import ApprovedLimit, Link
from reverse_etl.planning.mirror import mirror_ledger
from reverse_etl.planning.tables import TABLES, create_tables
from tests.reverse_etl.planning.desk import CRM, SAP, Desk


def test_everything_is_copied_exactly_and_only_once(desk: Desk) -> None:
    desk.wants("salesforce.balances", "B1", net="10.25", ctx_amount="10.25")
    desk.plan("salesforce.balances")
    desk.verify_all()
    desk.store.record_links([Link(CRM, "001", "SAP-1", "account", "erp_number")])
    desk.store.record_approved_limits(
        [
            ApprovedLimit(SAP, "1", "1000", "limited", "0.10", "USD", "cfo", desk.now.isoformat()),
            ApprovedLimit(SAP, "2", "1000", "unlimited", "", "USD", "cfo", desk.now.isoformat()),
        ]
    )
    desk.store.open_exception(NewException("business", "bad", "a bad row", amount_text="1.50"))
    assert mirror_ledger(desk.connection, desk.store) > 0
    assert mirror_ledger(desk.connection, desk.store) == 0
    (command,) = desk.connection.execute(
        "select state, amount, native_id, external_key from ledger.commands"
    ).fetchall()
    assert command[:3] == ("verified", Decimal("10.25"), "n")
    assert len(command[3]) == 20
    assert desk.connection.execute(
        "select field, value from ledger.acknowledged where field in ('net', 'sync_version')"
        " order by all"
    ).fetchall() == [("net", "10.25"), ("sync_version", "1")]
    assert desk.connection.execute(
        "select limit_kind, limit_amount from ledger.approved_limits order by customer"
    ).fetchall() == [("limited", Decimal("0.10")), ("unlimited", None)]
    assert desk.connection.execute("select amount from ledger.exceptions").fetchall() == [
        (Decimal("1.5"),)
    ]
    assert desk.connection.execute("select customer_id from ledger.links").fetchall() == [
        ("SAP-1",)
    ]


def _copied(desk: Desk) -> dict[str, list[tuple[object, ...]]]:
    return {
        name: desk.connection.execute(f"select * from {name} order by all").fetchall()
        for name in TABLES
        if name.startswith("ledger.")
    }


def test_a_continued_copy_equals_a_whole_one(desk: Desk) -> None:
    for number in range(3):
        desk.wants("salesforce.balances", f"B{number}", net=str(number), account_id="A")
        desk.plan("salesforce.balances")
        if number == 1:
            desk.verify_all()
        before = mirror_ledger(desk.connection, desk.store)
        continued = _copied(desk)
        desk.connection.execute("delete from ledger.mirror_head")
        whole = mirror_ledger(desk.connection, desk.store)
        assert whole > before if number == 2 else whole >= before
        assert _copied(desk) == continued
    assert continued["ledger.acknowledged"]


def test_a_reversal_or_another_database_makes_a_whole_copy(desk: Desk) -> None:
    desk.wants("salesforce.balances", "B1", net="1")
    desk.plan("salesforce.balances")
    desk.verify_all()
    mirror_ledger(desk.connection, desk.store)
    event_no, seal_hash = desk.store.mirror.head()
    assert desk.store.mirror.continues(event_no, seal_hash)
    assert not desk.store.mirror.continues(event_no, "0" * 64)
    desk.bring(desk.commands()[0]["command_id"], EventName.REVERSED)
    assert not desk.store.mirror.continues(event_no, seal_hash)
    mirror_ledger(desk.connection, desk.store)
    assert "net" not in {row[3] for row in _copied(desk)["ledger.acknowledged"]}


def test_tables_are_created_where_absent_and_keep_their_rows(desk: Desk) -> None:
    desk.connection.execute("insert into decisions.credit (decision_id) values ('d')")
    create_tables(desk.connection)
    assert desk.connection.execute("select count(*) from decisions.credit").fetchall() == [(1,)]
    found = {
        f"{schema}.{table}"
        for schema, table in desk.connection.execute(
            "select schema_name, table_name from duckdb_tables()"
        ).fetchall()
    }
    assert set(TABLES) <= found
