"""Modes per flow: whether what was planned may leave, and who must agree first (DESIGN §6)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Mode", "Modes"]


class Mode(StrEnum):
    """*off* and *shadow* record and send nothing; *approve_all* wants a person for each command."""

    OFF = "off"
    SHADOW = "shadow"
    APPROVE_ALL = "approve_all"
    AUTOMATIC = "automatic"

    @property
    def sends(self) -> bool:
        return self in {Mode.APPROVE_ALL, Mode.AUTOMATIC}


@dataclass(frozen=True, slots=True)
class Modes:
    """The mode of every flow. A flow's own entry goes before its system's, that before the default.

    Attributes:
        default: for a system that is not named.
        by_system: system id to mode.
        by_flow: (system id, flow) to mode.
    """

    default: str = Mode.AUTOMATIC
    by_system: Mapping[str, str] = field(default_factory=dict)
    by_flow: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def of(self, system_id: str, flow: str) -> Mode:
        """The mode of a flow. Raises ValueError for a word that is no mode."""
        found = self.by_flow.get((system_id, flow)) or self.by_system.get(system_id) or self.default
        return Mode(found)
