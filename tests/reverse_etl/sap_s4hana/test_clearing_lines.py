"""Discounts, fees, deductions, parts and over-payments over real sockets, proven in the books."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.common.errors import ConfigError, InputRefused
from reverse_etl.delivery.verifying import differences
from reverse_etl.delivery.writer import Accepted, Found, Retry
from reverse_etl.sap_s4hana.clearing_lines import lines_of
from tests.reverse_etl.sap_s4hana.conftest import CUSTOMERS, clearing, receipt, receipt_id_of

KEY = receipt_id_of("kept back")


def pay(sap, cash, *numbers, customer=CUSTOMERS[0]):
    """Invoices and a receipt of ``cash``: the invoices' lines and the receipt's document."""
    lines = sap.post_invoices(*numbers)
    return lines, sap.call("send", [receipt(KEY, cash, customer=customer)])[KEY].native_id


def clear(sap, lines, document):
    """Send one clearing and read it back: (sending, what was refused or None, differences)."""
    one = clearing(KEY, lines, after=document)
    outcome = sap.call("send", [one])[KEY]
    if outcome != Accepted():
        return one, outcome, None
    held = sap.call("read_back", [one])[KEY]
    assert held.fields is not None, held
    return one, None, differences(one.command.payload, held.fields, frozenset())


def open_items(sap):
    """Amount, reason, due date and customer of what is open on customers."""
    sap.app.ledger()  # works on requests that wait
    rows = sap.app.state.sap.tables["A_OperationalAcctgDocItemCube"].rows.values()
    return sorted(
        (
            str(row["AmountInTransactionCurrency"]),
            row["PaymentDifferenceReason"],
            row["NetDueDate"].isoformat(),
            row["Customer"],
        )
        for row in rows
        if row["FinancialAccountType"] == "D" and not row["IsCleared"]
    )


def balance(sap, account):
    return sap.app.state.sap.ledger.balances.get(("U001", account), Decimal(0))


def books_tie(sap):
    """Every journal sums to zero per currency, and the items make the ledger's balance."""
    ledger = sap.app.state.sap.ledger
    for journal in ledger.journals.values():
        assert sum(line.amount for line in journal.lines) == 0
        assert sum(line.amount_company for line in journal.lines) == 0
    subledger = sum(Decimal(amount) for amount, *_ in open_items(sap))
    return balance(sap, "12100000") == subledger


def test_an_earned_discount_closes_the_invoice_and_goes_to_sales_discounts(sap):
    (line,), document = pay(sap, "98", (CUSTOMERS[0], "I-1", "100"))
    one, refusal, wrong = clear(sap, [{**line, "discount_amount": "2"}], document)
    assert (refusal, wrong) == (None, {})
    assert (open_items(sap), balance(sap, "44000000")) == ([], Decimal(2))
    assert books_tie(sap)
    assert isinstance(sap.call("look_up", [one])[KEY], Found)


def test_a_bank_fee_is_charged_off_and_a_small_difference_to_its_own_account(sap):
    lines, document = pay(sap, "194.99", (CUSTOMERS[0], "I-1", "100"), (CUSTOMERS[0], "I-2", "100"))
    lines[0]["differences"] = [{"kind": "fee", "reason_code": "BANK-FEE", "amount": "5"}]
    lines[1]["differences"] = [{"kind": "fee", "reason_code": "ROUNDING", "amount": "0.01"}]
    _, refusal, wrong = clear(sap, lines, document)
    assert (refusal, wrong, open_items(sap)) == (None, {}, [])
    assert (balance(sap, "65100000"), balance(sap, "65200000")) == (Decimal(5), Decimal("0.01"))
    assert books_tie(sap)


def test_what_was_paid_too_much_stays_on_account_as_a_payment(sap):
    lines, document = pay(sap, "110", (CUSTOMERS[0], "I-1", "100"))
    _, refusal, wrong = clear(sap, [*lines, {"kind": "on_account", "amount": "10"}], document)
    assert (refusal, wrong) == (None, {})
    assert [item[:2] for item in open_items(sap)] == [("-10", "ONA")]
    (row,) = [
        row
        for row in sap.app.state.sap.tables["A_OperationalAcctgDocItemCube"].rows.values()
        if row["PaymentDifferenceReason"] == "ONA"
    ]
    assert (row["AccountingDocumentType"], row["InvoiceReference"]) == ("DZ", document[-10:])
    assert books_tie(sap)


