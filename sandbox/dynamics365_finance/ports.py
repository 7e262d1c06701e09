"""What the kind asks of the sandbox around it: a clock, and whether a fault strikes here."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Protocol

from sandbox.core.faults import Fault

__all__ = ["ClockPort", "FaultsPort"]


class ClockPort(Protocol):
    """``sandbox.core.clock.Clock`` fits."""

    def now(self) -> datetime: ...

    def today(self) -> date: ...


class FaultsPort(Protocol):
    """``sandbox.core.faults.Faults`` fits. Names are ``VERB Set``: ``PATCH CustomersV3``."""

    def take(self, fault: Fault, name: str = "") -> bool: ...

    def swallow(self, name: str) -> bool: ...

    def dropped_field(self, name: str, fields: Iterable[str]) -> str | None: ...
