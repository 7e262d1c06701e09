"""TLS both ways over real sockets: the server proves who it is, and so do we."""

import asyncio
import json
import os
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography.hazmat.primitives import serialization

from ingestion.common.config import System
from ingestion.common.errors import ConfigError
from ingestion.common.transport import Request, transport_of
from ingestion.sap_s4hana.client import SapClient
from sandbox.core.tls import make_certificate


@pytest.fixture
def ours(tmp_path):
    """Our certificate, which the server trusts."""
    return make_certificate(tmp_path / "ours")


@pytest.fixture
def theirs(tmp_path):
    return make_certificate(tmp_path / "theirs")


@pytest.fixture
def ask(ours, theirs):
    """One request to a server that wants a client certificate; credentials as given."""

    def run(credentials, call=None, version=ssl.TLSVersion.TLSv1_3):
        return asyncio.run(_served(theirs, ours, credentials, call or _get, version))

    return run


async def _get(system):
    transport = transport_of(system)
    try:
        return (await transport.send(Request("GET", system.base_url))).body.decode()
    finally:
        await transport.close()


class _Handler(BaseHTTPRequestHandler):
    """Says who asked and with which headers; an OData page for SAP's client."""

    def do_GET(self) -> None:
        name = self.connection.getpeercert()["subject"][0][0][1]
        body = json.dumps({"d": {"results": []}, "name": name, **self.headers}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


class _Server(ThreadingHTTPServer):
    """Closes a refused connection only after the client has, so that its alert is never lost."""

    def handle_error(self, request, _) -> None:
        with socket.socket(fileno=os.dup(request.fileno())) as raw:
            while raw.recv(4096):
                pass


async def _served(theirs, ours, credentials, call, version):
    # The blocking server tells the client in a TLS alert why it refuses; asyncio's only hangs up.
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=ours.ca_path)
    context.load_cert_chain(theirs.ca_path, theirs.key_path)
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = version
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        system = System(
            system_id="sap",
            kind="sap_s4hana",
            base_url=f"https://127.0.0.1:{server.server_address[1]}",
            ca_bundle=str(theirs.ca_path),
            credentials=credentials,
        )
        try:
            return await call(system)
        finally:
            server.shutdown()
            thread.join()


def test_our_certificate_signs_us_in(ask, ours):
    answer = ask(
        {"client_certificate_file": str(ours.ca_path), "client_key_file": str(ours.key_path)}
    )
    assert "ledgerloop sandbox" in answer
    assert "Authorization" not in answer


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_without_a_certificate_the_error_says_what_to_set(ask, version):
    with pytest.raises(ConfigError, match="CLIENT_CERTIFICATE_FILE"):
        ask({}, version=version)


def test_a_certificate_of_a_stranger_is_a_matter_of_the_configuration(ask, tmp_path):
    stranger = make_certificate(tmp_path / "stranger")
    files = (stranger.ca_path, stranger.key_path)
    with pytest.raises(ConfigError) as caught:
        ask(dict(zip(("client_certificate_file", "client_key_file"), map(str, files), strict=True)))
    assert caught.value.code == "client_certificate"


@pytest.mark.parametrize("passphrase", ["", "wrong"])
def test_a_key_with_another_passphrase_is_refused_and_nobody_is_asked(
    ask, ours, tmp_path, passphrase
):
    key = serialization.load_pem_private_key(ours.key_path.read_bytes(), None)
    locked = tmp_path / "locked.pem"
    secret = serialization.BestAvailableEncryption(b"right")
    locked.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret)
    )
    given = {"client_certificate_file": str(ours.ca_path), "client_key_file": str(locked)}
    with pytest.raises(ConfigError, match="CLIENT_KEY_PASSPHRASE"):
        ask(given | {"client_key_passphrase": passphrase})
    assert "ledgerloop" in ask(given | {"client_key_passphrase": "right"})


def test_a_missing_file_is_named(ask, tmp_path):
    with pytest.raises(ConfigError, match=r"nothing\.pem"):
        ask({"client_certificate_file": str(tmp_path / "nothing.pem")})


def test_sap_needs_no_password_where_the_certificate_signs_in(ask, ours):

    async def first_page(system):
        client = SapClient(system, transport_of(system))
        try:
            return [page async for page in client.pages("API_BUSINESS_PARTNER", "A_Customer")]
        finally:
            await client.close()

    given = {"client_certificate_file": str(ours.ca_path), "client_key_file": str(ours.key_path)}
    (page,) = ask(given, first_page)
    assert b"Authorization" not in page
