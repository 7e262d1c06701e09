"""Blocks and the dispute's mark on single items: Journal Entry Change, asynchronous.

SAP has no released service for dispute cases (contracts/erp.md §1.8), so a disputed item is kept
from payment runs and dunning by its own blocks, and shows the dispute's id in a reference field;
the matrix says in which. Setting the same values twice is one change. It posts nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ingestion.common.errors import InputRefused, LedgerloopError
from ingestion.sap_s4hana.client import SapClient
from reverse_etl.delivery.writer import (
    Accepted,
    CannotTell,
    LookUp,
    Outcome,
    ReadBack,
    Sending,
)
from reverse_etl.outcomes import found_by_fields, outcomes_of_whole, rejected_input
from reverse_etl.planning.governance import Governance, TargetObject
from reverse_etl.sap_s4hana.items import ItemKey, items_with_keys
from reverse_etl.sap_s4hana.messages import (
    CHANGE_ACTION,
    CHANGE_PATH,
    ItemChange,
    change_envelope,
    entry_id_of,
)
from reverse_etl.sap_s4hana.settings import OUTCOMES

__all__ = ["ItemBlocks"]

KIND = "sap_s4hana"
#: The item cube's name of a field to the message's, where they differ.
_ELEMENTS = {
    "PaymentBlockingReason": "PaymentBlockingReasonCode",
    "DunningBlockingReason": "DunningBlockingReasonCode",
}


class ItemBlocks:
    """``item_blocks/update``."""

    def __init__(self, client: SapClient, governance: Governance) -> None:
        self._client = client
        self._target: TargetObject = governance.object(KIND, "item_blocks")

    async def send(self, batch: Sequence[Sending]) -> dict[str, Outcome]:
        """Ask for changes in one message; SAP works on them later."""
        outcomes: dict[str, Outcome] = {}
        changes: dict[str, ItemChange] = {}
        for sending in batch:
            try:
                changes[sending.command.command_id] = self._change(sending)
            except InputRefused as refused:
                outcomes[sending.command.command_id] = rejected_input(refused)
        good = [sending for sending in batch if sending.command.command_id in changes]
        if not good:
            return outcomes
        try:
            envelope = change_envelope(
                list(changes.values()),
                created_at=max(sending.command.planned_at for sending in good),
                attempt=max(sending.attempt for sending in good),
            )
            await self._client.soap(CHANGE_PATH, CHANGE_ACTION, envelope)
        except LedgerloopError as error:
            return {**outcomes, **outcomes_of_whole(good, error, OUTCOMES)}
        return {**outcomes, **{s.command.command_id: Accepted() for s in good}}

    def _change(self, sending: Sending) -> ItemChange:
        key = _key_of(sending)
        native = self._target.to_native(sending.command.payload)
        fields = {
            _ELEMENTS.get(name, name): "" if value is None else str(value)
            for name, value in native.items()
        }
        entry_id = entry_id_of(sending.command.command_id)
        return ItemChange(
            entry_id, key.company_code, key.fiscal_year, key.document, key.item, fields
        )

    async def look_up(self, batch: Sequence[Sending]) -> dict[str, LookUp]:
        """Whether the items hold what the commands want."""
        try:
            return found_by_fields(batch, await self.read_back(batch))
        except LedgerloopError as error:
            return {s.command.command_id: CannotTell(error.message) for s in batch}

    async def read_back(self, batch: Sequence[Sending]) -> dict[str, ReadBack]:
        """Raises LedgerloopError when the items cannot be read."""
        keys = {s.command.command_id: _key_of(s) for s in batch}
        rows = await items_with_keys(self._client, keys.values())
        return {
            s.command.command_id: self._held(s, rows.get(keys[s.command.command_id])) for s in batch
        }

    def _held(self, sending: Sending, row: Mapping[str, Any] | None) -> ReadBack:
        if row is None:
            return ReadBack(None)
        fields = self._target.from_native(row)
        held = {name: fields.get(name) for name in sending.command.payload}
        return ReadBack(held, native_id=sending.command.business_key)


def _key_of(sending: Sending) -> ItemKey:
    """The item's key, ``company/year/document/item``. Raises InputRefused for another form."""
    parts = sending.command.business_key.split("/")
    if len(parts) != 4 or not all(parts):
        raise InputRefused(
            f"{sending.command.business_key!r} is not company/year/document/item",
            code="key_form",
            where="item",
        )
    return ItemKey(parts[0], parts[1], parts[2], parts[3].zfill(3))
