"""The ERP's side of the file exchange: takes pushed files, applies them, answers row by row.

A file counts when its control file has its final name. It is held against size, sha256, line count
and control totals; then each document is applied by itself, exactly once by its key, and answered.
Answers come in another order than the lines did, as batch runs do. Killed in the middle, it starts
again: what was applied is a duplicate and says so.
"""

import asyncio
import csv
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from sandbox.sap_s4hana.app import SapApp
from sandbox.sap_s4hana.books import Books, EntryRefused
from sandbox.sap_s4hana.odata.answers import ODataError
from sandbox.sap_s4hana.services.credit import credit_rules
from sandbox.sap_s4hana.services.master import master_rules
from sandbox.sap_s4hana.state import Posted, document_text
from sandbox.sftp.sap_documents import SapDocuments

__all__ = ["IntakeFaults", "SapIntake"]

_CONTROL, _ACK, _ACK_ROWS, _HALF = ".ctl", ".ack", ".ack.csv", ".tmp"
#: Documents applied before others of the process get their turn.
_TURN_DOCUMENTS = 200
_ANSWER_COLUMNS = ("DOC_KEY", "STATUS", "DOCUMENT", "CODE", "FIELD", "MESSAGE")


@dataclass(slots=True)
class IntakeFaults:
    """What the ERP's batch does wrong, on a seed.

    Attributes:
        ack_delay_seconds: the answer waits so long.
        rejected_rate: chance of a document to be refused although it is right.
        silent_files: so many files are applied and never answered.
        refused_files: so many whole files are refused as if they had changed on the way.
        crashes: so many times the run ends after half of a file, to be started again.
    """

    seed: int = 0
    ack_delay_seconds: float = 0.0
    rejected_rate: float = 0.0
    silent_files: int = 0
    refused_files: int = 0
    crashes: int = 0
    files: list[str] = field(default_factory=list)


