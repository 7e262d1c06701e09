"""Request bodies: JSON of one entity, deep inserts included, checked against the type.

Properties that clients may not set are left out without a word, as Gateway does; a property that
the type does not have, or a value of another type, is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from sandbox.sap_s4hana.odata.answers import ODataError
from sandbox.sap_s4hana.odata.model import EntityType
from sandbox.sap_s4hana.odata.values import ValueRefused, from_json

__all__ = ["Payload", "parse_body", "parse_payload"]


@dataclass(slots=True)
class Payload:
    """Values by property name, and nested payloads by navigation name."""

    values: dict[str, Any] = field(default_factory=dict)
    nested: dict[str, list["Payload"]] = field(default_factory=dict)


def parse_body(body: bytes) -> dict[str, Any]:
    """The JSON object of a request; an outer ``d`` is taken off.

    Raises:
        ODataError: 400 for anything else.
    """
    try:
        tree = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise ODataError(
            400, "005056A509B11EE1B9A8FEC11C21578E", "The request payload is no valid JSON"
        ) from None
    if isinstance(tree, dict) and set(tree) == {"d"}:
        tree = tree["d"]
    if not isinstance(tree, dict):
        raise ODataError(
            400, "005056A509B11EE1B9A8FEC11C21578E", "The request payload is no JSON object"
        )
    return tree


def parse_payload(
    entity: EntityType,
    tree: Mapping[str, Any],
    types: Mapping[str, EntityType],
    *,
    is_update: bool,
) -> Payload:
    """Check a JSON object against a type.

    Raises:
        ODataError: 400 for an unknown property or a value that does not fit, with its name.
    """
    payload = Payload()
    for name, value in tree.items():
        if name == "__metadata":
            continue
        navigation = entity.navigations.get(name)
        if navigation is not None:
            if not is_update:
                target = types[navigation.target]
                payload.nested[name] = [
                    parse_payload(target, part, types, is_update=False)
                    for part in _parts(name, value)
                ]
            continue
        if name not in entity.index:
            raise ODataError(
                400,
                "005056A509B11EE1B9A8FEC11C21578E",
                f"Property '{name}' is invalid for type '{entity.type_name}'",
                target=name,
            )
        prop = entity.property(name)
        try:
            parsed = from_json(prop, value)
        except ValueRefused as error:
            raise ODataError(
                400,
                "005056A509B11EE1B9A8FEC11C21578E",
                f"Property '{name}' has an invalid value: {error}",
                target=name,
            ) from None
        if prop.is_updatable if is_update else prop.is_creatable:
            payload.values[name] = parsed
    return payload


def _parts(name: str, value: Any) -> list[Mapping[str, Any]]:
    """``[…]``, ``{"results": […]}`` or one object; a deferred link or null counts as nothing."""
    if isinstance(value, dict) and "results" in value:
        value = value["results"]
    if value is None or (isinstance(value, dict) and "__deferred" in value):
        return []
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list) or not all(isinstance(part, dict) for part in value):
        raise ODataError(
            400,
            "005056A509B11EE1B9A8FEC11C21578E",
            f"Navigation '{name}' is not given as objects",
            target=name,
        )
    return value
