"""Journal Entry – Post: many entries, each for itself; SAP's refusals; duplicates."""

import re
from collections.abc import Callable
from datetime import date

import pytest
from lxml import etree

from sandbox.core.faults import Fault, Point
from tests.sandbox.sap_s4hana.system import (
    CUSTOMER,
    ITEMS,
    SapSystem,
    create_message,
    debtor,
    entry,
    general,
    invoice,
    receipt,
)

KEY = "ABCDEFGHIJ2345672345"


def confirmations(body: bytes) -> dict[str, dict[str, str]]:
    """Document, highest severity and type ids by the entry's own id."""
    found = {}
    root = etree.fromstring(body)
    for one in root.iter("JournalEntryCreateConfirmation"):
        if one.find("MessageHeader") is None:
            continue
        found[one.findtext("MessageHeader/ReferenceID") or ""] = {
            "document": one.findtext("JournalEntryCreateConfirmation/AccountingDocument") or "",
            "severity": one.findtext("Log/MaximumLogItemSeverityCode") or "",
            "types": " ".join(e.text or "" for e in one.iter("TypeID")),
            "notes": " | ".join(e.text or "" for e in one.iter("Note")),
        }
    return found


def only(system: SapSystem, one: str, message_id: str = "M1") -> dict[str, str]:
    answer = system.post_entries(one, message_id=message_id)
    assert answer.status_code == 200
    (found,) = confirmations(answer.content).values()
    return found


def test_an_invoice_becomes_items_a_billing_document_and_balances(system: SapSystem) -> None:
    terms = (
        "</DebtorItem>",
        (
            "<CashDiscountTerms><DueCalculationBaseDate>2020-03-01</DueCalculationBaseDate>"
            "<NetPaymentDays>P15D</NetPaymentDays></CashDiscountTerms></DebtorItem>"
        ),
    )
    text = entry(
        "E1",
        debtor("120.00").replace(*terms),
        general("41000000", "-100.00", 2),
        general("22000000", "-20.00", 3),
        reference="1930659387",
    )
    assert only(system, text)["document"] == "1800000000"
    row = system.item("1800000000")
    assert row["Customer"] == CUSTOMER
    assert row["GLAccount"] == "12100000"
    assert (row["FinancialAccountType"], row["DebitCreditCode"]) == ("D", "S")
    assert row["DocumentReferenceID"] == "1930659387"
    assert row["NetDueDate"] == "/Date(1584316800000)/"
    (billing,) = system.rows("API_BILLING_DOCUMENT_SRV/A_BillingDocument")
    assert (billing["TotalNetAmount"], billing["TaxAmount"], billing["TotalGrossAmount"]) == (
        "100.00",
        "20.00",
        "120.00",
    )
    assert billing["BillingDocument"] == row["BillingDocument"]
    balances = system.rows("YY1_GLACCOUNTBALANCE_CDS/YY1_GLAccountBalance")
    assert {b["GLAccount"]: b["AmountInCompanyCodeCurrency"] for b in balances} == {
        "12100000": "120.00",
        "41000000": "-100.00",
        "22000000": "-20.00",
    }


def test_items_keep_the_numbers_the_sender_gave_them(system: SapSystem) -> None:
    text = entry("E1", general("41000000", "-5.00", 2), debtor("5.00", number=1))
    only(system, text)
    assert system.item("1800000000", "001")["FinancialAccountType"] == "D"


def test_a_receipt_carries_its_keys_and_is_found_by_them(system: SapSystem) -> None:
    only(system, receipt("E1", "50.00", key=KEY, reference="BANKREF-1"))
    (row,) = system.rows(ITEMS, filter=f"Reference3IDByBusinessPartner eq '{KEY}'")
    assert row["AmountInTransactionCurrency"] == "-50.00"
    assert (row["AccountingDocumentType"], row["PostingKey"]) == ("DZ", "15")
    ledger = system.ledger()
    assert ledger["effects"][KEY] == ["U001/2020/1400000000"]
    assert ledger["effects"]["E1"] == ["U001/2020/1400000000"]
    assert ledger["bookings_by_bank_reference"] == {"U001|BANKREF-1": ["U001/2020/1400000000"]}


def test_an_unidentified_receipt_is_found_by_assignment_and_text(system: SapSystem) -> None:
    text = entry(
        "E1",
        general("11001000", "7.00", 1),
        general("21650000", "-7.00", 2, AssignmentReference="abc", DocumentItemText=f"{KEY} Sysco"),
        kind="DZ",
    )
    only(system, text)
    (row,) = system.rows(ITEMS, filter="GLAccount eq '21650000' and AssignmentReference eq 'abc'")
    assert row["DocumentItemText"] == f"{KEY} Sysco"
    assert system.ledger()["effects"][KEY] == ["U001/2020/1400000000"]


