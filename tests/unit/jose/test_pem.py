"""PEM: what is wrong is said, and neither the password nor the key with it."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from signedmsg._jose import pem
from signedmsg.errors import InvalidKeyError
from tests.unit.jose.samples import signing_key

PASSWORD = "correct horse"


def encrypted() -> str:
    return signing_key("ES256").to_pem(PASSWORD)


@pytest.mark.parametrize("password", [PASSWORD, PASSWORD.encode(), "p\u00e4ss", b"\x00\xff"], ids=repr)
def test_an_encrypted_key_is_read_with_its_password(password: str | bytes) -> None:
    written = signing_key("ES256").to_pem(password)
    assert "BEGIN ENCRYPTED PRIVATE KEY" in written
    assert isinstance(pem.load_private(written, password), ec.EllipticCurvePrivateKey)


@pytest.mark.parametrize(
    ("text", "password", "reason"),
    [
        (encrypted(), None, "a password is needed"),
        (encrypted(), "wrong-password", "password is wrong"),
        (encrypted(), "", "password"),
        (encrypted(), "\ud800", "surrogate"),
        (signing_key("ES256").to_pem(), PASSWORD, "not encrypted"),
        (signing_key("ES256").public.to_pem(), None, "not a private key"),
        ("", None, "not a private key"),
        ("junk", None, "not a private key"),
        (b"\xff\xfe", None, "not a private key"),
        ("\ud800", None, "surrogate"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", None, "no valid private key"),
        ("-----BEGIN PRIVATE KEY-----\n", None, "no valid private key"),
        ("\n".join(line for line in encrypted().splitlines() if len(line) != 64), PASSWORD, "no valid private key"),
    ],
)
def test_what_is_wrong_with_a_private_pem_is_said(text: str | bytes, password: str | None, reason: str) -> None:
    with pytest.raises(InvalidKeyError, match=reason) as caught:
        pem.load_private(text, password)
    assert "wrong-password" not in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_an_older_form_of_private_pem_is_read() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    form = serialization.PrivateFormat.TraditionalOpenSSL
    written = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    assert isinstance(pem.load_private(written, None), ec.EllipticCurvePrivateKey)


@pytest.mark.parametrize("password", ["", b""], ids=repr)
def test_an_empty_password_does_not_pass_for_encryption(password: str | bytes) -> None:
    with pytest.raises(InvalidKeyError, match="empty"):
        signing_key("ES256").to_pem(password)
