"""simple-salesforce, unmodified, works against the org (contract §0, §1, §8)."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from simple_salesforce import (
    Salesforce,
    SalesforceAuthenticationFailed,
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceRefusedRequest,
    SalesforceResourceNotFound,
)

from sandbox.core.faults import Fault, Point
from tests.contract.salesforce.conftest import Served


def account(sf: Salesforce, number: str = "0140105686", **fields: Any) -> str:
    return str(sf.Account.create({"Name": "Acme", "ERP_Customer_Id__c": number, **fields})["id"])


def invoice(account_id: str, **fields: Any) -> dict[str, Any]:
    return {
        "Account__c": account_id,
        "Amount__c": "12345678901.23",
        "Open_Amount__c": "0.30",
        "Due_Date__c": "2026-01-31",
        "Status__c": "Open",
        **fields,
    }


def key(number: int) -> str:
    return f"SAP-U001-2026-18{number:08d}-001"


class TestSignIn:
    def test_soap_login_over_tls_with_scratch_url(self, tls_sf: Salesforce) -> None:
        assert tls_sf.query("SELECT COUNT() FROM Account")["totalSize"] == 0

    def test_soap_login_through_the_rewriting_adapter(self, org: Served) -> None:
        assert org.client().query("SELECT COUNT() FROM Account")["totalSize"] == 0

    def test_password_grant(self, org: Served) -> None:
        s = org.settings
        sf = Salesforce(
            username=s.username,
            password=s.password,
            consumer_key=s.client_id,
            consumer_secret=s.client_secret,
            session=org.session,
        )
        assert sf.query("SELECT Id FROM Account")["records"] == []

    def test_client_credentials_grant(self, org: Served) -> None:
        s = org.settings
        sf = Salesforce(
            consumer_key=s.client_id,
            consumer_secret=s.client_secret,
            domain="acme.my",
            session=org.session,
        )
        assert sf.query("SELECT Id FROM Account")["done"] is True

    def test_jwt_bearer_grant_with_its_textual_exp(self, org: Served) -> None:
        sf = Salesforce(
            username=org.settings.username,
            consumer_key=org.settings.client_id,
            privatekey=org.app.credentials()["private_key"],
            session=org.session,
        )
        assert sf.query("SELECT Id FROM Account")["done"] is True

    def test_a_sandbox_set_to_another_date_still_takes_todays_jwt(self, org: Served) -> None:
        for instant in (datetime(2020, 5, 1, tzinfo=UTC), datetime(2100, 5, 1, tzinfo=UTC)):
            org.app.org.clock.set(instant)
            sf = Salesforce(
                username=org.settings.username,
                consumer_key=org.settings.client_id,
                privatekey=org.app.credentials()["private_key"],
                session=org.session,
            )
            assert sf.query("SELECT Id FROM Account")["done"] is True

    def test_a_wrong_password_is_refused_in_both_dialects(self, org: Served) -> None:
        s = org.settings
        with pytest.raises(SalesforceAuthenticationFailed, match="INVALID_LOGIN"):
            Salesforce(username=s.username, password="no", security_token="no", session=org.session)
        with pytest.raises(SalesforceAuthenticationFailed, match="invalid_grant"):
            Salesforce(
                username=s.username,
                password="no",
                consumer_key=s.client_id,
                consumer_secret=s.client_secret,
                session=org.session,
            )

    def test_an_expired_session_in_mid_run_is_renewed_by_the_client(
        self, org: Served, sf: Salesforce
    ) -> None:
        first = sf.session_id
        org.app.auth.expire_all()
        account(sf)
        assert sf.session_id != first
        assert sf.query("SELECT COUNT() FROM Account")["totalSize"] == 1

    def test_bulk_calls_say_that_the_session_expired(self, org: Served, sf: Salesforce) -> None:
        org.app.auth.expire_all()
        with pytest.raises(SalesforceExpiredSession):
            sf.bulk2.Account.upsert(
                records=[{"Name": "A", "ERP_Customer_Id__c": "1"}],
                external_id_field="ERP_Customer_Id__c",
                wait=0,
            )


class TestReading:
    def test_query_all_follows_every_page(self, serve_org: Callable[..., Served]) -> None:
        sf = serve_org(page_rows_max=2).client()
        names = {f"Account {n}" for n in range(7)}
        for name in names:
            sf.Account.create({"Name": name})
        first = sf.query("SELECT Name FROM Account")
        assert (len(first["records"]), first["totalSize"], first["done"]) == (2, 7, False)
        found = sf.query_all("SELECT Name FROM Account ORDER BY Name")["records"]
        assert [row["Name"] for row in found] == sorted(names)

    def test_a_row_changed_between_pages_is_found_again_by_its_stamp(
        self, serve_org: Callable[..., Served]
    ) -> None:
        sf = serve_org(page_rows_max=2).client()
        ids = [account(sf, f"{n:010d}") for n in range(6)]
        query = "SELECT Id, Name, SystemModstamp FROM Account{} ORDER BY SystemModstamp, Id"
        page = sf.query(query.format(""))
        seen = {row["Id"]: row for row in page["records"]}
        sf.Account.update(ids[5], {"Name": "changed"})
        while not page["done"]:
            page = sf.query_more(page["nextRecordsUrl"], identifier_is_url=True)
            seen |= {row["Id"]: row for row in page["records"]}
        assert set(seen) == set(ids)
        cursor = max(row["SystemModstamp"] for row in seen.values()).replace("+0000", "Z")
        again = sf.query_all(query.format(f" WHERE SystemModstamp >= {cursor}"))["records"]
        assert "changed" in {row["Name"] for row in again if row["Id"] == ids[5]}

    def test_conditions_and_relationships(self, sf: Salesforce) -> None:
        acme = account(sf, "0000000001")
        other = account(sf, "0000000002", Name="Other & Söhne")
        for number, owner in enumerate([acme, acme, other]):
            sf.AR_Invoice__c.upsert(
                f"ERP_Invoice_Key__c/{key(number)}",
                invoice(owner, Amount__c=str(number), Status__c="Paid" if number else "Open"),
            )
        found = sf.query(
            "SELECT Account__r.Name, ERP_Invoice_Key__c FROM AR_Invoice__c "
            "WHERE (Status__c = 'paid' OR Amount__c > 5) AND Account__r.Name LIKE 'oth%' "
            "AND Due_Date__c = 2026-01-31 AND Invoice_Number__c = null"
        )["records"]
        assert [row["Account__r"]["Name"] for row in found] == ["Other & Söhne"]
        keys = f"('{key(0)}', '{key(2)}', 'nowhere')"
        assert (
            sf.query(f"SELECT Id FROM AR_Invoice__c WHERE ERP_Invoice_Key__c IN {keys}")[
                "totalSize"
            ]
            == 2
        )

    def test_bad_queries_are_named(self, sf: Salesforce) -> None:
        with pytest.raises(SalesforceMalformedRequest, match="MALFORMED_QUERY"):
            sf.query("SELECT Id FROMM Account")
        with pytest.raises(SalesforceMalformedRequest, match="INVALID_FIELD"):
            sf.query("SELECT Nope__c FROM Account")
        with pytest.raises(SalesforceMalformedRequest, match="INVALID_TYPE"):
            sf.query("SELECT Id FROM Nope__c")

    def test_large_amounts_come_back_to_the_cent(self, sf: Salesforce) -> None:
        key_path = f"ERP_Invoice_Key__c/{key(1)}"
        sf.AR_Invoice__c.upsert(key_path, invoice(account(sf)))
        (row,) = sf.query("SELECT Amount__c, Open_Amount__c FROM AR_Invoice__c")["records"]
        assert row["Amount__c"] == Decimal("12345678901.23")
        assert row["Open_Amount__c"] == Decimal("0.1") + Decimal("0.2")

    def test_describe_and_limits(self, sf: Salesforce) -> None:
        fields = {field["name"]: field for field in sf.AR_Invoice__c.describe()["fields"]}
        assert fields["ERP_Invoice_Key__c"]["externalId"] is True
        assert (fields["Amount__c"]["type"], fields["Amount__c"]["scale"]) == ("currency", 2)
        assert fields["AR_Days_Past_Due__c"]["calculated"] is True
        assert {"Account", "AR_Balance__c"} <= {
            entry["name"] for entry in sf.describe()["sobjects"]
        }
        used = sf.api_usage["api-usage"].used
        limits = sf.limits()["DailyApiRequests"]
        assert limits["Max"] - limits["Remaining"] == used + 1

    def test_updated_and_deleted_show_what_happened(self, sf: Salesforce) -> None:
        kept, gone = account(sf, "0000000001"), account(sf, "0000000002")
        sf.Account.delete(gone)
        end = datetime.now(UTC) + timedelta(seconds=30)
        start = end - timedelta(minutes=10)
        assert sf.Account.updated(start, end)["ids"] == [kept]
        deleted = sf.Account.deleted(start, end)["deletedRecords"]
        assert [row["id"] for row in deleted] == [gone]
        query = "SELECT Id, IsDeleted FROM Account"
        assert sf.query(query)["totalSize"] == 1
        both = sf.query(query, include_deleted=True)["records"]
        assert {row["Id"]: row["IsDeleted"] for row in both} == {kept: False, gone: True}

    def test_a_window_older_than_the_log_is_refused(self, sf: Salesforce) -> None:
        end = datetime.now(UTC)
        with pytest.raises(SalesforceMalformedRequest, match="INVALID_REPLICATION_DATE"):
            sf.Account.deleted(end - timedelta(days=16), end)
        with pytest.raises(SalesforceMalformedRequest, match="INVALID_REPLICATION_DATE"):
            sf.Account.updated(end - timedelta(days=31), end)


class TestWriting:
    def test_the_same_upsert_twice_makes_one_record(self, org: Served, sf: Salesforce) -> None:
        body = invoice(account(sf))
        path = f"ERP_Invoice_Key__c/{key(1)}"
        updated = 204 if org.settings.upsert_update_answers_204 else 200
        assert sf.AR_Invoice__c.upsert(path, body) == 201
        assert sf.AR_Invoice__c.upsert(path, body) == updated
        assert sf.query("SELECT COUNT() FROM AR_Invoice__c")["totalSize"] == 1
        effect = org.app.effects()["AR_Invoice__c"][key(1)]
        assert effect == {"creates": 1, "updates": 1, "deletes": 0, "records": 1}

    def test_update_get_and_delete_by_id(self, sf: Salesforce) -> None:
        record_id = account(sf)
        assert sf.Account.update(record_id, {"AR_Status__c": "Past Due"}) == 204
        assert sf.Account.get(record_id)["AR_Status__c"] == "Past Due"
        assert sf.Account.get_by_custom_id("ERP_Customer_Id__c", "0140105686")["Id"] == record_id
        assert sf.Account.delete(record_id) == 204
        with pytest.raises(SalesforceResourceNotFound, match="ENTITY_IS_DELETED"):
            sf.Account.get(record_id)

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"Company_Code__c": "x" * 11}, "STRING_TOO_LONG"),
            ({"Account__c": "001000000000001"}, "INVALID_CROSS_REFERENCE_KEY"),
            ({"Account__c": "nonsense"}, "MALFORMED_ID"),
            ({"Account__c": None}, "REQUIRED_FIELD_MISSING"),
            ({"Status__c": "Maybe"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
            ({"AR_Days_Past_Due__c": 3}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
            ({"Nope__c": 3}, "INVALID_FIELD"),
            ({"Amount__c": "1" * 17}, "NUMBER_OUTSIDE_VALID_RANGE"),
            ({"Amount__c": "12,5"}, "INVALID_TYPE_ON_FIELD_IN_RECORD"),
            ({"ERP_Invoice_Key__c": "again"}, "INVALID_FIELD"),
        ],
    )
    def test_a_bad_row_is_refused_by_its_code(
        self, sf: Salesforce, change: dict[str, Any], code: str
    ) -> None:
        body = {**invoice(account(sf)), **change}
        with pytest.raises(SalesforceMalformedRequest, match=code):
            sf.AR_Invoice__c.upsert(f"ERP_Invoice_Key__c/{key(1)}", body)
        assert sf.query("SELECT COUNT() FROM AR_Invoice__c")["totalSize"] == 0

    def test_a_key_that_another_record_holds_is_a_duplicate(self, sf: Salesforce) -> None:
        holder = account(sf, "0000000001")
        with pytest.raises(SalesforceMalformedRequest, match=f"{holder[:15]}.*DUPLICATE_VALUE"):
            account(sf, "0000000001")

    def test_a_collection_reports_each_row_in_order(self, sf: Salesforce) -> None:
        owner = account(sf)
        records = [
            {
                "attributes": {"type": "AR_Invoice__c"},
                "ERP_Invoice_Key__c": key(n),
                **invoice(owner, Company_Code__c="U001" if n % 3 else "much too long"),
            }
            for n in range(1, 8)
        ]
        path = "composite/sobjects/AR_Invoice__c/ERP_Invoice_Key__c"
        rows = sf.restful(path, method="PATCH", json={"allOrNone": False, "records": records})
        assert [row["success"] for row in rows] == [True, True, False, True, True, False, True]
        assert rows[2]["errors"][0]["statusCode"] == "STRING_TOO_LONG"
        assert [row["created"] for row in rows if row["success"]] == [True] * 5
        again = sf.restful(path, method="PATCH", json={"records": [records[0]]})
        assert (again[0]["created"], again[0]["id"]) == (False, rows[0]["id"])

    def test_all_or_none_leaves_nothing_behind(self, org: Served, sf: Salesforce) -> None:
        records = [
            {"attributes": {"type": "Account"}, "Name": "Good", "ERP_Customer_Id__c": "1"},
            {"attributes": {"type": "Account"}, "Name": None, "ERP_Customer_Id__c": "2"},
        ]
        rows = sf.restful(
            "composite/sobjects", method="POST", json={"allOrNone": True, "records": records}
        )
        assert [row["errors"][0]["statusCode"] for row in rows] == [
            "ALL_OR_NONE_OPERATION_ROLLED_BACK",
            "REQUIRED_FIELD_MISSING",
        ]
        assert sf.query("SELECT COUNT() FROM Account")["totalSize"] == 0
        assert org.app.effects()["Account"]["1"]["creates"] == 0

    def test_composite_calls_use_earlier_answers(self, sf: Salesforce) -> None:
        base = "/services/data/v59.0/sobjects"
        calls = [
            {
                "method": "POST",
                "url": f"{base}/Account",
                "referenceId": "owner",
                "body": {"Name": "Composite"},
            },
            {
                "method": "PATCH",
                "url": f"{base}/AR_Invoice__c/ERP_Invoice_Key__c/{key(1)}",
                "referenceId": "item",
                "body": invoice("@{owner.id}"),
            },
        ]
        tree = {"allOrNone": True, "compositeRequest": calls}
        done = sf.restful("composite", method="POST", json=tree)["compositeResponse"]
        assert [entry["httpStatusCode"] for entry in done] == [201, 201]
        calls[1]["body"]["Status__c"] = "Maybe"
        failed = sf.restful("composite", method="POST", json=tree)["compositeResponse"]
        assert failed[0]["body"][0]["errorCode"] == "PROCESSING_HALTED"
        assert sf.query("SELECT COUNT() FROM Account")["totalSize"] == 1

    def test_a_locked_row_is_free_at_the_second_try(self, org: Served, sf: Salesforce) -> None:
        record_id = account(sf)
        org.faults.configure(points=[Point(Fault.LOCK, name="Account/0140105686")])
        with pytest.raises(SalesforceMalformedRequest, match="UNABLE_TO_LOCK_ROW"):
            sf.Account.update(record_id, {"Name": "Later"})
        assert sf.Account.update(record_id, {"Name": "Later"}) == 204
        assert org.app.effects()["Account"]["0140105686"]["updates"] == 1

    def test_the_daily_limit_refuses_every_call(self, serve_org: Callable[..., Served]) -> None:
        sf = serve_org(api_requests_max=2).client()
        account(sf)
        account(sf, "2")
        with pytest.raises(SalesforceRefusedRequest, match="REQUEST_LIMIT_EXCEEDED"):
            account(sf, "3")


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


class TestBulk:
    def test_bad_rows_are_told_by_key_and_the_rest_is_written(
        self, org: Served, sf: Salesforce
    ) -> None:
        owner = account(sf)
        bad = {key(n) for n in (7, 21, 300)}
        records = [
            {
                "ERP_Invoice_Key__c": key(n),
                "Account__r.ERP_Customer_Id__c": "0140105686",
                "Amount__c": "not money" if key(n) in bad else "12345678901.23",
            }
            for n in range(450)
        ]
        (done,) = sf.bulk2.AR_Invoice__c.upsert(
            records=records, external_id_field="ERP_Invoice_Key__c", wait=0
        )
        assert (done["numberRecordsProcessed"], done["numberRecordsFailed"]) == (450, 3)
        job = sf.bulk2.AR_Invoice__c
        failed = rows_of(job.get_failed_records(done["job_id"]))
        assert {row["ERP_Invoice_Key__c"] for row in failed} == bad
        assert all(row["sf__Error"].startswith("INVALID_TYPE_ON_FIELD") for row in failed)
        succeeded = rows_of(job.get_successful_records(done["job_id"]))
        keys = [row["ERP_Invoice_Key__c"] for row in succeeded]
        sent = [row["ERP_Invoice_Key__c"] for row in records]
        assert set(keys) == set(sent) - bad
        assert keys != [one for one in sent if one not in bad], "results must not keep the order"
        assert rows_of(job.get_unprocessed_records(done["job_id"])) == []
        stored = sf.query_all("SELECT Account__c, Amount__c FROM AR_Invoice__c")["records"]
        assert {(row["Account__c"], row["Amount__c"]) for row in stored} == {
            (owner, Decimal("12345678901.23"))
        }

    def test_an_empty_cell_keeps_and_na_empties_a_field(self, sf: Salesforce) -> None:
        account(sf, "1", BillingCity="Oslo", Phone="555")
        sf.bulk2.Account.upsert(
            records=[{"ERP_Customer_Id__c": "1", "BillingCity": "", "Phone": "#N/A"}],
            external_id_field="ERP_Customer_Id__c",
            wait=0,
        )
        (row,) = sf.query("SELECT BillingCity, Phone FROM Account")["records"]
        assert (row["BillingCity"], row["Phone"]) == ("Oslo", None)

    def test_a_job_that_stops_half_way_shows_what_it_did_not_reach(
        self, org: Served, sf: Salesforce
    ) -> None:
        org.faults.configure(points=[Point(Fault.BULK_FAILURE, name="Account", skip=1)])
        client = sf.bulk2.Account._client
        job = client.create_job("upsert", external_id_field="ERP_Customer_Id__c")
        lines = "".join(f"{n},Name {n}\n" for n in range(1000))
        client.upload_job_data(job["id"], f"ERP_Customer_Id__c,Name\n{lines}")
        client.close_job(job["id"])
        while (state := client.get_job(job["id"], False)["state"]) == "InProgress":
            continue
        assert state == "Failed"
        done = rows_of(client.get_ingest_results(job["id"], "successfulResults/"))
        left = rows_of(client.get_ingest_results(job["id"], "unprocessedRecords"))
        assert (len(done), len(left)) == (400, 600)
        assert sf.query("SELECT COUNT() FROM Account")["totalSize"] == 400

    def test_a_job_goes_on_without_being_looked_at(self, org: Served, sf: Salesforce) -> None:
        client = sf.bulk2.Account._client
        job = client.create_job("insert")
        client.upload_job_data(job["id"], "Name\nUnseen\n")
        client.close_job(job["id"])
        for _ in range(org.settings.bulk_requests_unpolled):
            sf.limits()
        assert sf.query("SELECT COUNT() FROM Account")["totalSize"] == 1

    def test_query_jobs_page_with_a_locator(self, sf: Salesforce) -> None:
        for number in range(5):
            account(sf, f"{number:010d}", AR_Open_Balance__c="12345678901.23")
        query = "SELECT ERP_Customer_Id__c, AR_Open_Balance__c FROM Account"
        pages = list(sf.bulk2.Account.query(query, max_records=2, wait=0))
        rows = [row for page in pages for row in rows_of(page)]
        assert len(pages) == 3
        assert {row["ERP_Customer_Id__c"] for row in rows} == {f"{n:010d}" for n in range(5)}
        assert {Decimal(row["AR_Open_Balance__c"]) for row in rows} == {Decimal("12345678901.23")}
