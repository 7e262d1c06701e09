"""Disputes in the log: who may say what, and that nothing of the money gets lost on the way."""

from datetime import timedelta
from decimal import Decimal

import pytest

from reverse_etl.ledger.disputes import DisputeLine, Disputes, NewDispute
from tests.reverse_etl.ledger.commands import NOW


def new(dispute_id: str = "DSP-1", *amounts: str, **more: object) -> NewDispute:
    values = {
        "dispute_id": dispute_id, "system_id": "sap", "company_code": "U001",
        "customer_id": "SAP-1", "customer": "1", "reason_code": "PRICE", "currency_code": "USD",
        "lines": [
            DisputeLine(f"item-{n}", "r1", Decimal(amount))
            for n, amount in enumerate(amounts or ("10",))
        ],
        "due_at": NOW + timedelta(days=30), "external_code": "P1",
    }  # fmt: skip
    return NewDispute(**(values | more))


@pytest.fixture
def desk(store):
    return Disputes(store)


def opened(desk, *amounts):
    desk.open([new("DSP-1", *amounts)])
    return desk.get("DSP-1")


def test_a_known_dispute_is_not_opened_again(desk, store):
    assert desk.open([new(), new()]) == ["DSP-1"]
    assert desk.open([new(), new("DSP-2")]) == ["DSP-2"]
    assert [one.dispute_id for one in desk.list()] == ["DSP-1", "DSP-2"]
    assert desk.get("DSP-1").status == "new"


@pytest.mark.parametrize("amount", ["0", "-1"])
def test_a_dispute_needs_money_in_every_line(desk, amount):
    with pytest.raises(ValueError, match="above zero"):
        desk.open([new("DSP-1", "1", amount)])
    assert desk.get("DSP-1") is None


@pytest.mark.parametrize(
    ("verdict", "amount", "status", "accepted"),
    [
        ("valid", None, "valid", ["10", "5"]),
        ("partly", "12", "partly_valid", ["10", "2"]),
        ("partly", "3", "partly_valid", ["3", "0"]),
        ("invalid", None, "denied", ["0", "0"]),
    ],
)
def test_what_is_accepted_is_handed_to_the_lines_to_the_cent(
    desk, verdict, amount, status, accepted
):
    opened(desk, "10", "5")
    answer = desk.decide(
        "DSP-1",
        verdict,
        by="ada",
        reason="seen",
        amount=None if amount is None else Decimal(amount),
    )
    assert answer.is_done
    found = desk.get("DSP-1")
    assert (found.status, found.version, found.decided_by) == (status, 1, "ada")
    assert [line.accepted for line in found.lines] == [Decimal(a) for a in accepted]


@pytest.mark.parametrize("amount", ["0", "10", "11", "-1"])
def test_a_part_lies_between_nothing_and_all(desk, amount):
    opened(desk)
    answer = desk.decide("DSP-1", "partly", by="ada", reason="x", amount=Decimal(amount))
    assert (answer.is_done, answer.code) == (False, "wrong_amount")
    assert desk.decide("DSP-1", "partly", by="ada", reason="x").code == "wrong_amount"
    assert desk.get("DSP-1").version == 0


def test_who_decided_never_agrees_and_nobody_agrees_twice(desk):
    opened(desk)
    assert desk.approve("DSP-1", 0, by="bob", reason="x").code == "not_awaiting"
    desk.decide("DSP-1", "valid", by="ada", reason="x", os_user="ada-pc")
    assert desk.approve("DSP-1", 1, by="Ada", reason="x").code == "self_approval"
    assert desk.approve("DSP-1", 1, by="eve", reason="x", os_user="ada-pc").code == "self_approval"
    assert desk.approve("DSP-1", 1, by="bob", reason="x").code == "approved"
    assert desk.approve("DSP-1", 1, by="BOB", reason="x").code == "same_person"
    assert desk.approve("DSP-1", 1, by="cyd", reason="x").is_done
    assert desk.get("DSP-1").approvals == ("bob", "cyd")


def test_an_agreement_dies_with_the_version_it_was_given_to(desk):
    opened(desk)
    desk.decide("DSP-1", "valid", by="ada", reason="x")
    desk.approve("DSP-1", 1, by="bob", reason="x")
    desk.decide("DSP-1", "partly", by="ada", reason="y", amount=Decimal(4))
    assert desk.get("DSP-1").approvals == ()
    assert desk.approve("DSP-1", 1, by="bob", reason="x").code == "stale"
    assert desk.approve("DSP-1", 2, by="bob", reason="x").is_done


