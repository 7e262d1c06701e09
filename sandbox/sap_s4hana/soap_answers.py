"""SOAP answers: confirmations of posted entries, and faults. Shapes as public samples show them."""

from datetime import datetime
from uuid import NAMESPACE_URL, uuid5
from xml.sax.saxutils import escape

from sandbox.sap_s4hana.odata.answers import Answer
from sandbox.sap_s4hana.soap import LEDGER_NAMESPACE, Message

__all__ = ["Confirmed", "confirmation", "fault_answer"]


class Confirmed:
    """What became of one entry. ``document`` is empty for a refused one."""

    __slots__ = ("company_code", "document", "entry_id", "fiscal_year", "items")

    def __init__(
        self,
        entry_id: str,
        items: list[tuple[str, int, str, str]],
        *,
        document: str = "",
        company_code: str = "",
        fiscal_year: str = "",
    ) -> None:
        self.entry_id = entry_id
        self.items = items
        """Type id, severity, note and element name of each log item."""
        self.document = document
        self.company_code = company_code
        self.fiscal_year = fiscal_year


def _header(reference: str, at: datetime, sid: str) -> str:
    moment = f"{at:%Y-%m-%dT%H:%M:%S.%f}Z"
    uuid = uuid5(NAMESPACE_URL, f"{sid}/{reference}/{moment}")
    known = f"<ReferenceID>{escape(reference)}</ReferenceID>" if reference else ""
    return (
        f"<MessageHeader><UUID>{uuid}</UUID>{known}<CreationDateTime>{moment}</CreationDateTime>"
        f"<SenderBusinessSystemID>{sid}</SenderBusinessSystemID></MessageHeader>"
    )


def _log(items: list[tuple[str, int, str, str]]) -> str:
    if not items:
        return "<Log/>"
    worst = max(severity for _, severity, _, _ in items)
    result = "5" if worst >= 3 else "3"
    listed = []
    for type_id, severity, note, element in items:
        named = (
            f"<ReferenceMessageElementName>{element}</ReferenceMessageElementName>"
            if element
            else ""
        )
        listed.append(
            f"<Item><TypeID>{type_id}</TypeID><SeverityCode>{severity}</SeverityCode>{named}"
            f"<Note>{escape(note)}</Note></Item>"
        )
    return (
        f"<Log><BusinessDocumentProcessingResultCode>{result}"
        f"</BusinessDocumentProcessingResultCode><MaximumLogItemSeverityCode>{worst}"
        f"</MaximumLogItemSeverityCode>{''.join(listed)}</Log>"
    )


def confirmation(message: Message, confirmed: list[Confirmed], *, at: datetime, sid: str) -> Answer:
    """``JournalEntryBulkCreateConfirmation``: HTTP 200, errors or not."""
    listed = "".join(
        f"<JournalEntryCreateConfirmation>{_header(one.entry_id, at, sid)}"
        "<JournalEntryCreateConfirmation>"
        f"<AccountingDocument>{one.document or '0000000000'}</AccountingDocument>"
        f"<CompanyCode>{escape(one.company_code)}</CompanyCode>"
        f"<FiscalYear>{one.fiscal_year or '0000'}</FiscalYear>"
        f"</JournalEntryCreateConfirmation>{_log(one.items)}</JournalEntryCreateConfirmation>"
        for one in confirmed
    )
    body = (
        '<?xml version="1.0" encoding="utf-8"?>'
        f'<soap-env:Envelope xmlns:soap-env="{message.envelope}"><soap-env:Header/>'
        f'<soap-env:Body><n0:JournalEntryBulkCreateConfirmation xmlns:n0="{LEDGER_NAMESPACE}">'
        f"{_header(message.message_id, at, sid)}<ConfirmationInterfaceOrignName/>{listed}<Log/>"
        "</n0:JournalEntryBulkCreateConfirmation></soap-env:Body></soap-env:Envelope>"
    )
    return Answer(200, body.encode(), {"Content-Type": message.content_type})


def fault_answer(text: str, *, status: int = 500) -> Answer:
    """A SOAP 1.1 fault."""
    body = (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<soap-env:Envelope xmlns:soap-env="http://schemas.xmlsoap.org/soap/envelope/">'
        "<soap-env:Header/><soap-env:Body><soap-env:Fault>"
        "<faultcode>soap-env:Server</faultcode>"
        f'<faultstring xml:lang="en">{escape(text)}</faultstring>'
        "</soap-env:Fault></soap-env:Body></soap-env:Envelope>"
    )
    headers = {"Content-Type": "text/xml; charset=utf-8"}
    return Answer(status, body.encode(), headers, is_fault=True)
