"""Reading Workday: one moment for all pages, exact amounts, typed errors for what is no answer."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

import ingestion.workday as workday
from ingestion.common.errors import (
    ConfigError,
    LedgerloopError,
    OutcomeUnknown,
    RetryLater,
    SchemaDrift,
    VendorAnswerInvalid,
    VendorRejected,
)
from ingestion.common.transport import Request, Response, Transport
from ingestion.workday.client import WorkdayClient, add
from tests.ingestion.support import answer
from tests.sandbox.workday.tenant import NOW, Tenant

XML = "text/xml; charset=utf-8"
CORRELATION_ID = r"\(correlation id [0-9a-f-]{36}\)"


@dataclass
class Listening:
    """Passes on, notes each request, and may change answers."""

    inner: Transport
    rule: Callable[[Request, int], Response | None] = lambda _request, _number: None
    seen: list[Request] = field(default_factory=list)

    async def send(self, request: Request) -> Response:
        self.seen.append(request)
        return self.rule(request, len(self.seen)) or await self.inner.send(request)

    async def close(self) -> None:
        return None

    def bodies(self, word: str) -> list[str]:
        texts = [(one.body or b"").decode() for one in self.seen]
        return [text for text in texts if word in text]


@pytest.fixture
def tenant() -> Tenant:
    made = Tenant(page_rows_max=2)

    async def fill() -> None:
        await made.customer(iban="DE02120300000000202051", limit="5000")
        for place in range(5):
            await made.invoice(f"INV-{place}", "100.25")

    asyncio.run(fill())
    return made


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    return tmp_path / "warehouse.duckdb"


def rows(warehouse: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_every_page_of_every_object_is_of_one_moment(tenant: Tenant, warehouse: Path) -> None:
    wire = Listening(tenant.transport())
    workday.read(tenant.system, warehouse, run_started_at=NOW, transport=wire)
    asked = wire.bodies("Response_Filter")[1:]
    moments = {text.partition("As_Of_Entry_DateTime>")[2].partition("<")[0] for text in asked}
    assert len(asked) >= 6
    assert moments == {"2026-05-22T08:00:00.000Z"}


def test_what_is_read_is_exact_and_whole(tenant: Tenant, warehouse: Path) -> None:
    report = workday.read(
        tenant.system, warehouse, run_started_at=NOW, transport=tenant.transport()
    )
    assert report.drift == ()
    held = rows(
        warehouse,
        "select Invoice_Number, Control_Amount_Total, Customer_Reference, Company_Reference "
        "from workday_raw.customer_invoices order by 1",
    )
    assert held == [(f"INV-{n}", Decimal("100.25"), "C-100", "W100") for n in range(5)]
    assert rows(warehouse, "select Credit_Limit, Settlement_Account_Data from workday_raw.customers"
    ) == [
        (
            Decimal(5000),
            '[{"Settlement_Account_ID": "BANK-C-100", "IBAN": "DE02120300000000202051"}]',
        )
    ]  # fmt: skip
    balances = rows(
        warehouse,
        "select Ledger_Account_ID, Ending_Balance from workday_raw.ledger_account_balances "
        "order by 1",
    )
    assert balances == [("12100000", Decimal("501.25")), ("41000000", Decimal("-501.25"))]


def test_a_token_that_ends_between_two_reports_is_renewed(tenant: Tenant, warehouse: Path) -> None:
    def end(request: Request, _: int) -> None:
        if "Ledger_Account_Balances" in request.url and not ended:
            ended.append(True)
            tenant.app.security.end_sessions()

    ended: list[bool] = []
    wire = Listening(tenant.transport(), end)
    workday.read(tenant.system, warehouse, run_started_at=NOW, transport=wire)
    assert tenant.app.security.issued == 2
    assert len(rows(warehouse, "from workday_raw.ledger_account_balances")) == 2


def test_reports_fall_back_to_the_integration_users_password(
    tenant: Tenant, warehouse: Path
) -> None:
    alone = {k: v for k, v in tenant.system.credentials.items() if "client" not in k}
    system = tenant.system.model_copy(update={"credentials": alone})
    workday.read(system, warehouse, run_started_at=NOW, transport=tenant.transport())
    assert tenant.app.security.issued == 0
    assert len(rows(warehouse, "from workday_raw.ledger_account_balances")) == 2


def test_a_report_that_lost_a_column_is_drift_and_keeps_what_is_stored(
    tenant: Tenant, warehouse: Path
) -> None:
    workday.read(tenant.system, warehouse, run_started_at=NOW, transport=tenant.transport())

    def rule(request: Request, _: int) -> Response | None:
        if "Ledger_Account_Balances" not in request.url:
            return None
        entry = {"Company_Reference_ID": "W100", "Ledger_Account_ID": "1", "Ledger_Currency": "USD"}
        return answer(200, {"Report_Entry": [entry]})

    wire = Listening(tenant.transport(), rule)
    report = workday.read(tenant.system, warehouse, run_started_at=NOW, transport=wire)
    assert [(one.object_name, one.kind) for one in report.drift] == [
        ("ledger_account_balances", "vanished_column")
    ]
    assert report.stops_writing
    assert len(rows(warehouse, "from workday_raw.ledger_account_balances")) == 2


def spoiled(tenant: Tenant, change: Callable[[bytes], bytes]) -> WorkdayClient:
    class Spoiling:
        async def send(self, request: Request) -> Response:
            response = await tenant.transport().send(request)
            return Response(response.status, response.headers, change(response.body))

        async def close(self) -> None:
            return None

    return tenant.make_client(Spoiling())


def first_page(client: WorkdayClient, place: int = 1) -> None:
    async def ask() -> None:
        async for page in workday._pages(client, workday.OBJECTS[place], ""):
            assert page

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("before", "after", "error", "code"),
    [
        (b">Approved<", b">Dreamt<", VendorAnswerInvalid, "unknown_value"),
        (b"Page_Results>2<", b"Page_Results>3<", VendorAnswerInvalid, "page_not_whole"),
        (b"Response_Results>", b"Response_Outcome>", VendorAnswerInvalid, "page_without_results"),
        (b"Control_Amount_Total>", b"Total>", SchemaDrift, "vanished_column"),
    ],
)
def test_a_page_that_cannot_be_believed_is_a_typed_error(
    tenant: Tenant, before: bytes, after: bytes, error: type[LedgerloopError], code: str
) -> None:
    with pytest.raises(error) as caught:
        first_page(spoiled(tenant, lambda body: body.replace(before, after)))
    assert caught.value.code == code
    assert re.search(f"Get_Customer_Invoices {CORRELATION_ID}", caught.value.message)


def _answered(change: Callable[[Response], Response]) -> Callable[[Tenant], WorkdayClient]:
    def client_of(tenant: Tenant) -> WorkdayClient:
        class Changing:
            async def send(self, request: Request) -> Response:
                return change(await tenant.transport().send(request))

            async def close(self) -> None:
                return None

        return tenant.make_client(Changing())

    return client_of


#: What may come in place of the tenant's own answer, of SOAP and of reports.
BAD_ANSWERS = {
    "HTML": _answered(lambda _: answer(200, "<html>down</html>", Content_Type="text/html")),
    "half of it": _answered(
        lambda one: Response(one.status, one.headers, one.body[: len(one.body) // 2])
    ),
    "a wrong content type": _answered(lambda one: answer(200, one.body, Content_Type="text/plain")),
}


@pytest.mark.parametrize("bad", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
@pytest.mark.parametrize("place", [1, -1], ids=["SOAP", "report"])
def test_a_bad_answer_to_a_read_is_a_typed_error_with_its_correlation_id(
    tenant: Tenant, bad: Callable[[Tenant], WorkdayClient], place: int
) -> None:
    # A token of the API client is not what is in question here.
    alone = {k: v for k, v in tenant.system.credentials.items() if "client" not in k}
    tenant.system = tenant.system.model_copy(update={"credentials": alone})
    with pytest.raises(VendorAnswerInvalid, match=CORRELATION_ID):
        first_page(bad(tenant), place)


@pytest.mark.parametrize("body", [{"error": "no"}, {"Report_Entry": "x"}, {"Report_Entry": [1]}])
def test_a_report_with_an_error_inside_a_200_is_a_typed_error_with_its_correlation_id(
    tenant: Tenant, body: dict[str, object]
) -> None:
    wire = Listening(
        tenant.transport(),
        lambda request, _: answer(200, body) if "customreport2" in request.url else None,
    )
    with pytest.raises(VendorAnswerInvalid, match=f"customreport2.*{CORRELATION_ID}"):
        first_page(tenant.make_client(wire), -1)


def changed(tenant: Tenant, response: Response | None) -> None:
    """One write that gets this answer, or the tenant's own."""
    wire = Listening(tenant.transport(), lambda _request, _number: response)
    client = tenant.make_client(wire)
    content = client.request("Put_Customer", add_only=True)
    add(add(content, "Customer_Data"), "Customer_Name", "New")
    try:
        asyncio.run(client.change(content))
    finally:
        assert len(wire.seen) == 1, "a write is never sent twice"