def test_one_message_posts_the_good_and_names_the_bad(system: SapSystem) -> None:
    answer = system.post_entries(
        invoice("good-1", "10.00"),
        entry("bad", debtor("10.00", customer="1"), general("41000000", "-10.00")),
        invoice("good-2", "20.00"),
    )
    found = confirmations(answer.content)
    assert answer.status_code == 200
    assert found["good-1"]["document"] == "1800000000"
    assert found["good-2"]["document"] == "1800000001"
    assert (found["bad"]["document"], found["bad"]["severity"]) == ("0000000000", "3")
    assert found["bad"]["types"] == "609(RW) 102(F5)"
    assert "Customer 1 is not defined in company code U001" in found["bad"]["notes"]


@pytest.mark.parametrize(
    ("text", "type_id"),
    [
        (entry("E", debtor("10.00"), general("41000000", "-9.99")), "702(F5)"),
        (entry("E", debtor("10.00"), general("1", "-10.00")), "507(F5)"),
        (entry("E", debtor("10.00"), general("12100000", "-10.00")), "354(F5)"),
        (entry("E", debtor("10.001"), general("41000000", "-10.001")), "022(RW)"),
        (
            entry("E", debtor("1"), general("41000000", "-1"), posting_date=date(2020, 4, 1)),
            "201(F5)",
        ),
        (entry("E", debtor("1"), general("41000000", "-1"), company="U999"), "165(F5)"),
        (entry("E", debtor("1"), general("41000000", "-1"), company="U002"), "102(F5)"),
        (
            entry("E", debtor("1"), general("41000000", "-1")).replace("'USD'", "'ABC'"),
            "023(SG)",
        ),
        (entry("E", debtor("x"), general("41000000", "-1")), "000(RW)"),
        (entry("E", debtor("1"), general("41000000", "-1"), reference="x" * 17), "000(RW)"),
        (entry("E"), "000(RW)"),
    ],
)
def test_what_sap_would_refuse_is_refused_and_posts_nothing(
    system: SapSystem, text: str, type_id: str
) -> None:
    found = only(system, text)
    assert (found["document"], found["severity"]) == ("0000000000", "3")
    assert type_id in found["types"]
    assert system.ledger()["journals"] == {}
    assert system.get(f"{ITEMS}/$count").text == "0"


def test_a_closed_period_is_refused(make_system: Callable[..., SapSystem]) -> None:
    system = make_system()
    system.make_customer()
    system.app.state.sap.ledger.periods.open_company_from("U001", date(2020, 3, 1))
    early = entry("E", debtor("1"), general("41000000", "-1"), posting_date=date(2020, 2, 28))
    assert "Posting period 002 2020 is not open" in only(system, early)["notes"]
    assert only(system, invoice("E2", "1"), "M2")["severity"] == "1"


def test_a_customer_blocked_for_posting_is_refused(system: SapSystem) -> None:
    path = f"API_BUSINESS_PARTNER/A_Customer('{CUSTOMER}')"
    system.patch(path, {"PostingIsBlocked": True})
    assert "349(F5)" in only(system, invoice("E1", "1"))["types"]


def test_a_debit_code_makes_the_sign(system: SapSystem) -> None:
    text = entry("E1", debtor("5.00"), general("41000000", "5.00", DebitCreditCode="H"), kind="RV")
    assert only(system, text)["severity"] == "1"
    wrong = entry("E2", debtor("-5.00", DebitCreditCode="S"), general("41000000", "5.00"))
    assert only(system, wrong, "M2")["severity"] == "3"


def test_the_same_message_twice_has_one_effect(system: SapSystem) -> None:
    first = system.post_entries(invoice("E1", "10.00"))
    again = system.post_entries(invoice("E1", "10.00"))
    assert confirmations(first.content)["E1"]["document"] == "1800000000"
    assert confirmations(again.content)["E1"]["severity"] == "3"
    assert system.ledger()["journals"]["U001"]["USD"]["documents"] == 1


def test_the_same_entry_in_another_message_has_one_effect(system: SapSystem) -> None:
    system.post_entries(invoice("E1", "10.00"), message_id="M1")
    answer = system.post_entries(invoice("E1", "10.00"), invoice("E2", "1.00"), message_id="M2")
    found = confirmations(answer.content)
    assert (found["E1"]["severity"], found["E2"]["severity"]) == ("3", "1")
    assert system.ledger()["effects"]["E1"] == ["U001/2020/1800000000"]


