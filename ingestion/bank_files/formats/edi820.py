"""X12 820 (payment order/remittance advice): one payment with its lines per transaction set.

An advice is no money: it is evidence for a receipt that a statement books.
"""

import re
from pathlib import Path

from ingestion.bank_files.remittances import Remittance
from ingestion.bank_files.statements import Content, StatementKind
from ingestion.bank_files.x12.payments import payments
from ingestion.bank_files.x12.segments import sets
from ingestion.common.errors import InputRefused

__all__ = ["KIND", "NAME", "parse", "recognises"]

NAME = "EDI 820"
KIND = StatementKind.NOTICE
_SET = re.compile(rb"ST.820[^A-Za-z0-9]")


def recognises(head: bytes) -> bool:
    """True for an interchange whose first transaction set is an 820."""
    return head.startswith(b"ISA") and _SET.search(head) is not None


def parse(path: Path, where: str) -> Content:
    """Every advice of a file.

    Raises:
        InputRefused: cut off, counts that do not agree, an amount or date that is none, or no 820.
    """
    found: list[Remittance] = []
    for one in sets(path, where):
        if one.kind == "820":
            found += payments(one.segments, "USD", f"set {one.control_number} of {where}")
    if not found:
        raise InputRefused(
            f"{where} holds no payment (BPR): ask the sender to send it again",
            code="no_statement",
            where=where,
        )
    return Content(remittances=tuple(found))
