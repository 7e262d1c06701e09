"""After a delivery: late answers, missing ones, senders that were killed, servers that lie."""

import asyncio
from dataclasses import replace

import pytest

from ingestion.common.errors import ConfigError, VendorAnswerInvalid
from reverse_etl.delivery.writer import (
    Absent,
    CannotTell,
    Found,
    Rejected,
    Unknown,
)
from reverse_etl.files.exchange import FileExchange
from reverse_etl.files.wrapper import with_files
from reverse_etl.planning.governance import load_governance
from sandbox.sftp.exchange import sftp_root
from tests.reverse_etl.files.conftest import SYSTEM
from tests.reverse_etl.files.test_push import accepted, invoice, receipts
from tests.reverse_etl.sap_s4hana.conftest import receipt, receipt_id_of

QUICK = {"sftp_ack_wait_seconds": 1}


def only(found):
    """The one value that all commands have."""
    (value,) = set(found.values())
    return value


def test_postings_without_an_answer_yet_are_unknown_and_are_found_once_it_came(serve_files):
    sap = serve_files(QUICK, silent_files=1)
    batch = receipts(20)
    assert isinstance(only(sap.call("send", batch)), Unknown)
    # The books show them, whatever the file exchange says.
    assert all(isinstance(one, Found) for one in sap.call("look_up", batch).values())


def test_while_a_file_is_unanswered_nothing_of_its_object_is_called_absent(serve_files):
    sap = serve_files(QUICK, silent_files=1)
    sap.call("send", receipts(20))
    other = [receipt(receipt_id_of("other"), "5.00")]
    answer = only(sap.call("look_up", other))
    assert isinstance(answer, CannotTell)
    assert "is not acknowledged yet" in answer.reason


def test_an_invoice_file_without_an_answer_is_accepted_pending_and_then_as_answered(serve_files):
    sap = serve_files(QUICK, ack_delay_seconds=6)
    batch = [invoice(1, "10.00"), invoice(2, "20.00", customer="0000999999")]
    outcomes = sap.call("send", batch)
    assert accepted(outcomes) == 2
    again = [with_native(one, outcomes) for one in batch]
    assert [one.is_pending for one in sap.call("read_back", again).values()] == [True, True]
    sap.wait_until(lambda: len(sap.answers()) == 1)
    shown = sap.call("read_back", again)
    assert shown["INV-1"].fields == batch[0].command.payload
    assert shown["INV-2"].rejection == Rejected(
        "102(F5)", "Customer 999999 is not defined in company code U001", "customer"
    )


def with_native(one, outcomes):
    return replace(one, native_id=outcomes[one.command.business_key].native_id)


def interrupted(sap, batch, *, after):
    """A sender that is killed: its writer's last step never returns."""

    class Killed(Exception):
        pass

    class Dying(FileExchange):
        async def deliver(self, record):
            if after == "upload":
                path = f"{self.client.settings.push_folder}/{record.name}"
                await self.client.upload(self.spool.data_path(record.name), f"{path}.tmp")
            else:
                await super().deliver(record)
            raise Killed

    async def run():
        writer = sap.writer()
        made = writer._exchange
        writer._exchange_made = Dying(made.client, made.spool, made._now)
        with pytest.raises(Killed):
            await writer.send(batch)
        await writer.close()

    asyncio.run(run())


def test_a_sender_killed_before_the_control_file_left_nothing_and_its_file_is_taken_back(sap, home):
    batch = receipts(20)
    interrupted(sap, batch, after="upload")
    inbox = sftp_root(home) / SYSTEM / "inbox"
    assert len(list(inbox.glob("*.tmp"))) == 1
    assert only(sap.call("look_up", batch)) == Absent()
    assert [p for p in inbox.iterdir() if p.is_file()] == []
    assert sap.intake.files == []


def test_a_sender_killed_after_the_control_file_finds_every_document(sap):
    batch = receipts(20)
    interrupted(sap, batch, after="delivery")
    sap.wait_until(lambda: len(sap.answers()) == 1)
    found = sap.call("look_up", batch)
    assert all(isinstance(one, Found) for one in found.values())
    assert [sap.effects(one) for one in batch] == [1] * 20


def test_invoices_of_a_killed_sender_are_found_in_the_acknowledgement(sap):
    batch = [invoice(n, "10.00") for n in range(12)]
    interrupted(sap, batch, after="delivery")
    sap.wait_until(lambda: len(sap.answers()) == 1)
    assert all(isinstance(one, Found) for one in sap.call("look_up", batch).values())
    assert accepted(sap.call("send", batch)) == 12
    assert [sap.effects(one) for one in batch] == [1] * 12


def test_an_answer_about_another_content_is_not_believed(serve_files):
    sap = serve_files(QUICK, silent_files=1)
    batch = [invoice(n, "10.00") for n in range(12)]
    outcomes = sap.call("send", batch)
    name = next(iter(outcomes.values())).native_id.removeprefix("file:")
    sap.answer(name, sha256="0" * 64, status="PROCESSED")
    with pytest.raises(VendorAnswerInvalid, match="somebody changed it on the way"):
        sap.call("read_back", [with_native(one, outcomes) for one in batch])


def test_a_server_elsewhere_behind_a_system_on_this_machine_needs_a_mode(sap):
    system = sap.system
    options = {**system.options, "sftp_host": "files.example.com"}
    writer = sap.writer()
    with pytest.raises(ConfigError, match="say mode"):
        with_files(writer, system.model_copy(update={"options": options}), load_governance())
    asyncio.run(writer.close())
