"""Journal Entry – Clearing: taken at once, worked on later, visible in items and log only."""

from collections.abc import Callable

import pytest

from sandbox.core.faults import Fault, Point
from tests.sandbox.sap_s4hana.system import (
    CUSTOMER,
    ITEMS,
    SapSystem,
    clear_message,
    clearing,
    entry,
    general,
    invoice,
    receipt,
)

LOG = "YY1_CLEARINGLOG_CDS/YY1_ClearingLog"
INVOICE, RECEIPT = ("1800000000", "001"), ("1400000000", "001")


def log(system: SapSystem) -> dict[str, tuple[str, str]]:
    return {row["MessageID"]: (row["Status"], row["Note"]) for row in system.rows(LOG)}


@pytest.fixture
def paid(system: SapSystem) -> SapSystem:
    """An invoice of 100 and a receipt of 100."""
    system.post_entries(invoice("E1", "100.00"), receipt("E2", "100.00"))
    return system


def test_a_clearing_is_accepted_first_and_has_its_effect_later(paid: SapSystem) -> None:
    answer = paid.clear(clearing("R1", INVOICE, RECEIPT))
    assert (answer.status_code, answer.content) == (202, b"")
    assert paid.item(INVOICE[0])["IsCleared"] is False
    assert log(paid)["R1"][0] == "P"
    paid.wait()
    for document, position in (INVOICE, RECEIPT):
        row = paid.item(document, position)
        assert row["IsCleared"] is True
        assert row["ClearingAccountingDocument"] == "0100000000"
        assert row["ClearingDate"] == "/Date(1583798400000)/"
    assert log(paid) == {
        "R1": ("S", "Document U001/2020/0100000000 was posted"),
        "C1": ("S", "1 of 1 requests were processed"),
    }
    (billing,) = paid.rows("API_BILLING_DOCUMENT_SRV/A_BillingDocument")
    assert billing["InvoiceClearingStatus"] == "C"
    assert paid.ledger()["clearings"] == {
        "U001/2020/0100000000": ["U001/2020/1800000000/001", "U001/2020/1400000000/001"]
    }
    assert paid.ledger()["effects"]["R1"] == ["U001/2020/0100000000"]


def test_a_clearing_moves_the_change_date_of_its_items(paid: SapSystem) -> None:
    paid.clear(clearing("R1", INVOICE, RECEIPT))
    paid.clock.set(paid.clock.now().replace(day=20))
    changed = paid.rows(
        ITEMS, filter="LastChangeDate ge datetime'2020-03-20T00:00:00'", orderby="PostingKey"
    )
    assert [row["PostingKey"] for row in changed] == ["01", "15"]


def test_a_lag_can_be_counted_in_reads(make_system: Callable[..., SapSystem]) -> None:
    system = make_system(clearing_lag_reads=2)
    system.make_customer()
    system.post_entries(invoice("E1", "1.00"), receipt("E2", "1.00"))
    system.clear(clearing("R1", INVOICE, RECEIPT))
    assert [system.item(INVOICE[0])["IsCleared"] for _ in range(3)] == [False, False, True]


def test_short_item_numbers_and_customers_are_padded(paid: SapSystem) -> None:
    text = clearing("R1", ("1800000000", "1"), ("1400000000", "1"))
    paid.clear(text.replace(CUSTOMER, CUSTOMER.lstrip("0")))
    paid.wait()
    assert paid.item(INVOICE[0])["IsCleared"] is True


@pytest.mark.parametrize(
    ("items", "note"),
    [
        ([INVOICE], "do not net to zero"),
        ([INVOICE, ("1800000009", "001")], "does not exist"),
        ([INVOICE, ("1400000000", "002")], "does not belong to account"),
        ([INVOICE, RECEIPT, INVOICE], "twice"),
    ],
)
def test_a_wrong_request_leaves_all_open_and_a_note_in_the_log(
    paid: SapSystem, items: list[tuple[str, str]], note: str
) -> None:
    assert paid.clear(clearing("R1", *items)).status_code == 202
    paid.wait()
    assert paid.item(INVOICE[0])["IsCleared"] is False
    status, text = log(paid)["R1"]
    assert status == "E"
    assert note in text
    assert paid.ledger()["clearings"] == {}


def test_items_that_are_cleared_are_not_cleared_again(paid: SapSystem) -> None:
    paid.clear(clearing("R1", INVOICE, RECEIPT), message_id="C1")
    paid.clear(clearing("R2", INVOICE, RECEIPT), message_id="C2")
    paid.wait()
    assert log(paid)["R1"][0] == "S"
    assert "already cleared" in log(paid)["R2"][1]


def test_the_same_message_twice_is_worked_on_once(paid: SapSystem) -> None:
    for _ in range(2):
        paid.clear(clearing("R1", INVOICE, RECEIPT))
    paid.wait()
    paid.clear(clearing("R1", INVOICE, RECEIPT), message_id="C9")
    paid.wait()
    assert log(paid)["R1"][0] == "S"
    assert len(paid.ledger()["clearings"]) == 1


def test_one_bad_request_does_not_stop_the_others(paid: SapSystem) -> None:
    paid.clear(clearing("R1", INVOICE), clearing("R2", INVOICE, RECEIPT))
    paid.wait()
    found = log(paid)
    assert (found["R1"][0], found["R2"][0], found["C1"][0]) == ("E", "S", "E")


