"""Is every receipt in its ERP exactly once? Asked of all ERPs with other people's clients only.

NetSuite is asked with ``netsuite``, Workday with ``zeep``, Dynamics 365 and Tryton with plain
``requests``, SAP as in ``independent_check``; bank statements are read with the standard library.
It imports nothing of the product, so that a mistake in the product's own clients cannot hide here.

    python -m tests.flow.independent_erps data/home/sandbox/endpoints.json data/home/bank/inbox

prints what was counted; exit 0 only when nothing differs.
"""

import asyncio
import json
import sys
import warnings
from base64 import b64encode
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import requests
import zeep
from zeep.wsse.username import UsernameToken

from tests.flow.independent_check import UNIDENTIFIED, Findings, read_items, read_receipts

with warnings.catch_warnings():
    # authlib announces its own successor when it is imported, and asks to be always heard.
    from authlib.deprecate import AuthlibDeprecationWarning

    warnings.simplefilter("ignore", AuthlibDeprecationWarning)
    import netsuite

__all__ = ["Books", "Posting", "check", "main", "read_books"]

ZERO = Decimal(0)
_REFERENCE_LENGTH, _KEY_LENGTH = 16, 20
_HUB_PREFIX = "LLP-"
_BASE32 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
_PAGE_ROWS = 500
_D365_UNIDENTIFIED, _TRYTON_UNIDENTIFIED = "201150", "2.9.9"
_SECONDS_MAX = 60

Endpoint = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Posting:
    """Money that came in, as an ERP shows it. ``key`` is the hub's, empty on others' bookings."""

    document: str
    key: str
    reference: str
    amount: Decimal
    currency: str
    is_unidentified: bool = False


@dataclass(frozen=True, slots=True)
class Books:
    """What one ERP holds: receipts, and by company what its debits are more than its credits."""

    postings: list[Posting]
    sums: dict[str, Decimal]


# ---------------------------------------------------------------------- reading


def _sap(entry: Endpoint) -> Books:
    items = read_items(entry)
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for item in items:
        sums[item.company] += item.amount_company
    postings = [
        Posting(
            "/".join(item.document),
            item.text[:_KEY_LENGTH] if item.gl_account == UNIDENTIFIED else item.hub_key,
            item.reference,
            -item.amount,
            item.currency,
            item.gl_account == UNIDENTIFIED,
        )
        for item in items
        if item.is_receipt
    ]
    return Books(postings, dict(sums))


_NS_RECEIPTS = """
SELECT t.id, t.externalid, t.otherrefnum AS reference, t.foreigntotal AS amount, u.symbol
FROM transaction t JOIN currency u ON u.id = t.currency
WHERE t.type = 'CustPymt' AND t.voided = 'F' ORDER BY t.id"""
_NS_UNIDENTIFIED = f"""
SELECT t.id, t.externalid, t.memo AS reference, 0 - x.amount AS amount, u.symbol
FROM transactionaccountingline x JOIN transaction t ON t.id = x.transaction
JOIN account a ON a.id = x.account JOIN currency u ON u.id = t.currency
WHERE a.acctnumber = '{UNIDENTIFIED}' AND x.amount < 0 ORDER BY t.id"""
_NS_SUMS = """
SELECT l.subsidiary, SUM(x.amount) AS amount FROM transactionaccountingline x
JOIN transactionline l ON l.transaction = x.transaction AND l.id = x.transactionline
GROUP BY l.subsidiary ORDER BY l.subsidiary"""


