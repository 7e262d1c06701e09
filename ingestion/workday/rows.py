"""Rows of an answer as one JSON page for the page reader: declared fields, exact text.

XML leaves an empty element out, and a report an empty cell; what must never be empty is declared
in settings, and its absence is drift. Money stays the text that Workday wrote.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from lxml import etree

from ingestion.common.errors import SchemaDrift, VendorAnswerInvalid
from ingestion.common.objects import FieldType, ObjectSpec
from ingestion.workday.settings import ENUMS, PATHS, REPORT_ROWS_PER_PAGE, REQUIRED
from ingestion.workday.soap import id_of, plain_tree, qualified

__all__ = ["report_pages", "soap_page"]

_FLAGS = {"1": True, "true": True, "0": False, "false": False}


def soap_page(spec: ObjectSpec, rows: Sequence[etree._Element], where: str) -> bytes:
    """Elements of one page as JSON.

    Raises:
        SchemaDrift: a row lacks a field that every row must have.
        VendorAnswerInvalid: a value of an enumeration that is not known.
    """
    paths = PATHS[spec.name]
    return _page([_row(spec, element, paths, where) for element in rows])


def _page(rows: Sequence[dict[str, Any]]) -> bytes:
    return json.dumps({"rows": rows}, ensure_ascii=False, separators=(",", ":")).encode()


def _row(spec: ObjectSpec, element: etree._Element, paths: Any, where: str) -> dict[str, Any]:
    required = REQUIRED[spec.name]
    row: dict[str, Any] = {}
    for field in spec.fields:
        text = _text(element, paths[field.name])
        if not text and field.name in required:
            raise SchemaDrift(
                f"{where}: {spec.name} has a row without {field.name}; writing stops until the "
                "integration user's rights or the object's settings are corrected",
                code="vanished_column",
            )
        row[field.name] = _typed(field.type, field.name, text, where)
    return row


def _text(element: etree._Element, path: str) -> str:
    if path.endswith("[]"):
        found = element.findall(_steps(path[:-2]))
        return json.dumps([plain_tree(one) for one in found]) if found else ""
    steps, is_reference, id_type = path.partition("@")
    one = element.find(_steps(steps))
    if is_reference:
        return id_of(one, id_type)
    return (one.text or "").strip() if one is not None else ""


def _steps(path: str) -> str:
    return "/".join(qualified(name) for name in path.split("/"))


def _typed(kind: FieldType, name: str, text: str, where: str) -> Any:
    if name in ENUMS and text and text not in ENUMS[name]:
        raise VendorAnswerInvalid(
            f"{where}: {name} {text!r} is none of {', '.join(sorted(ENUMS[name]))}",
            code="unknown_value",
        )
    if not text:
        return None
    if kind is FieldType.FLAG:
        if text not in _FLAGS:
            raise VendorAnswerInvalid(f"{where}: {name} {text!r} is no flag", code="unknown_value")
        return _FLAGS[text]
    # A date may come with a time zone, which a business date does not have.
    return text[:10] if kind is FieldType.DATE else text


def report_pages(spec: ObjectSpec, body: bytes, where: str) -> Iterator[bytes]:
    """A report's rows in pages.

    Raises:
        VendorAnswerInvalid: no whole JSON, or not a report's answer.
        SchemaDrift: a declared column stands in no row at all.
    """
    try:
        tree = json.loads(body, parse_float=str, parse_int=str)
    except ValueError as error:
        raise VendorAnswerInvalid(
            f"{where}: the report is not whole JSON ({len(body)} bytes)", code="not_json"
        ) from error
    rows = tree.get("Report_Entry") if isinstance(tree, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise VendorAnswerInvalid(
            f"{where}: the answer has no Report_Entry", code="page_without_rows"
        )
    present = {name for row in rows for name in row}
    missing = [field.name for field in spec.fields if field.name not in present]
    if rows and missing:
        raise SchemaDrift(
            f"{where}: the report no longer has {', '.join(missing)}; writing stops until its "
            "columns are those of the kind's README",
            code="vanished_column",
        )
    # A row that lacks a column has an empty cell; columns that nobody declared are reported.
    empty = dict.fromkeys(sorted({field.name for field in spec.fields} | present))
    for first in range(0, max(len(rows), 1), REPORT_ROWS_PER_PAGE):
        yield _page([{**empty, **row} for row in rows[first : first + REPORT_ROWS_PER_PAGE]])
