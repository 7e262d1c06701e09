"""Guards: what must hold before anything of an object may leave.

Each guard answers with data and a plain message; a failed one stops its object in its system, or
one company of it. They count what the diff found and never look at single rows. Limits come from
the policy file. A guard that cannot be asked (its table is missing) has failed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import duckdb

from reverse_etl.ledger.commands import CommandClass
from reverse_etl.planning.diff import Sizes
from reverse_etl.planning.governance import TargetObject
from reverse_etl.planning.policy import GuardPolicy

__all__ = [
    "GuardResult",
    "SourceHealth",
    "check_object",
    "money_at_stake",
    "untied_companies",
    "untied_now",
]


@dataclass(frozen=True, slots=True)
class GuardResult:
    """One guard's answer. An empty ``company_code`` means the whole object in its system."""

    guard: str
    system_id: str
    kind: str
    object_name: str
    is_passed: bool
    message: str
    company_code: str = ""


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """How the reading of one system went in this run.

    Attributes:
        problem: why its data must not be acted on (failed read, drifted schema), empty when fine.
        read_at: when it was last read whole; None when that is not known.
    """

    system_id: str
    kind: str
    problem: str = ""
    read_at: datetime | None = None


def check_object(
    target: TargetObject,
    sizes: Sizes,
    money: Decimal,
    policy: GuardPolicy,
    *,
    is_first_load: bool,
    is_initial: bool,
    sources: Sequence[SourceHealth],
    now: datetime,
) -> Iterator[GuardResult]:
    """Every guard of one object in one system.

    Args:
        target: the object.
        sizes: what the diff counted.
        money: absolute money of the changed keys, group currency.
        policy: the limits of this object (``GuardPolicy.of``).
        is_first_load: the hub never wrote this object there and was never allowed to.
        is_initial: the run was started with ``--initial``.
        sources: how reading went; only kinds that feed the object count.
        now: the clock.
    """

    def result(guard: str, is_passed: bool, message: str) -> GuardResult:
        return GuardResult(guard, sizes.system_id, target.kind, target.name, is_passed, message)

    for source in sources:
        if source.kind in target.sources:
            yield result(*_source(source, policy, now))
    yield result(
        "duplicate_keys",
        sizes.duplicated == 0,
        f"{sizes.duplicated} keys stand twice in the views" if sizes.duplicated
        else "every key stands once",
    )  # fmt: skip
    if target.desire == "complete":
        yield result(*_empty(sizes))
        yield result(*_vanished(sizes, policy))
    if sizes.changed == 0:
        return
    if is_first_load and target.first_load == "guarded":
        yield result(
            "first_load",
            is_initial,
            f"first load of {sizes.changed} rows"
            + (", allowed by --initial" if is_initial else ": run once with --initial"),
        )
    if is_first_load and is_initial:
        return
    yield from (result(*found) for found in _changes(sizes, money, policy))


def _source(source: SourceHealth, policy: GuardPolicy, now: datetime) -> tuple[str, bool, str]:
    if source.problem:
        return "source", False, f"{source.system_id} could not be read: {source.problem}"
    if source.read_at is None:
        return "source", True, f"{source.system_id} was read"
    is_fresh = now - source.read_at <= timedelta(hours=policy.source_age_hours_max)
    when = source.read_at.isoformat(timespec="seconds")
    return (
        "source",
        is_fresh,
        f"{source.system_id} was read {when}"
        + ("" if is_fresh else f", more than {policy.source_age_hours_max} hours ago"),
    )


def _empty(sizes: Sizes) -> tuple[str, bool, str]:
    is_empty = sizes.desired == 0 and sizes.vanished > 0
    return (
        "empty_source",
        not is_empty,
        f"nothing is wanted where the hub wrote {sizes.vanished} rows: the source looks empty"
        if is_empty
        else f"{sizes.desired} rows are wanted",
    )


