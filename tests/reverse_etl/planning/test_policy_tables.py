"""What dbt is told of the policy."""

from datetime import date
from decimal import Decimal

import duckdb

from reverse_etl.planning.policy import CreditPolicy, Policy, PostingPolicy, load_policy
from reverse_etl.planning.policy_credit import GroupLimit
from reverse_etl.planning.policy_tables import keep_policy
from reverse_etl.planning.tables import create_tables


def test_the_truth_knows_the_rule_of_closed_periods_and_the_group_limits_of_this_run() -> None:
    limit = GroupLimit(
        customer_id="crm/001A",
        limit_amount=Decimal("200.50"),
        currency_code="EUR",
        valid_from=date(2026, 1, 1),
    )
    policy = Policy(
        posting=PostingPolicy(closed_period="park"), credit=CreditPolicy(group_limits=(limit,))
    )
    with duckdb.connect() as connection:
        create_tables(connection)
        keep_policy(connection, load_policy())
        assert connection.sql("from policy.posting").fetchall() == [("first_open_day",)]
        assert connection.sql("from policy.group_limits").fetchall() == []
        keep_policy(connection, policy)
        assert connection.sql("from policy.posting").fetchall() == [("park",)]
        assert connection.sql("from policy.group_limits").fetchall() == [
            ("crm/001A", Decimal("200.50"), "EUR", date(2026, 1, 1), None)
        ]
