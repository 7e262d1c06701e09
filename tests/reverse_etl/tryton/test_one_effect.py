"""Tryton has no unique reference: each step of an effect is found in the books, and not done again.

Whole syncs that race and die: tests/contract/tryton. Counted in Tryton's own tables per key, never
as debit = credit: a doubled receipt balances.
"""

from datetime import date
from decimal import Decimal
from typing import Any

from reverse_etl.delivery.writer import Accepted
from tests.reverse_etl.tryton.conftest import Desk
from tests.reverse_etl.tryton.orders import application, line, payment


def test_drafts_of_an_earlier_try_are_used_and_doubles_of_them_removed(desk: Desk) -> None:
    one = payment("drafted0000000000000", "33")
    desk.hub("send", one)
    ((posted, _),) = desk.moves(one.external_key)
    two = payment("drafted1000000000000", "34")

    async def copied(people: Any) -> None:
        for _ in range(2):
            values = {"description": f"{two.external_key} BK", "number": None}
            await people.call("account.move.copy", [posted], values)

    desk.people(copied)
    assert [state for _, state in desk.moves(two.external_key)] == ["draft", "draft"]
    (outcome,) = desk.hub("send", two)
    assert isinstance(outcome, Accepted)
    assert [state for _, state in desk.moves(two.external_key)] == ["posted"]


def test_an_application_is_not_made_twice(desk: Desk) -> None:
    invoice = desk.invoice("45", "TWICE")
    (paid,) = desk.hub("send", payment("twice000000000000000", "45"))
    one = application(
        "twice000000000000000", [line(invoice, "45")], document=paid.native_id.split("/")[-1]
    )
    assert [type(outcome) for outcome in desk.hub("send", one, one)] == [Accepted, Accepted]
    assert desk.state_of(invoice) == "paid"


def test_what_a_clerk_paid_by_the_wizard_is_not_paid_again(desk: Desk) -> None:
    invoice = desk.invoice("100", "WIZARD")
    desk.people(
        lambda people: people.pay_by_wizard(invoice["id"], Decimal(40), date(2026, 5, 20), "cheque")
    )
    (paid,) = desk.hub("send", payment("wizard00000000000000", "60"))
    document = paid.native_id.split("/")[-1]
    (too_much,) = desk.hub("send", payment("wizard10000000000000", "61"))
    other = too_much.native_id.split("/")[-1]
    over = application("wizard10000000000000", [line(invoice, "61")], document=other)
    rest = application("wizard00000000000000", [line(invoice, "60")], document=document)
    refused, applied = desk.hub("send", over, rest)
    assert (refused.code, type(applied)) == ("over_application", Accepted)
    assert desk.state_of(invoice) == "paid"