def test_a_write_off_comes_only_after_the_customer_was_denied(desk):
    opened(desk)
    assert desk.decide("DSP-1", "write_off", by="ada", reason="x").code == "not_decidable"
    desk.decide("DSP-1", "invalid", by="ada", reason="x")
    assert desk.move("DSP-1", "repay_requested", by="ada", reason="letter").is_done
    assert desk.move("DSP-1", "reopened", by="ada", reason="no answer").is_done
    assert desk.decide("DSP-1", "write_off", by="ada", reason="x").is_done
    found = desk.get("DSP-1")
    assert (found.status, found.lines[0].accepted) == ("write_off_requested", Decimal(10))


@pytest.mark.parametrize("status", ["posted", "repay_requested", "reopened"])
def test_a_step_that_is_none_is_refused(desk, status):
    opened(desk)
    assert desk.move("DSP-1", status, by="ada", reason="x").code == "not_movable"
    assert desk.get("DSP-1").status == "new"


def test_what_is_over_is_decided_no_more(desk):
    opened(desk)
    desk.move("DSP-1", "closed", by="ledgerloop", reason="paid")
    assert desk.decide("DSP-1", "valid", by="ada", reason="x").code == "not_decidable"
    assert list(desk.list()) == []
    assert desk.get("DSP-1").closed_at is not None


def test_assigning_recoding_and_a_new_day_leave_the_rest(desk):
    opened(desk)
    later = NOW + timedelta(days=60)
    desk.move(
        "DSP-1",
        "assigned",
        by="ada",
        reason="x",
        assigned_to="eve",
        reason_code="TAX",
        due_at=later,
    )
    desk.move("DSP-1", "awaiting_customer", by="eve", reason="asked")
    found = desk.get("DSP-1")
    assert (found.assigned_to, found.reason_code, found.status) == (
        "eve", "TAX", "awaiting_customer",
    )  # fmt: skip
    assert found.due_at.startswith(later.date().isoformat())


def test_a_split_makes_parts_of_the_whole_and_voids_it(desk):
    opened(desk, "10", "5")
    wrong = desk.split("DSP-1", [("TAX", Decimal(7)), ("QTY", Decimal(7))], by="ada", reason="x")
    assert wrong.code == "wrong_amount"
    done = desk.split("DSP-1", [("TAX", Decimal(12)), ("QTY", Decimal(3))], by="ada", reason="x")
    assert done.is_done
    assert desk.get("DSP-1").status == "void"
    tax, qty = sorted(desk.list(), key=lambda one: one.amount, reverse=True)
    assert (tax.reason_code, tax.amount, qty.reason_code, qty.amount) == (
        "TAX", Decimal(12), "QTY", Decimal(3),
    )  # fmt: skip
    per_item: dict[str, Decimal] = {}
    for one in (tax, qty):
        for line in one.lines:
            per_item[line.item_key] = per_item.get(line.item_key, Decimal(0)) + line.amount
    assert per_item == {"item-0": Decimal(10), "item-1": Decimal(5)}


def test_a_merge_joins_disputes_of_one_customer_only(desk):
    desk.open([new("DSP-1", "10"), new("DSP-2", "4"), new("DSP-3", "4", customer_id="SAP-2")])
    assert desk.merge(["DSP-1", "DSP-3"], by="ada", reason="x").code == "not_alike"
    assert desk.merge(["DSP-1", "DSP-1"], by="ada", reason="x").code == "unknown_dispute"
    done = desk.merge(["DSP-1", "DSP-2"], by="ada", reason="one claim")
    joined = desk.get(done.message)
    assert joined.amount == Decimal(14)
    assert len(joined.lines) == 1, "one item and one receipt are one line"
    assert {desk.get(one).status for one in ("DSP-1", "DSP-2")} == {"void"}


def test_nobody_decides_a_dispute_that_is_not_there(desk):
    assert desk.decide("DSP-9", "valid", by="ada", reason="x").code == "unknown_dispute"
    assert desk.approve("DSP-9", 1, by="ada", reason="x").code == "unknown_dispute"
    assert desk.move("DSP-9", "closed", by="ada", reason="x").code == "unknown_dispute"
    opened(desk)
    assert desk.decide("DSP-1", "perhaps", by="ada", reason="x").code == "unknown_verdict"


def test_disputes_are_rebuilt_from_the_log_and_the_chain_holds(desk, store):
    opened(desk, "10", "5")
    desk.decide("DSP-1", "partly", by="ada", reason="x", amount=Decimal("12.34"))
    desk.approve("DSP-1", 1, by="bob", reason="x")
    desk.split("DSP-1", [("TAX", Decimal(1)), ("QTY", Decimal(14))], by="ada", reason="late")
    before, mirrored = desk.get("DSP-1"), list(store.mirror.disputes())
    store.rebuild()
    assert desk.get("DSP-1") == before
    assert list(store.mirror.disputes()) == mirrored
    assert store.verify_audit().is_intact
