"""What a push says it left: every row once, whoever it waits for."""

from orchestration.pushing import rows_left
from reverse_etl.delivery.report import DeliveryReport
from reverse_etl.planning.plan import ObjectPlan, Plan


def test_a_row_that_waits_for_a_person_is_left_once() -> None:
    made = ObjectPlan("sap_s4hana", "credit_accounts", changed=3)
    made.actions["review"] = 3
    planned = Plan("run-1", False, [made])
    assert rows_left(planned, DeliveryReport(awaiting_approval=3)) == 3
    assert rows_left(planned, DeliveryReport(awaiting_approval=3, unknown=2)) == 5
