"""The deductions part of the decide step: marts and disputes in, ``decisions.deductions`` out.

``run_deductions`` only decides, and replaces the whole table of a pass. ``record_deductions``
writes into the operations database what follows by itself: disputes to open, those that a target's
confirmation or an empty item ends, and exceptions for what a person must look at. A run that only
plans calls the first alone. Nothing is posted here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any

import duckdb
import polars as pl

from ingestion.common.money import canonical_text
from reverse_etl.decisions.deductions import decide_deductions
from reverse_etl.decisions.deductions_codes import OTHER, CodeMap
from reverse_etl.ledger.dispute_forms import DisputeLine, NewDispute
from reverse_etl.ledger.disputes import Disputes
from reverse_etl.ledger.exceptions import BUSINESS, NewException
from reverse_etl.ledger.store import Store
from reverse_etl.planning.policy import Policy
from reverse_etl.planning.tables import TABLES, replace_rows

__all__ = ["DeductionsSummary", "record_deductions", "run_deductions"]

_REMITTANCE_LINES = """
    select receipt_id, position, reference, discount_amount, adjustment_amount, adjustment_code,
           adjustment_text
    from intermediate.int_remittances_matched
    where adjustment_amount > 0 or discount_amount > 0
"""
_OPEN_ITEMS = """
    select item_key, system_id, company_code, customer_id, customer, currency_code, amount_open,
           "references"
    from marts.fct_open_items
    where (amount_open > 0 and item_class = 'invoice')
        or item_key in (select item_key from ledger.disputes)
        or item_key in (select current_item_key from intermediate.int_disputes_followed)
"""
_DISPUTES = """
    select disputes.*, followed.current_item_key, followed.is_item_unclear
    from ledger.disputes as disputes
    left join intermediate.int_disputes_followed as followed
        on disputes.dispute_id = followed.dispute_id
        and disputes.item_key = followed.item_key
        and disputes.receipt_id = followed.receipt_id
"""
_POSTED = """
    select business_key
    from ledger.commands
    where starts_with(business_key, 'DSP-')
    group by business_key
    having bool_or(object_name = 'credit_memos' and state = 'verified')
        and bool_and(state in ('verified', 'superseded', 'void'))
"""
_RATES = "select currency_code, rate_to_group from config.rates"
_OBJECT = "disputes"
_HUB = "ledgerloop"
#: Exceptions that close by themselves when their cause is gone.
_CODES = ("deduction_code_unknown", "deduction_unplaced", "dispute_above_open")


@dataclass(frozen=True, slots=True)
class DeductionsSummary:
    """What was decided: rows by action, and money of the actions by currency."""

    rows_by_action: dict[str, int]
    amount_by_currency: dict[str, Decimal]


def run_deductions(
    connection: duckdb.DuckDBPyConnection,
    policy: Policy,
    as_of: date,
) -> DeductionsSummary:
    """Decide every deduction; replaces ``decisions.deductions``.

    Args:
        connection: the working warehouse, after ``run_cash``.
        policy: codes, clocks, bands.
        as_of: the business date of the run.
    """
    disputes = _in_utc(connection.sql(_DISPUTES).pl())
    decided = decide_deductions(
        connection.sql("select * from decisions.applications").pl(),
        connection.sql(_REMITTANCE_LINES).pl(),
        connection.sql(_OPEN_ITEMS).pl(),
        disputes,
        CodeMap.of(policy.deductions, disputes),
        policy,
        as_of=as_of,
        rates=dict(connection.sql(_RATES).fetchall()),
        posted=[key for (key,) in connection.sql(_POSTED).fetchall()],
    )
    table = TABLES["decisions.deductions"]
    replace_rows(
        connection, "decisions.deductions", decided.select(table.names).to_arrow().cast(table)
    )
    acting = decided.filter(pl.col("action") != "none")
    return DeductionsSummary(
        dict(decided.group_by("action").len().sort("action").iter_rows()),
        dict(acting.group_by("currency_code").agg(pl.col("amount").sum()).iter_rows()),
    )


def record_deductions(connection: duckdb.DuckDBPyConnection, store: Store) -> dict[str, int]:
    """Write what follows by itself from ``decisions.deductions`` into the operations database.

    Args:
        connection: the working warehouse, after ``run_deductions``.
        store: the operations database; its copy must be made again afterwards.

    Returns:
        How many disputes were ``opened`` and ``ended``, and how many exceptions were opened. A
        second call with the same table changes nothing.
    """
    rows = list(_in_utc(connection.sql(_DECIDED).pl()).iter_rows(named=True))
    desk = Disputes(store)
    opened = desk.open(_to_open(rows))
    ended = sum(_end(desk, dispute_id, status, why) for dispute_id, status, why in _to_end(rows))
    return {
        "opened": len(opened),
        "ended": ended,
        "exceptions": _keep_problems(store, list(_problems(rows))),
    }


def _keep_problems(store: Store, found: list[NewException]) -> int:
    """Open and close exceptions so that they are the problems of now; how many were opened.

    What a person settled stays settled.
    """
    wanted = {(one.object_key, one.code): one for one in found}
    known = [one for one in store.exceptions(object_name=_OBJECT) if one.code in _CODES]
    settled = {
        (one.object_key, one.code) for one in known if one.state == "open" or one.closed_by != _HUB
    }
    new = [one for key, one in wanted.items() if key not in settled]
    if new:
        store.open_exceptions(new)
    gone = [
        one.exception_id
        for one in known
        if one.state == "open" and (one.object_key, one.code) not in wanted
    ]
    if gone:
        store.resolve_exceptions(gone, by=_HUB, reason="its cause is gone")
    return len(new)


_DECIDED = """
    select decided.*, known.status as known_status, known.version as known_version
    from decisions.deductions as decided
    left join (select distinct dispute_id, status, version from ledger.disputes) as known
        on decided.dispute_id = known.dispute_id
    order by decided.dispute_id, decided.item_key
