"""The Data Management package service: a place for a zip, an import of it, its status.

A package is ``Manifest.xml``, ``PackageHeader.xml`` and a CSV per set, headed by the set's
properties. Rows are created like any others, in the order of the manifest; a refused row is noted
and the others stay, so an import may succeed in part.
"""

import csv
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from lxml import etree

from sandbox.core.faults import Fault
from sandbox.dynamics365_finance.odata.answers import Answer, ODataError, bad_request
from sandbox.dynamics365_finance.odata.model import Row
from sandbox.dynamics365_finance.odata.tables import Table
from sandbox.dynamics365_finance.ports import ClockPort, FaultsPort
from sandbox.dynamics365_finance.state import D365State, Execution

__all__ = ["Packages"]

_STATUSES = ("Succeeded", "PartiallySucceeded", "Failed", "Canceled")
_XML = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
_MEMBERS_MAX, _BYTES_MAX = 20, 200_000_000


class Packages:
    """Actions of ``DataManagementDefinitionGroups`` and the blob store behind them."""

    def __init__(
        self,
        state: D365State,
        create: Callable[[Table, Row], Row],
        clock: ClockPort,
        faults: FaultsPort,
    ) -> None:
        self._state = state
        self._create = create
        self._clock = clock
        self._faults = faults
        self.base_url = "http://localhost"

    def actions(self) -> Mapping[str, Callable[[Mapping[str, Any], Row | None], Any]]:
        """By name."""
        return {
            "GetAzureWriteUrl": self._write_url,
            "ImportFromPackage": self._import,
            "GetExecutionSummaryStatus": self._status,
            "GetExecutionErrors": self._errors,
        }

    def put(self, path: str, query: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """``PUT`` of a block blob under the signature it was given."""
        name = path.rpartition("/")[2]
        if name not in self._state.blobs or f"sig={name[::-1]}" not in query:
            return Answer(403, b"<Error><Code>AuthenticationFailed</Code></Error>")
        if headers.get("x-ms-blob-type") != "BlockBlob":
            return Answer(400, b"<Error><Code>MissingRequiredHeader</Code></Error>")
        self._state.blobs[name] = body
        return Answer(201)

    def _write_url(self, parameters: Mapping[str, Any], _: Row | None) -> str:
        if not parameters.get("uniqueFileName"):
            raise bad_request("uniqueFileName is expected.")
        number = self._state.next_number("blob")
        name = f"{number:08d}-5a9d-4000-8000-{number:012d}"
        self._state.blobs[name] = b""
        url = f"{self.base_url}/blob/dmf/{name}?sv=2022-11-02&sig={name[::-1]}"
        # The product encodes JSON in JSON here.
        return json.dumps({"BlobId": f"{{{name}}}", "BlobUrl": url})

    def _import(self, parameters: Mapping[str, Any], _: Row | None) -> str:
        name = str(parameters.get("packageUrl", "")).partition("?")[0].rpartition("/")[2]
        if not self._state.blobs.get(name):
            raise bad_request("The package could not be downloaded.")
        if not parameters.get("definitionGroupId"):
            raise bad_request("definitionGroupId is expected.")
        number = self._state.next_number("execution")
        execution_id = parameters.get("executionId") or f"EXEC-{number:06d}"
        if execution_id in self._state.executions:
            raise bad_request(f"Execution {execution_id} already exists.")
        due_at = self._clock.now() + timedelta(seconds=self._state.settings.import_lag_seconds)
        company = str(parameters.get("legalEntityId", "")).lower()
        self._state.executions[execution_id] = Execution("Executing", due_at, name, company)
        return str(execution_id)

    def _status(self, parameters: Mapping[str, Any], _: Row | None) -> str:
        execution = self._state.executions.get(str(parameters.get("executionId", "")))
        return execution.status if execution else "Unknown"

    def _errors(self, parameters: Mapping[str, Any], _: Row | None) -> str:
        execution = self._state.executions.get(str(parameters.get("executionId", "")))
        return json.dumps(execution.errors if execution else [])

    def work(self) -> None:
        """Import what is due."""
        now = self._clock.now()
        for execution in self._state.executions.values():
            if execution.status == "Executing" and execution.due_at <= now:
                execution.status = self._imported(execution)

    def _imported(self, execution: Execution) -> str:
        try:
            rows = self._rows(self._state.blobs.pop(execution.package, b""), execution.company)
        except (zipfile.BadZipFile, etree.XMLSyntaxError, KeyError, UnicodeDecodeError) as error:
            execution.errors.append(f"The package is invalid: {error}")
            return "Failed"
        created = 0
        if self._faults.take(Fault.BULK_FAILURE, "ImportFromPackage"):
            execution.errors.append("The job was canceled.")
            rows = rows[: len(rows) // 2]
        for table, cells in rows:
            try:
                with self._state.undo.all_or_nothing():
                    self._create(table, _values(table, cells))
                created += 1
            except ODataError as error:
                execution.errors.append(f"{table.entity.name}: {error.inner or error.message}")
        if not execution.errors:
            return "Succeeded"
        return "PartiallySucceeded" if created else "Failed"

    def _rows(self, package: bytes, company: str) -> list[tuple[Table, dict[str, str]]]:
        """Set and cells of every row, in the order of the manifest.

        Raises:
            BadZipFile, ParseError, KeyError, UnicodeDecodeError: it is no package of ours.
        """
        found = []
        with zipfile.ZipFile(io.BytesIO(package)) as archive:
            sizes = [info.file_size for info in archive.infolist()]
            if len(sizes) > _MEMBERS_MAX or sum(sizes) > _BYTES_MAX:
                raise zipfile.BadZipFile("the package is too large")
            archive.getinfo("PackageHeader.xml")
            manifest = etree.fromstring(archive.read("Manifest.xml"), _XML)
            for entity in manifest.iter("DataManagementPackageEntityData"):
                name = str(entity.findtext("EntityName", ""))
                file = str(entity.findtext("InputFilePath", ""))
                table = self._state.tables[name]
                text = archive.read(file).decode("utf-8")
                for cells in csv.DictReader(io.StringIO(text)):
                    cells.setdefault("dataAreaId", company)
                    found.append((table, cells))
        return found


def _values(table: Table, cells: Mapping[str, str]) -> Row:
    """Cells as values. Raises ODataError for an unknown column or a wrong value."""
    values: Row = {}
    for name, text in cells.items():
        one = table.entity.properties.get(name)
        if one is None or one.is_read_only:
            raise bad_request(f"Column {name} is unknown.")
        values[name] = one.from_cell(text or "")
    if "dataAreaId" in values:
        values["dataAreaId"] = values["dataAreaId"].lower()
    return values
