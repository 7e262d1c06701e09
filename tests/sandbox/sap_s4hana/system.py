"""A served S/4HANA sandbox for tests, with the requests that most of them need."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import requests

from sandbox.core.clock import Clock
from sandbox.core.faults import Faults
from sandbox.sap_s4hana import SapApp, SapSettings, create_app

SFIN = "http://sap.com/xi/SAPSCORE/SFIN"
ITEMS = "API_OPLACCTGDOCITEMCUBE_SRV/A_OperationalAcctgDocItemCube"
CREDIT = "API_CRDTMBUSINESSPARTNER"
ORDERS = "API_SALES_ORDER_SRV/A_SalesOrder"
BLOCKED = "API_SLS_DOC_WITH_CREDIT_BLOCK"
CUSTOMER = "0140105686"


class SapSystem:
    """The app behind a real port, and a signed-in session with its CSRF token."""

    def __init__(self, serve: Callable[..., str], **settings: Any) -> None:
        self.clock = Clock(datetime(2020, 3, 15, 12, tzinfo=UTC), monotonic=lambda: 0.0)
        self.faults = Faults()
        self.settings = SapSettings(**settings)
        self.app: SapApp = create_app(
            "sap_emea", clock=self.clock, faults=self.faults, settings=self.settings
        )
        self.url = serve(self.app)
        self.odata = f"{self.url}/sap/opu/odata/sap"
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.auth = (self.settings.username, self.settings.password)
        self.session.headers["accept"] = "application/json"
        self.fetch_token()

    def close(self) -> None:
        self.session.close()

    def fetch_token(self) -> None:
        answer = self.session.get(
            f"{self.odata}/API_BUSINESS_PARTNER/", headers={"x-csrf-token": "Fetch"}
        )
        self.session.headers["x-csrf-token"] = answer.headers["x-csrf-token"]

    def get(self, path: str, **options: str) -> requests.Response:
        params = {f"${name}": value for name, value in options.items()}
        return self.session.get(f"{self.odata}/{path}", params=params)

    def rows(self, path: str, **options: str) -> list[dict[str, Any]]:
        answer = self.get(path, **options)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["d"]["results"])

    def post(self, path: str, tree: dict[str, Any] | None = None) -> requests.Response:
        return self.session.post(f"{self.odata}/{path}", json=tree)

    def patch(self, path: str, tree: dict[str, Any], if_match: str = "*") -> requests.Response:
        headers = {"If-Match": if_match} if if_match else {}
        return self.session.patch(f"{self.odata}/{path}", json=tree, headers=headers)

    # -- master data ------------------------------------------------------------------------

    def make_customer(self, number: str = CUSTOMER, company: str = "U001") -> None:
        answer = self.post(
            "API_BUSINESS_PARTNER/A_BusinessPartner",
            {
                "BusinessPartner": number,
                "BusinessPartnerCategory": "2",
                "OrganizationBPName1": "Sysco Foods",
                "to_Customer": {"to_CustomerCompany": [{"CompanyCode": company}]},
            },
        )
        assert answer.status_code == 201, answer.text

    def make_credit_account(self, **fields: Any) -> None:
        answer = self.post(
            f"{CREDIT}/CreditMgmtBusinessPartner",
            {
                "BusinessPartner": CUSTOMER,
                "to_CreditMgmtAccountTP": {"results": [{"CreditSegment": "1000", **fields}]},
            },
        )
        assert answer.status_code == 201, answer.text

    def make_order(self, amount: str, customer: str = CUSTOMER) -> dict[str, Any]:
        answer = self.post(
            ORDERS,
            {
                "SalesOrganization": "U001",
                "SoldToParty": customer,
                "TotalNetAmount": amount,
                "TransactionCurrency": "USD",
            },
        )
        assert answer.status_code == 201, answer.text
        return dict(answer.json()["d"])

    # -- journals ---------------------------------------------------------------------------

    def soap(self, service: str, body: str) -> requests.Response:
        return self.session.post(
            f"{self.url}/sap/bc/srt/scs_ext/sap/{service}",
            data=body.encode(),
            headers={"content-type": "text/xml; charset=utf-8"},
        )

    def post_entries(self, *entries: str, message_id: str = "M1") -> requests.Response:
        return self.soap("journalentrycreaterequestconfi", create_message(message_id, *entries))

    def clear(self, *requests_: str, message_id: str = "C1") -> requests.Response:
        return self.soap("journalentrybulkclearingreques", clear_message(message_id, *requests_))

    def item(self, document: str, position: str = "001") -> dict[str, Any]:
        key = (
            f"CompanyCode='U001',FiscalYear='2020',AccountingDocument='{document}',"
            f"AccountingDocumentItem='{position}'"
        )
        return dict(self.get(f"{ITEMS}({key})").json()["d"])

    def wait(self, seconds: int = 60) -> None:
        """Let time pass, so that waiting clearings are worked on."""
        self.clock.set(self.clock.now() + timedelta(seconds=seconds))

    def ledger(self) -> dict[str, Any]:
        return dict(self.app.ledger())


def envelope(name: str, message_id: str, entries: str) -> str:
    return (
        '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
        f'xmlns:sfin="{SFIN}"><soapenv:Header/><soapenv:Body><sfin:{name}>'
        f"<MessageHeader><ID>{message_id}</ID><CreationDateTime>2020-03-15T12:00:00Z"
        f"</CreationDateTime></MessageHeader>{entries}</sfin:{name}></soapenv:Body>"
        "</soapenv:Envelope>"
    )


def create_message(message_id: str, *entries: str) -> str:
    return envelope("JournalEntryBulkCreateRequest", message_id, "".join(entries))


def clear_message(message_id: str, *entries: str) -> str:
    return envelope("JournalEntryBulkClearingRequest", message_id, "".join(entries))


def debtor(amount: str, customer: str = CUSTOMER, number: int = 1, **more: str) -> str:
    extra = "".join(f"<{name}>{text}</{name}>" for name, text in more.items())
    return (
        f"<DebtorItem><ReferenceDocumentItem>{number}</ReferenceDocumentItem>"
        f"<Debtor>{customer}</Debtor><AmountInTransactionCurrency currencyCode='USD'>{amount}"
        f"</AmountInTransactionCurrency>{extra}</DebtorItem>"
    )


def general(account: str, amount: str, number: int = 2, **more: str) -> str:
    extra = "".join(f"<{name}>{text}</{name}>" for name, text in more.items())
    return (
        f"<Item><ReferenceDocumentItem>{number}</ReferenceDocumentItem>"
        f"<GLAccount>{account}</GLAccount>"
        f"<AmountInTransactionCurrency currencyCode='USD'>{amount}"
        f"</AmountInTransactionCurrency>{extra}</Item>"
    )


def entry(
    entry_id: str,
    *items: str,
    kind: str = "RV",
    company: str = "U001",
    posting_date: date = date(2020, 3, 2),
    reference: str = "",
    more: str = "",
) -> str:
    return (
        f"<JournalEntryCreateRequest><MessageHeader><ID>{entry_id}</ID>"
        "<CreationDateTime>2020-03-15T12:00:00Z</CreationDateTime></MessageHeader><JournalEntry>"
        "<OriginalReferenceDocumentType>BKPFF</OriginalReferenceDocumentType>"
        "<BusinessTransactionType>RFBU</BusinessTransactionType>"
        f"<AccountingDocumentType>{kind}</AccountingDocumentType>"
        f"<DocumentReferenceID>{reference}</DocumentReferenceID>{more}"
        "<CreatedByUser>LEDGERLOOP</CreatedByUser>"
        f"<CompanyCode>{company}</CompanyCode><DocumentDate>2020-03-02</DocumentDate>"
        f"<PostingDate>{posting_date.isoformat()}</PostingDate>{''.join(items)}"
        "</JournalEntry></JournalEntryCreateRequest>"
    )


def invoice(entry_id: str, amount: str, **more: str) -> str:
    return entry(
        entry_id,
        debtor(amount),
        general("41000000", f"-{amount}"),
        reference=f"R{entry_id}",
        **more,
    )


def receipt(entry_id: str, amount: str, key: str = "", reference: str = "") -> str:
    return entry(
        entry_id,
        debtor(f"-{amount}", Reference3IDByBusinessPartner=key),
        general("11001000", amount),
        kind="DZ",
        reference=reference,
    )


def clearing(entry_id: str, *items: tuple[str, str], more: str = "") -> str:
    """A clearing request over (document, item) pairs of the one customer."""
    lines = "".join(
        "<APARItems><AccountType>D</AccountType>"
        f"<APARAccount>{CUSTOMER}</APARAccount><FiscalYear>2020</FiscalYear>"
        f"<AccountingDocument>{document}</AccountingDocument>"
        f"<AccountingDocumentItem>{position}</AccountingDocumentItem>"
        f"{more if place == 0 else ''}</APARItems>"
        for place, (document, position) in enumerate(items)
    )
    return (
        f"<JournalEntryClearingRequest><MessageHeader><ID>{entry_id}</ID>"
        "<CreationDateTime>2020-03-15T12:00:00Z</CreationDateTime></MessageHeader><JournalEntry>"
        "<CompanyCode>U001</CompanyCode><AccountingDocumentType>AB</AccountingDocumentType>"
        "<DocumentDate>2020-03-10</DocumentDate><PostingDate>2020-03-10</PostingDate>"
        f"<CurrencyCode>USD</CurrencyCode>{lines}</JournalEntry></JournalEntryClearingRequest>"
    )
