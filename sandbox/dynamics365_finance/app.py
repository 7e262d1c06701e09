"""The environment as one ASGI app: token, OData, metadata service and blob store over one state.

A request is worked on without a pause, from its last byte to its answer: there is nothing to lock.
"""

import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sandbox.core import Receive, Scope, Send
from sandbox.core.faults import Fault
from sandbox.dynamics365_finance.books import Books
from sandbox.dynamics365_finance.catalogue import GROUPS, INVOICE_JOURNALS, JOURNALS
from sandbox.dynamics365_finance.journals import Journals
from sandbox.dynamics365_finance.odata.answers import JSON_TYPE, Answer, error_body
from sandbox.dynamics365_finance.odata.metadata import public_entity
from sandbox.dynamics365_finance.odata.service import Action, ODataRequest, ODataSite
from sandbox.dynamics365_finance.packages import Packages
from sandbox.dynamics365_finance.ports import ClockPort, FaultsPort
from sandbox.dynamics365_finance.rules import BusinessRules
from sandbox.dynamics365_finance.security import Security
from sandbox.dynamics365_finance.settings import D365Settings
from sandbox.dynamics365_finance.state import D365State

__all__ = ["D365App", "create_app"]

_DATA = "/data"
_BLOB = "/blob/"
_METADATA = ("/Metadata/PublicEntities('", "/Metadata/PublicEntities(%27")
#: What throttling says, by what is used up (the fourth: resources, whatever was asked before).
_THROTTLED = (
    "This request could not be processed at this time due to system experiencing high resource "
    "utilization."
)


