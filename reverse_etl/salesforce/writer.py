"""Salesforce's verbs: update accounts by Id, upsert balances and invoices by external id.

One row goes by REST, up to 200 in a collection, more as a bulk job. All three are keyed: sending
again makes no second record. Every row's outcome is a value; rows of a collection stand in the
order of the request (the vendor's promise, checked where ids allow), rows of a job are joined by
key. It must not retry or remember commands; field names come from governance.yml only.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote_plus

from ingestion.common.config import System
from ingestion.common.errors import (
    ConfigError,
    LedgerloopError,
    OutcomeUnknown,
    RetryLater,
)
from ingestion.common.transport import Transport
from ingestion.salesforce.client import SalesforceClient, soql_text
from reverse_etl.delivery.writer import (
    Accepted,
    CannotTell,
    Limits,
    LookUp,
    Outcome,
    ReadBack,
    Rejected,
    Retry,
    Sending,
    Unknown,
)
from reverse_etl.ledger.commands import Value
from reverse_etl.outcomes import found_by_fields, outcomes_of_whole
from reverse_etl.planning.governance import Governance, TargetObject
from reverse_etl.salesforce.bulk_rows import NULL_TEXT, bulk_outcomes, csv_of
from reverse_etl.salesforce.settings import (
    COLLECTION_MAX,
    DAILY_LIMIT_SECONDS,
    KEYS_PER_QUERY,
    LIMITS,
    OUTCOMES,
    SOQL_CHARACTERS_MAX,
    SalesforceOptions,
)

__all__ = ["SalesforceWriter", "create"]

KIND = "salesforce"
_ID = "Id"
#: The first 15 characters of an id are the id; the last three only make case irrelevant.
_ID_LENGTH = 15


class SalesforceWriter:
    """See ``reverse_etl.delivery.writer.Writer``.

    ``read_back`` raises LedgerloopError when the org cannot be read; ``send`` and ``look_up``
    answer in values only.
    """

    def __init__(
        self,
        system_id: str,
        client: SalesforceClient,
        governance: Governance,
        options: SalesforceOptions,
    ) -> None:
        self.system_id = system_id
        self._client = client
        self._governance = governance
        self._options = options

    def limits(self, object_name: str, operation: str) -> Limits:
        """Raises ConfigError for an operation that this kind does not have."""
        found = LIMITS.get((object_name, operation))
        if found is None:
            known = ", ".join("/".join(place) for place in LIMITS)
            raise ConfigError(
                f"salesforce has no operation {object_name}/{operation}; it has {known}",
                code="no_such_operation",
            )
        return found

    async def close(self) -> None:
        await self._client.close()

    # Sending

    async def send(self, batch: Sequence[Sending]) -> Mapping[str, Outcome]:
        if not batch:
            return {}
        target = self._target_of(batch)
        try:
            if len(batch) == 1:
                outcomes = await self._send_one(target, batch[0])
            elif len(batch) <= COLLECTION_MAX:
                outcomes = await self._send_collection(target, batch)
            else:
                outcomes = await self._send_bulk(target, batch)
        except LedgerloopError as error:
            outcomes = outcomes_of_whole(batch, error, OUTCOMES)
        return {key: _judged(outcome, target) for key, outcome in outcomes.items()}

    async def _send_one(self, target: TargetObject, sending: Sending) -> dict[str, Outcome]:
        command = sending.command
        fields = target.to_native(command.payload)
        if command.operation == "update":
            await self._client.update(target.entity, command.business_key, fields)
            return {command.command_id: Accepted(command.business_key)}
        done = await self._client.upsert(
            target.entity, target.key_native, command.business_key, fields
        )
        # An older version answers an update without a body: the id is then read back.
        return {command.command_id: Accepted(done.id)}

    async def _send_collection(
        self, target: TargetObject, batch: Sequence[Sending]
    ) -> dict[str, Outcome]:
        records = [
            {target.key_native: s.command.business_key, **target.to_native(s.command.payload)}
            for s in batch
        ]
        if batch[0].command.operation == "update":
            rows = await self._client.update_collection(target.entity, records)
        else:
            rows = await self._client.upsert_collection(target.entity, target.key_native, records)
        if not _is_in_order(batch, rows):
            return outcomes_of_whole(
                batch,
                OutcomeUnknown("row results do not fit the request's order", code="row_order"),
                OUTCOMES,
            )
        return {
            sending.command.command_id: _row_outcome(row)
            for sending, row in zip(batch, rows, strict=True)
        }

    async def _send_bulk(
        self, target: TargetObject, batch: Sequence[Sending]
    ) -> dict[str, Outcome]:
        ids = {s.command.business_key: s.command.command_id for s in batch}
        rows = {s.command.business_key: target.to_native(s.command.payload) for s in batch}
        refused: dict[str, Outcome] = {}
        for key in [key for key, row in rows.items() if NULL_TEXT in row.values()]:
            refused[ids[key]] = Rejected(
                "bulk_text", f"{key}: the text {NULL_TEXT} would empty a field in bulk"
            )
            del rows[key]
        operation = batch[0].command.operation
        started: list[str] = []
        try:
            result = await self._client.bulk_ingest(
                target.entity,
                operation,
                target.key_native if operation == "upsert" else "",
                csv_of(target.key_native, rows),
                interval_seconds=self._options.bulk_interval_seconds,
                timeout_seconds=self._options.bulk_timeout_seconds,
                on_job=started.append,
            )
        except RetryLater as error:
            if not started or error.code == "bulk_not_started":
                raise
            # The job is there and may run: a failed look at it is no proof of anything.
            raise OutcomeUnknown(error.message, code=error.code) from error
        outcomes = bulk_outcomes(result, target.key_native, list(rows), OUTCOMES)
        return {**refused, **{ids[key]: outcome for key, outcome in outcomes.items()}}

    # Reading

    async def look_up(self, batch: Sequence[Sending]) -> Mapping[str, LookUp]:
        """Whether the records hold what the commands want."""
        try:
            return found_by_fields(batch, await self.read_back(batch))
        except LedgerloopError as error:
            return {s.command.command_id: CannotTell(error.message) for s in batch}

    async def read_back(self, batch: Sequence[Sending]) -> Mapping[str, ReadBack]:
        if not batch:
            return {}
        target = self._target_of(batch)
        names = sorted({name for s in batch for name in s.command.payload})
        natives = [target.field(name).native for name in names]
        columns = list(dict.fromkeys([_ID, target.key_native, *filter(None, natives)]))
        fold = _id_of if target.key_native == _ID else str
        by_key: dict[str, dict[str, Any]] = {}
        for soql in _queries(target, columns, [s.command.business_key for s in batch]):
            for row in await self._client.query_rows(soql):
                by_key[fold(row[target.key_native])] = row
        return {
            s.command.command_id: _held(s, by_key.get(fold(s.command.business_key)), target)
            for s in batch
        }

    def _target_of(self, batch: Sequence[Sending]) -> TargetObject:
        places = {(s.command.object_name, s.command.operation) for s in batch}
        assert len(places) == 1, "a batch is of one object and operation"
        object_name, operation = places.pop()
        self.limits(object_name, operation)
        return self._governance.object(KIND, object_name)


def _id_of(value: str) -> str:
    return str(value)[:_ID_LENGTH]


def _is_in_order(batch: Sequence[Sending], rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the results' ids contradict the request's order: the vendor promises it."""
    ids = [_id_of(row["id"]) for row in rows if row.get("success") and row.get("id")]
    if len(set(ids)) != len(ids):
        return False
    if batch[0].command.operation != "update":
        return True
    return all(
        _id_of(row["id"]) == _id_of(s.command.business_key)
        for s, row in zip(batch, rows, strict=True)
        if row.get("id")
    )


