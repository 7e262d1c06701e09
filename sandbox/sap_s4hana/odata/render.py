"""Rows to JSON bytes, once per row and form; serving a page is then one join of bytes."""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

import orjson

from sandbox.sap_s4hana.odata.answers import ODataError
from sandbox.sap_s4hana.odata.model import EdmKind, EntityType
from sandbox.sap_s4hana.odata.tables import Row
from sandbox.sap_s4hana.odata.uri import key_predicate
from sandbox.sap_s4hana.odata.values import to_json

__all__ = ["Renderer", "etag_of", "parse_select"]

#: Finds the rows a navigation leads to.
Resolve = Callable[[Row, str], Sequence[Row]]

_CONVERTED = (EdmKind.DATE, EdmKind.INSTANT, EdmKind.TIME, EdmKind.DECIMAL)


def etag_of(row: Row) -> str:
    """The weak ETag of a row, empty when its type has none."""
    entity = row.type
    if not entity.has_etag:
        return ""
    if entity.etag_property:
        instant = row[entity.etag_property]
        if instant is not None:
            return f"W/\"datetimeoffset'{quote(f'{instant:%Y-%m-%dT%H:%M:%S.%fZ}')}'\""
    return f"W/\"'{row.revision:020d}'\""


def parse_select(entity: EntityType, text: str) -> tuple[str, ...] | None:
    """The names of ``$select``; None for everything.

    Raises:
        ODataError: 400 for an unknown name.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names or "*" in names:
        return None
    for name in names:
        head = name.partition("/")[0]
        if head not in entity.index and head not in entity.navigations:
            raise ODataError(
                400,
                "/IWBEP/CM_MGW_RT/021",
                f"Property {name} not found in type '{entity.type_name}'",
                target=name,
            )
    return tuple(names)


class Renderer:
    """Renders rows of one set in one form.

    Args:
        root: address of the service with a slash at the end; it stands in every row.
        select: property and navigation names, None for all.
        expand: navigation name to the renderer of what it leads to.
    """

    def __init__(
        self,
        entity: EntityType,
        root: str,
        *,
        select: tuple[str, ...] | None = None,
        expand: dict[str, "Renderer"] | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        heads = None if select is None else {name.partition("/")[0] for name in select}
        chosen = [
            (i, p) for i, p in enumerate(entity.properties) if heads is None or p.name in heads
        ]
        self._names = [p.name for _, p in chosen]
        self._positions = None if heads is None else [i for i, _ in chosen]
        self._converted = [
            (place, p.kind) for place, (_, p) in enumerate(chosen) if p.kind in _CONVERTED
        ]
        self._navigations = [n for n in entity.navigations if heads is None or n in heads]
        self._expand = expand or {}
        self._resolve = resolve
        self._entity = entity
        self._root = root
        self.form = (root, select)

    def render(self, row: Row) -> bytes:
        """One row as a JSON object."""
        values = row.values
        out = values.copy() if self._positions is None else [values[i] for i in self._positions]
        for place, kind in self._converted:
            if out[place] is not None:
                out[place] = to_json(kind, out[place])
        body = orjson.dumps(dict(zip(self._names, out, strict=True)))
        return b'{"__metadata":' + self._metadata(row) + self._rest(row, body)

    def _metadata(self, row: Row) -> bytes:
        uri = f"{self._root}{self._entity.name}{key_predicate(row)}"
        tree = {"id": uri, "uri": uri, "type": self._entity.full_name}
        etag = etag_of(row)
        if etag:
            tree["etag"] = etag
        return orjson.dumps(tree)

    def _rest(self, row: Row, body: bytes) -> bytes:
        """Properties, then expanded and deferred navigations, and the closing brace."""
        parts = [b"," + body[1:-1]] if len(body) > 2 else [b""]
        if self._navigations or self._expand:
            uri = f"{self._root}{self._entity.name}{key_predicate(row)}"
            for name in self._navigations:
                if name not in self._expand:
                    link = orjson.dumps({"__deferred": {"uri": f"{uri}/{name}"}})
                    parts.append(b',"' + name.encode() + b'":' + link)
            for name, renderer in self._expand.items():
                parts.append(b',"' + name.encode() + b'":' + self._expanded(row, name, renderer))
        return b"".join(parts) + b"}"

    def _expanded(self, row: Row, name: str, renderer: "Renderer") -> bytes:
        assert self._resolve is not None
        rows = self._resolve(row, name)
        if self._entity.navigations[name].is_collection:
            return b'{"results":[' + b",".join([renderer.render(r) for r in rows]) + b"]}"
        return renderer.render(rows[0]) if rows else b"null"

    def render_many(self, rows: Sequence[Row], kept: dict[Row, bytes] | None) -> bytes:
        """Rows joined by commas, through the kept bytes where the form allows keeping."""
        if kept is None or self._expand:
            return b",".join([self.render(row) for row in rows])
        parts: list[Any] = []
        for row in rows:
            body = kept.get(row)
            if body is None:
                body = kept[row] = self.render(row)
            parts.append(body)
        return b",".join(parts)
