"""The planner on a real store: what it records, what it leaves alone, what it waits for."""

import json
from datetime import timedelta
from decimal import Decimal

from reverse_etl.ledger.events import EventName
from reverse_etl.ledger.modes import Modes
from reverse_etl.planning.guards import SourceHealth
from reverse_etl.planning.policy import GuardPolicy, ObjectGuards
from tests.reverse_etl.planning.desk import CRM, SAP, Desk
from tests.reverse_etl.planning.wishes import (
    BALANCE,
    BALANCES,
    CLEARING,
    CLEARINGS,
    JOURNALS,
    RECEIPT,
    WANTED,
)


def test_a_new_row_is_sent_whole_with_what_rides_along(desk: Desk) -> None:
    desk.wants(BALANCES, "B1", **WANTED)
    made = desk.plan(BALANCES)
    (command,) = desk.commands()
    assert json.loads(str(command["payload"])) == {
        **BALANCE,
        "as_of_date": "2026-03-02",
        "sync_version": 1,
        "sync_correlation_id": "balance-B1",
    }  # fmt: skip
    assert command["state"] == "ready"
    assert (command["lane"], command["correlation_id"]) == ("crm/001A", "balance-B1")
    assert made.counts["send"] == 1
    assert made.money == {"USD": Decimal(10)}


def test_only_changed_fields_are_sent_and_the_revision_counts_up(desk: Desk) -> None:
    desk.wants(BALANCES, "B1", **WANTED)
    desk.plan(BALANCES)
    desk.verify_all()
    desk.next_run()
    desk.holds(BALANCES, "B1", **BALANCE)
    desk.wants(BALANCES, "B1", **{**WANTED, "net": "12.5", "as_of_date": "2026-03-03"})
    desk.plan(BALANCES)
    command = desk.commands(state="ready")[0]
    assert json.loads(str(command["payload"])) == {
        "net": "12.5", "as_of_date": "2026-03-03", "sync_version": 2,
        "sync_correlation_id": "balance-B1",
    }  # fmt: skip


def test_what_rides_along_never_causes_a_command(desk: Desk) -> None:
    desk.holds(BALANCES, "B1", **BALANCE)
    desk.wants(BALANCES, "B1", **{**WANTED, "as_of_date": "2026-03-09"})
    assert desk.plan(BALANCES).drift_rows == 0
    assert desk.commands() == []


def test_empty_and_null_money_and_trailing_zeros_are_no_difference(desk: Desk) -> None:
    desk.holds(BALANCES, "B1", **{**BALANCE, "net": "10.00", "credits": "0.000000"})
    desk.wants(BALANCES, "B1", **WANTED)
    assert desk.plan(BALANCES).drift_rows == 0


def test_planning_twice_records_once(desk: Desk) -> None:
    desk.wants(BALANCES, "B1", **WANTED)
    desk.plan(BALANCES)
    second = desk.plan(BALANCES)
    assert len(desk.commands()) == 1
    assert second.counts.get("send", 0) == 0
    assert second.counts["wait"] == 1


def test_plan_only_writes_nothing_to_the_operations_database(desk: Desk) -> None:
    desk.wants(BALANCES, "B1", **WANTED)
    made = desk.plan(BALANCES, plan_only=True)
    assert desk.commands() == []
    assert {row.field for row in made.rows} == set(BALANCE)
    assert all(row.action == "send" and row.observed is None for row in made.rows)
    desk.plan(BALANCES, plan_only=True, initial=False)
    assert list(desk.store.exceptions()) == []


def test_an_unsent_command_gives_way_to_a_newer_wish(desk: Desk) -> None:
    desk.wants(BALANCES, "B1", **WANTED)
    desk.plan(BALANCES)
    desk.wants(BALANCES, "B1", **{**WANTED, "net": "11"})
    desk.plan(BALANCES)
    first, second = desk.commands()
    assert (first["state"], second["state"]) == ("superseded", "ready")
    assert second["revision"] == 2


