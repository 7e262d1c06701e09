"""Every error of the product, grouped by what the caller should do next.

    LedgerloopError
    ├── ConfigError          fix the configuration, then run again
    ├── InputRefused         one file or row is refused with a reason; the batch goes on
    ├── SchemaDrift          a vendor's column vanished or changed type: writing stops
    ├── RetryLater           passing fault: send the same request again after ``after_seconds``
    ├── Reauthenticate       the session or token ended: sign in, then repeat
    ├── VendorRejected       the vendor understood and refused: a person or a correction is needed
    ├── VendorAnswerInvalid  not an answer of this protocol (HTML, half a page)
    └── OutcomeUnknown       a write left this machine and no answer came: look up, never send blind

Callers catch only where they can act. Messages say what happened, where, and what to do.
"""

__all__ = [
    "ConfigError",
    "InputRefused",
    "LedgerloopError",
    "OutcomeUnknown",
    "Reauthenticate",
    "RetryLater",
    "SchemaDrift",
    "VendorAnswerInvalid",
    "VendorRejected",
]


class LedgerloopError(Exception):
    """Base of all product errors.

    Args:
        message: what happened, where, and what to do about it; safe to log (already redacted).
        code: short stable code, the vendor's own where there is one.
    """

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class ConfigError(LedgerloopError):
    """The configuration is wrong: names the key and, where possible, the nearest right one."""


class InputRefused(LedgerloopError):
    """One file or row is refused; it is kept as an exception and the rest of the batch goes on."""

    def __init__(self, message: str, *, code: str, where: str) -> None:
        super().__init__(message, code=code)
        self.where = where


class SchemaDrift(LedgerloopError):
    """A vendor's column vanished or changed type; write-back for this kind stops."""


class RetryLater(LedgerloopError):
    """A passing fault. ``after_seconds`` is the vendor's wish (Retry-After) or None."""

    def __init__(self, message: str, *, code: str = "", after_seconds: float | None = None) -> None:
        super().__init__(message, code=code)
        self.after_seconds = after_seconds


class Reauthenticate(LedgerloopError):
    """The session or token is no longer valid."""


class VendorRejected(LedgerloopError):
    """The vendor refused the content. ``field`` names the vendor's field where it said one."""

    def __init__(self, message: str, *, code: str, status: int, field: str = "") -> None:
        super().__init__(message, code=code)
        self.status = status
        self.field = field


class VendorAnswerInvalid(LedgerloopError):
    """The body is not what the protocol promises; for a write the outcome is unknown."""


class OutcomeUnknown(LedgerloopError):
    """A request that may have had an effect got no (whole) answer."""
