"""Master data and documents over real sockets: made once, changed under their ETags, read back."""

from dataclasses import replace

import pytest

from reverse_etl.delivery.verifying import differences
from reverse_etl.delivery.writer import Absent, Accepted, Found, Rejected, Retry, Unknown
from sandbox.core.faults import Fault, Point
from tests.reverse_etl.sap_s4hana.conftest import CUSTOMERS
from tests.reverse_etl.sap_s4hana.test_clearing_lines import books_tie, open_items
from tests.reverse_etl.support import sending

NEW = "0000777001"
MASTER = {
    "name": "Northwind Traders",
    "search_term": "NORTHWIND",
    "grouping": "BP02",
    "external_id": "001A",
    "order_block": None,
    "is_posting_blocked": False,
    "vat_registration": "DE123456789",
    "street": "Main Street",
    "city": "Hamburg",
    "postal_code": "20095",
    "country": "DE",
    "tax_type": "DE0",
    "tax_number": "DE123456789",
    "iban": "DE02120300000000202051",
}


def upsert(object_name, key, **payload):
    return sending("sap_s4hana", object_name, key, payload)


def done(sap, one):
    """Send one, read it back: the outcome and what the target holds otherwise."""
    key = one.command.business_key
    outcome = sap.call("send", [one])[key]
    held = sap.call("read_back", [one])[key]
    limits = sap.limits(one.command.object_name, one.command.operation)
    wrong = {} if held.fields is None else differences(
        one.command.payload, held.fields, limits.unreadable_fields
    )  # fmt: skip
    return outcome, wrong


def test_a_new_customer_is_made_whole_and_the_same_again_changes_nothing(sap):
    one = upsert("customers", NEW, **MASTER)
    assert sap.call("read_back", [one])[NEW].fields is None
    assert isinstance(sap.call("look_up", [one])[NEW], Absent)
    for _ in range(2):
        assert done(sap, one) == (Accepted(NEW), {})
    assert isinstance(sap.call("look_up", [one])[NEW], Found)
    tables = sap.app.state.sap.tables
    for name in ("A_BusinessPartnerAddress", "A_BusinessPartnerTaxNumber", "A_BusinessPartnerBank"):
        assert len(tables[name].where("BusinessPartner", NEW)) == 1
    assert tables["A_Customer"].get(NEW)["CustomerName"] == "Northwind Traders"


def test_a_change_touches_only_its_fields_and_makes_what_is_missing(sap):
    one = upsert("customers", CUSTOMERS[0], order_block="01", city="Bremen", country="DE")
    assert done(sap, one) == (Accepted(CUSTOMERS[0]), {})
    row = sap.app.state.sap.tables["A_BusinessPartner"].get(CUSTOMERS[0])
    assert row["OrganizationBPName1"] == f"Customer {CUSTOMERS[0]}"
    lifted = upsert("customers", CUSTOMERS[0], order_block=None)
    assert done(sap, lifted) == (Accepted(CUSTOMERS[0]), {})


def test_terms_payment_block_and_dunning_block_stand_on_company_and_area(sap):
    company, area = f"{CUSTOMERS[0]}/U001", f"{CUSTOMERS[0]}/U001/"
    terms = upsert("customer_companies", company, payment_terms="NT30", payment_block="A")
    assert done(sap, terms) == (Accepted(company), {})
    for block in ("B", None):
        one = upsert("customer_dunning", area, dunning_block=block)
        assert done(sap, one) == (Accepted(area), {})
    second = upsert("customer_companies", f"{CUSTOMERS[0]}/CA02", payment_terms="NT30")
    assert done(sap, second)[1] == {}


def test_refusals_name_the_field_and_wrong_keys_never_leave(sap):
    wrong = upsert("customer_companies", f"{CUSTOMERS[0]}/XXXX", payment_terms="NT30")
    outcome = sap.call("send", [wrong])[wrong.command.business_key]
    assert isinstance(outcome, Rejected)
    assert "XXXX" in outcome.message
    formless = upsert("customer_companies", CUSTOMERS[0], payment_terms="NT30")
    assert sap.call("send", [formless])[CUSTOMERS[0]].code == "key_form"


def test_a_lost_answer_is_unknown_and_a_stale_etag_is_asked_again(sap):
    company = f"{CUSTOMERS[0]}/U001"
    one = upsert("customer_companies", company, payment_terms="NT45")
    sap.faults.configure(
        points=[Point(Fault.LOST_ANSWER, path="A_CustomerCompany", method="PATCH")]
    )
    assert isinstance(sap.call("send", [one])[company], Unknown)
    assert isinstance(sap.call("look_up", [one])[company], Found)
    sap.faults.configure(
        points=[Point(Fault.THROTTLED, path="A_CustomerCompany", times=9, seconds=0)]
    )
    assert isinstance(sap.call("send", [one])[company], Retry)


