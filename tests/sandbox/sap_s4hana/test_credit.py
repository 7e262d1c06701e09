"""Credit management: what a zero limit means, blocked orders, release, locks and dropped fields."""

import pytest

from sandbox.core.faults import Fault, Point
from tests.sandbox.sap_s4hana.system import (
    BLOCKED,
    CREDIT,
    CUSTOMER,
    ORDERS,
    SapSystem,
    clearing,
    invoice,
    receipt,
)

ACCOUNT = f"{CREDIT}/CreditManagementAccount(BusinessPartner='{CUSTOMER}',CreditSegment='1000')"


def is_blocked(order: dict[str, str]) -> bool:
    return order["TotalCreditCheckStatus"] == "B"


def release(system: SapSystem, order: str, action: str = "ReleaseCreditBlock") -> dict[str, str]:
    answer = system.session.post(f"{system.odata}/{BLOCKED}/{action}?SalesDocument='{order}'")
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["d"][action])


@pytest.mark.parametrize(
    ("limit", "amount", "expected"),
    [
        ({"CreditLimitAmount": "100.00"}, "100.00", False),
        ({"CreditLimitAmount": "100.00"}, "100.01", True),
        ({"CreditLimitAmount": "0.00"}, "999999.00", False),
        ({"CreditLimitAmount": "0.00", "CreditLimitIsZero": True}, "0.01", True),
        ({"CreditLimitAmount": "100.00", "CreditAccountIsBlocked": True}, "0.01", True),
    ],
)
def test_the_limit_and_its_kind_decide(
    system: SapSystem, limit: dict[str, object], amount: str, expected: bool
) -> None:
    system.make_credit_account(**limit)
    assert is_blocked(system.make_order(amount)) is expected


def test_without_a_credit_account_nothing_is_checked(system: SapSystem) -> None:
    assert not is_blocked(system.make_order("999999.00"))


def test_open_items_and_unblocked_orders_are_exposure(system: SapSystem) -> None:
    system.make_credit_account(CreditLimitAmount="100.00")
    system.post_entries(invoice("E1", "60.00"))
    assert not is_blocked(system.make_order("30.00"))
    assert is_blocked(system.make_order("10.01"))
    assert not is_blocked(system.make_order("10.00"))
    system.post_entries(receipt("E2", "60.00"), message_id="M2")
    assert not is_blocked(system.make_order("60.00"))


def test_another_currency_counts_at_the_stored_rate(system: SapSystem) -> None:
    system.make_customer("50", company="CA02")
    text = invoice("E1", "100.00", company="CA02").replace("'USD'", "'CAD'")
    system.post_entries(text.replace(CUSTOMER, "50"))
    answer = system.post(
        f"{CREDIT}/CreditMgmtBusinessPartner",
        {
            "BusinessPartner": "50",
            "to_CreditMgmtAccountTP": [{"CreditSegment": "1000", "CreditLimitAmount": "72.01"}],
        },
    )
    assert answer.status_code == 201
    assert not is_blocked(system.make_order("0.01", customer="50"))
    assert is_blocked(system.make_order("0.01", customer="50"))


def test_a_blocked_order_is_listed_until_it_is_released(system: SapSystem) -> None:
    system.make_credit_account(CreditLimitAmount="1.00")
    order = system.make_order("5.00")
    number = order["SalesOrder"]
    (listed,) = system.rows(f"{BLOCKED}/A_CreditBlockedSalesDocument")
    assert (listed["SalesDocument"], listed["CreditSegment"]) == (number, "1000")
    assert release(system, number)["MessageType"] == "S"
    assert system.rows(f"{BLOCKED}/A_CreditBlockedSalesDocument") == []
    found = system.get(f"{ORDERS}('{number}')").json()["d"]
    assert found["TotalCreditCheckStatus"] == "D"
    assert found["LastChangeDateTime"] > order["LastChangeDateTime"]
    assert release(system, number)["MessageType"] == "W"
    assert system.ledger()["orders_released"] == {number: 1}