FAULT = (
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault>'
    "<faultcode>s:{code}</faultcode><faultstring>{words}</faultstring></s:Fault></s:Body>"
    "</s:Envelope>"
)


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (answer(503, "<html>down</html>", Content_Type="text/html"), OutcomeUnknown),
        (answer(429, "slow"), RetryLater),
        (answer(500, "<html>oops</html>", Content_Type="text/html"), OutcomeUnknown),
        (answer(200, "<html>hello</html>", Content_Type="text/html"), OutcomeUnknown),
        (answer(200, "<a", Content_Type=XML), OutcomeUnknown),
        (answer(200, "<a/>", Content_Type=XML), OutcomeUnknown),
        (answer(200, "<a/>", Content_Type="text/plain"), OutcomeUnknown),
        (answer(500, FAULT.format(code="Server", words="x"), Content_Type=XML), OutcomeUnknown),
        (
            answer(200, FAULT.format(code="Client.validationError", words="x"), Content_Type=XML),
            OutcomeUnknown,
        ),
        (
            answer(500, FAULT.format(code="Client.validationError", words="x"), Content_Type=XML),
            VendorRejected,
        ),
    ],
)
def test_a_write_is_judged_by_what_the_answer_proves(
    tenant: Tenant, response: Response, error: type[LedgerloopError]
) -> None:
    with pytest.raises(error, match=f"Put_Customer {CORRELATION_ID}"):
        changed(tenant, response)


