"""The OData dialect: forgery tokens, tags, pages, options, batches, errors."""

from collections.abc import Callable

import pytest
import requests

from tests.sandbox.sap_s4hana.system import CUSTOMER, ITEMS, SapSystem, invoice

PARTNERS = "API_BUSINESS_PARTNER/A_BusinessPartner"
CUSTOMERS = "API_BUSINESS_PARTNER/A_Customer"


def test_a_write_without_token_or_cookies_is_forbidden(system: SapSystem) -> None:
    address = f"{system.odata}/{CUSTOMERS}('{CUSTOMER}')"
    bare = requests.patch(address, json={}, auth=system.session.auth, timeout=10)
    assert (bare.status_code, bare.text) == (403, "CSRF token validation failed")
    assert bare.headers["x-csrf-token"] == "Required"
    token = {"x-csrf-token": str(system.session.headers["x-csrf-token"]), "If-Match": "*"}
    stolen = requests.patch(address, json={}, auth=system.session.auth, headers=token, timeout=10)
    assert stolen.status_code == 403


def test_a_session_ends_with_time_and_a_new_token_opens_the_next(system: SapSystem) -> None:
    system.wait()
    system.clock.set(system.clock.now().replace(hour=23))
    answer = system.patch(f"{CUSTOMERS}('{CUSTOMER}')", {"DeliveryIsBlocked": "01"})
    assert answer.status_code == 403
    system.fetch_token()
    answer = system.patch(f"{CUSTOMERS}('{CUSTOMER}')", {"DeliveryIsBlocked": "01"})
    assert answer.status_code == 204


def test_a_change_needs_the_current_tag(system: SapSystem) -> None:
    path = f"{CUSTOMERS}('{CUSTOMER}')"
    read = system.get(path)
    tag = read.headers["ETag"]
    assert read.json()["d"]["__metadata"]["etag"] == tag
    change = {"OrderIsBlockedForCustomer": "01"}
    assert system.patch(path, change, if_match="").status_code == 428
    assert system.patch(path, change, if_match="W/\"'1'\"").status_code == 412
    assert system.patch(path, change, if_match=tag).status_code == 204
    assert system.patch(path, change, if_match=tag).status_code == 412
    assert system.get(path).json()["d"]["OrderIsBlockedForCustomer"] == "01"


def test_without_the_switch_a_change_needs_no_tag(make_system: Callable[..., SapSystem]) -> None:
    system = make_system(needs_if_match=False)
    system.make_customer()
    answer = system.patch(f"{CUSTOMERS}('{CUSTOMER}')", {"DeliveryIsBlocked": "01"}, if_match="")
    assert answer.status_code == 204


def test_merge_and_tunnelled_patch_change_too(system: SapSystem) -> None:
    address = f"{system.odata}/{CUSTOMERS}('{CUSTOMER}')"
    merge = system.session.request(
        "MERGE", address, json={"DeliveryIsBlocked": "02"}, headers={"If-Match": "*"}
    )
    assert merge.status_code == 204
    tunnelled = system.session.post(
        address,
        json={"BillingIsBlockedForCustomer": "03"},
        headers={"If-Match": "*", "X-HTTP-Method": "PATCH"},
    )
    assert tunnelled.status_code == 204
    found = system.get(f"{CUSTOMERS}('{CUSTOMER}')").json()["d"]
    assert (found["DeliveryIsBlocked"], found["BillingIsBlockedForCustomer"]) == ("02", "03")


def test_put_empties_what_it_does_not_name(system: SapSystem) -> None:
    path = f"{CUSTOMERS}('{CUSTOMER}')"
    system.patch(path, {"DeliveryIsBlocked": "02", "VATRegistration": "X1"})
    answer = system.session.put(
        f"{system.odata}/{path}", json={"VATRegistration": "X2"}, headers={"If-Match": "*"}
    )
    assert answer.status_code == 204
    found = system.get(path).json()["d"]
    assert (found["DeliveryIsBlocked"], found["VATRegistration"]) == ("", "X2")