def test_an_unsent_command_is_taken_back_when_nothing_is_left_to_change(desk: Desk) -> None:
    desk.wants(BALANCES, "B1", **WANTED)
    desk.plan(BALANCES)
    desk.holds(BALANCES, "B1", **BALANCE)
    desk.plan(BALANCES)
    assert [one["state"] for one in desk.commands()] == ["superseded"]


def test_a_command_on_its_way_is_waited_for(desk: Desk) -> None:
    desk.wants(BALANCES, "B1", **WANTED)
    desk.plan(BALANCES)
    desk.bring(desk.commands()[0]["command_id"], EventName.SENDING)
    desk.wants(BALANCES, "B1", **{**WANTED, "net": "11"})
    made = desk.plan(BALANCES)
    assert [one["state"] for one in desk.commands()] == ["sending"]
    assert made.counts["wait"] == 1


def test_our_own_newer_write_is_an_echo_and_no_difference(desk: Desk) -> None:
    desk.next_run()
    desk.wants(BALANCES, "B1", **WANTED)
    desk.plan(BALANCES)
    desk.verify_all()
    assert desk.plan(BALANCES).drift_rows == 0
    desk.next_run()
    assert desk.plan(BALANCES).drift_rows == 1, "a later read that lacks the row is drift"
    assert {row[5] for row in desk.differences()} == {"vanished"}


def test_a_refused_row_is_not_sent_again_until_it_is_corrected(desk: Desk) -> None:
    desk.wants(BALANCES, "B1", **WANTED)
    desk.plan(BALANCES)
    desk.bring(desk.commands()[0]["command_id"], EventName.SENDING, EventName.REJECTED)
    desk.next_run()
    made = desk.plan(BALANCES)
    assert (made.counts["none"], made.counts["commands"], made.unexplained_rows) == (1, 0, 0)
    desk.wants(BALANCES, "B1", **{**WANTED, "net": "11"})
    desk.plan(BALANCES)
    assert [one["state"] for one in desk.commands()] == ["rejected", "ready"]


def test_a_value_that_may_not_be_sent_becomes_an_exception(desk: Desk) -> None:
    desk.wants(BALANCES, "B1", **{**WANTED, "net": "10.001", "ctx_region": "SE"})
    made = desk.plan(BALANCES)
    assert desk.commands() == []
    (one,) = desk.store.exceptions(region="SE", customer_id="SAP-1")
    assert (one.code, one.field, one.object_key) == ("invalid_value", "net", "B1")
    assert "more than 2 decimals" in one.message
    assert (one.customer_name, one.invoice, one.amount_text) == ("Corner Shop", "B1", "10")
    assert made.counts["exceptions"] == 1


def test_a_foreign_edit_of_a_status_is_overwritten(desk: Desk) -> None:
    desk.wants(BALANCES, "B1", **WANTED)
    desk.plan(BALANCES)
    desk.verify_all()
    desk.next_run()
    desk.holds(BALANCES, "B1", **{**BALANCE, "net": "99"})
    desk.plan(BALANCES)
    assert desk.differences() == [("B1", "net", "10", "10", "99", "foreign_edit", "send")]


def test_a_row_the_hub_no_longer_wants_is_shown_and_left_alone(desk: Desk) -> None:
    desk.wants(BALANCES, "B1", **WANTED)
    desk.wants(BALANCES, "B2", **WANTED)
    desk.plan(BALANCES)
    desk.verify_all()
    desk.next_run()
    for key in ("B1", "B2"):
        desk.holds(BALANCES, key, **BALANCE)
    desk.drops("sync", BALANCES, "B1")
    desk.plan(BALANCES)
    assert desk.differences() == [("B1", "", None, None, None, "vanished", "none")]
    desk.wants(BALANCES, "B1", **{**WANTED, "net": "11"})
    desk.plan(BALANCES)
    assert [row[5:] for row in desk.differences()] == [("update", "send")], "it returned"


