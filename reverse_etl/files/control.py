"""The control file beside a pushed file, and the acknowledgement that comes back. Formats only.

``<name>.csv`` holds the lines, ``<name>.csv.ctl`` what they must add up to; the control file comes
last, so only with it a file counts as delivered. The other side answers with
``<name>.csv.ack.csv``, a row for every document in any order, and last ``<name>.csv.ack``, which
says what became of the whole file. Rows are joined by key, never by position.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from ingestion.common.errors import VendorAnswerInvalid

__all__ = [
    "ACK_COLUMNS",
    "AckRow",
    "Acknowledgement",
    "Control",
    "FileStatus",
    "RowStatus",
    "read_ack_rows",
]

ACK_COLUMNS = ("DOC_KEY", "STATUS", "DOCUMENT", "CODE", "FIELD", "MESSAGE")


@dataclass(frozen=True, slots=True)
class Control:
    """What a file holds.

    Attributes:
        file: the data file's name; ``size_bytes`` and ``sha256`` (hex) are of its content.
        rows: lines without the heading; ``documents``: different keys.
        totals: currency to the sum of the amounts that the form counts, canonical text.
        created_at: UTC, ISO text. ``correlation_id``: this file's own process.
    """

    file: str
    form: str
    size_bytes: int
    sha256: str
    rows: int
    documents: int
    totals: Mapping[str, str]
    created_at: str
    correlation_id: str

    @classmethod
    def created(cls, created_at: datetime, **values: Any) -> "Control":
        """A control file made at an instant."""
        return cls(created_at=created_at.isoformat(timespec="seconds"), **values)

    def content(self) -> bytes:
        """The control file's bytes."""
        return (json.dumps(asdict(self), indent=1, sort_keys=True) + "\n").encode()


class FileStatus(StrEnum):
    """What became of a whole file."""

    PROCESSED = "PROCESSED"
    REFUSED = "REFUSED"
    """Nothing of it was applied: it is not what its control file says."""


class RowStatus(StrEnum):
    """What became of one document."""

    ACCEPTED = "ACCEPTED"
    DUPLICATE = "DUPLICATE"
    """Applied by an earlier file; its document is named."""
    REJECTED = "REJECTED"


@dataclass(frozen=True, slots=True)
class AckRow:
    """The answer for one document. ``field`` is the column that is wrong."""

    key: str
    status: RowStatus
    document: str = ""
    code: str = ""
    field: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The answer for a whole file. ``rows_sha256`` is of the row answers."""

    file: str
    sha256: str
    status: FileStatus
    documents: int = 0
    accepted: int = 0
    rejected: int = 0
    code: str = ""
    message: str = ""
    rows_sha256: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parsed(cls, content: bytes) -> "Acknowledgement":
        """Read an acknowledgement.

        Raises:
            VendorAnswerInvalid: not JSON, or a value is missing or of the wrong sort.
        """
        try:
            tree = json.loads(content)
            named = {name: tree[name] for name in cls.__slots__ if name in tree}
            extra = {name: value for name, value in tree.items() if name not in named}
            named["status"] = FileStatus(tree["status"])
            found = cls(**{**named, "extra": extra})
            if not (found.file and found.sha256):
                raise ValueError("file and sha256 are missing")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise VendorAnswerInvalid(
                f"not an acknowledgement ({error}): ask the other side for it again",
                code="ack_unreadable",
            ) from error
        return found


def read_ack_rows(path: Path) -> Iterator[AckRow]:
    """The answers of one acknowledgement, one after the other.

    Raises:
        VendorAnswerInvalid: other columns, or a status that is none.
    """
    with path.open(encoding="utf-8", newline="") as opened:
        rows = csv.reader(opened, delimiter=";")
        heading = tuple(next(rows, ()))
        if heading != ACK_COLUMNS:
            raise VendorAnswerInvalid(
                f"{path.name} has the columns {', '.join(heading)}, expected are "
                f"{', '.join(ACK_COLUMNS)}",
                code="ack_unreadable",
            )
        for number, row in enumerate(rows, 2):
            try:
                key, status, *rest = row
                yield AckRow(key, RowStatus(status), *rest)
            except (ValueError, TypeError) as error:
                raise VendorAnswerInvalid(
                    f"{path.name} line {number}: {error}", code="ack_unreadable"
                ) from error