def test_a_wrong_password_is_refused_at_once_and_never_shown(tenant: Tenant) -> None:
    wrong = {**tenant.system.credentials, "password": "hunter2-secret"}
    client = WorkdayClient(
        tenant.system.model_copy(update={"credentials": wrong}), tenant.transport()
    )
    with pytest.raises(VendorRejected) as caught:
        asyncio.run(client.moment())
    assert caught.value.code == "authenticationError"
    assert "hunter2" not in caught.value.message


def test_an_unknown_id_among_many_is_left_out(tenant: Tenant) -> None:
    names = ["INV-0", "NOBODY", "INV-3"]
    found = asyncio.run(tenant.client.get("Get_Customer_Invoices", names))
    assert len(found) == 2


def test_the_servers_date_serves_where_it_names_no_moment() -> None:
    tenant = Tenant(echoes_moment=False)

    class Dated:
        async def send(self, request: Request) -> Response:
            response = await tenant.transport().send(request)
            headers = response.headers.copy()
            headers["Date"] = "Fri, 22 May 2026 08:00:00 GMT"
            return Response(response.status, headers, response.body)

        async def close(self) -> None:
            return None

    assert asyncio.run(tenant.make_client(Dated()).moment()) == "2026-05-22T08:00:00.000Z"


def test_configuration_without_tenant_or_password_is_refused(tenant: Tenant) -> None:
    for missing in ("tenant", "password"):
        left = {k: v for k, v in tenant.system.credentials.items() if k != missing}
        with pytest.raises(ConfigError):
            WorkdayClient(
                tenant.system.model_copy(update={"credentials": left}), tenant.transport()
            )


def test_a_healthy_system_has_no_problems_and_an_absent_report_is_one(tenant: Tenant) -> None:
    assert workday.check(tenant.system, transport=tenant.transport()) == []
    options = {**tenant.system.options, "balances_report": "Nobody_Made_It"}
    system = tenant.system.model_copy(update={"options": options})
    problems = workday.check(system, transport=tenant.transport())
    assert len(problems) == 1
    assert problems[0].startswith("ledger_account_balances:")