def test_read_only_properties_are_left_out_without_a_word(system: SapSystem) -> None:
    path = f"{CUSTOMERS}('{CUSTOMER}')"
    assert system.patch(path, {"CustomerName": "Other"}).status_code == 204
    assert system.get(path).json()["d"]["CustomerName"] == "Sysco Foods"


@pytest.mark.parametrize(
    ("change", "target"),
    [({"Nonsense": "1"}, "Nonsense"), ({"PostingIsBlocked": "yes"}, "PostingIsBlocked")],
)
def test_a_wrong_property_is_named_in_the_error(
    system: SapSystem, change: dict[str, str], target: str
) -> None:
    answer = system.patch(f"{CUSTOMERS}('{CUSTOMER}')", change)
    assert answer.status_code == 400
    details = answer.json()["error"]["innererror"]["errordetails"]
    assert details[0]["propertyref"] == target


def test_errors_come_as_json_or_xml_as_the_client_accepts(system: SapSystem) -> None:
    missing = f"{CUSTOMERS}('9')"
    error = system.get(missing).json()["error"]
    assert error["code"] == "/IWBEP/CM_MGW_RT/020"
    assert set(error["innererror"]) >= {"transactionid", "timestamp", "Error_Resolution"}
    answer = system.session.get(
        f"{system.odata}/{missing}", headers={"accept": "application/atom+xml"}
    )
    assert answer.status_code == 404
    assert answer.text.startswith("<?xml")
    assert "<code>/IWBEP/CM_MGW_RT/020</code>" in answer.text


def test_keys_may_be_named_composite_padded_and_encoded(system: SapSystem) -> None:
    for key in (
        f"('{CUSTOMER}')",
        f"(Customer='{CUSTOMER}')",
        f"%28Customer%3D%27{CUSTOMER}%27%29",
        f"('{CUSTOMER.lstrip('0')}')",
    ):
        assert system.get(f"{CUSTOMERS}{key}").json()["d"]["Customer"] == CUSTOMER
    company = f"API_BUSINESS_PARTNER/A_CustomerCompany(Customer='{CUSTOMER}',CompanyCode='U001')"
    assert system.get(company).json()["d"]["CompanyCode"] == "U001"


def test_version_4_options_are_refused(system: SapSystem) -> None:
    assert system.get(CUSTOMERS, count="true").status_code == 400


def test_values_travel_as_the_vendor_writes_them(system: SapSystem) -> None:
    system.post_entries(invoice("E1", "6418.93"))
    (row,) = system.rows(ITEMS, filter="FinancialAccountType eq 'D'")
    assert row["AmountInTransactionCurrency"] == "6418.93"
    assert row["PostingDate"] == "/Date(1583107200000)/"
    assert row["CreationTime"] == "PT12H00M00S"
    assert row["IsCleared"] is False
    assert row["ClearingDate"] is None
    (billing,) = system.rows("API_BILLING_DOCUMENT_SRV/A_BillingDocument")
    assert billing["LastChangeDateTime"] == "/Date(1584273600000+0000)/"


def test_pages_are_cut_by_the_server_and_lose_nothing(
    make_system: Callable[..., SapSystem],
) -> None:
    system = make_system(page_size=7)
    system.make_customer()
    system.post_entries(*(invoice(f"E{n:03d}", "10.00") for n in range(30)))
    answer = system.get(
        ITEMS, filter="FinancialAccountType eq 'D'", inlinecount="allpages", top="26"
    ).json()["d"]
    assert answer["__count"] == "30"
    seen = [row["AccountingDocument"] for row in answer["results"]]
    pages = 1
    while "__next" in answer:
        answer = system.session.get(answer["__next"]).json()["d"]
        seen += [row["AccountingDocument"] for row in answer["results"]]
        pages += 1
    assert pages == 4
    assert seen == sorted(set(seen))
    assert len(seen) == 26


def test_rows_that_come_between_two_pages_neither_repeat_nor_hide_others(
    make_system: Callable[..., SapSystem],
) -> None:
    system = make_system(page_size=3)
    for number in ("20", "30", "40", "50"):
        system.make_customer(number)
    first = system.get(CUSTOMERS).json()["d"]
    system.make_customer("10")
    second = system.session.get(first["__next"]).json()["d"]
    seen = [row["Customer"] for row in first["results"] + second["results"]]
    assert seen == [f"{n:010d}" for n in (20, 30, 40, 50)]