"""


def _in_utc(frame: pl.DataFrame) -> pl.DataFrame:
    """Instants in UTC, whatever zone the connection shows them in."""
    return frame.with_columns(pl.selectors.datetime(time_zone="*").dt.convert_time_zone("UTC"))


def _to_open(rows: list[dict[str, Any]]) -> Iterator[NewDispute]:
    """Disputes to open, with all their lines."""
    new = [row for row in rows if row["action"] == "open_dispute" and row["known_status"] is None]
    for dispute_id, lines in groupby(new, key=lambda row: str(row["dispute_id"])):
        every = list(lines)
        head = every[0]
        yield NewDispute(
            dispute_id=dispute_id,
            system_id=head["system_id"],
            company_code=head["company_code"],
            customer_id=head["customer_id"],
            customer=head["customer"] or "",
            reason_code=head["reason_code"],
            currency_code=head["currency_code"],
            lines=[DisputeLine(r["item_key"], r["receipt_id"], r["amount"]) for r in every],
            due_at=head["due_at"],
            external_code=head["external_code"] or "",
            note=head["reason"],
        )


def _to_end(rows: list[dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """Disputes all of whose lines came to an end: id, status, why."""
    known = [row for row in rows if row["known_status"] is not None]
    for dispute_id, lines in groupby(known, key=lambda row: str(row["dispute_id"])):
        every = [row for row in lines if row["amount"]]
        statuses = {row["status"] for row in every}
        # Of a dispute with several lines one may still have something open.
        if statuses == {"posted", "closed"}:
            statuses = {"posted"}
        if len(statuses) == 1 and statuses <= {"posted", "written_off", "closed"}:
            (status,) = statuses
            if status != every[0]["known_status"]:
                yield dispute_id, status, every[0]["reason"]


def _end(desk: Disputes, dispute_id: str, status: str, why: str) -> int:
    return int(desk.move(dispute_id, status, by=_HUB, reason=why).is_done)


def _problems(rows: list[dict[str, Any]]) -> Iterator[NewException]:
    """What a person must look at: unknown codes, claims without an item, decisions above open."""
    for row in rows:
        code = ""
        if row["known_status"] is None and row["action"] == "none":
            code = "deduction_unplaced"
        elif row["reason_code"] == OTHER and row["external_code"] and not row["known_version"]:
            code = "deduction_code_unknown"
        elif row["action"] == "none" and row["known_status"] in _AWAITING_EFFECT:
            code = "dispute_above_open" if row["status"] in _AWAITING_EFFECT else ""
        if code and row["amount"]:
            yield NewException(
                exception_class=BUSINESS,
                code=code,
                message=row["reason"],
                is_retryable=False,
                system_id=row["system_id"],
                object_name=_OBJECT,
                object_key=row["decision_id"],
                correlation_id=f"dispute-{row['dispute_id']}",
                customer_id=row["customer_id"] or "",
                invoice=row["item_key"] or "",
                amount_text=canonical_text(row["amount"]),
                currency_code=row["currency_code"],
            )


_AWAITING_EFFECT = ("valid", "partly_valid", "write_off_requested")
