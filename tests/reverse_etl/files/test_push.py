"""Pushing postings as files: every document once, whatever is cut, refused, late or lost."""

import asyncio
import csv
import json
from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest

from ingestion.common.clock import SystemClock
from reverse_etl.delivery.engine import deliver
from reverse_etl.delivery.writer import Accepted, Rejected, Retry
from reverse_etl.ledger.commands import command_id_of, external_key_of
from reverse_etl.ledger.store import Store
from sandbox.sftp.exchange import sftp_root
from tests.reverse_etl.files.conftest import SYSTEM
from tests.reverse_etl.sap_s4hana.conftest import CUSTOMERS, receipt, receipt_id_of
from tests.reverse_etl.support import sending


def receipts(count, **changes):
    return [receipt(receipt_id_of(n), f"{n + 1}.25", **changes) for n in range(count)]


def plain(object_name, operation, key, payload):
    """A command of an object that only files carry, so that no matrix names it."""
    like = sending("sap_s4hana", "credit_accounts", key, {})
    command_id = command_id_of(SYSTEM, object_name, key, operation, 1)
    command = replace(
        like.command,
        command_id=command_id,
        object_name=object_name,
        operation=operation,
        payload=payload,
    )
    return replace(like, command=command, external_key=external_key_of(command_id))


def invoice(number, amount, **changes):
    payload = {
        "company_code": "U001",
        "customer": CUSTOMERS[0],
        "invoice_number": f"INV-{number}",
        "document_date": "2026-05-22",
        "posting_date": "2026-05-22",
        "due_date": "2026-06-21",
        "currency_code": "USD",
        "amount": amount,
        "tax_amount": "5.00",
        **changes,
    }
    return plain("invoices", "post", f"INV-{number}", payload)


def accepted(outcomes):
    return sum(isinstance(one, Accepted) for one in outcomes.values())


def deliver_all(sap, batch):
    """The engine's own run over these commands; state and native id by command id."""

    async def run():
        with Store.open("sqlite://", now=SystemClock().now) as store:
            store.record_plan([one.command for one in batch])
            writer = sap.writer()
            try:
                report = await deliver(store, {SYSTEM: writer}, clock=SystemClock(), seed=1)
            finally:
                await writer.close()
            states = {
                one.command.command_id: store.command(one.command.command_id) for one in batch
            }
            return report, {key: str(one.state) for key, one in states.items()}

    return asyncio.run(run())


def archived(home):
    """Control files of everything SAP took, with the lines that belong to each."""
    folder = sftp_root(home) / SYSTEM / "inbox" / "archive"
    for control in sorted(folder.glob("*.ctl")):
        with (folder / control.name.removesuffix(".ctl")).open(newline="") as opened:
            yield json.loads(control.read_bytes()), list(csv.DictReader(opened, delimiter=";"))


def test_a_batch_above_the_volume_is_one_file_and_is_accepted_row_by_row(sap):
    batch = receipts(40)
    assert accepted(sap.call("send", batch)) == 40
    assert len(sap.intake.files) == 1
    assert all(sap.effects(one) == 1 for one in batch)
    shown = sap.call("read_back", batch)
    assert shown[batch[3].command.business_key].fields["amount"] == "4.25"


def test_below_the_volume_nothing_travels_as_a_file(sap):
    assert accepted(sap.call("send", receipts(3))) == 3
    assert sap.intake.files == []


@pytest.mark.parametrize("seed", range(6))
def test_a_push_cut_in_the_middle_and_resumed_is_there_once_with_equal_totals_and_acknowledged(
    serve_files, home, seed
):
    """The issue's own sentence: every line once, control totals equal, acknowledged."""
    random = Random(seed)
    sap = serve_files({"sftp_window_bytes": 4096}, ack_delay_seconds=0.05 * (seed % 3))
    size = 60_000  # of the lines of 200 receipts, about
    sap.faults.cut_after_written = sorted(random.randrange(1, size) for _ in range(3))
    sap.faults.lost_renames = seed % 3
    batch = receipts(200)
    report, states = deliver_all(sap, batch)
    assert set(states.values()) == {"verified"}
    assert sum(one.startswith("cut_written") for one in sap.faults.struck) == 3
    assert report.requests == 1
    assert [sap.effects(one) for one in batch] == [1] * 200
    ((control, lines),) = archived(home)
    debits = [Decimal(one["WRBTR"]) for one in lines if one["SHKZG"] == "S"]
    assert len(lines) == control["rows"]
    assert {"USD": sum(debits)} == {k: Decimal(v) for k, v in control["totals"].items()}
    assert len({one["DOC_KEY"] for one in lines}) == control["documents"] == 200
    assert not list((sftp_root(home) / SYSTEM / "inbox").glob("*.tmp"))


