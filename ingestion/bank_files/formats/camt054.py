"""camt.054 (ISO 20022 debit and credit notification: details of what a statement books)."""

import re
from pathlib import Path

from ingestion.bank_files.camt.reader import read_camt
from ingestion.bank_files.statements import Content, StatementKind

__all__ = ["KIND", "NAME", "parse", "recognises"]

NAME = "camt.054"
KIND = StatementKind.NOTICE
_NAMESPACE = re.compile(
    rb"urn:(?:iso:std:iso:20022:tech:xsd|swift:xsd)[:\w$.]*camt\.054\.001\.\d\d"
)


def recognises(head: bytes) -> bool:
    """True for a document in a camt.054 namespace."""
    return _NAMESPACE.search(head) is not None


def parse(path: Path, where: str) -> Content:
    """Every statement of a file, checked. Raises InputRefused."""
    return read_camt(path, where, container="Ntfctn", kind=KIND)
