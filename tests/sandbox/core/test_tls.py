"""The certificate is its own authority for loopback."""

import ssl

from cryptography import x509

from sandbox.core.tls import Certificate


def test_the_certificate_verifies_itself_for_loopback(certificate: Certificate) -> None:
    parsed = x509.load_pem_x509_certificate(certificate.ca_path.read_bytes())
    names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert parsed.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    context = ssl.create_default_context(cafile=certificate.ca_path)
    assert len(context.get_ca_certs()) == 1


def test_only_the_owner_reads_the_key(certificate: Certificate) -> None:
    assert certificate.key_path.stat().st_mode & 0o077 == 0
