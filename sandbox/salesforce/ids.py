"""Record ids: 15 characters that mean something in their case, 18 that survive case-blind tools.

The last three of the 18 say, five characters each, which of the 15 are capitals.
"""

__all__ = ["IdSource", "full_id"]

_CHECKS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_POD = "Ld0000"  # where real ids name the instance


def _check_character(chunk: str) -> str:
    bits = 0
    for place, character in enumerate(chunk):
        if "A" <= character <= "Z":
            bits |= 1 << place
    return _CHECKS[bits]


def full_id(text: str) -> str | None:
    """The 18-character form of a 15- or 18-character id; None when it is not an id.

    An 18-character id whose case was lost is mended from its check characters, as the vendor does.
    """
    if len(text) not in (15, 18) or not text.isascii() or not text.isalnum():
        return None
    base = text[:15]
    checks = "".join(_check_character(base[start : start + 5]) for start in (0, 5, 10))
    if len(text) == 15 or checks == text[15:]:
        return base + checks
    wanted = text[15:].upper()
    if not all(character in _CHECKS for character in wanted):
        return None
    mended = "".join(
        character.upper()
        if _CHECKS.index(wanted[place // 5]) >> place % 5 & 1
        else character.lower()
        for place, character in enumerate(base)
    )
    checks = "".join(_check_character(mended[start : start + 5]) for start in (0, 5, 10))
    return mended + checks if checks == wanted else None


class IdSource:
    """Counts ids up, one sequence for the whole org. ``last`` can be saved and set again."""

    def __init__(self, last: int = 0) -> None:
        self.last = last

    def next(self, key_prefix: str) -> str:
        """A new 18-character id with an object's three-character key prefix."""
        self.last += 1
        number, digits = self.last, ""
        for _ in range(6):
            number, digit = divmod(number, 62)
            digits = _DIGITS[digit] + digits
        found = full_id(f"{key_prefix}{_POD}{digits}")
        assert found is not None
        return found
