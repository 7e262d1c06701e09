"""The credit part of the decide step: marts in, ``decisions.credit`` and its scorecards out.

``run_credit`` only decides. ``keep_approved_limits`` records what needs no person: temporary limits
that begin or end by the policy, and proposals within the policy's bands. It is called by runs that
act, before and after deciding; a run that only plans calls ``run_credit`` alone. Nothing is decided
here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb
import polars as pl

from ingestion.common.money import canonical_text
from reverse_etl.decisions.credit import decide_credit
from reverse_etl.decisions.credit_groups import GroupRoom, hierarchy_of
from reverse_etl.decisions.credit_temporary import ApprovedNow, due_limits
from reverse_etl.decisions.scorecards import decide_scorecards
from reverse_etl.ledger.approvals import ApprovedLimit
from reverse_etl.ledger.clock import text_of
from reverse_etl.ledger.plan import Adopted
from reverse_etl.ledger.store import Store
from reverse_etl.planning.policy import LimitChange, Policy, approval_of
from reverse_etl.planning.tables import TABLES, replace_rows

__all__ = [
    "CreditSummary",
    "keep_approved_limits",
    "keep_ended_holds",
    "keep_temporary_limits",
    "own_holds",
    "run_credit",
]

#: Holds that a verified command of the hub set, with what it wrote beside: some ERPs keep a reason,
#: others only the hold.
_SET_BY_US = """
    select held.system_id, held.object_name, held.object_key, held.command_id,
           held.acknowledged_at, nullif(reason.value, '') as block_reason
    from ledger.acknowledged as held
    inner join ledger.commands as commands
        on held.command_id = commands.command_id and commands.state = 'verified'
    left join ledger.acknowledged as reason
        on held.system_id = reason.system_id and held.object_name = reason.object_name
        and held.object_key = reason.object_key and reason.field = 'block_reason'
    where commands.flow = 'credit' and held.field = 'is_blocked' and held.value = 'true'
        and not exists (
            select 1 from ledger.acknowledged as ended
            where ended.system_id = held.system_id and ended.object_name = held.object_name
                and ended.object_key = held.object_key and ended.field = 'hold_ended_of'
                and ended.value = held.command_id
        )
"""
_STANDS = "accounts.is_blocked and accounts.block_reason is not distinct from held.block_reason"
_OWN_HOLDS = f"""
    select distinct held.system_id, accounts.customer, accounts.credit_segment
    from ({_SET_BY_US}) as held
    inner join marts.fct_credit as accounts
        on held.system_id = accounts.system_id
        and held.object_key = accounts.customer || '/' || accounts.credit_segment
    where {_STANDS}
"""  # noqa: S608 (texts of this module)
#: Only what was verified before this run began to read: an older reading does not know of it.
_ENDED_HOLDS = f"""
    select held.system_id, held.object_name, held.object_key, held.command_id
    from ({_SET_BY_US}) as held
    inner join marts.fct_credit as accounts
        on held.system_id = accounts.system_id
        and held.object_key = accounts.customer || '/' || accounts.credit_segment
    where not ({_STANDS}) and not accounts.feed_is_stale
        and held.acknowledged_at < (select max(started_at) from config.run)
    order by all
"""  # noqa: S608
_PROPOSALS = """
    select decided.*, accounts.limit_kind as kind_before, accounts.limit_amount as amount_before
    from decisions.credit as decided
    inner join marts.fct_credit as accounts
        on decided.system_id = accounts.system_id and decided.customer = accounts.customer
        and decided.credit_segment = accounts.credit_segment
    where decided.action = 'propose_limit'
    order by decided.system_id, decided.customer, decided.credit_segment
"""
#: Money that was decided to be a customer's and that its ERP has not booked: held back by a guard,
#: by a person's approval, by a closed period, or the ERP books it itself.
_WAITING_CASH = """
    select accounts.system_id, accounts.customer, accounts.credit_segment,
        sum(applications.amount), paid.rate_to_group, owed.rate_to_group
    from decisions.applications as applications
    inner join marts.fct_receipts as receipts
        on applications.receipt_id = receipts.receipt_id and receipts.booked_by = 'none'
    inner join marts.fct_credit as accounts
        on applications.system_id = accounts.system_id
        and applications.customer_id = accounts.customer_id
    inner join config.companies as companies
        on applications.system_id = companies.system_id
        and applications.company_code = companies.company_code
        and accounts.credit_segment = companies.credit_segment
    inner join config.rates as paid on applications.currency_code = paid.currency_code
    inner join config.rates as owed on accounts.segment_currency = owed.currency_code
    where applications.decision = 'auto' and applications.rank = 1
    group by all
