"""The scorecard: reasons for every class, nothing made of what is unknown, limits within bounds."""

from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reverse_etl.decisions.credit import decide_credit
from reverse_etl.decisions.credit_groups import GroupRoom
from reverse_etl.decisions.scorecard import propose_limit, score
from reverse_etl.decisions.scorecards import SCORECARD_SCHEMA, decide_scorecards
from reverse_etl.planning.policy import Policy, load_policy
from reverse_etl.planning.policy_credit import ScorecardPolicy
from reverse_etl.planning.tables import TABLES
from tests.reverse_etl.decisions.test_credit import APPROVED, CREDIT, DAY, HOLDS, ORDERS, approval
from tests.reverse_etl.decisions.test_credit import account as _account
from tests.reverse_etl.decisions.test_credit_groups import limit as group_limit
from tests.reverse_etl.decisions.test_credit_groups import room, tree

SHIPPED = load_policy().credit.scorecard
POLICY = ScorecardPolicy.model_validate(
    {
        "enabled": True,
        "weights": {"days_late_average": 3, "tenure_months": 1, "external_score": 4},
        "thresholds": {
            "days_late_average": ["5", "10", "20", "40"],
            "tenure_months": ["36", "24", "12", "6"],
            "external_score": ["80", "60", "40", "20"],
        },
        "sales_multiple_by_class": {"A": "2", "B": "1.5", "C": "1", "D": "0.5"},
        "self_retained_by_class": {"A": "1000"},
        "rounding_amount": "100",
        "country_risk": {"US": 1},
    }
)
GOOD = {"days_late_average": Decimal(0), "tenure_months": Decimal(40), "external_score": 90}


def account(exposure: str = "0", **more: Any) -> dict[str, Any]:
    return _account(exposure, "1000", **more)


def features(**more: Any) -> dict[str, Any]:
    return {
        "system_id": "sap", "customer_id": "SAP-1", "customer": "1", "credit_segment": "1000",
        "segment_currency": "USD", "country": "US", "days_late_average": Decimal(0),
        "history_days": 1200, "sales_monthly": Decimal(5000), "terms_days": 30, "as_of_date": DAY,
        **more,
    }  # fmt: skip


def carded(
    known: dict[str, Any],
    accounts: list[dict[str, Any]] | None = None,
    policy: ScorecardPolicy = POLICY,
    group: GroupRoom | None = None,
) -> tuple[dict[str, Any], list[tuple[str, Decimal | None, str]]]:
    """A customer's card, and what credit decides with it."""
    credit = pl.DataFrame([account()] if accounts is None else accounts, schema=CREDIT)
    cards = decide_scorecards(
        pl.DataFrame([known], infer_schema_length=None), credit, policy, group
    )
    assert cards.frame.schema == SCORECARD_SCHEMA
    decided = decide_credit(
        credit,
        pl.DataFrame([], schema=ORDERS),
        pl.DataFrame([], schema=APPROVED),
        pl.DataFrame([], schema=HOLDS),
        Policy(),
        DAY,
        proposals=cards.proposals,
    )
    rows = decided.filter(pl.col("action") == "propose_limit").to_dicts()
    return (
        cards.frame.row(0, named=True),
        [(row["limit_kind"], row["limit_amount"], row["reason"]) for row in rows],
    )


def test_the_declared_table_has_these_columns() -> None:
    assert TABLES["decisions.scorecards"].names == SCORECARD_SCHEMA.names()


# ---- the class -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "points"), [("4.9", 0), ("5", 25), ("9.9", 25), ("10", 50), ("20", 75), ("40", 100)]
)
def test_an_input_costs_from_its_threshold_on(value: str, points: int) -> None:
    found = score({"days_late_average": Decimal(value)}, POLICY)
    assert found.reason_codes == (f"days_late_average:{points}",)


@pytest.mark.parametrize(("months", "points"), [(36, 0), (35, 25), (23, 50), (11, 75), (5, 100)])
def test_where_more_is_better_less_costs(months: int, points: int) -> None:
    assert score({"tenure_months": months}, POLICY).reason_codes == (f"tenure_months:{points}",)


def test_the_class_is_the_weighted_mean_and_names_what_costs_most_first() -> None:
    found = score({**GOOD, "days_late_average": Decimal(25), "tenure_months": 5}, POLICY)
    assert found.points == Decimal("40.6"), "(75·3 + 100·1 + 0·4) / 8"
    assert (found.risk_class, found.known_weight_percent) == ("C", 100)
    assert found.reason_codes == (
        "days_late_average:75", "tenure_months:100", "external_score:0",
    )  # fmt: skip
    assert found.words == "days late on average, by value: 25; months a customer: 5"


def test_what_is_not_known_is_named_and_neither_good_nor_bad() -> None:
    known = score({"days_late_average": Decimal(0), "tenure_months": None}, POLICY)
    assert known.missing == ("tenure_months", "external_score")
    assert known.points == 0
    assert known.risk_class is None, "only 3 of 8 parts are known: too little for a class"
    bad = score({"external_score": 10, "days_late_average": None}, POLICY)
    assert (bad.points, bad.risk_class) == (Decimal(100), "E")
    assert score({}, POLICY).points is None


_value = st.one_of(st.none(), st.integers(-5, 200).map(Decimal))