def _netsuite(entry: Endpoint) -> Books:
    """With the PyPI client, whose own way to another address is ``_make_url``."""
    secrets = entry["credentials"]

    class Loopback(netsuite.NetSuiteRestApi):
        def _make_url(self, subpath: str) -> str:
            return f"{entry['base_url']}/services/rest{subpath}"

    names = ("consumer_key", "consumer_secret", "token_id", "token_secret")
    auth = netsuite.TokenAuth(**{name: secrets[name] for name in names})
    api = Loopback(netsuite.Config(account=secrets["account_id"], auth=auth))

    async def rows(query: str) -> list[dict[str, str]]:
        found: list[dict[str, str]] = []
        while True:
            page = await api.suiteql(q=" ".join(query.split()), limit=_PAGE_ROWS, offset=len(found))
            found += page["items"]
            if not page["hasMore"]:
                return found

    async def whole() -> list[list[dict[str, str]]]:
        return [await rows(one) for one in (_NS_RECEIPTS, _NS_UNIDENTIFIED, _NS_SUMS)]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names of httpx and oauthlib that both would rather lose
        receipts, unidentified, sums = asyncio.run(whole())
    postings = [
        Posting(
            row["id"],
            _hub_key(row.get("externalid", "")),
            row.get("reference", ""),
            Decimal(row["amount"]),
            row["symbol"],
            is_unidentified,
        )
        for is_unidentified, held in ((False, receipts), (True, unidentified))
        for row in held
    ]
    return Books(postings, {row["subsidiary"]: Decimal(row["amount"]) for row in sums})


def _hub_key(reference_id: str) -> str:
    """The hub's key in an external id of its own form."""
    is_ours = reference_id.startswith(_HUB_PREFIX)
    return reference_id.removeprefix(_HUB_PREFIX)[:_KEY_LENGTH] if is_ours else ""


@contextmanager
def _session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


def _dynamics(entry: Endpoint) -> Books:
    """With ``requests`` as a generic OData client."""
    secrets, base_url = entry["credentials"], entry["base_url"]
    with _session() as session:
        token_url = secrets.get("token_url") or f"/{secrets['tenant']}/oauth2/v2.0/token"
        answer = session.post(
            token_url if "://" in token_url else base_url + token_url,
            data={
                "grant_type": "client_credentials",
                "client_id": secrets["client_id"],
                "client_secret": secrets["client_secret"],
                "scope": f"{base_url}/.default",
            },
            timeout=_SECONDS_MAX,
        )
        session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

        def rows(entity_set: str, condition: str = "") -> list[dict[str, Any]]:
            url = f"{base_url}/data/{entity_set}?cross-company=true"
            url += f"&$filter={condition}" if condition else ""
            found: list[dict[str, Any]] = []
            while url:
                page = json.loads(
                    session.get(url, timeout=_SECONDS_MAX).content, parse_float=Decimal
                )
                found += page["value"]
                url = page.get("@odata.nextLink", "")
            return found

        transactions = rows("CustTransOpenEntities")
        unknown = rows(
            "GeneralJournalAccountEntryEntities", f"MainAccount eq '{_D365_UNIDENTIFIED}'"
        )
        balances = rows("MainAccountBalanceEntities")
    postings = [
        Posting(
            f"{row['dataAreaId']}/{row['RecId']}",
            row["PaymReference"],
            row["PaymId"],
            -Decimal(row["AmountCur"]),
            row["CurrencyCode"],
        )
        for row in transactions
        if row["TransType"] == "Payment" and row["IsReversed"] == row["IsReversal"] == "No"
    ]
    postings += [
        Posting(
            f"{row['dataAreaId']}/{row['RecId']}",
            row["PaymentReference"],
            row["DocumentNumber"],
            -Decimal(row["TransactionCurrencyAmount"]),
            row["TransactionCurrencyCode"],
            is_unidentified=True,
        )
        for row in unknown
    ]
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in balances:
        sums[row["dataAreaId"]] += Decimal(row["AccountingCurrencyAmount"])
    return Books([one for one in postings if one.amount > 0], dict(sums))


