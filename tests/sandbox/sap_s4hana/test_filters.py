"""``$filter``: what it means, and that an index finds the same rows as a scan."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.sap_s4hana.odata.answers import ODataError
from sandbox.sap_s4hana.odata.filters import compile_filter
from sandbox.sap_s4hana.odata.model import entity_type
from sandbox.sap_s4hana.odata.tables import Table, UndoLog

THING = entity_type(
    "S",
    "A_Thing",
    """
    Key      text(4)  key
    Customer text(10) alpha
    Name     text(20)
    Amount   decimal(15,2)
    Day      date
    Moment   instant
    IsOpen   bool
    """,
    indexed=("Customer", "Day", "IsOpen"),
)
DAYS = [None, date(2020, 1, 1), date(2020, 2, 29), date(2020, 12, 31)]


def make_table() -> Table:
    table = Table(THING, UndoLog())
    for number in range(48):
        table.insert(
            {
                "Key": f"{number:04d}",
                "Customer": f"{number % 5:010d}",
                "Name": ["O'Brien", "Sysco", "and or not", ""][number % 4],
                "Amount": Decimal(number) / 4,
                "Day": DAYS[number % 4],
                "IsOpen": number % 3 == 0,
            }
        )
    return table


TABLE = make_table()


def found(text: str) -> set[str]:
    """Keys that pass; the index, where it is used, must leave exactly them."""
    compiled = compile_filter(text, THING)
    scanned = {row["Key"] for row in TABLE.rows.values() if compiled.matches(row.values)}
    candidates = compiled.candidates(TABLE)
    if candidates is not None:
        assert scanned == {row["Key"] for row in candidates if compiled.matches(row.values)}
    return scanned


def where(test: object) -> set[str]:
    return {row["Key"] for row in TABLE.rows.values() if test(row)}  # type: ignore[operator]


@pytest.mark.parametrize(
    ("text", "test"),
    [
        ("Customer eq '3'", lambda r: r["Customer"] == "0000000003"),
        ("'0000000003' eq Customer", lambda r: r["Customer"] == "0000000003"),
        ("Customer eq '1' or Customer eq '2'", lambda r: r["Customer"][-1] in "12"),
        ("Name eq 'O''Brien'", lambda r: r["Name"] == "O'Brien"),
        ("Name eq 'and or not'", lambda r: r["Name"] == "and or not"),
        ("Name eq ''", lambda r: r["Name"] == ""),
        ("Amount gt 5.25M", lambda r: r["Amount"] > Decimal("5.25")),
        ("Amount le 5", lambda r: r["Amount"] <= 5),
        ("5.25 lt Amount", lambda r: r["Amount"] > Decimal("5.25")),
        ("Day ge datetime'2020-02-29T00:00:00'", lambda r: r["Day"] in DAYS[2:]),
        ("Day ge datetime'2020-02-29T08:00:00'", lambda r: r["Day"] == DAYS[3]),
        ("Day lt datetime'2020-02-29T08:00:00'", lambda r: r["Day"] in DAYS[1:3]),
        ("Day eq null", lambda r: r["Day"] is None),
        ("Day ne null", lambda r: r["Day"] is not None),
        ("IsOpen", lambda r: r["IsOpen"]),
        ("not IsOpen", lambda r: not r["IsOpen"]),
        ("IsOpen eq true and Customer eq '3'", lambda r: r["IsOpen"] and "3" in r["Customer"]),
        ("substringof('sco',Name)", lambda r: "sco" in r["Name"]),
        ("substringof('sco',Name) eq false", lambda r: "sco" not in r["Name"]),
        ("startswith(Name,'Sys') eq true", lambda r: r["Name"].startswith("Sys")),
        ("endswith(tolower(Name),'brien')", lambda r: r["Name"].endswith("Brien")),
        ("toupper(Name) eq 'SYSCO'", lambda r: r["Name"] == "Sysco"),
        (
            "not (IsOpen or Customer eq '1') and Amount ge 2",
            lambda r: not (r["IsOpen"] or r["Customer"][-1] == "1") and r["Amount"] >= 2,
        ),
        (
            "Customer eq '1' and Amount gt 3 or Day eq null and IsOpen",
            lambda r: (
                (r["Customer"][-1] == "1" and r["Amount"] > 3) or (r["Day"] is None and r["IsOpen"])
            ),
        ),
    ],
)
def test_a_filter_means_what_it_says(text: str, test: object) -> None:
    assert found(text) == where(test)
    assert 0 < len(found(text)) < len(TABLE)


@pytest.mark.parametrize(
    "text",
    [
        "Customer eq",
        "Customer = '1'",
        "Nothing eq '1'",
        "Amount eq 'x'",
        "Customer eq 5",
        "Day ge '2020-01-01'",
        "Day ge datetimeoffset",
        "(Customer eq '1'",
        "length(Name) eq 3",
        "IsOpen eq 1",
    ],
)
def test_a_wrong_filter_is_an_error_of_the_client(text: str) -> None:
    with pytest.raises(ODataError) as caught:
        compile_filter(text, THING)
    assert caught.value.status == 400


def test_a_chain_of_keys_is_looked_up_and_not_scanned() -> None:
    text = " or ".join(f"Customer eq '{n}'" for n in (1, 3))
    candidates = compile_filter(text, THING).candidates(TABLE)
    assert candidates is not None
    assert {row["Customer"][-1] for row in candidates} == {"1", "3"}


def test_the_smallest_index_leads() -> None:
    text = "IsOpen eq false and Customer eq '3'"
    candidates = compile_filter(text, THING).candidates(TABLE)
    assert candidates is not None
    assert {row["Customer"][-1] for row in candidates} == {"3"}


def test_hundreds_of_mixed_alternatives_do_not_exhaust_the_stack() -> None:
    text = " or ".join(f"Customer eq '1' and Amount eq {n}" for n in range(400))
    assert found(text) == where(lambda r: r["Customer"][-1] == "1" and r["Amount"] % 1 == 0)


TESTS = st.sampled_from(
    [
        ("Customer eq '1'", lambda r: r["Customer"][-1] == "1"),
        ("Customer ne '2'", lambda r: r["Customer"][-1] != "2"),
        ("IsOpen", lambda r: r["IsOpen"]),
        ("Amount lt 7.5", lambda r: r["Amount"] < Decimal("7.5")),
        ("Day gt datetime'2020-01-01T00:00:00'", lambda r: (r["Day"] or DAYS[1]) > DAYS[1]),
    ]
)
TREES = st.recursive(
    TESTS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(
            lambda p: (f"({p[0][0]} and {p[1][0]})", lambda r: p[0][1](r) and p[1][1](r))
        ),
        st.tuples(inner, inner).map(
            lambda p: (f"({p[0][0]} or {p[1][0]})", lambda r: p[0][1](r) or p[1][1](r))
        ),
        inner.map(lambda p: (f"not ({p[0]})", lambda r: not p[1](r))),
    ),
    max_leaves=6,
)


@given(TREES)
def test_every_combination_agrees_with_python(tree: tuple[str, object]) -> None:
    text, test = tree
    assert found(text) == where(test)
