"""Posting receipts over real sockets: once each, exactly, and what cannot be is said."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from reverse_etl.delivery.verifying import differences
from reverse_etl.delivery.writer import Absent, Accepted, Found, Rejected, Retry, Unknown
from reverse_etl.planning.governance import load_governance
from reverse_etl.sap_s4hana.messages import post_envelope
from reverse_etl.sap_s4hana.receipts import entry_of
from reverse_etl.sap_s4hana.settings import SapOptions
from sandbox.core.faults import Fault, Point
from tests.reverse_etl.sap_s4hana.conftest import receipt, receipt_id_of

POST = "journalentrycreaterequestconfi"


def unreadable(sap):
    return sap.limits("journal_entries", "post").unreadable_fields


def test_a_receipt_is_posted_once_and_reads_back_as_it_was_sent(sap):
    batch = [
        receipt(receipt_id_of(1), "1234.5"),
        receipt(receipt_id_of(2), "0.01", customer=None),
    ]
    assert {one: Absent() for one in sap.call("look_up", batch)} == sap.call("look_up", batch)
    outcomes = sap.call("send", batch)
    assert all(isinstance(one, Accepted) for one in outcomes.values())
    found = sap.call("look_up", batch)
    held = sap.call("read_back", batch)
    for one in batch:
        key = one.command.business_key
        assert found[key] == Found(outcomes[key].native_id)
        assert held[key].native_id == outcomes[key].native_id
        assert differences(one.command.payload, held[key].fields, unreadable(sap)) == {}
        assert sap.effects(one) == 1


def test_a_bad_row_takes_no_other_row_with_it(sap):
    batch = [receipt(receipt_id_of(n), f"{n}.25") for n in range(1, 8)]
    batch[2] = receipt(receipt_id_of(3), "3.25", customer="0000999999")
    batch[4] = receipt(receipt_id_of(5), "5.25", posting_date="2030-01-01")
    batch[5] = receipt(receipt_id_of(6), "6.255")
    outcomes = sap.call("send", batch)
    bad = {key: one for key, one in outcomes.items() if isinstance(one, Rejected)}
    assert set(bad) == {receipt_id_of(n) for n in (3, 5, 6)}
    assert (bad[receipt_id_of(3)].code, bad[receipt_id_of(3)].field) == ("102(F5)", "customer")
    assert bad[receipt_id_of(5)].field == "posting_date"
    assert bad[receipt_id_of(6)].code == "too_many_decimals"
    assert [sap.effects(one) for one in batch] == [1, 1, 0, 1, 0, 0, 1]


def test_a_lost_answer_is_unknown_and_the_look_up_finds_the_document(sap):
    for fault in (Fault.LOST_ANSWER, Fault.ERROR_AFTER):
        batch = [receipt(receipt_id_of(f"{fault}{n}"), "10") for n in range(3)]
        sap.faults.configure(points=[Point(fault, path=POST)])
        outcomes = sap.call("send", batch)
        assert all(isinstance(one, Unknown) for one in outcomes.values())
        assert all(isinstance(one, Found) for one in sap.call("look_up", batch).values())
        assert [sap.effects(one) for one in batch] == [1, 1, 1]


def test_a_lost_request_is_unknown_and_absent_and_may_go_again(sap):
    batch = [receipt(receipt_id_of(n), "10") for n in range(2)]
    sap.faults.configure(points=[Point(Fault.LOST_REQUEST, path=POST)])
    assert all(isinstance(one, Unknown) for one in sap.call("send", batch).values())
    assert set(sap.call("look_up", batch).values()) == {Absent()}
    again = [replace(one, attempt=2) for one in batch]
    assert all(isinstance(one, Accepted) for one in sap.call("send", again).values())
    assert [sap.effects(one) for one in batch] == [1, 1]


def test_an_entry_that_was_posted_before_is_accepted_as_the_document_it_became(serve_sap):
    for answer in ("refused", "repeated"):
        sap = serve_sap(duplicate_answer=answer)
        batch = [receipt(receipt_id_of(n), "10") for n in range(2)]
        first = sap.call("send", batch)
        again = [*(replace(one, attempt=2) for one in batch), receipt(receipt_id_of(9), "9")]
        second = sap.call("send", again)
        assert {key: second[key] for key in first} == first
        assert [sap.effects(one) for one in again] == [1, 1, 1]


def test_a_locked_account_is_tried_again_in_a_message_of_its_own(sap):
    sap.faults.configure(points=[Point(Fault.LOCK, name="journal_entry_post", times=2)])
    batch = [receipt(receipt_id_of(n), "10") for n in range(2)]
    outcomes = sap.call("send", batch)
    assert all(isinstance(one, Retry) and not one.is_system_wide for one in outcomes.values())
    again = [replace(one, attempt=2) for one in batch]
    assert all(isinstance(one, Accepted) for one in sap.call("send", again).values())
    assert [sap.effects(one) for one in batch] == [1, 1]


def test_throttling_pauses_the_system_for_as_long_as_it_asks(sap):
    sap.faults.configure(points=[Point(Fault.THROTTLED, path=POST, seconds=7)])
    batch = [receipt(receipt_id_of(1), "10")]
    (outcome,) = sap.call("send", batch).values()
    assert isinstance(outcome, Retry)
    assert outcome.is_system_wide
    assert outcome.after_seconds == 7
    assert sap.effects(batch[0]) == 0


def test_a_gateway_that_says_unavailable_proves_nothing_about_a_posting(sap):
    """A proxy may have delivered it twice and show the answer of the copy that was refused."""
    sap.faults.configure(points=[Point(Fault.UNAVAILABLE, path=POST, seconds=7)])
    (outcome,) = sap.call("send", [receipt(receipt_id_of(1), "10")]).values()
    assert isinstance(outcome, Unknown)


def test_a_yes_without_an_effect_shows_nothing_in_the_books(sap):
    sap.faults.configure(points=[Point(Fault.SWALLOW, name="journal_entry_post")])
    batch = [receipt(receipt_id_of(1), "10")]
    assert all(isinstance(one, Accepted) for one in sap.call("send", batch).values())
    (held,) = sap.call("read_back", batch).values()
    assert held.fields is None


def test_a_doubled_posting_reads_back_as_twice_its_amount(serve_sap):
    sap = serve_sap(deduplicates_entries=False)
    one = receipt(receipt_id_of(1), "10")
    sap.call("send", [one])
    entry = entry_of(one, load_governance().object("sap_s4hana", "journal_entries"), SapOptions())
    elsewhere = post_envelope([entry], created_at=one.command.planned_at, attempt=9)

    async def work(client):
        from reverse_etl.sap_s4hana.messages import POST_ACTION, POST_PATH

        return await client.soap(POST_PATH, POST_ACTION, elsewhere)

    sap.with_client(work)
    (held,) = sap.call("read_back", [one]).values()
    assert sap.effects(one) == 2
    assert held.fields["amount"] == "20"


@given(st.decimals(min_value="0.01", max_value="99999999999.99", places=2))
def test_the_entry_of_a_receipt_balances_to_the_cent(amount):
    target = load_governance().object("sap_s4hana", "journal_entries")
    for customer in ("0000100001", None):
        one = receipt(receipt_id_of(1), str(amount), customer=customer)
        entry = entry_of(one, target, SapOptions())
        amounts = [i.amount for i in (*entry.debtor_items, *entry.gl_items)]
        assert sum(amounts) == 0
        assert max(amounts) == Decimal(amount)


def test_what_is_no_receipt_is_refused_before_it_leaves(sap):
    batch = [
        receipt(receipt_id_of(1), "-5"),
        receipt(receipt_id_of(2), "5", posting_kind="suspense"),
        receipt(receipt_id_of(3), "5", value_date=None),
    ]
    outcomes = sap.call("send", batch)
    assert {one.code for one in outcomes.values()} == {
        "not_a_receipt",
        "posting_kind",
        "field_missing",
    }
