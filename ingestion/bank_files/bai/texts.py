"""The text of a BAI2 transaction: key words that large banks write on its continuation lines.

``EREF: …``, ``DBNM: …``, ``LOCK BOX NO. …``. What is not such a line stays text. Nothing is guessed
from free words, except a lockbox number behind the words for it.
"""

import re
from dataclasses import dataclass

__all__ = ["Words", "read_text"]

_KEYED = re.compile(r"^\s*([A-Z]{4}): ?(.*)$")
_LOCKBOX = re.compile(
    r"LOCK\s?BOX\s*(?:NO\b\.?|NUMBER|#|ID|NBR)?\s*[:#.]?\s*(\d{3,10})", re.IGNORECASE
)
_REASON = re.compile(r"Reason: \"?([A-Z]\d\d)\b")
_RETURN_OF = re.compile(r"Return of Client Ref ID: ([^\s,]+)")
_EMPTY = frozenset({"", "-"})


@dataclass(frozen=True, slots=True)
class Words:
    """What the text says, empty where it does not."""

    text: str
    end_to_end_id: str
    payer_name: str
    payer_account: str
    lockbox: str
    original_reference: str
    return_reason: str


def read_text(text: str, customer_reference: str) -> Words:
    """A transaction's text in its parts.

    Args:
        text: lines as the bank continued them.
        customer_reference: the original payment's reference where the text names none.
    """
    keyed: dict[str, str] = {}
    plain = []
    for line in text.split("\n"):
        found = _KEYED.match(line)
        if found:
            keyed.setdefault(found.group(1), found.group(2).strip())
        elif line.strip() not in _EMPTY:
            plain.append(" ".join(line.split()))
    words = " ".join(plain)
    lockbox = _LOCKBOX.search(words)
    reason = _REASON.search(words)
    original = _RETURN_OF.search(words)
    return Words(
        text=" ".join(part for part in (words, keyed.get("REMI", "")) if part),
        end_to_end_id=keyed.get("EREF", ""),
        payer_name=keyed.get("DBNM", ""),
        payer_account=keyed.get("DACT", ""),
        lockbox=lockbox.group(1) if lockbox else "",
        original_reference=original.group(1) if original else customer_reference,
        return_reason=reason.group(1) if reason else "",
    )