def test_a_disputed_item_is_blocked_and_marked_and_freed_again(sap):
    (line,) = sap.post_invoices((CUSTOMERS[0], "I-1", "100"))
    key = f"U001/{line['fiscal_year']}/{line['document']}/{line['item']}"
    marked = {"payment_block": "A", "dunning_block": "B", "dispute_reference": "DSP-01234567"}
    freed = dict.fromkeys(marked)
    for fields in (marked, freed):
        assert done(sap, upsert("item_blocks", key, **fields)) == (Accepted(), {})
    nothing = upsert("item_blocks", "U001/2026/1899999999/001", payment_block="A")
    sap.call("send", [nothing])
    assert sap.call("read_back", [nothing])[nothing.command.business_key].fields is None
    sap.faults.configure(points=[Point(Fault.SWALLOW, name="SOAP change")])
    again = upsert("item_blocks", key, **marked)
    sap.call("send", [again])
    assert isinstance(sap.call("look_up", [again])[key], Absent)


def batch(key="batch-1", total="150", **changes):
    payload = {
        "lockbox": "1000070",
        "deposit_date": "2026-05-21",
        "amount": total,
        "destination": "HUB",
        "lines": [
            {
                "item": "00001", "amount": "90", "currency_code": "USD", "cheque": "3456687",
                "clearings": [{
                    "payment_reference": "I-1", "amount": "90", "deduction_amount": "10",
                    "reason_code": "PRICE", "currency_code": "USD",
                }],
            },
            {"item": "00002", "amount": "60", "currency_code": "USD", "cheque": "3456688"},
        ],
        **changes,
    }  # fmt: skip
    return sending("sap_s4hana", "lockbox_batches", key, payload)


def test_a_lockbox_batch_is_posted_once_cleared_with_its_deduction_and_the_rest_unidentified(sap):
    sap.post_invoices((CUSTOMERS[0], "I-1", "100"))
    one = batch()
    sap.faults.configure(points=[Point(Fault.LOST_ANSWER, path="LockboxBatch", method="POST")])
    assert isinstance(sap.call("send", [one])["batch-1"], Unknown)
    found = sap.call("look_up", [one])["batch-1"]
    assert isinstance(found, Found)
    assert done(sap, replace(one, attempt=2)) == (Accepted(found.native_id), {})
    assert len(sap.app.state.sap.tables["LockboxBatch"].rows) == 1
    assert [item[:2] for item in open_items(sap)] == [("10", "PRC")]
    assert sap.app.state.sap.ledger.balances["U001", "21650000"] == -60
    assert books_tie(sap)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"total": "149"}, "not_the_total"),
        ({"lockbox": "9"}, "FB/101"),
        ({"lines": [{"amount": "150", "colour": "red"}]}, "line_field"),
        ({"lines": [{"amount": "150", "clearings": [{"amount": "151"}]}]}, "over_applied"),
        ({"lines": []}, "field_missing"),
        ({"total": "0"}, "not_the_total"),
    ],
)
def test_a_batch_that_does_not_add_up_is_refused(sap, changes, code):
    outcome = sap.call("send", [batch(**changes)])["batch-1"]
    assert isinstance(outcome, Rejected)
    assert outcome.code in (code, "amount")
    assert not sap.app.state.sap.tables["LockboxBatch"].rows


def test_a_payment_advice_and_a_credit_memo_request_are_made_once_and_read_back(sap):
    advice = sending(
        "sap_s4hana",
        "payment_advices",
        "advice-1",
        {
            "company_code": "U001",
            "account_type": "D",
            "customer": CUSTOMERS[0],
            "amount": "90",
            "currency_code": "USD",
            "payment_date": "2026-05-20",
            "lines": [{"reference": "I-1", "amount": "90", "currency_code": "USD"}],
        },
    )
    request = sending(
        "sap_s4hana",
        "credit_memo_requests",
        "request-1",
        {
            "request_type": "CR",
            "sales_organization": "U001",
            "customer": CUSTOMERS[0],
            "amount": "10",
            "currency_code": "USD",
            "reason_code": "101",
            "reference_document": None,
            "lines": [{"text": "Price difference I-1", "amount": "10"}],
        },
    )
    for one in (advice, request):
        outcome, wrong = done(sap, one)
        assert isinstance(outcome, Accepted)
        assert wrong == {}
        again = sap.call("send", [replace(one, attempt=2)])[one.command.business_key]
        assert again == outcome