def test_a_refused_entry_may_come_again_in_another_message(system: SapSystem) -> None:
    only(system, invoice("E1", "10.001"))
    assert only(system, invoice("E1", "10.00"), "M2")["document"] == "1800000000"


def test_duplicates_can_be_answered_with_the_first_document(
    make_system: Callable[..., SapSystem],
) -> None:
    system = make_system(duplicate_answer="repeated")
    system.make_customer()
    system.post_entries(invoice("E1", "10.00"))
    assert only(system, invoice("E1", "10.00"))["document"] == "1800000000"
    assert system.ledger()["journals"]["U001"]["USD"]["documents"] == 1


def test_without_the_switch_only_the_message_id_protects(
    make_system: Callable[..., SapSystem],
) -> None:
    system = make_system(deduplicates_entries=False)
    system.make_customer()
    for message_id in ("M1", "M1", "M2"):
        system.post_entries(invoice("E1", "10.00"), message_id=message_id)
    assert system.ledger()["journals"]["U001"]["USD"]["documents"] == 2


def test_a_document_is_reversed_once_and_both_are_cleared(system: SapSystem) -> None:
    only(system, invoice("E1", "10.00"))
    more = (
        "<ReversalReason>01</ReversalReason>"
        "<ReversalReferenceDocument>1800000000U0012020</ReversalReferenceDocument>"
    )
    assert only(system, entry("E2", more=more), "M2")["severity"] == "1"
    original, mirror = system.item("1800000000"), system.item("1800000001")
    assert (original["IsReversed"], original["IsCleared"]) == (True, True)
    assert (mirror["IsReversal"], mirror["AmountInTransactionCurrency"]) == (True, "-10.00")
    assert original["ReverseDocument"] == "1800000001"
    assert only(system, entry("E3", more=more), "M3")["severity"] == "3"
    assert system.ledger()["reversals"] == {"U001/2020/1800000000": "U001/2020/1800000001"}


@pytest.mark.parametrize(
    "body",
    [
        "no xml",
        "<a/>",
        create_message("", invoice("E1", "1")),
        create_message("x" * 36, invoice("E1", "1")),
        create_message("M", "").replace("JournalEntryBulkCreateRequest", "Something"),
    ],
)
def test_what_is_no_message_gets_a_fault(system: SapSystem, body: str) -> None:
    answer = system.soap("journalentrycreaterequestconfi", body)
    assert answer.status_code == 500
    assert "<soap-env:Fault>" in answer.text


def test_soap_1_2_and_qualified_children_are_understood(system: SapSystem) -> None:
    body = create_message("M1", invoice("E1", "1"))
    body = body.replace(
        "http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"
    )
    body = re.sub(r"<(/?)(?!sfin:|soapenv:)(\w)", r"<\1sfin:\2", body)
    answer = system.soap("journalentrycreaterequestconfi", body)
    assert answer.headers["content-type"].startswith("application/soap+xml")
    assert confirmations(answer.content)["E1"]["document"] == "1800000000"


def test_an_external_entity_is_never_read(system: SapSystem, tmp_path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("1234567890")
    body = create_message("M1", invoice("E1", "1")).replace("RE1", "&x;")
    body = f'<!DOCTYPE a [<!ENTITY x SYSTEM "file://{secret}">]>{body}'
    answer = system.soap("journalentrycreaterequestconfi", body)
    assert "1234567890" not in answer.text
    assert "1234567890" not in system.get(ITEMS).text


def test_a_swallowed_message_says_success_and_posts_nothing(system: SapSystem) -> None:
    system.faults.configure(1, points=[Point(Fault.SWALLOW, name="journal_entry_post")])
    assert only(system, invoice("E1", "1"))["severity"] == "1"
    assert system.ledger()["journals"] == {}
    assert only(system, invoice("E1", "1"), "M2")["document"] == "1800000000"


def test_a_locked_account_refuses_once(system: SapSystem) -> None:
    system.faults.configure(1, points=[Point(Fault.LOCK, name="journal_entry_post")])
    assert "locked" in only(system, invoice("E1", "1"))["notes"]
    assert only(system, invoice("E1", "1"), "M2")["severity"] == "1"


def test_debits_are_credits_after_everything(system: SapSystem) -> None:
    system.post_entries(
        invoice("E1", "33.33"),
        receipt("E2", "11.11"),
        entry("E3", debtor("1"), general("41000000", "-2")),
        entry("E4", debtor("9.99"), general("41000000", "-9.99")).replace("'USD'", "'CAD'"),
    )
    for currencies in system.ledger()["journals"].values():
        for sums in currencies.values():
            assert sums["debit"] == sums["credit"]
