"""Workday's SOAP messages: envelopes with WS-Security, references, faults as typed errors.

What the protocol looks like stands here and nowhere else; nothing is sent. Bytes are a function of
the arguments. A validation fault means that nothing happened; a processing fault says only that
the server failed, so for a write the outcome is unknown.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from lxml import etree

from ingestion.common.errors import (
    InputRefused,
    LedgerloopError,
    OutcomeUnknown,
    RetryLater,
    VendorAnswerInvalid,
    VendorRejected,
)
from ingestion.common.redact import redact
from ingestion.workday.settings import VALIDATION_CODES

__all__ = [
    "NAMESPACE",
    "add",
    "add_reference",
    "envelope",
    "error_of_fault",
    "id_of",
    "instant_text",
    "local_name",
    "parse_answer",
    "plain_tree",
    "qualified",
    "request_element",
    "text_at",
]

NAMESPACE = "urn:com.workday/bsvc"
_SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
_WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
_PASSWORD_TEXT = (
    "http://docs.oasis-open.org/wss/2004/01/"  # noqa: S105 # the name of a way to sign in
    "oasis-200401-wss-username-token-profile-1.0#PasswordText"
)
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
_NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_STEP = re.compile(r"(?:^|/)(?:\w+:)?(\w+)(?:\[\d+\])?$")


def qualified(name: str) -> str:
    """A name in Workday's namespace, as lxml spells it."""
    return f"{{{NAMESPACE}}}{name}"


def local_name(element: etree._Element) -> str:
    """An element's name without its namespace."""
    return etree.QName(element).localname


def request_element(operation: str, version: str, *, add_only: bool = False) -> etree._Element:
    """``<Operation>_Request`` with its attributes, still empty."""
    element = etree.Element(qualified(f"{operation}_Request"), nsmap={"wd": NAMESPACE})
    element.set(qualified("version"), version)
    if add_only:
        element.set(qualified("Add_Only"), "true")
    return element


def add(parent: etree._Element, name: str, text: str | None = None) -> etree._Element:
    """A child element.

    Raises:
        InputRefused: the text holds a character that XML has no room for.
    """
    element = etree.SubElement(parent, qualified(name))
    if text is not None:
        if _NOT_XML.search(text):
            raise InputRefused(
                f"{name}: {text!r} holds a control character", code="does_not_fit", where=name
            )
        element.text = text
    return element


def add_reference(parent: etree._Element, name: str, id_type: str, text: str) -> etree._Element:
    """A reference to one thing by one id."""
    element = add(parent, name)
    add(element, "ID", text).set(qualified("type"), id_type)
    return element


def envelope(content: etree._Element, username: str, password: str) -> bytes:
    """The whole message: header with user and password, body with the request."""
    root = etree.Element(
        f"{{{_SOAP}}}Envelope", nsmap={"soapenv": _SOAP, "wsse": _WSSE, "wd": NAMESPACE}
    )
    header = etree.SubElement(root, f"{{{_SOAP}}}Header")
    security = etree.SubElement(header, f"{{{_WSSE}}}Security")
    security.set(f"{{{_SOAP}}}mustUnderstand", "1")
    token = etree.SubElement(security, f"{{{_WSSE}}}UsernameToken")
    etree.SubElement(token, f"{{{_WSSE}}}Username").text = username
    secret = etree.SubElement(token, f"{{{_WSSE}}}Password", Type=_PASSWORD_TEXT)
    secret.text = password
    common = add(header, "Workday_Common_Header")
    add(common, "Include_Reference_Descriptors_In_Response", "false")
    etree.SubElement(root, f"{{{_SOAP}}}Body").append(content)
    return etree.tostring(root, encoding="utf-8", xml_declaration=True)


def parse_answer(body: bytes, where: str) -> etree._Element:
    """The one element within the SOAP body: a response or a fault.

    Raises:
        VendorAnswerInvalid: no whole XML message, or not SOAP.
    """
    try:
        root = etree.fromstring(body, _PARSER)
    except (etree.XMLSyntaxError, ValueError) as error:
        shown = redact(body[:120].decode("utf-8", "replace"), length_max=120)
        raise VendorAnswerInvalid(
            f"{where}: the answer is not a whole XML message ({len(body)} bytes, it starts "
            f"{shown!r})",
            code="not_xml",
        ) from error
    content = root.find(f"{{{_SOAP}}}Body")
    if root.tag != f"{{{_SOAP}}}Envelope" or content is None or len(content) == 0:
        raise VendorAnswerInvalid(
            f"{where}: the answer is no SOAP message but {local_name(root)!r}", code="not_soap"
        )
    return content[0]


def error_of_fault(
    element: etree._Element, where: str, status: int, *, is_write: bool
) -> LedgerloopError | None:
    """The error that a fault stands for; None for an element that is no fault."""
    if local_name(element) != "Fault":
        return None
    code = (element.findtext("faultcode") or "").rpartition(":")[2]
    words = redact((element.findtext("faultstring") or "").strip())
    errors = element.findall(f".//{qualified('Validation_Error')}")
    if code.endswith("authenticationError"):
        return VendorRejected(
            f"{where}: {words}: check the integration user's name, tenant and password",
            code="authenticationError",
            status=401,
        )
    if errors or code.endswith("validationError"):
        return _validation_error(errors, words, where)
    if code.startswith(("Client", "Sender")):
        return VendorRejected(f"{where}: {words}", code=code or "Client", status=400)
    text = f"{where}: status {status}: {words or 'a fault without words'}"
    if is_write:
        return OutcomeUnknown(text, code=code or "Processing_Fault")
    return RetryLater(text, code=code or "Processing_Fault")


def _validation_error(errors: Sequence[etree._Element], words: str, where: str) -> VendorRejected:
    """The first validation error as a typed refusal; all of them in its words."""
    found = [
        (
            redact(error.findtext(qualified("Message")) or words),
            error.findtext(qualified("Xpath")) or "",
        )
        for error in errors
    ] or [(words, "")]
    message, path = found[0]
    code = next((c for pattern, c in VALIDATION_CODES if pattern.search(message)), "")
    step = _STEP.search(path)
    texts = "; ".join(dict.fromkeys(text for text, _ in found))
    return VendorRejected(
        f"{where}: {texts}" + (f" (at {path})" if path else ""),
        code=code or "validation_error",
        status=400,
        field=step[1] if step else "",
    )


def text_at(element: etree._Element, path: str) -> str:
    """Text of the first element on a path of local names, empty when there is none."""
    found = element.findtext("/".join(qualified(name) for name in path.split("/")))
    return (found or "").strip()


def id_of(element: etree._Element | None, id_type: str = "") -> str:
    """A reference's id of a type; without a type the first that is no WID. Empty when none."""
    if element is None:
        return ""
    for one in element.findall(qualified("ID")):
        kind = one.get(qualified("type")) or one.get("type") or ""
        if kind == id_type or (not id_type and kind != "WID"):
            return (one.text or "").strip()
    return ""


def instant_text(instant: datetime) -> str:
    """``2026-01-31T12:00:00.000Z``."""
    at = instant.astimezone(UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"


def plain_tree(element: etree._Element) -> Mapping[str, str]:
    """Children of an element as text; a reference as its first id that is no WID."""
    return {
        local_name(child): id_of(child) if len(child) else (child.text or "").strip()
        for child in element
    }
