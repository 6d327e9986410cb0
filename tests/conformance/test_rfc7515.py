"""RFC 7515, Appendices A and E: known signatures verify, and what the profile excludes is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from signedmsg._jose import base64url, jws
from signedmsg._jose.algorithms import ALGORITHMS
from signedmsg._jose.jwk import PublicKey
from signedmsg.errors import InvalidKeyError, InvalidSignatureError, MalformedTokenError, UnsupportedTokenError
from signedmsg.keys.signing import SigningKey
from tests.conformance.known import by_id

VECTORS = by_id("rfc7515_appendix_a")
SIGNED = ("rfc7515-A.2", "rfc7515-A.3", "rfc7515-A.4")


def parts(vector: dict[str, Any]) -> tuple[bytes, bytes]:
    signing_input, _, signature = vector["compact"].rpartition(".")
    return signing_input.encode(), base64url.decode(signature)


def key_of(vector: dict[str, Any]) -> SigningKey:
    return SigningKey.from_jwk({**vector["jwk"], "alg": vector["alg"]})


@pytest.mark.parametrize("name", SIGNED)
def test_a_known_signature_verifies(name: str) -> None:
    signing_input, signature = parts(VECTORS[name])
    assert key_of(VECTORS[name]).public.verify(signature, signing_input) is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize("name", SIGNED)
def test_a_known_signature_does_not_verify_for_another_input(name: str) -> None:
    signing_input, signature = parts(VECTORS[name])
    with pytest.raises(InvalidSignatureError):
        key_of(VECTORS[name]).public.verify(signature, signing_input + b"A")


@pytest.mark.parametrize("name", SIGNED)
def test_the_public_half_of_a_known_key_is_that_of_the_rfc(name: str) -> None:
    jwk = VECTORS[name]["jwk"]
    written = key_of(VECTORS[name]).public.to_jwk()
    assert all(written[member] == jwk[member] for member in ("kty", "crv", "x", "y", "n", "e") if member in jwk)


@pytest.mark.parametrize("name", SIGNED)
def test_a_known_private_key_is_written_as_the_rfc_does(name: str) -> None:
    written = key_of(VECTORS[name]).dangerously_to_jwk()
    assert written.items() >= VECTORS[name]["jwk"].items()


def test_rs256_makes_the_very_signature_of_the_rfc() -> None:
    signing_input, signature = parts(VECTORS["rfc7515-A.2"])
    assert key_of(VECTORS["rfc7515-A.2"]).sign(signing_input) == signature


def test_the_symmetric_key_is_refused() -> None:
    with pytest.raises(InvalidKeyError) as caught:
        PublicKey.from_jwk(VECTORS["rfc7515-A.1"]["jwk"])
    assert caught.value.code == "private_key"


def test_the_symmetric_algorithm_is_not_known() -> None:
    assert VECTORS["rfc7515-A.1"]["alg"] not in ALGORITHMS
    with pytest.raises(UnsupportedTokenError, match="HS256"):
        jws.parse(VECTORS["rfc7515-A.1"]["compact"], max_size=10_000)


def test_the_unsecured_jws_is_refused() -> None:
    with pytest.raises(MalformedTokenError):
        jws.parse(VECTORS["rfc7515-A.5"]["compact"], max_size=10_000)


def test_the_unsecured_jws_is_refused_with_a_made_up_signature_too() -> None:
    with pytest.raises(UnsupportedTokenError, match="none"):
        jws.parse(VECTORS["rfc7515-A.5"]["compact"] + "AAAA", max_size=10_000)


@pytest.mark.parametrize("name", ["rfc7515-A.6", "rfc7515-A.7"])
def test_the_json_serialisation_is_refused(name: str) -> None:
    with pytest.raises(MalformedTokenError, match="JSON"):
        jws.parse(json.dumps(VECTORS[name]["json"]), max_size=10_000)


def test_the_critical_extension_is_refused() -> None:
    with pytest.raises(UnsupportedTokenError, match="crit"):
        jws.parse(VECTORS["rfc7515-E"]["compact"] + "AAAA", max_size=10_000)


def test_the_critical_extension_is_refused_as_printed() -> None:
    with pytest.raises(MalformedTokenError):
        jws.parse(VECTORS["rfc7515-E"]["compact"], max_size=10_000)
