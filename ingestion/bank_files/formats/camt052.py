"""camt.052 (ISO 20022 bank-to-customer account report, a day that is not over)."""

import re
from pathlib import Path

from ingestion.bank_files.camt.reader import read_camt
from ingestion.bank_files.statements import Content, StatementKind

__all__ = ["KIND", "NAME", "parse", "recognises"]

NAME = "camt.052"
KIND = StatementKind.INTERIM
_NAMESPACE = re.compile(
    rb"urn:(?:iso:std:iso:20022:tech:xsd|swift:xsd)[:\w$.]*camt\.052\.001\.\d\d"
)


def recognises(head: bytes) -> bool:
    """True for a document in a camt.052 namespace."""
    return _NAMESPACE.search(head) is not None


def parse(path: Path, where: str) -> Content:
    """Every statement of a file, checked. Raises InputRefused."""
    return read_camt(path, where, container="Rpt", kind=KIND)
