"""The [late] section of the policy file, typed: how late payment is learned and when believed.

A section of its own class because only the late-payment prediction reads it. It holds numbers, no
rule; it must not look at data.
"""

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ingestion.common.errors import ConfigError

__all__ = ["LatePolicy", "load_late_policy"]


@dataclass(frozen=True, slots=True)
class LatePolicy:
    """Settings of the late-payment prediction; policy.toml says what each of them is for."""

    seed: int = 20191001
    document_age_days_min: int = 45
    history_days_min: int = 60
    snapshot_step_days: int = 7
    training_weeks_max: int = 60
    training_rows_min: int = 300
    training_rows_max: int = 20_000
    held_out_weeks: int = 4
    held_out_rows_min: int = 50
    segment_rows_min: int = 100
    events_min: int = 15
    calibration_events_min: int = 100
    models_averaged: int = 2
    iterations: int = 150
    leaf_nodes_max: int = 16
    probability_leaf_nodes_max: int = 8
    leaf_rows_min: int = 40
    features_percent: int = 30
    learning_rate_percent: int = 6
    leaf_penalty: int = 5
    residual_days_max: int = 60
    prior_items: int = 3
    term_days_default: int = 30
    overdue_wait_days: int = 14
    interval_percent: int = 80
    interval_widening_percent: int = 130
    forecast_draws: int = 400
    forecast_weeks_max: int = 26

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise ConfigError(f"[late] {one.name}: a whole number is needed", code="policy_key")
            if value < (0 if one.name in _MAY_BE_ZERO else 1):
                raise ConfigError(f"[late] {one.name}: {value} is too small", code="policy_key")
        if self.interval_percent >= _WHOLE_PERCENT:
            raise ConfigError("[late] interval_percent: below 100 is needed", code="policy_key")

    @classmethod
    def from_section(cls, section: Mapping[str, Any]) -> "LatePolicy":
        """The settings of a [late] section; what it leaves out keeps its default.

        Raises:
            ConfigError: an unknown key (with the nearest right one) or a value out of range.
        """
        known = {one.name for one in fields(cls)}
        for name in section:
            if name not in known:
                near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise ConfigError(f"unknown key 'late.{name}'{hint}", code="policy_key")
        return cls(**section)


_MAY_BE_ZERO = {"seed", "leaf_penalty", "prior_items"}
_WHOLE_PERCENT = 100


def load_late_policy(path: str | Path | None = None) -> LatePolicy:
    """Read only the [late] section of a policy file; None means the one of the product.

    Raises:
        ConfigError: no such file, not TOML, or a wrong key or value in the section.
    """
    where = Path(path) if path else Path(__file__).parents[1] / "policy.toml"
    try:
        tree = tomllib.loads(where.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"no policy file at {where}", code="policy_missing") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where} is not valid TOML: {error}", code="policy_syntax") from None
    return LatePolicy.from_section(tree.get("late", {}))
