"""One key of each algorithm, made once: a new RSA key takes too long to make in every test."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from signedmsg._jose.algorithms import ALGORITHMS
from signedmsg._jose.jwk import PublicKey
from signedmsg.errors import InvalidKeyError
from signedmsg.keys.signing import SigningKey

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

ALL = tuple(ALGORITHMS)
# One for each key type and curve.
KINDS = ("ES256", "ES384", "ES512", "Ed25519", "RS256", "ML-DSA-44")


@cache
def rsa_pem(bits: int = 2048, exponent: int = 65537) -> str:
    return plain_pem(rsa.generate_private_key(exponent, bits))


@cache
def signing_key(alg: str) -> SigningKey:
    if ALGORITHMS[alg].kty == "RSA":
        return SigningKey.from_pem(rsa_pem(), alg=alg)
    return SigningKey.generate(alg)


def public_jwk(alg: str, /, *without: str, **changes: object) -> dict[str, object]:
    return _changed({**signing_key(alg).public.to_jwk()}, without, changes)


def private_jwk(alg: str, /, *without: str, **changes: object) -> dict[str, object]:
    return _changed({**signing_key(alg).dangerously_to_jwk()}, without, changes)


def _changed(jwk: dict[str, object], without: Iterable[str], changes: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in {**jwk, **changes}.items() if name not in without}


def plain_pem(key: PrivateKeyTypes) -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()


def spki_pem(key: PublicKeyTypes) -> str:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def refused(jwk: dict[str, object]) -> InvalidKeyError:
    """Return why this public JWK is refused."""
    with pytest.raises(InvalidKeyError) as caught:
        PublicKey.from_jwk(jwk)
    return caught.value
