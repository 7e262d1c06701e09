"""Data packages: rows as CSV in a zip, imported by the Data Management service.

A package is put where the product says, then imported under an execution id of our own, whose
status is asked for. The parts of a package are from memory (README.md). It must not decide what a
refused row means: the verbs look.
"""

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from lxml import etree

from ingestion.common.errors import LedgerloopError, OutcomeUnknown, RetryLater, VendorAnswerInvalid
from ingestion.dynamics365_finance.client import D365Client
from reverse_etl.delivery.writer import Sending
from reverse_etl.dynamics365_finance.settings import D365Options

__all__ = ["FINAL_STATUSES", "PackageFile", "import_package", "package_of"]

_GROUPS = "DataManagementDefinitionGroups"
FINAL_STATUSES = frozenset({"Succeeded", "PartiallySucceeded", "Failed", "Canceled"})
_POLL_SECONDS = 1.0
#: A fixed time for all members: the same rows make the same bytes.
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class PackageFile:
    """One entity's rows; all have the same fields."""

    entity_set: str
    rows: Sequence[Mapping[str, Any]]

    def text(self) -> str:
        """The CSV. Decimals keep their digits."""
        out = io.StringIO()
        writer = csv.DictWriter(out, list(self.rows[0]), lineterminator="\r\n")
        writer.writeheader()
        for row in self.rows:
            writer.writerow({k: _cell(v) for k, v in row.items()})
        return out.getvalue()


def _cell(value: Any) -> str:
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def package_of(files: Sequence[PackageFile]) -> bytes:
    """The zip: ``Manifest.xml``, ``PackageHeader.xml`` and a CSV per entity, in their order."""
    manifest = etree.Element("DataManagementPackageManifest")
    etree.SubElement(manifest, "DefinitionGroupName").text = "LEDGERLOOP"
    entities = etree.SubElement(manifest, "PackageEntityList")
    for number, file in enumerate(files, 1):
        entity = etree.SubElement(entities, "DataManagementPackageEntityData")
        etree.SubElement(entity, "EntityName").text = file.entity_set
        etree.SubElement(entity, "InputFilePath").text = f"{file.entity_set}.csv"
        etree.SubElement(entity, "ExecutionUnit").text = "1"
        etree.SubElement(entity, "LevelInExecutionUnit").text = str(number)
        etree.SubElement(entity, "SequenceInLevel").text = "1"
        etree.SubElement(entity, "SourceFormat").text = "CSV-Unicode"
    header = etree.Element("DataManagementPackageHeader")
    etree.SubElement(header, "PackageType").text = "DefinitionGroup"
    members = {
        "Manifest.xml": etree.tostring(manifest, xml_declaration=True, encoding="UTF-8"),
        "PackageHeader.xml": etree.tostring(header, xml_declaration=True, encoding="UTF-8"),
        **{f"{file.entity_set}.csv": file.text().encode() for file in files},
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content)
    return out.getvalue()


async def import_package(
    client: D365Client,
    package: bytes,
    batch: Sequence[Sending],
    company: str,
    options: D365Options,
    *,
    sleep: Callable[[float], Awaitable[Any]],
) -> str:
    """Import a package and wait for its end; the last status seen.

    Imports run one after another in the product: the caller sends one at a time.

    Raises:
        RetryLater, VendorRejected: nothing was imported.
        OutcomeUnknown: the import may have begun.
    """
    name = _execution_id(batch)
    try:
        place = await client.call(_GROUPS, "GetAzureWriteUrl", {"uniqueFileName": f"{name}.zip"})
        # JSON in a JSON text.
        url = str(json.loads(str(place.value))["BlobUrl"])
        await client.put_blob(url, package)
    except (OutcomeUnknown, VendorAnswerInvalid, ValueError, KeyError) as error:
        # Without ImportFromPackage a file is only a file.
        raise RetryLater(f"the package could not be put: {error}", code="package_put") from error
    await client.call(
        _GROUPS,
        "ImportFromPackage",
        {
            "packageUrl": url,
            "definitionGroupId": options.package_group,
            "executionId": name,
            "execute": True,
            "overwrite": True,
            "legalEntityId": company,
        },
    )
    return await _end_of(client, name, options, sleep)


async def _end_of(
    client: D365Client,
    name: str,
    options: D365Options,
    sleep: Callable[[float], Awaitable[Any]],
) -> str:
    """The last status of an import. From here on nothing is certainly without effect."""
    waited, status = 0.0, ""
    while status not in FINAL_STATUSES and waited <= options.package_wait_seconds:
        if status:
            await sleep(_POLL_SECONDS)
            waited += _POLL_SECONDS
        try:
            answer = await client.call(_GROUPS, "GetExecutionSummaryStatus", {"executionId": name})
        except RetryLater as error:
            status = status or "Unknown"
            waited += error.after_seconds or 0.0
            continue
        except LedgerloopError as error:
            raise OutcomeUnknown(f"import {name}: {error.message}", code=error.code) from error
        status = str(answer.value)
    return status


def _execution_id(batch: Sequence[Sending]) -> str:
    """One id per content and attempt: the same rows sent again are another execution."""
    text = "\x1f".join(f"{s.command.command_id}/{s.attempt}" for s in batch)
    return "LL-" + hashlib.sha256(text.encode()).hexdigest()[:32]
