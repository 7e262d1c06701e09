"""The three-way diff against an oracle in plain Python, and what it says about whole tables."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.common.errors import ConfigError
from reverse_etl.planning.diff import agreements, compare
from reverse_etl.planning.diff_sql import canonical_sql
from reverse_etl.planning.governance import load_governance
from tests.reverse_etl.planning.desk import SAP, START, Desk

LIMITS = "sap_s4hana.credit_accounts"
TARGET = load_governance().object("sap_s4hana", "credit_accounts")
ACKNOWLEDGED = "ledger.acknowledged"
NAMES = [f.name for f in TARGET.compared]
VALUES = {
    "limit_kind": ["limited", "unlimited", None],
    "limit_amount": ["100", "100.00", "200", None],
    "is_blocked": ["true", "false", None],
    "block_reason": ["01", "", None],
}

sides = st.one_of(
    st.none(), st.fixed_dictionaries({name: st.sampled_from(VALUES[name]) for name in NAMES})
)
rows = st.dictionaries(
    st.sampled_from(["1/1000", "2/1000", "3/1000"]),
    st.tuples(
        sides,
        sides,
        st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["100", "true", "limited", None])),
    ),
    min_size=1,
)


def _canonical(name: str, value: str | None) -> str | None:
    if name == "limit_amount" and value == "100.00":
        return "100"
    return value or None


def _oracle(row: tuple[Any, Any, dict[str, Any]]) -> set[tuple[str, str, str]]:
    """Field, class and action of one key, said as plainly as the rule is written."""
    desired, observed, known = row
    found = set()
    for name in NAMES if desired else ():
        leader = TARGET.leader_of(name)
        want = _canonical(name, desired[name])
        have = _canonical(name, observed[name]) if observed else None
        if _canonical(leader, desired[leader]) is None or want == have:
            continue
        if observed is None:
            klass = "vanished" if known else "create"
        elif name not in known:
            klass = "initial"
        else:
            klass = "update" if known[name] == have else "foreign_edit"
        found.add((name, klass, "send" if klass == "update" else "review"))
    return found


@pytest.fixture(scope="module")
def cleared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Desk]]:
    """One desk for all examples; ``cleared()`` takes everything off it."""
    desk = Desk(tmp_path_factory.mktemp("diff"))

    def clear() -> Desk:
        for table in (f"sync.{TARGET.view_name}", f"observed.{TARGET.view_name}", ACKNOWLEDGED):
            desk.connection.execute(f"delete from {table}")
        return desk

    yield clear
    desk.close()


@settings(max_examples=60, deadline=None)
@given(rows)
def test_the_sql_diff_equals_the_plain_rule(
    cleared: Callable[[], Desk], table: dict[str, tuple[Any, Any, Any]]
) -> None:
    desk = cleared()
    for key, (desired, observed, known) in table.items():
        if desired:
            desk.wants(LIMITS, key, **desired)
        if observed:
            desk.holds(LIMITS, key, **observed)
        for name, value in known.items():
            desk.connection.execute(
                f"insert into {ACKNOWLEDGED} values (?, 'credit_accounts', ?, ?, ?, '', ?)",
                [SAP, key, name, value, START],
            )
    compare(desk.connection, TARGET, [SAP])
    found: dict[str, set[tuple[str, str, str]]] = {key: set() for key in table}
    for key, *rest in desk.connection.execute(
        "select object_key, field, class, action from diff_changes"
    ).fetchall():
        found[key].add(tuple(rest))
    assert found == {key: _oracle(row) for key, row in table.items()}
    for _system, key, values in agreements(desk.connection, TARGET, [SAP]):
        desired, observed, known = table[key]
        for name in values:
            assert _canonical(name, desired[name]) == _canonical(name, observed[name])
            assert name not in known or known[name] != _canonical(name, desired[name])


def test_an_adopted_foreign_value_stays_until_the_hub_wants_another(
    desk: Desk, tmp_path: Path
) -> None:
    text = (Path(__file__).parents[3] / "reverse_etl" / "governance.yml").read_text("utf-8")
    text = text.replace(
        "net: {native: AR_Net__c, format: money,",
        "net: {native: AR_Net__c, format: money, foreign_edit: adopt,",
    )
    path = tmp_path / "governance.yml"
    path.write_text(text, encoding="utf-8")
    desk.governance = load_governance(path)
    name, row = (
        "salesforce.balances",
        dict.fromkeys(("account_id", "company_code", "amount_current"), "1"),
    )
    desk.wants(name, "B1", **row, net="10")
    desk.plan(name)
    desk.verify_all()
    desk.next_run()
    desk.holds(name, "B1", **row, net="12")
    made = desk.plan(name)
    assert desk.differences() == [("B1", "net", "10", "10", "12", "foreign_edit", "adopt")]
    assert len(desk.commands()) == 1
    assert made.unexplained_rows == 0
    desk.wants(name, "B1", **row, net="13")
    desk.plan(name)
    assert [one["state"] for one in desk.commands()] == ["verified", "ready"]


def test_a_field_goes_only_to_its_receivers(desk: Desk, tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "reverse_etl" / "governance.yml").read_text("utf-8")
    text = text.replace("credits: {", "credits: {receivers: [other_crm], ")
    path = tmp_path / "governance.yml"
    path.write_text(text, encoding="utf-8")
    desk.governance = load_governance(path)
    desk.wants("salesforce.balances", "B1", net="1", credits="5")
    desk.plan("salesforce.balances")
    assert {row[1] for row in desk.differences()} == {"net"}


def test_typed_columns_compare_like_text(desk: Desk) -> None:
    desk.connection.execute("drop table observed.salesforce__balances")
    desk.connection.execute("""
        create table observed.salesforce__balances as
        select 'crm' as system_id, 'B1' as object_key, 'A' as account_id, 'U001' as company_code,
               'USD' as currency_code, 10::decimal(18, 2) as amount_current, 0.0::decimal(9, 1) as
               amount_1_30, 0 as amount_31_60, 0 as amount_61_90, 0 as amount_91_120,
               0 as amount_over_120, 0 as credits, -3.50::decimal(28, 6) as unapplied_cash,
               6.5::decimal(28, 6) as net""")
    zeros = dict.fromkeys(
        ("amount_1_30", "amount_31_60", "amount_61_90", "amount_91_120", "amount_over_120",
         "credits"), "0"
    )  # fmt: skip
    desk.wants(
        "salesforce.balances", "B1", account_id="A", company_code="U001", currency_code="USD",
        amount_current="10", unapplied_cash="-3.5", net="6.5", **zeros,
    )  # fmt: skip
    assert desk.plan("salesforce.balances").drift_rows == 0


def test_an_enum_is_compared_under_the_hubs_name(desk: Desk) -> None:
    desk.wants("salesforce.accounts", "001", credit_limit_kind="none_granted", status="Current")
    desk.holds("salesforce.accounts", "001", credit_limit_kind="None Granted", status="Current")
    assert desk.plan("salesforce.accounts").drift_rows == 0


def test_a_missing_view_or_column_says_what_to_do(desk: Desk) -> None:
    desk.connection.execute("alter table observed.salesforce__balances drop column net")
    with pytest.raises(ConfigError, match=r"observed.salesforce__balances lacks net"):
        desk.plan("salesforce.balances")
    desk.connection.execute("drop table sync.salesforce__balances")
    with pytest.raises(ConfigError, match=r"no view sync.salesforce__balances: run dbt"):
        desk.plan("salesforce.balances")


def test_a_key_that_stands_twice_stops_its_object(desk: Desk) -> None:
    desk.wants("salesforce.balances", "B1", net="1")
    desk.connection.execute(
        "insert into sync.salesforce__balances select * from sync.salesforce__balances"
    )
    made = desk.plan("salesforce.balances")
    assert made.is_stopped
    assert "stand twice" in made.messages[0]
    assert desk.commands() == []


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        ("amount", "'100.00'", "100"),
        ("amount", "'0'", "0"),
        ("amount", "'-0.50'", "-0.5"),
        ("amount", "'1000'", "1000"),
        ("amount", "''", None),
        ("invoice_date", "'2026-03-02T00:00:00Z'", "2026-03-02"),
        ("invoice_number", "''", None),
    ],
)
def test_canonical_text_of_a_text_column(
    desk: Desk, form: str, text: str, expected: str | None
) -> None:
    governed = load_governance().object("salesforce", "invoices").field(form)
    sql = canonical_sql(text, governed, "VARCHAR")
    assert desk.connection.execute(f"select {sql}").fetchall() == [(expected,)]
