"""The reader of the receivables extract: every trap mended or named, nothing invented."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from sandbox.demo.dataset import DatasetError
from sandbox.demo.highradius import CLOSED_FILE, OPEN_FILE, VARIANTS_FILE, read_directory

CLOSED_HEADER = (
    "cust_number,name_customer,due_date,delay_days,total_open_amount,invoice_id,clear_date,src,"
    "business_code_inferred"
)
OPEN_HEADER = (
    "business_code,cust_number,name_customer,doc_id,posting_date,document_create_date,due_in_date,"
    "invoice_currency,document_type,total_open_amount,baseline_create_date,cust_payment_terms,"
    "invoice_id,src,term_days"
)
REAL = Path(__file__).parents[4] / "shared" / "data" / "highradius"


def write(directory: Path, *, closed=(), opened=(), variants=None) -> Path:
    (directory / CLOSED_FILE).write_text("\n".join([CLOSED_HEADER, *closed]) + "\n")
    (directory / OPEN_FILE).write_text("\n".join([OPEN_HEADER, *opened]) + "\n")
    if variants is not None:
        lines = ["cust_number,name_customer", *variants]
        (directory / VARIANTS_FILE).write_text("\n".join(lines) + "\n")
    return directory


def open_row(
    number="1930000001", customer="0200769623", amount="100.00", posted="2020-03-30", **changes
) -> str:
    row = {
        "business_code": "U001", "cust_number": customer, "name_customer": "ALDER corp",
        "doc_id": number, "posting_date": posted, "document_create_date": posted,
        "due_in_date": "2020-04-14", "invoice_currency": "USD", "document_type": "RV",
        "total_open_amount": amount, "baseline_create_date": "2020-03-30",
        "cust_payment_terms": "NAA8", "invoice_id": number, "src": "x", "term_days": "15",
    }  # fmt: skip
    return ",".join((row | changes).values())


def notes_of(dataset) -> dict[str, int]:
    return {note.reason: note.rows for note in dataset.notes}


def test_lost_leading_zeros_and_float_ids_name_the_same_customer_and_invoice(tmp_path):
    rows = [
        open_row("1930000001", "0200769623"),
        open_row("1930000002.0", "200769623"),
        open_row("1930000003", "200769623.0"),
        open_row("1930000004", "CC3411"),
    ]
    dataset = read_directory(write(tmp_path, opened=rows))
    assert dataset.invoices["customer"].unique().sort().to_list() == ["0200769623", "CC3411"]
    assert dataset.invoices["invoice_number"].sort().to_list() == [
        "1930000001", "1930000002", "1930000003", "1930000004",
    ]  # fmt: skip


def test_an_overflowed_id_falls_back_to_the_other_column_or_is_left_out_with_its_count(tmp_path):
    rows = [
        open_row("1930000001"),
        open_row("1930000002", invoice_id="-2147483648"),
        open_row("-2147483648"),
    ]
    dataset = read_directory(write(tmp_path, opened=rows))
    assert dataset.invoices["invoice_number"].sort().to_list() == ["1930000001", "1930000002"]
    assert notes_of(dataset)[f"{OPEN_FILE}: no usable invoice number (empty or overflowed)"] == 1


@pytest.mark.parametrize("text", ["2020-03-30", "20200330", "20200330.0", "30-03-2020"])
def test_every_date_shape_reads_as_the_same_day(tmp_path, text):
    dataset = read_directory(write(tmp_path, opened=[open_row(posted=text)]))
    assert dataset.invoices["posting_date"].to_list() == [date(2020, 3, 30)]


def test_a_time_without_a_day_is_no_date_and_the_term_gives_the_document_date(tmp_path):
    dataset = read_directory(write(tmp_path, opened=[open_row(posted="05:23.4")]))
    assert dataset.invoices["document_date"].to_list() == [date(2020, 3, 30)]


def test_swapped_month_and_day_are_swapped_back(tmp_path):
    row = open_row(posted="2020-07-04", baseline_create_date="2020-04-07", due_in_date="2020-04-22")
    dataset = read_directory(write(tmp_path, opened=[row]))
    assert dataset.invoices["posting_date"].to_list() == [date(2020, 4, 7)]
    assert notes_of(dataset)[f"{OPEN_FILE}: posting_date with month and day swapped back"] == 1


def test_exact_duplicates_are_dropped_and_counted(tmp_path):
    dataset = read_directory(write(tmp_path, opened=[open_row()] * 3))
    assert dataset.invoices.height == 1
    assert notes_of(dataset)[f"{OPEN_FILE}: exact duplicate rows"] == 2


def test_items_of_one_customer_and_clear_date_are_one_receipt_of_their_sum(tmp_path):
    closed = [
        "0200769623,ALDER us,2020-01-10,2,100.10,1928000001,2020-01-12,q,U001",
        "200769623,ALDER corp,2020-01-11,1,0.90,1928000002,2020-01-12,q,U001",
        "0200769623,ALDER corp,2020-01-11,4,50.00,1928000003,2020-01-15,q,U001",
    ]
    dataset = read_directory(write(tmp_path, closed=closed, opened=[open_row()]))
    assert dataset.receipts.select("amount", "items", "clear_date").rows() == [
        (Decimal("101.00"), 2, date(2020, 1, 12)),
        (Decimal("50.00"), 1, date(2020, 1, 15)),
    ]


def test_closed_items_without_a_clear_date_give_neither_receipt_nor_item(tmp_path):
    closed = ["0200769623,ALDER us,,-2,100.10,1928000001,,q,U001"]
    dataset = read_directory(write(tmp_path, closed=closed, opened=[open_row()]))
    assert dataset.receipts.height == 0
    assert dataset.invoices["invoice_number"].to_list() == ["1930000001"]
    reason = f"{CLOSED_FILE}: no clear date, so no receipt and no ledger item"
    assert notes_of(dataset)[reason] == 1


def test_document_dates_of_closed_items_are_due_less_the_customers_modal_term(tmp_path):
    closed = ["0200769623,ALDER us,2020-01-20,0,100.10,1928000001,2020-01-20,q,U001"]
    opened = [
        open_row("1930000001", term_days="65", cust_payment_terms="NAGD"),
        open_row("1930000002", term_days="10", cust_payment_terms="CA10"),
        open_row("1930000003", term_days="10", cust_payment_terms="CA10"),
    ]
    dataset = read_directory(write(tmp_path, closed=closed, opened=opened))
    paid = dataset.invoices.filter(dataset.invoices["invoice_number"] == "1928000001")
    assert paid["document_date"].to_list() == [date(2020, 1, 10)]


def test_an_item_is_never_dated_after_its_payment(tmp_path):
    closed = ["0200769623,ALDER us,2020-01-20,-18,100.10,1928000001,2020-01-02,q,U001"]
    dataset = read_directory(write(tmp_path, closed=closed))
    assert dataset.invoices["posting_date"].to_list() == [date(2020, 1, 2)]


def test_as_of_is_the_day_after_the_last_receipt_or_posting(tmp_path):
    closed = ["0200769623,ALDER us,2020-01-20,0,5.00,1928000001,2020-05-01,q,U001"]
    dataset = read_directory(write(tmp_path, closed=closed, opened=[open_row()]))
    assert dataset.as_of == date(2020, 5, 2)


def test_the_most_frequent_spelling_names_the_customer_and_all_are_kept(tmp_path):
    rows = [
        open_row("1930000001", name_customer="ALDER us"),
        open_row("1930000002", name_customer="ALDER  llc"),
        open_row("1930000003", name_customer="ALDER llc"),
    ]
    variants = ["200769623,ALDER trust", "0200769623,ALDER us"]
    dataset = read_directory(write(tmp_path, opened=rows, variants=variants))
    assert dataset.customers["name"].to_list() == ["ALDER llc"]
    assert dataset.name_variants["name"].to_list() == ["ALDER llc", "ALDER trust", "ALDER us"]


def test_negative_and_unreadable_amounts_are_kept_signed_or_left_out(tmp_path):
    rows = [
        open_row("1930000001", amount="-12.30"),
        open_row("1930000002", amount="abc"),
        open_row("1930000003", amount="42907.840000000004"),
        open_row("1930000004", amount="0.00"),
    ]
    dataset = read_directory(write(tmp_path, opened=rows))
    amounts = dataset.invoices.sort("invoice_number")["amount"].to_list()
    assert amounts == [Decimal("-12.30"), Decimal("42907.84")]
    assert notes_of(dataset)[f"{OPEN_FILE}: no readable amount"] == 1
    assert notes_of(dataset)[f"{OPEN_FILE}: amount is zero"] == 1


def test_canadian_companies_book_canadian_dollars(tmp_path):
    closed = ["0200769623,ALDER us,2020-01-20,0,5.00,1928000001,2020-01-20,q,CA02"]
    dataset = read_directory(write(tmp_path, closed=closed))
    assert dataset.companies == {"CA02": "CAD"}


def test_a_missing_required_column_is_named_with_the_file(tmp_path):
    write(tmp_path, opened=[open_row()])
    (tmp_path / CLOSED_FILE).write_text("cust_number,due_date\n1,2020-01-01\n")
    with pytest.raises(DatasetError, match=r"closed_items\.csv: column invoice_id is missing"):
        read_directory(tmp_path)


def test_missing_optional_columns_and_files_are_tolerated_with_a_note(tmp_path):
    text = (
        "cust_number,invoice_id,total_open_amount,due_in_date\n200769623,1930000001,5,2020-04-14\n"
    )
    (tmp_path / OPEN_FILE).write_text(text)
    dataset = read_directory(tmp_path)
    row = dataset.invoices.row(0, named=True)
    assert (row["company_code"], row["currency_code"], row["net_days"]) == ("U001", "USD", 15)
    assert any("posting_date" in reason for reason in notes_of(dataset))


def test_an_empty_directory_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="holds neither"):
        read_directory(tmp_path)


@pytest.mark.skipif(not REAL.exists(), reason=f"NO REAL EXTRACT at {REAL}: not compared with it")
def test_the_real_extract_reads_to_its_known_figures():
    dataset = read_directory(REAL)
    assert dataset.as_of == date(2020, 5, 23)
    assert dataset.receipts.height == 10_545
    assert notes_of(dataset)[f"{CLOSED_FILE}: exact duplicate rows"] == 764
    open_items = dataset.invoices.filter(dataset.invoices["receipt_number"].is_null())
    assert open_items.height == 27_986
    paid = dataset.invoices.drop_nulls("receipt_number")
    assert paid["amount"].sum() == dataset.receipts["amount"].sum()
    assert dataset.customers["customer"].str.len_chars().max() == 10


def test_company_codes_that_the_erp_lacks_are_left_out_with_their_count(tmp_path):
    rows = [open_row("1930000001"), open_row("1930000002", business_code="XX99")]
    dataset = read_directory(write(tmp_path, opened=rows))
    kept = dataset.of_companies(["U001"])
    assert kept.invoices["company_code"].to_list() == ["U001"]
    assert notes_of(kept)["items of company codes that the ERP lacks (XX99)"] == 1
    with pytest.raises(DatasetError, match="XX99"):
        dataset.of_companies(["CA02"])
