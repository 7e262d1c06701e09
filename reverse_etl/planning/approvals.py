"""Which rows of a plan need a person, and why, in plain words.

The matrix says for each field what an initial write and a foreign edit ask for; the policy's bands
say up to where a limit moves by itself; imported approvals say what was agreed already. Whether the
right persons agreed is the store's to check (four eyes, payload hash, expiry), not this module's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

import duckdb

from ingestion.common.money import canonical_text
from reverse_etl.ledger.approvals import ApprovalTerms
from reverse_etl.planning.governance import TargetObject
from reverse_etl.planning.policy import LimitChange, Policy, approval_of

__all__ = [
    "Approver",
    "FieldChange",
    "Verdict",
    "approved_limits",
    "posting_verdict",
    "terms_of",
]


class FieldChange(NamedTuple):
    """One field of a key that differs, in canonical text."""

    name: str
    klass: str
    action: str
    desired: str | None
    acknowledged: str | None
    observed: str | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which rule wants a person (empty: none does) and why."""

    rule: str = ""
    reason: str = ""


#: Money of a customer's living commands on an object within 12 months, in one currency.
Cumulative = Callable[[str, str, str], Decimal]


class Approver:
    """Judges the changes of one key at a time."""

    def __init__(
        self,
        policy: Policy,
        approved: Mapping[tuple[str, str], tuple[str, str]],
        cumulative: Cumulative,
    ) -> None:
        """Take what was approved (``approved_limits``) and how to ask for earlier changes."""
        self._policy = policy
        self._approved = approved
        self._cumulative = cumulative

    def judge(
        self,
        target: TargetObject,
        system_id: str,
        key: str,
        changes: Sequence[FieldChange],
        desired: Mapping[str, str | None],
        observed: Mapping[str, str | None],
        *,
        customer_id: str,
        currency_code: str,
    ) -> Verdict:
        """The strictest verdict over the changed fields of one key.

        Args:
            target: the object.
            system_id: the system.
            key: the object's key there.
            changes: the fields that differ and would be sent or reviewed.
            desired: canonical text of every field the hub wants.
            observed: canonical text of every field the target holds.
            customer_id: whose money it is, for cumulative bands.
            currency_code: currency of the amounts.
        """
        foreign = [c for c in changes if c.action == "review" and c.klass in _FOREIGN]
        if foreign:
            rule = self._rule(target, foreign[0].name, observed, desired)
            return Verdict(rule or "foreign_edit", _foreign_reason(foreign[0]))
        for change in changes:
            rule = self._rule(target, change.name, observed, desired)
            is_limit = _is_limit(target, change.name)
            if is_limit and self._is_approved(system_id, key, desired):
                continue
            if change.action == "review":
                return Verdict(
                    rule or "initial",
                    f"the hub never wrote {change.name} here: first value "
                    f"{change.desired or 'none'} in place of {change.observed or 'none'}",
                )
            if rule and self._policy.bands(rule).always:
                return Verdict(rule, f"a change of {change.name} always needs a person")
            if rule and is_limit:
                earlier = self._cumulative(customer_id, target.name, currency_code)
                limit = LimitChange(_finite(observed), _finite(desired), earlier)
                who, reason = approval_of(limit, self._policy.bands(rule))
                if who:
                    return Verdict(rule, f"{reason} ({who.replace('_', ' ')})")
        return Verdict()

    @staticmethod
    def _rule(
        target: TargetObject,
        name: str,
        observed: Mapping[str, str | None],
        desired: Mapping[str, str | None],
    ) -> str:
        """The policy's rule for a field; a limit that begins or ends has one of its own.

        Such a change has no amount that says how large it is, so its rule asks for two people
        whatever the amount.
        """
        rule = target.field(name).approval
        is_bounded = _finite(observed) is not None and _finite(desired) is not None
        return f"{rule}_kind" if rule and _is_limit(target, name) and not is_bounded else rule

    def _is_approved(self, system_id: str, key: str, desired: Mapping[str, str | None]) -> bool:
        """Whether this very kind and amount is the last approved one."""
        approved = self._approved.get((system_id, key))
        if approved is None or desired.get("limit_kind") != approved[0]:
            return False
        return approved[0] != "limited" or desired.get("limit_amount") == approved[1]


_FOREIGN = frozenset({"foreign_edit", "vanished"})


def _is_limit(target: TargetObject, name: str) -> bool:
    return "limit_kind" in target.group_of(name)


def posting_verdict(target: TargetObject, desired: Mapping[str, str | None]) -> Verdict:
    """Whether a posting needs a person: it does where a field names a rule and does not say true.

    The rule may depend on what is posted: ``{posting_kind}`` in it stands for that field's value.
    """
    for governed in target.compared:
        if governed.approval and desired.get(governed.name) != "true":
            rule = governed.approval.format_map({name: v or "" for name, v in desired.items()})
            return Verdict(rule, f"a {rule.replace('_', ' ')} needs a person")
    return Verdict()


def terms_of(policy: Policy, rule: str) -> ApprovalTerms:
    """How long an approval under a rule lasts and from which amount two people must agree.

    A rule that the policy does not name (a whole flow under ``approve_all``) wants one person.
    """
    bands = policy.approvals.get(rule)
    if bands is None:
        return ApprovalTerms()
    return ApprovalTerms(bands.expires_days, bands.second_person_from)


def _foreign_reason(change: FieldChange) -> str:
    if change.klass == "vanished":
        return "the target no longer holds this row, though the hub wrote it"
    return (
        f"somebody changed {change.name} from {change.acknowledged or 'none'} to "
        f"{change.observed or 'none'}; the hub wants {change.desired or 'none'}"
    )


def _finite(values: Mapping[str, str | None]) -> Decimal | None:
    """The amount of a limited limit; None for unlimited or none granted."""
    amount = values.get("limit_amount")
    if values.get("limit_kind") != "limited" or amount is None:
        return None
    return Decimal(amount)


def approved_limits(
    connection: duckdb.DuckDBPyConnection,
) -> dict[tuple[str, str], tuple[str, str]]:
    """The last approval per system and ``customer/segment``: kind and canonical amount."""
    rows = connection.execute("""
        select system_id, customer || '/' || credit_segment, limit_kind, limit_amount
        from ledger.approved_limits
        qualify row_number() over (
            partition by system_id, customer, credit_segment order by approved_at desc
        ) = 1
    """).fetchall()
    # A limit of zero grants nothing; it is compared under its right name.
    return {
        (system_id, key): (
            "none_granted" if kind == "limited" and not amount else kind,
            canonical_text(amount) if amount is not None else "",
        )
        for system_id, key, kind, amount in rows
    }
