"""The policy file, typed, and what it says about approvals and modes.

One TOML file holds every threshold with its unit (reverse_etl/policy.toml). Decisions, planner and
guards read it and hold no number of their own. Nothing here looks at data by itself: the functions
take figures and answer.
"""

import difflib
import tomllib
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from ingestion.common.config import Config
from ingestion.common.errors import ConfigError
from reverse_etl.ledger.modes import Modes
from reverse_etl.planning.policy_base import Section
from reverse_etl.planning.policy_cash import CashPolicy
from reverse_etl.planning.policy_credit import (
    DeductionsPolicy,
    GroupLimit,
    ScorecardPolicy,
    TemporaryLimit,
)

__all__ = [
    "ApprovalBands",
    "CashPolicy",
    "CreditPolicy",
    "GuardPolicy",
    "LimitChange",
    "Mode",
    "ObjectGuards",
    "Policy",
    "PostingPolicy",
    "approval_of",
    "default_path",
    "flow_modes",
    "load_policy",
    "stricter_mode",
]

Mode = Literal["off", "shadow", "approve_all", "automatic"]
_MODES: tuple[str, ...] = ("off", "shadow", "approve_all", "automatic")


class CreditPolicy(Section):
    """Hysteresis of customer holds and the release test of orders (domain §B4)."""

    hold_above_utilisation_percent: Decimal = Decimal(100)
    release_at_utilisation_percent: Decimal = Decimal(95)
    release_overdue_days_max: int = Field(30, ge=0)
    release_overdue_amount_tolerated: Decimal = Decimal(0)
    hold_reason_code: str = Field("01", max_length=2)
    scorecard: ScorecardPolicy = ScorecardPolicy()
    group_limits: tuple[GroupLimit, ...] = ()
    temporary_limits: tuple[TemporaryLimit, ...] = ()


class PostingPolicy(Section):
    """What becomes of money whose value date lies in a period that its company has closed."""

    closed_period: Literal["first_open_day", "park"] = "first_open_day"


class ApprovalBands(Section):
    """Up to where a change goes out by itself; see policy.toml."""

    change_percent_max: Decimal = Decimal(0)
    change_amount_max: Decimal = Decimal(0)
    cumulative_12_months_max: Decimal = Decimal(0)
    second_person_from: Decimal = Decimal(0)
    expires_days: int = Field(14, ge=1)
    always: bool = False
    """Every change waits for a person, whatever it is worth."""


class ObjectGuards(Section):
    """Limits of one object; what is not set is the general limit."""

    changes_count_max: int | None = None
    changes_percent_max: Decimal | None = None
    changes_percent_rows_min: int | None = None
    changes_money_max: Decimal | None = None
    vanished_percent_max: Decimal | None = None


class GuardPolicy(Section):
    """What may leave at once."""

    changes_count_max: int = 100_000
    changes_percent_max: Decimal = Decimal(100)
    changes_percent_rows_min: int = 50
    changes_money_max: Decimal = Decimal(2_000_000_000)
    vanished_percent_max: Decimal = Decimal(10)
    source_age_hours_max: int = 24
    objects: dict[str, ObjectGuards] = Field(default_factory=dict)

    def of(self, kind: str, object_name: str) -> "GuardPolicy":
        """The limits that hold for one object."""
        own = self.objects.get(f"{kind}.{object_name}", ObjectGuards())
        return self.model_copy(update=own.model_dump(exclude_none=True))


class Policy(Section):
    """The whole policy."""

    cash: CashPolicy = CashPolicy()
    posting: PostingPolicy = PostingPolicy()
    credit: CreditPolicy = CreditPolicy()
    deductions: DeductionsPolicy = DeductionsPolicy()
    late: dict[str, Any] = Field(default_factory=dict)
    identity: dict[str, Any] = Field(default_factory=dict)
    approvals: dict[str, ApprovalBands] = Field(default_factory=dict)
    guards: GuardPolicy = GuardPolicy()
    flows: dict[str, Mode] = Field(default_factory=dict)

    def bands(self, rule: str) -> ApprovalBands:
        """Bands of an approval rule; a rule without bands always asks for a person."""
        return self.approvals.get(rule, ApprovalBands())


