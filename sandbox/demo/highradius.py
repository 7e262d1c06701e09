"""Reads a masked SAP receivables extract: three CSV files with every trap a spreadsheet can set.

Traps that are mended here, each counted in the notes: customer numbers without their leading
zeros, ids written as floats (``1930659387.0``), the 32-bit overflow ``-2147483648``, dates in four
shapes or with no day at all, swapped month and day, exact duplicate rows, missing optional columns.
What cannot be mended is left out with its reason; a missing *required* column stops the reading.

It must not invent: closed items without a clear date give no receipt and no ledger item, because
nothing says when they were due or paid.
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from sandbox.demo.cells import amount, customer_number, date_of, identifier, mend_swapped
from sandbox.demo.dataset import (
    CUSTOMERS,
    INVOICES,
    RECEIPTS,
    Dataset,
    DatasetError,
    Dropped,
)

__all__ = ["CLOSED_FILE", "OPEN_FILE", "VARIANTS_FILE", "from_frames", "read_directory"]

CLOSED_FILE = "closed_items.csv"
OPEN_FILE = "open_items.csv"
VARIANTS_FILE = "customer_name_variants.csv"

#: Our name to the columns that may hold it, the first found wins.
_OPEN_COLUMNS: dict[str, tuple[str, ...]] = {
    "customer": ("cust_number",),
    "name": ("name_customer",),
    "company_code": ("business_code", "business_code_inferred"),
    "invoice_number": ("invoice_id",),
    "other_number": ("doc_id",),
    "posting_date": ("posting_date",),
    "document_date": ("document_create_date", "document_create_date.1"),
    "due_date": ("due_in_date", "due_date"),
    "baseline_date": ("baseline_create_date",),
    "currency_code": ("invoice_currency",),
    "amount": ("total_open_amount",),
    "payment_terms": ("cust_payment_terms",),
    "net_days": ("term_days",),
}
_CLOSED_COLUMNS: dict[str, tuple[str, ...]] = {
    "customer": ("cust_number",),
    "name": ("name_customer",),
    "company_code": ("business_code", "business_code_inferred"),
    "invoice_number": ("invoice_id",),
    "other_number": ("doc_id",),
    "due_date": ("due_date", "due_in_date"),
    "delay_days": ("delay_days", "delay"),
    "clear_date": ("clear_date",),
    "currency_code": ("invoice_currency",),
    "amount": ("total_open_amount",),
}
_REQUIRED = {"customer", "amount", "invoice_number"}
_REQUIRED_OPEN = _REQUIRED | {"due_date"}
_REQUIRED_CLOSED = _REQUIRED | {"clear_date"}

_NET_DAYS_DEFAULT = 15


def read_directory(directory: Path) -> Dataset:
    """Read an extract's directory.

    Raises:
        DatasetError: no such directory, neither item file in it, a required column missing, or
            no usable row left.
    """
    if not directory.is_dir():
        raise DatasetError(f"{directory} is no directory", code="dataset_missing")
    frames = {
        name: _read_text(directory / name) for name in (CLOSED_FILE, OPEN_FILE, VARIANTS_FILE)
    }
    if frames[CLOSED_FILE] is None and frames[OPEN_FILE] is None:
        raise DatasetError(
            f"{directory} holds neither {CLOSED_FILE} nor {OPEN_FILE}", code="dataset_missing"
        )
    return from_frames(
        frames[CLOSED_FILE], frames[OPEN_FILE], frames[VARIANTS_FILE], source=str(directory)
    )


def from_frames(
    closed: pl.DataFrame | None,
    open_items: pl.DataFrame | None,
    variants: pl.DataFrame | None,
    *,
    source: str,
) -> Dataset:
    """Make a dataset of three all-text frames in the extract's own columns.

    Raises:
        DatasetError: a required column is missing or no usable row is left.
    """
    notes: list[Dropped] = []
    is_empty = open_items is None
    opened = _shaped(open_items, _OPEN_COLUMNS, _REQUIRED_OPEN, OPEN_FILE, notes)
    cleared = _shaped(closed, _CLOSED_COLUMNS, _REQUIRED_CLOSED, CLOSED_FILE, notes)
    if is_empty:
        notes.append(Dropped(f"{OPEN_FILE} is missing: no item stays open at the bank", 0))
    opened = _clean_open(opened, notes)
    terms = _terms(opened)
    cleared = _with_company(_usable(cleared, CLOSED_FILE, notes), _company_defaults(opened))
    paid = _clean_closed(cleared, terms, notes)
    invoices, receipts = _group(opened, paid, notes)
    if not invoices.height:
        raise DatasetError(f"{source}: no usable item is left", code="dataset_empty")
    names = _names(opened, cleared, variants, notes)
    seen = pl.concat([f.select("customer", "company_code") for f in (opened, cleared)])
    customers = _customers(seen.unique(), names, terms)
    return Dataset(
        source=source,
        customers=customers,
        invoices=invoices,
        receipts=receipts,
        name_variants=names.select("customer", "name")
        .join(customers.select("customer").unique(), on="customer", how="semi")
        .sort("customer", "name"),
        as_of=Dataset.day_after(invoices, receipts),
        notes=tuple(notes),
    )


# --- columns and values -------------------------------------------------------------------------


def _read_text(path: Path) -> pl.DataFrame | None:
    """A CSV with every value as text; None where the file is missing or has not even a header."""
    if not path.exists():
        return None
    try:
        return pl.read_csv(
            path, infer_schema=False, truncate_ragged_lines=True, encoding="utf8-lossy"
        )
    except pl.exceptions.NoDataError:
        return None


def _shaped(
    frame: pl.DataFrame | None,
    columns: dict[str, tuple[str, ...]],
    required: set[str],
    file_name: str,
    notes: list[Dropped],
) -> pl.DataFrame:
    """Exact duplicates out, our column names in; a missing optional column becomes empty."""
    if frame is None:
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    frame = frame.rename(lambda name: name.strip().lstrip("\ufeff"))
    unique = frame.unique(maintain_order=True)
    _note(notes, f"{file_name}: exact duplicate rows", frame.height - unique.height)
    picked = []
    for ours, candidates in columns.items():
        found = next((name for name in candidates if name in unique.columns), None)
        if found is None and ours == "invoice_number" and "doc_id" in unique.columns:
            found = "doc_id"
        if found is None and ours in required:
            raise DatasetError(
                f"{file_name}: column {' or '.join(candidates)} is missing "
                f"(found: {', '.join(unique.columns)})",
                code="dataset_columns",
            )
        if found is None:
            if ours != "other_number":
                notes.append(Dropped(f"{file_name}: no column {candidates[0]}, assumed", 0))
            picked.append(pl.lit(None, pl.String).alias(ours))
        else:
            text = pl.col(found).str.strip_chars()
            picked.append(pl.when(text != "").then(text).alias(ours))
    return unique.select(picked)


def _usable(frame: pl.DataFrame, file_name: str, notes: list[Dropped]) -> pl.DataFrame:
    """Ids and amounts typed; rows without customer, number or amount left out and counted."""
    frame = frame.with_columns(
        customer_number().alias("customer"),
        pl.coalesce(identifier("invoice_number"), identifier("other_number"))
        .str.slice(0, 16)
        .alias("invoice_number"),
        amount().alias("amount"),
        pl.col("company_code").str.to_uppercase().str.slice(0, 4),
        pl.col("currency_code").str.to_uppercase(),
        pl.col("name").fill_null(""),
    )
    for column, reason in (
        ("customer", "no customer number"),
        ("invoice_number", "no usable invoice number (empty or overflowed)"),
        ("amount", "no readable amount"),
    ):
        frame = _without(frame, pl.col(column).is_null(), f"{file_name}: {reason}", notes)
    return _without(frame, pl.col("amount") == 0, f"{file_name}: amount is zero", notes)


def _without(
    frame: pl.DataFrame, is_out: pl.Expr, reason: str, notes: list[Dropped]
) -> pl.DataFrame:
    kept = frame.filter(is_out.fill_null(value=False).not_())
    _note(notes, reason, frame.height - kept.height)
    return kept


def _note(notes: list[Dropped], reason: str, rows: int) -> None:
    if rows:
        notes.append(Dropped(reason, rows))


# --- the two item files --------------------------------------------------------------------------


def _clean_open(frame: pl.DataFrame, notes: list[Dropped]) -> pl.DataFrame:
    frame = _usable(frame, OPEN_FILE, notes)
    dates = ("posting_date", "document_date", "due_date", "baseline_date")
    frame = frame.with_columns(
        *(date_of(name).alias(name) for name in dates),
        pl.col("payment_terms").str.slice(0, 4),
        pl.col("net_days").str.replace(r"\.0+$", "").cast(pl.Int32, strict=False),
    )
    frame = _without(frame, pl.col("due_date").is_null(), f"{OPEN_FILE}: no due date", notes)
    frame = _one_per_number(frame, OPEN_FILE, notes)
    for column in ("posting_date", "document_date"):
        frame, mended = mend_swapped(frame, column, "baseline_date")
        _note(notes, f"{OPEN_FILE}: {column} with month and day swapped back", mended)
    frame = frame.with_columns(
        pl.coalesce(
            "net_days", (pl.col("due_date") - pl.col("baseline_date")).dt.total_days()
        ).cast(pl.Int32),
        pl.coalesce("currency_code", _currency_guess()).alias("currency_code"),
    )
    frame = frame.with_columns(
        pl.when(pl.col("net_days").is_between(0, 366)).then("net_days").alias("net_days"),
    )
    return frame.with_columns(_company_guess(frame).alias("company_code"))


def _one_per_number(frame: pl.DataFrame, file_name: str, notes: list[Dropped]) -> pl.DataFrame:
    """One row per customer and invoice number: copies that differ elsewhere are one document."""
    kept = frame.unique(["customer", "invoice_number"], keep="first", maintain_order=True)
    _note(
        notes,
        f"{file_name}: the same invoice again, written differently",
        frame.height - kept.height,
    )
    return kept


def _currency_guess() -> pl.Expr:
    """The extract's company codes begin with their country: CA books CAD, all others USD."""
    is_canadian = pl.col("company_code").str.starts_with("CA")
    return pl.when(is_canadian.fill_null(value=False)).then(pl.lit("CAD")).otherwise(pl.lit("USD"))


