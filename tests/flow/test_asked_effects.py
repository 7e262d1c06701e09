"""What banks take back and what people ask for, on every ERP of the world at once.

The world after its demo, three loops. In each ERP the bank takes a payment back that the hub had
applied, a customer prepays twice and is charged by a debit memo. Then one prepayment is given back
by a person, and the bank takes the other one. The last loop must find nothing to do, and every
company's books must tie.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from sandbox.core.serve import Options
from sandbox.demo.serving import systems_and_settings
from tests.flow.camt import Movement
from tests.flow.desk import Desk
from tests.flow.scene import Finished, Scene
from tests.flow.stage import Stage, story
from tests.flow.test_the_loop_closes import world
from tests.support.dbt import take_parse_along
from tests.support.serving import serve_sandbox

#: Whole, because one of the companies keeps its books in yen.
CHARGE, PREPAID, TAKEN = Decimal(35), "812", "613"
#: One receipt of each ERP that the hub booked and applied whole.
_APPLIED = """
    select receipts.system_id, receipts.company_code, receipts.currency_code, receipts.receipt_id,
        receipts.bank_reference as reference, cast(receipts.amount as varchar) as amount,
        customers.customer_id, customers.customer
    from marts.fct_receipts as receipts
    inner join ledger.commands as commands
        on receipts.receipt_id = commands.business_key
        and commands.object_name in ('clearings', 'applications') and commands.state = 'verified'
    inner join marts.dim_customers as customers
        on receipts.booked_customer_id = customers.customer_id
    where receipts.booked_by = 'hub' and receipts.bank_line = 'hub'
        and receipts.amount_unapplied = 0 and receipts.needs_review_reason is null
    qualify row_number() over (partition by receipts.system_id order by receipts.receipt_id) = 1
    order by 1
"""
#: What that receipt's command paid, by the number that people use for it.
_PAID = """
    with lines as (
        select system_id, business_key as receipt_id,
            unnest(json_extract(payload, '$.lines[*]')) as line
        from ledger.commands
        where object_name in ('clearings', 'applications') and state = 'verified'
    )
    select items.invoice_number as number,
        sum(cast(lines.line ->> '$.amount' as decimal(28, 6))) as amount
    from lines inner join marts.fct_open_items as items
        on lines.system_id = items.system_id and lines.line ->> '$.item_key' = items.item_key
    where lines.system_id = ? and lines.receipt_id = ?
    group by all
"""
_RECEIPT = "select * from marts.fct_receipts where bank_reference = ?"


@dataclass
class Told:
    """What every loop said, what was asked for, and who of which ERP it was about."""

    scene: Scene
    applied: dict[str, dict[str, Any]]
    runs: list[tuple[Finished, dict[str, Any]]] = field(default_factory=list)
    said: list[Finished] = field(default_factory=list)

    def rows(self, query: str, *values: str) -> list[dict[str, Any]]:
        """Rows of the published warehouse."""
        file = (self.scene.home / "published" / "warehouse.duckdb").resolve()
        with duckdb.connect(str(file), read_only=True) as connection:
            found = connection.execute(query, list(values))
            names = [column[0] for column in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def say(self, *arguments: str, by: str) -> Finished:
        done = self.scene.ledgerloop(*arguments, "--as", by, LOGNAME=by)
        self.said.append(done)
        return done

    def agreed(self, *arguments: str) -> None:
        """Anna asks, others agree: as many as the policy wants."""
        done = self.say(*arguments, "--json", by="anna")
        assert done.code == 0, done.err
        command = json.loads(done.out)["command_id"]
        for person in ("maria", "piet"):
            done = self.say("approve", command[:12], "--reason", "seen", by=person)
            if "needs_second" not in done.out:
                break

    def due(self, system_id: str, number: str) -> list[dict[str, Any]]:
        """What is open under a number: the item of that number, or one that names it."""
        query = """
            select * from marts.fct_open_items
            where system_id = ? and amount_open <> 0
                and list_contains(string_split("references", ';'), ?)
        """
        return self.rows(query, system_id, number)


@story
def asked_effects(stage: Stage) -> Told:
    return tell(stage.enter(going_on(stage.of(world).home, stage.folder / "asked-effects")))


@contextmanager
def going_on(template: Path, home: Path) -> Iterator[Scene]:
    """The world's vendors again, each with its own companies and saved books."""
    shutil.copytree(template, home, symlinks=True)
    take_parse_along(template, home)
    state = home / "sandbox" / "state"
    systems, settings = systems_and_settings(is_extract=False, companies=None, state=state)
    options = Options(home=home, state=state, systems=systems, settings=settings)
    with serve_sandbox(options) as endpoints:
        yield Scene(home, endpoints)


