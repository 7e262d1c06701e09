"""An extract as text columns, batch by batch: CSV in any usual spelling, or Parquet.

The heading is looked for (reports start with titles), the delimiter and the encoding are told by
it. Memory holds one batch. It must not read values: ``values`` does.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from ingestion.common.errors import InputRefused
from ingestion.erp_files.settings import CONTENTS, Content
from ingestion.erp_files.values import trimmed

__all__ = ["BATCH_ROWS", "Extract", "open_extract"]

_HEAD_BYTES = 65_536
_BLOCK_BYTES = 1024 * 1024
BATCH_ROWS = 10_000
_DELIMITERS = (";", "\t", ",", "|")
_KNOWN_MIN = 2


@dataclass(slots=True)
class Extract:
    """One opened file.

    Attributes:
        content: which raw table it fills.
        names: stored column to the file's own heading.
        first_line: line number of the first row.
        broken_lines: numbers of lines with more or fewer columns than the heading, so far.
    """

    path: Path
    content: Content
    names: Mapping[str, str]
    first_line: int
    delimiter: str = ""
    encoding: str = "utf-8"
    headings: tuple[str, ...] = ()
    broken_lines: list[int] = field(default_factory=list)

    def batches(self) -> Iterator[dict[str, pa.Array]]:
        """Stored column to its trimmed text, a batch at a time.

        Raises:
            InputRefused: the file cannot be read to its end.
        """
        try:
            for batch in self._parquet() if not self.delimiter else self._csv():
                yield {name: trimmed(batch.column(own)) for name, own in self.names.items()}
        except (pa.ArrowInvalid, UnicodeDecodeError, OSError) as error:
            raise InputRefused(
                f"{self.path.name} cannot be read to its end ({str(error)[:200]}): nothing of it "
                "was taken; ask for it again",
                code="unreadable",
                where=self.path.name,
            ) from error

    def _parquet(self) -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(self.path) as opened:
            yield from opened.iter_batches(BATCH_ROWS, columns=sorted(set(self.names.values())))

    def _csv(self) -> Iterator[pa.RecordBatch]:
        def note(row: pa_csv.InvalidRow) -> str:
            self.broken_lines.append(row.number or 0)
            return "skip"

        with pa_csv.open_csv(
            self.path,
            read_options=pa_csv.ReadOptions(
                use_threads=False,
                block_size=_BLOCK_BYTES,
                skip_rows=self.first_line - 1,
                column_names=list(self.headings),
                encoding=self.encoding,
            ),
            parse_options=pa_csv.ParseOptions(
                delimiter=self.delimiter, invalid_row_handler=note, newlines_in_values=False
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(self.headings, pa.string()),
                include_columns=sorted(set(self.names.values())),
                strings_can_be_null=False,
            ),
        ) as opened:
            yield from opened


def open_extract(path: Path) -> Extract:
    """Find out what a file holds.

    Raises:
        InputRefused: no heading that is known, or a needed column is missing.
    """
    if path.suffix.lower() == ".parquet":
        try:
            headings = tuple(pq.read_schema(path).names)
        except (pa.ArrowInvalid, OSError) as error:
            raise InputRefused(
                f"{path.name} is no Parquet file ({error})", code="unreadable", where=path.name
            ) from error
        content, names = _recognised(path, headings)
        return Extract(path, content, names, first_line=1)
    with path.open("rb") as opened:
        head = opened.read(_HEAD_BYTES)
    encoding = _encoding_of(head)
    lines = head.decode(encoding, "replace").splitlines()
    for number, line in enumerate(lines[:50], 1):
        delimiter = max(_DELIMITERS, key=line.count)
        headings = tuple(part.strip().strip('"') for part in line.split(delimiter))
        if len(_named(headings)) < _KNOWN_MIN:
            continue
        content, names = _recognised(path, headings)
        unique = tuple(
            name if name and headings.index(name) == place else f"{name} #{place}"
            for place, name in enumerate(headings)
        )
        return Extract(path, content, names, number + 1, delimiter, encoding, unique)
    raise InputRefused(
        f"{path.name} has no heading with columns of an SAP extract (BUKRS, BELNR, KUNNR … or "
        "'Company Code', 'Document Number', 'Customer' …): export it with its heading",
        code="unknown_form",
        where=path.name,
    )


def _encoding_of(head: bytes) -> str:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        head[: head.rfind(b"\n") + 1].decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig" if head.startswith(b"\xef\xbb\xbf") else "utf-8"


def _bare(heading: str) -> str:
    return re.sub(r"[^0-9a-z]", "", heading.lower())


def _named(headings: tuple[str, ...]) -> dict[str, str]:
    """Known columns of any content: bare heading to the heading as it stands."""
    known = {
        _bare(spelling)
        for content in CONTENTS.values()
        for column in content.columns
        for spelling in (column.name, *column.headings)
    }
    return {_bare(one): one for one in headings if _bare(one) in known}


def _recognised(path: Path, headings: tuple[str, ...]) -> tuple[Content, dict[str, str]]:
    """Which content the headings belong to, and its columns' headings.

    Raises:
        InputRefused: none, or a needed column is missing.
    """
    bare = {_bare(one): one for one in reversed(headings)}
    for content in CONTENTS.values():
        names: dict[str, str] = {}
        for column in content.columns:
            for spelling in (column.name, *column.headings):
                own = bare.get(_bare(spelling))
                if own is not None:
                    names.setdefault(column.name, own)
        if not set(content.told_by) <= set(names):
            continue
        missing = [one.name for one in content.columns if one.is_needed and one.name not in names]
        has_due = "NETDT" in names or "ZFBDT" in names or content.object_name == "sap_customers"
        if missing or not has_due:
            wanted = ", ".join(missing or ["NETDT (or ZFBDT with ZBD1T)"])
            raise InputRefused(
                f"{path.name} lacks {wanted}: add the column to the report's layout",
                code="missing_column",
                where=path.name,
            )
        return content, names
    raise InputRefused(
        f"{path.name} is neither a customer list nor a list of items: its columns are "
        f"{', '.join(headings[:12])}",
        code="unknown_form",
        where=path.name,
    )
