"""A tenant without sockets, with the product's client on it, and short ways to fill it."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from lxml import etree

from ingestion.common.config import Company, System
from ingestion.common.transport import AsgiTransport, Transport
from ingestion.workday.client import WorkdayClient, add, add_reference, id_of, qualified
from sandbox.core.clock import Clock
from sandbox.core.faults import Faults
from sandbox.workday import Settings, WorkdayCompany, create_app

__all__ = ["NOW", "Tenant", "settings_of"]

NOW = datetime(2026, 5, 22, 8, 0, tzinfo=UTC)
HOST = "workday.sandbox:80"


def settings_of(**changes: Any) -> Settings:
    """Company W100 with its months open from January 2026."""
    companies = {"W100": WorkdayCompany("USD", "Services", date(2026, 1, 1))}
    return Settings(**{"companies": companies, **changes})


class Tenant:
    """One running tenant. ``client`` is the product's, ``app`` the sandbox."""

    def __init__(self, system_id: str = "workday_test", **settings: Any) -> None:
        self.seconds = 0.0
        self.clock = Clock(NOW, monotonic=lambda: self.seconds)
        self.faults = Faults()
        self.settings = settings_of(**settings)
        self.app = create_app(
            system_id, clock=self.clock, faults=self.faults, settings=self.settings
        )
        self.system = System(
            system_id=system_id,
            kind="workday",
            base_url=f"http://{HOST}",
            key_prefix="WD",
            companies={"W100": Company(currency_code="USD", credit_segment="1000")},
            options={"ar_gl_account": "12100000", "unidentified_gl_account": "21650000"},
            credentials=dict(self.app.credentials()),
        )
        self.client = self.make_client()

    def transport(self) -> AsgiTransport:
        return AsgiTransport({HOST: self.app})

    def make_client(self, transport: Transport | None = None) -> WorkdayClient:
        async def no_sleep(_: float) -> None:
            return None

        return WorkdayClient(self.system, transport or self.transport(), sleep=no_sleep)

    # -- filling --------------------------------------------------------------------------------

    async def customer(self, number: str = "C-100", **texts: str) -> str:
        """A customer; its WID. ``texts``: further simple elements."""
        content = self.client.request("Put_Customer", add_only=True)
        data = add(content, "Customer_Data")
        add(data, "Customer_ID", number)
        add(data, "Customer_Name", texts.get("name", f"Customer {number}"))
        add_reference(data, "Payment_Terms_Reference", "Payment_Terms_ID", "NET_30")
        if "limit" in texts:
            add_reference(data, "Credit_Limit_Currency_Reference", "Currency_ID", "USD")
            add(data, "Credit_Limit", texts["limit"])
        if "iban" in texts:
            account = add(data, "Settlement_Account_Data")
            add(account, "Settlement_Account_ID", f"BANK-{number}")
            add(account, "IBAN", texts["iban"])
        contact = add(add(data, "Business_Entity_Data"), "Contact_Data")
        address = add(contact, "Address_Data")
        # Shown with a WID too, by which a caller may name the country when it puts this back.
        add_reference(address, "Country_Reference", "ISO_3166-1_Alpha-2_Code", "US")
        add(address, "Address_Line_Data", "1 Mill Road")
        add(add(data, "Note_Data"), "Note_Content", "Kept by hand")
        return _wid(await self.client.change(content))

    async def invoice(
        self, number: str, amount: str, *, customer: str = "C-100", currency: str = "USD",
        day: date = date(2026, 5, 22), memo: str = "", due: date | None = None,
    ) -> str:  # fmt: skip
        """An invoice; its WID."""
        content = self.client.request("Submit_Customer_Invoice", add_only=not memo)
        data = add(content, "Customer_Invoice_Data")
        add(data, "Customer_Invoice_ID", number)
        add(data, "Submit", "true")
        add(data, "Invoice_Number", number)
        add_reference(data, "Company_Reference", "Company_Reference_ID", "W100")
        add_reference(data, "Customer_Reference", "Customer_ID", customer)
        add_reference(data, "Currency_Reference", "Currency_ID", currency)
        add(data, "Invoice_Date", day.isoformat())
        if due:
            add(data, "Due_Date_Override", due.isoformat())
        add(data, "Control_Amount_Total", amount)
        if memo:
            add(data, "Memo", memo)
        return _wid(await self.client.change(content))

    async def cancel(self, number: str) -> None:
        content = self.client.request("Cancel_Customer_Invoice")
        add_reference(
            content, "Customer_Invoice_Reference", "Customer_Invoice_Reference_ID", number
        )
        await self.client.change(content)

    # -- looking --------------------------------------------------------------------------------

    def open_amount(self, number: str) -> Decimal:
        record = self.record("invoice", number)
        return self.app.state.open_amount(record)

    def record(self, kind: str, number: str) -> Any:
        return next(r for r in self.app.state.of_kind(kind) if r.id == number)


def _wid(response: etree._Element) -> str:
    return id_of(response[0], "WID") or (response[0].findtext(qualified("ID")) or "")
