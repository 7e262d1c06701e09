"""What a request ends with: an answer, or an error in SAP Gateway's JSON and XML bodies."""

from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any
from xml.sax.saxutils import escape

import orjson

__all__ = ["Answer", "Method", "ODataError", "error_answer"]

JSON_TYPE = "application/json;charset=utf-8"
Method = str

_NOTE = (
    'For backend administrators: use ADT feed reader "SAP Gateway Error Log" or run transaction '
    "/IWFND/ERROR_LOG on SAP Gateway hub system and search for entries with the timestamp above "
    "for more details"
)


@dataclass(slots=True)
class Answer:
    """Status, headers and body of an HTTP answer."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cookies: list[str] = field(default_factory=list)
    is_fault: bool = False
    """True for refusals: within a change set they roll everything back."""


class ODataError(Exception):
    """A refusal with SAP's message class and number as code.

    Args:
        status: HTTP status. ``code`` such as ``/IWBEP/CM_MGW_RT/020``. ``target`` names the
            property that is wrong. ``details`` are further (code, message) pairs.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        target: str = "",
        details: tuple[tuple[str, str], ...] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.target = target
        self.details = details
        self.headers = headers or {}


def error_answer(error: ODataError, *, service: str, at: datetime, as_json: bool) -> Answer:
    """The error body that SAP Gateway sends, JSON or XML by what the client accepts."""
    timestamp = f"{at:%Y%m%d%H%M%S}.{at.microsecond:06d}0"
    seed = f"{error.code}/{error.message}/{timestamp}"
    transaction = sha256(seed.encode()).hexdigest()[:32].upper()
    if not as_json:
        body = (
            '<?xml version="1.0" encoding="utf-8"?>'
            '<error xmlns="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata">'
            f'<code>{escape(error.code)}</code><message xml:lang="en">{escape(error.message)}'
            f"</message><innererror><transactionid>{transaction}</transactionid>"
            f"<timestamp>{timestamp}</timestamp></innererror></error>"
        )
        headers = {"Content-Type": "application/xml;charset=utf-8", **error.headers}
        return Answer(error.status, body.encode(), headers, is_fault=True)
    first = (error.code, error.message)
    details: list[dict[str, Any]] = [
        {
            "code": code,
            "message": message,
            "propertyref": error.target,
            "severity": "error",
            "target": error.target,
        }
        for code, message in (first, *error.details)
    ]
    tree = {
        "error": {
            "code": error.code,
            "message": {"lang": "en", "value": error.message},
            "innererror": {
                "application": {
                    "component_id": "",
                    "service_namespace": "/SAP/",
                    "service_id": service,
                    "service_version": "0001",
                },
                "transactionid": transaction,
                "timestamp": timestamp,
                "Error_Resolution": {
                    "SAP_Transaction": _NOTE,
                    "SAP_Note": "See SAP Note 1797736 for error analysis",
                },
                "errordetails": details,
            },
        }
    }
    headers = {"Content-Type": JSON_TYPE, **error.headers}
    return Answer(error.status, orjson.dumps(tree), headers, is_fault=True)
