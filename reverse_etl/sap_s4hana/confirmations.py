"""Reading the answer of Journal Entry Post: what became of each entry of a message.

SAP answers HTTP 200 even when it refused, so only this answer tells. Confirmations are joined by
the entry's own id, never by position: a message may come back in any order and with gaps. It must
not decide what to do next (see ``writer``).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from lxml import etree

from ingestion.common.errors import VendorAnswerInvalid

__all__ = ["Confirmation", "LogItem", "PostAnswer", "parse_post_answer"]

#: What stands for "no document was made" in a confirmation.
_NO_DOCUMENT = "0000000000"
#: Log severities of SAP application messages: 3 and above are errors.
_SEVERITY_ERROR = 3
#: "Error in document …": the head that stands before the message that says what is wrong.
_HEADS = frozenset({"609(RW)"})


@dataclass(frozen=True, slots=True)
class LogItem:
    """One message of an answer's log. ``type_id`` is SAP's ``number(class)``, like 702(F5)."""

    type_id: str
    severity: int
    note: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What became of one entry. ``document`` is empty when none was made."""

    entry_id: str
    company_code: str
    fiscal_year: str
    document: str
    severity: int
    log: tuple[LogItem, ...] = ()

    @property
    def is_posted(self) -> bool:
        return bool(self.document)

    @property
    def is_refused(self) -> bool:
        """No document and an error in the log. Neither posted nor refused: nothing is certain."""
        return not self.document and self.severity >= _SEVERITY_ERROR

    @property
    def reason(self) -> LogItem:
        """The error that says why; its head only when nothing else is there."""
        errors = [item for item in self.log if item.severity >= _SEVERITY_ERROR]
        telling = [item for item in errors if item.type_id not in _HEADS]
        return (telling or errors)[0]


@dataclass(frozen=True, slots=True)
class PostAnswer:
    """Confirmations by entry id, and the log of the message as a whole.

    An entry that is confirmed twice in contradiction is left out: nothing certain is known of it.
    """

    confirmations: Mapping[str, Confirmation]
    log: tuple[LogItem, ...] = ()


def parse_post_answer(body: bytes) -> PostAnswer:
    """Read a ``JournalEntryBulkCreateConfirmation``, with or without its SOAP envelope.

    Raises:
        VendorAnswerInvalid: not XML, or not such a confirmation; what became of the entries is
            then unknown.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise VendorAnswerInvalid(f"the answer is not XML: {error}", code="not_xml") from error
    found = [e for e in root.iter() if _local(e) == "JournalEntryBulkCreateConfirmation"]
    if not found:
        raise VendorAnswerInvalid(
            f"the answer holds no confirmation but {_local(root)!r}", code="no_confirmation"
        )
    by_id: dict[str, Confirmation] = {}
    contradicted: set[str] = set()
    for element in _children(found[0], "JournalEntryCreateConfirmation"):
        one = _confirmation(element)
        if by_id.setdefault(one.entry_id, one) != one:
            contradicted.add(one.entry_id)
    return PostAnswer(
        {key: one for key, one in by_id.items() if key and key not in contradicted},
        _log(found[0]),
    )


def _local(element: etree._Element) -> str:
    """An element's name without namespace; comments and instructions have none."""
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


def _children(parent: etree._Element, name: str) -> list[etree._Element]:
    return [child for child in parent if _local(child) == name]


def _text(parent: etree._Element | None, name: str) -> str:
    """The text of a child, empty when there is no such child."""
    found = [] if parent is None else _children(parent, name)
    return (found[0].text or "").strip() if found else ""


def _confirmation(element: etree._Element) -> Confirmation:
    """One entry's confirmation; the document stands in a child of the same name (it is real)."""
    header = next(iter(_children(element, "MessageHeader")), None)
    result = next(iter(_children(element, "JournalEntryCreateConfirmation")), None)
    document = _text(result, "AccountingDocument")
    log = _log(element)
    severity = max((item.severity for item in log), default=0)
    return Confirmation(
        entry_id=_text(header, "ReferenceID"),
        company_code=_text(result, "CompanyCode"),
        fiscal_year=_text(result, "FiscalYear"),
        document="" if document == _NO_DOCUMENT else document,
        severity=severity,
        log=log,
    )


def _log(element: etree._Element) -> tuple[LogItem, ...]:
    """The log's items, and its own maximum severity where it says more than its items do."""
    log = next(iter(_children(element, "Log")), None)
    if log is None:
        return ()
    items = [
        LogItem(
            type_id=_text(item, "TypeID"),
            severity=_severity(_text(item, "SeverityCode")),
            note=_text(item, "Note"),
            field=_text(item, "ReferenceMessageElementName"),
        )
        for item in _children(log, "Item")
    ]
    most = _severity(_text(log, "MaximumLogItemSeverityCode"))
    if most > max((item.severity for item in items), default=0):
        items.append(LogItem("", most, "the log names a severity but no message of it"))
    return tuple(items)


def _severity(text: str) -> int:
    return int(text) if text.isdigit() else 0
