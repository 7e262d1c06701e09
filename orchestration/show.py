"""Tables for people. Money is shown with its currency, ids short, nothing is cut from a list."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table

from orchestration.run import RunReport
from reverse_etl.ledger.exceptions import age_seconds

__all__ = [
    "as_tree",
    "console",
    "plan_markdown",
    "show_differences",
    "show_drift",
    "show_exceptions",
    "show_plans",
    "show_rows",
    "show_run",
    "show_trace",
    "show_waiting",
]

_ROWS_SHOWN = 40
_PIPE_WIDTH = 220
#: What a story need not repeat on every line: hashes and names of processes.
_QUIET = frozenset({"row", "holder", "content_hash", "is_held"})


def console() -> Console:
    """A terminal has its own width; a file or a pipe gets lines wide enough to search in."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=_PIPE_WIDTH)


def as_tree(row: object) -> Any:
    """A value as plain JSON types; decimals and dates become text elsewhere."""
    if is_dataclass(row) and not isinstance(row, type):
        return asdict(row)
    if isinstance(row, Mapping):
        return dict(row)
    return row


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _text(value: object) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, Mapping):
        said = {k: v for k, v in value.items() if k not in _QUIET and v not in (None, "")}
        return ", ".join(f"{k.replace('_', ' ')} {_text(v)}" for k, v in said.items()) or "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return f"{value:,.2f}" if value == value.quantize(Decimal("0.01")) else f"{value:f}"
    return str(value)


def show_rows(title: str, rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> None:
    """Print the first rows and say how many more there are and how to see them."""
    table = _table(f"{title}: {len(rows):,}", *columns.values())
    for row in rows[:_ROWS_SHOWN]:
        table.add_row(*(_text(row.get(name)) for name in columns))
    out = console()
    out.print(table)
    if len(rows) > _ROWS_SHOWN:
        out.print(f"… and {len(rows) - _ROWS_SHOWN:,} more: --format json lists all")


def show_run(report: RunReport) -> None:
    """The summary at the end of a run, with what went wrong in plain words."""
    out = console()
    messages = [f"{step.step}: {text}" for step in report.steps for text in step.messages]
    for message in messages[:20]:
        out.print(f"  {message}", markup=False)
    if len(messages) > 20:
        out.print(f"  … and {len(messages) - 20} more: see --json")
    out.print(
        f"{report.status}: {report.total('writes'):,} writes, {report.total('verified'):,} "
        f"verified, {report.total('exceptions'):,} exceptions, "
        f"{report.total('awaiting_approval'):,} newly waiting for a person, "
        f"as of {report.settings.as_of}, {report.seconds:.1f} s"
    )


def show_plans(plans: Iterable[Any]) -> None:
    """What a plan-only run would send: old → new per field, money at stake, approvals."""
    rows = [as_tree(row) for plan in plans for row in plan.rows]
    show_rows(
        "Would change",
        rows,
        {
            "system_id": "system",
            "object_name": "object",
            "object_key": "key",
            "field": "field",
            "observed": "there now",
            "desired": "wanted",
            "action": "action",
            "amount": "money",
            "currency_code": "",
            "approval": "approval",
        },
    )


def show_differences(rows: list[dict[str, Any]]) -> None:
    """The differences of the last run."""
    show_rows(
        "Differences",
        list(rows),
        {
            "system_id": "system",
            "object_name": "object",
            "object_key": "key",
            "field": "field",
            "observed": "there now",
            "desired": "wanted",
            "class": "class",
            "action": "action",
            "amount": "money",
            "currency_code": "",
        },
    )


def show_drift(rows: list[dict[str, Any]]) -> None:
    """Drift with its cause and owner."""
    show_rows(
        "Drift",
        rows,
        {
            "system_id": "system",
            "object_name": "object",
            "object_key": "key",
            "customer_name": "customer",
            "cause": "cause",
            "owner": "owner",
            "amount": "money",
            "currency_code": "",
            "age_hours": "hours",
            "explained_by": "explained by",
        },
    )


def show_waiting(commands: Iterable[Any]) -> None:
    """Commands that wait for a person: id, what, money, rule."""
    rows = []
    for one in commands:
        row = as_tree(one.command)
        customer = one.command.subject.get("customer_name", "")
        rows.append({**row, "id": one.command.command_id[:12], "customer": customer})
    show_rows(
        "Waiting for approval",
        rows,
        {
            "id": "id",
            "system_id": "system",
            "object_name": "object",
            "business_key": "key",
            "customer": "customer",
            "payload": "wanted",
            "amount_text": "money",
            "currency_code": "",
            "approval_rule": "rule",
        },
    )


def show_exceptions(found: Iterable[Any], now: datetime) -> None:
    """Exceptions, all of them: a list that is cut hides money."""
    rows = list(found)
    table = _table(
        f"Exceptions: {len(rows):,}",
        *("id", "state", "class", "code", "team", "region", "system", "key", "customer"),
        *("invoice", "money", "age", "what"),
    )
    for one in rows:
        money = f"{one.amount_text} {one.currency_code}" if one.amount_text else ""
        hours = age_seconds(one, now) / 3600
        age = f"{hours / 24:,.0f} d" if hours >= 48 else f"{hours:,.1f} h"
        values = (
            one.exception_id, one.state, one.exception_class, one.code, one.team, one.region,
            one.system_id, one.object_key, one.customer_name or one.customer_id, one.invoice,
            money, age, one.message,
        )  # fmt: skip
        table.add_row(*(_text(value) for value in values))
    console().print(table)


def show_trace(rows: Iterable[Any]) -> None:
    """A story in time order."""
    table = _table("Story", "when", "what", "system", "object", "key", "by", "detail")
    for row in sorted((as_tree(one) for one in rows), key=lambda row: str(row["at"])):
        table.add_row(
            str(row["at"])[:19].replace("T", " "),
            _text(row["name"]),
            _text(row["system_id"]),
            _text(row["object_name"]),
            _text(row["business_key"]),
            _text(row["actor"]),
            _text(row["data"]),
        )
    console().print(table)


def plan_markdown(plan: Any) -> str:
    """The first rows of a plan as a Markdown table, for Dagster's metadata."""
    lines = ["| object | key | field | there now | wanted | action |", "|---|---|---|---|---|---|"]
    for one in list(plan.rows)[:25]:
        row = as_tree(one)
        names = ("object_name", "object_key", "field", "observed", "desired", "action")
        lines.append("| " + " | ".join(_text(row.get(name)) for name in names) + " |")
    return "\n".join(lines) if len(lines) > 2 else "nothing to change"