def _workday(entry: Endpoint) -> Books:
    """With zeep, from the tenant's own WSDL; balances by the report, with ``requests``."""
    secrets, base_url = entry["credentials"], entry["base_url"]
    tenant, user, password = secrets["tenant"], secrets["username"], secrets["password"]
    user = user.partition("@")[0]
    with _session() as session:
        token = UsernameToken(f"{user}@{tenant}", password)
        transport = zeep.Transport(session=session)
        wsdl = f"{base_url}/ccx/service/{tenant}/Revenue_Management/v43.0?wsdl"
        service = zeep.Client(wsdl, wsse=token, transport=transport).service
        postings, page, pages = [], 1, 1
        while page <= pages:
            answer = service.Get_Customer_Payments(
                Response_Filter={"Page": page, "Count": _PAGE_ROWS},
                Response_Group={"Include_Reference": True},
            )
            pages = int(answer.Response_Results.Total_Pages)
            rows = (
                answer.Response_Data.Customer_Payment_for_Invoices if answer.Response_Data else []
            )
            for row in rows:
                data = row.Customer_Payment_Data
                (currency,) = (
                    one._value_1
                    for one in data.Payment_Currency_Reference.ID
                    if one.type == "Currency_ID"
                )
                postings.append(
                    Posting(
                        row.Customer_Payment_for_Invoices_Reference.ID[0]._value_1,
                        _hub_key(data.Customer_Payment_for_Invoices_Reference_ID or ""),
                        data.Payment_Number or "",
                        Decimal(data.Payment_Amount),
                        currency,
                    )
                )
            page += 1
        report = session.get(
            f"{base_url}/ccx/service/customreport2/{tenant}/{user}/"
            "Ledgerloop_Ledger_Account_Balances?format=json",
            auth=(f"{user}@{tenant}", password),
            timeout=_SECONDS_MAX,
        ).json()
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in report["Report_Entry"]:
        sums[row["Company_Reference_ID"]] += Decimal(row["Ending_Balance"])
    return Books(postings, dict(sums))


def _tryton(entry: Endpoint) -> Books:
    """With ``requests`` over JSON-RPC; a posted move that another one cancels counts no more."""
    secrets, url = entry["credentials"], f"{entry['base_url']}/rpc/"
    with _session() as session:

        def call(method: str, *parameters: Any) -> Any:
            body = {"id": 1, "method": method, "params": list(parameters)}
            answer = session.post(url, json=body, timeout=_SECONDS_MAX)
            return json.loads(answer.content, object_hook=_tryton_value)["result"]

        user, password = secrets["username"], secrets["password"]
        number, ticket, *_ = call("common.db.login", user, {"password": password}, "en")
        sign = b64encode(f"{user}:{number}:{ticket}".encode()).decode()
        session.headers["Authorization"] = f"Session {sign}"
        fields = [
            "move", "move.description", "move.origin", "move.journal.type", "debit", "credit",
            "amount_second_currency", "second_currency.code", "account.code", "account.company",
            "account.company.currency.code", "account.type.receivable",
        ]  # fmt: skip
        domain = [["move.state", "=", "posted"]]
        lines = call("model.account.move.line.search_read", domain, 0, None, None, fields, {})
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for line in lines:
        sums[str(line["account."]["company"])] += line["debit"] - line["credit"]
    return Books(list(_tryton_postings(lines)), dict(sums))


def _tryton_value(value: dict[str, Any]) -> Any:
    return Decimal(value["decimal"]) if value.get("__class__") == "Decimal" else value


def _tryton_postings(lines: list[dict[str, Any]]) -> Iterator[Posting]:
    texts = {f"account.move,{one['move']}": one["move."]["description"] or "" for one in lines}
    origins = {one["move"]: one["move."]["origin"] for one in lines if one["move."]["origin"]}
    cancelled = {
        f"account.move,{move}": origin
        for move, origin in origins.items()
        if texts.get(origin) == texts[f"account.move,{move}"]
    }
    gone = {*cancelled, *cancelled.values()}
    for line in lines:
        account, name = line["account."], f"account.move,{line['move']}"
        is_ours = account["type."]["receivable"] or account["code"] == _TRYTON_UNIDENTIFIED
        is_cash = line["move."]["journal."]["type"] in ("cash", "bank")
        is_divided = origins.get(line["move"]) in texts
        if not (is_ours and is_cash) or line["credit"] <= 0 or is_divided or name in gone:
            continue
        key, _, reference = texts[name].partition(" ")
        is_key = len(key) == _KEY_LENGTH and not set(key) - _BASE32
        second = line.get("second_currency.")
        yield Posting(
            str(line["move"]),
            key if is_key else "",
            reference if is_key else texts[name],
            -line["amount_second_currency"] if second else line["credit"],
            second["code"] if second else account["company."]["currency."]["code"],
            account["code"] == _TRYTON_UNIDENTIFIED,
        )