class D365App:
    """One environment. ``state.d365`` is its state, for tests in the same process."""

    def __init__(
        self,
        system_id: str,
        *,
        clock: ClockPort,
        faults: FaultsPort,
        settings: D365Settings,
        state: D365State,
    ) -> None:
        self.system_id = system_id
        self.settings = settings
        self.security = Security(system_id, settings, clock)
        self.state = SimpleNamespace(d365=state)
        self._state = state
        self._faults = faults
        self.books = Books(state, clock)
        self._journals = Journals(state, self.books, clock)
        rules = BusinessRules(state, self.books, self._journals, clock, faults)
        self._packages = Packages(state, rules.create, clock, faults)
        self._site = ODataSite(
            state.tables,
            state.undo,
            rules,
            _actions(settings, rules, self._packages),
            home_company=settings.home_company,
            page_size=settings.page_size,
            next_link=settings.next_link,
            operations_max=settings.batch_operations_max,
            if_match_required=settings.if_match_required,
            refresh=self._refresh,
        )

    # -- what the server asks -------------------------------------------------------------------

    def credentials(self) -> Mapping[str, str]:
        """Sign-in data for the endpoints file; the token address is a path on our own port."""
        settings = self.settings
        return {
            "client_id": settings.client_id,
            "client_secret": settings.client_secret,
            "tenant": settings.tenant,
            "token_url": self.security.token_path,
        }

    def ledger(self) -> Mapping[str, Any]:
        """The books as tests read them; what is due is posted first.

        ``effects``: PaymentReference, ExternalInvoiceId or DocumentNumber → posted documents
        (company/record); ``documents_by_key`` is the same: no key may have made two.
        ``bookings_by_bank_reference``: ``company|payment id`` → receipts, unidentified ones too.
        ``settlements``: payment (company/record) → vouchers. ``orders_released``: how often.
        ``unposted``: journals that wait or were refused. ``waiting_clearings``: journals and
        invoices that are posted, and settled, later.
        """
        self.work()
        effects = self._state.effects
        unposted = [
            f"{key[0]}/{key[1]}"
            for name in (JOURNALS, INVOICE_JOURNALS)
            for key, row in self._state.tables[name].rows.items()
            if row["IsPosted"] == "No"
        ]
        return {
            "journals": self._state.ledger.totals(),
            "effects": effects.external_keys,
            "documents_by_key": effects.external_keys,
            "bookings_by_bank_reference": self._bookings(),
            "settlements": effects.settlements,
            "orders_released": {order: len(verbs) for order, verbs in effects.orders.items()},
            "unposted": unposted,
            "waiting_clearings": len(self._state.waiting),
        }

    def _bookings(self) -> dict[str, list[str]]:
        """Receipts by company and the bank's reference, on customers and unidentified."""
        tables, settings = self._state.tables, self.settings
        payments = [
            (row["PaymId"], row)
            for row in tables[settings.open_transactions_entity].rows.values()
            if row["TransType"] == "Payment"
            and row["AmountCur"] < 0
            and row["IsReversed"] == row["IsReversal"] == "No"
        ]
        unidentified = [
            (row["DocumentNumber"], row)
            for row in tables[settings.ledger_entries_entity].rows.values()
        ]
        found: dict[str, list[str]] = {}
        for reference, row in [*payments, *unidentified]:
            if reference:
                company = row["dataAreaId"]
                document = f"{company}/{row['RecId']}"
                found.setdefault(f"{company}|{reference}", []).append(document)
        return found

    def snapshot(self) -> Mapping[str, Any]:
        """All state, for ``sandbox.core.state``."""
        return self._state.snapshot()

    def fault_answer(self, status: int) -> tuple[str, bytes]:
        """What stands before the application when it is down or throttles."""
        if status == 429:
            return JSON_TYPE, error_body(_THROTTLED)
        if status == 503:
            return "text/html", b"<html><body><h1>503 Service Unavailable</h1></body></html>"
        return JSON_TYPE, error_body("An error has occurred.")

    def work(self) -> None:
        """Import and post what is due."""
        self._packages.work()
        self._journals.work()

    def _refresh(self, set_name: str) -> None:
        """Work the balances out before they are read."""
        settings = self.settings
        if set_name != settings.balances_entity:
            return
        table = self._state.tables[set_name]
        for (company, account), amount in self._state.ledger.balances.items():
            row = table.get(company, account)
            if row is None:
                row = table.insert(
                    {
                        "dataAreaId": company,
                        "MainAccount": account,
                        "AccountingCurrencyCode": settings.companies[company].currency_code,
                        "AccountingCurrencyAmount": Decimal(0),
                    }
                )
            if row["AccountingCurrencyAmount"] != amount:
                table.update(row, AccountingCurrencyAmount=amount)

    # -- requests -------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        body = await request.body()
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        answer = self._answer(request, headers, body)
        traced = {"ms-dyn-aid": str(uuid.uuid4()), **answer.headers}
        await Response(answer.body, answer.status, traced)(scope, receive, send)

    def _answer(self, request: Request, headers: Mapping[str, str], body: bytes) -> Answer:
        self.work()
        raw = request.scope.get("raw_path") or request.scope["path"].encode()
        path = raw.decode("latin-1").partition("?")[0]
        query = request.scope["query_string"].decode("latin-1")
        method = request.method
        if path == self.security.token_path:
            return self.security.token(body)
        if path.startswith(_BLOB):
            # A blob is guarded by the signature in its address, not by a token.
            return self._packages.put(path, query, headers, body)
        if self._faults.take(Fault.TOKEN_EXPIRY, f"{method} {path}"):
            self.security.end_all()
        if not self.security.is_signed_in(headers):
            return self.security.unauthorized()
        host = f"{request.scope.get('scheme', 'http')}://{headers.get('host', 'localhost')}"
        self._packages.base_url = host
        if path.startswith(_METADATA):
            return self._public_entity(path)
        if path == _DATA or path.startswith(_DATA + "/"):
            rest = path.removeprefix(_DATA).lstrip("/")
            asked = ODataRequest(method, rest, query, headers, body, f"{host}{_DATA}/")
            return self._site.handle(asked)
        return Answer(404, error_body("No HTTP resource was found."), {"Content-Type": JSON_TYPE})

    def _public_entity(self, path: str) -> Answer:
        name = path.replace("%27", "'").split("'")[1]
        for table in self._state.tables.values():
            if name in (table.entity.name, table.entity.entity):
                text = public_entity(table.entity)
                return Answer(200, text.encode(), {"Content-Type": JSON_TYPE})
        return Answer(404, error_body(f"{name} is unknown."), {"Content-Type": JSON_TYPE})


def _actions(
    settings: D365Settings, rules: BusinessRules, packages: Packages
) -> dict[tuple[str, str], Action]:
    """Every bound action that is offered, by set and name."""
    offered: tuple[tuple[str, str, Callable[..., Any]], ...] = (
        (settings.open_transactions_entity, settings.settle_action, rules.settle),
        (settings.order_holds_entity, settings.release_action, rules.release),
        (JOURNALS, settings.post_action, rules.post_journal),
        (INVOICE_JOURNALS, settings.post_action, rules.post_invoice_journal),
    )
    found: dict[tuple[str, str], Action] = {
        (set_name, name): action for set_name, name, action in offered if name
    }
    found.update({(GROUPS, name): action for name, action in packages.actions().items()})
    return found


def create_app(
    system_id: str,
    *,
    clock: ClockPort,
    faults: FaultsPort,
    settings: D365Settings,
    state: Mapping[str, Any] | D365State | None = None,
) -> D365App:
    """Make one environment: empty, from a snapshot, or around a state made before."""
    if state is None:
        found = D365State(settings)
    elif isinstance(state, D365State):
        found = state
    else:
        found = D365State.restored(state, settings)
    return D365App(system_id, clock=clock, faults=faults, settings=settings, state=found)
