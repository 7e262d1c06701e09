"""The embedded file exchange: its keys, its folders, and what SAP takes, refuses and takes up."""

import asyncio
import json
import stat
from datetime import UTC, datetime

import pytest

from reverse_etl.files.spool import write_lines
from reverse_etl.sap_s4hana.file_form import CustomerFile
from sandbox.core.clock import Clock
from sandbox.core.faults import Faults
from sandbox.sap_s4hana import SapSettings, create_app
from sandbox.sftp.exchange import FileExchange, drop_statement, sftp_root
from sandbox.sftp.faults import FileFaults
from tests.reverse_etl.files.test_push import plain

NOW = datetime(2026, 5, 22, 8, 0, tzinfo=UTC)
KINDS = {"sap": "sap_s4hana", "bank": "bank_files", "crm": "salesforce"}


def exchange_of(home):
    clock = Clock(NOW)
    app = create_app("sap", clock=clock, faults=Faults(), settings=SapSettings())
    return FileExchange(home, KINDS, {"sap": app}, clock), app


def started(home, work=None):
    """Start the exchange, do ``work(exchange)``, stop it."""

    async def run():
        exchange, app = exchange_of(home)
        async with exchange:
            if work is not None:
                work(exchange)
        return app

    return asyncio.run(run())


def test_keys_are_made_once_for_their_owner_alone_and_kept(tmp_path):
    shown = []
    for _ in range(2):
        started(tmp_path, lambda exchange: shown.append(exchange.credentials_of("bank")))
    assert shown[0]["sftp_host_key"] == shown[1]["sftp_host_key"]
    for name in ("sftp_host_key", "sftp_client_key"):
        mode = stat.S_IMODE((tmp_path / "sandbox" / "sftp" / name).stat().st_mode)
        assert mode == 0o600


def test_each_system_with_files_gets_its_folders_and_others_get_nothing(tmp_path):
    def look(exchange):
        assert exchange.credentials_of("bank")["sftp_pull_folder"] == "bank/statements"
        assert exchange.credentials_of("sap")["sftp_ack_folder"] == "sap/outbox"
        assert exchange.credentials_of("crm") == {}

    started(tmp_path, look)


def test_a_statement_is_dropped_whole_with_its_marker(tmp_path):
    path = drop_statement(tmp_path, "bank", "a.xml", b"<a/>")
    assert sorted(one.name for one in path.parent.iterdir()) == ["a.xml", "a.xml.done"]
    with pytest.raises(ValueError, match="plain file name"):
        drop_statement(tmp_path, "bank", "../a.xml", b"")


def customers(home):
    """A file of two customers in SAP's inbox, and its control file as a tree."""
    folder = sftp_root(home) / "sap" / "inbox"
    folder.mkdir(parents=True, exist_ok=True)
    form = CustomerFile()
    batch = [
        plain("customers", "create", key, {"customer": key, "name": key, "company_code": "U001"})
        for key in ("0000100001", "0000100002")
    ]
    control = write_lines(
        folder / "customers-1.csv",
        form.name,
        form.columns,
        ((one.external_key, form.lines(one)) for one in batch),
        created_at=NOW,
        correlation_id="file-1",
    )
    return folder, json.loads(control.content())


def answer(home):
    (path,) = (sftp_root(home) / "sap" / "outbox").glob("*.ack")
    return json.loads(path.read_bytes())


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"size_bytes": 1}, "SIZE"),
        ({"sha256": "0" * 64}, "SHA256"),
        ({"rows": 3}, "ROWS"),
        ({"totals": {"USD": "1"}}, "TOTALS"),
    ],
)
def test_a_file_that_is_not_what_its_control_file_says_is_refused_whole(tmp_path, changes, code):
    folder, control = customers(tmp_path)
    (folder / "customers-1.csv.ctl").write_text(json.dumps({**control, **changes}))
    app = started(tmp_path)
    assert (answer(tmp_path)["status"], answer(tmp_path)["code"]) == ("REFUSED", code)
    assert len(app.state.sap.tables["A_Customer"]) == 0


def test_what_came_before_the_start_is_worked_on_once(tmp_path):
    folder, control = customers(tmp_path)
    (folder / "customers-1.csv.ctl").write_text(json.dumps(control))
    app = started(tmp_path)
    assert answer(tmp_path)["accepted"] == 2
    assert len(app.state.sap.tables["A_Customer"]) == 2
    assert [path.name for path in folder.iterdir()] == ["archive"]


def test_the_same_seed_cuts_at_the_same_bytes():
    first, second = (FileFaults.seeded(7, bytes_total=10_000) for _ in range(2))
    assert first == second
    assert first.cut_after_written != FileFaults.seeded(8, bytes_total=10_000).cut_after_written
