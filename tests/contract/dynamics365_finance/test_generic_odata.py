"""``requests`` as a generic OData v4 client, unmodified, against the sandbox over real sockets."""

import io
import json
import zipfile
from decimal import Decimal
from typing import Any

import requests
from lxml import etree

from tests.contract.dynamics365_finance.conftest import Environment

KEY = "CustomersV3(dataAreaId='usmf',CustomerAccount='C1')"
NOON = "2026-05-22T12:00:00Z"
NAMESPACE = "Microsoft.Dynamics.DataEntities"


def invoice(number: str, amount: str) -> dict[str, Any]:
    return {"number": number, "amount": amount}


def batch(*change_sets: list[tuple[str, str, str]], url: str = "") -> tuple[str, dict[str, str]]:
    """A multipart body by hand: method, path and JSON text of every operation."""
    lines = []
    for number, operations in enumerate(change_sets):
        lines += ["--b", f"Content-Type: multipart/mixed; boundary=c{number}", ""]
        for place, (method, path, body) in enumerate(operations):
            lines += [
                f"--c{number}", "Content-Type: application/http",
                "Content-Transfer-Encoding: binary", f"Content-ID: {place}", "",
                f"{method} {url}/data/{path} HTTP/1.1", "Content-Type: application/json", "", body,
            ]  # fmt: skip
        lines += [f"--c{number}--"]
    text = "\r\n".join([*lines, "--b--", ""])
    return text, {"Content-Type": "multipart/mixed; boundary=b"}


def post_invoices(environment: Environment, *invoices: dict[str, Any]) -> requests.Response:
    change_sets = []
    for one in invoices:
        common = {"dataAreaId": "usmf", "ExternalInvoiceId": one["number"]}
        header = {
            **common, "CustomerAccount": "C1", "InvoiceId": one["number"],
            "CurrencyCode": "USD", "InvoiceDate": NOON,
        }  # fmt: skip
        line = json.dumps({**common, "MainAccountDisplayValue": "401100"})
        line = line[:-1] + f', "TransactionCurrencyAmount": {one["amount"]}}}'
        change_sets.append(
            [
                ("POST", "FreeTextInvoiceHeaders", json.dumps(header)),
                ("POST", "FreeTextInvoiceLines", line),
            ]
        )
    body, headers = batch(*change_sets, url=environment.url)
    return environment.call("POST", "$batch", data=body, headers=headers)


def rows(environment: Environment, path: str) -> list[dict[str, Any]]:
    """All pages, by the next-links as they come."""
    found, answer = [], environment.call("GET", path)
    while True:
        page = json.loads(answer.content, parse_float=Decimal)
        found += page["value"]
        if "@odata.nextLink" not in page:
            return found
        answer = environment.session.get(page["@odata.nextLink"], timeout=10)


def test_without_a_good_token_nothing_is_answered(environment: Environment) -> None:
    wrong = environment.session.post(
        f"{environment.url}/{environment.settings.tenant}/oauth2/v2.0/token",
        data={"grant_type": "client_credentials", "scope": "x/.default", "client_id": "no"},
        timeout=10,
    )
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    environment.app.security.end_all()
    assert environment.call("GET", "CustomersV3").status_code == 401


def test_metadata_names_types_keys_and_enums(environment: Environment) -> None:
    tree = etree.fromstring(environment.call("GET", "$metadata").content)
    space = {"e": "http://docs.oasis-open.org/odata/ns/edm"}
    keys = tree.xpath(
        "//e:EntityType[@Name='CustomerV3']/e:Key/e:PropertyRef/@Name", namespaces=space
    )
    assert keys == ["dataAreaId", "CustomerAccount"]
    assert tree.xpath("//e:EnumType[@Name='CustVendorBlocked']/e:Member/@Name", namespaces=space)
    listed = environment.call("GET", "").json()["value"]
    assert {"name": "CustomersV3", "kind": "EntitySet", "url": "CustomersV3"} in listed
    public = environment.session.get(
        f"{environment.url}/Metadata/PublicEntities('CustomersV3')", timeout=10
    )
    assert public.json()["EntitySetName"] == "CustomersV3"


def test_a_request_sees_its_own_company_unless_it_asks_for_all(environment: Environment) -> None:
    other = {"dataAreaId": "jpmf", "CustomerAccount": "J1"}
    assert environment.call("POST", "CustomersV3?cross-company=true", json=other).status_code == 201
    assert [r["CustomerAccount"] for r in rows(environment, "CustomersV3")] == ["C1"]
    crossed = rows(environment, "CustomersV3?cross-company=true&$select=CustomerAccount")
    assert [r["CustomerAccount"] for r in crossed] == ["J1", "C1"]
    key = "CustomersV3(dataAreaId='jpmf',CustomerAccount='J1')"
    assert environment.call("PATCH", key, json={"CreditLimit": 5}).status_code == 404
    crossed_key = f"{key}?cross-company=true"
    assert environment.call("PATCH", crossed_key, json={"CreditLimit": 5}).status_code == 204
    part = environment.call("GET", "CustomersV3('C1')")
    assert part.status_code == 400, "all key properties are needed"


