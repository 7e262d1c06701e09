"""Who must agree to a credit memo or a write-off, and whether they did (domain §B8).

Bands: an amount of a whole dispute goes by itself up to one amount, and only while everything of
that customer within twelve months stays under another, so that splitting evades nothing. Above it
one person must agree, from a further amount two; never who decided, and their word runs out. Roles
bound what one person may agree to where the policy names roles. Amounts are compared in group
currency; one without a rate is never small.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from ingestion.common.money import canonical_text
from reverse_etl.planning.policy import Policy

__all__ = ["Authority"]

_ZERO = Decimal(0)
_YEAR_DAYS = 365
_SPENT = {"posted": "credit_memo", "closed": "credit_memo", "written_off": "write_off"}


class Authority:
    """Judges amounts of disputes; remembers what it let go by itself, so that sums count."""

    def __init__(
        self,
        policy: Policy,
        as_of: date,
        rates: Mapping[str, Decimal],
        known: Iterable[Mapping[str, Any]],
    ) -> None:
        """Take the disputes of all time: what was given away in twelve months counts."""
        self._policy = policy
        self._as_of = as_of
        self._rates = rates
        self._accepted: dict[tuple[str, int], Decimal] = {}
        self._given: dict[tuple[str, str], Decimal | None] = {}
        self._judged: dict[tuple[str, int, str], tuple[bool, str]] = {}
        for line in known:
            key = (line["dispute_id"], line["version"])
            accepted = line["amount_accepted"] or _ZERO
            self._accepted[key] = self._accepted.get(key, _ZERO) + accepted
            purpose = _purpose_given(line)
            if purpose and self._is_recent(line["closed_at"] or line["decided_at"]):
                given = accepted if line["version"] else line["amount"]
                self._give(purpose, line["customer_id"], self._group(given, line["currency_code"]))

    def accepted_total(self, line: Mapping[str, Any]) -> Decimal:
        """What was accepted of the whole dispute of a line."""
        return self._accepted.get((line["dispute_id"], line["version"]), _ZERO)

    def count(self, purpose: str, line: Mapping[str, Any], amount: Decimal) -> None:
        """Note what was given away meanwhile."""
        self._give(purpose, line["customer_id"], self._group(amount, line["currency_code"]))

    def is_small(self, amount: Decimal, currency_code: str) -> bool:
        """Whether arguing about it costs more than it is worth."""
        group = self._group(amount, currency_code)
        return group is not None and 0 < group <= self._policy.deductions.small_amount_max

    def agree(self, purpose: str, line: Mapping[str, Any], total: Decimal) -> tuple[bool, str]:
        """Whether a dispute's amount is agreed to, and why or what is missing.

        Args:
            purpose: ``credit_memo`` or ``write_off``, a rule of the policy's approvals.
            line: a line of the dispute; every line of it gets the same answer.
            total: the amount of the whole dispute.
        """
        key = (line["dispute_id"], line["version"], purpose)
        if key not in self._judged:
            self._judged[key] = self._judge(purpose, line, total)
        return self._judged[key]

    def _judge(self, purpose: str, line: Mapping[str, Any], total: Decimal) -> tuple[bool, str]:
        bands = self._policy.bands(purpose)
        amount = self._group(total, line["currency_code"])
        given = self._given.get((purpose, line["customer_id"]), _ZERO)
        within = amount is not None and amount <= bands.change_amount_max
        if (
            within
            and amount is not None
            and given is not None
            and given + amount <= bands.cumulative_12_months_max
        ):
            self._give(purpose, line["customer_id"], amount)
            return True, f"{canonical_text(amount)} is within the band"
        people = self._people(line, amount, bands.expires_days)
        needed = 2 if amount is None or amount >= bands.second_person_from else 1
        if len(people) >= needed:
            return True, f"{' and '.join(people)} agreed"
        if within:
            text = f"above {canonical_text(bands.cumulative_12_months_max)} within 12 months"
        elif amount is None:
            text = f"no rate for {line['currency_code']}"
        else:
            text = f"above {canonical_text(bands.change_amount_max)}"
        return False, f"{text}, {needed - len(people)} more must agree{self._role_text(amount)}"

    def _people(
        self, line: Mapping[str, Any], amount: Decimal | None, expires_days: int
    ) -> list[str]:
        """Who agreed, may agree to so much, and whose word still holds."""
        oldest = self._as_of - timedelta(days=expires_days)
        maker = (line.get("decided_by") or "").casefold()
        found: dict[str, str] = {}
        for who, at in json.loads(line.get("approvals") or "[]"):
            is_fresh = datetime.fromisoformat(at).date() >= oldest
            if is_fresh and who.casefold() != maker and self._may(who, amount):
                found.setdefault(who.casefold(), who)
        return list(found.values())

    def _may(self, who: str, amount: Decimal | None) -> bool:
        """Whether a person's role reaches an amount; without roles in the policy it always does."""
        rules = self._policy.deductions
        if not rules.roles:
            return True
        reach = rules.role_amount_max.get(rules.roles.get(who, ""))
        return reach is not None and amount is not None and amount <= reach

    def _role_text(self, amount: Decimal | None) -> str:
        """The lowest role that reaches an amount, in words."""
        rules = self._policy.deductions
        if not rules.roles or amount is None:
            return ""
        reaching = [(most, role) for role, most in rules.role_amount_max.items() if amount <= most]
        return f" ({min(reaching)[1]} or higher)" if reaching else " (above every role)"

    def _group(self, amount: Decimal, currency_code: str) -> Decimal | None:
        """An amount in group currency; None without a rate."""
        rate = self._rates.get(currency_code)
        return None if rate is None else abs(amount) * rate

    def _give(self, purpose: str, customer_id: str, amount: Decimal | None) -> None:
        before = self._given.get((purpose, customer_id), _ZERO)
        is_unknown = before is None or amount is None
        self._given[purpose, customer_id] = (
            None if is_unknown else (before or _ZERO) + (amount or _ZERO)
        )

    def _is_recent(self, at: datetime | None) -> bool:
        return at is not None and at.date() > self._as_of - timedelta(days=_YEAR_DAYS)


def _purpose_given(line: Mapping[str, Any]) -> str:
    """What a finished line gave away; empty when it gave nothing."""
    if line["status"] == "closed" and line["verdict"] not in ("valid", "partly"):
        return ""
    return _SPENT.get(line["status"], "")
