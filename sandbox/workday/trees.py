"""Messages to plain trees and back, by the schema; and faults in Workday's own form.

A tree holds text, Decimal, date, datetime, bool, lists, dicts; a reference is ``{"type", "id"}``,
the first of its ids. An element that the schema does not know, or that stands out of its order, is
a validation error, as behind a schema-checking server.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from lxml import etree

from sandbox.workday.schema import TYPES, Part

__all__ = [
    "NAMESPACE",
    "SOAP",
    "Describe",
    "ServiceFault",
    "ValidationFault",
    "envelope_of",
    "fault_of",
    "instant_text",
    "parse_xml",
    "rendered",
    "tree_of",
]

NAMESPACE = "urn:com.workday/bsvc"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
Tree = dict[str, Any]
#: A reference to its descriptor and all its ids.
Describe = Callable[[Mapping[str, str]], tuple[str, list[tuple[str, str]]]]
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True)


class ServiceFault(Exception):
    """A SOAP fault without validation errors: rights, sign-in, or a failure of the server."""

    def __init__(self, code: str, message: str, *, status: int = 500) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


class ValidationFault(ServiceFault):
    """The request was understood and refused. ``path``: element names from the request down."""

    def __init__(self, message: str, path: tuple[str, ...] = ()) -> None:
        super().__init__("Client.validationError", message)
        self.path = path


def parse_xml(body: bytes) -> etree._Element:
    """The document's root. Raises ServiceFault."""
    try:
        return etree.fromstring(body, _PARSER)
    except etree.XMLSyntaxError as error:
        raise ServiceFault("Client", f"SAXParseException: {error}") from None


def tree_of(element: etree._Element, type_name: str, *, checks_order: bool, path: tuple[str, ...]
            ) -> Tree:  # fmt: skip
    """A complex element as a tree.

    Raises:
        ValidationFault: an element that is unknown here, out of order, or no value of its type.
    """
    parts = {part.name: (place, part) for place, part in enumerate(TYPES[type_name])}
    found: Tree = {}
    last = 0
    for child in element:
        name = etree.QName(child).localname
        here = (*path, name)
        if name not in parts or etree.QName(child).namespace != NAMESPACE:
            raise ValidationFault(f"Invalid element '{name}' in '{path[-1]}'.", here)
        place, part = parts[name]
        if (checks_order and place < last) or (name in found and not part.is_many):
            raise ValidationFault(f"Element '{name}' is out of its order.", here)
        last = max(last, place)
        value = _value(child, part, checks_order, here)
        if part.is_many:
            found.setdefault(name, []).append(value)
        elif value is not None:
            found[name] = value
    return found


def _value(element: etree._Element, part: Part, checks_order: bool, path: tuple[str, ...]) -> Any:
    if part.type == "ref":
        ids = [(i.get(f"{{{NAMESPACE}}}type") or "", (i.text or "").strip()) for i in element]
        return {"type": ids[0][0], "id": ids[0][1]} if ids else None
    if part.type in TYPES:
        return tree_of(element, part.type, checks_order=checks_order, path=path)
    text = (element.text or "").strip()
    if not text:
        return None
    try:
        match part.type:
            case "decimal":
                return Decimal(text)
            case "date":
                return date.fromisoformat(text[:10])
            case "dateTime":
                instant = datetime.fromisoformat(text)
                return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
            case "boolean":
                return {"1": True, "true": True, "0": False, "false": False}[text]
            case _:
                return text
    except (ValueError, KeyError, InvalidOperation):
        raise ValidationFault(f"Invalid value '{text}' for {part.name}.", path) from None


def rendered(parent: etree._Element, type_name: str, tree: Tree, describe: Describe) -> None:
    """Write a tree into an element, in the schema's order."""
    for part in TYPES[type_name]:
        value = tree.get(part.name)
        if value is None:
            continue
        for one in value if part.is_many else [value]:
            child = etree.SubElement(parent, f"{{{NAMESPACE}}}{part.name}")
            if part.type == "ref":
                _write_reference(child, one, describe)
            elif part.type in TYPES:
                rendered(child, part.type, one, describe)
            else:
                child.text = _text(one)


def _write_reference(
    element: etree._Element, reference: Mapping[str, str], describe: Describe
) -> None:
    descriptor, ids = describe(reference)
    element.set(f"{{{NAMESPACE}}}Descriptor", descriptor)
    for kind, text in ids:
        one = etree.SubElement(element, f"{{{NAMESPACE}}}ID")
        one.set(f"{{{NAMESPACE}}}type", kind)
        one.text = text


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return instant_text(value)
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def instant_text(instant: datetime) -> str:
    """``2026-01-31T12:00:00.000Z``."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{instant.microsecond // 1000:03}Z"


def envelope_of(name: str, tree: Tree, describe: Describe, version: str) -> bytes:
    """An answer as a SOAP message."""
    root, body = _envelope()
    answer = etree.SubElement(body, f"{{{NAMESPACE}}}{name}")
    answer.set(f"{{{NAMESPACE}}}version", version)
    rendered(answer, name, tree, describe)
    return etree.tostring(root, xml_declaration=True, encoding="utf-8")


def fault_of(fault: ServiceFault) -> bytes:
    """A fault as a SOAP message."""
    root, body = _envelope()
    element = etree.SubElement(body, f"{{{SOAP}}}Fault")
    is_validation = isinstance(fault, ValidationFault)
    etree.SubElement(element, "faultcode").text = f"SOAP-ENV:{fault.code}"
    words = f"Validation error occurred. {fault.message}" if is_validation else fault.message
    etree.SubElement(element, "faultstring").text = words
    detail = etree.SubElement(element, "detail")
    if isinstance(fault, ValidationFault):
        error = etree.SubElement(
            etree.SubElement(detail, f"{{{NAMESPACE}}}Validation_Fault"),
            f"{{{NAMESPACE}}}Validation_Error",
        )
        etree.SubElement(error, f"{{{NAMESPACE}}}Message").text = fault.message
        etree.SubElement(error, f"{{{NAMESPACE}}}Detail_Message").text = fault.message
        steps = "".join(f"/bsvc:{name}[1]" for name in fault.path)
        etree.SubElement(error, f"{{{NAMESPACE}}}Xpath").text = steps
    elif fault.code == "Server":
        inner = etree.SubElement(detail, f"{{{NAMESPACE}}}Processing_Fault")
        etree.SubElement(inner, f"{{{NAMESPACE}}}Detail_Message").text = fault.message
    return etree.tostring(root, xml_declaration=True, encoding="utf-8")


def _envelope() -> tuple[etree._Element, etree._Element]:
    root = etree.Element(f"{{{SOAP}}}Envelope", nsmap={"SOAP-ENV": SOAP, "wd": NAMESPACE})
    return root, etree.SubElement(root, f"{{{SOAP}}}Body")