# ---- postings ------------------------------------------------------------------------------------


def test_a_receipt_is_posted_once_and_its_clearing_waits_for_it(desk: Desk) -> None:
    desk.wants(JOURNALS, "R1", **RECEIPT)
    desk.wants(CLEARINGS, "R1", **CLEARING)
    desk.plan(JOURNALS, CLEARINGS)
    posting, clearing = desk.commands()
    assert desk.store.command(str(clearing["command_id"])).command.after == (posting["command_id"],)
    assert (posting["revision"], posting["state"], clearing["state"]) == (1, "ready", "planned")
    payload = json.loads(str(clearing["payload"]))
    assert payload["lines"] == [{"item_key": "I1", "amount": "100"}]
    assert payload["receipt_document"] is None
    desk.plan(JOURNALS, CLEARINGS)
    assert len(desk.commands()) == 2


def test_a_posting_that_the_target_shows_is_not_planned(desk: Desk) -> None:
    desk.wants(JOURNALS, "R1", **RECEIPT)
    desk.holds(JOURNALS, "R1", company_code="U001")
    assert desk.plan(JOURNALS).drift_rows == 0
    assert desk.commands() == []


def test_a_verified_posting_that_the_read_does_not_show_is_never_posted_again(desk: Desk) -> None:
    desk.wants(JOURNALS, "R1", **RECEIPT)
    desk.plan(JOURNALS)
    desk.verify_all()
    desk.next_run()
    desk.wants(JOURNALS, "R1", **{**RECEIPT, "amount": "101"})
    made = desk.plan(JOURNALS)
    assert len(desk.commands()) == 1
    assert (made.counts["none"], made.unexplained_rows) == (1, 1)


def test_the_posting_date_stays_as_planned(desk: Desk) -> None:
    desk.wants(JOURNALS, "R1", **RECEIPT)
    desk.plan(JOURNALS)
    desk.wants(JOURNALS, "R1", **{**RECEIPT, "posting_date": "2026-03-03"})
    desk.plan(JOURNALS)
    assert [one["state"] for one in desk.commands()] == ["ready"]


def test_an_unsent_posting_with_another_payload_is_superseded_with_its_clearing(desk: Desk) -> None:
    desk.wants(JOURNALS, "R1", **{**RECEIPT, "posting_kind": "unidentified"})
    desk.wants(CLEARINGS, "R1", **CLEARING)
    desk.plan(JOURNALS, CLEARINGS)
    desk.wants(JOURNALS, "R1", **RECEIPT)
    desk.plan(JOURNALS, CLEARINGS)
    living = [one for one in desk.commands() if one["state"] != "superseded"]
    assert [(one["object_name"], one["state"]) for one in living] == [
        ("journal_entries", "ready"), ("clearings", "planned"),
    ]  # fmt: skip
    after = desk.store.command(str(living[1]["command_id"])).command.after
    assert after == (living[0]["command_id"],)


def test_a_rejected_posting_is_raised_only_by_a_corrected_source(desk: Desk) -> None:
    desk.wants(JOURNALS, "R1", **RECEIPT)
    desk.plan(JOURNALS)
    desk.bring(desk.commands()[0]["command_id"], EventName.SENDING, EventName.REJECTED)
    desk.plan(JOURNALS)
    assert len(desk.commands()) == 1
    desk.wants(JOURNALS, "R1", **{**RECEIPT, "customer": "0000000002"})
    desk.plan(JOURNALS)
    assert [(one["revision"], one["state"]) for one in desk.commands()] == [
        (1, "rejected"), (2, "ready"),
    ]  # fmt: skip


def test_a_clearing_whose_posting_is_not_planned_is_held(desk: Desk) -> None:
    desk.wants(CLEARINGS, "R1", **CLEARING)
    made = desk.plan(CLEARINGS)
    assert desk.commands() == []
    assert made.counts["wait"] == 1


