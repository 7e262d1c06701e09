"""Thresholds of identity: when a strong key is believed, what is proposed, what is too costly.

The section ``[identity]`` of the policy file, typed. It must not hold a rule: rules are code in the
other ``identity`` modules, and read their numbers here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from ingestion.common.errors import ConfigError

__all__ = ["IdentityPolicy"]

_NEVER_TRAINED = 1_000_000_000


@dataclass(frozen=True, slots=True)
class IdentityPolicy:
    """Numbers of the identity rules.

    Attributes:
        proposal_score_min: a pair that scores less is not proposed (0..1).
        strong_key_score_min: score shown at least for a pair that shares a strong key and was still
            left to a person (0..1).
        key_records_max: a tax id, number or mail domain that more records of one side carry
            identifies nobody.
        key_names_max: nor does one that this many different names carry, less one.
        block_pairs_max: pairs that one shared value (a street, a phone) may bring up for
            comparison; a value that brings up more is not used to look for pairs.
        candidate_pairs_max: pairs compared in one run at most; the rarest values come first.
        training_rows_min: with fewer records the model keeps the weights it came with.
        training_rows_max: with more, it learns from this many of them.
        several_customers_per_account: whether one left record may be linked automatically to
            several right records of one system.
        loop_pairs_max: pairs that a run of the loop compares at most.
    """

    proposal_score_min: float = 0.8
    strong_key_score_min: float = 0.9
    key_records_max: int = 30
    key_names_max: int = 4
    block_pairs_max: int = 5_000
    candidate_pairs_max: int = 3_000_000
    training_rows_min: int = 500
    training_rows_max: int = 4_000
    several_customers_per_account: bool = False
    loop_pairs_max: int = 500_000

    @classmethod
    def of(cls, section: Mapping[str, Any]) -> "IdentityPolicy":
        """Read the section; scores are text there (``"0.9"``), like every decimal of the file.

        Raises:
            ConfigError: an unknown key, a score that is no number of 0..1, a count below 1.
        """
        known = {one.name: one.type for one in fields(cls)}
        values: dict[str, Any] = {}
        for name, given in section.items():
            if name not in known:
                raise ConfigError(f"policy: unknown key 'identity.{name}'", code="policy_key")
            values[name] = _value(name, known[name], given)
        return cls(**values)

    def for_loop(self) -> "IdentityPolicy":
        """The same within the budget of a loop: fewer pairs, and nothing is learnt on the way."""
        return replace(
            self, candidate_pairs_max=self.loop_pairs_max, training_rows_min=_NEVER_TRAINED
        )


def _value(name: str, form: Any, given: Any) -> Any:
    if form is float:
        try:
            score = float(given) if isinstance(given, str) else None
        except ValueError:
            score = None
        if score is None or not 0 <= score <= 1:
            raise ConfigError(
                f"policy: 'identity.{name}' must be text of a number from 0 to 1, such as \"0.9\"",
                code="policy_key",
            )
        return score
    if form is bool:
        if not isinstance(given, bool):
            raise ConfigError(f"policy: 'identity.{name}' must be true or false", code="policy_key")
        return given
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise ConfigError(f"policy: 'identity.{name}' must be a count from 1", code="policy_key")
    return given
