"""Recording plans: identity, replays, refusals, superseding, revisions."""

from dataclasses import replace

import pytest

from reverse_etl.ledger.commands import CommandClass, command_id_of, payload_hash_of
from reverse_etl.ledger.modes import Modes
from reverse_etl.ledger.plan import Adopted
from tests.reverse_etl.ledger.acts import finish, send, settle
from tests.reverse_etl.ledger.commands import posting, state


def test_a_replay_of_a_plan_changes_nothing(store, another):
    commands = [state("A1"), posting("R1")]

    first = store.record_plan(commands)
    second = another.record_plan(commands)

    assert (first.recorded, first.already_recorded) == (2, 0)
    assert (second.recorded, second.already_recorded) == (0, 2)
    assert store.counts() == {"ready": 2}


def test_the_same_id_with_another_payload_is_refused_and_the_others_go_on(store):
    store.record_plan([posting("R1", {"amount": "10"})])

    result = store.record_plan([posting("R1", {"amount": "11"}), posting("R2")])

    assert [one.code for one in result.refused] == ["other_payload"]
    assert result.recorded == 1


def test_a_command_whose_hashes_are_not_its_own_is_refused(store):
    wrong_payload = replace(posting("R1"), payload={"amount": "999"})
    wrong_identity = replace(
        posting("R2"), command_id=command_id_of("erp", "journal_entries", "R3", "post", 1)
    )

    result = store.record_plan([wrong_payload, wrong_identity])

    assert [one.code for one in result.refused] == ["wrong_hash", "wrong_hash"]
    assert store.counts() == {}


def test_a_state_key_has_one_unfinished_command_at_a_time(store):
    store.record_plan([state("A1", {"status": "Current"})])

    result = store.record_plan([state("A1", {"status": "On Hold"}, revision=2)])

    assert [one.code for one in result.refused] == ["unfinished_command"]


def test_a_newer_plan_supersedes_an_unsent_command(store):
    old = state("A1", {"status": "Current"})
    store.record_plan([old])
    new = state("A1", {"status": "On Hold"}, revision=2)

    result = store.record_plan([new], supersede=[(old.command_id, "the desire changed")])

    assert (result.superseded, result.recorded, result.refused) == (1, 1, [])
    assert store.command(old.command_id).state == "superseded"
    assert store.command(new.command_id).state == "ready"


def test_what_is_being_sent_is_never_superseded(store):
    command = posting("R1")
    store.record_plan([command])
    send(store, "erp")

    result = store.record_plan([], supersede=[(command.command_id, "the period closed")])

    assert [one.code for one in result.refused] == ["not_supersedable"]
    assert store.command(command.command_id).state == "sending"


def test_superseding_takes_the_commands_that_wait_for_it_along(store):
    journal = posting("R1")
    clearing = posting(
        "R1", {"lines": []}, object_name="clearings", operation="clear", after=(journal.command_id,)
    )
    store.record_plan([journal, clearing])

    result = store.record_plan([], supersede=[(journal.command_id, "another customer")])

    assert result.superseded == 2
    assert store.command(clearing.command_id).state == "superseded"


def test_a_command_that_waits_for_an_unrecorded_one_is_refused(store):
    orphan = posting("R1", after=("0" * 64,))

    assert [one.code for one in store.record_plan([orphan]).refused] == ["unknown_predecessor"]


def test_a_command_becomes_ready_when_all_its_predecessors_are_verified(store):
    journal, limit = posting("R1"), state("C1/1000", system_id="erp", object_name="limits")
    clearing = posting(
        "R1",
        {"lines": []},
        object_name="clearings",
        operation="clear",
        after=(journal.command_id, limit.command_id),
    )
    store.record_plan([journal, limit, clearing])
    assert store.command(clearing.command_id).state == "planned"

    finish(store, "erp", journal)
    assert store.command(clearing.command_id).state == "planned"

    finish(store, "erp", limit)
    assert store.command(clearing.command_id).state == "ready"


def test_a_to_b_to_a_makes_three_commands(store):
    for number, status in enumerate(["A", "B", "A"], start=1):
        assert store.revisions("crm", "accounts", ["K"]) == {"K": number}
        command = state("K", {"status": status}, revision=number)
        assert store.record_plan([command]).recorded == 1
        finish(store, "crm", command)

    assert store.counts() == {"verified": 3}


@pytest.mark.parametrize("end", ["rejected", "dead"])
def test_a_failed_posting_keeps_its_revision_until_a_person_corrects_the_source(store, end):
    command = posting("R1")
    store.record_plan([command])
    settle(store, "erp", command, end)
    assert store.posting_revisions("erp", "journal_entries", ["R1"]) == {"R1": 1}

    result = store.record_plan([], corrected=[(command.command_id, "customer mended")])

    is_rejected = end == "rejected"
    assert result.refused != is_rejected
    assert store.posting_revisions("erp", "journal_entries", ["R1"]) == {"R1": 1 + is_rejected}


def test_a_reversal_raises_a_postings_revision_and_forgets_what_was_there(store):
    command = posting("R1")
    store.record_plan([command])
    finish(store, "erp", command)
    assert list(store.mirror.acknowledged()) != []

    assert store.record_reversal(command.command_id, by="anna", reason="wrong customer")
    assert not store.record_reversal(command.command_id, by="anna", reason="twice")

    assert store.posting_revisions("erp", "journal_entries", ["R1", "R2"]) == {"R1": 2, "R2": 1}
    assert list(store.mirror.acknowledged()) == []


def test_an_adopted_value_is_acknowledged_whole_and_masked_in_the_log(store, execute):
    iban = "DE89370400440532013000"
    store.record_plan(
        [], adopted=[Adopted("erp", "partners", "C1", {"iban": iban, "blocked": True}, "by hand")]
    )

    rows = [row for page in store.mirror.acknowledged() for row in page]
    assert {(row[3], row[4]) for row in rows} == {("iban", iban), ("blocked", "true")}
    assert iban not in str(execute("SELECT data FROM events"))


def test_a_flow_in_shadow_is_recorded_and_holds_nobody_up(store):
    modes = Modes(by_flow={("erp", "shadowed"): "shadow"})
    shadowed = posting("R1", flow="shadowed", lane="L")
    sent = posting("R2", lane="L")
    store.record_plan([shadowed, sent], modes=modes)

    assert store.command(shadowed.command_id).state == "planned"
    assert [one.command.business_key for one in send(store, "erp")] == ["R2"]


def test_unfinished_commands_are_listed_by_object_and_key(store):
    store.record_plan([state("A1"), state("A2"), posting("R1")])
    finish(store, "crm", state("A2"))

    found = list(store.unfinished("crm", "accounts"))

    assert [(one.business_key, one.state) for one in found] == [("A1", "ready")]
    assert found[0].payload_hash == payload_hash_of(state("A1").payload)
    assert list(store.unfinished("crm", "accounts", ["A2"])) == []


def test_payloads_keep_every_digit_and_character(store):
    payload = {
        "amount": "123456789012345678.123456",
        "name": 'Müller & Söhne "GmbH" \u2028 \x01',
        "count": 2**70,
        "none": None,
        "flag": False,
        "lines": [{"item": "SAP-1", "amount": "-0.01"}],
    }
    command = posting("R1", payload)

    assert store.record_plan([command]).refused == []
    assert store.command(command.command_id).command.payload == payload
    assert store.command(command.command_id).command.command_class is CommandClass.POSTING