def _company_guess(frame: pl.DataFrame) -> pl.Expr:
    """A missing company code becomes the frame's most frequent one."""
    known = frame["company_code"].drop_nulls()
    fallback = known.mode().sort()[0] if len(known) else "U001"
    return pl.col("company_code").fill_null(fallback)


def _terms(opened: pl.DataFrame) -> pl.DataFrame:
    """Each customer's modal payment terms and net days, from its open items."""
    by_term = (
        opened.drop_nulls("net_days")
        .group_by("customer", "payment_terms", "net_days")
        .len()
        .sort(["len", "net_days", "payment_terms"], descending=[True, False, False])
    )
    return by_term.unique("customer", keep="first", maintain_order=True).select(
        "customer", "payment_terms", "net_days"
    )


def _company_defaults(opened: pl.DataFrame) -> pl.DataFrame:
    """Each customer's most frequent company among its open items."""
    counted = opened.group_by("customer", "company_code").len()
    ranked = counted.sort(["len", "company_code"], descending=[True, False])
    return ranked.unique("customer", keep="first", maintain_order=True).select(
        "customer", pl.col("company_code").alias("usual_company")
    )


def _with_company(frame: pl.DataFrame, companies: pl.DataFrame) -> pl.DataFrame:
    """A closed item without a company code gets its customer's usual one."""
    frame = frame.join(companies, on="customer", how="left").with_columns(
        pl.coalesce("company_code", "usual_company").alias("company_code")
    )
    return frame.with_columns(_company_guess(frame).alias("company_code"))