def test_a_clearing_whose_posting_was_booked_by_hand_is_planned_anew(desk: Desk) -> None:
    desk.wants(JOURNALS, "R1", **RECEIPT)
    desk.wants(CLEARINGS, "R1", **CLEARING)
    desk.plan(JOURNALS, CLEARINGS)
    desk.bring(desk.commands()[0]["command_id"], EventName.SENDING, EventName.REJECTED)
    desk.next_run()
    desk.drops("sync", JOURNALS, "R1")
    booked = {
        "receipt_document": "1400000001",
        "receipt_fiscal_year": "2026",
        "receipt_item": "002",
    }
    desk.wants(CLEARINGS, "R1", **{**CLEARING, **booked, "ctx_after_key": None})
    desk.plan(JOURNALS, CLEARINGS)
    assert [one["state"] for one in desk.commands("clearings")] == ["superseded", "ready"]


# ---- credit --------------------------------------------------------------------------------------


def test_a_first_load_needs_initial_and_is_then_open_for_good(desk: Desk) -> None:
    desk.wants(BALANCES, "B1", **WANTED)
    made = desk.plan(BALANCES, initial=False)
    assert desk.commands() == []
    assert made.is_stopped
    assert "run once with --initial" in made.messages[0]
    assert {row[6] for row in desk.differences()} == {"wait"}
    desk.drops("sync", BALANCES, "B1")
    desk.plan(BALANCES, initial=True)
    desk.wants(BALANCES, "B1", **WANTED)
    desk.plan(BALANCES, initial=False)
    assert len(desk.commands()) == 1


def test_an_untied_company_gets_no_posting_and_the_others_go_on(desk: Desk) -> None:
    desk.tie("U001", difference="0.01")
    desk.tie("U002")
    desk.wants(JOURNALS, "R1", **RECEIPT)
    desk.wants(JOURNALS, "R2", **{**RECEIPT, "company_code": "U002", "ctx_company_code": "U002"})
    made = desk.plan(JOURNALS)
    assert [one["business_key"] for one in desk.commands()] == ["R2"]
    assert "U001: sub-ledger and GL differ by 0.010000 USD" in made.messages[0]
    (one,) = desk.store.exceptions()
    assert (one.code, one.object_key) == ("guard_gl_tie", "U001")


def test_a_company_without_a_tie_gets_no_posting(desk: Desk) -> None:
    desk.wants(JOURNALS, "R1", **{**RECEIPT, "ctx_company_code": "U009"})
    made = desk.plan(JOURNALS)
    assert desk.commands() == []
    assert made.is_stopped


def test_too_many_changes_stop_the_object(desk: Desk) -> None:
    desk.wants(BALANCES, "B0", **WANTED)
    desk.plan(BALANCES)
    desk.verify_all()
    desk.next_run()
    desk.holds(BALANCES, "B0", **BALANCE)
    guards = GuardPolicy(objects={BALANCES: ObjectGuards(changes_count_max=2)})
    desk.policy = desk.policy.model_copy(update={"guards": guards})
    for number in range(1, 4):
        desk.wants(BALANCES, f"B{number}", **WANTED)
    made = desk.plan(BALANCES)
    assert len(desk.commands()) == 1
    assert made.messages == ["crm balances: 3 rows change, 2 may"]


def test_an_empty_view_stops_instead_of_vanishing(desk: Desk) -> None:
    desk.wants(BALANCES, "B1", **WANTED)
    desk.plan(BALANCES)
    desk.verify_all()
    desk.next_run()
    desk.holds(BALANCES, "B1", **BALANCE)
    desk.drops("sync", BALANCES, "B1")
    made = desk.plan(BALANCES)
    assert made.is_stopped
    assert "the source looks empty" in made.messages[0]


