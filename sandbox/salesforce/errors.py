"""The org's refusals: a row's error and a request's error, in the vendor's codes and words."""

from typing import Any

__all__ = ["RequestError", "RowError", "as_request_error", "not_found"]


class RowError(Exception):
    """One record is refused; other records of the request may still succeed."""

    def __init__(self, code: str, message: str, fields: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fields = fields

    def in_collection(self) -> dict[str, Any]:
        """The row's entry in a collection's answer (``statusCode``, not ``errorCode``)."""
        return {"statusCode": self.code, "message": self.message, "fields": list(self.fields)}

    def in_bulk(self) -> str:
        """The ``sf__Error`` text of a bulk result."""
        return f"{self.code}:{self.message}:{' '.join(self.fields) or '--'}"


class RequestError(Exception):
    """The whole request is refused. The body is a JSON array (contract §1.4)."""

    def __init__(
        self, status: int, code: str, message: str, fields: tuple[str, ...] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.fields = fields

    def body(self) -> list[dict[str, Any]]:
        """The answer's body."""
        entry: dict[str, Any] = {"message": self.message, "errorCode": self.code}
        if self.fields is not None:
            entry["fields"] = list(self.fields)
        return [entry]


def not_found(message: str = "The requested resource does not exist") -> RequestError:
    """404 as the org says it."""
    return RequestError(404, "NOT_FOUND", message)


#: Refusals of single-record calls that are not 400.
_STATUS_OF_CODE = {"NOT_FOUND": 404, "ENTITY_IS_DELETED": 404}


def as_request_error(error: RowError) -> RequestError:
    """A row's refusal as the answer of a call about that one row."""
    status = _STATUS_OF_CODE.get(error.code, 400)
    return RequestError(status, error.code, error.message, error.fields)