class SapIntake:
    """Works on the files of one system's inbox folder below a server's root.

    Args:
        app: the system whose books take the documents.
        clock: its clock.
        root: the file server's root; ``inbox`` and ``outbox`` are folders in it.
    """

    def __init__(
        self,
        app: SapApp,
        clock: Any,
        root: Path,
        *,
        inbox: str,
        outbox: str,
        faults: IntakeFaults | None = None,
    ) -> None:
        self._root = root
        self.inbox, self.outbox = root / inbox, root / outbox
        for folder in (self.inbox, self.outbox, self.inbox / "archive"):
            folder.mkdir(parents=True, exist_ok=True)
        self.faults = faults or IntakeFaults()
        state = app.state.sap
        self._documents = SapDocuments(
            state,
            Books(state, clock),
            credit_rules(state, clock)["CreditManagementAccount"],
            master_rules(state, clock)["A_BusinessPartner"],
        )
        self._state = state
        self._one = asyncio.Lock()

    async def arrived(self, path: Path) -> None:
        """A file got its final name; ``path`` is below the root."""
        if self._root / path.parent == self.inbox and path.name.endswith(_CONTROL):
            async with self._one:
                await self.work(path.name.removesuffix(_CONTROL))

    async def resume(self) -> None:
        """Work on what lies there since before the start."""
        for control in sorted(self.inbox.glob(f"*{_CONTROL}")):
            async with self._one:
                await self.work(control.name.removesuffix(_CONTROL))

    async def work(self, name: str) -> None:
        """Check, apply, answer and archive one file."""
        control = json.loads((self.inbox / (name + _CONTROL)).read_bytes())
        problem = self._problem(name, control)
        self.faults.files.append(name)
        if self.faults.refused_files > 0:
            self.faults.refused_files -= 1
            problem = ("SHA256", "the content changed on the way")
        if problem is not None:
            answer = {"status": "REFUSED", "code": problem[0], "message": problem[1]}
        else:
            rows = await self._apply(name)
            answer = self._answered(name, rows)
        await asyncio.sleep(self.faults.ack_delay_seconds)
        if self.faults.silent_files > 0:
            self.faults.silent_files -= 1
            return
        said = {"file": name, "sha256": control["sha256"], **answer}
        _put(self.outbox / (name + _ACK), json.dumps(said).encode())
        for suffix in ("", _CONTROL):
            (self.inbox / (name + suffix)).replace(self.inbox / "archive" / (name + suffix))

    def _problem(self, name: str, control: Mapping[str, Any]) -> tuple[str, str] | None:
        """What is not as the control file says; None when all is."""
        path = self.inbox / name
        if not path.exists():
            return "MISSING", "there is no such file"
        if path.stat().st_size != control["size_bytes"]:
            return "SIZE", f"{path.stat().st_size} bytes, announced are {control['size_bytes']}"
        with path.open("rb") as opened:
            if hashlib.file_digest(opened, "sha256").hexdigest() != control["sha256"]:
                return "SHA256", "another content than announced"
        rows, totals = 0, dict[str, Decimal]()
        for row in _lines(path):
            rows += 1
            for code, amount in self._documents.counted(row):
                totals[code] = totals.get(code, Decimal(0)) + amount
        if rows != control["rows"]:
            return "ROWS", f"{rows} lines, announced are {control['rows']}"
        announced = {code: Decimal(text) for code, text in control["totals"].items()}
        if totals != announced:
            return "TOTALS", f"the lines sum to {totals}, announced are {announced}"
        return None

    async def _apply(self, name: str) -> list[tuple[str, ...]]:
        """Every document once; what was applied before is a duplicate."""
        random = Random(f"{self.faults.seed}/{name}")  # noqa: S311 - repeatable
        answers: list[tuple[str, ...]] = []
        documents = _documents(self.inbox / name)
        for number, (key, lines) in enumerate(documents):
            if number % _TURN_DOCUMENTS == 0:
                await asyncio.sleep(0)
            if self.faults.crashes > 0 and number > 3:
                self.faults.crashes -= 1
                return await self._apply(name)
            answers.append(self._apply_one(key, lines, random))
        random.shuffle(answers)
        return answers

    def _apply_one(self, key: str, lines: list[dict[str, str]], random: Random) -> tuple[str, ...]:
        posted = self._state.messages.get(f"file {key}")
        if posted is not None:
            return (key, "DUPLICATE", _shown(posted), "", "", "applied before")
        if self.faults.rejected_rate and random.random() < self.faults.rejected_rate:
            return (key, "REJECTED", "", "099(F5)", "", "Account is locked by a user")
        try:
            document = self._documents.apply(key, lines)
        except EntryRefused as refused:
            column = _COLUMNS.get(refused.element, refused.element)
            return (key, "REJECTED", "", refused.type_id, column, refused.note)
        except ODataError as error:
            return (key, "REJECTED", "", error.code, "", error.message)
        self._state.messages[f"file {key}"] = posted = Posted(document)
        return (key, "ACCEPTED", _shown(posted), "", "", "")

    def _answered(self, name: str, rows: list[tuple[str, ...]]) -> dict[str, Any]:
        """Write the row answers; what the file's answer says about them."""
        path = self.outbox / (name + _ACK_ROWS)
        beside = path.with_name(path.name + _HALF)
        with beside.open("w", encoding="utf-8", newline="") as target:
            writer = csv.writer(target, delimiter=";", lineterminator="\n")
            writer.writerow(_ANSWER_COLUMNS)
            writer.writerows(rows)
        with beside.open("rb") as opened:
            sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
        beside.replace(path)
        rejected = sum(row[1] == "REJECTED" for row in rows)
        return {
            "status": "PROCESSED",
            "documents": len(rows),
            "accepted": len(rows) - rejected,
            "rejected": rejected,
            "rows_sha256": sha256,
        }


#: The elements of SAP's messages as the file's columns.
_COLUMNS: Mapping[str, str] = {
    "CompanyCode": "BUKRS",
    "Debtor": "KONTO",
    "GLAccount": "KONTO",
    "PostingDate": "BUDAT",
    "DocumentDate": "BLDAT",
    "AmountInTransactionCurrency": "WRBTR",
}
_Line = dict[str, str]


def _shown(posted: Posted) -> str:
    """A document as SAP's interfaces name it: company, year and number."""
    return document_text(posted.document).replace("/", "-") if posted.document else ""


def _lines(path: Path) -> Iterator[_Line]:
    with path.open(encoding="utf-8", newline="") as opened:
        yield from csv.DictReader(opened, delimiter=";")


def _documents(path: Path) -> Iterator[tuple[str, list[_Line]]]:
    """Lines that follow each other under one key."""
    key, lines = "", list[_Line]()
    for line in _lines(path):
        if lines and line["DOC_KEY"] != key:
            yield key, lines
            lines = []
        key = line["DOC_KEY"]
        lines.append(line)
    if lines:
        yield key, lines


def _put(path: Path, content: bytes) -> None:
    beside = path.with_name(path.name + _HALF)
    beside.write_bytes(content)
    beside.replace(path)
