"""Receipts become journals: written once, posted later, verified by what was posted."""

import pytest

from reverse_etl.delivery.writer import Accepted, Found, Rejected, Retry, Unknown
from reverse_etl.planning.governance import load_governance
from reverse_etl.writers import create_writer
from sandbox.core.faults import Fault, Point
from tests.reverse_etl.dynamics365_finance.environment import Environment, again, payment


def test_a_journal_stays_accepted_until_the_product_has_posted_it():
    env = Environment({"posting_lag_seconds": 30})
    one = payment("r1")
    assert isinstance(env.call("send", one)[0], Accepted)
    assert isinstance(env.call("look_up", one)[0], Found), "a waiting journal is there"
    assert env.call("read_back", one)[0].is_pending
    env.pass_time(31)
    (shown,) = env.call("read_back", one)
    assert shown.fields == dict(one.command.payload)
    assert env.app.ledger()["effects"] == {one.external_key: [f"usmf/{_record(env)}"]}


def _record(env):
    (row,) = env.rows("CustTransOpenEntities", "AccountNum eq 'C1'")
    return row["RecId"]


def test_a_receipt_without_a_payer_stands_on_the_unidentified_account():
    env = Environment()
    one = payment("r2", posting_kind="unidentified", customer=None)
    env.call("send", one)
    assert env.call("read_back", one)[0].fields == dict(one.command.payload)
    (entry,) = env.rows("GeneralJournalAccountEntryEntities", "MainAccount eq '201150'")
    assert (entry["TransactionCurrencyAmount"], entry["PaymentReference"]) == (
        -60,
        one.external_key,
    )


def test_a_receipt_that_waited_without_a_payer_moves_to_its_customer():
    env = Environment()
    env.call("send", payment("r2", posting_kind="unidentified", customer=None))
    moved = payment("r2-moved", bank_account="201150")
    env.call("send", moved)
    assert env.call("read_back", moved)[0].fields == dict(moved.command.payload)
    balances = env.app.state.d365.ledger.balances
    assert (balances["usmf", "201150"], balances["usmf", "130100"]) == (0, -60)
    assert balances["usmf", "110110"] == 60


def test_a_journal_that_cannot_be_posted_stays_pending_until_a_person_looks():
    env = Environment({"checks_period": "post"})
    one = payment("r3", posting_date="2025-11-14")
    assert isinstance(env.call("send", one)[0], Accepted)
    assert env.call("read_back", one)[0].is_pending
    assert env.app.ledger()["unposted"] == [f"usmf/{one.external_key[:10]}"]


@pytest.mark.parametrize("numbers", ["manual", "sequence"])
def test_a_receipt_sent_twice_stands_in_one_journal(numbers):
    env = Environment({"is_sequence_manual": numbers == "manual"}, journal_numbers=numbers)
    one = payment("r4")
    first = env.call("send", one)
    assert env.call("send", again(one)) == first
    assert len(env.app.ledger()["effects"][one.external_key]) == 1


def test_a_journal_whose_line_was_cut_off_gets_it_and_no_second_header():
    env = Environment({"is_sequence_manual": False}, journal_numbers="sequence")
    one = payment("r5")
    lost = Point(Fault.LOST_REQUEST, method="POST", path="CustomerPaymentJournalLines")
    env.faults.configure(points=[lost])
    assert isinstance(env.call("send", one)[0], Unknown)
    assert isinstance(env.call("send", again(one))[0], Accepted)
    assert len(env.rows("CustomerPaymentJournalHeaders", "dataAreaId eq 'usmf'")) == 1
    assert len(env.app.ledger()["effects"][one.external_key]) == 1


def test_many_receipts_go_as_one_package_and_a_refused_row_gets_its_own_answer():
    env = Environment(bulk_from=3)
    batch = [payment(f"p{n}") for n in range(3)] + [payment("p9", customer="NOBODY")]
    outcomes = env.call("send", *batch)
    assert all(isinstance(one, Accepted) for one in outcomes[:3])
    assert isinstance(outcomes[3], Retry), "sent again by itself, it is refused with its reason"
    (refused,) = env.call("send", again(batch[3]))
    assert isinstance(refused, Rejected)
    assert "NOBODY does not exist" in refused.message
    shown = env.call("read_back", *batch[:3])
    assert [one.fields for one in shown] == [dict(s.command.payload) for s in batch[:3]]


def test_an_import_whose_answer_was_lost_is_unknown_and_found():
    env = Environment(bulk_from=2)
    batch = [payment("q1"), payment("q2")]
    env.faults.configure(points=[Point(Fault.LOST_ANSWER, path="ImportFromPackage")])
    assert all(isinstance(one, Unknown) for one in env.call("send", *batch))
    assert all(isinstance(one, Found) for one in env.call("look_up", *batch))
    assert {len(v) for v in env.app.ledger()["effects"].values()} == {1}


def test_a_throttled_status_after_an_import_never_counts_as_without_effect():
    env = Environment({"import_lag_seconds": 3600}, bulk_from=2)
    busy = Point(Fault.THROTTLED, path="GetExecutionSummaryStatus", times=0)
    env.faults.configure(points=[busy])
    outcomes = env.call("send", payment("q3"), payment("q4"))
    assert all(isinstance(one, Unknown) for one in outcomes)


def test_packages_are_for_many_and_only_where_our_numbers_guard_them():
    limits = [
        create_writer(env.system, env.transport, load_governance()).limits("payments", "post")
        for env in (Environment(), Environment(journal_numbers="sequence"))
    ]
    assert [one.bulk_from for one in limits] == [1000, None]


def test_a_post_action_of_the_installation_is_called():
    env = Environment(
        {"post_action": "postJournal", "posting_lag_seconds": 9999}, post_action="postJournal"
    )
    one = payment("r6")
    env.call("send", one)
    assert env.call("read_back", one)[0].fields == dict(one.command.payload)


def test_a_journal_of_somebody_else_with_our_number_is_left_alone():
    env = Environment()
    one = payment("t1")
    number = one.external_key[:10]
    env.make("CustomerPaymentJournalHeaders", JournalBatchNumber=number, JournalName="Other")
    (outcome,) = env.call("send", one)
    assert (outcome.code, outcome.is_business) == ("number_taken", False)