def test_a_failed_or_old_read_stops_what_it_feeds(desk: Desk) -> None:
    desk.wants(BALANCES, "B1", **WANTED)
    failed = SourceHealth(SAP, "sap_s4hana", problem="column CompanyCode vanished")
    assert desk.plan(BALANCES, sources=[failed]).is_stopped
    old = SourceHealth(SAP, "sap_s4hana", read_at=desk.now - timedelta(hours=25))
    assert desk.plan(BALANCES, sources=[old]).is_stopped
    other = SourceHealth("bank", "bank_files", problem="no folder")
    assert not desk.plan(BALANCES, sources=[other]).is_stopped


def test_shadow_records_and_holds_off_does_not_even_compare(desk: Desk) -> None:
    desk.wants(BALANCES, "B1", **WANTED)
    assert desk.plan(BALANCES, modes=Modes(by_system={CRM: "off"})).objects == []
    desk.plan(BALANCES, modes=Modes(by_system={CRM: "shadow"}))
    assert [one["state"] for one in desk.commands()] == ["planned"]


def test_a_flow_of_the_policy_is_only_ever_stricter(desk: Desk) -> None:
    desk.wants(BALANCES, "B1", **WANTED)
    desk.policy = desk.policy.model_copy(update={"flows": {"crm": "approve_all"}})
    desk.plan(BALANCES)
    assert [one["state"] for one in desk.commands()] == ["awaiting_approval"]


def test_only_plans_the_named_systems(desk: Desk) -> None:
    desk.wants(BALANCES, "B1", **WANTED)
    assert desk.plan(BALANCES, only=[SAP]).objects == []


def test_people_are_told_whose_region_a_row_is_in(desk: Desk) -> None:
    desk.connection.execute(
        "create table marts.dim_customers as"
        " select * from (values ('SAP-0000000001', 'CA')) as t(customer_id, country)"
    )
    desk.wants(BALANCES, "B1", **{**WANTED, "ctx_customer_id": "SAP-0000000001"})
    desk.wants(BALANCES, "B2", **{**WANTED, "ctx_customer_id": "SAP-0000000002"})
    desk.plan(BALANCES)
    stored = [desk.store.command(str(one["command_id"])) for one in desk.commands()]
    regions = {one.command.business_key: one.command.subject.get("region") for one in stored if one}
    assert regions == {"B1": "CA", "B2": None}


MEMO = {
    "company_code": "U001", "customer": "0000000001", "posting_kind": "credit_memo", "amount": "10",
    "currency_code": "USD", "posting_date": "2026-03-02", "document_date": "2026-03-02",
    "reason_code": "PRICE", "invoice_number": "I1", "item_text": "D1", "is_agreed": "false",
    "ctx_amount": "10", "ctx_currency_code": "USD", "ctx_correlation_id": "dispute-D1",
    "ctx_company_code": "U001",
}  # fmt: skip
MEMOS = "sap_s4hana.credit_memos"


def test_a_credit_memo_that_nobody_agreed_to_waits_under_the_rule_of_its_kind(desk: Desk) -> None:
    desk.wants(MEMOS, "D1-V1", **MEMO)
    desk.wants(MEMOS, "D2-V1", **{**MEMO, "posting_kind": "write_off"})
    desk.wants(MEMOS, "D3-V1", **{**MEMO, "is_agreed": "true"})
    desk.plan(MEMOS)
    found = {c["business_key"]: (c["state"], c["approval_rule"]) for c in desk.commands()}
    assert found == {
        "D1-V1": ("awaiting_approval", "credit_memo"),
        "D2-V1": ("awaiting_approval", "write_off"),
        "D3-V1": ("ready", ""),
    }


def test_a_memo_that_was_agreed_to_meanwhile_takes_the_place_of_the_waiting_one(desk: Desk) -> None:
    desk.wants(MEMOS, "D1-V1", **MEMO)
    desk.plan(MEMOS)
    desk.wants(MEMOS, "D1-V1", **{**MEMO, "is_agreed": "true"})
    desk.plan(MEMOS)
    states = sorted(str(c["state"]) for c in desk.commands())
    assert states == ["ready", "superseded"]
