"""Credit: limits as approved, holds with hysteresis, blocked orders by the release test.

Pure: frames in, rows of ``decisions.credit`` out, each with its reason. Rules (domain §B4): the
approved limit is what the ERP should hold; a customer is held above 100 % utilisation and let go at
95 %; only a hold that the hub's own verified command set, and nobody touched since, is ever
released; nobody is put on hold over money that is at the bank and only waits to be posted; blocked
orders go out oldest requested date first, each consuming credit of the customer
and of its group. A stale feed or an expired limit releases nothing. A limit the scorecard proposes
waits beside the approved one and counts for nothing. It must not release a person's hold under any
sequence of inputs.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import polars as pl

from ingestion.common.money import canonical_text
from reverse_etl.decisions.credit_groups import GroupRoom
from reverse_etl.planning.policy import CreditPolicy, Policy

__all__ = ["CREDIT_SCHEMA", "CreditStanding", "ReleaseTest", "decide_credit", "passes_release_test"]

_COLUMNS: Mapping[str, pl.DataType] = {
    "decision_id": pl.String(),
    "system_id": pl.String(),
    "customer_id": pl.String(),
    "customer": pl.String(),
    "credit_segment": pl.String(),
    "action": pl.String(),
    "sales_document": pl.String(),
    "limit_kind": pl.String(),
    "limit_amount": pl.Decimal(28, 6),
    "currency_code": pl.String(),
    "is_blocked": pl.Boolean(),
    "block_reason": pl.String(),
    "reason": pl.String(),
    "as_of_date": pl.Date(),
}

#: Columns of ``decisions.credit``.
CREDIT_SCHEMA = pl.Schema(_COLUMNS)

_HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class CreditStanding:
    """A customer's credit in one segment, in the segment's currency.

    ``exposure`` holds open items and unblocked open orders; a blocked order is not in it. None: an
    amount in it has no rate, and not knowing is never taken for nothing owed.
    ``is_limit_expired``: the last day of the limit has passed; what was granted, of whatever kind,
    is granted no longer until somebody renews it in the ERP.
    """

    limit_kind: str
    limit_amount: Decimal | None
    exposure: Decimal | None
    overdue_amount: Decimal
    overdue_days_max: int
    is_blocked: bool
    feed_is_stale: bool
    is_limit_expired: bool

    @property
    def utilisation_percent(self) -> Decimal | None:
        """Exposure in percent of the limit; None without a finite limit or a known exposure."""
        if self.limit_kind != "limited" or self.limit_amount is None or self.exposure is None:
            return None
        if self.limit_amount == 0:
            return Decimal("Infinity") if self.exposure > 0 else Decimal(0)
        return self.exposure * _HUNDRED / self.limit_amount


@dataclass(frozen=True, slots=True)
class ReleaseTest:
    """Whether an order may go out, and why (or why not) in plain words."""

    passes: bool
    reason: str


def passes_release_test(
    standing: CreditStanding,
    order_amount: Decimal | None,
    policy: CreditPolicy,
    *,
    planned_before: Decimal = Decimal(0),
    other_block: str = "",
) -> ReleaseTest:
    """The release test of one credit-blocked order (domain §B4).

    Args:
        standing: the customer's credit, with the limit that will hold.
        order_amount: the order in the segment's currency; None when it cannot be converted.
        policy: overdue thresholds.
        planned_before: sum of the releases planned before this one, same currency.
        other_block: any other block of the order, empty when there is none.
    """
    obstacle = _obstacle(standing, other_block, policy)
    if obstacle:
        return ReleaseTest(False, obstacle)
    if standing.exposure is None:
        return ReleaseTest(False, "the exposure is not known: a currency in it has no rate")
    if standing.limit_kind == "unlimited":
        return ReleaseTest(True, "the limit is unlimited and nothing is overdue beyond policy")
    if order_amount is None:
        return ReleaseTest(False, "the order has no amount in the currency of the credit segment")
    if standing.limit_kind != "limited" or standing.limit_amount is None:
        return ReleaseTest(False, "the limit is not known")
    needed = standing.exposure + planned_before + order_amount
    limit = _text(standing.limit_amount)
    if needed > standing.limit_amount:
        return ReleaseTest(
            False, f"exposure with this order {_text(needed)} is above the limit {limit}"
        )
    return ReleaseTest(
        True, f"exposure with this order {_text(needed)} is within the limit {limit}"
    )


def _obstacle(standing: CreditStanding, other_block: str, policy: CreditPolicy) -> str:
    """What stops every release of this order, whatever its amount; empty when nothing does."""
    overdue, days = standing.overdue_amount, standing.overdue_days_max
    allowed = policy.release_overdue_days_max
    is_overdue = days > allowed and overdue > policy.release_overdue_amount_tolerated
    obstacles = (
        (standing.feed_is_stale, "the ERP feed is stale: nothing is released on old figures"),
        (standing.is_blocked, "the customer is on hold"),
        (bool(other_block), f"the order has another block ({other_block})"),
        (standing.limit_kind == "none_granted", "no credit is granted to this customer"),
        (standing.is_limit_expired, "the credit limit has expired: renew it in the ERP first"),
        (is_overdue, f"{_text(overdue)} is overdue, up to {days} days (more than {allowed})"),
    )
    return next((reason for stands, reason in obstacles if stands), "")


def decide_credit(
    fct_credit: pl.DataFrame,
    orders: pl.DataFrame,
    approved_limits: pl.DataFrame,
    own_holds: pl.DataFrame,
    policy: Policy,
    as_of: date,
    *,
    room: GroupRoom | None = None,
    proposals: Mapping[tuple[str, str, str], tuple[Decimal, str]] | None = None,
    waiting_cash: Mapping[tuple[str, str, str], Decimal] | None = None,
) -> pl.DataFrame:
    """Decide limits, holds and releases.

    Args:
        fct_credit: one row per system, customer and credit segment (``marts.fct_credit``).
        orders: ``marts.fct_sales_orders``; with ``credit_segment`` where a customer has several.
        approved_limits: ``ledger.approved_limits``; the last one of a key by ``approved_at`` holds.
        own_holds: system_id, customer, credit_segment of the holds that a verified command of the
            hub set and that the ERP still shows as that command left them.
        policy: thresholds.
        as_of: the business date of the run.
        room: what group limits leave; None where there are none.
        proposals: limits the scorecard proposes, with why, by system, customer and segment. Zero
            proposes to grant nothing.
        waiting_cash: money of a customer that the bank has and the ERP has not booked yet, by
            system, customer and segment, in the segment's currency. It keeps a hold back; it
            releases nothing, for which a payment must be cleared.

    Returns:
        ``CREDIT_SCHEMA``, in the order of system, customer, segment; releases oldest first, an
        order of one customer before a younger one of another that shares its group's limit.
    """
    approved = _last_approved(approved_limits)
    own = {
        (str(system_id), str(customer), str(segment))
        for system_id, customer, segment in own_holds.select(
            "system_id", "customer", "credit_segment"
        ).iter_rows()
    }
    accounts = fct_credit.sort("system_id", "customer", "credit_segment")
    deciders: dict[_Key, _Account] = {}
    for account in accounts.iter_rows(named=True):
        key = (account["system_id"], account["customer"], account["credit_segment"])
        waiting = (waiting_cash or {}).get(key, Decimal(0))
        decider = _Account(account, policy.credit, as_of, room, waiting)
        decider.decide(approved.get(key), key in own, (proposals or {}).get(key))
        deciders[key] = decider
    for key, order in _blocked_orders(orders, fct_credit):
        deciders[key].consider(order)
    rows = [row for decider in deciders.values() for row in decider.rows]
    return pl.DataFrame(rows, schema=CREDIT_SCHEMA, orient="row")


_Key = tuple[str, str, str]


class _Account:
    """The decisions about one customer in one credit segment."""

    def __init__(
        self,
        row: dict[str, Any],
        policy: CreditPolicy,
        as_of: date,
        room: GroupRoom | None,
        waiting_cash: Decimal,
    ) -> None:
        self.rows: list[dict[str, Any]] = []
        self._row = row
        self._policy = policy
        self._as_of = as_of
        self._room = room
        self._waiting_cash = waiting_cash
        self._planned = Decimal(0)
        self._holding = self._standing("none_granted", None)

    def decide(
        self,
        approved: tuple[str, Decimal | None, str] | None,
        hold_is_own: bool,
        proposal: tuple[Decimal, str] | None,
    ) -> None:
        """Limit and hold; the limit that will hold is what orders are tested against."""
        kind, amount = _normal(self._row["limit_kind"], self._row["limit_amount"])
        if approved is not None:
            self.rows.extend(self._limit(kind, amount, approved))
            kind, amount = approved[0], approved[1]
        if proposal is not None and not self.rows:
            self.rows.append(self._proposed(kind, amount, proposal))
        self._holding = self._standing(kind, amount)
        self.rows.extend(self._hold(self._holding, hold_is_own))

    def consider(self, order: dict[str, Any]) -> None:
        """Release an order if it passes; it then takes its part of the credit."""
        amount, currency = order["amount_segment"], self._row["segment_currency"]
        test = passes_release_test(
            self._holding,
            amount,
            self._policy,
            planned_before=self._planned,
            other_block=order["other_block"] or "",
        )
        if not test.passes:
            return
        customer_id = self._row["customer_id"]
        if self._room is not None and self._room.obstacle(customer_id, amount, currency):
            return
        self._planned += amount or Decimal(0)
        if self._room is not None:
            self._room.consume(customer_id, amount, currency)
        self.rows.append(
            self._decision("release_order", test.reason, sales_document=order["sales_order"])
        )

    def _proposed(
        self, kind: str, amount: Decimal | None, proposal: tuple[Decimal, str]
    ) -> dict[str, Any]:
        """A limit that somebody may approve; it changes nothing before."""
        new_kind, new_amount = _normal("limited", proposal[0])
        return self._decision(
            "propose_limit",
            f"{_limit_text(new_kind, new_amount)} instead of {_limit_text(kind, amount)}: "
            f"{proposal[1]}",
            limit_kind=new_kind,
            limit_amount=new_amount,
            currency_code=self._row["segment_currency"],
        )

    def _standing(self, kind: str, amount: Decimal | None) -> CreditStanding:
        row = self._row
        return CreditStanding(
            limit_kind=kind,
            limit_amount=amount,
            exposure=row["exposure"],
            overdue_amount=row["overdue_amount"] or Decimal(0),
            overdue_days_max=row["overdue_days_max"] or 0,
            is_blocked=bool(row["is_blocked"]),
            # Not knowing how old the feed is counts as stale.
            feed_is_stale=row["feed_is_stale"] is not False,
            # An approval brings a new amount, not a new last day: the date in the ERP holds.
            is_limit_expired=row["is_limit_expired"] is not False,
        )

    def _limit(
        self, kind: str, amount: Decimal | None, approved: tuple[str, Decimal | None, str]
    ) -> Iterator[dict[str, Any]]:
        """Set what was approved last where the ERP holds another amount or another kind."""
        if (kind, amount) == approved[:2]:
            return
        yield self._decision(
            "set_limit",
            f"approved is {_limit_text(approved[0], approved[1])}, "
            f"the ERP holds {_limit_text(kind, amount)}",
            limit_kind=approved[0],
            limit_amount=approved[1],
            currency_code=approved[2] or self._row["segment_currency"],
        )

    def _hold(self, standing: CreditStanding, hold_is_own: bool) -> Iterator[dict[str, Any]]:
        """Hold above the upper mark, let go at the lower one; in between nothing changes."""
        used = standing.utilisation_percent
        above = self._policy.hold_above_utilisation_percent
        below = self._policy.release_at_utilisation_percent
        if standing.feed_is_stale:
            return
        if not standing.is_blocked:
            if used is not None and used > above and not self._is_paid_for(standing, above):
                yield self._decision(
                    "hold",
                    f"{_percent(used)} of the limit is used, more than {above} %",
                    is_blocked=True,
                    block_reason=self._policy.hold_reason_code,
                )
        elif (
            hold_is_own
            and not standing.is_limit_expired
            and (standing.limit_kind == "unlimited" or (used is not None and used <= below))
        ):
            how = "the limit is unlimited" if used is None else f"{_percent(used)} is used"
            yield self._decision(
                "unhold", f"our own hold: {how}, at most {below} % releases", is_blocked=False
            )

    def _is_paid_for(self, standing: CreditStanding, above: Decimal) -> bool:
        """Whether the customer is only above the mark because its money is not posted yet."""
        if not self._waiting_cash or standing.exposure is None:
            return False
        paid = replace(standing, exposure=standing.exposure - self._waiting_cash)
        used = paid.utilisation_percent
        return used is not None and used <= above

    def _decision(self, action: str, reason: str, **values: Any) -> dict[str, Any]:
        row = self._row
        sales_document = values.get("sales_document") or ""
        identity = (
            row["system_id"], row["customer"], row["credit_segment"], action, sales_document,
        )  # fmt: skip
        return {
            **dict.fromkeys(CREDIT_SCHEMA.names()),
            "decision_id": hashlib.sha256("\x1f".join(identity).encode()).hexdigest()[:32],
            "system_id": row["system_id"],
            "customer_id": row["customer_id"],
            "customer": row["customer"],
            "credit_segment": row["credit_segment"],
            "currency_code": row["segment_currency"],
            "action": action,
            "reason": reason,
            "as_of_date": self._as_of,
            **values,
        }


def _last_approved(
    approved_limits: pl.DataFrame,
) -> dict[_Key, tuple[str, Decimal | None, str]]:
    """The approval that holds per key: kind, amount (only of a limited one), currency."""
    found: dict[_Key, tuple[str, Decimal | None, str]] = {}
    when: dict[_Key, datetime] = {}
    for row in approved_limits.iter_rows(named=True):
        key = (row["system_id"], row["customer"], row["credit_segment"])
        if key in when and row["approved_at"] < when[key]:
            continue
        when[key] = row["approved_at"]
        found[key] = (*_normal(row["limit_kind"], row["limit_amount"]), row["currency_code"] or "")
    return found


def _blocked_orders(
    orders: pl.DataFrame, fct_credit: pl.DataFrame
) -> list[tuple[_Key, dict[str, Any]]]:
    """Open credit-blocked orders with their account, oldest requested date first.

    An order without a segment belongs to its customer's only account; where a customer has several
    nobody guesses, and the order stays blocked.
    """
    accounts: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for system_id, customer_id, customer, segment in fct_credit.select(
        "system_id", "customer_id", "customer", "credit_segment"
    ).iter_rows():
        accounts.setdefault((system_id, customer_id), []).append((customer, segment))
    blocked = orders.filter(pl.col("is_credit_blocked") & pl.col("is_open"))
    found: list[tuple[_Key, dict[str, Any]]] = []
    for order in blocked.iter_rows(named=True):
        of_customer = accounts.get((order["system_id"], order["customer_id"]), [])
        segment = order.get("credit_segment")
        fitting = [a for a in of_customer if segment is None or a[1] == segment]
        if len(fitting) == 1:
            found.append(((order["system_id"], *fitting[0]), order))
    found.sort(key=lambda one: (one[1]["requested_date"] or date.max, one[1]["sales_order"]))
    return found


def _normal(kind: str, amount: Decimal | None) -> tuple[str, Decimal | None]:
    """One form per limit: an amount stands only beside ``limited``, and never zero.

    A limit of zero grants nothing, whatever it is called: it must not come out as "no limit".
    """
    if kind != "limited":
        return kind, None
    return ("none_granted", None) if not amount else (kind, amount)


def _limit_text(kind: str, amount: Decimal | None) -> str:
    return _text(amount) if kind == "limited" and amount is not None else kind.replace("_", " ")


def _text(amount: Decimal) -> str:
    return canonical_text(amount)


def _percent(value: Decimal) -> str:
    return f"{value:.1f} %" if value.is_finite() else "more than any part"
