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
    "plan_tree",
    "show_differences",
    "show_drift",
    "show_exception",
    "show_exceptions",
    "show_plans",
    "show_rows",
    "show_run",
    "show_trace",
    "show_waiting",
]

_ROWS_SHOWN = 40
_PIPE_WIDTH = 220
#: What a story need not repeat on every line: hashes, names of processes, what columns say.
_QUIET = frozenset(
    {"row", "holder", "content_hash", "is_held", "is_retryable", "system_id", "object_name",
     "object_key", "correlation_id"}
)  # fmt: skip


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


def show_rows(
    title: str,
    rows: Sequence[Mapping[str, Any]],
    columns: Mapping[str, str],
    *,
    more: str = "--format json lists all",
) -> None:
    """Print the first rows and say how to see the others; all of them when there is no way."""
    shown = rows[:_ROWS_SHOWN] if more else rows
    table = _table(f"{title}: {len(rows):,}", *columns.values())
    for row in shown:
        table.add_row(*(_text(row.get(name)) for name in columns))
    out = console()
    out.print(table)
    if len(rows) > len(shown):
        out.print(f"… and {len(rows) - len(shown):,} more: {more}", markup=False)


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


def plan_tree(plans: Iterable[Any]) -> list[Any]:
    """The field changes that plans carry for people, for a plan-only run's JSON report."""
    return [as_tree(row) for plan in plans for row in plan.rows]


def show_plans(plans: Iterable[Any]) -> None:
    """What a plan-only run would send: old → new per field, money at stake, approvals."""
    show_rows(
        "Fields that would change",
        plan_tree(plans),
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
        more="add --json FILE; it holds the first 1,000 of each pass, those for a person first",
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
    """Commands that wait for a person, all of them: id, what, money, which rule and why."""
    rows = []
    for one in commands:
        row = as_tree(one.command)
        subject = one.command.subject
        customer = subject.get("customer_name") or subject.get("customer_id", "")
        told = (one.command.approval_rule, subject.get("why", ""))
        rule = ": ".join(part for part in told if part) or "mode approve_all: every change"
        rows.append(
            {**row, "id": one.command.command_id[:12], "customer": customer, "approval_rule": rule}
        )
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
            "approval_rule": "why a person",
        },
        more="",
    )


def show_exceptions(found: Iterable[Any], now: datetime) -> None:
    """Exceptions, all of them: a list that is cut hides money."""
    rows = list(found)
    table = _table(
        f"Exceptions: {len(rows):,}",
        *("id", "state", "class", "code", "team", "region", "system", "object", "key", "customer"),
        *("invoice", "money", "age", "what"),
    )
    for one in rows:
        money = f"{one.amount_text} {one.currency_code}" if one.amount_text else ""
        hours = age_seconds(one, now) / 3600
        age = f"{hours / 24:,.0f} d" if hours >= 48 else f"{hours:,.1f} h"
        values = (
            one.exception_id, one.state, one.exception_class, one.code, one.team, one.region,
            one.system_id, one.object_name, one.object_key, one.customer_name or one.customer_id,
            one.invoice, money, age, _what(one),
        )  # fmt: skip
        table.add_row(*(_text(value) for value in values))
    console().print(table)


def _what(one: Any) -> str:
    """What is wrong, with the field where the text does not name it."""
    return (
        one.message if not one.field or one.field in one.message else f"{one.field}: {one.message}"
    )


def show_exception(one: Any, now: datetime) -> None:
    """One exception whole, in plain words; its payload is what would be sent."""
    out = console()
    out.print(
        f"{one.exception_id} ({one.state}, {one.exception_class}): {_what(one)}", markup=False
    )
    table = _table("", "what", "is")
    rows = {
        "code": one.code, "field": one.field, "system": one.system_id, "object": one.object_name,
        "key": one.object_key, "customer": f"{one.customer_name} {one.customer_id}".strip(),
        "invoice": one.invoice, "money": f"{one.amount_text} {one.currency_code}".strip(),
        "team": one.team, "region": one.region, "correlation id": one.correlation_id,
        "command": one.command_id[:12], "opened": one.opened_at[:19].replace("T", " "),
        "age in hours": f"{age_seconds(one, now) / 3600:,.1f}", "times seen": one.occurrences,
        "can be retried": one.is_retryable and bool(one.command_id), "closed": one.closed_at,
        "closed by": one.closed_by, "because": one.resolution,
    }  # fmt: skip
    for name, value in rows.items():
        if value not in (None, ""):
            table.add_row(name, _text(value))
    for name, value in (one.payload or {}).items() if isinstance(one.payload, Mapping) else ():
        table.add_row(f"sent: {name}" if one.command_id else name, _text(value))
    out.print(table)


def show_trace(rows: Iterable[Any]) -> None:
    """A story in time order."""
    table = _table("Story", "when", "what", "system", "object", "key", "by", "detail")
    for row in sorted((as_tree(one) for one in rows), key=lambda row: str(row["at"])):
        data, name = row["data"], str(row["name"])
        subject = f"{row['subject']}: " if name.startswith("exception") else ""
        table.add_row(
            str(row["at"])[:19].replace("T", " "),
            name.replace("_", " "),
            _text(row["system_id"] or data.get("system_id")),
            _text(row["object_name"] or data.get("object_name")),
            _text(row["business_key"] or data.get("object_key")),
            _text(row["actor"]),
            subject + _text(data),
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
