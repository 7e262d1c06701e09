"""What a plan is, once made: counts, money, guards and the rows people look at."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

import duckdb

from reverse_etl.planning.guards import GuardResult

__all__ = ["ObjectPlan", "Plan", "PlanRow", "plan_rows"]


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One field that differs: old → new, the money at stake, and who must agree, why."""

    system_id: str
    object_name: str
    object_key: str
    field: str
    observed: str | None
    desired: str | None
    klass: str
    action: str
    approval: str
    customer_name: str
    amount: Decimal | None
    currency_code: str


@dataclass(slots=True)
class ObjectPlan:
    """What was planned for one object of one kind, over its systems.

    Attributes:
        actions: keys by action (send, review, wait, adopt, none).
        money: money of the keys that are sent or reviewed, by currency.
        awaiting: commands that newly wait for a person.
        unexplained: keys that differ and that no command, approval or exception explains.
    """

    kind: str
    object_name: str
    changed: int = 0
    actions: Counter[str] = field(default_factory=Counter)
    money: dict[str, Decimal] = field(default_factory=dict)
    recorded: int = 0
    superseded: int = 0
    adopted: int = 0
    refused: int = 0
    exceptions: int = 0
    awaiting: int = 0
    unexplained: int = 0
    guards: list[GuardResult] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Plan:
    """One planning step: several objects, one run."""

    run_id: str
    is_plan_only: bool
    objects: list[ObjectPlan] = field(default_factory=list)
    rows: list[PlanRow] = field(default_factory=list)
    """The first rows, those that need a person first; all of them are in ``plan.differences``."""

    @property
    def drift_rows(self) -> int:
        """Keys that differ from what they should hold."""
        return sum(one.changed for one in self.objects)

    @property
    def unexplained_rows(self) -> int:
        """Keys that differ and that no command, approval or exception explains."""
        return sum(one.unexplained for one in self.objects)

    @property
    def guards(self) -> list[GuardResult]:
        """Every guard's answer."""
        return [guard for one in self.objects for guard in one.guards]

    @property
    def is_stopped(self) -> bool:
        """Whether a guard held something back."""
        return any(not guard.is_passed for guard in self.guards)

    @property
    def counts(self) -> dict[str, int]:
        """Keys by action, and what became of the commands."""
        total: Counter[str] = Counter()
        for one in self.objects:
            total.update(one.actions)
            total["commands"] += one.recorded
            total["superseded"] += one.superseded
            total["adopted"] += one.adopted
            total["refused"] += one.refused
            total["exceptions"] += one.exceptions
            total["awaiting_approval"] += one.awaiting
        return dict(total)

    @property
    def money(self) -> dict[str, Decimal]:
        """Money of what is sent or reviewed, by currency."""
        found: dict[str, Decimal] = {}
        for one in self.objects:
            for currency_code, amount in one.money.items():
                found[currency_code] = found.get(currency_code, Decimal(0)) + amount
        return found

    @property
    def messages(self) -> list[str]:
        """Guards that held something back, and what was refused, in plain words."""
        held = [
            f"{g.system_id} {g.object_name}: {g.message}" for g in self.guards if not g.is_passed
        ]
        return held + [text for one in self.objects for text in one.messages]


def plan_rows(
    connection: duckdb.DuckDBPyConnection, kinds_and_objects: list[tuple[str, str]], limit: int
) -> Iterator[PlanRow]:
    """Rows of ``plan.differences`` of some objects, those that need a person first."""
    if not kinds_and_objects:
        return
    marks = ", ".join("(?, ?)" for _ in kinds_and_objects)
    values = [part for pair in kinds_and_objects for part in pair]
    rows = connection.execute(
        f"""
        select system_id, object_name, object_key, field, observed, desired, class, action,
               coalesce(rule, ''), coalesce(customer_name, ''), amount, coalesce(currency_code, '')
        from plan.differences
        where (kind, object_name) in ({marks})
        order by action <> 'review', system_id, object_name, object_key, field
        limit {int(limit)}
        """,  # noqa: S608 (marks only)
        values,
    ).fetchall()
    for row in rows:
        yield PlanRow(*row)