def test_a_part_leaves_a_residual_item_with_the_original_due_date(sap):
    (line,), document = pay(sap, "60", (CUSTOMERS[0], "I-1", "100"))
    part = {**line, "kind": "partial", "amount": "60", "open_amount": "100"}
    _, refusal, wrong = clear(sap, [part], document)
    assert (refusal, wrong) == (None, {})
    assert open_items(sap) == [("40", "PAR", "2026-06-06", CUSTOMERS[0])]
    assert books_tie(sap)


def test_where_partial_payments_are_chosen_the_item_stays_and_the_payment_names_it(serve_sap):
    sap = serve_sap({"partial_payment": "partial"})
    (line,), document = pay(sap, "60", (CUSTOMERS[0], "I-1", "100"))
    part = {**line, "kind": "partial", "amount": "60", "open_amount": "100"}
    one, refusal, wrong = clear(sap, [part], document)
    assert (refusal, wrong) == (None, {})
    assert [item[0] for item in open_items(sap)] == ["-60", "100"]
    assert sap.call("send", [one])[KEY] == Accepted(sap.call("look_up", [one])[KEY].native_id)
    assert len(sap.app.ledger()["clearings"]) == 1
    assert books_tie(sap)


def test_a_choice_of_partial_payment_that_does_not_exist_is_a_wrong_configuration(serve_sap):
    with pytest.raises(ConfigError, match="residual or partial"):
        serve_sap({"partial_payment": "both"}).limits("clearings", "clear")


def test_deductions_with_several_reasons_stay_open_each_with_its_code(sap):
    (line,), document = pay(sap, "70", (CUSTOMERS[0], "I-1", "100"))
    kept = [
        {"kind": "deduction", "reason_code": "PRICE", "amount": "20"},
        {"kind": "deduction", "reason_code": "DAMAGE", "amount": "5"},
        {"kind": "fee", "reason_code": "BANK-FEE", "amount": "3"},
    ]
    line |= {"discount_amount": "2", "differences": kept}
    _, refusal, wrong = clear(sap, [line], document)
    assert (refusal, wrong) == (None, {})
    assert [item[:3] for item in open_items(sap)] == [
        ("20", "PRC", "2026-06-06"),
        ("5", "DMG", "2026-06-06"),
    ]
    assert (balance(sap, "44000000"), balance(sap, "65100000")) == (Decimal(2), Decimal(3))
    assert books_tie(sap)


def test_one_payment_for_two_customers_is_settled_in_one_document(sap):
    lines, document = pay(sap, "150", (CUSTOMERS[0], "I-1", "100"), (CUSTOMERS[1], "I-2", "60"))
    lines[1] |= {
        "customer": CUSTOMERS[1],
        "differences": [{"kind": "deduction", "reason_code": "FREIGHT", "amount": "10"}],
    }
    _, refusal, wrong = clear(sap, lines, document)
    assert (refusal, wrong) == (None, {})
    assert open_items(sap) == [("10", "FRT", "2026-06-06", CUSTOMERS[1])]
    assert books_tie(sap)


def test_an_item_of_another_customer_needs_that_customers_name(sap):
    lines, document = pay(sap, "60", (CUSTOMERS[1], "I-2", "60"))
    assert clear(sap, lines, document)[1].code == "item_of_another"


