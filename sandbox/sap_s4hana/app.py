"""The system as one ASGI app: OData, SOAP and token endpoints over one state.

A request is worked on without a pause, from its last byte to its answer: there is nothing to lock.
"""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sandbox.core import Receive, Scope, Send
from sandbox.core.faults import Fault
from sandbox.sap_s4hana.books import ITEMS, Books
from sandbox.sap_s4hana.effects import effects_of
from sandbox.sap_s4hana.messages import Messages
from sandbox.sap_s4hana.odata.answers import Answer
from sandbox.sap_s4hana.odata.rules import SetRules
from sandbox.sap_s4hana.odata.service import ODataRequest, ODataSite
from sandbox.sap_s4hana.ports import ClockPort, FaultsPort
from sandbox.sap_s4hana.security import Security
from sandbox.sap_s4hana.services.balances import refresh_balances
from sandbox.sap_s4hana.services.cash import cash_rules
from sandbox.sap_s4hana.services.credit import credit_actions, credit_rules
from sandbox.sap_s4hana.services.master import master_rules
from sandbox.sap_s4hana.settings import SapSettings
from sandbox.sap_s4hana.soap_answers import fault_answer
from sandbox.sap_s4hana.state import SapState

__all__ = ["SapApp", "create_app"]

_ODATA = "/sap/opu/odata/sap/"
_SOAP = "/sap/bc/srt/scs_ext/sap/"
_TOKEN = "/sap/bc/sec/oauth2/token"  # noqa: S105 - an address
_READS = ("GET", "HEAD", "OPTIONS")


class SapApp:
    """One S/4HANA system. ``state.sap`` is its state, for tests in the same process."""

    def __init__(
        self,
        system_id: str,
        *,
        clock: ClockPort,
        faults: FaultsPort,
        settings: SapSettings,
        state: SapState,
    ) -> None:
        self.system_id = system_id
        self.settings = settings
        self.security = Security(system_id, settings, clock)
        self.state = SimpleNamespace(sap=state)
        self._sap = state
        self._faults = faults
        books = Books(state, clock)
        self._messages = Messages(state, books, clock, faults)
        rules: dict[str, SetRules] = {name: SetRules(name, state.tables) for name in state.tables}
        rules.update(master_rules(state, clock))
        rules.update(credit_rules(state, clock))
        rules.update(cash_rules(state, books, clock))
        balances = settings.gl_balance_service.partition("/")[2]
        self._site = ODataSite(
            state.services,
            state.tables,
            state.undo,
            rules=rules,
            actions=credit_actions(state, clock),
            live={balances: lambda: refresh_balances(state)},
            clock=clock,
            faults=faults,
            page_size=settings.page_size,
            needs_if_match=settings.needs_if_match,
        )
        self._soap = {
            "journalentrycreaterequestconfi": self._messages.post,
            "journalentrybulkclearingreques": self._messages.clear,
            "journalentrybulkchangerequest_": self._messages.change,
        }

    # -- what the server asks -------------------------------------------------------------------

    def credentials(self) -> Mapping[str, str]:
        """Sign-in data for the endpoints file."""
        settings = self.settings
        return {
            "username": settings.username,
            "password": settings.password,
            "client_id": settings.client_id,
            "client_secret": settings.client_secret,
        }

    def ledger(self) -> Mapping[str, Any]:
        """The books as tests read them; waiting clearings that are due are worked on first."""
        self._messages.work()
        return effects_of(self._sap)

    def snapshot(self) -> Mapping[str, Any]:
        """All state, for ``sandbox.core.state``."""
        return self._sap.snapshot()

    def fault_answer(self, status: int) -> tuple[str, bytes]:
        """What stands before the application when it is down or throttles (not OData JSON)."""
        texts = {429: "Too Many Requests", 503: "Service Unavailable"}
        text = texts.get(status, "Internal Server Error")
        return "text/html", f"<html><body><h1>{status} {text}</h1></body></html>".encode()

    # -- requests -------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        body = await request.body()
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        answer = self._answer(request, headers, body)
        response = Response(answer.body, answer.status, answer.headers)
        for cookie in answer.cookies:
            response.raw_headers.append((b"set-cookie", cookie.encode("latin-1")))
        await response(scope, receive, send)

    def _answer(self, request: Request, headers: Mapping[str, str], body: bytes) -> Answer:
        self._messages.work()
        raw = request.scope.get("raw_path") or request.scope["path"].encode()
        path = raw.decode("latin-1").partition("?")[0]
        method = request.method
        if path == _TOKEN:
            return self.security.token(headers, body)
        if self._faults.take(Fault.TOKEN_EXPIRY, f"{method} {path}"):
            self.security.end_all()
        if not self.security.is_signed_in(headers):
            return self.security.unauthorized()
        if path.startswith(_SOAP):
            return self._soap_answer(method, path, body)
        if path.startswith(_ODATA):
            return self._odata_answer(request, path, headers, body)
        return Answer(404, b"<html><body>404 Not found</body></html>", _HTML)

    def _soap_answer(self, method: str, path: str, body: bytes) -> Answer:
        work = self._soap.get(path.removeprefix(_SOAP).strip("/"))
        if work is None:
            return Answer(404, b"<html><body>404 Not found</body></html>", _HTML)
        if method != "POST":
            return fault_answer("Only POST is supported", status=405)
        return work(body)

    def _odata_answer(
        self, request: Request, path: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        method = request.method
        if method not in _READS:
            refused = self.security.refuse_forged(headers)
            if refused is not None:
                return refused
        service, _, rest = path.removeprefix(_ODATA).partition("/")
        service = service.partition(";")[0]
        scheme = request.scope.get("scheme", "http")
        root = f"{scheme}://{headers.get('host', 'localhost')}{_ODATA}{service}/"
        query = request.scope["query_string"].decode("latin-1")
        answer = self._site.handle(ODataRequest(method, service, rest, query, headers, body, root))
        if method == "GET":
            if headers.get("x-csrf-token", "").lower() == "fetch":
                self.security.fetch(headers, answer)
            if ITEMS in rest:
                self._messages.count_read()
        if method == "HEAD":
            if headers.get("x-csrf-token", "").lower() == "fetch":
                self.security.fetch(headers, answer)
            answer.body = b""
        return answer


_HTML = {"Content-Type": "text/html"}


def create_app(
    system_id: str,
    *,
    clock: ClockPort,
    faults: FaultsPort,
    settings: SapSettings,
    state: Mapping[str, Any] | SapState | None = None,
) -> SapApp:
    """Make one system: empty, or from a snapshot, or around a state made before."""
    if state is None:
        sap = SapState(settings)
    elif isinstance(state, SapState):
        sap = state
    else:
        sap = SapState.restored(state, settings)
    return SapApp(system_id, clock=clock, faults=faults, settings=settings, state=sap)
