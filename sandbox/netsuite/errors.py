"""How NetSuite refuses: one JSON form for everything (contract sheet ERP §2.5)."""

import json
from collections.abc import Mapping

__all__ = ["ERROR_TYPE", "RequestRefused", "error_body"]

ERROR_TYPE = "application/vnd.oracle.resource+json; type=error; charset=UTF-8"
_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
_SECTIONS = {400: "4.1", 401: "4.2", 403: "4.4", 404: "4.5", 405: "4.6", 500: "5.1", 503: "5.4"}


class RequestRefused(Exception):
    """A request that is refused as a whole; nothing was changed."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        path: str = "",
        title: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.path = path
        self.title = title
        self.headers = dict(headers or {})


def error_body(refused: RequestRefused) -> bytes:
    """The body of an error answer."""
    detail = {"detail": refused.detail, "o:errorCode": refused.code}
    if refused.path:
        detail["o:errorPath"] = refused.path
    section = _SECTIONS.get(refused.status, "4.30" if refused.status == 429 else "4.1")
    tree = {
        "type": f"https://www.w3.org/Protocols/rfc2616/rfc2616-sec10.html#sec10.{section}",
        "title": refused.title or _TITLES.get(refused.status, "Error"),
        "status": refused.status,
        "o:errorDetails": [detail],
    }
    return json.dumps(tree).encode()
