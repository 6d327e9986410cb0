"""RFC 7638, Section 3.1: the thumbprint of a JWK."""

from __future__ import annotations

from signedmsg._jose import base64url
from signedmsg._jose.jwk import PublicKey
from tests.conformance.known import by_id

VECTOR = by_id("rfc7638_thumbprint")["rfc7638-3.1"]


def test_the_thumbprint_is_that_of_the_rfc() -> None:
    assert PublicKey.from_jwk(VECTOR["jwk"]).thumbprint == VECTOR["thumbprint_s256"]


def test_the_thumbprint_looks_at_the_required_members_only() -> None:
    other = {**VECTOR["jwk"], "kid": "other", "alg": "PS512", "exp": 2**40, "use": "sig", "x5c": []}
    assert PublicKey.from_jwk(other).thumbprint == VECTOR["thumbprint_s256"]


def test_a_leading_zero_in_the_modulus_does_not_change_the_thumbprint() -> None:
    padded = base64url.encode(b"\x00" + base64url.decode(VECTOR["jwk"]["n"]))
    assert PublicKey.from_jwk({**VECTOR["jwk"], "n": padded}).thumbprint == VECTOR["thumbprint_s256"]
