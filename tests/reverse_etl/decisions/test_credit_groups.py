"""Group limits: each account once, no circles, oldest orders first across the whole group."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reverse_etl.decisions.credit import decide_credit
from reverse_etl.decisions.credit_groups import GroupRoom, Hierarchy, hierarchy_of
from reverse_etl.decisions.credit_temporary import ApprovedNow, due_limits
from reverse_etl.planning.policy import Policy
from reverse_etl.planning.policy_credit import GroupLimit, TemporaryLimit
from tests.reverse_etl.decisions.test_credit import APPROVED, CREDIT, HOLDS, ORDERS, account, order

DAY = date(2026, 3, 2)
RATES = {"USD": Decimal(1), "CAD": Decimal("0.75")}
POLICY = Policy()
PARENTS = pl.Schema(
    {
        "customer_id": pl.String(), "parent_customer_id": pl.String(), "valid_from": pl.Date(),
        "valid_until": pl.Date(),
    }
)  # fmt: skip


def tree(*pairs: tuple[Any, ...]) -> Hierarchy:
    rows = [(*pair, None, None)[:4] for pair in pairs]
    return hierarchy_of(pl.DataFrame(rows, schema=PARENTS, orient="row"), DAY)


def limit(amount: str, customer_id: str = "TOP", **more: Any) -> GroupLimit:
    return GroupLimit.model_validate(
        {"customer_id": customer_id, "limit_amount": amount, "currency_code": "USD", **more}
    )


def member(number: str, exposure: str = "0", **more: Any) -> dict[str, Any]:
    return account(exposure, **{"customer_id": f"SAP-{number}", "customer": number, **more})


def room(hierarchy: Hierarchy, accounts: list[dict[str, Any]], *limits: GroupLimit) -> GroupRoom:
    return GroupRoom(limits, hierarchy, accounts, RATES, DAY)


def released(
    accounts: list[dict[str, Any]], orders: list[dict[str, Any]], group: GroupRoom
) -> set[str]:
    frame = decide_credit(
        pl.DataFrame(accounts, schema=CREDIT),
        pl.DataFrame(orders, schema=ORDERS),
        pl.DataFrame([], schema=APPROVED),
        pl.DataFrame([], schema=HOLDS),
        POLICY,
        DAY,
        room=group,
    )
    return set(frame.filter(pl.col("action") == "release_order")["sales_document"])


# ---- hierarchy -----------------------------------------------------------------------------------


def test_everybody_above_is_found_and_a_circle_is_rejected_with_all_below_it() -> None:
    found = tree(("a", "b"), ("b", "c"), ("x", "y"), ("y", "z"), ("z", "y"), ("s", "s"))
    assert found.above("a") == ("a", "b", "c")
    assert found.unclear == {"x", "y", "z", "s"}
    assert found.above("x") == ("x",)


def test_two_parents_at_one_time_are_no_tree_but_one_after_the_other_is() -> None:
    assert tree(("a", "b"), ("a", "c"), ("d", "a")).unclear == {"a", "d"}
    found = tree(("a", "b", date(2025, 1, 1), date(2026, 3, 1)), ("a", "c", date(2026, 3, 2), None))
    assert found.above("a") == ("a", "c")


_names = st.sampled_from("abcdefg")


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(_names, _names), max_size=10))
def test_whatever_is_stated_every_walk_upwards_ends(pairs: list[tuple[str, str]]) -> None:
    found = tree(*pairs)
    for name in "abcdefg":
        chain = found.above(name)
        assert len(set(chain)) == len(chain) <= 7


# ---- the room ------------------------------------------------------------------------------------


def test_the_members_of_a_group_share_its_limit_oldest_order_first() -> None:
    accounts = [member("1", "300"), member("2", "300")]
    group = room(tree(("SAP-1", "TOP"), ("SAP-2", "TOP")), accounts, limit("1000"))
    orders = [
        order("YOUNG", "250", 5, customer_id="SAP-1"), order("OLD", "200", 1, customer_id="SAP-2"),
        order("SMALL", "200", 9, customer_id="SAP-1"),
    ]  # fmt: skip
    assert released(accounts, orders, group) == {"OLD", "SMALL"}, "600 + 200 + 200; 250 is too much"


def test_an_account_counts_once_even_when_it_is_listed_twice() -> None:
    accounts = [member("1", "300"), member("1", "300")]
    group = room(tree(("SAP-1", "TOP")), accounts, limit("400"))
    assert group.obstacle("SAP-1", Decimal(100), "USD") == ""
    assert "would owe 401" in group.obstacle("SAP-1", Decimal(101), "USD")


def test_a_group_within_a_group_obeys_both_limits() -> None:
    accounts = [member("1", "10"), member("2", "80")]
    group = room(
        tree(("SAP-1", "MID"), ("MID", "TOP"), ("SAP-2", "TOP")), accounts,
        limit("100"), limit("50", "MID"),
    )  # fmt: skip
    assert "group of TOP" in group.obstacle("SAP-1", Decimal(20), "USD")
    assert "group of MID" in group.obstacle("SAP-1", Decimal(60), "USD")
    assert group.obstacle("SAP-1", Decimal(10), "USD") == ""


def test_amounts_of_several_currencies_add_up_at_the_stored_rate() -> None:
    accounts = [member("1", "100", segment_currency="CAD"), member("2", "25")]
    group = room(tree(("SAP-1", "TOP"), ("SAP-2", "TOP")), accounts, limit("130"))
    assert group.obstacle("SAP-1", Decimal(40), "CAD") == "", "75 + 25 + 30"
    assert group.obstacle("SAP-1", Decimal(41), "CAD") != ""


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"exposure": None}, "is not known"),
        ({"exposure": Decimal(1), "segment_currency": "ZZZ"}, "is not known"),
    ],
)
def test_what_is_not_known_of_one_member_stops_all(values: dict[str, Any], said: str) -> None:
    accounts = [member("1"), member("2") | values]
    group = room(tree(("SAP-1", "TOP"), ("SAP-2", "TOP")), accounts, limit("1000"))
    assert said in group.obstacle("SAP-1", Decimal(1), "USD")


def test_who_stands_in_a_circle_gets_no_release_where_group_limits_exist() -> None:
    accounts = [member("1")]
    circle = tree(("SAP-1", "X"), ("X", "SAP-1"))
    assert "not clear" in room(circle, accounts, limit("9")).obstacle("SAP-1", Decimal(1), "USD")
    assert room(circle, accounts).obstacle("SAP-1", Decimal(1), "USD") == ""


def test_a_group_limit_of_another_time_bounds_nothing() -> None:
    accounts = [member("1", "300")]
    over = limit("10", valid_until="2026-03-01")
    assert room(tree(("SAP-1", "TOP")), accounts, over).obstacle("SAP-1", Decimal(1), "USD") == ""


def test_limits_of_a_group_never_sum_above_the_groups() -> None:
    accounts = [member("1", limit="600"), member("2", limit="300")]
    group = room(tree(("SAP-1", "TOP"), ("SAP-2", "TOP")), accounts, limit("1000"))
    assert group.most("SAP-1", Decimal(600), "USD") == (
        Decimal(700), "the limit of the group of TOP",
    )  # fmt: skip
    assert group.most("SAP-9", Decimal(1), "USD") == (None, "")


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.integers(0, 400), min_size=2, max_size=4),
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 400), st.integers(1, 28)), max_size=8),
    st.integers(0, 1500),
)
def test_releases_never_take_a_group_above_its_limit(
    exposures: list[int], asked: list[tuple[int, int, int]], most: int
) -> None:
    accounts = [member(str(n), str(one)) for n, one in enumerate(exposures)]
    hierarchy = tree(*((one["customer_id"], "TOP") for one in accounts))
    orders = [
        order(f"O{n}", str(amount), day, customer_id=f"SAP-{place}")
        for n, (place, amount, day) in enumerate(asked)
    ]
    out = released(accounts, orders, room(hierarchy, accounts, limit(str(most))))
    sent = sum(one["amount_segment"] for one in orders if one["sales_order"] in out)
    assert not out or sum(exposures) + sent <= most


# ---- temporary limits ----------------------------------------------------------------------------

SEASON = TemporaryLimit.model_validate(
    {
        "system_id": "sap", "customer": "1", "credit_segment": "1000", "limit_amount": "900",
        "currency_code": "USD", "valid_from": "2026-03-01", "valid_until": "2026-03-31",
        "back_to_amount": "500", "approved_by": "ada", "second_approver": "bob",
    }
)  # fmt: skip
KEY = ("sap", "1", "1000")


def now(amount: str, at: datetime) -> dict[tuple[str, str, str], ApprovedNow]:
    return {KEY: ApprovedNow("limited", Decimal(amount), at)}


def at(month: int, day: int) -> datetime:
    return datetime(2026, month, day, tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "approved", "expected"),
    [
        (date(2026, 2, 28), now("500", at(1, 1)), None),
        (date(2026, 3, 1), now("500", at(1, 1)), ("900", at(3, 1))),
        (date(2026, 3, 1), {}, ("900", at(3, 1))),
        (date(2026, 3, 31), now("900", at(3, 1)), None),
        (date(2026, 3, 9), now("700", at(3, 5)), None),
        (date(2026, 4, 1), now("900", at(3, 1)), ("500", at(4, 1))),
        (date(2026, 4, 2), now("500", at(4, 1)), None),
        (date(2026, 4, 1), now("700", at(3, 5)), None),
    ],
)
def test_a_temporary_limit_comes_and_goes_on_its_days_and_yields_to_a_newer_approval(
    day: date, approved: dict[Any, ApprovedNow], expected: tuple[str, datetime] | None
) -> None:
    found = [(str(one.limit_amount), one.since) for one in due_limits(approved, [SEASON], day)]
    assert found == ([] if expected is None else [expected])


def test_a_temporary_limit_needs_two_people() -> None:
    with pytest.raises(ValueError, match="two people"):
        TemporaryLimit.model_validate(SEASON.model_dump() | {"second_approver": "ADA"})
