"""PEM in and out: PKCS #8 for private keys (RFC 5958), SPKI for public ones (RFC 5280 §4.1.2.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from signedmsg._jose.algorithms import Private
from signedmsg.errors import InvalidKeyError

if TYPE_CHECKING:
    from signedmsg._jose.algorithms import Public


def load_public(pem: str | bytes) -> object:
    """Return the public key in an SPKI PEM, of whatever kind it is.

    Raises:
        InvalidKeyError: it holds something else; `code` is `private_key` for a private key.
    """
    data = _octets(pem)
    if b"PRIVATE KEY-----" in data:
        raise InvalidKeyError("a public key is needed, this PEM holds a private one", code="private_key")
    if b"-----BEGIN CERTIFICATE-----" in data:
        raise InvalidKeyError("a public key is needed, this PEM holds a certificate")
    try:
        return serialization.load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidKeyError("not a public key in PEM form (BEGIN PUBLIC KEY)") from None


def load_private(pem: str | bytes, password: str | bytes | None) -> Private:
    """Return the private key in a PEM.

    Raises:
        InvalidKeyError: it is none, or the password is wrong, missing or too much. The
            text holds neither the password nor any part of the key.
    """
    data = _octets(pem)
    secret = None if password is None else _octets(password)
    if b"PRIVATE KEY-----" not in data:
        raise InvalidKeyError("not a private key in PEM form (BEGIN PRIVATE KEY)")
    try:
        key = serialization.load_pem_private_key(data, secret)
    except TypeError:
        if secret is None:
            raise InvalidKeyError("the PEM is encrypted: a password is needed") from None
        raise InvalidKeyError("the PEM is not encrypted, yet a password was given") from None
    except (ValueError, UnsupportedAlgorithm):
        hint = "" if password is None else ", or the password is wrong"
        raise InvalidKeyError(f"the PEM holds no valid private key{hint}") from None
    if not isinstance(key, Private):
        raise InvalidKeyError("the key is of a type that is not used here; use EC, Ed25519, RSA or ML-DSA")
    return key


def dump_public(key: Public) -> str:
    """Return the key as SPKI PEM."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.PEM, form).decode("ascii")


def dump_private(key: Private, password: str | bytes | None) -> str:
    """Return the key as PKCS #8 PEM, encrypted when a password is given."""
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password is not None:
        if not password:
            raise InvalidKeyError("the password is empty")
        encryption = serialization.BestAvailableEncryption(_octets(password))
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, encryption).decode("ascii")


def _octets(text: str | bytes) -> bytes:
    try:
        return text.encode("utf-8") if isinstance(text, str) else text
    except UnicodeEncodeError:
        raise InvalidKeyError("a PEM or a password holds a lone surrogate") from None