@dataclass(frozen=True, slots=True)
class LimitChange:
    """A proposed change of a limit, in the currency of its credit segment.

    ``before`` and ``after`` are None for a limit that is not a finite amount (unlimited or none
    granted); ``cumulative_12_months`` is what was changed for this customer in the last 12 months
    without a person, absolute amounts added up, so that splitting evades nothing.
    """

    before: Decimal | None
    after: Decimal | None
    cumulative_12_months: Decimal = Decimal(0)


def approval_of(change: LimitChange, bands: ApprovalBands) -> tuple[str, str]:
    """Who must agree to a change of a limit.

    Returns:
        ``("", "")`` when it goes out by itself, else ``one_person`` or ``two_people`` and why, in
        plain words.
    """
    if change.before is None or change.after is None:
        return "two_people", "a limit without an amount begins or ends"
    moved = abs(change.after - change.before)
    who = "two_people" if moved >= bands.second_person_from else "one_person"
    if moved > bands.change_amount_max:
        return who, f"changes by {moved}, more than {bands.change_amount_max}"
    if change.before == 0 or moved * 100 > change.before * bands.change_percent_max:
        return who, f"changes by more than {bands.change_percent_max} % of {change.before}"
    total = change.cumulative_12_months + moved
    if total > bands.cumulative_12_months_max:
        return who, (
            f"{total} changed within 12 months, more than {bands.cumulative_12_months_max}"
        )
    return "", ""


def stricter_mode(*modes: str) -> str:
    """The most careful of several modes; automatic when none is given."""
    return min(modes, key=_MODES.index, default="automatic")


def default_path() -> Path:
    """Where the policy that comes with the product lies."""
    return Path(__file__).parents[1] / "policy.toml"


def load_policy(path: str | Path | None = None) -> Policy:
    """Read and check a policy file; empty or None means the one that comes with the product.

    Raises:
        ConfigError: no such file, not TOML, an unknown key (with the nearest right one), a float
            where money or a percentage stands, or a value out of range.
    """
    where = Path(path) if path else default_path()
    try:
        tree = tomllib.loads(where.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"no policy file at {where}", code="policy_missing") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where} is not valid TOML: {error}", code="policy_syntax") from None
    try:
        return Policy.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(_explain(where, error), code="policy_key") from None


_MODELS = (
    Policy, CashPolicy, CreditPolicy, ApprovalBands, GuardPolicy, ObjectGuards, DeductionsPolicy,
    ScorecardPolicy, GroupLimit, TemporaryLimit,
)  # fmt: skip
_KNOWN_KEYS = sorted({name for model in _MODELS for name in model.model_fields})


def _explain(path: Path, error: ValidationError) -> str:
    """One line per problem: where it stands, what is wrong, the nearest right key."""
    lines = []
    for problem in error.errors():
        where = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            wrong = str(problem["loc"][-1])
            near = difflib.get_close_matches(wrong, _KNOWN_KEYS, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            lines.append(f"{path}: unknown key {where!r}{hint}")
        else:
            lines.append(f"{path}: {where}: {problem['msg']}")
    return "\n".join(lines)


def flow_modes(modes: Modes, config: Config, policy: Policy) -> Modes:
    """The mode of every flow: the stricter of the system's and the policy's, never looser.

    Planner and delivery must be given the same; call it once per run.
    """
    by_flow = dict(modes.by_flow)
    for system_id in config.systems:
        for flow, wanted in policy.flows.items():
            by_flow[system_id, flow] = stricter_mode(str(modes.of(system_id, flow)), wanted)
    return replace(modes, by_flow=by_flow)
