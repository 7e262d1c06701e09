"""What a person must decide waits for a person; what a person did in the ERP is not undone.

One scene after the first loop, where a hold waits for approval. A person tries to approve it as the
hub itself, another approves it; meanwhile somebody edits a limit and sets a hold in SAP. Then one
loop.
"""

import sqlite3
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.flow import independent_check
from tests.flow.independent_check import Findings
from tests.flow.scene import Finished, Scene
from tests.flow.stage import Stage, story
from tests.flow.test_the_loop_closes import demo

HOLD = "01"
PERSONS_HOLD = "02"


@dataclass(frozen=True)
class Told:
    """Before, what people did, and what the loop made of it."""

    scene: Scene
    held_customer: str
    listed: Finished
    by_the_hub: Finished
    by_maria: Finished
    edited_customer: str
    edited_limit: str
    persons_customer: str
    before: dict[str, dict[str, Any]]
    finished: Finished
    report: dict[str, Any]
    after: dict[str, dict[str, Any]]
    waiting: list[dict[str, Any]]
    findings: Findings


@story
def approvals(stage: Stage) -> Told:
    scene = stage.scene(stage.of(demo).home, "approvals")
    listed = scene.ledgerloop("approvals", "list")
    (waiting,) = commands(scene, "awaiting_approval")
    held = waiting["business_key"].partition("/")[0]
    command = waiting["command_id"][:12]
    reason = ("--reason", "over the limit")
    by_the_hub = scene.ledgerloop("approve", command, "--as", "ledgerloop", *reason)
    by_maria = scene.ledgerloop("approve", command, "--as", "maria", *reason)

    before = scene.credit_accounts()
    edited, persons = [
        customer
        for customer, row in sorted(before.items())
        if customer != held
        and Decimal(row["CreditLimitAmount"])
        and not row["CreditAccountIsBlocked"]
    ][:2]
    limit = str(Decimal(before[edited]["CreditLimitAmount"]) + 1000)
    scene.edit_credit_account(edited, CreditLimitAmount=limit)
    scene.edit_credit_account(
        persons, CreditAccountIsBlocked=True, CreditAccountBlockReason=PERSONS_HOLD
    )
    finished, report = scene.sync()
    return Told(
        scene, held, listed, by_the_hub, by_maria, edited, limit, persons, before, finished, report,
        scene.credit_accounts(), commands(scene, "awaiting_approval"),
        independent_check.check(scene.endpoints, date.fromisoformat(scene.as_of), scene.inbox),
    )  # fmt: skip


def commands(scene: Scene, state: str) -> list[dict[str, Any]]:
    """Commands in a state, as the operations database has them."""
    connection = sqlite3.connect(scene.home / "ops.sqlite")
    connection.row_factory = sqlite3.Row
    try:
        rows = connection.execute(
            "SELECT c.* FROM commands c JOIN command_state s ON s.command_no = c.command_no"
            " WHERE s.state = ?",
            (state,),
        )
        return [dict(row) for row in rows]
    finally:
        connection.close()


@pytest.fixture(scope="module")
def told(stage: Stage) -> Told:
    return stage.of(approvals)


def test_a_proposed_hold_is_listed_and_not_in_the_erp(told: Told) -> None:
    assert told.listed.code == 0
    assert "Waiting for approval: 1" in told.listed.out
    assert "credit_hold" in "".join(told.listed.out.split())
    assert told.before[told.held_customer]["CreditAccountIsBlocked"] is False


def test_the_proposer_may_not_approve(told: Told) -> None:
    assert told.by_the_hub.code == 1
    assert "another person must agree" in told.by_the_hub.out


def test_another_person_may(told: Told) -> None:
    assert told.by_maria.code == 0, told.by_maria.out
    assert "granted" in told.by_maria.out


def test_the_next_sync_writes_what_was_approved(told: Told) -> None:
    account = told.after[told.held_customer]
    assert account["CreditAccountIsBlocked"] is True
    assert account["CreditAccountBlockReason"] == HOLD
    assert told.report["writes"] == told.report["verified"] > 0


