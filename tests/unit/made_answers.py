"""Signed answers made by hand, right but for what is changed, and a verifier that expects them."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any, Final

from signedmsg import Issuer, JWKSet, KeyDirectory, PublicKey
from signedmsg.signed_answers import AnswerVerifier, RequestRef
from tests.conformance.tokens import (
    AUDIENCE,
    ISSUER,
    JTI,
    NOW,
    b64,
    changed,
    dump,
    envelope,
    header_of,
    key,
    signed,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

ANSWERER: Final = "https://shop.example"
OTHER: Final = "https://bank.example"
RECEIPT: Final = {"typ": "vnd.signedmsg.receipt+jwt"}
RESPONSE: Final = {"typ": "vnd.signedmsg.res+jwt"}
REQUEST: Final = envelope(message={"id": "m-1"})
S256: Final = b64(hashlib.sha256(REQUEST.rpartition(".")[0].encode()).digest())
BODY: Final = b'{"amount":42}'
DIGEST: Final = f"sha-256=:{base64.b64encode(hashlib.sha256(BODY).digest()).decode()}:"
HTTP: Final = {"@status": "200", "content-type": "application/json", "content-digest": DIGEST}
CLAIMS: Final = {
    "iss": ANSWERER,
    "aud": ISSUER,
    "iat": NOW,
    "exp": NOW + 60,
    "jti": "A" * 22,
    "req": {"jti": JTI, "s256": S256},
}
CALL: Final = RequestRef(ISSUER, AUDIENCE, JTI, S256)
MESSAGE: Final = RequestRef(ISSUER, AUDIENCE, JTI, S256, "m-1")


def public(number: int = 1, **members: object) -> PublicKey:
    return PublicKey.from_jwk(key("ES256", number).jwk(**members))


def verifier(*keys: PublicKey, now: float = NOW, **options: Any) -> AnswerVerifier:
    directory = KeyDirectory(
        Issuer(ANSWERER, allow=[], keys=JWKSet(*(keys or (public(),)))),
        Issuer(OTHER, allow=["*"], keys=JWKSet(public(2))),
        Issuer(ISSUER, allow=["*"], keys=JWKSet(public(3))),
    )
    return AnswerVerifier(directory, **{"issuer": ANSWERER, "clock": lambda: now, **options})


def receipt(claims: Mapping[str, object] = {}, header: Mapping[str, object] = RECEIPT, number: int = 1) -> str:
    own = {**CLAIMS, "msg": {"v": 1, "id": "m-1"}, "outcome": "accepted"}
    signer = key("ES256", number)
    return signed(header_of(signer, {**RECEIPT, **header}), dump(changed(own, claims)), signer)


def response(claims: Mapping[str, object] = {}, header: Mapping[str, object] = RESPONSE, number: int = 1) -> str:
    signer = key("ES256", number)
    return signed(header_of(signer, {**RESPONSE, **header}), dump(changed({**CLAIMS, "http": HTTP}, claims)), signer)


def check(token: str | None, **changes: Any) -> Any:
    """Verify a response to a call; the changes are made to the answer that carries it."""
    by = changes.pop("by", None) or verifier()
    headers = changes.pop("headers", None)
    if headers is None:
        headers = [("Content-Type", changes.pop("content_type", "application/json"))]
        headers += [] if token is None else [("signedmsg-response", token)]
    return by.verify_response(
        changes.pop("request", CALL), changes.pop("status", 200), headers, changes.pop("body", BODY)
    )


class Handmade:
    """A signer over one of the hand-made keys."""

    waits = "never"

    def __init__(self, made: Any) -> None:
        self._made = made
        self.alg, self.kid = made.alg, made.kid

    def sign(self, signing_input: bytes, /) -> bytes:
        return self._made.sign(signing_input)  # type: ignore[no-any-return]
