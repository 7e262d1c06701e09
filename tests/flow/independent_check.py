"""Do the CRM's books equal the ERP's? Asked with other people's clients only.

Reads SAP with pyodata, Salesforce with simple-salesforce and bank statements with the standard
library, works aging, statuses and sums out anew with ``Decimal``, and compares. It imports nothing
of the product, so that a mistake in the product's own reading or arithmetic cannot hide here.

    python -m tests.flow.independent_check data/home/sandbox/endpoints.json 2026-05-23 \\
        data/home/bank/inbox

prints what was compared; exit 0 only when nothing differs.
"""

import json
import sys
import warnings
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyodata
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce

__all__ = ["Findings", "Item", "check", "main", "read_crm", "read_items", "salesforce"]

RECEIVABLES = "12100000"
UNIDENTIFIED = "21650000"
RECEIPT_TYPE = "DZ"
RETURNED_TYPE = "DR"
ZERO = Decimal(0)
_BANK_REFERENCE_LENGTH = 16
_HUB_KEY_LENGTH = 20
_BUCKETS = {
    "AR_Current__c": 0,
    "AR_1_30__c": 30,
    "AR_31_60__c": 60,
    "AR_61_90__c": 90,
    "AR_91_120__c": 120,
}
_OLDEST = "AR_Over_120__c"
_MONEY = (*_BUCKETS, _OLDEST, "AR_Credits__c", "AR_Unapplied_Cash__c", "AR_Net__c")
_BUCKET_NAMES = dict(
    zip((*_BUCKETS, _OLDEST), ("Current", "1-30", "31-60", "61-90", "91-120", "121+"), strict=True)
)
_ITEM_FIELDS = (
    "CompanyCode,FiscalYear,AccountingDocument,AccountingDocumentItem,FinancialAccountType,"
    "GLAccount,Customer,AccountingDocumentType,PostingDate,NetDueDate,DocumentReferenceID,"
    "DocumentItemText,AssignmentReference,Reference3IDByBusinessPartner,ClearingDate,IsCleared,"
    "IsReversal,IsReversed,"
    "CompanyCodeCurrency,AmountInCompanyCodeCurrency,TransactionCurrency,"
    "AmountInTransactionCurrency"
)


@dataclass
class Findings:
    """What was compared, and every difference in words."""

    counted: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    @property
    def agree(self) -> bool:
        return not self.differences


@dataclass(frozen=True, slots=True)
class Item:
    """One line of SAP's books, amounts signed debit +."""

    company: str
    document: tuple[str, str, str]
    number: str
    account_type: str
    gl_account: str
    customer: str
    document_type: str
    posting_date: date
    due_date: date
    reference: str
    text: str
    hub_key: str
    cleared_on: date | None
    is_reversed: bool
    company_currency: str
    amount_company: Decimal
    currency: str
    amount: Decimal

    @property
    def key(self) -> str:
        """The key under which the CRM knows it."""
        return "-".join(("SAP", *self.document, self.number))

    def is_open(self, as_of: date) -> bool:
        """Open at the end of a day."""
        is_there = self.posting_date <= as_of and not self.is_reversed
        return is_there and not (self.cleared_on is not None and self.cleared_on <= as_of)

    @property
    def is_receipt(self) -> bool:
        """Money that came in: a payment on a customer, or an unidentified receipt."""
        is_customer = self.account_type == "D" and self.document_type == RECEIPT_TYPE
        is_kept = is_customer or self.gl_account == UNIDENTIFIED
        return is_kept and self.amount < 0 and not self.is_reversed

    def column(self, as_of: date) -> str:
        """The column of a CRM balance it belongs to."""
        if self.amount < 0:
            is_cash = self.document_type == RECEIPT_TYPE
            return "AR_Unapplied_Cash__c" if is_cash else "AR_Credits__c"
        days = (as_of - self.due_date).days
        return next((name for name, most in _BUCKETS.items() if days <= most), _OLDEST)


@dataclass(frozen=True, slots=True)
class Receipt:
    """One credit entry of a bank statement."""

    account: str
    reference: str
    amount: Decimal
    currency: str
    value_date: str