_READERS: Mapping[str, Callable[[Endpoint], Books]] = {
    "sap_s4hana": _sap,
    "netsuite": _netsuite,
    "dynamics365_finance": _dynamics,
    "workday": _workday,
    "tryton": _tryton,
}


def read_books(endpoints: Mapping[str, Any]) -> dict[str, Books]:
    """The receipts of every ERP that runs, by system."""
    return {
        system_id: _READERS[entry["kind"]](entry)
        for system_id, entry in endpoints["systems"].items()
        if entry["kind"] in _READERS
    }


# ---------------------------------------------------------------------- comparing


def check(endpoints: Mapping[str, Any], bank_folder: Path) -> Findings:
    """Every bank receipt in one posting of the bank's amount, every key in one document."""
    books = read_books(endpoints)
    findings = Findings()
    wanted = Counter(
        (one.reference[:_REFERENCE_LENGTH], one.amount, one.currency)
        for one in read_receipts(bank_folder)
    )
    held: dict[tuple[str, Decimal, str], list[str]] = defaultdict(list)
    for system_id, one in books.items():
        postings = _without_moved(one.postings)
        keys: dict[str, set[str]] = defaultdict(set)
        for posting in postings:
            reference = posting.reference.upper()[:_REFERENCE_LENGTH]
            held[reference, posting.amount, posting.currency].append(
                f"{system_id} {posting.document}"
            )
        for posting in one.postings:
            if posting.key:
                keys[posting.key].add(posting.document)
        findings.counted[f"{system_id}: postings by the hub"] = len(keys)
        findings.counted[f"{system_id}: postings by others"] = sum(not p.key for p in one.postings)
        findings.differences += [
            f"{system_id}: key {key} has {len(documents)} documents"
            for key, documents in keys.items()
            if len(documents) != 1
        ]
        findings.differences += [
            f"{system_id}: {company} is out of balance by {rest}"
            for company, rest in one.sums.items()
            if rest
        ]
    for place, times in wanted.items():
        if len(held[place]) != times:
            findings.differences.append(
                f"receipt {place} came {times} times and has {len(held[place])} postings: "
                f"{held[place]}"
            )
    findings.counted["receipts"] = wanted.total()
    return findings


def _without_moved(postings: list[Posting]) -> list[Posting]:
    """Each receipt where it stands now: a payment that came from an unidentified one names it."""
    unidentified = {
        (one.document.rpartition("/")[2], one.amount): one
        for one in postings
        if one.is_unidentified
    }
    found, moved = [], set()
    for one in postings:
        origin = unidentified.get((one.reference, one.amount))
        if origin is not None and not one.is_unidentified:
            moved.add(origin)
            one = replace(one, reference=origin.reference)
        found.append(one)
    return [one for one in found if one not in moved]


def main(arguments: list[str]) -> int:
    """The command line: endpoints file, bank folder."""
    endpoints_file, bank_folder = arguments
    endpoints = json.loads(Path(endpoints_file).read_text(encoding="utf-8"))
    findings = check(endpoints, Path(bank_folder))
    for name, count in sorted(findings.counted.items()):
        print(f"{name:<40}{count:>10,}")
    for difference in findings.differences[:50]:
        print(f"DIFFERS  {difference}")
    print(f"{len(findings.differences):,} differences")
    return 0 if findings.agree else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
