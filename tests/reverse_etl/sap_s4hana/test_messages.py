"""What the SOAP messages promise: same entries, same bytes; money exact; outcomes by entry id."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from ingestion.common.errors import InputRefused, VendorAnswerInvalid
from reverse_etl.sap_s4hana.confirmations import parse_post_answer
from reverse_etl.sap_s4hana.messages import (
    ClearingItem,
    ClearingRequest,
    DebtorItem,
    EntryHeader,
    GlItem,
    JournalEntry,
    clearing_envelope,
    post_envelope,
)

CREATED_AT = datetime(2020, 5, 22, 10, 30, tzinfo=UTC)
HEADER = EntryHeader("U001", "DZ", date(2020, 5, 20), date(2020, 5, 21), document_reference="BK1")


def receipt(entry_id="a" * 32, amount="1234.50", **changes):
    amount = Decimal(amount)
    entry = JournalEntry(
        entry_id,
        HEADER,
        "USD",
        debtor_items=(
            DebtorItem("0140105686", -amount, assignment="0f" * 9, reference_3="K" * 20),
        ),
        gl_items=(GlItem("11001000", amount, value_date=date(2020, 5, 19)),),
    )
    return replace(entry, **changes)


def texts(body, path):
    return [e.text for e in etree.fromstring(body).iterfind(f".//{path}")]


def confirmation(entry_id, document="1400000001", severity="1", note="ok"):
    return f"""<JournalEntryCreateConfirmation>
      <MessageHeader><ID>x</ID><ReferenceID>{entry_id}</ReferenceID></MessageHeader>
      <JournalEntryCreateConfirmation><AccountingDocument>{document}</AccountingDocument>
        <CompanyCode>U001</CompanyCode><FiscalYear>2020</FiscalYear></JournalEntryCreateConfirmation>
      <Log><MaximumLogItemSeverityCode>{severity}</MaximumLogItemSeverityCode>
        <Item><TypeID>702(F5)</TypeID><SeverityCode>{severity}</SeverityCode><Note>{note}</Note></Item></Log>
    </JournalEntryCreateConfirmation>"""


def answer(*parts):
    return (
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
        '<n0:JournalEntryBulkCreateConfirmation xmlns:n0="http://sap.com/xi/SAPSCORE/SFIN">'
        + "".join(parts)
        + "</n0:JournalEntryBulkCreateConfirmation></s:Body></s:Envelope>"
    ).encode()


def test_the_same_entries_give_the_same_bytes_and_another_entry_another_message():
    first, second = receipt(), receipt("b" * 32)
    assert post_envelope([first, second], created_at=CREATED_AT) == post_envelope(
        [first, second], created_at=CREATED_AT
    )
    elsewhere = CREATED_AT.astimezone(timezone(timedelta(hours=2)))
    assert post_envelope([first], created_at=CREATED_AT) == post_envelope(
        [first], created_at=elsewhere
    )
    ids = {texts(post_envelope(e, created_at=CREATED_AT), "ID")[0] for e in ([first], [second])}
    assert len(ids) == 2


def test_a_receipt_carries_its_keys_its_value_date_and_both_signs_of_its_amount():
    body = post_envelope([receipt()], created_at=CREATED_AT)
    assert texts(body, "DebtorItem/Reference3IDByBusinessPartner") == ["K" * 20]
    assert texts(body, "DebtorItem/AssignmentReference") == ["0f" * 9]
    assert texts(body, "DebtorItem/AmountInTransactionCurrency") == ["-1234.5"]
    assert texts(body, "DebtorItem/DebitCreditCode") == ["H"]
    assert texts(body, "DebtorItem/ReferenceDocumentItem") == ["1"]
    assert texts(body, "Item/AmountInTransactionCurrency") == ["1234.5"]
    assert texts(body, "Item/DebitCreditCode") == ["S"]
    assert texts(body, "Item/ValueDate") == ["2020-05-19"]
    assert texts(body, "JournalEntry/DocumentReferenceID") == ["BK1"]
    assert texts(body, "JournalEntryCreateRequest/MessageHeader/ID") == ["a" * 32]


@given(st.decimals(min_value="0.01", max_value="99999999999999.99", places=2))
def test_no_amount_changes_on_its_way_into_a_message(amount):
    body = post_envelope([receipt(amount=str(amount))], created_at=CREATED_AT)
    debit, credit = (
        Decimal(texts(body, f"{line}/AmountInTransactionCurrency")[0])
        for line in ("Item", "DebtorItem")
    )
    assert (debit, credit) == (amount, -amount)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"gl_items": (GlItem("11001000", Decimal(1)),)}, "unbalanced"),
        ({"gl_items": (), "debtor_items": ()}, "unbalanced"),
        ({"header": replace(HEADER, document_reference="x" * 17)}, "does_not_fit"),
        ({"header": replace(HEADER, document_reference="a\x00b")}, "does_not_fit"),
        (
            {
                "gl_items": (GlItem("1", Decimal("0.001")),),
                "debtor_items": (DebtorItem("1", Decimal("-0.001")),),
            },
            "too_many_decimals",
        ),
    ],
)
def test_an_entry_that_sap_could_misread_never_leaves(changes, code):
    with pytest.raises(InputRefused) as caught:
        post_envelope([receipt(**changes)], created_at=CREATED_AT)
    assert caught.value.code == code


def test_two_entries_with_one_id_never_leave_together():
    with pytest.raises(InputRefused):
        post_envelope([receipt(), receipt()], created_at=CREATED_AT)


@given(st.text(max_size=80))
def test_any_text_of_a_bank_becomes_at_most_fifty_characters_of_xml(text):
    debtor = replace(receipt().debtor_items[0], text=text)
    body = post_envelope([receipt(debtor_items=(debtor,))], created_at=CREATED_AT)
    found = texts(body, "DebtorItem/DocumentItemText")
    assert len(found) <= 1
    assert all(0 < len(one) <= 50 for one in found)


def test_an_invoice_says_when_it_is_due():
    due = DebtorItem("0140105686", Decimal(50), due_base_date=date(2020, 5, 1), net_payment_days=15)
    entry = JournalEntry(
        "c" * 32,
        replace(HEADER, document_type="RV"),
        "USD",
        (due,),
        (GlItem("41000000", Decimal(-50)),),
    )
    body = post_envelope([entry], created_at=CREATED_AT)
    assert texts(body, "CashDiscountTerms/DueCalculationBaseDate") == ["2020-05-01"]
    assert texts(body, "CashDiscountTerms/NetPaymentDays") == ["15"]


def test_a_clearing_names_every_item_and_carries_the_key_in_its_header_text():
    items = tuple(ClearingItem("0140105686", "2020", f"18{n:08}", "001") for n in range(3))
    day = date(2020, 5, 21)
    request = ClearingRequest("d" * 32, "K" * 20, "U001", "USD", day, day, items)
    body = clearing_envelope([request], created_at=CREATED_AT)
    assert texts(body, "APARItems/AccountingDocument") == [i.document for i in items]
    assert set(texts(body, "APARItems/AccountType")) == {"D"}
    assert texts(body, "JournalEntry/DocumentHeaderText") == ["K" * 20]
    assert texts(body, "{http://www.w3.org/2005/08/addressing}MessageID")[0].startswith("uuid:")
    with pytest.raises(InputRefused):
        clearing_envelope([replace(request, items=items[:1])], created_at=CREATED_AT)


@given(st.permutations(range(6)), st.sets(st.integers(0, 5)))
def test_confirmations_are_joined_by_entry_id_whatever_their_order(order, refused):
    parts = [
        confirmation(
            f"id{n}",
            "0000000000" if n in refused else f"14{n:08}",
            "3" if n in refused else "1",
            f"note {n}",
        )
        for n in order
    ]
    found = parse_post_answer(answer(*parts)).confirmations
    assert set(found) == {f"id{n}" for n in range(6)}
    for n in range(6):
        one = found[f"id{n}"]
        assert one.is_posted is (n not in refused)
        assert one.log[0].note == f"note {n}"
        if n not in refused:
            assert one.document == f"14{n:08}"


def test_an_entry_confirmed_in_contradiction_is_not_known():
    both = answer(confirmation("id1"), confirmation("id1", "0000000000", "3"), confirmation("id2"))
    assert set(parse_post_answer(both).confirmations) == {"id2"}
    same = answer(confirmation("id1"), confirmation("id1"))
    assert set(parse_post_answer(same).confirmations) == {"id1"}


@pytest.mark.parametrize("body", [b"", b"<html>busy</html>", b"<a", b'{"error": 1}'])
def test_an_answer_that_is_no_confirmation_is_called_invalid(body):
    with pytest.raises(VendorAnswerInvalid):
        parse_post_answer(body)


def test_an_entity_in_an_answer_is_never_opened():
    body = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>&x;</a>'
    with pytest.raises(VendorAnswerInvalid):
        parse_post_answer(body)
