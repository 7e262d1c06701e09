"""One self-signed certificate for loopback, made where the sandbox runs.

It is its own authority (CA:true) with SAN 127.0.0.1 and localhost, so the same PEM file serves as
the bundle a client trusts. It is never used for anything that is not loopback.
"""

import os
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sandbox.core.clock import Clock

__all__ = ["Certificate", "make_certificate"]

_VALID_DAYS = 30


@dataclass(frozen=True, slots=True)
class Certificate:
    """Where the PEM files lie. ``ca_path`` is what clients pass as their bundle."""

    ca_path: Path
    key_path: Path


def make_certificate(directory: Path) -> Certificate:
    """Make a fresh certificate and key in a directory; the key is readable by its owner only."""
    directory.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ledgerloop sandbox")])
    # The host's own time, not the sandbox's: TLS clients compare with theirs.
    now = Clock().now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=_VALID_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("localhost")]
            ),
            critical=False,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = Certificate(directory / "sandbox-ca.pem", directory / "sandbox-key.pem")
    paths.ca_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    descriptor = os.open(paths.key_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(secret)
    return paths
