"""A REST target's verbs, as ledgerloop.toml describes them: upsert, create, update, read back.

Single or batch by volume, results joined by key. ``create`` makes a second effect when it is sent
twice, unless the configuration says by what key the target tells; then an unknown outcome needs the
look-up, or a person. It must not retry, remember commands, or guess what an answer means.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from ingestion.common.config import System
from ingestion.common.errors import (
    ConfigError,
    InputRefused,
    LedgerloopError,
    OutcomeUnknown,
    RetryLater,
)
from ingestion.common.transport import Transport
from ingestion.rest.client import Answer, RestClient, enveloped, filled, found_at, put_at
from ingestion.rest.settings import LookUpEndpoint, ReadEndpoint, RestObject, Write, rest_objects
from reverse_etl.delivery.batching import halves
from reverse_etl.delivery.writer import (
    Absent,
    CannotTell,
    Found,
    Limits,
    LookUp,
    Outcome,
    ReadBack,
    Sending,
)
from reverse_etl.outcomes import rejected_input
from reverse_etl.planning.governance import Governance
from reverse_etl.rest.answers import AnswerReader
from reverse_etl.rest.rows import RowForm

__all__ = ["CREATE", "UPDATE", "UPSERT", "RestWriter", "check_read", "create"]

CREATE, UPDATE, UPSERT = "create", "update", "upsert"
_METHODS = {CREATE: "POST", UPDATE: "PATCH", UPSERT: "PUT"}
_REFUSED_CREDENTIALS = frozenset({401, 403})
#: A read that is answered so will be answered so for every row: the configuration is wrong.
_WRONG_READS = frozenset({301, 302, 303, 307, 308, 405, 406, 415})
#: Addresses are cut by servers somewhere above this length.
_PATH_CHARACTERS_MAX = 6_000
_THROTTLED = 429


class RestWriter:
    """See ``reverse_etl.delivery.writer.Writer``.

    ``read_back`` raises LedgerloopError when the target cannot be read; ``send`` and ``look_up``
    answer in values only.
    """

    def __init__(
        self, system_id: str, client: RestClient, objects: Mapping[str, RestObject]
    ) -> None:
        self.system_id = system_id
        self._client = client
        self._objects = objects
        self._writes = {name: one.writes for name, one in objects.items()}
        self._forms = {name: RowForm(one) for name, one in objects.items()}
        self._readers = {
            name: AnswerReader(one, self._forms[name]) for name, one in objects.items()
        }

    def limits(self, object_name: str, operation: str) -> Limits:
        """Raises ConfigError for an operation that the configuration does not describe."""
        settings, write = self._settings(object_name, operation)
        reads = settings.reads
        assert reads is not None, "checked when the configuration was loaded"
        look_up = settings.look_up
        is_keyed = operation != CREATE or write.is_deduplicated
        return Limits(
            batch_max=write.batch_max,
            concurrency_max=self._client.options.concurrency_max,
            requests_per_second_max=self._client.options.requests_per_second_max,
            request_timeout_seconds=settings.request_timeout_seconds,
            settle_seconds=settings.settle_seconds,
            verify_seconds=settings.verify_seconds,
            has_look_up=look_up is not None,
            is_keyed=is_keyed,
            read_batch_max=min(one.rows_max for one in (reads, look_up) if one is not None),
            unreadable_fields=frozenset(
                name for name, one in settings.fields.items() if not one.is_readable
            ),
        )

    async def close(self) -> None:
        await self._client.close()

    def _settings(self, object_name: str, operation: str) -> tuple[RestObject, Write]:
        settings = self._objects.get(object_name)
        write = self._writes[object_name].get(operation) if settings else None
        if settings is None or write is None:
            known = ", ".join(
                f"{name}/{verb}" for name, verbs in self._writes.items() for verb in verbs
            )
            raise ConfigError(
                f"systems.{self.system_id} has no operation {object_name}/{operation}; "
                f"ledgerloop.toml describes {known or 'none'}",
                code="no_such_operation",
            )
        return settings, write

    # Sending

    async def send(self, batch: Sequence[Sending]) -> Mapping[str, Outcome]:
        if not batch:
            return {}
        object_name, operation = _place(batch)
        settings, write = self._settings(object_name, operation)
        is_single = bool(write.path) and (len(batch) == 1 or write.batch is None)
        outcomes: dict[str, Outcome] = {}
        rows: list[tuple[Sending, dict[str, Any]]] = []
        for one in batch:
            try:
                rows.append((one, self._row(one, write, operation, is_single=is_single)))
            except InputRefused as refused:
                outcomes[one.command.command_id] = rejected_input(refused)
        if not rows:
            return outcomes
        reader = self._readers[object_name]
        sent = [one for one, _ in rows]
        try:
            if is_single:
                assert len(rows) == 1, "without a batch endpoint a batch is one row"
                answer = await self._send_one(settings, write, operation, *rows[0])
                outcomes[sent[0].command.command_id] = reader.of_one(answer, write.native_id_at)
            else:
                assert write.batch is not None, "a write has a path, a batch, or both"
                answer = await self._send_batch(settings, write, rows)
                outcomes.update(reader.of_batch(answer, write.batch, sent))
        except LedgerloopError as error:
            outcomes.update({one.command.command_id: reader.of_error(error) for one in sent})
        return outcomes

    def _row(
        self, sending: Sending, write: Write, operation: str, *, is_single: bool
    ) -> dict[str, Any]:
        """A command as the request carries it. Raises InputRefused."""
        has_key = not is_single or "{key}" not in write.path
        if is_single and write.is_key_in_body is not None:
            has_key = write.is_key_in_body
        form = self._forms[sending.command.object_name]
        row = form.row(sending, has_key=has_key, has_nulls=operation != CREATE)
        if write.idempotency_field is not None:
            put_at(row, write.idempotency_field, sending.external_key)
        return row

    async def _send_one(
        self,
        settings: RestObject,
        write: Write,
        operation: str,
        sending: Sending,
        row: Mapping[str, Any],
    ) -> Answer:
        headers = dict(settings.headers)
        if write.idempotency_header:
            headers[write.idempotency_header] = sending.external_key
        key, external_key = sending.command.business_key, sending.external_key
        return await self._client.call(
            write.method or _METHODS[operation],
            filled(write.path, key=key, external_key=external_key),
            body=enveloped(write.body, write.row_at, row),
            headers=headers,
            timeout_seconds=settings.request_timeout_seconds,
        )

    async def _send_batch(
        self,
        settings: RestObject,
        write: Write,
        rows: Sequence[tuple[Sending, Mapping[str, Any]]],
    ) -> Answer:
        batch = write.batch
        assert batch is not None
        headers = dict(settings.headers)
        if write.idempotency_header:
            keys = sorted(one.external_key for one, _ in rows)
            headers[write.idempotency_header] = hashlib.sha256(",".join(keys).encode()).hexdigest()
        return await self._client.call(
            batch.method,
            batch.path,
            body=enveloped(batch.body, batch.rows_at, [row for _, row in rows]),
            headers=headers,
            timeout_seconds=settings.request_timeout_seconds,
        )

    # Reading

    async def look_up(self, batch: Sequence[Sending]) -> Mapping[str, LookUp]:
        """Whether the rows are there. *Absent* only where the look-up reads its own writes."""
        if not batch:
            return {}
        settings, _ = self._settings(*_place(batch))
        endpoint = settings.look_up
        if endpoint is None:
            return {one.command.command_id: CannotTell("no look_up") for one in batch}
        try:
            rows = await self._rows(settings, endpoint, batch)
        except LedgerloopError as error:
            return {one.command.command_id: CannotTell(error.message) for one in batch}
        found: dict[str, LookUp] = {}
        for one in batch:
            row = rows.get(one.command.command_id)
            found[one.command.command_id] = (
                _missing(endpoint) if row is None else Found(_native_id(endpoint, row))
            )
        return found

    async def read_back(self, batch: Sequence[Sending]) -> Mapping[str, ReadBack]:
        if not batch:
            return {}
        object_name, operation = _place(batch)
        settings, _ = self._settings(object_name, operation)
        endpoint = settings.reads
        assert endpoint is not None
        # Without the id that the target gave there is nothing to ask for (yet).
        nameless = [s for s in batch if "{native_id}" in endpoint.path and not s.native_id]
        found = {s.command.command_id: ReadBack(None, is_pending=True) for s in nameless}
        batch = [s for s in batch if s.command.command_id not in found]
        rows = await self._rows(settings, endpoint, batch)
        form = self._forms[object_name]
        for one in batch:
            row = rows.get(one.command.command_id)
            found[one.command.command_id] = (
                ReadBack(None)
                if row is None
                else ReadBack(
                    form.held(one.command.payload, row),
                    native_id=_native_id(endpoint, row) or one.native_id,
                )
            )
        return found

    async def _rows(
        self, settings: RestObject, endpoint: ReadEndpoint, batch: Sequence[Sending]
    ) -> dict[str, Any]:
        """The rows that are there, by command id; joined by key, never by position.

        Raises:
            RetryLater: throttled or not reached.
            ConfigError: the target refuses our credentials, or this way of reading.
            OutcomeUnknown, VendorAnswerInvalid: no good answer.
        """
        found: dict[str, Any] = {}
        is_external = endpoint.is_by_external_key
        waiting = [
            batch[start : start + endpoint.rows_max]
            for start in range(0, len(batch), endpoint.rows_max)
        ]
        while waiting:
            part = waiting.pop()
            path = _read_path(endpoint, part)
            if len(path) > _PATH_CHARACTERS_MAX and len(part) > 1:
                waiting += halves(part)
                continue
            rows = await self._ask(settings, endpoint, part, path)
            form = self._forms[part[0].command.object_name]
            key_of = form.external_key_of if is_external else form.key_of
            by_key = {key_of(row): row for row in rows}
            if len(part) == 1 and endpoint.rows_at is None and "" in by_key:
                # One row that was asked for alone may leave its key out.
                by_key = {_asked(part[0], is_external=is_external): by_key[""]}
            for one in part:
                row = by_key.get(_asked(one, is_external=is_external))
                if row is not None:
                    found[one.command.command_id] = row
        return found

    async def _ask(
        self, settings: RestObject, endpoint: ReadEndpoint, part: Sequence[Sending], path: str
    ) -> list[Any]:
        body: Any = endpoint.body or None
        if endpoint.keys_at is not None:
            keys = [one.command.business_key for one in part]
            body = enveloped(endpoint.body, endpoint.keys_at, keys)
        answer = await self._client.call(
            endpoint.method,
            path,
            body=body,
            headers=settings.headers,
            timeout_seconds=settings.request_timeout_seconds,
        )
        if answer.status in {404, 410}:
            return []
        check_read(answer, self.system_id)
        tree = answer.tree()
        rows = found_at(tree, endpoint.row_at if endpoint.rows_at is None else endpoint.rows_at)
        if isinstance(rows, list):
            return rows
        return [] if rows is None else [rows]


def _place(batch: Sequence[Sending]) -> tuple[str, str]:
    places = {(s.command.object_name, s.command.operation) for s in batch}
    assert len(places) == 1, "a batch is of one object and operation"
    return places.pop()


def _missing(endpoint: LookUpEndpoint) -> LookUp:
    if endpoint.is_read_your_writes:
        return Absent()
    return CannotTell("not found, and this look-up may lag behind")


def _native_id(endpoint: ReadEndpoint, row: Any) -> str:
    found = found_at(row, endpoint.native_id_at) if endpoint.native_id_at else None
    return "" if found is None else str(found)


def _read_path(endpoint: ReadEndpoint, part: Sequence[Sending]) -> str:
    keys = [one.command.business_key for one in part]
    externals = [one.external_key for one in part]
    return filled(
        endpoint.path, key=keys[0], keys=keys, external_key=externals[0], external_keys=externals,
        native_id=part[0].native_id,
    )  # fmt: skip


def _asked(one: Sending, *, is_external: bool) -> str:
    """The key that a command's row is asked for by."""
    return one.external_key if is_external else one.command.business_key


def check_read(answer: Answer, system_id: str) -> None:
    """A read's answer is good, or says why not."""
    if answer.is_ok:
        return
    if answer.status in _REFUSED_CREDENTIALS:
        raise ConfigError(
            f"systems.{system_id}: {answer.where} answers {answer.status}: it refuses our "
            "credentials",
            code=f"http_{answer.status}",
        )
    message = f"{answer.where} answers {answer.status}: {answer.text}"
    if answer.status in _WRONG_READS:
        raise ConfigError(
            f"systems.{system_id}: {message}; correct the path or method of the read",
            code=f"http_{answer.status}",
        )
    if answer.status == _THROTTLED or answer.retry_after_seconds is not None:
        raise RetryLater(
            message, code=f"http_{answer.status}", after_seconds=answer.retry_after_seconds
        )
    raise OutcomeUnknown(message, code=f"http_{answer.status}")


def create(system: System, transport: Transport, governance: Governance) -> RestWriter:  # noqa: ARG001
    """The writer of one target. Raises ConfigError without address or credentials."""
    client = RestClient(system, transport)
    return RestWriter(system.system_id, client, rest_objects(system))