def test_the_crm_shows_the_hold_that_the_erp_confirmed(told: Told) -> None:
    with independent_check.salesforce(told.scene.endpoints["systems"]["crm"]) as client:
        rows = client.query(
            "SELECT ERP_Customer_Id__c, AR_Credit_Hold__c, AR_Status__c FROM Account"
        )["records"]
    shown = {
        str(row["ERP_Customer_Id__c"]).zfill(10): (row["AR_Credit_Hold__c"], row["AR_Status__c"])
        for row in rows
        if row["ERP_Customer_Id__c"]
    }
    for customer, account in told.after.items():
        if customer in shown:
            is_held = account["CreditAccountIsBlocked"]
            assert shown[customer][0] is is_held
            assert (shown[customer][1] == "On Hold") is is_held


def test_a_limit_that_a_person_edited_in_sap_becomes_a_review_and_is_not_overwritten(
    told: Told,
) -> None:
    account = told.after[told.edited_customer]
    assert Decimal(account["CreditLimitAmount"]) == Decimal(told.edited_limit)
    shown = told.scene.ledgerloop("plan", "--format", "json").json()
    rows = [
        row
        for row in shown
        if row["object_key"].startswith(told.edited_customer) and row["field"] == "limit_amount"
    ]
    assert [(row["class"], row["action"]) for row in rows] == [("foreign_edit", "review")]
    assert [one["business_key"].partition("/")[0] for one in told.waiting] == [told.edited_customer]


def test_a_hold_that_a_person_set_in_sap_is_never_released(told: Told) -> None:
    account = told.after[told.persons_customer]
    assert account["CreditAccountIsBlocked"] is True
    assert account["CreditAccountBlockReason"] == PERSONS_HOLD
    assert not [one for one in told.waiting if told.persons_customer in one["business_key"]]


def test_the_books_still_agree(told: Told) -> None:
    assert told.findings.differences == []


def test_trace_tells_from_receipt_to_crm_in_time_order(told: Told) -> None:
    receipt = next(one for one in told.scene.truth["receipts"] if one["kind"] == "exact")
    invoice = next(iter(receipt["pays"]))
    story = told.scene.ledgerloop("trace", invoice, "--json").json()
    assert [row["at"] for row in story] == sorted(row["at"] for row in story)
    verified = [row["object_name"] for row in story if row["name"].endswith("verified")]
    order = [name for i, name in enumerate(verified) if name not in verified[:i]]
    assert order[:2] == ["journal_entries", "clearings"]
    assert "invoices" in order[2:]
    first = story[0]
    assert first["correlation_id"].startswith("rcpt-")
    assert {row["correlation_id"] for row in story if row["object_name"] == "clearings"} == {
        first["correlation_id"]
    }


def test_the_record_is_intact_and_one_changed_byte_is_found(told: Told, tmp_path: Path) -> None:
    assert told.scene.ledgerloop("audit", "verify").code == 0
    copy = tmp_path / "ops.sqlite"
    source = sqlite3.connect(told.scene.home / "ops.sqlite")
    target = sqlite3.connect(copy)
    source.backup(target)
    source.close()
    target.close()
    content = bytearray(copy.read_bytes())
    at = content.index(b'"reason":"over the limit"') + len(b'"reason":"o')
    content[at] ^= 1
    copy.write_bytes(content)
    verified = told.scene.ledgerloop("audit", "verify", LEDGERLOOP_OPS_URL=f"sqlite:///{copy}")
    assert verified.code == 1
    assert "CHANGED" in verified.out
    assert verified.err.strip()


def test_a_rejected_command_is_not_sent_and_not_asked_again(told: Told) -> None:
    (waiting,) = told.waiting
    rejected = told.scene.ledgerloop(
        "reject", waiting["command_id"][:12], "--as", "maria", "--reason", "the edit stays"
    )
    assert rejected.code == 0, rejected.out
    assert commands(told.scene, "awaiting_approval") == []