def _row_outcome(row: Mapping[str, Any]) -> Outcome:
    """One row of a collection's answer."""
    if row.get("success") is True:
        return Accepted(str(row.get("id") or ""))
    errors = row.get("errors") or []
    if not errors:
        return Unknown("row_without_reason", "a row failed and the answer does not say why")
    first = errors[0]
    return OUTCOMES.of_refusal(
        str(first.get("statusCode") or first.get("errorCode") or ""),
        str(first.get("message", "")),
        field_name=", ".join(map(str, first.get("fields") or [])),
    )


def _judged(outcome: Outcome, target: TargetObject) -> Outcome:
    """What the table cannot know: our own key as duplicate, the kind of limit, hub field names."""
    if isinstance(outcome, Retry) and "TotalRequests" in outcome.message:
        return replace(outcome, after_seconds=outcome.after_seconds or DAILY_LIMIT_SECONDS)
    if not isinstance(outcome, Rejected):
        return outcome
    if outcome.code == "DUPLICATE_VALUE" and target.key_native in outcome.message:
        # Another request created the record since the vendor looked: the next upsert updates it.
        return Retry(outcome.code, outcome.message)
    return replace(outcome, field=_hub_names(outcome.field, target))


def _hub_names(natives: str, target: TargetObject) -> str:
    """The vendor's field names as ours; what we do not govern keeps its name."""
    ours = {governed.native: name for name, governed in target.fields.items()}
    return ", ".join(
        ours.get(one.strip(), one.strip()) for one in natives.split(",") if one.strip()
    )


def _held(sending: Sending, row: Mapping[str, Any] | None, target: TargetObject) -> ReadBack:
    if row is None:
        return ReadBack(None)
    fields: dict[str, Value] = target.from_native(row)
    return ReadBack(
        {name: fields[name] for name in sending.command.payload if name in fields},
        native_id=str(row[_ID]),
    )


def _queries(target: TargetObject, columns: Sequence[str], keys: Sequence[str]) -> Iterator[str]:
    """As few queries as fit into URLs."""
    # Names come from governance.yml, keys are quoted below.
    head = f"SELECT {', '.join(columns)} FROM {target.entity} WHERE {target.key_native} IN ("  # noqa: S608
    part: list[str] = []
    length = len(quote_plus(head))
    for text in map(soql_text, dict.fromkeys(keys)):
        more = len(quote_plus(text)) + len("%2C")
        if part and (len(part) == KEYS_PER_QUERY or length + more > SOQL_CHARACTERS_MAX):
            yield f"{head}{','.join(part)})"
            part, length = [], len(quote_plus(head))
        part.append(text)
        length += more
    if part:
        yield f"{head}{','.join(part)})"


def create(system: System, transport: Transport, governance: Governance) -> SalesforceWriter:
    """The writer of one connected org. Raises ConfigError without address or credentials."""
    client = SalesforceClient(system, transport)
    return SalesforceWriter(system.system_id, client, governance, SalesforceOptions.of(system))
