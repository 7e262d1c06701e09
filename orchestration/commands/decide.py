"""``ledgerloop decide cash|late|identity``: the loop's own decisions on plain files.

It connects to nothing: two exports in, one file of decisions out, so that a finance team can try
the decisions before any system is connected. The same functions decide inside the loop.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import polars as pl

__all__ = ["decide", "progress_bar"]

Progress = Callable[[str, float], None]

_FILE = click.Path(path_type=Path, dir_okay=False)
_JSON = click.option("--json", "json_file", type=_FILE, help="Write the summary here.")
_POLICY = click.option("--policy", type=_FILE, help="Another policy file than the product's own.")


@click.group()
def decide() -> None:
    """Try the decisions on plain CSV or Parquet files; connects to nothing."""


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A bar on a terminal, silence elsewhere; on stderr, so that output can be piped.

    Takes what is being done and the share of the work that is behind, 0 to 1.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=1.0)

        def tell(what: str, share: float) -> None:
            bar.update(task, description=what, completed=share)

        yield tell


def _finish(
    frame: "pl.DataFrame",
    out: Path,
    started: float,
    summary: Mapping[str, Any],
    json_file: Path | None,
) -> None:
    """Write the answer, then say what it holds."""
    from reverse_etl.plain_files import write_frame

    write_frame(frame, out)
    tree = {**summary, "rows": frame.height, "seconds": round(time.perf_counter() - started, 2)}
    if json_file:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(tree, indent=1, default=str) + "\n", encoding="utf-8")
    for name, value in tree.items():
        shown = f"{value:,}" if isinstance(value, int | float) else str(value)
        click.echo(f"  {name.replace('_', ' '):<28} {shown}")
    click.echo(f"  written to {out}")


@decide.command()
@click.option("--receipts", required=True, type=_FILE, help="What came in at the bank.")
@click.option("--open-items", required=True, type=_FILE, help="What was open, and when.")
@click.option("--payers", type=_FILE, help="payer_account, customer_id.")
@click.option("--aliases", type=_FILE, help="payer_name, customer_id, as persons confirmed them.")
@click.option("--remittances", type=_FILE, help="Lines that payers sent beside their payments.")
@click.option("--out", required=True, type=_FILE, help="Where the decisions go (.csv, .parquet).")
@_POLICY
@_JSON
def cash(
    receipts: Path,
    open_items: Path,
    payers: Path | None,
    aliases: Path | None,
    remittances: Path | None,
    out: Path,
    policy: Path | None,
    json_file: Path | None,
) -> None:
    """Which open items does each receipt pay?

    \b
    receipts:    receipt_id, received_date, amount, currency_code, payer_account, payer_name, text
    open items:  item_id, customer_id, customer_name, company_code, document_date, due_date,
                 amount_open, currency_code, references (; between), open_from, open_until
    out:         receipt_id, decision (auto|proposal|unidentified), rank, customer_id, item_id,
                 kind (apply|discount|deduction|fee|on_account), amount, stage, confidence, reason
    \b
    ledgerloop decide cash --receipts r.csv --open-items i.csv --payers p.csv --out decided.csv
    """
    from reverse_etl.decide_files import CASH_FILES, cash_summary
    from reverse_etl.decisions.cash import decide_cash
    from reverse_etl.plain_files import read_frame
    from reverse_etl.planning.policy import load_policy

    started = time.perf_counter()
    rules = load_policy(policy)
    given = {"payers": payers, "aliases": aliases, "remittance_lines": remittances}
    frames = {name: read_frame(path, CASH_FILES[name]) for name, path in given.items() if path}
    receipts_frame = read_frame(receipts, CASH_FILES["receipts"])
    with progress_bar() as tell:
        decided = decide_cash(
            receipts_frame,
            read_frame(open_items, CASH_FILES["open_items"]),
            frames.get("payers"),
            frames.get("aliases"),
            rules,
            remittance_lines=frames.get("remittance_lines"),
            progress=lambda done, total: tell("deciding", done / max(total, 1)),
        )
    _finish(decided, out, started, cash_summary(receipts_frame, decided), json_file)


@decide.command()
@click.option("--closed", required=True, type=_FILE, help="Items that were paid.")
@click.option("--open", "open_items", required=True, type=_FILE, help="Items to predict.")
@click.option("--as-of", required=True, type=click.DateTime(["%Y-%m-%d"]), help="Business date.")
@click.option("--out", required=True, type=_FILE, help="Where predictions go (.csv, .parquet).")
@_POLICY
@_JSON
def late(
    closed: Path,
    open_items: Path,
    as_of: datetime,
    out: Path,
    policy: Path | None,
    json_file: Path | None,
) -> None:
    """When will each open item be paid, and how likely is it late?

    Nothing that happened after the as-of date is used, whatever the files hold.

    \b
    closed:  item_id, customer_id, document_date, due_date, cleared_date, amount, currency_code
    open:    the same without cleared_date
    out:     item_id, expected_pay_date, p_late, p_late_30
    \b
    ledgerloop decide late --closed paid.csv --open open.csv --as-of 2020-01-31 --out late.csv
    """
    from reverse_etl.decide_files import LATE_FILES, late_predictions
    from reverse_etl.plain_files import read_frame
    from reverse_etl.planning.policy import load_policy

    started = time.perf_counter()
    day: date = as_of.date()
    with progress_bar() as tell:
        predicted, summary = late_predictions(
            read_frame(closed, LATE_FILES["closed"]),
            read_frame(open_items, LATE_FILES["open"]),
            day,
            load_policy(policy),
            tell,
        )
    _finish(predicted, out, started, summary, json_file)


@decide.command()
@click.option("--left", required=True, type=_FILE, help="Records.")
@click.option("--right", type=_FILE, help="Records to link them to; left out: duplicates of left.")
@click.option("--out", required=True, type=_FILE, help="Where pairs go (.csv, .parquet).")
@_POLICY
@_JSON
def identity(
    left: Path, right: Path | None, out: Path, policy: Path | None, json_file: Path | None
) -> None:
    """Which records are the same customer? Strong keys link; all else is a proposal.

    \b
    files:  id, name, street, city, postal_code, country, phone, email, tax_id
    out:    left_id, right_id, decision (link|proposal), score, reason
    \b
    ledgerloop decide identity --left crm.csv --right erp.csv --out pairs.csv
    """
    from reverse_etl.decide_files import IDENTITY_FILE, identity_pairs
    from reverse_etl.plain_files import read_frame
    from reverse_etl.planning.policy import load_policy

    started = time.perf_counter()
    other = read_frame(right, IDENTITY_FILE) if right else None
    with progress_bar() as tell:
        pairs, summary = identity_pairs(
            read_frame(left, IDENTITY_FILE), other, load_policy(policy), tell
        )
    _finish(pairs, out, started, summary, json_file)