def test_enums_are_symbols_dates_are_noon_and_no_date_is_1900(environment: Environment) -> None:
    held = environment.call("GET", KEY).json()
    assert held["OnHoldStatus"] == "No"
    assert held["CredManCreditLimitExpiryDate"] == "1900-01-01T12:00:00Z"
    assert held["NameAlias"] == ""
    assert environment.call("PATCH", KEY, json={"OnHoldStatus": 2}).status_code == 400
    assert environment.call("PATCH", KEY, json={"OnHoldStatus": "Maybe"}).status_code == 400
    assert environment.call("PATCH", KEY, json={"OnHoldStatus": "All"}).status_code == 204
    typed = f"OnHoldStatus eq {NAMESPACE}.CustVendorBlocked'All'"
    assert len(rows(environment, f"CustomersV3?$filter={typed}")) == 1
    assert environment.call("GET", "CustomersV3?$filter=OnHoldStatus eq 'All'").status_code == 400
    has = environment.call("GET", "CustomersV3?$filter=CustomerAccount in ('C1')")
    assert has.status_code == 400
    assert len(rows(environment, "CustomersV3?$filter=OrganizationName eq '*sysco*'")) == 1


def test_a_change_under_an_old_version_is_refused(environment: Environment) -> None:
    etag = environment.call("GET", KEY).json()["@odata.etag"]
    first = environment.call("PATCH", KEY, json={"CreditLimit": 10}, headers={"If-Match": etag})
    assert first.status_code == 204
    second = environment.call("PATCH", KEY, json={"CreditLimit": 20}, headers={"If-Match": etag})
    assert second.status_code == 412
    assert environment.call("GET", KEY).json()["CreditLimit"] == 10


def test_pages_are_followed_and_amounts_are_exact(environment: Environment) -> None:
    answer = post_invoices(environment, *(invoice(f"I{n}", f"{n}.10") for n in range(1, 9)))
    assert answer.status_code == 200
    items = environment.settings.open_transactions_entity
    found = rows(environment, f"{items}?$filter=AccountNum eq 'c1'&$count=true")
    amounts = [row["AmountCur"] for row in found]
    assert (len(amounts), sum(amounts)) == (8, Decimal("36.80"))
    assert {row["TransDate"] for row in found} == {NOON}


def test_a_change_set_applies_all_or_nothing_and_its_neighbours_stay(
    environment: Environment,
) -> None:
    journal = {"dataAreaId": "usmf", "JournalBatchNumber": "J1", "JournalName": "CustPay"}
    line = {"dataAreaId": "usmf", "JournalBatchNumber": "J1", "AccountType": "Cust"}
    bad = [
        ("POST", "CustomerPaymentJournalHeaders", json.dumps(journal)),
        ("POST", "CustomerPaymentJournalLines", json.dumps({**line, "AccountDisplayValue": "?"})),
    ]
    good = [("POST", "CustomersV3", json.dumps({"dataAreaId": "usmf", "CustomerAccount": "C2"}))]
    body, headers = batch(bad, good, url=environment.url)
    answer = environment.call("POST", "$batch", data=body, headers=headers)
    assert answer.text.count("HTTP/1.1 400") == 1
    assert answer.text.count("HTTP/1.1 201") == 1
    assert "Customer account ? does not exist" in answer.text
    assert rows(environment, "CustomerPaymentJournalHeaders") == []
    assert len(rows(environment, "CustomersV3")) == 2


def test_a_package_is_put_imported_and_its_status_asked_for(environment: Environment) -> None:
    group = f"DataManagementDefinitionGroups/{NAMESPACE}."
    place = environment.call("POST", group + "GetAzureWriteUrl", json={"uniqueFileName": "a.zip"})
    url = json.loads(place.json()["value"])["BlobUrl"]
    manifest = (
        "<M><DataManagementPackageEntityData><EntityName>CustomersV3</EntityName>"
        "<InputFilePath>c.csv</InputFilePath></DataManagementPackageEntityData></M>"
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("Manifest.xml", manifest)
        archive.writestr("PackageHeader.xml", "<H/>")
        archive.writestr("c.csv", "CustomerAccount,CreditLimit\nP1,10.50\nC1,1\n")
    blob = {"x-ms-blob-type": "BlockBlob"}
    assert requests.put(url, data=out.getvalue(), headers=blob, timeout=10).status_code == 201
    started = environment.call(
        "POST",
        group + "ImportFromPackage",
        json={
            "packageUrl": url, "definitionGroupId": "G", "executionId": "E1", "execute": True,
            "overwrite": True, "legalEntityId": "usmf",
        },
    )  # fmt: skip
    assert started.json()["value"] == "E1"
    asked = {"executionId": "E1"}
    status = environment.call("POST", group + "GetExecutionSummaryStatus", json=asked)
    assert status.json()["value"] == "PartiallySucceeded"
    errors = environment.call("POST", group + "GetExecutionErrors", json=asked)
    assert "already exists" in errors.json()["value"]
    assert len(rows(environment, "CustomersV3?$filter=CreditLimit eq 10.50")) == 1
