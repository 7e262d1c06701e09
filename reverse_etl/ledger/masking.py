"""Bank, tax and credential data are masked before anything enters the event log.

The log is kept for ever and its head is exported, so it must never hold an account number. The
lossless payload stands in ``commands`` and ``contents``, which the log only hashes.
"""

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["is_sensitive", "mask_data", "mask_text", "mask_value"]

_BANK_OR_TAX = re.compile(
    r"iban|bic$|swift|(bank|payer|payee)_?account|account_?(number|holder)|bank_?(number|key)"
    r"|routing|sort_?code|tax|vat|ssn|national_?id",
    re.IGNORECASE,
)
_SECRET = re.compile(
    r"password|passwd|secret|token|authorization|api_?key|private_?key|credential", re.IGNORECASE
)
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b")
_BEARER = re.compile(r"(?i)\b(bearer|basic) +[A-Za-z0-9._~+/=-]{8,}")
#: SAP and Salesforce use this name for the customer's number in the ERP, which is no bank account.
_NOT_SENSITIVE = frozenset({"gl_account", "bank_gl_account", "bank_line", "account_id"})
_SHOWN_CHARACTERS = 4


def is_sensitive(name: str) -> bool:
    """Whether a field of this name holds bank, tax or credential data."""
    if name in _NOT_SENSITIVE:
        return False
    return bool(_BANK_OR_TAX.search(name) or _SECRET.search(name))


def mask_value(name: str, value: Any) -> Any:
    """A value as the log may show it: the last four characters of bank and tax data, no secret."""
    if value is None or value == "" or not is_sensitive(name):
        return mask_data(value)
    if _SECRET.search(name):
        return "***"
    text = str(value)
    return "***" + text[-_SHOWN_CHARACTERS:] if len(text) > 2 * _SHOWN_CHARACTERS else "***"


def mask_text(text: str) -> str:
    """Free text, such as a vendor's message, without IBANs and authorization headers."""
    text = _BEARER.sub(r"\1 ***", text)
    return _IBAN.sub(lambda found: "***" + found.group()[-_SHOWN_CHARACTERS:], text)


def mask_data(data: Any) -> Any:
    """A whole JSON value with every sensitive part masked, however deep it lies."""
    if isinstance(data, str):
        return mask_text(data)
    if isinstance(data, Mapping):
        return {name: mask_value(str(name), value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [mask_data(value) for value in data]
    return data
