"""What the vendors of a simulated world hold before its story begins, and what is to be done there.

Customers with open invoices in SAP and accounts in Salesforce are made once in each process through
the sandbox's own protocols; each world starts from a copy.
"""

import asyncio
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from random import Random
from typing import Any

from ingestion.common.config import System
from ingestion.common.transport import AsgiTransport
from ingestion.salesforce.client import SalesforceClient
from ingestion.sap_s4hana.client import SapClient
from reverse_etl.ledger.commands import Command
from reverse_etl.planning.governance import load_governance
from sandbox.core.clock import Clock
from sandbox.core.faults import Faults
from sandbox.salesforce import Settings as OrgSettings
from sandbox.salesforce import create_app as create_org
from sandbox.sap_s4hana import SapSettings
from sandbox.sap_s4hana import create_app as create_sap
from tests.reverse_etl.ledger.commands import posting, state
from tests.reverse_etl.sap_s4hana.conftest import invoices, seed_customers
from tests.simulation.virtual import START

SAP, ORG = "sap_emea", "crm"
HOSTS = {SAP: "sap.sandbox:80", ORG: "org.sandbox:80", "admin": "admin.sandbox:80"}
GOVERNANCE = load_governance()
#: A second delivery must show in the books: this system does not recognise messages it has seen.
SAP_SETTINGS = SapSettings(clearing_lag_seconds=2.0, deduplicates_entries=False)
_DAY = START.date()
CUSTOMERS = tuple(f"00001000{n:02d}" for n in range(4))
_UNKNOWN_CUSTOMER = "0000999999"
_INVOICES_EACH = 5
_TEMPLATES: list["Template"] = []


@dataclass(frozen=True, slots=True)
class Template:
    """The vendors' books before any story begins."""

    sap: bytes
    org: bytes
    invoices: Mapping[str, list[dict[str, str]]]
    accounts: list[str]

    def sap_books(self) -> Any:
        """A copy of SAP's books."""
        return pickle.loads(self.sap)

    def org_books(self) -> Any:
        """A copy of the org's records."""
        return pickle.loads(self.org)


def system_of(name: str) -> System:
    """One vendor as the product knows it. Its sign-in is the cheapest one: nobody tests it here."""
    org = OrgSettings()
    credentials = {
        SAP: {"username": SAP_SETTINGS.username, "password": SAP_SETTINGS.password},
        ORG: {"client_id": org.client_id, "client_secret": org.client_secret},
    }
    return System(
        system_id=name,
        kind="sap_s4hana" if name == SAP else "salesforce",
        base_url=f"http://{HOSTS[name]}",
        options={"bulk_interval_seconds": 1},
        credentials=credentials[name],
    )


def template() -> Template:
    """Made once in each process: customers, invoices and accounts."""
    if not _TEMPLATES:
        loop = asyncio.new_event_loop()
        running = asyncio.events._get_running_loop()
        asyncio.events._set_running_loop(None)
        try:
            _TEMPLATES.append(loop.run_until_complete(_made()))
        finally:
            asyncio.events._set_running_loop(running)
            loop.close()
    return _TEMPLATES[0]


async def _made() -> Template:
    clock = Clock(START)
    sap = create_sap(SAP, clock=clock, faults=Faults(), settings=SAP_SETTINGS)
    org = create_org(ORG, clock=clock, faults=Faults(), settings=OrgSettings())
    asgi = AsgiTransport({HOSTS[SAP]: sap, HOSTS[ORG]: org})
    client = SapClient(system_of(SAP), asgi)
    await seed_customers(client, CUSTOMERS)
    numbers = [
        (customer, f"INV{customer[-2:]}{n}", f"{100 * n + int(customer[-2:])}.50")
        for customer in CUSTOMERS
        for n in range(1, _INVOICES_EACH + 1)
    ]
    lines = await invoices(client, numbers, day=date(_DAY.year, _DAY.month, 1))
    by_customer: dict[str, list[dict[str, str]]] = {}
    for (customer, _, _), line in zip(numbers, lines, strict=True):
        by_customer.setdefault(customer, []).append(line)
    crm = SalesforceClient(system_of(ORG), asgi)
    accounts = [
        await crm.create("Account", {"Name": f"Account {n}", "ERP_Customer_Id__c": customer})
        for n, customer in enumerate(CUSTOMERS)
    ]
    return Template(
        pickle.dumps(sap.snapshot()), pickle.dumps(org.snapshot()), by_customer, accounts
    )


