"""An authority of the tests' own, and the server certificates it issues: good, expired, for another host."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
import tempfile
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = dt.timedelta(days=1)
_PEM = serialization.Encoding.PEM


class Authority:
    """A certificate authority that lives as long as the process."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of a test")])
        draft = _draft(self._name, self._name, self._key.public_key(), expired=False)
        draft = draft.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        draft = draft.add_extension(usage, critical=True)
        identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        self._certificate = draft.add_extension(identifier, critical=False).sign(self._key, hashes.SHA256())

    @property
    def pem(self) -> str:
        return self._certificate.public_bytes(_PEM).decode()

    def trusting(self) -> ssl.SSLContext:
        """A client's context that trusts this authority alone."""
        return ssl.create_default_context(cadata=self.pem)

    def serving(self, *, host: str | None = None, expired: bool = False) -> ssl.SSLContext:
        """A server's context: for localhost and 127.0.0.1, or for another host."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host or "localhost")])
        names: list[x509.GeneralName] = [x509.DNSName(host or "localhost")]
        if host is None:
            names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        draft = _draft(name, self._name, key.public_key(), expired=expired)
        draft = draft.add_extension(x509.SubjectAlternativeName(names), critical=False)
        issued_by = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        certificate = draft.add_extension(issued_by, critical=False).sign(self._key, hashes.SHA256())
        return _context(certificate, key)


def _draft(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, expired: bool
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    draft = x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key)
    draft = draft.serial_number(x509.random_serial_number())
    return draft.not_valid_before(now - 2 * DAY).not_valid_after(now - DAY if expired else now + DAY)


def _context(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> ssl.SSLContext:
    written = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        # `load_cert_chain` reads files only.
        chain = Path(folder) / "chain.pem"
        chain.write_bytes(written + certificate.public_bytes(_PEM))
        context.load_cert_chain(chain)
    return context


@cache
def authority() -> Authority:
    """Return the one authority of this process."""
    return Authority()