def test_order_skip_top_and_select_follow_the_query(system: SapSystem) -> None:
    system.post_entries(*(invoice(f"E{n}", f"{n}.00") for n in (3, 1, 2)))
    rows = system.rows(
        ITEMS,
        filter="FinancialAccountType eq 'D'",
        orderby="AmountInTransactionCurrency desc,AccountingDocument",
        skip="1",
        top="1",
        select="AmountInTransactionCurrency,Customer",
    )
    assert [set(row) for row in rows] == [{"__metadata", "AmountInTransactionCurrency", "Customer"}]
    assert rows[0]["AmountInTransactionCurrency"] == "2.00"


def test_ordered_pages_continue_where_they_stopped(make_system: Callable[..., SapSystem]) -> None:
    system = make_system(page_size=2)
    system.make_customer()
    system.post_entries(*(invoice(f"E{n}", f"{n}.00") for n in (3, 1, 2)))
    page = system.get(
        ITEMS, filter="FinancialAccountType eq 'D'", orderby="AmountInTransactionCurrency"
    ).json()["d"]
    rest = system.session.get(page["__next"]).json()["d"]
    amounts = [row["AmountInTransactionCurrency"] for row in page["results"] + rest["results"]]
    assert amounts == ["1.00", "2.00", "3.00"]
    assert "__next" not in rest


def test_expand_and_deferred_links(system: SapSystem) -> None:
    (row,) = system.rows(PARTNERS, expand="to_Customer/to_CustomerCompany")
    companies = row["to_Customer"]["to_CustomerCompany"]["results"]
    assert [c["CompanyCode"] for c in companies] == ["U001"]
    link = row["to_BusinessPartnerAddress"]["__deferred"]["uri"]
    assert system.session.get(link).json()["d"]["results"] == []
    found = system.get(f"{PARTNERS}('{CUSTOMER}')/to_Customer/CustomerName").json()
    assert found == {"d": {"CustomerName": "Sysco Foods"}}


def test_counts_are_plain_text(system: SapSystem) -> None:
    assert system.get(f"{CUSTOMERS}/$count").text == "1"


def test_metadata_and_service_document_name_every_set(system: SapSystem) -> None:
    for name, service in system.app.state.sap.services.items():
        metadata = system.get(f"{name}/$metadata")
        assert metadata.headers["content-type"] == "application/xml"
        listed = system.get(f"{name}/").json()["d"]["EntitySets"]
        assert listed == [entity.name for entity in service.entities]
        assert all(f'EntitySet Name="{one}"' in metadata.text for one in listed)


def test_an_unknown_service_or_set_is_no_answer_of_another(system: SapSystem) -> None:
    assert system.get("API_NOTHING/A_Customer").status_code == 403
    assert system.get("API_BUSINESS_PARTNER/A_Nothing").status_code == 404
    assert system.session.get(f"{system.url}/elsewhere").status_code == 404


def test_read_only_sets_refuse_writes(system: SapSystem) -> None:
    assert system.post(ITEMS, {}).status_code == 405


def change_set(*parts: str) -> str:
    inner = "".join(
        "--changes\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        f"{part}\r\n"
        for part in parts
    )
    return (
        f"--batch\r\nContent-Type: multipart/mixed; boundary=changes\r\n\r\n{inner}--changes--\r\n"
    )


