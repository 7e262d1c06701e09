"""The OData endpoint: addresses to reads, writes, actions and batches over the declared sets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl

import orjson

from sandbox.core.faults import Fault
from sandbox.sap_s4hana.odata import batch, metadata
from sandbox.sap_s4hana.odata.answers import JSON_TYPE, Answer, ODataError, error_answer
from sandbox.sap_s4hana.odata.model import EntityType, FunctionImport, Property
from sandbox.sap_s4hana.odata.payload import Payload, parse_body, parse_payload
from sandbox.sap_s4hana.odata.query import count_rows, next_link, read_page, read_rows
from sandbox.sap_s4hana.odata.render import Renderer, etag_of, parse_select
from sandbox.sap_s4hana.odata.rules import Action, SetRules
from sandbox.sap_s4hana.odata.tables import Row, Table, UndoLog
from sandbox.sap_s4hana.odata.uri import (
    Segment,
    key_predicate,
    parse_key,
    query_options,
    split_path,
)
from sandbox.sap_s4hana.odata.values import ValueRefused, from_literal
from sandbox.sap_s4hana.ports import ClockPort, FaultsPort

__all__ = ["ODataRequest", "ODataSite", "Service"]

_EXPAND_DEPTH_MAX = 4


@dataclass(frozen=True, slots=True)
class Service:
    """One OData service: its sets, actions and complex types."""

    name: str
    entities: tuple[EntityType, ...]
    functions: tuple[FunctionImport, ...] = ()
    complex_types: Mapping[str, tuple[Property, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ODataRequest:
    """One request. ``path`` is what follows the service root, still encoded."""

    method: str
    service: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    root: str

    @property
    def accepts_json(self) -> bool:
        """Whether errors come back as JSON."""
        return "json" in self.headers.get("accept", "") or "json" in self.query.lower()


class ODataSite:
    """All services of one system.

    Args:
        services: by name. ``rules`` and ``actions``: by set and by function name.
        live: sets whose rows are computed when read; called before each read of the set.
        page_size: rows of a page that the server cuts.
        needs_if_match: whether a change of a tagged entity without If-Match is refused (428).
    """

    def __init__(
        self,
        services: Mapping[str, Service],
        tables: Mapping[str, Table],
        undo: UndoLog,
        *,
        rules: Mapping[str, SetRules],
        actions: Mapping[str, Action],
        live: Mapping[str, Callable[[], None]],
        clock: ClockPort,
        faults: FaultsPort,
        page_size: int,
        needs_if_match: bool,
    ) -> None:
        self._services = services
        self._tables = tables
        self._undo = undo
        self._rules = rules
        self._actions = actions
        self._live = live
        self._clock = clock
        self._faults = faults
        self._page_size = page_size
        self._needs_if_match = needs_if_match
        self._types = {e.name: e for s in services.values() for e in s.entities}

    # -- dispatch ---------------------------------------------------------------------------

    def handle(self, request: ODataRequest) -> Answer:
        """Answer one request; refusals come back as answers."""
        try:
            service = self._services.get(request.service)
            if service is None:
                raise ODataError(
                    403,
                    "/IWFND/MED/170",
                    f"No service found for namespace '', name '{request.service}', version '0001'",
                )
            return self._dispatch(service, request)
        except ODataError as error:
            return error_answer(
                error,
                service=request.service,
                at=self._clock.now(),
                as_json=request.accepts_json,
            )

    def _dispatch(self, service: Service, request: ODataRequest) -> Answer:
        segments = split_path(request.path)
        if not segments:
            return _json(metadata.service_document(service.entities))
        head = segments[0].name
        if head == "$metadata":
            body = metadata.edmx(
                service.name, service.entities, service.functions, dict(service.complex_types)
            )
            return Answer(200, body, {"Content-Type": "application/xml", **_VERSION})
        if head == "$batch":
            return self._batch(request)
        method = _method_of(request)
        function = next((f for f in service.functions if f.name == head), None)
        if function is not None:
            return self._call(function, method, request)
        entity = next((e for e in service.entities if e.name == head), None)
        if entity is None:
            raise ODataError(404, "/IWFND/CM_MGW/004", f"Resource not found for segment '{head}'")
        if method in ("GET", "HEAD"):
            return self._read(entity, segments, request)
        return self._write(entity, method, segments, request)

    # -- reading ----------------------------------------------------------------------------

    def _table(self, name: str) -> Table:
        refresh = self._live.get(name)
        if refresh is not None:
            refresh()
        return self._tables[name]

    def _read(
        self, entity: EntityType, segments: Sequence[Segment], request: ODataRequest
    ) -> Answer:
        options = query_options(request.query)
        table = self._table(entity.name)
        first, rest = segments[0], list(segments[1:])
        if first.key is None:
            if rest and rest[0].name == "$count":
                return _text(str(count_rows(table, options)))
            if rest:
                raise ODataError(404, "/IWFND/CM_MGW/004", "A collection has no such segment")
            return self._collection(table, options, request)
        row = self._row(entity, first.key)
        while rest:
            segment = rest.pop(0)
            navigation = row.type.navigations.get(segment.name)
            if navigation is None:
                return _property_answer(row, segment, rest)
            rows = self._related(row, segment.name)
            if navigation.is_collection and segment.key is None:
                return self._related_rows(rows, navigation.target, options, rest, request)
            if segment.key is not None:
                wanted = parse_key(self._types[navigation.target], segment.key)
                rows = [r for r in rows if r.key == wanted]
            if not rows:
                raise _not_found(navigation.target)
            row = rows[0]
        renderer = self._renderer(row.type, options, request.root)
        headers = {"ETag": etag_of(row)} if etag_of(row) else {}
        if headers and request.headers.get("if-none-match") == headers["ETag"]:
            return Answer(304, b"", headers)
        return _json(b'{"d":' + renderer.render(row) + b"}", headers=headers)

    def _collection(
        self, table: Table, options: Mapping[str, str], request: ODataRequest
    ) -> Answer:
        renderer = self._renderer(table.type, options, request.root)
        page = read_page(table, options, page_size=self._page_size)
        kept = None if table.type.name in self._live else table.rendered(renderer.form)
        body = [b'{"d":{']
        if page.count is not None:
            body.append(b'"__count":"' + str(page.count).encode() + b'",')
        body += [b'"results":[', renderer.render_many(page.rows, kept), b"]"]
        if page.next_options is not None:
            link = next_link(request.root, table.type.name, page.next_options)
            body.append(b',"__next":' + orjson.dumps(link))
        body.append(b"}}")
        return _json(b"".join(body))

    def _related_rows(
        self,
        rows: Sequence[Row],
        target: str,
        options: Mapping[str, str],
        rest: Sequence[Segment],
        request: ODataRequest,
    ) -> Answer:
        entity = self._types[target]
        chosen = read_rows(rows, entity, options)
        if rest and rest[0].name == "$count":
            return _text(str(len(chosen)))
        renderer = self._renderer(entity, options, request.root)
        return _json(b'{"d":{"results":[' + renderer.render_many(chosen, None) + b"]}}")

    def _row(self, entity: EntityType, key: str) -> Row:
        row = self._tables[entity.name].rows.get(parse_key(entity, key))
        if row is None:
            raise _not_found(entity.name)
        return row

    def _related(self, row: Row, name: str) -> list[Row]:
        """The rows that a navigation of this row leads to."""
        navigation = row.type.navigations[name]
        table = self._table(navigation.target)
        wanted = {target: row[source] for source, target in navigation.keys}
        if not any(wanted.values()):
            return []
        keys = [table.type.properties[i].name for i in table.type.keys]
        if set(keys) == set(wanted):
            found = table.get(*(wanted[name] for name in keys))
            return [] if found is None else [found]
        by_index = next((n for n in wanted if table.indexed(n) is not None), None)
        rows = table.rows.values() if by_index is None else table.where(by_index, wanted[by_index])
        return sorted(
            (r for r in rows if all(r[n] == v for n, v in wanted.items())), key=lambda r: r.key
        )

    def _renderer(
        self, entity: EntityType, options: Mapping[str, str], root: str, depth: int = 0
    ) -> Renderer:
        select = parse_select(entity, options.get("$select", ""))
        expand: dict[str, Renderer] = {}
        heads: dict[str, list[str]] = {}
        for path in options.get("$expand", "").split(","):
            if path.strip():
                head, _, rest = path.strip().partition("/")
                heads.setdefault(head, []).append(rest)
        for head, rests in heads.items():
            navigation = entity.navigations.get(head)
            if navigation is None or depth >= _EXPAND_DEPTH_MAX:
                raise ODataError(
                    400, "/IWBEP/CM_MGW_RT/021", f"Navigation {head} not found", target=head
                )
            inner = {"$expand": ",".join(r for r in rests if r)}
            mark = f"{head}/"
            inner["$select"] = ",".join(
                name.removeprefix(mark) for name in select or () if name.startswith(mark)
            )
            target = self._types[navigation.target]
            expand[head] = self._renderer(target, inner, root, depth + 1)
        return Renderer(entity, root, select=select, expand=expand, resolve=self._related)

    # -- writing ----------------------------------------------------------------------------

    def _write(
        self,
        entity: EntityType,
        method: str,
        segments: Sequence[Segment],
        request: ODataRequest,
    ) -> Answer:
        first = segments[0]
        if method == "POST":
            return self._create(entity, segments, request)
        if first.key is None or len(segments) > 1:
            raise _not_allowed(entity.name)
        row = self._row(entity, first.key)
        is_delete = method == "DELETE"
        allowed = entity.is_deletable if is_delete else entity.is_updatable
        if not allowed or method not in ("PATCH", "MERGE", "PUT", "DELETE"):
            raise _not_allowed(entity.name)
        self._check_tag(row, request)
        name = f"{method} {entity.name}"
        self._check_lock(name)
        rules = self._rules[entity.name]
        if is_delete:
            if not self._faults.swallow(name):
                rules.delete(row)
            return Answer(204, b"", dict(_VERSION))
        tree = parse_body(request.body)
        changes = parse_payload(entity, tree, self._types, is_update=True).values
        if method == "PUT":
            replaceable = [p for p in entity.properties if p.is_updatable]
            changes = {p.name: changes.get(p.name, p.empty) for p in replaceable}
        if not self._faults.swallow(name):
            dropped = self._faults.dropped_field(name, changes)
            rules.update(row, {k: v for k, v in changes.items() if k != dropped})
        headers = {"ETag": etag_of(row)} if etag_of(row) else {}
        return Answer(204, b"", {**_VERSION, **headers})

    def _create(
        self, entity: EntityType, segments: Sequence[Segment], request: ODataRequest
    ) -> Answer:
        inherited: dict[str, Any] = {}
        if len(segments) == 2 and segments[0].key is not None and segments[1].key is None:
            parent = self._row(entity, segments[0].key)
            navigation = entity.navigations.get(segments[1].name)
            if navigation is None:
                raise _not_found(segments[1].name)
            inherited = {target: parent[source] for source, target in navigation.keys}
            entity = self._types[navigation.target]
        elif len(segments) > 1 or segments[0].key is not None:
            raise _not_allowed(entity.name)
        if not entity.is_creatable:
            raise _not_allowed(entity.name)
        payload = parse_payload(entity, parse_body(request.body), self._types, is_update=False)
        payload.values.update(inherited)
        name = f"POST {entity.name}"
        self._check_lock(name)
        row = self._created(entity, payload, is_swallowed=self._faults.swallow(name))
        options = {"$expand": ",".join(payload.nested)}
        renderer = self._renderer(entity, options, request.root)
        headers = {"Location": f"{request.root}{entity.name}{key_predicate(row)}"}
        if etag_of(row):
            headers["ETag"] = etag_of(row)
        return _json(b'{"d":' + renderer.render(row) + b"}", status=201, headers=headers)

    def _created(self, entity: EntityType, payload: Payload, *, is_swallowed: bool) -> Row:
        """Create all or nothing; a swallowed creation answers and leaves nothing behind."""
        with self._undo.nested() as attempt:
            row = self._rules[entity.name].create(payload)
            if is_swallowed:
                attempt.roll_back()
        return row

    def _check_tag(self, row: Row, request: ODataRequest) -> None:
        tag = etag_of(row)
        if not tag:
            return
        given = request.headers.get("if-match")
        if given is None:
            if self._needs_if_match:
                raise ODataError(
                    428,
                    "/IWBEP/CM_MGW_RT/116",
                    "The Data Services Request is required to be conditional. Try using the "
                    "'If-Match' header.",
                )
            return
        if given != "*" and tag not in [part.strip() for part in given.split(",")]:
            raise ODataError(
                412,
                "/IWBEP/CM_MGW_RT/117",
                "The precondition in the request header 'If-Match' does not match the entity",
            )

    def _check_lock(self, name: str) -> None:
        if self._faults.take(Fault.LOCK, name):
            raise ODataError(
                400, "MC/601", "Object requested is currently locked by user CB9980000042"
            )

    # -- actions and batches ------------------------------------------------------------------

    def _call(self, function: FunctionImport, method: str, request: ODataRequest) -> Answer:
        if method != function.method:
            raise _not_allowed(function.name)
        given = dict(parse_qsl(request.query, keep_blank_values=True))
        values = {}
        for parameter in function.parameters:
            text = given.get(parameter.name)
            if text is None:
                raise ODataError(
                    400,
                    "/IWBEP/CM_MGW_RT/102",
                    f"Parameter '{parameter.name}' is missing",
                    target=parameter.name,
                )
            try:
                values[parameter.name] = from_literal(parameter, text)
            except ValueRefused:
                raise ODataError(
                    400, "/IWBEP/CM_MGW_RT/102", f"Parameter '{parameter.name}' is invalid"
                ) from None
        self._check_lock(f"POST {function.name}")
        with self._undo.nested() as attempt:
            result = dict(self._actions[function.name](values))
            if self._faults.swallow(f"POST {function.name}"):
                attempt.roll_back()
        tree = {"__metadata": {"type": f"{function.service}.{function.return_type}"}, **result}
        return _json(orjson.dumps({"d": {function.name: tree}}))

    def _batch(self, request: ODataRequest) -> Answer:
        if request.method != "POST":
            raise _not_allowed("$batch")
        parts = []
        found = batch.parse(request.headers.get("content-type", ""), request.body)
        for number, piece in enumerate(found):
            if isinstance(piece, batch.ChangeSet):
                parts.append(self._change_set(piece, number, request))
            else:
                answer = self.handle(self._inner(piece, request))
                parts.append(batch.http_part(answer, piece.content_id))
        return batch.batch_answer(parts, "ejjeeffe0")

    def _change_set(self, piece: batch.ChangeSet, number: int, request: ODataRequest) -> bytes:
        """Run a change set; one refusal undoes all of it and is the only answer."""
        parts = []
        made: dict[str, str] = {}
        with self._undo.nested() as attempt:
            for inner in piece.requests:
                for content_id, path in made.items():
                    if inner.target.startswith(f"${content_id}"):
                        inner.target = path + inner.target[len(content_id) + 1 :]
                answer = self.handle(self._inner(inner, request))
                if answer.is_fault:
                    attempt.roll_back()
                    return batch.http_part(answer, inner.content_id)
                location = answer.headers.get("Location", "")
                if inner.content_id and location:
                    made[inner.content_id] = location.removeprefix(request.root)
                parts.append(batch.http_part(answer, inner.content_id))
        return batch.change_set_part(parts, f"ejjeeffe{number + 1}")

    @staticmethod
    def _inner(piece: batch.BatchRequest, request: ODataRequest) -> ODataRequest:
        target = piece.target
        mark = f"/{request.service}/"
        if target.startswith(("http://", "https://", "/")) and mark in target:
            target = target.partition(mark)[2]
        path, _, query = target.lstrip("/").partition("?")
        headers = {"accept": request.headers.get("accept", ""), **piece.headers}
        if "accept" not in piece.headers and "json" not in headers["accept"]:
            headers["accept"] = "application/json"
        return replace(
            request, method=piece.method, path=path, query=query, headers=headers, body=piece.body
        )


_VERSION = {"dataserviceversion": "2.0"}


def _json(body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, body, {"Content-Type": JSON_TYPE, **_VERSION, **(headers or {})})


def _text(text: str) -> Answer:
    return Answer(200, text.encode(), {"Content-Type": "text/plain;charset=utf-8", **_VERSION})


def _method_of(request: ODataRequest) -> str:
    """POST with ``X-HTTP-Method`` tunnels another verb."""
    if request.method == "POST":
        return request.headers.get("x-http-method", "POST").upper()
    return request.method


def _property_answer(row: Row, segment: Segment, rest: Sequence[Segment]) -> Answer:
    if segment.name not in row.type.index or segment.key is not None:
        raise ODataError(
            404, "/IWFND/CM_MGW/004", f"Resource not found for segment '{segment.name}'"
        )
    value = row[segment.name]
    if rest and rest[0].name == "$value":
        return _text("" if value is None else str(value))
    renderer = Renderer(row.type, "", select=(segment.name,))
    tree = orjson.loads(renderer.render(row))
    return _json(orjson.dumps({"d": {segment.name: tree[segment.name]}}))


def _not_found(name: str) -> ODataError:
    return ODataError(404, "/IWBEP/CM_MGW_RT/020", f"Resource not found for segment '{name}'")


def _not_allowed(name: str) -> ODataError:
    return ODataError(405, "/IWFND/CM_MGW/031", f"Method not allowed for '{name}'")
