"""The tenant as one ASGI app: SOAP, REST, reports and token endpoint over one state.

A request is worked on without a pause, from its last byte to its answer: there is nothing to lock.
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from lxml import etree

from sandbox.core import Receive, Scope, Send
from sandbox.core.faults import Faults
from sandbox.workday.books import Books, ClockPort
from sandbox.workday.changing import Changing
from sandbox.workday.effects import effects_of
from sandbox.workday.reading import Reading
from sandbox.workday.references import describer, normalised
from sandbox.workday.reports import Reports
from sandbox.workday.rest import Rest, error_body
from sandbox.workday.schema import OPERATIONS, request_type
from sandbox.workday.security import Security
from sandbox.workday.settings import WorkdaySettings
from sandbox.workday.state import WorkdayState
from sandbox.workday.trees import (
    NAMESPACE,
    SOAP,
    ServiceFault,
    ValidationFault,
    envelope_of,
    fault_of,
    parse_xml,
    tree_of,
)
from sandbox.workday.wsdl import wsdl_of

__all__ = ["WorkdayApp", "create_app"]

_XML = "text/xml; charset=utf-8"
_JSON = "application/json; charset=utf-8"
#: Status, content type, body.
Answer = tuple[int, str, bytes]


class WorkdayApp:
    """One tenant. ``state`` is its data, for tests in the same process."""

    def __init__(
        self,
        system_id: str,
        *,
        clock: ClockPort,
        faults: Faults,
        settings: WorkdaySettings,
        state: WorkdayState,
    ) -> None:
        self.system_id = system_id
        self.settings = settings
        self.state = state
        self.security = Security(settings, clock, faults)
        books = Books(state, clock)
        self._books = books
        self._reading = Reading(state, books, clock, settings)
        self._changing = Changing(state, books, clock, faults)
        self._reports = Reports(state)
        tenant = settings.tenant
        self._soap_path = f"/ccx/service/{tenant}/Revenue_Management/{settings.version}"
        self._rest_path = f"/ccx/api/customerAccounts/v1/{tenant}"
        self._report_path = f"/ccx/service/customreport2/{tenant}/{settings.report_owner}/"
        self._token_path = f"/ccx/oauth2/{tenant}/token"
        self._rest = Rest(state, self._changing, self._rest_path)

    # -- what the server asks -------------------------------------------------------------------

    def credentials(self) -> Mapping[str, str]:
        """Sign-in data for the endpoints file: user and API client."""
        return self.security.credentials()

    def ledger(self) -> Mapping[str, Any]:
        """The books as tests read them; remittances that are due are applied first."""
        self._books.work()
        return effects_of(self.state)

    def snapshot(self) -> Mapping[str, Any]:
        """All state, for ``sandbox.core.state``."""
        return self.state.snapshot()

    def fault_answer(self, status: int) -> tuple[str, bytes]:
        """What stands before the application when it is down or throttles: no SOAP."""
        return "text/html", f"<html><body><h1>{status}</h1></body></html>".encode()

    # -- requests -------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if message["type"] == "http.disconnect" or not message.get("more_body"):
                break
        status, content_type, content = self._answer(scope, body)
        headers = [
            (b"content-type", content_type.encode()),
            (b"content-length", str(len(content)).encode()),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    def _answer(self, scope: Scope, body: bytes) -> Answer:
        path, method = scope["path"], scope["method"]
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        if path == self._soap_path:
            if method == "GET" and "wsdl" in query:
                host = f"{scope.get('scheme', 'http')}://{headers.get('host', 'localhost')}"
                return 200, _XML, wsdl_of(host + self._soap_path, self.settings.version)
            return self._soap(body) if method == "POST" else (405, _XML, b"")
        if path == self._token_path and method == "POST":
            status, tree = self.security.token(headers, body)
            return status, _JSON, json.dumps(tree).encode()
        is_report = path.startswith(self._report_path)
        if not is_report and not path.startswith(self._rest_path + "/"):
            return 404, _JSON, error_body("resource not found")
        if not self.security.is_let_in(headers, allows_basic=is_report, where=path):
            return 401, _JSON, error_body("invalid_token")
        self._books.work()
        if is_report:
            return self._reports.answer(path.removeprefix(self._report_path), query)
        status, content = self._rest.answer(method, path.removeprefix(self._rest_path), query, body)
        return status, _JSON, content

    def _soap(self, body: bytes) -> Answer:
        try:
            envelope = parse_xml(body)
            self.security.check_soap(envelope)
            return 200, _XML, self._operation(envelope)
        except ServiceFault as fault:
            return fault.status, _XML, fault_of(fault)

    def _operation(self, envelope: etree._Element) -> bytes:
        content = envelope.find(f"{{{SOAP}}}Body")
        if content is None or len(content) != 1:
            raise ServiceFault("Client", "The message has no operation.")
        element = content[0]
        name = etree.QName(element).localname.removesuffix("_Request")
        if name not in OPERATIONS or etree.QName(element).namespace != NAMESPACE:
            raise ServiceFault("Client", f"Invalid request element: {element.tag}")
        path = (request_type(name),)
        asked = tree_of(element, path[0], checks_order=self.settings.checks_order, path=path)
        asked = normalised(self.state, path[0], asked, path)
        if OPERATIONS[name].row:
            answer = self._reading.answer(name, asked)
        else:
            flag = element.get(f"{{{NAMESPACE}}}Add_Only") or element.get("Add_Only") or "0"
            if flag not in ("0", "1", "true", "false"):
                raise ValidationFault(f"Invalid value '{flag}' for Add_Only.", path)
            answer = self._changing.answer(name, asked, add_only=flag in ("1", "true"))
        describe = describer(self.state)
        return envelope_of(f"{name}_Response", answer, describe, self.settings.version)


def create_app(
    system_id: str,
    *,
    clock: ClockPort,
    faults: Faults,
    settings: WorkdaySettings,
    state: Mapping[str, Any] | WorkdayState | None = None,
) -> WorkdayApp:
    """Make one tenant: empty, or from a snapshot, or around a state made before."""
    if state is None:
        found = WorkdayState(settings)
    elif isinstance(state, WorkdayState):
        found = state
    else:
        found = WorkdayState.restored(state, settings)
    return WorkdayApp(system_id, clock=clock, faults=faults, settings=settings, state=found)