class _Rewrite(HTTPAdapter):
    """Sends what is meant for ``*.salesforce.com`` to the org's own address."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self._base_url = base_url

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        parts = urlsplit(request.url)
        query = f"?{parts.query}" if parts.query else ""
        request.url = f"{self._base_url}{parts.path}{query}"
        return super().send(request, *args, **kwargs)


# ---------------------------------------------------------------------- reading


def read_items(sap: Mapping[str, Any]) -> list[Item]:
    """Every line of SAP's books, with pyodata."""
    with requests.Session() as session, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own, about its dependencies
        session.trust_env = False
        session.auth = (sap["credentials"]["username"], sap["credentials"]["password"])
        address = f"{sap['base_url']}/sap/opu/odata/sap/API_OPLACCTGDOCITEMCUBE_SRV"
        entity_set = pyodata.Client(address, session).entity_sets.A_OperationalAcctgDocItemCube
        page = entity_set.get_entities().select(_ITEM_FIELDS).execute()
        found = [_item(row) for row in page]
        while page.next_url:
            page = entity_set.get_entities().next_url(page.next_url).execute()
            found += [_item(row) for row in page]
    return found


def _day(value: datetime | None) -> date | None:
    return value.date() if value is not None and value.year > 1 else None


def _number(row: Any) -> str:
    """The reference of the document; of an item that a returned payment opened, the invoice's."""
    number = row.AssignmentReference or ""
    is_returned = row.AccountingDocumentType == RETURNED_TYPE and number
    if is_returned and row.DocumentItemText == f"Returned {number}":
        return str(number)
    return row.DocumentReferenceID or ""


def _item(row: Any) -> Item:
    posting_date = row.PostingDate.date()
    is_cleared = bool(row.IsCleared)
    return Item(
        company=row.CompanyCode,
        document=(row.CompanyCode, row.FiscalYear, row.AccountingDocument),
        number=row.AccountingDocumentItem,
        account_type=row.FinancialAccountType,
        gl_account=row.GLAccount,
        customer=row.Customer or "",
        document_type=row.AccountingDocumentType,
        posting_date=posting_date,
        due_date=_day(row.NetDueDate) or posting_date,
        reference=_number(row),
        text=row.DocumentItemText or "",
        hub_key=row.Reference3IDByBusinessPartner or "",
        cleared_on=(_day(row.ClearingDate) or posting_date) if is_cleared else None,
        is_reversed=bool(row.IsReversal or row.IsReversed),
        company_currency=row.CompanyCodeCurrency,
        amount_company=Decimal(row.AmountInCompanyCodeCurrency),
        currency=row.TransactionCurrency,
        amount=Decimal(row.AmountInTransactionCurrency),
    )


@contextmanager
def salesforce(crm: Mapping[str, Any]) -> Iterator[Salesforce]:
    """simple-salesforce, as it is published, signed in to an org."""
    secrets = crm["credentials"]
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", _Rewrite(crm["base_url"]))
        yield Salesforce(
            username=secrets["username"],
            password=secrets["password"],
            security_token=secrets["security_token"],
            session=session,
            version="59.0",
            parse_float=Decimal,
        )


