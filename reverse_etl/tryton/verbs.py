"""What the writer's verbs share: one command after another, whatever goes wrong becomes a value."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal, InvalidOperation

from ingestion.common.errors import ConfigError, InputRefused, LedgerloopError
from ingestion.tryton.client import TrytonClient
from reverse_etl.delivery.writer import (
    Absent,
    Accepted,
    CannotTell,
    Found,
    LookUp,
    Outcome,
    ReadBack,
    Rejected,
    Sending,
    Unknown,
)
from reverse_etl.outcomes import rejected_input
from reverse_etl.planning.governance import Governance, TargetObject
from reverse_etl.tryton.books import Books
from reverse_etl.tryton.settings import KIND, OUTCOMES, TrytonOptions

__all__ = ["Verb", "amount_in", "day_in", "text_in"]


class Verb(ABC):
    """One object's operation.

    Subclasses do one command: ``_do`` makes the effect from wherever it stands and gives its native
    id; ``_find`` gives that id when the effect is whole; ``_held`` what the books hold of it.
    """

    object_name = ""

    def __init__(
        self, client: TrytonClient, governance: Governance, options: TrytonOptions
    ) -> None:
        self._client = client
        self._target: TargetObject = governance.object(KIND, self.object_name)
        self._options = options
        self._books: dict[int, Books] = {}

    @abstractmethod
    async def _do(self, sending: Sending) -> str: ...

    @abstractmethod
    async def _find(self, sending: Sending) -> str: ...

    @abstractmethod
    async def _held(self, sending: Sending) -> ReadBack: ...

    def books(self, company_code: str) -> Books:
        """The books of a company. Raises InputRefused for a code that is no company id."""
        if not company_code.isdigit():
            raise InputRefused(
                f"company {company_code!r} is not a company id of Tryton",
                code="company_code",
                where="company_code",
            )
        company = int(company_code)
        if company not in self._books:
            self._books[company] = Books(self._client, company)
        return self._books[company]

    async def send(self, batch: Sequence[Sending]) -> dict[str, Outcome]:
        """One command after another; each has its own answer."""
        return {one.command.command_id: await self._told(one) for one in batch}

    async def _told(self, sending: Sending) -> Outcome:
        """The outcome; a refusal after something was posted says that it stands."""
        outcome = await self._outcome(sending)
        if not isinstance(outcome, Rejected):
            return outcome
        try:
            has_begun = await self._has_begun(sending)
        except LedgerloopError as error:
            return Unknown(error.code or "not_read", f"refused, and unread since: {error.message}")
        return replace(outcome, is_partial=True) if has_begun else outcome

    async def _has_begun(self, sending: Sending) -> bool:
        """Whether the books hold a posted move with the command's key."""
        company = str(sending.command.payload.get("company_code") or "")
        if not company.isdigit():
            return False
        found = await Books(self._client, int(company)).moves_with([sending.external_key])
        return any(move["state"] == "posted" for move in found[sending.external_key])

    async def _outcome(self, sending: Sending) -> Outcome:
        try:
            return Accepted(await self._do(sending))
        except InputRefused as refused:
            return rejected_input(refused)
        except ConfigError as error:
            return Rejected(error.code or "configuration", error.message, is_business=False)
        except LedgerloopError as error:
            return OUTCOMES.of_error(error)

    async def look_up(self, batch: Sequence[Sending]) -> dict[str, LookUp]:
        """Whether each effect is there, whole. A draft or a half-done application is not."""
        found: dict[str, LookUp] = {}
        for sending in batch:
            try:
                native_id = await self._find(sending)
            except InputRefused:
                found[sending.command.command_id] = Absent()
            except LedgerloopError as error:
                found[sending.command.command_id] = CannotTell(error.message)
            else:
                found[sending.command.command_id] = Found(native_id) if native_id else Absent()
        return found

    async def read_back(self, batch: Sequence[Sending]) -> dict[str, ReadBack]:
        """Raises LedgerloopError when the books cannot be read."""
        return {one.command.command_id: await self._held(one) for one in batch}


def text_in(payload: Mapping[str, object], name: str) -> str:
    """A text field; empty where there is none."""
    value = payload.get(name)
    return "" if value is None else str(value)


def day_in(payload: Mapping[str, object], name: str) -> date:
    """A date field. Raises InputRefused when it is none."""
    try:
        return date.fromisoformat(text_in(payload, name))
    except ValueError as error:
        raise InputRefused(f"{name} is not a date", code="not_a_date", where=name) from error


def amount_in(payload: Mapping[str, object], name: str) -> Decimal:
    """An amount field. Raises InputRefused when it is none."""
    try:
        amount = Decimal(text_in(payload, name))
    except InvalidOperation as error:
        raise InputRefused(f"{name} is not an amount", code="not_an_amount", where=name) from error
    if not amount.is_finite():
        raise InputRefused(f"{name} is not an amount", code="not_an_amount", where=name)
    return amount
