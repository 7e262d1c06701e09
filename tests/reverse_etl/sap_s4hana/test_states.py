"""Credit accounts and releases over real sockets: zero never means unlimited."""

import itertools
from decimal import Decimal

import pytest

from ingestion.common.errors import InputRefused, VendorAnswerInvalid
from reverse_etl.delivery.verifying import differences
from reverse_etl.delivery.writer import (
    Absent,
    Accepted,
    CannotTell,
    Found,
    Rejected,
    Retry,
    Unknown,
)
from reverse_etl.planning.governance import load_governance
from reverse_etl.sap_s4hana.credit import changes_of
from reverse_etl.sap_s4hana.settings import SapOptions
from sandbox.core.faults import Fault, Point
from tests.reverse_etl.sap_s4hana.conftest import CUSTOMERS
from tests.reverse_etl.support import sending

KEY = f"{CUSTOMERS[0]}/1000"
OTHER = f"{CUSTOMERS[1]}/1000"
TARGET = load_governance().object("sap_s4hana", "credit_accounts")


def account(key, **payload):
    return sending("sap_s4hana", "credit_accounts", key, payload)


def held_in_sap(sap, customer):
    row = sap.app.state.sap.tables["CreditManagementAccount"].get(customer, "1000")
    return row["CreditLimitAmount"], row["CreditLimitIsZero"]


@pytest.mark.parametrize(
    ("payload", "amount", "is_zero"),
    [
        ({"limit_kind": "limited", "limit_amount": "2500.75"}, "2500.75", False),
        ({"limit_kind": "none_granted", "limit_amount": None}, "0", True),
        ({"limit_kind": "none_granted", "limit_amount": "0"}, "0", True),
        ({"limit_kind": "unlimited", "limit_amount": None}, "0", False),
    ],
)
def test_a_limit_is_written_as_kind_and_amount_together(sap, payload, amount, is_zero):
    one = account(KEY, **payload)
    assert isinstance(sap.call("send", [one])[KEY], Accepted)
    held_amount, held_zero = held_in_sap(sap, CUSTOMERS[0])
    assert held_amount == Decimal(amount)
    assert held_zero is is_zero
    held = sap.call("read_back", [one])[KEY]
    assert differences(payload, held.fields, frozenset()) == {}
    assert sap.call("look_up", [one])[KEY] == Found(KEY)


def test_every_change_of_kind_arrives_as_what_was_meant(sap):
    kinds = {"limited": "300", "none_granted": "0", "unlimited": None}
    for before, after in itertools.permutations(kinds, 2):
        for kind in (before, after):
            one = account(KEY, limit_kind=kind, limit_amount=kinds[kind])
            sap.call("send", [one])
            held = sap.call("read_back", [one])[KEY]
            assert differences(one.command.payload, held.fields, frozenset()) == {}


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"limit_kind": "limited", "limit_amount": "0"}, "zero_limit"),
        ({"limit_kind": "limited", "limit_amount": None}, "zero_limit"),
        ({"limit_amount": "500"}, "limit_without_kind"),
        ({"limit_kind": None, "limit_amount": "500"}, "limit_without_kind"),
    ],
)
def test_an_amount_without_a_clear_kind_never_leaves(sap, payload, code):
    outcome = sap.call("send", [account(KEY, **payload)])[KEY]
    assert (type(outcome), outcome.code) == (Rejected, code)
    assert held_in_sap(sap, CUSTOMERS[0])[0] == 1000


def test_unlimited_is_refused_where_the_installation_does_not_map_it():
    one = account(KEY, limit_kind="unlimited", limit_amount=None)
    with pytest.raises(InputRefused, match="unlimited"):
        changes_of(one.command, TARGET, SapOptions(unlimited_is_zero=False))


def test_a_block_alone_leaves_the_limit_alone(sap):
    one = account(KEY, is_blocked=True, block_reason="01")
    assert isinstance(sap.call("send", [one])[KEY], Accepted)
    assert held_in_sap(sap, CUSTOMERS[0]) == (1000, False)
    free = account(KEY, is_blocked=False, block_reason=None)
    sap.call("send", [free])
    held = sap.call("read_back", [free])[KEY]
    assert differences(free.command.payload, held.fields, frozenset()) == {}


def test_many_accounts_go_in_one_batch_and_a_bad_one_takes_no_other_with_it(sap):
    batch = [
        account(KEY, limit_kind="limited", limit_amount="10.5"),
        account("0000999999/1000", limit_kind="limited", limit_amount="1"),
        account(OTHER, limit_kind="limited", limit_amount="20.25"),
    ]
    outcomes = sap.call("send", batch)
    assert isinstance(outcomes[KEY], Accepted)
    assert isinstance(outcomes[OTHER], Accepted)
    assert outcomes["0000999999/1000"].code == "no_credit_account"
    held = sap.call("read_back", batch)
    assert held[OTHER].fields == {"limit_kind": "limited", "limit_amount": "20.25"}
    assert held["0000999999/1000"].fields is None