def commands_of(random: Random, made: Template) -> tuple[list[Command], set[str]]:
    """Receipts, clearings, limits, and what the CRM shows of them; and the keys that are wrong."""
    found: list[Command] = []
    poison: set[str] = set()
    for customer in CUSTOMERS:
        lines = random.sample(made.invoices[customer], random.randint(0, _INVOICES_EACH - 1))
        for line in lines:
            found += _receipt(random, customer, line, poison)
        if random.random() < 0.6:
            limit = {"limit_kind": "limited", "limit_amount": str(random.randint(2, 90) * 1000)}
            found.append(of_sap("credit_accounts", f"{customer}/1000", limit, customer))
    for n, (account, customer) in enumerate(zip(made.accounts, CUSTOMERS, strict=True)):
        if random.random() < 0.7:
            found.append(of_org("accounts", account, _account(random, n), account, customer))
        for number in range(random.randint(0, 6)):
            key = f"SAP-U001-2026-{customer}{number}-001"
            fields = invoice_fields(random, account, number)
            if random.random() < 0.04:
                fields["account_id"] = "001000000000000AAA"
                poison.add(key)
            found.append(of_org("invoices", key, fields, account))
    return found, poison


def receipt_fields(random: Random, number: str, customer: str, amount: str) -> dict[str, Any]:
    """A receipt to be posted; some have no payer that is known."""
    is_known = random.random() < 0.85
    return {
        "company_code": "U001",
        "posting_kind": "customer" if is_known else "unidentified",
        "customer": customer if is_known else None,
        "amount": format(Decimal(amount).normalize(), "f"),
        "currency_code": "USD",
        "posting_date": _DAY.isoformat(),
        "document_date": _DAY.isoformat(),
        "value_date": _DAY.isoformat(),
        "bank_gl_account": "11001000",
        "bank_reference": f"BK{number[:12]}",
        "item_text": f"Payment of {customer}",
    }


def _receipt(
    random: Random, customer: str, line: Mapping[str, str], poison: set[str]
) -> list[Command]:
    """A receipt that pays one invoice: posted, then applied when its payer is known."""
    number = f"{random.getrandbits(80):020x}"
    payload = receipt_fields(random, number, customer, line["amount"])
    if payload["customer"] is None:
        return [of_sap("journal_entries", number, payload, "unidentified")]
    if random.random() < 0.08:
        payload["customer"] = _UNKNOWN_CUSTOMER
        poison.add(number)
    journal = of_sap("journal_entries", number, payload, customer)
    clearing = {
        "company_code": "U001",
        "customer": customer,
        "currency_code": "USD",
        "posting_date": _DAY.isoformat(),
        "receipt_fiscal_year": None,
        "receipt_document": None,
        "receipt_item": None,
        "lines": [dict(line)],
    }
    after = (journal.command_id,)
    return [journal, of_sap("clearings", number, clearing, customer, after=after)]


def _account(random: Random, number: int) -> dict[str, Any]:
    return {
        "open_balance": f"{random.randint(1, 9)}{number}01.23",
        "overdue_amount": "0.3",
        "credit_hold": random.random() < 0.5,
        "status": random.choice(("Current", "Past Due", "On Hold")),
        "as_of_date": _DAY.isoformat(),
    }


def invoice_fields(random: Random, account: str, number: int) -> dict[str, Any]:
    """What the CRM is to show of an invoice."""
    return {
        "account_id": account,
        "company_code": "U001",
        "currency_code": "USD",
        "invoice_number": f"19304{number}",
        "amount": "250.5",
        "open_amount": str(random.randint(1, 250)),
        "invoice_date": "2026-10-01",
        "due_date": "2026-11-01",
        "status": "Overdue",
        "aging_bucket": "1-30",
    }


def of_sap(
    object_name: str, key: str, payload: Mapping[str, Any], lane: str, **more: Any
) -> Command:
    """A command to SAP, as the planner makes it."""
    target = GOVERNANCE.object("sap_s4hana", object_name)
    make = state if target.command_class == "state" else posting
    return make(
        key, payload, system_id=SAP, object_name=object_name, operation=target.operation,
        kind="sap_s4hana", lane=f"{SAP}/U001/{lane}", priority=target.priority, **more,
    )  # fmt: skip


def of_org(
    object_name: str, key: str, payload: Mapping[str, Any], lane: str, customer: str = ""
) -> Command:
    """A command to Salesforce, as the planner makes it."""
    target = GOVERNANCE.object("salesforce", object_name)
    return state(
        key, payload, system_id=ORG, object_name=object_name, operation=target.operation,
        kind="salesforce", lane=f"{ORG}/{lane}", priority=target.priority,
        subject={"customer_id": customer} if customer else {},
    )  # fmt: skip
