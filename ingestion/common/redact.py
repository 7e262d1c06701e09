"""Masks bank, tax and credential values in text that goes to logs, errors or exceptions.

It works on text of unknown shape (an error body, a URL), so it masks by the *name* in front of a
value and by the *form* of a value. It must never be used on data that is loaded or sent.
"""

import re

__all__ = ["mask_account", "redact"]

_HIDDEN_NAMES = (
    r"password|passwd|pwd|client_secret|access_token|refresh_token|id_token|assertion|sessionid|"
    r"security_token|api_key|apikey|authorization|"
    r"cookie|set-cookie|x-csrf-token|private_key|secret"
)
_PRIVATE_NAMES = (
    r"iban|bankaccount|bankaccountholdername|bankaccountreferencetext|bptaxnumber|"
    r"bptaxlongnumber|vatregistration|taxnumber\d?|tax_id|payer_account|account_number"
)
_NAMED = re.compile(
    rf"""(?ix) (["']?\b(?:{_HIDDEN_NAMES}|{_PRIVATE_NAMES})\b["']?) (\s*[:=]\s*|>)
    ( "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | (?:(?:Basic|Bearer)\s+)?[^\s&,;<>"'}}\]]+ )"""
)
_SCHEME = re.compile(r"(?i)\b(Basic|Bearer)\s+[A-Za-z0-9+/=._~!-]{6,}")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]{4}){2,7}(?:[ ]?[A-Z0-9]{1,3})?\b")
_USER_INFO = re.compile(r"(://)[^/@\s]+@")


def mask_account(account: str) -> str:
    """The last four characters of an account, so that people can tell two apart."""
    compact = account.replace(" ", "")
    return f"****{compact[-4:]}" if len(compact) > 4 else "****"


def redact(text: str, *, length_max: int = 600) -> str:
    """Text safe to log: secrets gone, accounts and tax numbers masked, cut to ``length_max``."""
    text = _USER_INFO.sub(r"\1***@", text)
    text = _NAMED.sub(_mask_named, text)
    text = _SCHEME.sub(r"\1 ***", text)
    text = _IBAN.sub(lambda match: mask_account(match.group()), text)
    return text if len(text) <= length_max else f"{text[:length_max]}… ({len(text)} characters)"


def _mask_named(match: re.Match[str]) -> str:
    name, separator, value = match.groups()
    quote = value[0] if value[0] in "\"'" else ""
    return f"{name}{separator}{quote}***{quote}"
