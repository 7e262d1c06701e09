"""What the other side answered to our files: rows by key, read from the spool when asked for.

Only the last few files' rows are held in memory.
"""

from collections import OrderedDict
from collections.abc import Collection, Mapping

from reverse_etl.delivery.writer import Accepted, Outcome, Rejected, Unknown
from reverse_etl.files.control import (
    Acknowledgement,
    AckRow,
    FileStatus,
    RowStatus,
    read_ack_rows,
)
from reverse_etl.files.forms import FileForm, Place
from reverse_etl.files.spool import Spool

__all__ = ["Answers", "outcome_of"]

_FILES_HELD = 2


class Answers:
    """Acknowledgements of one system's files."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._known: set[str] = set()
        self._rows: OrderedDict[str, Mapping[str, AckRow]] = OrderedDict()

    def knows(self, name: str) -> bool:
        """Whether a file's answer was fetched by this process."""
        return name in self._known

    def note(self, name: str) -> None:
        """An answer was fetched; it lies in the spool."""
        self._known.add(name)

    def refusal(self, name: str) -> Acknowledgement | None:
        """The answer that refused a whole file; None when its rows were looked at.

        Raises:
            VendorAnswerInvalid: the answer in the spool is damaged.
        """
        path = self._spool.answer_path(name)
        found = Acknowledgement.parsed(path.read_bytes()) if path.exists() else None
        return found if found is not None and found.status is FileStatus.REFUSED else None

    def rows(self, name: str) -> Mapping[str, AckRow]:
        """The answers of one file by key; empty where the whole file was refused.

        Raises:
            VendorAnswerInvalid: they are not whole.
        """
        found = self._rows.get(name)
        if found is None:
            path = self._spool.answers_path(name)
            found = {row.key: row for row in read_ack_rows(path)} if path.exists() else {}
            self._rows[name] = found
            while len(self._rows) > _FILES_HELD:
                self._rows.popitem(last=False)
        return found

    def of_keys(self, keys: Collection[str], place: Place) -> dict[str, AckRow]:
        """Answers that took these keys, from every answered file of an object and operation."""
        found: dict[str, AckRow] = {}
        for record in self._spool.records():
            if record.is_open or (record.object_name, record.operation) != place:
                continue
            rows = self.rows(record.name)
            for key in keys & rows.keys():
                if rows[key].status is not RowStatus.REJECTED:
                    found[key] = rows[key]
        return found


def outcome_of(row: AckRow | None, form: FileForm) -> Outcome:
    """What the answer for a document means for its command."""
    if row is None:
        return Unknown("no_ack_row", "the acknowledgement does not mention this document")
    if row.status is RowStatus.REJECTED:
        return Rejected(row.code or "rejected", row.message, form.field_of(row.field))
    return Accepted(row.document)