def test_a_rejected_order_is_done(system: SapSystem) -> None:
    system.make_credit_account(CreditLimitAmount="1.00")
    number = system.make_order("5.00")["SalesOrder"]
    assert release(system, number, "RejectCreditBlock")["MessageType"] == "S"
    found = system.get(f"{ORDERS}('{number}')").json()["d"]
    assert found["OverallSDProcessStatus"] == "C"
    assert system.ledger()["orders_rejected"] == {number: 1}


def test_a_check_passes_once_the_limit_allows_it(system: SapSystem) -> None:
    system.make_credit_account(CreditLimitAmount="1.00")
    number = system.make_order("5.00")["SalesOrder"]
    assert release(system, number, "CheckCreditBlock")["MessageType"] == "E"
    system.patch(ACCOUNT, {"CreditLimitAmount": "5.00"})
    assert release(system, number, "CheckCreditBlock")["MessageType"] == "S"


def test_an_unknown_document_and_a_missing_parameter_are_errors(system: SapSystem) -> None:
    answer = system.session.post(f"{system.odata}/{BLOCKED}/ReleaseCreditBlock?SalesDocument='9'")
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "V1/302"
    answer = system.session.post(f"{system.odata}/{BLOCKED}/ReleaseCreditBlock")
    assert answer.status_code == 400


def test_the_credit_block_cannot_be_lifted_on_the_order(system: SapSystem) -> None:
    system.make_credit_account(CreditLimitAmount="1.00")
    number = system.make_order("5.00")["SalesOrder"]
    system.patch(f"{ORDERS}('{number}')", {"TotalCreditCheckStatus": "D"})
    found = system.get(f"{ORDERS}('{number}')").json()["d"]
    assert found["TotalCreditCheckStatus"] == "B"


def test_a_customer_blocked_for_orders_gets_none(system: SapSystem) -> None:
    system.patch(
        f"API_BUSINESS_PARTNER/A_Customer('{CUSTOMER}')", {"OrderIsBlockedForCustomer": "01"}
    )
    answer = system.post(ORDERS, {"SalesOrganization": "U001", "SoldToParty": CUSTOMER})
    assert answer.json()["error"]["code"] == "V1/251"


def test_amount_and_zero_flag_never_contradict(system: SapSystem) -> None:
    system.make_credit_account(CreditLimitIsZero=True)
    answer = system.patch(ACCOUNT, {"CreditLimitAmount": "5.00", "CreditLimitIsZero": True})
    assert answer.status_code == 400
    assert system.patch(ACCOUNT, {"CreditLimitAmount": "5.00"}).status_code == 204
    found = system.get(ACCOUNT).json()["d"]
    assert (found["CreditLimitAmount"], found["CreditLimitIsZero"]) == ("5.00", False)
    assert found["CreditLimitLastChangeDate"] == "/Date(1584230400000)/"
    assert system.patch(ACCOUNT, {"CreditLimitIsZero": True}).status_code == 204
    assert system.get(ACCOUNT).json()["d"]["CreditLimitAmount"] == "0.00"


def test_money_as_a_json_fraction_is_refused(system: SapSystem) -> None:
    system.make_credit_account()
    assert system.patch(ACCOUNT, {"CreditLimitAmount": 5.5}).status_code == 400
    assert system.patch(ACCOUNT, {"CreditLimitAmount": "5.505"}).status_code == 400


def test_an_account_needs_a_partner_and_a_segment(system: SapSystem) -> None:
    path = f"{CREDIT}/CreditMgmtBusinessPartner"
    assert system.post(path, {"BusinessPartner": "9"}).status_code == 400
    wrong = {"BusinessPartner": CUSTOMER, "to_CreditMgmtAccountTP": [{"CreditSegment": "9"}]}
    assert system.post(path, wrong).status_code == 400
    assert system.get(f"{path}('{CUSTOMER}')").status_code == 404