def test_somebody_elses_change_in_between_means_read_again(sap):
    """The ETag is read, then a person changes the row, then our change comes."""
    one = account(KEY, limit_kind="limited", limit_amount="10")
    table = sap.app.state.sap.tables["CreditManagementAccount"]
    rules = sap.app._site._rules["CreditManagementAccount"]
    original = sap.app._site.handle

    def handle(request):
        if request.method == "PATCH":
            row = table.get(CUSTOMERS[0], "1000")
            rules.update(row, {"BusinessPartnerIsCritical": not row["BusinessPartnerIsCritical"]})
        return original(request)

    sap.app._site.handle = handle
    outcome = sap.call("send", [one])[KEY]
    assert isinstance(outcome, Retry)
    assert not outcome.is_system_wide
    sap.app._site.handle = original
    assert isinstance(sap.call("send", [one])[KEY], Accepted)


def test_a_lost_answer_of_a_change_is_unknown_and_the_row_tells(sap):
    batch = [
        account(KEY, limit_kind="limited", limit_amount="77"),
        account(OTHER, limit_kind="limited", limit_amount="88"),
    ]
    sap.faults.configure(points=[Point(Fault.LOST_ANSWER, method="POST", path="$batch", skip=1)])
    assert all(isinstance(one, Unknown) for one in sap.call("send", batch).values())
    assert sap.call("look_up", batch) == {KEY: Found(KEY), OTHER: Found(OTHER)}


def test_a_session_that_ends_between_reading_and_changing_is_renewed(sap):
    sap.faults.configure(points=[Point(Fault.TOKEN_EXPIRY, name="PATCH")])
    one = account(KEY, limit_kind="limited", limit_amount="77")
    assert isinstance(sap.call("send", [one])[KEY], Accepted)


# -- releases -------------------------------------------------------------------------------------


@pytest.fixture
def blocked(sap):
    """An order of 5,000 against a limit of 1,000."""

    async def work(client):
        answer = await client.change(
            "POST",
            "API_SALES_ORDER_SRV",
            "A_SalesOrder",
            {
                "SalesOrganization": "U001",
                "SoldToParty": CUSTOMERS[0],
                "TotalNetAmount": "5000.00",
                "TransactionCurrency": "USD",
            },
        )
        return answer.entity["SalesOrder"]

    return sap.with_client(work)


def release(order):
    return sending("sap_s4hana", "sales_orders", order, {"is_credit_blocked": False})


def test_a_blocked_order_is_released_and_reads_back_free(sap, blocked):
    one = release(blocked)
    assert sap.call("look_up", [one])[blocked] == Absent()
    assert sap.call("send", [one])[blocked] == Accepted(blocked)
    assert sap.call("read_back", [one])[blocked].fields == {"is_credit_blocked": False}
    assert sap.app.ledger()["orders_released"] == {blocked: 1}


def test_an_order_that_is_free_already_counts_as_released(sap, blocked):
    one = release(blocked)
    sap.call("send", [one])
    assert sap.call("send", [one])[blocked] == Accepted(blocked)
    assert sap.app.ledger()["orders_released"] == {blocked: 1}


def test_a_lost_answer_of_a_release_is_unknown_then_found(sap, blocked):
    sap.faults.configure(points=[Point(Fault.LOST_ANSWER, path="ReleaseCreditBlock")])
    one = release(blocked)
    assert isinstance(sap.call("send", [one])[blocked], Unknown)
    assert sap.call("look_up", [one])[blocked] == Found(blocked)


def test_an_order_that_does_not_exist_is_refused(sap):
    one = release("0000099999")
    assert isinstance(sap.call("send", [one])["0000099999"], Rejected)
    assert sap.call("read_back", [one])["0000099999"].fields is None


def test_blocking_an_order_is_no_verb_of_sap(sap, blocked):
    one = sending("sap_s4hana", "sales_orders", blocked, {"is_credit_blocked": True})
    assert sap.call("send", [one])[blocked].code == "cannot_block"


def blocked_order(sap):
    """An order above the limit: its number."""
    answer = sap.with_client(
        lambda client: client.change(
            "POST",
            "API_SALES_ORDER_SRV",
            "A_SalesOrder",
            {
                "SalesOrganization": "U001",
                "SoldToParty": CUSTOMERS[0],
                "TotalNetAmount": "5000.00",
                "TransactionCurrency": "USD",
            },
        )
    )
    return answer.entity["SalesOrder"]


def test_a_status_that_sap_does_not_have_is_neither_held_nor_released(sap):
    order = blocked_order(sap)
    one = sending("sap_s4hana", "sales_orders", order, {"is_credit_blocked": False})
    table = sap.app.state.sap.tables["A_SalesOrder"]
    table.update(table.get(order), {"TotalCreditCheckStatus": "?"})
    assert isinstance(sap.call("look_up", [one])[order], CannotTell)
    with pytest.raises(VendorAnswerInvalid, match=r"status '\?' is unknown"):
        sap.call("read_back", [one])