def test_a_partial_payment_leaves_the_invoice_open(system: SapSystem) -> None:
    system.post_entries(invoice("E1", "100.00"), receipt("E2", "60.00"))
    part = "<PartialPaymentAmtInDspCrcy currencyCode='USD'>60.00</PartialPaymentAmtInDspCrcy>"
    system.clear(clearing("R1", INVOICE, RECEIPT, more=part))
    system.wait()
    assert log(system)["R1"][0] == "S"
    assert system.item(INVOICE[0])["IsCleared"] is False
    assert system.item(RECEIPT[0])["IsCleared"] is True
    rows = system.rows(ITEMS, filter="FinancialAccountType eq 'D' and IsCleared eq false")
    open_amounts = {row["AmountInTransactionCurrency"]: row["InvoiceReference"] for row in rows}
    assert open_amounts == {"100.00": "", "-60.00": "1800000000"}


def test_a_residual_closes_the_invoice_and_opens_the_rest(system: SapSystem) -> None:
    system.post_entries(invoice("E1", "100.00"), receipt("E2", "60.00"))
    rest = (
        "<OtherDeductionAmountInDspCrcy currencyCode='USD'>40.00</OtherDeductionAmountInDspCrcy>"
        "<PaymentDifferenceReason>053</PaymentDifferenceReason>"
    )
    system.clear(clearing("R1", INVOICE, RECEIPT, more=rest))
    system.wait()
    assert log(system)["R1"][0] == "S"
    (row,) = system.rows(ITEMS, filter="FinancialAccountType eq 'D' and IsCleared eq false")
    assert (row["AmountInTransactionCurrency"], row["InvoiceReference"]) == ("40.00", "1800000000")


@pytest.mark.parametrize(
    "more",
    [
        "<PartialPaymentAmtInDspCrcy>100.01</PartialPaymentAmtInDspCrcy>",
        (
            "<OtherDeductionAmountInDspCrcy>-40.00</OtherDeductionAmountInDspCrcy>"
            "<PaymentDifferenceReason>053</PaymentDifferenceReason>"
        ),
        "<OtherDeductionAmountInDspCrcy>40.00</OtherDeductionAmountInDspCrcy>",
        (
            "<PartialPaymentAmtInDspCrcy>60</PartialPaymentAmtInDspCrcy>"
            "<CashDiscountAmountInDspCrcy>1</CashDiscountAmountInDspCrcy>"
        ),
    ],
)
def test_part_payments_that_do_not_fit_are_refused(system: SapSystem, more: str) -> None:
    system.post_entries(invoice("E1", "100.00"), receipt("E2", "60.00"))
    system.clear(clearing("R1", INVOICE, RECEIPT, more=more))
    system.wait()
    assert log(system)["R1"][0] == "E"
    assert system.ledger()["clearings"] == {}


def test_an_unidentified_receipt_can_be_cleared_to_a_customer(system: SapSystem) -> None:
    unknown = entry("E2", general("11001000", "9.00", 1), general("21650000", "-9.00"), kind="DZ")
    system.post_entries(invoice("E1", "9.00"), unknown)
    account = (
        "<GLItems><GLAccount>21650000</GLAccount><FiscalYear>2020</FiscalYear>"
        "<AccountingDocument>1400000000</AccountingDocument>"
        "<AccountingDocumentItem>002</AccountingDocumentItem></GLItems>"
    )
    text = clearing("R1", INVOICE).replace("</JournalEntry>", f"{account}</JournalEntry>")
    system.clear(text)
    system.wait()
    assert log(system)["R1"][0] == "S"
    assert system.item("1400000000", "002")["IsCleared"] is True
    balances = system.rows(
        "YY1_GLACCOUNTBALANCE_CDS/YY1_GLAccountBalance", filter="GLAccount eq '21650000'"
    )
    assert [row["AmountInCompanyCodeCurrency"] for row in balances] == ["0.00"]


def test_a_bank_line_cannot_be_cleared(paid: SapSystem) -> None:
    account = (
        "<GLItems><GLAccount>11001000</GLAccount><FiscalYear>2020</FiscalYear>"
        "<AccountingDocument>1400000000</AccountingDocument>"
        "<AccountingDocumentItem>002</AccountingDocumentItem></GLItems>"
    )
    paid.clear(clearing("R1", INVOICE).replace("</JournalEntry>", f"{account}</JournalEntry>"))
    paid.wait()
    assert log(paid)["R1"][1].startswith("There are no open items managed in account")


def test_swallowed_and_doubled_messages(paid: SapSystem) -> None:
    paid.faults.configure(1, points=[Point(Fault.SWALLOW, name="clearing")])
    assert paid.clear(clearing("R1", INVOICE, RECEIPT)).status_code == 202
    paid.wait()
    assert log(paid) == {}
    paid.faults.configure(1, points=[Point(Fault.DUPLICATE, name="clearing")])
    paid.clear(clearing("R1", INVOICE, RECEIPT))
    paid.wait()
    assert len(paid.ledger()["clearings"]) == 1


def test_without_a_log_service_only_the_items_tell(make_system: Callable[..., SapSystem]) -> None:
    system = make_system(clearing_log_service="")
    system.make_customer()
    system.post_entries(invoice("E1", "1.00"), receipt("E2", "1.00"))
    system.clear(clearing("R1", INVOICE, RECEIPT))
    system.wait()
    assert system.item(INVOICE[0])["IsCleared"] is True
    assert system.get(LOG).status_code == 403


def test_what_is_no_clearing_message_gets_a_fault(system: SapSystem) -> None:
    body = clear_message("C1", "").replace("ClearingRequest", "Nothing")
    assert system.soap("journalentrybulkclearingreques", body).status_code == 500
