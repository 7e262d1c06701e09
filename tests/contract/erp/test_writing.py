"""Every ERP kind writes alike: one effect per command, refusals as values, no blind overwriting."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Literal

import pytest

from ingestion.common.transport import Transport
from reverse_etl.delivery.verifying import differences
from reverse_etl.delivery.writer import (
    Absent,
    Accepted,
    Found,
    Rejected,
    Retry,
    Sending,
    Unknown,
)
from reverse_etl.planning.governance import load_governance
from reverse_etl.writers import create_writer
from tests.contract.erp.bench import CLOSED_DAY, ErpBench
from tests.contract.erp.wires import Disturbed

Act = Callable[[Any], Any]
Verb = Literal["send", "look_up", "read_back"]


def call(
    bench: ErpBench, act: Act, verb: Verb, batch: Sequence[Sending], wire: Transport | None = None
) -> list[Any]:
    """``writer.<verb>(batch)`` with the kind's own writer, in the batch's order."""

    async def work() -> list[Any]:
        writer = create_writer(bench.system, wire or bench.transport(), load_governance())
        found = await getattr(writer, verb)(batch)
        return [found[one.command.command_id] for one in batch]

    found: list[Any] = act(work())
    return found


def wrong_fields(bench: ErpBench, act: Act, sending: Sending) -> dict[str, Any]:
    """What the target shows otherwise than it was sent."""
    writer = create_writer(bench.system, bench.transport(), load_governance())
    limits = writer.limits(sending.command.object_name, sending.command.operation)
    (shown,) = call(bench, act, "read_back", [sending])
    assert shown.fields is not None
    return dict(differences(sending.command.payload, shown.fields, limits.unreadable_fields))


def posted(bench: ErpBench, act: Act, sending: Sending) -> str:
    """Post a payment; its native id."""
    (outcome,) = call(bench, act, "send", [sending])
    assert isinstance(outcome, Accepted), outcome
    (found,) = call(bench, act, "look_up", [sending])
    assert isinstance(found, Found)
    return found.native_id


def test_a_payment_is_posted_found_and_read_back_as_it_was_sent(
    bench: ErpBench, act: Act, name: str
) -> None:
    one = bench.payment(f"{name}0000000000", "125.5")
    assert call(bench, act, "look_up", [one]) == [Absent()]
    posted(bench, act, one)
    assert wrong_fields(bench, act, one) == {}
    assert bench.effects(one) == 1


@pytest.mark.parametrize(("currency_code", "amount"), [("JPY", "4321"), ("KWD", "1.234")])
def test_amounts_keep_every_digit_their_currency_has(
    bench: ErpBench, act: Act, name: str, currency_code: str, amount: str
) -> None:
    if currency_code not in bench.shape.currencies:
        pytest.skip(f"the bench's company has no {currency_code}")
    one = bench.payment(f"{name}0000000000", amount, currency_code=currency_code)
    posted(bench, act, one)
    assert wrong_fields(bench, act, one) == {}


def test_an_amount_with_more_digits_than_the_currency_has_is_refused(
    bench: ErpBench, act: Act, name: str
) -> None:
    one = bench.payment(f"{name}0000000000", "100.001")
    (outcome,) = call(bench, act, "send", [one])
    assert isinstance(outcome, Rejected)
    assert bench.effects(one) == 0


def test_an_answer_lost_after_the_effect_is_unknown_and_the_look_up_finds_it(
    bench: ErpBench, act: Act, name: str
) -> None:
    one = bench.payment(f"{name}0000000000", "77")
    wire = Disturbed(bench.transport(), bench.shape.write_path, bench.shape.write_method)
    wire.lost = frozenset({1})
    (outcome,) = call(bench, act, "send", [one], wire)
    assert isinstance(outcome, Unknown)
    (found,) = call(bench, act, "look_up", [one])
    assert isinstance(found, Found)
    assert bench.effects(one) == 1


def test_the_same_command_sent_twice_has_one_effect(bench: ErpBench, act: Act, name: str) -> None:
    one = bench.payment(f"{name}0000000000", "78")
    native_id = posted(bench, act, one)
    (again,) = call(bench, act, "send", [one])
    assert isinstance(again, Accepted), again
    assert bench.effects(one) == 1
    assert call(bench, act, "look_up", [one]) == [Found(native_id)]
    assert wrong_fields(bench, act, one) == {}


def test_a_write_that_is_throttled_had_no_effect_and_may_be_sent_again(
    bench: ErpBench, act: Act, name: str
) -> None:
    one = bench.payment(f"{name}0000000000", "79")
    wire = Disturbed(bench.transport(), bench.shape.write_path, bench.shape.write_method)
    wire.answers = {1: bench.throttled()}
    (outcome,) = call(bench, act, "send", [one], wire)
    assert isinstance(outcome, Retry)
    assert outcome.is_system_wide
    assert bench.effects(one) == 0


def test_a_posting_into_a_closed_period_is_refused_as_business(
    bench: ErpBench, act: Act, name: str
) -> None:
    closed = CLOSED_DAY.isoformat()
    one = bench.payment(f"{name}0000000000", "80", posting_date=closed)
    (outcome,) = call(bench, act, "send", [one])
    assert isinstance(outcome, Rejected)
    assert outcome.is_business
    assert bench.effects(one) == 0


def test_a_payment_is_applied_once_and_closes_its_invoice(
    bench: ErpBench, act: Act, name: str
) -> None:
    line = act(bench.post_invoice(f"{name}I", Decimal("60.00")))
    native_id = posted(bench, act, bench.payment(f"{name}0000000000", "60.00"))
    one = bench.application(f"{name}0000000000", [line], native_id)
    for _ in range(2):
        (outcome,) = call(bench, act, "send", [one])
        if isinstance(
            outcome, Rejected
        ):  # cleared before: a vendor may say so, and nothing changes
            break
    bench.move_clock(bench.shape.settle_seconds + 1)
    assert act(bench.open_amount(f"{name}I")) == 0
    assert isinstance(call(bench, act, "look_up", [one])[0], Found)
    assert wrong_fields(bench, act, one) == {}


def test_an_application_whose_answer_is_lost_is_found(bench: ErpBench, act: Act, name: str) -> None:
    line = act(bench.post_invoice(f"{name}L", Decimal("61.00")))
    native_id = posted(bench, act, bench.payment(f"{name}0000000000", "61.00"))
    one = bench.application(f"{name}0000000000", [line], native_id)
    call(bench, act, "send", [one])
    bench.move_clock(bench.shape.settle_seconds + 1)
    assert isinstance(call(bench, act, "look_up", [one])[0], Found)


def test_a_part_of_an_invoice_is_paid_and_the_rest_stays_open(
    bench: ErpBench, act: Act, name: str
) -> None:
    if not bench.shape.applies_parts:
        pytest.skip("this vendor clears whole items and makes a new one of the rest")
    line = act(bench.post_invoice(f"{name}H", Decimal("100.00")))
    native_id = posted(bench, act, bench.payment(f"{name}0000000000", "40.00"))
    part = {**line, "amount": "40.00", "kind": "partial", "open_amount": "100.00"}
    one = bench.application(f"{name}0000000000", [part], native_id)
    (outcome,) = call(bench, act, "send", [one])
    assert isinstance(outcome, Accepted), outcome
    bench.move_clock(bench.shape.settle_seconds + 1)
    assert act(bench.open_amount(f"{name}H")) == Decimal("60.00")
    assert wrong_fields(bench, act, one) == {}


def test_more_than_is_open_is_refused_as_business_and_changes_nothing(
    bench: ErpBench, act: Act, name: str
) -> None:
    line = act(bench.post_invoice(f"{name}O", Decimal("50.00")))
    native_id = posted(bench, act, bench.payment(f"{name}0000000000", "90.00"))
    one = bench.application(f"{name}0000000000", [{**line, "amount": "90.00"}], native_id)
    (outcome,) = call(bench, act, "send", [one])
    bench.move_clock(bench.shape.settle_seconds + 1)
    if isinstance(outcome, Accepted):  # asynchronous: the refusal shows in the read-back
        (shown,) = call(bench, act, "read_back", [one])
        outcome = shown.rejection
    assert isinstance(outcome, Rejected)
    assert outcome.is_business
    assert act(bench.open_amount(f"{name}O")) == Decimal("50.00")


def test_a_limit_is_set_read_back_and_set_again_without_harm(bench: ErpBench, act: Act) -> None:
    one = bench.credit_limit("7500")
    for _ in range(2):
        (outcome,) = call(bench, act, "send", [one])
        assert isinstance(outcome, Accepted), outcome
        bench.move_clock(bench.shape.settle_seconds + 1)
        assert wrong_fields(bench, act, one) == {}
    assert isinstance(call(bench, act, "look_up", [one])[0], Found)


def test_a_row_that_somebody_changed_meanwhile_is_not_overwritten_blindly(
    bench: ErpBench, act: Act
) -> None:
    if not bench.shape.has_etags:
        pytest.skip("this vendor has no versions of rows")
    one = bench.credit_limit("8500")

    async def meddle() -> None:
        await bench.change_limit(Decimal(123))

    wire = Disturbed(bench.transport(), bench.shape.state_path, bench.shape.state_method)
    wire.before = {1: meddle}
    (outcome,) = call(bench, act, "send", [one], wire)
    assert isinstance(outcome, Retry), outcome
    assert wrong_fields(bench, act, one)
    (outcome,) = call(bench, act, "send", [one])
    assert isinstance(outcome, Accepted)
    assert wrong_fields(bench, act, one) == {}