def test_two_changes_in_one_instant_still_change_the_tag(system: SapSystem) -> None:
    number = system.make_order("1.00")["SalesOrder"]
    path = f"{ORDERS}('{number}')"
    tags = [system.get(path).headers["ETag"]]
    for reason in ("01", "02"):
        system.patch(path, {"DeliveryBlockReason": reason}, if_match=tags[-1])
        tags.append(system.get(path).headers["ETag"])
    assert len(set(tags)) == 3


def test_credit_memo_requests_are_priced_from_their_items(system: SapSystem) -> None:
    path = "API_CREDIT_MEMO_REQUEST_SRV/A_CreditMemoRequest"
    answer = system.post(
        path,
        {
            "SalesOrganization": "U001",
            "SoldToParty": CUSTOMER,
            "SDDocumentReason": "102",
            "HeaderBillingBlockReason": "08",
            "PurchaseOrderByCustomer": "dispute-1",
            "to_Item": {"results": [{"NetAmount": "10.00"}, {"NetAmount": "2.50"}]},
        },
    )
    assert answer.status_code == 201
    made = answer.json()["d"]
    assert made["TotalNetAmount"] == "12.50"
    assert [i["CreditMemoRequestItem"] for i in made["to_Item"]["results"]] == ["000010", "000020"]
    key = f"{path}('{made['CreditMemoRequest']}')"
    assert system.patch(key, {"HeaderBillingBlockReason": ""}).status_code == 204
    (found,) = system.rows(path, filter="PurchaseOrderByCustomer eq 'dispute-1'")
    assert found["HeaderBillingBlockReason"] == ""


def test_paying_frees_credit_only_with_the_money(system: SapSystem) -> None:
    system.make_credit_account(CreditLimitAmount="100.00")
    system.post_entries(invoice("E1", "100.00"), receipt("E2", "100.00"))
    system.clear(clearing("R1", ("1800000000", "001"), ("1400000000", "001")))
    system.wait()
    system.fetch_token()
    assert not is_blocked(system.make_order("100.00"))


def test_faults_of_the_kind_strike_writes(system: SapSystem) -> None:
    system.make_credit_account(CreditLimitAmount="1.00")
    change = {"CreditLimitAmount": "9.00", "CreditAccountBlockReason": "01"}

    def strike(fault: Fault, name: str) -> None:
        system.faults.configure(1, points=[Point(fault, name=name)])

    strike(Fault.LOCK, "PATCH CreditManagementAccount")
    assert "locked" in system.patch(ACCOUNT, change).text
    strike(Fault.SWALLOW, "PATCH CreditManagementAccount")
    assert system.patch(ACCOUNT, change).status_code == 204
    assert system.get(ACCOUNT).json()["d"]["CreditLimitAmount"] == "1.00"
    strike(Fault.DROPPED_FIELD, "CreditAccountBlockReason")
    assert system.patch(ACCOUNT, change).status_code == 204
    found = system.get(ACCOUNT).json()["d"]
    assert (found["CreditLimitAmount"], found["CreditAccountBlockReason"]) == ("9.00", "")
    number = system.make_order("99.00")["SalesOrder"]
    strike(Fault.SWALLOW, "POST ReleaseCreditBlock")
    assert release(system, number)["MessageType"] == "S"
    assert system.get(f"{ORDERS}('{number}')").json()["d"]["TotalCreditCheckStatus"] == "B"
    assert system.ledger()["orders_released"] == {}
    strike(Fault.SWALLOW, "POST A_SalesOrder")
    assert system.get(f"{ORDERS}('{system.make_order('1')['SalesOrder']}')").status_code == 404
    strike(Fault.TOKEN_EXPIRY, "PATCH")
    assert system.patch(ACCOUNT, change).status_code == 403