def test_a_refused_rename_has_no_effect_and_the_commands_go_by_the_api(serve_files, home):
    sap = serve_files({"sftp_file_from": 20})
    sap.faults.refused_renames = 1
    batch = receipts(30)
    outcomes = sap.call("send", batch)
    assert all(isinstance(one, Retry) for one in outcomes.values())
    assert not any(sap.effects(one) for one in batch)
    left = [p.name for p in (sftp_root(home) / SYSTEM / "inbox").iterdir() if p.is_file()]
    assert left == []
    sap.faults.refused_renames = 1
    _, states = deliver_all(sap, batch)
    assert set(states.values()) == {"verified"}
    assert sap.intake.files == []
    assert [sap.effects(one) for one in batch] == [1] * 30


def test_one_bad_row_is_refused_with_its_field_and_the_others_pass(sap):
    batch = receipts(20)
    batch[7] = receipt(receipt_id_of(7), "8.25", customer="0000999999")
    outcomes = sap.call("send", batch)
    refused = outcomes[batch[7].command.business_key]
    assert refused == Rejected(
        "102(F5)", "Customer 999999 is not defined in company code U001", "customer"
    )
    assert accepted(outcomes) == 19


def test_a_row_that_cannot_be_written_is_refused_before_the_file(sap):
    batch = receipts(20)
    batch[3] = receipt(receipt_id_of(3), "-1.00")
    outcomes = sap.call("send", batch)
    assert outcomes[batch[3].command.business_key].code == "not_a_receipt"
    assert accepted(outcomes) == 19


def test_a_file_that_changed_on_the_way_is_refused_whole_and_sent_again_otherwise(serve_files):
    sap = serve_files(refused_files=1)
    batch = receipts(30)
    _, states = deliver_all(sap, batch)
    assert set(states.values()) == {"verified"}
    assert [sap.effects(one) for one in batch] == [1] * 30


def test_an_erp_that_stops_half_way_and_starts_again_applies_every_document_once(serve_files):
    sap = serve_files(crashes=1)
    batch = receipts(30)
    assert accepted(sap.call("send", batch)) == 30
    assert [sap.effects(one) for one in batch] == [1] * 30


def test_some_rows_locked_in_the_erp_are_refused_and_the_rest_verified(serve_files):
    sap = serve_files(rejected_rate=0.2, seed=3)
    batch = receipts(60)
    outcomes = sap.call("send", batch)
    refused = [one for one in batch if isinstance(outcomes[one.command.business_key], Rejected)]
    assert 0 < len(refused) < 30
    assert all(sap.effects(one) == (one not in refused) for one in batch)


def test_credit_limits_travel_as_master_data_and_zero_keeps_its_meaning(serve_files):
    sap = serve_files({"sftp_file_from": 2})
    limits = {
        "0000100001/1000": {"limit_kind": "limited", "limit_amount": "2500"},
        "0000100002/1000": {"limit_kind": "none_granted", "limit_amount": None},
    }
    batch = [sending("sap_s4hana", "credit_accounts", key, one) for key, one in limits.items()]
    assert accepted(sap.call("send", batch)) == 2
    shown = sap.call("read_back", batch)
    assert {key: shown[key].fields for key in limits} == limits


def test_invoices_have_no_api_and_always_travel_as_a_file(sap):
    batch = [invoice(n, f"{100 + n}.00") for n in range(3)]
    assert accepted(sap.call("send", batch)) == 3
    assert [sap.effects(one) for one in batch] == [1] * 3
    shown = sap.call("read_back", batch)
    assert all(shown[one.command.business_key].fields == one.command.payload for one in batch)
    items = [row for row in sap.rows("A_OperationalAcctgDocItemCube") if row["Customer"]]
    assert sorted(row["DocumentReferenceID"] for row in items) == ["INV-0", "INV-1", "INV-2"]
    assert {str(row["NetDueDate"]) for row in items} == {"2026-06-21"}


def test_new_customers_travel_as_master_data(sap):
    payload = {"customer": "0000100077", "name": "Baker", "company_code": "U001", "city": "Boston"}
    batch = [plain("customers", "create", "0000100077", payload)]
    assert accepted(sap.call("send", batch)) == 1
    assert [row["CustomerName"] for row in sap.rows("A_Customer")].count("Baker") == 1
    assert accepted(sap.call("send", batch)) == 1
    assert [row["CustomerName"] for row in sap.rows("A_Customer")].count("Baker") == 1


def test_an_invoice_whose_tax_exceeds_it_is_refused_before_the_file(sap):
    batch = [invoice(1, "100.00", tax_amount="100.00")]
    assert [one.code for one in sap.call("send", batch).values()] == ["not_an_invoice"]
    assert sap.intake.files == []
