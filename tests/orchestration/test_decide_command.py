"""``ledgerloop decide``: two exports in, decisions out, and clear words where a file is wrong."""

import csv
import json
import random
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from ingestion.common.errors import InputRefused
from orchestration.commands.decide import decide

RECEIPTS = """receipt_id,received_date,amount,currency_code,payer_account,payer_name,text
r1,2026-03-02,150.10,USD,ACC1,One,INV 1930600001 1930600002
r2,2026-03-03,99.99,USD,,Nobody,hello
"""
ITEMS = (
    "item_id;customer_id;customer_name;company_code;document_date;due_date;amount_open;"
    "currency_code;references;open_from;open_until\n"
    """i1;C1;One;U1;2026-01-02;2026-02-02;100.10;USD;1930600001;2026-01-02;
i2;C1;One;U1;2026-01-03;2026-02-03;50;USD;"1930600002;PO-9";2026-01-03;
"""
)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(decide, [str(one) for one in arguments])


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_cash_decides_two_exports_whatever_their_separator(tmp_path: Path) -> None:
    receipts = write(tmp_path / "r.csv", RECEIPTS)
    items = write(tmp_path / "i.csv", ITEMS)
    payers = write(tmp_path / "p.csv", "payer_account,customer_id\nACC1,C1\n")
    out, summary = tmp_path / "out.csv", tmp_path / "s.json"
    done = run(
        "cash", "--receipts", receipts, "--open-items", items, "--payers", payers, "--out", out,
        "--json", summary,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    rows = rows_of(out)
    assert list(rows[0])[:10] == [
        "receipt_id", "decision", "rank", "customer_id", "item_id", "kind", "amount", "stage",
        "confidence", "reason",
    ]  # fmt: skip
    first = {(row["item_id"], row["amount"]) for row in rows if row["receipt_id"] == "r1"}
    assert first == {("i1", "100.10"), ("i2", "50.00")}
    (stranger,) = [row for row in rows if row["receipt_id"] == "r2" and row["rank"] == "1"]
    assert (stranger["decision"], stranger["customer_id"]) == ("unidentified", "")
    told = json.loads(summary.read_text(encoding="utf-8"))
    assert (told["receipts"], told["auto"], told["unidentified"]) == (2, 1, 1)


def test_parquet_with_binary_floats_counts_what_they_print_as(tmp_path: Path) -> None:
    receipts = write(tmp_path / "r.csv", RECEIPTS)
    items = tmp_path / "i.parquet"
    frame = pl.read_csv(write(tmp_path / "i.csv", ITEMS), separator=";", try_parse_dates=True)
    frame.with_columns(pl.col("references").cast(pl.String)).write_parquet(items)
    out = tmp_path / "out.parquet"
    done = run("cash", "--receipts", receipts, "--open-items", items, "--out", out)
    assert done.exit_code == 0, done.output
    decided = pl.read_parquet(out).filter(pl.col("receipt_id") == "r1", pl.col("rank") == 1)
    assert decided["decision"].unique().to_list() == ["auto"]


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        ("receipt_id,", "receiptid,", "no column 'receipt_id'; is 'receiptid' meant?"),
        ("150.10", "1'50.10", "row 2, column 'amount': \"1'50.10\" is not an amount"),
        ("2026-03-03", "03/04/2026", "row 3, column 'received_date': '03/04/2026' is not a date"),
        ("2026-03-03", "yesterday", "row 3, column 'received_date': 'yesterday' is not a date"),
    ],
)
def test_a_wrong_column_or_value_is_named_with_its_row(
    tmp_path: Path, wrong: str, right: str, said: str
) -> None:
    receipts = write(tmp_path / "r.csv", RECEIPTS.replace(wrong, right, 1))
    items = write(tmp_path / "i.csv", ITEMS)
    done = run("cash", "--receipts", receipts, "--open-items", items, "--out", tmp_path / "out.csv")
    assert isinstance(done.exception, InputRefused)
    assert said in done.exception.message
    assert not (tmp_path / "out.csv").exists()


def test_a_decimal_with_more_digits_than_money_has_is_refused_and_never_rounded(
    tmp_path: Path,
) -> None:
    receipts = tmp_path / "r.parquet"
    pl.read_csv(write(tmp_path / "r.csv", RECEIPTS), infer_schema=False).with_columns(
        pl.Series("amount", ["150.1000000", "99.9900001"]).cast(pl.Decimal(20, 7))
    ).write_parquet(receipts)
    items = write(tmp_path / "i.csv", ITEMS)
    done = run("cash", "--receipts", receipts, "--open-items", items, "--out", tmp_path / "out.csv")
    assert isinstance(done.exception, InputRefused)
    assert "row 3, column 'amount': '99.9900001'" in done.exception.message


def test_a_file_that_is_not_there_is_said_before_anything_is_written(tmp_path: Path) -> None:
    done = run("identity", "--left", tmp_path / "no.csv", "--out", tmp_path / "out.csv")
    assert isinstance(done.exception, InputRefused)
    assert "no file" in done.exception.message


def test_late_predicts_every_open_item_and_uses_nothing_after_the_as_of_date(
    tmp_path: Path,
) -> None:
    rng = random.Random(7)
    day = date(2025, 1, 1)
    closed, opened = [], []
    for number in range(400):
        due = day + timedelta(days=rng.randrange(300))
        late = (number % 5) * 3
        row = [f"i{number}", f"C{number % 5}", due - timedelta(days=30), due]
        target = closed if due + timedelta(days=late) < date(2025, 9, 1) else opened
        cleared = [due + timedelta(days=late)] if target is closed else []
        target.append([*row, *cleared, "10.00", "USD"])
    head = "item_id,customer_id,document_date,due_date,{}amount,currency_code\n"
    paid = write(
        tmp_path / "c.csv",
        head.format("cleared_date,") + "\n".join(",".join(map(str, r)) for r in closed),
    )
    open_ = write(
        tmp_path / "o.csv", head.format("") + "\n".join(",".join(map(str, r)) for r in opened)
    )
    out = tmp_path / "out.csv"
    done = run("late", "--closed", paid, "--open", open_, "--as-of", "2025-09-01", "--out", out)
    assert done.exit_code == 0, done.output
    rows = rows_of(out)
    assert {row["item_id"] for row in rows} == {row[0] for row in opened}
    assert list(rows[0]) == ["item_id", "expected_pay_date", "p_late", "p_late_30"]


def test_identity_links_by_a_strong_key_and_proposes_the_rest(tmp_path: Path) -> None:
    head = "id,name,street,city,postal_code,country,phone,email,tax_id\n"
    left = write(
        tmp_path / "l.csv",
        head + "a,Acme Tools GmbH,Main St 1,Berlin,10115,DE,,,DE136695976\n"
        "b,Umbrella Ltd,High St 2,London,N1 9GU,GB,02071234567,,\n",
    )
    right = write(
        tmp_path / "r.csv",
        head + "x,ACME TOOLS,Main St 1,Berlin,10115,DE,,,DE136695976\n"
        "y,Umbrella Limited,High Street 2,London,N1 9GU,GB,02071234567,,\n",
    )
    out = tmp_path / "out.csv"
    done = run("identity", "--left", left, "--right", right, "--out", out)
    assert done.exit_code == 0, done.output
    rows = {(r["left_id"], r["right_id"]): r for r in rows_of(out)}
    assert rows["a", "x"]["decision"] == "link"
    assert rows["b", "y"]["decision"] == "proposal"
    assert list(rows["a", "x"]) == ["left_id", "right_id", "decision", "score", "reason"]