def read_crm(crm: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Accounts, balances and invoices, with simple-salesforce."""
    queries = {
        "accounts": "SELECT Id, ERP_Customer_Id__c FROM Account",
        "balances": "SELECT ERP_Balance_Key__c, Account__c, Company_Code__c, CurrencyIsoCode, "
        f"{', '.join(_MONEY)} FROM AR_Balance__c",
        "invoices": "SELECT ERP_Invoice_Key__c, Account__c, Company_Code__c, CurrencyIsoCode, "
        "Invoice_Number__c, Amount__c, Open_Amount__c, Due_Date__c, Status__c, Aging_Bucket__c "
        "FROM AR_Invoice__c",
    }
    with salesforce(crm) as client:
        return {name: list(client.query_all_iter(query)) for name, query in queries.items()}


def read_receipts(folder: Path) -> list[Receipt]:
    """Every credit entry of every statement in a folder, each once; unreadable files give none."""
    found: dict[Receipt, None] = {}
    for path in sorted(folder.glob("*.xml")):
        try:
            root = ET.parse(path).getroot()
        except ET.ParseError:
            continue
        for receipt in _entries(root):
            found[receipt] = None
    return list(found)


def _entries(root: ET.Element) -> Iterator[Receipt]:
    for statement in root.findall(".//{*}Stmt"):
        account = statement.findtext("{*}Acct/{*}Id/{*}IBAN") or ""
        for entry in statement.findall("{*}Ntry"):
            amount = entry.find("{*}Amt")
            if amount is None or entry.findtext("{*}CdtDbtInd") != "CRDT":
                continue
            yield Receipt(
                account,
                (entry.findtext("{*}AcctSvcrRef") or "").upper(),
                Decimal(amount.text or "0"),
                amount.get("Ccy", ""),
                entry.findtext("{*}ValDt/{*}Dt") or "",
            )


# ---------------------------------------------------------------------- comparing


def check(endpoints: Mapping[str, Any], as_of: date, bank_folder: Path) -> Findings:
    """Compare all books as of a date."""
    systems = endpoints["systems"]
    (sap,) = (one for one in systems.values() if one["kind"] == "sap_s4hana")
    (crm,) = (one for one in systems.values() if one["kind"] == "salesforce")
    items, rows = read_items(sap), read_crm(crm)
    findings = Findings()
    _compare_journals(items, findings)
    _compare_postings(items, read_receipts(bank_folder), findings)
    accounts = _linked(rows["accounts"], findings)
    _compare_balances(items, rows["balances"], accounts, as_of, findings)
    _compare_invoices(items, rows["invoices"], accounts, as_of, findings)
    return findings


def _compare_journals(items: list[Item], findings: Findings) -> None:
    """Debits = credits in every document, and so per company code."""
    documents: dict[tuple[str, ...], Decimal] = defaultdict(Decimal)
    for item in items:
        documents[(*item.document, item.currency)] += item.amount
        documents[(*item.document, "company currency", item.company_currency)] += (
            item.amount_company
        )
    companies: dict[str, list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
    for item in items:
        companies[item.company][item.amount_company < 0] += abs(item.amount_company)
    findings.counted["documents"] = len({item.document for item in items})
    findings.counted["companies"] = len(companies)
    findings.differences += [f"{key} is out of balance by {v}" for key, v in documents.items() if v]
    for company, (debit, credit) in companies.items():
        if debit != credit:
            findings.differences.append(f"{company}: debits {debit}, credits {credit}")


def _compare_postings(items: list[Item], receipts: list[Receipt], findings: Findings) -> None:
    """Each bank receipt has exactly one posting, whoever booked it."""
    by_reference: dict[tuple[str, Decimal, str], set[tuple[str, str, str]]] = defaultdict(set)
    by_hub_key: dict[str, set[tuple[str, str, str]]] = defaultdict(set)
    by_the_erp = 0
    for item in items:
        if not item.is_receipt:
            continue
        reference = item.reference.upper()
        by_reference[reference, -item.amount, item.currency].add(item.document)
        is_unidentified = item.gl_account == UNIDENTIFIED
        hub_key = item.text[:_HUB_KEY_LENGTH] if is_unidentified else item.hub_key
        if hub_key:
            by_hub_key[hub_key].add(item.document)
        by_the_erp += not hub_key
    received = Counter(
        (receipt.reference[:_BANK_REFERENCE_LENGTH], receipt.amount, receipt.currency)
        for receipt in receipts
    )
    for place, times in received.items():
        postings = by_reference[place]
        if len(postings) != times:
            findings.differences.append(
                f"receipt {place} came {times} times and has {len(postings)} postings: "
                f"{sorted(postings)}"
            )
    for hub_key, documents in by_hub_key.items():
        if len(documents) != 1:
            findings.differences.append(f"key {hub_key} has {len(documents)} documents")
    findings.counted["receipts"] = len(receipts)
    findings.counted["postings by the hub"] = len(by_hub_key)
    findings.counted["receipt items by the ERP"] = by_the_erp


def _linked(accounts: list[dict[str, Any]], findings: Findings) -> dict[str, str]:
    """Customer number to its CRM account, where exactly one account carries the number."""
    by_number: dict[str, list[str]] = defaultdict(list)
    for row in accounts:
        number = str(row["ERP_Customer_Id__c"] or "").strip()
        if number:
            padded = number.zfill(10) if number.isdigit() else number
            by_number[padded].append(row["Id"])
    linked = {number: ids[0] for number, ids in by_number.items() if len(ids) == 1}
    findings.counted["accounts"] = len(accounts)
    findings.counted["linked accounts"] = len(linked)
    return linked


def _compare_balances(
    items: list[Item],
    rows: list[dict[str, Any]],
    accounts: dict[str, str],
    as_of: date,
    findings: Findings,
) -> None:
    """Buckets, credits, unapplied cash and net per account, company and currency."""
    wanted: dict[tuple[str, str, str], dict[str, Decimal]] = {}
    for item in items:
        account = accounts.get(item.customer)
        if item.account_type != "D" or account is None or not item.is_open(as_of):
            continue
        place = account, item.company, item.currency
        sums = wanted.setdefault(place, dict.fromkeys(_MONEY, ZERO))
        sums[item.column(as_of)] += item.amount
        sums["AR_Net__c"] += item.amount
    shown = {
        (row["Account__c"], row["Company_Code__c"], row["CurrencyIsoCode"]): row for row in rows
    }
    if len(shown) != len(rows):
        findings.differences.append("an account, company and currency has two balances")
    for place in sorted(set(wanted) | {one for one in shown if one[0] in accounts.values()}):
        row = shown.get(place, {})
        sums = wanted.get(place) or dict.fromkeys(_MONEY, ZERO)
        if place in wanted and not row:
            findings.differences.append(f"balance {place} is not in the CRM")
            continue
        for name in _MONEY:
            if _money(row.get(name)) != sums[name]:
                findings.differences.append(
                    f"balance {place} {name}: CRM {row.get(name)}, SAP {sums[name]}"
                )
        findings.counted["balances"] += 1
        findings.counted["balance figures"] += len(_MONEY)


def _compare_invoices(
    items: list[Item],
    rows: list[dict[str, Any]],
    accounts: dict[str, str],
    as_of: date,
    findings: Findings,
) -> None:
    """Status, open amount, due date and bucket of every invoice the CRM should or does show."""
    invoices = {
        item.key: item
        for item in items
        if item.account_type == "D" and item.amount >= 0 and item.posting_date <= as_of
    }
    shown = {row["ERP_Invoice_Key__c"]: row for row in rows}
    for key, item in invoices.items():
        if item.is_open(as_of) and item.customer in accounts and key not in shown:
            findings.differences.append(f"invoice {key} is open in SAP and not in the CRM")
    for key, row in shown.items():
        found = invoices.get(key)
        if row["Account__c"] not in accounts.values():
            continue
        if found is None:
            findings.differences.append(f"invoice {key} is in the CRM and not in SAP")
            continue
        findings.counted["invoices"] += 1
        findings.counted[f"invoices {row['Status__c']}"] += 1
        for name, value, wanted in _invoice_facts(row, found, accounts, as_of):
            if value != wanted:
                findings.differences.append(f"invoice {key} {name}: CRM {value}, SAP {wanted}")


def _invoice_facts(
    row: Mapping[str, Any], item: Item, accounts: Mapping[str, str], as_of: date
) -> Iterator[tuple[str, Any, Any]]:
    """What the CRM says and what SAP says, field by field."""
    is_open = item.is_open(as_of)
    is_late = item.due_date < as_of
    status = ("Overdue" if is_late else "Open") if is_open else "Paid"
    bucket = _BUCKET_NAMES[item.column(as_of)] if is_open else "Paid"
    yield "account", row["Account__c"], accounts.get(item.customer)
    yield "company", row["Company_Code__c"], item.company
    yield "currency", row["CurrencyIsoCode"], item.currency
    yield "number", row["Invoice_Number__c"], item.reference or row["Invoice_Number__c"]
    yield "amount", _money(row["Amount__c"]), item.amount
    yield "open amount", _money(row["Open_Amount__c"]), item.amount if is_open else ZERO
    yield "due date", row["Due_Date__c"], item.due_date.isoformat()
    yield "status", row["Status__c"], status
    yield "bucket", row["Aging_Bucket__c"], bucket


def _money(value: Any) -> Decimal:
    return ZERO if value is None else Decimal(str(value))


def main(arguments: list[str]) -> int:
    """The command line: endpoints file, as-of date, bank folder."""
    endpoints_file, as_of, bank_folder = arguments
    endpoints = json.loads(Path(endpoints_file).read_text(encoding="utf-8"))
    findings = check(endpoints, date.fromisoformat(as_of), Path(bank_folder))
    for name, count in sorted(findings.counted.items()):
        print(f"{name:<28}{count:>10,}")
    for difference in findings.differences[:50]:
        print(f"DIFFERS  {difference}")
    print(f"{len(findings.differences):,} differences")
    return 0 if findings.agree else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
