"""What verbs share that make one Workday document each, under the hub's reference id."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence

from lxml import etree

from ingestion.common.errors import InputRefused, LedgerloopError
from ingestion.workday.client import WorkdayClient, id_of, qualified
from reverse_etl.delivery.writer import (
    Absent,
    Accepted,
    CannotTell,
    Found,
    LookUp,
    Outcome,
    ReadBack,
    Sending,
)
from reverse_etl.outcomes import rejected_input
from reverse_etl.planning.governance import TargetObject
from reverse_etl.workday.forms import reference_id
from reverse_etl.workday.settings import OUTCOMES, WorkdayOptions

__all__ = ["Documents"]


class Documents(ABC):
    """One request per command; looked up and read back by its reference id.

    ``reference`` names the element that holds a document's Workday id, in answers and in rows.
    """

    reference = ""

    def __init__(
        self, client: WorkdayClient, target: TargetObject, options: WorkdayOptions
    ) -> None:
        self._client = client
        self._target = target
        self._options = options

    @abstractmethod
    def _request(self, sending: Sending) -> etree._Element:
        """The document as Workday's message. Raises InputRefused."""

    @abstractmethod
    async def _found(self, ids: Sequence[str]) -> dict[str, etree._Element]:
        """Documents by reference id, those that exist. Raises LedgerloopError."""

    @abstractmethod
    def _shown(self, sending: Sending, row: etree._Element) -> ReadBack:
        """What a document holds, in the hub's words."""

    def _native_id(self, row: etree._Element) -> str:
        return id_of(row.find(qualified(self.reference)), "WID")

    async def _rows(self, batch: Sequence[Sending]) -> dict[str, etree._Element]:
        return await self._found([reference_id(sending.external_key) for sending in batch])

    async def send(self, batch: Sequence[Sending]) -> dict[str, Outcome]:
        """One request per document."""
        found = await asyncio.gather(*(self._post(sending) for sending in batch))
        return {s.command.command_id: one for s, one in zip(batch, found, strict=True)}

    async def _post(self, sending: Sending) -> Outcome:
        try:
            content = self._request(sending)
        except InputRefused as refused:
            return rejected_input(refused)
        try:
            return Accepted(self._native_id(await self._client.change(content)))
        except LedgerloopError as error:
            return OUTCOMES.of_error(error)

    async def look_up(self, batch: Sequence[Sending]) -> dict[str, LookUp]:
        """Whether a document has the reference id of each command."""
        try:
            rows = await self._rows(batch)
        except LedgerloopError as error:
            return {s.command.command_id: CannotTell(error.message) for s in batch}
        found: dict[str, LookUp] = {}
        for sending in batch:
            row = rows.get(reference_id(sending.external_key))
            found[sending.command.command_id] = (
                Absent() if row is None else Found(self._native_id(row))
            )
        return found

    async def read_back(self, batch: Sequence[Sending]) -> dict[str, ReadBack]:
        """Raises LedgerloopError when Workday cannot be read."""
        rows = await self._rows(batch)
        held: dict[str, ReadBack] = {}
        for sending in batch:
            row = rows.get(reference_id(sending.external_key))
            held[sending.command.command_id] = (
                ReadBack(None) if row is None else self._shown(sending, row)
            )
        return held
