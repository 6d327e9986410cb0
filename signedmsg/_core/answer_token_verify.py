"""Parse and prove a signed answer: that the pinned answerer gave it, to this very request.

The numbers are those of the steps in `verify.py` and `proof.py`. There is no replay cache here: an
answer names the one request that it answers, and whoever verifies it has that request.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from signedmsg._core import claims as rules
from signedmsg._core.answer_token import (
    MAX_ANSWER_TOKEN,
    RECEIPT_OUTCOMES,
    Answered,
    Receipt,
    ReceiptOutcome,
    RequestRef,
    SignedResponse,
)
from signedmsg._core.answer_token_http import compare
from signedmsg._core.components import RECEIPT_TYP, RESPONSE_TYP
from signedmsg._core.policy import DEFAULT_LEEWAY, MAX_LEEWAY, MAX_LIFETIME, between, check
from signedmsg._core.proof import (
    check_algorithm,
    check_key_times,
    check_times,
    claims_of,
    parse_kind,
    refuse_claims,
    registered,
)
from signedmsg.errors import ClaimError, UnknownIssuerError, UnsupportedTokenError

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from signedmsg._core.message import Parsed
    from signedmsg._core.policy import Trust
    from signedmsg._core.proof import Registered
    from signedmsg._jose.jwk import PublicKey
    from signedmsg._jose.strict_json import JSONValue

# 32 octets as base64url: the last character carries four bits.
_S256: Final = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")


@dataclass(frozen=True, slots=True)
class AnswerVerifyPolicy:
    """How far clocks may differ, in seconds; all else about an answer is fixed."""

    leeway: float = DEFAULT_LEEWAY

    def __post_init__(self) -> None:
        check((between("leeway", self.leeway, 0, MAX_LEEWAY, "seconds"),))


class _Proven(NamedTuple):
    """An answer that its issuer really signed, in time; what it answers is not compared yet."""

    claims: dict[str, JSONValue]
    registered: Registered
    request_jti: str
    request_s256: str


def parse_receipt(token: object, answerers: Container[str]) -> Parsed:
    """Read a receipt as far as needed to look for its key.

    Raises:
        MalformedTokenError, UnsupportedTokenError, ClaimError (`iss` only).
        UnknownIssuerError: it names another issuer than the one that is pinned.
    """
    return _parse(token, RECEIPT_TYP, answerers)


def parse_response(token: object, answerers: Container[str]) -> Parsed:
    """Read a bound response as far as needed to look for its key; see `parse_receipt`."""
    return _parse(token, RESPONSE_TYP, answerers)


def _parse(token: object, typ: str, answerers: Container[str]) -> Parsed:
    # 1 to 4. The kind is exact: no envelope, request or answer of the other kind passes for this one.
    parsed = parse_kind(token, typ, MAX_ANSWER_TOKEN)
    # 5. One issuer answers for an endpoint. That others are trusted too, to send, makes them no answerers here.
    if parsed.issuer not in answerers:
        raise UnknownIssuerError("iss: not the issuer whose answers are expected here")
    return parsed


def accept_receipt(
    parsed: Parsed, key: PublicKey, trust: Trust, policy: AnswerVerifyPolicy, *, token: str, now: float, stored: bool
) -> Receipt:
    """Prove that the issuer signed this receipt. Which request it answers is still to be compared.

    A receipt that was `stored` is judged at the time at which it was signed: then its key must have
    been valid, and that it has expired since says nothing.

    Raises:
        UnsupportedTokenError, UnknownKeyError, InvalidSignatureError, MalformedTokenError, ClaimError.
    """
    proven = _prove(parsed, key, trust, policy, now=now, stored=stored)
    message = _object(proven.claims, "msg", {"v", "id"})
    version = message["v"]
    if type(version) is not int:
        raise rules.wrong("msg.v", version, True, "an integer")
    if version != 1:
        raise UnsupportedTokenError("msg.v: expected 1, saw another version")
    outcome = proven.claims.get("outcome")
    if not isinstance(outcome, str) or outcome not in RECEIPT_OUTCOMES:
        raise rules.wrong("outcome", outcome, "outcome" in proven.claims, "one of the outcomes of a receipt")
    return Receipt(
        token=token,
        issuer=parsed.issuer,
        audience=proven.registered.audience,
        outcome=cast("ReceiptOutcome", outcome),
        message_id=rules.text(message, "id", rules.MESSAGE_ID, "1 to 128 visible ASCII characters", inside="msg."),
        request_jti=proven.request_jti,
        request_s256=proven.request_s256,
        jti=proven.registered.jti,
        issued_at=proven.registered.issued_at,
        expires_at=proven.registered.expires_at,
        kid=parsed.compact.header.kid,
    )


def accept_response(
    parsed: Parsed,
    key: PublicKey,
    trust: Trust,
    policy: AnswerVerifyPolicy,
    *,
    token: str,
    request: RequestRef,
    answered: Answered,
    now: float,
) -> SignedResponse:
    """Prove that the issuer gave this very answer to this very request.

    Raises:
        UnsupportedTokenError, UnknownKeyError, InvalidSignatureError, MalformedTokenError, ClaimError.
        BindingError: the status, the Content-Type or the body is not the one that was signed.
    """
    proven = _prove(parsed, key, trust, policy, now=now, stored=False)
    _check_request(proven.registered.audience, proven.request_jti, proven.request_s256, request)
    members = _object(proven.claims, "http", None)
    compare(members, answered)
    return SignedResponse(
        token=token,
        issuer=parsed.issuer,
        audience=proven.registered.audience,
        status=answered.status,
        content_type=answered.content_type,
        content_digest=cast("str | None", members.get("content-digest")),
        request_jti=proven.request_jti,
        request_s256=proven.request_s256,
        jti=proven.registered.jti,
        issued_at=proven.registered.issued_at,
        expires_at=proven.registered.expires_at,
        kid=parsed.compact.header.kid,
    )


def check_receipt(receipt: Receipt, request: RequestRef) -> Receipt:
    """Compare a receipt with the request that it is to answer.

    Raises:
        ClaimError: it answers another one.
    """
    _check_request(receipt.audience, receipt.request_jti, receipt.request_s256, request)
    if receipt.message_id != request.message_id:
        raise ClaimError(claim="msg.id", reason="it is about another message")
    return receipt


def _prove(
    parsed: Parsed, key: PublicKey, trust: Trust, policy: AnswerVerifyPolicy, *, now: float, stored: bool
) -> _Proven:
    # 7, 8.
    check_algorithm(parsed, key, trust)
    key.verify(parsed.compact.signature, parsed.compact.signing_input)

    # 9.
    claims = claims_of(parsed.compact.payload)
    answer = registered(claims, parsed.issuer)
    refuse_claims(claims, rules.FORBIDDEN)
    request = _object(claims, "req", {"jti", "s256"})
    jti = rules.text(request, "jti", rules.JTI, "16 to 128 characters of [A-Za-z0-9._~:+=@-]", inside="req.")
    s256 = rules.text(request, "s256", _S256, "43 characters of base64url", inside="req.")

    # 10. Its own time, or now. Not even a stored one may come from the future. The key's own times
    # are compared here and not before the signature, since `iat` is read behind that.
    if stored and answer.issued_at > now + policy.leeway:
        raise ClaimError(claim="iat", reason="it is in the future", code="not_yet_valid")
    at = float(answer.issued_at) if stored else now
    check_key_times(key, policy.leeway, at)
    check_times(
        answer.issued_at,
        answer.expires_at,
        answer.not_before,
        leeway=policy.leeway,
        lifetime_cap=MAX_LIFETIME,
        now=at,
    )
    return _Proven(claims, answer, jti, s256)


def _object(claims: Mapping[str, JSONValue], name: str, members: set[str] | None) -> dict[str, JSONValue]:
    """Return a claim that is an object with exactly these members; with any, when none are given."""
    value = claims.get(name)
    if not isinstance(value, dict) or (members is not None and value.keys() != members):
        expected = "an object" if members is None else f"an object of {' and '.join(sorted(members))}"
        raise rules.wrong(name, value, name in claims, expected)
    return value


def _check_request(audience: str, jti: str, s256: str, request: RequestRef) -> None:
    # 11. Our own name, character by character, and our own request: the digest is of all that we signed.
    if audience != request.issuer:
        raise ClaimError(claim="aud", reason="the answer is for another issuer", code="audience")
    if (jti, s256) != (request.jti, request.s256):
        raise ClaimError(claim="req", reason="it answers another request")