def _vanished(sizes: Sizes, policy: GuardPolicy) -> tuple[str, bool, str]:
    share = Decimal(sizes.vanished * 100) / max(sizes.observed, 1)
    is_small = sizes.observed < policy.changes_percent_rows_min
    is_passed = is_small or share <= policy.vanished_percent_max
    return (
        "vanished",
        is_passed,
        f"{sizes.vanished} of {sizes.observed} rows are no longer wanted"
        + ("" if is_passed else f", more than {policy.vanished_percent_max} %"),
    )


def _changes(sizes: Sizes, money: Decimal, policy: GuardPolicy) -> Iterator[tuple[str, bool, str]]:
    """Count, percent and money of one object's changes."""
    yield (
        "changes_count",
        sizes.changed <= policy.changes_count_max,
        f"{sizes.changed} rows change, {policy.changes_count_max} may",
    )
    if sizes.observed >= policy.changes_percent_rows_min:
        share = Decimal(sizes.changed * 100) / sizes.observed
        yield (
            "changes_percent",
            share <= policy.changes_percent_max,
            f"{share:.1f} % of {sizes.observed} rows change, {policy.changes_percent_max} % may",
        )
    yield (
        "changes_money",
        money <= policy.changes_money_max,
        f"{money:.2f} in group currency is touched, {policy.changes_money_max} may be",
    )


def untied_companies(
    connection: duckdb.DuckDBPyConnection, target: TargetObject, system_ids: Sequence[str]
) -> Iterator[GuardResult]:
    """The GL tie: a company whose sub-ledger and GL differ gets no posting. Others go on."""
    if target.command_class is not CommandClass.POSTING or target.desire == "partial":
        # A pushed table is no sub-ledger: there is nothing to tie.
        return
    rows = _ties(connection)
    if rows is None:
        for system_id in system_ids:
            yield GuardResult(
                "gl_tie", system_id, target.kind, target.name, False,
                "marts.rec_gl_ties cannot be read: run dbt; nothing is posted without the tie",
            )  # fmt: skip
        return
    for system_id, company_code, currency_code, difference, is_tied in rows:
        if system_id not in system_ids:
            continue
        if is_tied is None:
            message = f"{company_code} has no GL tie: nothing is posted without one"
        elif is_tied:
            message = f"{company_code}: sub-ledger and GL tie"
        else:
            message = f"{company_code}: sub-ledger and GL differ by {difference} {currency_code}"
        yield GuardResult(
            "gl_tie", system_id, target.kind, target.name, bool(is_tied), message, company_code
        )


_Tie = tuple[str, str, str | None, Decimal | None, bool | None]


def _ties(connection: duckdb.DuckDBPyConnection) -> list[_Tie] | None:
    """The ties of companies with something to post, or None where the mart is missing."""
    try:
        return connection.execute("""
            select w.system_id, w.company_code, t.company_currency_code, t.difference, t.is_tied
            from (select distinct system_id, ctx_company_code as company_code from diff_wide) as w
            left join marts.rec_gl_ties as t
                on w.system_id = t.system_id and w.company_code = t.company_code
            order by all
        """).fetchall()
    except (duckdb.CatalogException, duckdb.BinderException):
        return None


def untied_now(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Companies whose sub-ledger and GL differ at this reading, as ``system company``.

    Items and balances come from two services read at two moments: a difference is read again once
    before it is believed (DESIGN §4).
    """
    rows = connection.execute(
        "select system_id || ' ' || company_code from marts.rec_gl_ties"
        " where is_tied is false order by 1"
    ).fetchall()
    return [str(row[0]) for row in rows]


def money_at_stake(by_currency: Mapping[str, Decimal], rates: Mapping[str, Decimal]) -> Decimal:
    """Absolute money by currency in group currency; a currency without a rate counts at par."""
    return sum(
        (amount * rates.get(currency, Decimal(1)) for currency, amount in by_currency.items()),
        Decimal(0),
    )