def tell(scene: Scene) -> Told:
    told = Told(scene, {})
    told.applied = {row["system_id"]: row for row in told.rows(_APPLIED)}
    desk = Desk(scene)
    for one in told.applied.values():
        words = f"{one['customer']} prepayment for June"
        desk.pay(
            one["company_code"],
            Movement(named("BACK", one), one["amount"], "no funds", returns=one["reference"]),
            Movement(named("PRE", one), PREPAID, words),
            Movement(named("TOP", one), TAKEN, words),
            currency=one["currency_code"],
        )
        told.agreed(
            "debit-memo", one["customer_id"], "--company", one["company_code"],
            "--amount", str(CHARGE), "--currency", one["currency_code"], "--reason", "BANK-FEE",
            "--text", "Returned payment", "--reference", f"DM-{one['company_code']}",
        )  # fmt: skip
    told.runs.append(scene.sync())
    for one in told.applied.values():
        (prepaid,) = told.rows(_RECEIPT, named("PRE", one))
        told.agreed("refund", prepaid["receipt_id"], "--reason", "cancelled")
        taken = Movement(named("TBK", one), TAKEN, "no funds", returns=named("TOP", one))
        desk.pay(one["company_code"], taken, currency=one["currency_code"])
    told.runs.append(scene.sync())
    told.runs.append(scene.sync())
    return told


def named(what: str, one: Mapping[str, Any]) -> str:
    """The bank's reference of one of the story's movements."""
    return f"{what}{one['reference']}"[:16]


@pytest.fixture(scope="module")
def told(stage: Stage) -> Told:
    return stage.of(asked_effects)


def test_every_erp_takes_part(told: Told) -> None:
    assert {"sap_emea", "netsuite_na", "d365_apac", "workday_services"} <= set(told.applied)
    assert [(one.code, one.err) for one in told.said if one.code] == []


def test_every_loop_ends_well_and_the_last_one_finds_nothing_to_do(told: Told) -> None:
    for finished, _ in told.runs:
        assert finished.code == 0, finished.err + finished.out
    assert told.runs[-1][1]["writes"] == 0


def test_what_a_returned_payment_had_paid_is_open_again_and_the_receipt_is_used_up(
    told: Told,
) -> None:
    for system_id, one in told.applied.items():
        numbers = {
            row["number"]: row["amount"] for row in told.rows(_PAID, system_id, one["receipt_id"])
        }
        assert numbers
        for number, amount in numbers.items():
            left = sum(item["amount_open"] for item in told.due(system_id, number))
            assert left == amount, (system_id, number)
        for reference in (one["reference"], named("PRE", one), named("TOP", one)):
            (receipt,) = told.rows(_RECEIPT, reference)
            assert receipt["amount_unapplied"] == 0, (system_id, reference)


def test_a_debit_memo_is_an_open_item_of_its_customer_under_its_number(told: Told) -> None:
    for system_id, one in told.applied.items():
        (item,) = told.due(system_id, f"DM-{one['company_code']}")
        assert (item["customer_id"], item["amount_open"]) == (one["customer_id"], CHARGE)
        assert item["item_class"] == "invoice"


def test_every_company_ties_and_nothing_is_left_to_a_person(told: Told) -> None:
    ties = told.rows("select is_tied from marts.rec_gl_ties")
    assert ties
    assert all(one["is_tied"] for one in ties)
    assert [one for one in told.scene.exceptions() if one["state"] == "open"] == []