@pytest.mark.parametrize(
    ("cash", "line", "code"),
    [
        ("98", {"discount_amount": "1.99"}, "not_zero"),
        ("98", {"discount_amount": "-2"}, "line_amount"),
        ("98", {"discount_amount": "0.123"}, "too_many_decimals"),
        ("60", {"kind": "partial", "amount": "60", "open_amount": "99"}, "amount_changed"),
        ("60", {"kind": "partial", "amount": "100", "open_amount": "60"}, "line_amount"),
        (
            "60",
            {"kind": "partial", "amount": "62", "open_amount": "100", "discount_amount": "2"},
            "partial_with_discount",
        ),
        ("60", {"kind": "rest", "amount": "60"}, "line_kind"),
        ("60", {"amount": 60.5}, "line_amount"),
        (
            "60",
            {"differences": [{"kind": "deduction", "reason_code": "NOISE", "amount": "40"}]},
            "reason_not_mapped",
        ),
        ("60", {"differences": [{"kind": "deduction", "amount": "40"}]}, "line_form"),
        (
            "5",
            {"differences": [{"kind": "deduction", "reason_code": "PRICE", "amount": "100"}]},
            "line_amount",
        ),
    ],
)
def test_lines_that_do_not_make_the_receipt_never_leave(sap, cash, line, code):
    (whole,), document = pay(sap, cash, (CUSTOMERS[0], "I-1", "100"))
    assert clear(sap, [{**whole, **line}], document)[1].code == code
    assert sap.app.ledger()["waiting_clearings"] == 0


def test_amounts_finer_than_the_currency_never_leave(sap):
    (line,), document = pay(sap, "98", (CUSTOMERS[0], "I-1", "100"))
    line |= {
        "discount_amount": "1.995",
        "differences": [{"kind": "fee", "reason_code": "ROUNDING", "amount": "0.005"}],
    }
    assert clear(sap, [line], document)[1].code == "too_many_decimals"


def test_a_fee_that_sap_is_not_set_to_charge_off_shows_as_a_difference_never_as_done(serve_sap):
    sap = serve_sap(charge_off_accounts={})
    (line,), document = pay(sap, "95", (CUSTOMERS[0], "I-1", "100"))
    line["differences"] = [{"kind": "fee", "reason_code": "BANK-FEE", "amount": "5"}]
    _, _, wrong = clear(sap, [line], document)
    assert "0000100001 BNK 5; charged 0" in wrong["lines"][1]


def test_an_item_paid_meanwhile_is_refused_and_a_receipt_unseen_is_asked_again(sap):
    lines, document = pay(sap, "98", (CUSTOMERS[0], "I-1", "100"))
    line = {**lines[0], "discount_amount": "2"}
    unseen = document[:-1] + "9"
    assert isinstance(clear(sap, [line], unseen)[1], Retry)
    clear(sap, [line], document)
    rival = receipt_id_of("rival")
    other = sap.call("send", [receipt(rival, "98")])[rival].native_id
    assert sap.call("send", [clearing(rival, [line], after=other)])[rival].code == "item_cleared"


def test_reason_codes_of_an_installation_go_before_the_usual_ones(serve_sap):
    sap = serve_sap({"reason_codes": "PRICE=Z01;FREIGHT=Z02"})
    (line,), document = pay(sap, "90", (CUSTOMERS[0], "I-1", "100"))
    line["differences"] = [{"kind": "deduction", "reason_code": "price", "amount": "10"}]
    assert clear(sap, [line], document)[2] == {}
    assert [item[1] for item in open_items(sap)] == ["Z01"]


cents = st.integers(1, 10**9).map(lambda n: Decimal(n) / 100)


@given(cents, st.lists(cents, max_size=3), st.lists(cents, max_size=3))
def test_no_cent_of_a_line_is_lost_whatever_was_kept_back(paid, discounts, kept):
    discount = sum(discounts, Decimal(0))
    amount = paid + discount + sum(kept)
    raw = {
        "fiscal_year": "2026",
        "document": "1",
        "item": "1",
        "amount": str(amount),
        "discount_amount": str(discount),
        "differences": [
            {"kind": "deduction", "reason_code": "OTHER", "amount": str(one)} for one in kept
        ],
    }
    (line,), on_account = lines_of([raw, {"kind": "on_account", "amount": "3"}], "U001", "1")
    assert (line.cash, on_account) == (paid, Decimal(3))
    if not (discounts or kept):
        return
    with pytest.raises(InputRefused):
        lines_of([{**raw, "amount": str(discount + sum(kept) - paid)}], "U001", "1")
