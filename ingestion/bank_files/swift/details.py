"""Field :86: (information to account owner): who paid, what for, under which reference.

Three shapes are in use: German sub-fields behind a three-digit code (``166?00…?20…``), slash words
(``/EREF/…/REMI/…``), and plain text. SEPA key words (``EREF+``, ``SVWZ+``) may stand inside the
first. What is not understood stays text: nothing is guessed.
"""

import re
from dataclasses import dataclass

__all__ = ["Details", "read_details"]

_SUBFIELDS = re.compile(r"^(\d{3})\s*([^0-9A-Za-z\s+/])(?=\d{2})")
_SEPA = re.compile(
    r"((?:EREF|KREF|MREF|CRED|DEBT|SVWZ|ABWA|ABWE|IBAN|BIC|PURP|COAM|OAMT|RREF)(?=\+)|MTLG(?=:))[+:]"
)
_SLASH = re.compile(
    r"/(EREF|KREF|MARF|PREF|RREF|BENM|ORDP|NAME|ADDR|REMI|IBAN|BIC|TRTP|CSID|SVCL|TRCD|RTRN|RTYP|"
    r"ISDT|USTD|STRD|CREF|ULTD|ULTC|PURP|OCMT|CNTP|ACCW)/"
)
_PURPOSE = (*range(20, 30), *range(60, 64))


@dataclass(frozen=True, slots=True)
class Details:
    """What :86: says, empty where it does not."""

    text: str = ""
    code: str = ""
    end_to_end_id: str = ""
    payer_name: str = ""
    payer_account: str = ""
    ultimate_payer_name: str = ""
    return_reference: str = ""


def read_details(value: str) -> Details:
    """A :86: field in whichever of the three shapes it has."""
    found = _SUBFIELDS.match(value)
    if found:
        return _from_subfields(value, found)
    flat = value.replace("\n", "")
    if len(_SLASH.findall(flat)) >= 2:
        return _from_slashes(flat)
    words = " ".join(line.strip() for line in value.split("\n") if line.strip())
    return Details(text=words)


def _from_subfields(value: str, found: re.Match[str]) -> Details:
    """Lines are cut at 65 characters wherever that falls, so they are joined without a blank."""
    mark = re.escape(found.group(2))
    rest = value[found.end() - 1 :].replace("\n", "")
    parts: dict[int, str] = {}
    for piece in re.split(rf"{mark}(?=\d\d)", rest):
        if piece[:2].isdigit():
            number = int(piece[:2])
            parts[number] = parts.get(number, "") + piece[2:]
    purpose = "".join(parts.get(number, "") for number in _PURPOSE)
    words = _keyed(purpose, _SEPA)
    # Sub-fields 32 and 33 are one name of two lines.
    name = (parts.get(32, "") + parts.get(33, "")).strip()
    text = " ".join(part for key in ("SVWZ", "", "MTLG") if (part := words.get(key, "")))
    return Details(
        text=text.strip() or parts.get(0, "").strip(),
        code=found.group(1),
        end_to_end_id=words.get("EREF", ""),
        payer_name=re.sub(r"\s{2,}", " ", name),
        payer_account=parts.get(31, "").replace(" ", ""),
        ultimate_payer_name=words.get("ABWA", ""),
        return_reference=words.get("RREF", "") or words.get("KREF", ""),
    )


def _from_slashes(flat: str) -> Details:
    words = _keyed(flat, _SLASH)
    text = words.get("REMI", "") or words.get("USTD", "") or words.get("STRD", "")
    return Details(
        text=text.strip("/ ") or words.get("", "").strip(),
        code=words.get("TRCD", ""),
        end_to_end_id=words.get("EREF", "").strip("/ "),
        payer_name=words.get("NAME", "").strip("/ "),
        payer_account=words.get("IBAN", "").replace(" ", ""),
        ultimate_payer_name=words.get("ULTD", "").strip("/ "),
        return_reference=words.get("RREF", "").strip("/ "),
    )


def _keyed(text: str, keys: re.Pattern[str]) -> dict[str, str]:
    """Text behind each key word; what stands before the first has the empty key."""
    pieces = keys.split(text)
    found = {"": pieces[0].strip()} if pieces[0].strip() else {}
    for key, value in zip(pieces[1::2], pieces[2::2], strict=True):
        found[key] = (found[key] + " " if key in found else "") + value.strip()
    return found
