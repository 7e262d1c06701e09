"""``serve`` runs the systems, announces them when they are ready, and saves them when told to."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.core.serve import Options
from tests.support import serving

SYSTEMS = {"crm": "salesforce", "bank": "bank_files"}
SERVE = """
import sys
from pathlib import Path
from sandbox.core.serve import serve
home, state, endpoints, tls = sys.argv[1:]
serve(
    None, Path(state) if state else None, Path(endpoints), tls == "tls",
    home=Path(home), is_seeded=False, systems={"crm": "salesforce", "bank": "bank_files"},
)
"""


@contextmanager
def served(home: Path, *, state: Path | None = None, tls: bool = False) -> Iterator[dict[str, Any]]:
    """A sandbox in its own process, ended by SIGTERM; yields the endpoints file's content."""
    file = home / "endpoints-asked.json"
    file.unlink(missing_ok=True)
    command = [sys.executable, "-c", SERVE, home, state or "", file, "tls" if tls else ""]
    process = subprocess.Popen([str(part) for part in command], env={**os.environ})
    try:
        while not file.exists():
            assert process.poll() is None, "the sandbox ended before it was ready"
            time.sleep(0.02)
        yield json.loads(file.read_text())
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0


def sign_in(endpoint: dict[str, Any], session: requests.Session) -> str:
    """Sign in; returns the base of the data API."""
    credentials = endpoint["credentials"]
    form = {
        "grant_type": "client_credentials",
        "client_id": credentials["client_id"],
        "client_secret": credentials["client_secret"],
    }
    token = session.post(f"{endpoint['base_url']}/services/oauth2/token", data=form).json()
    session.headers["Authorization"] = f"Bearer {token['access_token']}"
    return f"{token['instance_url']}/services/data/v59.0"


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as opened:
        opened.trust_env = False
        yield opened


def test_a_stopped_sandbox_goes_on_where_it_was(
    home: Path, tmp_path: Path, session: requests.Session
) -> None:
    state = tmp_path / "state"
    with served(home, state=state) as endpoints:
        assert endpoints == json.loads((home / "sandbox" / "endpoints.json").read_text())
        bank = endpoints["systems"]["bank"]
        assert bank["base_url"] == (home / "bank" / "inbox").resolve().as_uri()
        assert bank["credentials"]["sftp_pull_folder"] == "bank/statements"
        admin = endpoints["admin"]["base_url"]
        session.post(f"{admin}/clock", json={"instant": "2020-05-01T08:00:00Z"})
        data = sign_in(endpoints["systems"]["crm"], session)
        url = f"{data}/sobjects/Account/ERP_Customer_Id__c/0140105686"
        body = {"Name": "Acme", "AR_Open_Balance__c": "12345678901.23"}
        assert session.patch(url, json=body).status_code == 201
        assert session.post(f"{admin}/save").json() == {"saved": str(state)}
    with served(home, state=state) as endpoints:
        admin = endpoints["admin"]["base_url"]
        assert session.get(f"{admin}/health").json()["now"].startswith("2020-05-01T08:00")
        effects = session.get(f"{admin}/ledger/crm").json()["effects"]["Account"]
        assert effects["0140105686"] == {"creates": 1, "updates": 0, "deletes": 0, "records": 1}
        data = sign_in(endpoints["systems"]["crm"], session)
        found = session.get(f"{data}/sobjects/Account/ERP_Customer_Id__c/0140105686")
        assert '"AR_Open_Balance__c":12345678901.23' in found.text
        assert '"SystemModstamp":"2020-05-01T08:00' in found.text


def test_tls_is_verified_with_the_announced_bundle(home: Path, session: requests.Session) -> None:
    with served(home, tls=True) as endpoints:
        crm = endpoints["systems"]["crm"]
        assert crm["base_url"].startswith("https://")
        session.verify = crm["ca_bundle"]
        data = sign_in(crm, session)
        assert session.get(f"{data}/limits").status_code == 200


def test_the_admin_port_refuses_what_it_does_not_understand(
    home: Path, serve_sandbox: Callable[..., dict[str, Any]], session: requests.Session
) -> None:
    endpoints = serve_sandbox(Options(home=home, systems=SYSTEMS, is_seeded=False))
    admin = endpoints["admin"]["base_url"]
    assert session.get(f"{admin}/ledger/sap").status_code == 404
    unknown = session.post(f"{admin}/faults", json={"system": "crm", "rates": {"lost": 1}})
    assert (unknown.status_code, "unknown fault 'lost'" in unknown.text) == (400, True)
    assert session.post(f"{admin}/faults", json={"system": "nobody"}).status_code == 404
    naive = session.post(f"{admin}/clock", json={"instant": "2020-05-01T08:00:00"})
    assert (naive.status_code, "time zone" in naive.text) == (400, True)
    assert session.post(f"{admin}/save").status_code == 409


def test_faults_set_at_the_admin_port_strike_and_are_counted(
    home: Path, serve_sandbox: Callable[..., dict[str, Any]], session: requests.Session
) -> None:
    endpoints = serve_sandbox(Options(home=home, systems=SYSTEMS, is_seeded=False))
    admin = endpoints["admin"]["base_url"]
    versions = f"{endpoints['systems']['crm']['base_url']}/services/data"
    body = {"system": "crm", "seed": 4, "points": [{"fault": "throttled", "seconds": 3}]}
    assert session.post(f"{admin}/faults", json=body).json()["seed"] == 4
    struck = session.get(versions)
    assert (struck.status_code, struck.headers["Retry-After"]) == (429, "3")
    assert struck.json()[0]["errorCode"] == "REQUEST_LIMIT_EXCEEDED"
    assert session.get(versions).status_code == 200
    assert session.get(f"{admin}/faults").json()["crm"]["counts"] == {"throttled": 1}
    session.post(f"{admin}/faults", json={"system": "crm"})
    assert session.get(f"{admin}/faults").json()["crm"]["points"] == []


def test_seeding_is_done_once_and_skipped_with_saved_state(
    home: Path, tmp_path: Path, serve_sandbox: Callable[..., dict[str, Any]]
) -> None:
    state, seeded = tmp_path / "state", []

    async def load_dataset(dataset: Path | None, endpoints: Any, home: Path) -> None:
        seeded.append((dataset, sorted(endpoints["systems"])))

    options = Options(
        home=home, dataset=tmp_path, state=state, systems=SYSTEMS, load_dataset=load_dataset
    )
    endpoints = serve_sandbox(options)
    requests.post(f"{endpoints['admin']['base_url']}/save", timeout=10)
    serve_sandbox(options)
    assert seeded == [(tmp_path, ["bank", "crm"])]


def test_a_failed_seeding_announces_nothing(home: Path) -> None:
    def load_dataset(dataset: Path | None, endpoints: Any, home: Path) -> None:
        raise LookupError("no such extract")

    options = Options(home=home, systems=SYSTEMS, load_dataset=load_dataset)
    with pytest.raises(LookupError, match="no such extract"), serving.serve_sandbox(options):
        pass
    assert not (home / "sandbox" / "endpoints.json").exists()