def patch_part(number: str, body: str) -> str:
    return (
        f"PATCH A_Customer('{number}') HTTP/1.1\r\nContent-Type: application/json\r\n"
        f"If-Match: *\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    )


def send_batch(system: SapSystem, body: str) -> requests.Response:
    return system.session.post(
        f"{system.odata}/API_BUSINESS_PARTNER/$batch",
        data=f"{body}--batch--\r\n".encode(),
        headers={"content-type": "multipart/mixed; boundary=batch"},
    )


def test_a_change_set_applies_all_or_nothing(system: SapSystem) -> None:
    good = patch_part(CUSTOMER, '{"DeliveryIsBlocked":"09"}')
    bad = patch_part("9", '{"DeliveryIsBlocked":"09"}')
    answer = send_batch(system, change_set(good, bad))
    assert answer.status_code == 202
    assert answer.text.count("HTTP/1.1") == 1
    assert "HTTP/1.1 404" in answer.text
    path = f"{CUSTOMERS}('{CUSTOMER}')"
    assert system.get(path).json()["d"]["DeliveryIsBlocked"] == ""
    answer = send_batch(system, change_set(good))
    assert "HTTP/1.1 204" in answer.text
    assert system.get(path).json()["d"]["DeliveryIsBlocked"] == "09"


def test_a_batch_reads_beside_its_change_sets(system: SapSystem) -> None:
    reads = "".join(
        "--batch\r\nContent-Type: application/http\r\n\r\n"
        f"GET A_Customer?$filter=Customer%20eq%20'{number}' HTTP/1.1\r\n\r\n\r\n"
        for number in (CUSTOMER, "9")
    )
    answer = send_batch(system, reads)
    assert answer.text.count("HTTP/1.1 200 OK") == 2
    assert answer.text.count('"CustomerName":"Sysco Foods"') == 1


def test_a_broken_batch_is_refused_whole(system: SapSystem) -> None:
    answer = system.session.post(
        f"{system.odata}/API_BUSINESS_PARTNER/$batch",
        data=b"--batch\r\nnothing",
        headers={"content-type": "multipart/mixed; boundary=batch"},
    )
    assert answer.status_code == 400


def test_a_deep_insert_that_fails_leaves_nothing(system: SapSystem) -> None:
    answer = system.post(
        PARTNERS,
        {
            "BusinessPartner": "77",
            "BusinessPartnerCategory": "2",
            "to_Customer": {"to_CustomerCompany": {"results": [{"CompanyCode": "ZZZZ"}]}},
        },
    )
    assert answer.status_code == 400
    assert system.get(f"{PARTNERS}('77')").status_code == 404
    assert system.get(f"{CUSTOMERS}('77')").status_code == 404


def test_a_taken_number_is_refused(system: SapSystem) -> None:
    answer = system.post(PARTNERS, {"BusinessPartner": CUSTOMER, "BusinessPartnerCategory": "2"})
    assert answer.status_code == 400


def test_any_change_below_a_partner_moves_its_change_date(system: SapSystem) -> None:
    system.wait()
    system.clock.set(system.clock.now().replace(month=4, day=2))
    system.fetch_token()
    path = f"API_BUSINESS_PARTNER/A_CustomerCompany(Customer='{CUSTOMER}',CompanyCode='U001')"
    assert system.patch(path, {"PaymentTerms": "NT30"}).status_code == 204
    rows = system.rows(PARTNERS, filter="LastChangeDate ge datetime'2020-04-02T00:00:00'")
    assert [row["BusinessPartner"] for row in rows] == [CUSTOMER]


def test_bearer_tokens_are_given_expire_and_can_be_ended(system: SapSystem) -> None:
    settings = system.settings
    answer = requests.post(
        f"{system.url}/sap/bc/sec/oauth2/token",
        data={"grant_type": "client_credentials"},
        auth=(settings.client_id, settings.client_secret),
        timeout=10,
    )
    token = answer.json()["access_token"]
    headers = {"authorization": f"Bearer {token}", "accept": "application/json"}
    address = f"{system.odata}/{CUSTOMERS}"
    assert requests.get(address, headers=headers, timeout=10).status_code == 200
    system.app.security.end_all()
    refused = requests.get(address, headers=headers, timeout=10)
    assert refused.status_code == 401
    assert "Basic realm=" in refused.headers["www-authenticate"]


def test_wrong_credentials_are_refused_everywhere(system: SapSystem) -> None:
    for path in (f"/sap/opu/odata/sap/{CUSTOMERS}", "/sap/bc/srt/scs_ext/sap/x"):
        answer = requests.get(f"{system.url}{path}", auth=("a", "b"), timeout=10)
        assert answer.status_code == 401
    answer = requests.post(
        f"{system.url}/sap/bc/sec/oauth2/token",
        data={"grant_type": "client_credentials", "client_id": "a", "client_secret": "b"},
        timeout=10,
    )
    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})
