"""Workday over SOAP, REST and reports: sign-in, pages of one moment, errors. For both directions.

SOAP carries the integration user's name and password in every message; REST and reports take an
OAuth token where an API client is configured, reports also the user's password. Reads are tried
again within bounds. A write is never sent again once bytes left and no answer came. It knows
nothing of dlt, of what is read, or of why something is written.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC
from decimal import Decimal
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

from lxml import etree

from ingestion.common.config import System
from ingestion.common.errors import (
    ConfigError,
    OutcomeUnknown,
    VendorAnswerInvalid,
    VendorRejected,
)
from ingestion.common.redact import redact
from ingestion.common.retrying import ReadRetries
from ingestion.common.transport import Request, Response, Transport
from ingestion.workday.answers import error_of_status, new_correlation_id
from ingestion.workday.rest import WorkdayRest
from ingestion.workday.settings import (
    DEFAULT_OPTIONS,
    PAGES_MAX,
    READ_STATUS_ACTIONS,
    RETRIES_MAX,
    RETRY_SECONDS_MAX,
    WRITE_STATUS_ACTIONS,
    Action,
)
from ingestion.workday.soap import (
    add,
    add_reference,
    envelope,
    error_of_fault,
    id_of,
    instant_text,
    local_name,
    parse_answer,
    qualified,
    request_element,
    text_at,
)

__all__ = [
    "WorkdayClient",
    "add",
    "add_reference",
    "id_of",
    "local_name",
    "qualified",
    "text_at",
]

#: Where a SOAP message says that it is one; a page of some gateway does not.
_HEAD_BYTES = 400
#: Operation to what a row is called in its answer, and the references that it takes.
_ROWS = {
    "Get_Customers": ("Customer", "Customer_Reference", "Customer_ID"),
    "Get_Customer_Invoices": (
        "Customer_Invoice", "Customer_Invoice_Reference", "Customer_Invoice_Reference_ID",
    ),
    "Get_Customer_Invoice_Adjustments": (
        "Customer_Invoice_Adjustment", "Customer_Invoice_Adjustment_Reference",
        "Customer_Invoice_Adjustment_Reference_ID",
    ),
    "Get_Customer_Payments": (
        "Customer_Payment_for_Invoices", "Customer_Payment_for_Invoices_Reference",
        "Customer_Payment_for_Invoices_Reference_ID",
    ),
    "Get_Customer_Refunds": (
        "Customer_Refund", "Customer_Refund_Reference", "Customer_Refund_Reference_ID",
    ),
}  # fmt: skip


class WorkdayClient:
    """One signed-in connection to one tenant.

    Args:
        system: address and credentials. ``username``, ``password`` and ``tenant`` (or the option)
            sign in over SOAP; ``client_id``, ``client_secret`` and, where the client has one,
            ``refresh_token`` over OAuth.
        transport: what carries the requests; the client closes it.
        sleep, jitter: waiting and its spread (0 to 1), replaced in simulation.

    Raises:
        ConfigError: no address, no tenant or no credentials.
    """

    def __init__(
        self,
        system: System,
        transport: Transport,
        *,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        if not system.base_url:
            raise ConfigError(
                f"systems.{system.system_id}.base_url is not set (or the sandbox is not running)",
                code="no_address",
            )
        credentials = system.credentials
        self.options = system.options_over(DEFAULT_OPTIONS)
        tenant = self.options["tenant"] or credentials.get("tenant", "")
        if not tenant or not {"username", "password"} <= set(credentials):
            raise ConfigError(
                f"{system.system_id}: set the option tenant and LEDGERLOOP_CREDENTIALS_"
                f"{system.system_id.upper()}_USERNAME and _PASSWORD of the integration user",
                code="no_credentials",
            )
        self.system_id = system.system_id
        self.version = self.options["version"]
        self._base_url = system.base_url.rstrip("/")
        self._tenant = tenant
        self._credentials = credentials
        user = credentials["username"]
        self._username = user if "@" in user else f"{user}@{tenant}"
        self._transport = transport
        self._retries = ReadRetries(sleep, jitter, RETRIES_MAX, RETRY_SECONDS_MAX)
        self.rest = WorkdayRest(
            system.system_id,
            self._base_url,
            tenant,
            credentials,
            username=self._username,
            report_owner=self.options["report_owner"] or user.partition("@")[0],
            transport=transport,
            retries=self._retries,
        )

    async def close(self) -> None:
        """Close the transport."""
        await self._transport.close()

    # SOAP

    async def moment(self) -> str:
        """The server's own present, to be fixed for all pages of one reading.

        The answer to a page of one row names it; else the server's ``Date``, which is older than
        anything entered after this call.
        """
        content = self._asking("Get_Customers", page=1, count=1, moment="", groups=())
        response, element, _ = await self._read_soap(content)
        named = text_at(element, "Response_Filter/As_Of_Entry_DateTime")
        if named:
            return named
        try:
            at = parsedate_to_datetime(response.headers.get("Date", ""))
        except ValueError:
            raise VendorAnswerInvalid(
                f"{self.system_id}: the answer names no moment and no date", code="no_moment"
            ) from None
        return instant_text(at if at.tzinfo else at.replace(tzinfo=UTC))

    async def pages(
        self, operation: str, *, moment: str = "", count: int = 999, groups: Sequence[str] = ()
    ) -> AsyncIterator[list[etree._Element]]:
        """The rows of a ``Get_…`` operation, page by page, all of one moment.

        Raises:
            RetryLater, OutcomeUnknown: no answer within the bounds for retries.
            VendorRejected: it refused (rights, an unknown element).
            VendorAnswerInvalid: no whole XML, a page that is not the asked one or not whole.
        """
        async for rows, _ in self.named_pages(operation, moment=moment, count=count, groups=groups):
            yield rows

    async def named_pages(
        self, operation: str, *, moment: str = "", count: int = 999, groups: Sequence[str] = ()
    ) -> AsyncIterator[tuple[list[etree._Element], str]]:
        """As :meth:`pages`, each with its request's name and correlation id, for errors in rows."""
        for page in range(1, PAGES_MAX + 1):
            content = self._asking(operation, page=page, count=count, moment=moment, groups=groups)
            _, element, where = await self._read_soap(content, partial(_check_page, page=page))
            yield _rows_of(element, operation), where
            if page >= _number(element, "Total_Pages"):
                return
        raise VendorAnswerInvalid(
            f"{operation}: more than {PAGES_MAX} pages", code="endless_paging"
        )

    async def get(
        self, operation: str, ids: Sequence[str], *, id_type: str = ""
    ) -> list[etree._Element]:
        """Rows by reference id (or ``id_type`` WID); those that do not exist are left out.

        Raises:
            LedgerloopError: as in :meth:`pages`.
        """
        try:
            return await self._named(operation, ids, id_type)
        except VendorRejected as error:
            if error.code != "invalid_reference":
                raise
            if len(ids) == 1:
                return []
        # One unknown id refuses the whole request: ask for each half by itself.
        half = len(ids) // 2
        return [
            *await self.get(operation, ids[:half], id_type=id_type),
            *await self.get(operation, ids[half:], id_type=id_type),
        ]

    async def _named(
        self, operation: str, ids: Sequence[str], id_type: str
    ) -> list[etree._Element]:
        _, name, own_type = _ROWS[operation]
        content = request_element(operation, self.version)
        references = add(content, "Request_References")
        for one in ids:
            add_reference(references, name, id_type or own_type, one)
        filters = add(content, "Response_Filter")
        add(filters, "Page", "1")
        add(filters, "Count", "999")
        _, element, _ = await self._read_soap(content, partial(_check_page, page=1))
        return _rows_of(element, operation)

    def request(self, operation: str, *, add_only: bool = False) -> etree._Element:
        """An empty request for :meth:`change`."""
        return request_element(operation, self.version, add_only=add_only)

    async def change(self, content: etree._Element) -> etree._Element:
        """Send a ``Put_…`` or ``Submit_…`` request once; its response element.

        Raises:
            VendorRejected: a validation fault, typed; nothing happened.
            RetryLater: certainly no effect (not sent, 429).
            OutcomeUnknown: bytes left and no certain answer came, broken answers included.
        """
        response, where = await self._post_soap(content)
        try:
            element = self._understood(response, where, WRITE_STATUS_ACTIONS)
        except VendorAnswerInvalid as error:
            raise OutcomeUnknown(error.message, code=error.code) from error
        wanted = local_name(content).replace("_Request", "_Response")
        if local_name(element) != wanted:
            raise OutcomeUnknown(
                f"{where}: the answer is {local_name(element)!r}, not {wanted}",
                code="other_answer",
            )
        return element

    def _asking(
        self, operation: str, *, page: int, count: int, moment: str, groups: Sequence[str]
    ) -> etree._Element:
        content = request_element(operation, self.version)
        filters = add(content, "Response_Filter")
        if moment:
            add(filters, "As_Of_Entry_DateTime", moment)
        add(filters, "Page", str(page))
        add(filters, "Count", str(count))
        response_group = add(content, "Response_Group")
        add(response_group, "Include_Reference", "true")
        for name in groups:
            add(response_group, name, "true")
        return content

    async def _read_soap(
        self, content: etree._Element, check: Callable[[etree._Element], None] | None = None
    ) -> tuple[Response, etree._Element, str]:
        async def once() -> tuple[Response, etree._Element, str]:
            response, where = await self._post_soap(content)
            element = self._understood(response, where, READ_STATUS_ACTIONS)
            wanted = local_name(content).replace("_Request", "_Response")
            if local_name(element) != wanted:
                raise VendorAnswerInvalid(
                    f"{where}: the answer is {local_name(element)!r}, not {wanted}",
                    code="other_answer",
                )
            if check is not None:
                try:
                    check(element)
                except VendorAnswerInvalid as error:
                    raise VendorAnswerInvalid(
                        f"{where}: {error.message}", code=error.code
                    ) from error
            return response, element, where

        return await self._retries.run(once)

    async def _post_soap(self, content: etree._Element) -> tuple[Response, str]:
        """One message; the answer and where it came from, with its correlation id."""
        correlation_id = new_correlation_id()
        copied = etree.fromstring(etree.tostring(content))
        request = Request(
            "POST",
            f"{self._base_url}/ccx/service/{self._tenant}/Revenue_Management/{self.version}",
            {
                "Content-Type": "text/xml; charset=utf-8",
                "SOAPAction": '""',
                "Accept": "text/xml",
                "X-Correlation-ID": correlation_id,
            },
            envelope(copied, self._username, self._credentials["password"]),
        )
        operation = local_name(content).removesuffix("_Request")
        return (
            await self._transport.send(request),
            f"{operation} (correlation id {correlation_id})",
        )

    def _understood(
        self, response: Response, where: str, actions: Mapping[int, Action]
    ) -> etree._Element:
        """The response element of a good answer.

        Raises:
            LedgerloopError: a fault, a status, or a body that is none of both.
        """
        body = response.body.strip()
        is_good = response.status == 200
        content_type = response.headers.get("Content-Type", "")
        if is_good and "xml" not in content_type:
            raise VendorAnswerInvalid(
                f"{where}: the answer is {content_type or 'of no type'}, not XML; it starts "
                f"{redact(body[:80].decode('utf-8', 'replace'))!r}",
                code="not_xml",
            )
        if not is_good and b"Envelope" not in body[:_HEAD_BYTES]:
            raise error_of_status(response, where, actions)
        element = parse_answer(body, where)
        is_write = actions is WRITE_STATUS_ACTIONS
        error = error_of_fault(element, where, response.status, is_write=is_write)
        if is_good and error is not None:
            # A fault that says it went well: believed for neither.
            raise VendorAnswerInvalid(
                f"{error.message} (in an answer of status 200)", code="fault_inside_200"
            )
        if not is_good:
            raise error or error_of_status(response, where, actions)
        return element


def _rows_of(element: etree._Element, operation: str) -> list[etree._Element]:
    name = _ROWS[operation][0]
    return element.findall(f"{qualified('Response_Data')}/{qualified(name)}")


def _check_page(element: etree._Element, page: int) -> None:
    """Raises VendorAnswerInvalid for another page than asked, or one that is not whole."""
    if _number(element, "Page") != page:
        raise VendorAnswerInvalid(
            f"page {_number(element, 'Page')} came instead of {page}", code="other_page"
        )
    data = element.find(qualified("Response_Data"))
    rows = 0 if data is None else len(data)
    if rows != _number(element, "Page_Results"):
        raise VendorAnswerInvalid(
            f"{rows} rows came instead of {_number(element, 'Page_Results')}",
            code="page_not_whole",
        )


def _number(element: etree._Element, name: str) -> int:
    text = text_at(element, f"Response_Results/{name}")
    try:
        return int(Decimal(text))
    except ArithmeticError:
        raise VendorAnswerInvalid(
            f"Response_Results has no {name}", code="page_without_results"
        ) from None