"""
_OBJECT = "credit_accounts"
_RULE = "credit_limit"
_BY_BANDS = "policy bands"


@dataclass(frozen=True, slots=True)
class CreditSummary:
    """What credit decided: rows by action, and customers by risk class."""

    rows_by_action: dict[str, int]
    customers_by_class: dict[str, int]


def run_credit(connection: duckdb.DuckDBPyConnection, policy: Policy, as_of: date) -> CreditSummary:
    """Score customers, decide limits, holds and order releases; replaces both tables."""
    fct_credit = connection.sql("select * from marts.fct_credit").pl()
    parents = connection.sql("select * from intermediate.int_customer_parents").pl()
    rates = dict(connection.sql("select currency_code, rate_to_group from config.rates").fetchall())
    room = GroupRoom(
        policy.credit.group_limits,
        hierarchy_of(parents, as_of),
        fct_credit.iter_rows(named=True),
        rates,
        as_of,
    )
    scorecards = decide_scorecards(
        connection.sql("select * from marts.fct_credit_features").pl(),
        fct_credit,
        policy.credit.scorecard,
        room,
    )
    decided = decide_credit(
        fct_credit=fct_credit,
        orders=connection.sql("select * from marts.fct_sales_orders").pl(),
        approved_limits=connection.sql("select * from ledger.approved_limits").pl(),
        own_holds=own_holds(connection),
        policy=policy,
        as_of=as_of,
        room=room,
        proposals=scorecards.proposals,
        waiting_cash=_waiting_cash(connection),
    )
    _replace(connection, "decisions.credit", decided)
    _replace(connection, "decisions.scorecards", scorecards.frame)
    classes = scorecards.frame.group_by(pl.col("risk_class").fill_null("none")).len()
    return CreditSummary(
        dict(decided.group_by("action").len().sort("action").iter_rows()),
        dict(classes.sort("risk_class").iter_rows()),
    )


def _waiting_cash(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, str, str], Decimal]:
    """Cash that its ERP has not booked, by account, in the currency of the segment."""
    found: dict[tuple[str, str, str], Decimal] = {}
    for *account, amount, paid_rate, owed_rate in connection.sql(_WAITING_CASH).fetchall():
        system_id, customer, segment = account
        key = (system_id, customer, segment)
        found[key] = found.get(key, Decimal(0)) + amount * paid_rate / owed_rate
    return found


def own_holds(connection: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """The holds in force that the hub set and nobody touched since (system, customer, segment).

    Two opposite edits by people between two readings look like none: an ERP shows what is, not what
    was.
    """
    found: pl.DataFrame = connection.sql(_OWN_HOLDS).pl()
    return found


def keep_ended_holds(connection: duckdb.DuckDBPyConnection, store: Store) -> int:
    """Note which of the hub's own holds a person lifted or took over: the next one is not ours.

    Without the note a hold that a person sets later, in an ERP that keeps no reason or under the
    same reason, would look like ours and be released. To be called before ``run_credit``, on a
    fresh copy of the log.

    Returns:
        How many ended.
    """
    ended = [
        Adopted(
            system_id, object_name, key, {"hold_ended_of": command_id},
            "somebody lifted or changed the hold that the hub had set",
        )
        for system_id, object_name, key, command_id in connection.execute(_ENDED_HOLDS).fetchall()
    ]  # fmt: skip
    if ended:
        store.record_plan([], adopted=ended)
    return len(ended)


def keep_temporary_limits(store: Store, policy: Policy, as_of: date) -> int:
    """Make temporary limits that began, and the old ones of those that ended, the approved limits.

    To be called before the log is copied for ``run_credit``; a second call changes nothing.

    Returns:
        How many approved limits changed.
    """
    temporary = policy.credit.temporary_limits
    if not temporary:
        return 0
    approved = {
        (str(row[0]), str(row[1]), str(row[2])): ApprovedNow(
            str(row[3]), None if row[4] is None else Decimal(row[4]), row[8]
        )
        for page in store.mirror.approved_limits()
        for row in page
    }
    due = due_limits(approved, temporary, as_of)
    if due:
        store.record_approved_limits(
            [
                ApprovedLimit(
                    system_id=one.source.system_id,
                    customer=one.source.customer,
                    credit_segment=one.source.credit_segment,
                    limit_kind="limited",
                    limit_amount=canonical_text(one.limit_amount),
                    currency_code=one.source.currency_code,
                    approved_by=one.source.approved_by,
                    approved_at=text_of(one.since),
                    second_approver=one.source.second_approver,
                )
                for one in due
            ]
        )
    return len(due)


def keep_approved_limits(
    connection: duckdb.DuckDBPyConnection, store: Store, policy: Policy
) -> int:
    """Approve by the policy what the scorecard proposes within its bands.

    What is outside of a band is left to people: the planner asks them. To be called after
    ``run_credit``, before planning; the next pass finds no proposal any more.

    Returns:
        How many proposals were approved.
    """
    cursor = connection.execute(_PROPOSALS)
    names = [column[0] for column in cursor.description or ()]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    within = [row for row in rows if _is_within(row, store, policy)]
    if within:
        now = text_of(store.now())
        store.record_approved_limits([_approval(row, now) for row in within])
    return len(within)


def _is_within(row: Mapping[str, Any], store: Store, policy: Policy) -> bool:
    """Whether a proposal stays within every band of the rule for limits."""
    if row["kind_before"] != "limited" or row["limit_kind"] != "limited":
        return False
    earlier = store.cumulative_amounts(row["customer_id"], _OBJECT)
    change = LimitChange(
        row["amount_before"],
        row["limit_amount"],
        earlier.get(row["currency_code"], Decimal(0)),
    )
    return not approval_of(change, policy.bands(_RULE))[0]


def _approval(row: Mapping[str, Any], now: str) -> ApprovedLimit:
    return ApprovedLimit(
        system_id=row["system_id"],
        customer=row["customer"],
        credit_segment=row["credit_segment"],
        limit_kind=row["limit_kind"],
        limit_amount=canonical_text(row["limit_amount"]),
        currency_code=row["currency_code"],
        approved_by=_BY_BANDS,
        approved_at=now,
    )


def _replace(connection: duckdb.DuckDBPyConnection, table: str, rows: pl.DataFrame) -> None:
    """Put a frame into a declared table, columns by name."""
    names = TABLES[table].names
    replace_rows(connection, table, rows.select(names).to_arrow().cast(TABLES[table]))