def _clean_closed(frame: pl.DataFrame, terms: pl.DataFrame, notes: list[Dropped]) -> pl.DataFrame:
    frame = frame.with_columns(
        date_of("due_date").alias("due_date"),
        date_of("clear_date").alias("clear_date"),
        pl.col("delay_days").str.replace(r"\.0+$", "").cast(pl.Int32, strict=False),
    )
    frame = _one_per_number(frame, CLOSED_FILE, notes)
    frame = _without(
        frame,
        pl.col("clear_date").is_null(),
        f"{CLOSED_FILE}: no clear date, so no receipt and no ledger item",
        notes,
    )
    by_delay = pl.col("clear_date") - pl.duration(days=pl.col("delay_days"))
    frame = frame.with_columns(pl.coalesce("due_date", by_delay).alias("due_date"))
    frame = _without(frame, pl.col("due_date").is_null(), f"{CLOSED_FILE}: no due date", notes)
    frame = frame.with_columns(
        pl.coalesce("currency_code", _currency_guess()).alias("currency_code")
    )
    return frame.join(terms, on="customer", how="left")


# --- invoices, receipts, customers ---------------------------------------------------------------


def _group(
    opened: pl.DataFrame, cleared: pl.DataFrame, notes: list[Dropped]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Clearing groups become receipts; both item files become one invoice frame."""
    keys = ["customer", "clear_date", "company_code", "currency_code"]
    groups = cleared.group_by(keys).agg(pl.col("amount").sum(), pl.len().alias("items")).sort(keys)
    groups = groups.with_columns(
        pl.format("R{}", pl.int_range(1, pl.len() + 1).cast(pl.String).str.zfill(6)).alias(
            "receipt_number"
        )
    )
    paid = cleared.join(groups.drop("amount", "items"), on=keys)
    without_money = groups.filter(pl.col("amount") <= 0)["receipt_number"].implode()
    paid = _without(
        paid,
        pl.col("receipt_number").is_in(without_money),
        f"{CLOSED_FILE}: clearing groups that move no money",
        notes,
    )
    receipts = groups.filter(pl.col("amount") > 0)
    still_open = opened.join(paid, on=["customer", "invoice_number"], how="anti")
    _note(notes, "open items that the closed file shows paid", opened.height - still_open.height)
    opened_dated = _with_document_dates(still_open).with_columns(
        pl.lit(None, pl.String).alias("receipt_number")
    )
    paid_dated = _with_document_dates(
        paid.with_columns(
            *(pl.lit(None, pl.Date).alias(n) for n in ("posting_date", "document_date"))
        )
    ).with_columns(
        pl.min_horizontal(n, "clear_date").alias(n) for n in ("posting_date", "document_date")
    )
    invoices = pl.concat([_conformed(opened_dated, INVOICES), _conformed(paid_dated, INVOICES)])
    invoices = invoices.sort("posting_date", "company_code", "invoice_number", "customer")
    return invoices, _conformed(receipts, RECEIPTS)


def _with_document_dates(frame: pl.DataFrame) -> pl.DataFrame:
    """Document date = the file's, else due date less the term; never after the due date."""
    net_days = pl.col("net_days").fill_null(_NET_DAYS_DEFAULT)
    inferred = pl.col("due_date") - pl.duration(days=net_days)
    document = pl.min_horizontal(pl.coalesce("document_date", "posting_date", inferred), "due_date")
    return frame.with_columns(
        net_days.alias("net_days"),
        pl.col("payment_terms").fill_null(pl.format("N{}", net_days.cast(pl.String).str.zfill(3))),
        document.alias("document_date"),
        pl.max_horizontal(pl.coalesce("posting_date", document), document).alias("posting_date"),
    )


def _names(
    opened: pl.DataFrame, cleared: pl.DataFrame, variants: pl.DataFrame | None, notes: list[Dropped]
) -> pl.DataFrame:
    """Every spelling of every customer, with how often the item files use it."""
    seen: Sequence[pl.DataFrame] = [f.select("customer", "name") for f in (opened, cleared)]
    counted = pl.concat(seen).group_by("customer", "name").len()
    if variants is None:
        notes.append(Dropped(f"{VARIANTS_FILE} is missing: spellings come from the items only", 0))
    else:
        if not {"cust_number", "name_customer"} <= set(variants.columns):
            raise DatasetError(
                f"{VARIANTS_FILE}: columns cust_number and name_customer are needed "
                f"(found: {', '.join(variants.columns)})",
                code="dataset_columns",
            )
        extra = variants.select(
            customer=pl.col("cust_number").str.strip_chars(), name=pl.col("name_customer")
        )
        extra = extra.with_columns(
            customer_number().alias("customer"), pl.lit(0, pl.UInt32).alias("len")
        )
        counted = pl.concat([counted, extra.select(counted.columns)])
    tidy = pl.col("name").fill_null("").str.replace_all(r"\s+", " ").str.strip_chars()
    return (
        counted.with_columns(tidy.alias("name"))
        .filter(pl.col("name") != "", pl.col("customer").is_not_null())
        .group_by("customer", "name")
        .agg(pl.col("len").sum())
        .sort(["customer", "len", "name"], descending=[False, True, False])
    )


def _customers(seen: pl.DataFrame, names: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """One row per customer x company seen, named by its most frequent spelling."""
    best = names.unique("customer", keep="first", maintain_order=True).select("customer", "name")
    frame = (
        seen.join(best, on="customer", how="left")
        .join(terms, on="customer", how="left")
        .with_columns(
            pl.coalesce("name", pl.format("Customer {}", "customer")).alias("name"),
            pl.col("net_days").fill_null(_NET_DAYS_DEFAULT),
        )
        .with_columns(
            pl.col("payment_terms").fill_null(
                pl.format("N{}", pl.col("net_days").cast(pl.String).str.zfill(3))
            )
        )
    )
    return _conformed(frame, CUSTOMERS).sort("customer", "company_code")


def _conformed(frame: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """The schema's columns in its order and types."""
    return frame.select(pl.col(name).cast(dtype) for name, dtype in schema.items())
