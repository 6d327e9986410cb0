"""RFC 9964: ML-DSA in JOSE, against examples that may be read but not copied."""

from __future__ import annotations

import pytest

from signedmsg._jose import base64url
from signedmsg._jose.jwk import PublicKey
from signedmsg.errors import InvalidKeyError, InvalidSignatureError
from signedmsg.keys.signing import SigningKey
from tests.conformance.known import shared

VECTORS = {vector["jwk"]["alg"]: vector for vector in shared("rfc9964_ml_dsa_jose")}
NAMES = ("ML-DSA-44", "ML-DSA-65", "ML-DSA-87")

pytestmark = pytest.mark.skipif(
    not VECTORS, reason="the RFC 9964 examples are not at hand: SIGNEDMSG_SHARED_VECTORS names their folder"
)


@pytest.mark.parametrize("alg", NAMES)
def test_the_public_key_is_made_from_the_seed(alg: str) -> None:
    key = SigningKey.from_jwk(VECTORS[alg]["jwk"])
    assert key.public.to_jwk()["pub"] == VECTORS[alg]["jwk"]["pub"]


@pytest.mark.parametrize("alg", NAMES)
def test_the_seed_is_what_is_written(alg: str) -> None:
    assert SigningKey.from_jwk(VECTORS[alg]["jwk"]).dangerously_to_jwk()["priv"] == VECTORS[alg]["jwk"]["priv"]


@pytest.mark.parametrize("alg", NAMES)
def test_the_kid_is_the_thumbprint(alg: str) -> None:
    key = SigningKey.from_jwk(VECTORS[alg]["jwk"])
    assert key.public.thumbprint == key.kid == VECTORS[alg]["jwk"]["kid"]


@pytest.mark.parametrize("alg", NAMES)
def test_the_signature_verifies_and_no_other(alg: str) -> None:
    signing_input, _, signature = VECTORS[alg]["jws"].rpartition(".")
    key = PublicKey.from_jwk({name: value for name, value in VECTORS[alg]["jwk"].items() if name != "priv"})
    key.verify(base64url.decode(signature), signing_input.encode())
    with pytest.raises(InvalidSignatureError):
        key.verify(base64url.decode(signature), signing_input.encode() + b"A")


@pytest.mark.parametrize("alg", NAMES)
def test_the_private_jwk_is_no_public_one(alg: str) -> None:
    with pytest.raises(InvalidKeyError) as caught:
        PublicKey.from_jwk(VECTORS[alg]["jwk"])
    assert caught.value.code == "private_key"
