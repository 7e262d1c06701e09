"""Credit: limits as approved, hysteresis, the release test, and nobody else's hold."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reverse_etl.decisions.credit import (
    CREDIT_SCHEMA,
    CreditStanding,
    decide_credit,
    passes_release_test,
)
from reverse_etl.planning.policy import Policy

DAY = date(2026, 3, 2)
MONEY = pl.Decimal(28, 6)
POLICY = Policy()
CREDIT = pl.Schema(
    {
        "system_id": pl.String(), "customer_id": pl.String(), "customer": pl.String(),
        "credit_segment": pl.String(), "segment_currency": pl.String(), "exposure": MONEY,
        "limit_kind": pl.String(), "limit_amount": MONEY, "is_blocked": pl.Boolean(),
        "block_reason": pl.String(), "overdue_amount": MONEY, "overdue_days_max": pl.Int32(),
        "feed_is_stale": pl.Boolean(), "is_limit_expired": pl.Boolean(),
    }
)  # fmt: skip
ORDERS = pl.Schema(
    {
        "system_id": pl.String(), "sales_order": pl.String(), "customer_id": pl.String(),
        "requested_date": pl.Date(), "amount_segment": MONEY, "is_credit_blocked": pl.Boolean(),
        "is_open": pl.Boolean(), "other_block": pl.String(),
    }
)  # fmt: skip
APPROVED = pl.Schema(
    {
        "system_id": pl.String(), "customer": pl.String(), "credit_segment": pl.String(),
        "limit_kind": pl.String(), "limit_amount": MONEY, "currency_code": pl.String(),
        "approved_at": pl.Datetime("us", "UTC"),
    }
)  # fmt: skip
HOLDS = pl.Schema(
    {"system_id": pl.String(), "customer": pl.String(), "credit_segment": pl.String()}
)


def account(exposure: str = "0", limit: str = "1000", **more: Any) -> dict[str, Any]:
    return {
        "system_id": "sap", "customer_id": "SAP-1", "customer": "1", "credit_segment": "1000",
        "segment_currency": "USD", "exposure": Decimal(exposure), "limit_kind": "limited",
        "limit_amount": Decimal(limit), "is_blocked": False, "block_reason": None,
        "overdue_amount": Decimal(0), "overdue_days_max": 0, "feed_is_stale": False,
        "is_limit_expired": False, **more,
    }  # fmt: skip


def order(number: str, amount: str | None, day: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "system_id": "sap", "sales_order": number, "customer_id": "SAP-1",
        "requested_date": date(2026, 3, day),
        "amount_segment": None if amount is None else Decimal(amount),
        "is_credit_blocked": True, "is_open": True, "other_block": None, **more,
    }  # fmt: skip


def approval(kind: str, amount: str | None, hour: int = 1) -> dict[str, Any]:
    return {
        "system_id": "sap", "customer": "1", "credit_segment": "1000", "limit_kind": kind,
        "limit_amount": None if amount is None else Decimal(amount), "currency_code": "USD",
        "approved_at": datetime(2026, 3, 1, hour, tzinfo=UTC),
    }  # fmt: skip


def decide(
    accounts: list[dict[str, Any]],
    orders: list[dict[str, Any]] | None = None,
    approved: list[dict[str, Any]] | None = None,
    *,
    own: bool = False,
    waiting_cash: str = "0",
) -> list[dict[str, Any]]:
    holds = [{"system_id": "sap", "customer": "1", "credit_segment": "1000"}] if own else []
    frame = decide_credit(
        pl.DataFrame(accounts, schema=CREDIT),
        pl.DataFrame(orders or [], schema=ORDERS),
        pl.DataFrame(approved or [], schema=APPROVED),
        pl.DataFrame(holds, schema=HOLDS),
        POLICY,
        DAY,
        waiting_cash={("sap", "1", "1000"): Decimal(waiting_cash)},
    )
    assert frame.schema == CREDIT_SCHEMA
    return frame.to_dicts()


def actions(rows: list[dict[str, Any]]) -> list[tuple[str, str | None]]:
    return [(row["action"], row["sales_document"]) for row in rows]


# ---- money that waits ----------------------------------------------------------------------------


@pytest.mark.parametrize(("waiting", "expected"), [("0", "hold"), ("499", "hold"), ("500", None)])
def test_nobody_is_held_over_money_that_only_waits_to_be_posted(
    waiting: str, expected: str | None
) -> None:
    rows = decide([account("1500")], waiting_cash=waiting)
    assert [row["action"] for row in rows] == ([expected] if expected else [])


def test_money_that_waits_releases_nothing() -> None:
    """A payment releases when it is cleared, not when it is received (domain B4)."""
    held = account("1500", is_blocked=True, block_reason="01")
    assert decide([held], own=True, waiting_cash="1500") == []
    assert decide([account("900")], [order("O1", "200")], waiting_cash="900") == []


# ---- limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("erp", "approved", "expected"),
    [
        (("limited", "1000"), ("limited", "1000"), None),
        (("limited", "1000"), ("limited", "1500"), ("limited", Decimal(1500))),
        (("limited", "1000"), ("unlimited", None), ("unlimited", None)),
        (("unlimited", None), ("none_granted", None), ("none_granted", None)),
        (("none_granted", "0"), ("none_granted", None), None),
        (("none_granted", "0"), ("limited", "0"), None),
        (("unlimited", None), ("limited", "0"), ("none_granted", None)),
        (("unlimited", "0"), ("unlimited", None), None),
    ],
)
def test_the_erp_gets_what_was_approved_and_zero_is_never_unlimited(
    erp: tuple[str, str | None],
    approved: tuple[str, str | None],
    expected: tuple[str, Decimal | None] | None,
) -> None:
    amount = None if erp[1] is None else Decimal(erp[1])
    rows = decide([account(limit_kind=erp[0], limit_amount=amount)], approved=[approval(*approved)])
    found = [(row["limit_kind"], row["limit_amount"]) for row in rows]
    assert found == ([] if expected is None else [expected])


def test_the_last_approval_holds() -> None:
    (row,) = decide(
        [account()], approved=[approval("limited", "3", hour=5), approval("limited", "2", hour=4)]
    )
    assert (row["action"], row["limit_amount"]) == ("set_limit", Decimal(3))
    assert row["reason"] == "approved is 3, the ERP holds 1000"


def test_without_an_approval_the_limit_is_left_alone() -> None:
    assert decide([account()]) == []


# ---- holds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exposure", "is_blocked", "own", "expected"),
    [
        ("1000", False, False, []),
        ("1000.01", False, False, ["hold"]),
        ("1000.01", True, True, []),
        ("960", True, True, []),
        ("950", True, True, ["unhold"]),
        ("950", True, False, []),
        ("950", False, True, []),
    ],
)
def test_holds_above_the_limit_and_lets_its_own_go_at_95_percent(
    exposure: str, is_blocked: bool, own: bool, expected: list[str]
) -> None:
    rows = decide([account(exposure, is_blocked=is_blocked)], own=own)
    assert [row["action"] for row in rows] == expected


def test_a_hold_names_its_reason_and_code() -> None:
    (row,) = decide([account("1200")])
    assert (row["is_blocked"], row["block_reason"]) == (True, "01")
    assert row["reason"] == "120.0 % of the limit is used, more than 100 %"


def test_no_limit_that_is_not_finite_holds_anybody() -> None:
    assert decide([account("5", limit_kind="unlimited", limit_amount=None)]) == []
    assert decide([account("5", limit_kind="none_granted", limit_amount=None)]) == []


def test_the_new_limit_counts_for_the_hold() -> None:
    rows = decide([account("1200")], approved=[approval("limited", "2000")])
    assert actions(rows) == [("set_limit", None)]


def test_a_stale_feed_holds_and_releases_nothing() -> None:
    for stale in (True, None):
        rows = decide(
            [account("100", is_blocked=True, feed_is_stale=stale)], [order("A", "1")], own=True
        )
        assert rows == []


# ---- releases ------------------------------------------------------------------------------------


def test_releases_oldest_first_each_consuming_credit() -> None:
    rows = decide(
        [account("500")],
        [order("C", "200", 3), order("A", "300", 1), order("B", "250", 2), order("D", "1", 4)],
    )
    assert actions(rows) == [
        ("release_order", "A"), ("release_order", "C"),
    ], "A 300, B does not fit, C 200 fills the limit to the cent, D does not fit"  # fmt: skip


def test_a_release_counts_with_the_approved_limit() -> None:
    rows = decide([account("900")], [order("A", "500")], [approval("limited", "1400")])
    assert actions(rows) == [("set_limit", None), ("release_order", "A")]


def test_an_approved_amount_does_not_renew_an_expired_limit() -> None:
    expired = account("900", is_limit_expired=True)
    rows = decide([expired], [order("A", "500")], [approval("limited", "1400")])
    assert actions(rows) == [("set_limit", None)]


@pytest.mark.parametrize("expired", [True, None])
def test_an_expired_limit_lets_no_hold_go_and_still_holds(expired: bool | None) -> None:
    assert decide([account("100", is_blocked=True, is_limit_expired=expired)], own=True) == []
    rows = decide([account("1200", is_limit_expired=expired)])
    assert actions(rows) == [("hold", None)]


def test_an_unknown_exposure_neither_holds_nor_lets_go() -> None:
    assert decide([account(exposure="0") | {"exposure": None}]) == []
    assert decide([account(is_blocked=True) | {"exposure": None}], own=True) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"limit_kind": "none_granted", "limit_amount": None}, "no credit is granted"),
        ({"is_blocked": True}, "on hold"),
        ({"overdue_days_max": 31, "overdue_amount": Decimal(1)}, "is overdue"),
        ({"feed_is_stale": True}, "stale"),
        ({"exposure": Decimal(999)}, "above the limit"),
        ({"limit_kind": "limited", "limit_amount": None}, "not known"),
        ({"exposure": None, "overdue_amount": None}, "exposure is not known"),
        ({"exposure": None, "limit_kind": "unlimited"}, "exposure is not known"),
        ({"is_limit_expired": True}, "has expired"),
        ({"is_limit_expired": True, "limit_kind": "unlimited", "limit_amount": None}, "expired"),
    ],
)
def test_what_stops_a_release(change: dict[str, Any], reason: str) -> None:
    values = {**account(), **change}
    standing = CreditStanding(**{name: values[name] for name in CreditStanding.__slots__})
    test = passes_release_test(standing, Decimal(10), POLICY.credit)
    assert not test.passes
    assert reason in test.reason
    assert actions(decide([values], [order("A", "10")])) == []


def test_another_block_an_unknown_amount_or_two_accounts_stop_a_release() -> None:
    assert decide([account()], [order("A", "1", other_block="delivery")]) == []
    assert decide([account()], [order("A", None)]) == []
    accounts = [account(), account(credit_segment="2000")]
    assert decide(accounts, [order("A", "1")]) == []


def test_unlimited_passes_and_an_unblocked_or_closed_order_is_left_alone() -> None:
    free = account(limit_kind="unlimited", limit_amount=None)
    rows = decide(
        [free],
        [
            order("A", None),
            order("B", "1", is_credit_blocked=False),
            order("C", "1", is_open=False),
        ],
    )
    assert actions(rows) == [("release_order", "A")]


def test_little_that_is_overdue_for_long_is_tolerated_by_policy() -> None:
    values = account(overdue_days_max=90, overdue_amount=Decimal(5))
    standing = CreditStanding(**{name: values[name] for name in CreditStanding.__slots__})
    lenient = POLICY.credit.model_copy(update={"release_overdue_amount_tolerated": Decimal(5)})
    assert passes_release_test(standing, Decimal(1), lenient).passes
    assert not passes_release_test(standing, Decimal(1), POLICY.credit).passes


# ---- properties ----------------------------------------------------------------------------------

_steps = st.lists(
    st.one_of(
        st.tuples(st.just("exposure"), st.integers(0, 2000)),
        st.tuples(st.just("person_holds"), st.sampled_from(["01", "07"])),
        st.tuples(st.just("person_releases"), st.none()),
        st.tuples(st.just("stale"), st.booleans()),
        st.tuples(st.just("limit"), st.sampled_from(["limited", "unlimited", "none_granted"])),
        st.tuples(st.just("run"), st.none()),
    ),
    max_size=25,
)


@settings(max_examples=200, deadline=None)
@given(_steps)
def test_no_sequence_of_events_releases_a_hold_the_hub_did_not_set(
    steps: list[tuple[str, Any]],
) -> None:
    """The ERP is played here: who set the present hold is known, the hub only sees its ledger."""
    values = account()
    setter = ""
    for name, value in [*steps, ("run", None)]:
        if name == "exposure":
            values["exposure"] = Decimal(value)
        elif name == "stale":
            values["feed_is_stale"] = value
        elif name == "limit":
            values["limit_kind"] = value
            values["limit_amount"] = Decimal(1000) if value == "limited" else None
        elif name == "person_holds":
            values.update(is_blocked=True, block_reason=value)
            setter = "person"
        elif name == "person_releases":
            values.update(is_blocked=False, block_reason=None)
            setter = ""
        else:
            rows = decide([values], own=setter == "hub" and values["is_blocked"])
            for row in rows:
                if row["action"] == "unhold":
                    assert setter == "hub"
                    assert not values["feed_is_stale"]
                    values.update(is_blocked=False, block_reason=None)
                    setter = ""
                elif row["action"] == "hold":
                    assert not values["is_blocked"], "a hold in force is never taken over"
                    values.update(is_blocked=True, block_reason=row["block_reason"])
                    setter = "hub"


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 1500),
    st.lists(st.tuples(st.integers(1, 600), st.integers(1, 28)), max_size=8),
)
def test_releases_never_take_exposure_above_the_limit(
    exposure: int, amounts: list[tuple[int, int]]
) -> None:
    orders = [order(f"O{n}", str(amount), day) for n, (amount, day) in enumerate(amounts)]
    rows = decide([account(str(exposure))], orders)
    released = {row["sales_document"] for row in rows if row["action"] == "release_order"}
    total = sum(o["amount_segment"] for o in orders if o["sales_order"] in released)
    assert not released or Decimal(exposure) + total <= 1000
    for one in orders:
        if one["sales_order"] not in released:
            earlier = sum(
                o["amount_segment"]
                for o in orders
                if o["sales_order"] in released
                and (o["requested_date"], o["sales_order"])
                < (one["requested_date"], one["sales_order"])
            )
            assert exposure + earlier + one["amount_segment"] > 1000, "it would have fitted"
