"""Canonical forms: one JSON text per payload and one text per value, equal on every machine.

Hashes and comparisons stand on these; nothing here knows a field's meaning.
"""

import hashlib
import json
from typing import Any

import orjson

__all__ = ["canonical_json", "canonical_value", "sha256_hex"]


def canonical_json(value: Any) -> str:
    """Sorted keys, no blanks, no escapes beyond what JSON demands.

    Byte for byte what ``payload_hash_of`` hashes. orjson refuses whole numbers beyond 64 bits;
    those few take the slow path.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def canonical_value(value: Any) -> str | None:
    """A payload value as the diff compares it: text, ``true``/``false``, JSON text, or None."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return canonical_json(value)


def sha256_hex(text: str | bytes) -> str:
    """SHA-256 as 64 hex characters."""
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()
