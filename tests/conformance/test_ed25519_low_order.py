"""The Ed25519 keys under which one signature verifies for any message are refused, all fourteen."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from signedmsg._jose.jwk import PublicKey
from signedmsg.errors import InvalidKeyError
from tests.conformance.known import vectors
from tests.unit.jose.samples import spki_pem

VECTORS = vectors("ed25519_low_order_keys")


def test_there_are_fourteen_of_them() -> None:
    assert len({vector["public_key_hex"] for vector in VECTORS}) == 14


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["public_key_hex"] for vector in VECTORS])
def test_it_is_refused_as_jwk(vector: dict[str, Any]) -> None:
    with pytest.raises(InvalidKeyError, match=r"low order|canonical"):
        PublicKey.from_jwk({"kty": "OKP", "crv": "Ed25519", "x": vector["jwk_x"]})


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["public_key_hex"] for vector in VECTORS])
def test_it_is_refused_as_pem(vector: dict[str, Any]) -> None:
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(vector["public_key_hex"]))
    with pytest.raises(InvalidKeyError, match=r"low order|canonical"):
        PublicKey.from_pem(spki_pem(key))


def test_the_danger_is_real() -> None:
    # With the neutral element as key, R = that element and S = 0 verify whatever the message is.
    key = Ed25519PublicKey.from_public_bytes(bytes([1]) + bytes(31))
    signature = bytes([1]) + bytes(63)
    assert [key.verify(signature, message) for message in (b"pay 1", b"pay 1000000")] == [None, None]