@settings(max_examples=100, deadline=None)
@given(st.fixed_dictionaries(dict.fromkeys(SHIPPED.weights, _value)), st.data())
def test_paying_later_never_makes_a_better_class(
    known: dict[str, Decimal | None], data: st.DataObject
) -> None:
    before = score(known, SHIPPED)
    name = data.draw(st.sampled_from(sorted(SHIPPED.weights)))
    value = known[name]
    if value is None or before.points is None:
        return
    first, *_rest, last = SHIPPED.thresholds[name]
    worse = value + 30 if last >= first else value - 30
    after = score({**known, name: worse}, SHIPPED)
    assert after.points is not None
    assert after.points >= before.points
    assert (after.risk_class or "") >= (before.risk_class or "")


# ---- the limit -----------------------------------------------------------------------------------


def proposed(present: str = "1000", **more: Any) -> tuple[Decimal | None, str]:
    known = features(**{"tenure_months": 40, "external_score": 90, **more})
    answer = propose_limit(known, score(known, POLICY), POLICY, present=Decimal(present))
    return answer.amount, answer.reason


def test_the_limit_is_the_least_of_sales_net_worth_and_insurance() -> None:
    assert proposed() == (Decimal(10000), "the least is 2 × monthly sales × 30/30 days")
    assert proposed(net_worth=Decimal(77777)) == (
        Decimal(7700), "the least is 10 % of the net worth",
    )  # fmt: skip
    assert proposed(insured_amount=Decimal(2000))[0] == 3000, "and 1,000 that we bear ourselves"
    assert proposed(terms_days=15)[0] == 5000


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"history_days": 89}, "less than 90 days"),
        ({"history_days": None}, "less than 90 days"),
        ({"sales_monthly": None}, "neither sales"),
        ({"sales_monthly": Decimal(49)}, "bears less than 100"),
        ({"present": "10500"}, "within 10 %"),
        ({"external_score": None, "days_late_average": None}, "is known"),
    ],
)
def test_when_no_limit_is_proposed(change: dict[str, Any], said: str) -> None:
    amount, reason = proposed(**change)
    assert amount is None
    assert said in reason


def test_class_e_is_proposed_no_credit() -> None:
    card, rows = carded(features(days_late_average=Decimal(99), external_score=5))
    assert card["risk_class"] == "E"
    assert [(kind, amount) for kind, amount, _reason in rows] == [("none_granted", None)]


def test_a_proposal_tells_how_it_came_about_and_what_is_not_known() -> None:
    card, rows = carded(features(external_score=85, tenure_months=50))
    ((kind, amount, reason),) = rows
    assert (kind, amount) == ("limited", Decimal(10000))
    assert reason.startswith("10000 instead of 1000: class A (0.0 points; nothing speaks against")
    assert card["limit_proposed"] == 10000
    card, _rows = carded(features())
    assert card["missing_inputs"] == "external_score"
    assert card["reason_codes"] == "days_late_average:0;tenure_months:0"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"limit_kind": "unlimited", "limit_amount": None}, "no finite limit"),
        ({"limit_kind": "none_granted", "limit_amount": Decimal(0)}, "no finite limit"),
        ({"feed_is_stale": True}, "stale"),
        ({"feed_is_stale": None}, "stale"),
        ({"exposure": None}, "exposure is not known"),
        ({"is_blocked": True}, "on hold"),
    ],
)
def test_what_stops_a_proposal(change: dict[str, Any], said: str) -> None:
    card, rows = carded(features(external_score=85), [account() | change])
    assert rows == []
    assert card["risk_class"] == "A", "the class is still stated"
    assert said in card["reason"]


def test_nothing_is_proposed_where_the_policy_does_not_say_so() -> None:
    quiet = POLICY.model_copy(update={"enabled": False})
    card, rows = carded(features(external_score=85), policy=quiet)
    assert (rows, card["risk_class"]) == ([], "A")
    assert not SHIPPED.enabled, "as shipped, no limit moves by itself"


def test_a_proposal_stays_within_the_limit_of_its_group() -> None:
    accounts = [account(), _account("0", "3000", customer="2", customer_id="SAP-2")]
    group = room(tree(("SAP-1", "TOP"), ("SAP-2", "TOP")), accounts, group_limit("6550"))
    _card, rows = carded(features(external_score=85), accounts, group=group)
    assert [(kind, amount) for kind, amount, _reason in rows] == [("limited", Decimal(3500))]


def test_an_approved_limit_on_its_way_comes_before_any_proposal() -> None:
    credit = pl.DataFrame([account()], schema=CREDIT)
    frame = decide_credit(
        credit,
        pl.DataFrame([], schema=ORDERS),
        pl.DataFrame([approval("limited", "1200")], schema=APPROVED),
        pl.DataFrame([], schema=HOLDS),
        Policy(),
        DAY,
        proposals={("sap", "1", "1000"): (Decimal(5000), "why")},
    )
    assert frame["action"].to_list() == ["set_limit"]


def test_a_proposal_changes_no_hold_and_releases_nothing() -> None:
    _card, rows = carded(features(external_score=85), [account("1200")])
    assert len(rows) == 1
    credit = pl.DataFrame([account("1200")], schema=CREDIT)
    frame = decide_credit(
        credit,
        pl.DataFrame([], schema=ORDERS),
        pl.DataFrame([], schema=APPROVED),
        pl.DataFrame([], schema=HOLDS),
        Policy(),
        DAY,
        proposals={("sap", "1", "1000"): (Decimal(5000), "why")},
    )
    assert sorted(frame["action"]) == ["hold", "propose_limit"]
