"""A receipt is an ordinary JWT: other libraries verify ours, and make ones that we accept."""

from __future__ import annotations

import json

import pytest

from signedmsg import Issuer, JWKSet, KeyDirectory, PublicKey, SigningKey
from signedmsg._core.proof import s256_of
from signedmsg.signed_answers import AnswerSigner, AnswerVerifier, RequestRef

from .libraries import JoseRFC, JWCrypto, Library, PyJWT

SHOP, BILLING = "https://shop.example", "https://billing.example"
REQUEST = RequestRef(BILLING, "https://shop.example/inbox", "A" * 22, s256_of(b"header.payload"), "m-1")
LIBRARIES: dict[str, type[Library]] = {"pyjwt": PyJWT, "joserfc": JoseRFC, "jwcrypto": JWCrypto}


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> Library:
    return LIBRARIES[request.param]()


def test_other_libraries_verify_our_receipts(library: Library) -> None:
    key = SigningKey.generate()
    token = AnswerSigner(SHOP, key).sign_receipt(REQUEST, "accepted")
    claims = library.verify(token, JWKSet(key.public).to_json(), "ES256", SHOP, BILLING)
    assert (claims["outcome"], claims["msg"]) == ("accepted", {"v": 1, "id": "m-1"})
    assert claims["req"] == {"jti": REQUEST.jti, "s256": REQUEST.s256}


def test_we_verify_receipts_of_other_libraries(library: Library) -> None:
    jwk = {**library.generate("ES256"), "kid": "shop-1"}
    public = PublicKey.from_jwk(json.loads(library.export(jwk))["keys"][0])
    claims = {
        "iss": SHOP,
        "aud": BILLING,
        "iat": 1_800_000_000,
        "exp": 1_800_000_060,
        "jti": "B" * 22,
        "req": {"jti": REQUEST.jti, "s256": REQUEST.s256},
        "msg": {"v": 1, "id": "m-1"},
        "outcome": "duplicate",
    }
    token = library.sign({"alg": "ES256", "kid": "shop-1", "typ": "vnd.signedmsg.receipt+jwt"}, claims, jwk)
    directory = KeyDirectory(Issuer(SHOP, allow=[], keys=JWKSet(public)))
    verifier = AnswerVerifier(directory, issuer=SHOP, clock=lambda: 1_800_000_010.0)
    assert verifier.verify_receipt(token, REQUEST).outcome == "duplicate"
