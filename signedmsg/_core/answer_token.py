"""(request, answer, now) -> signing input: what an answerer signs, and what is left of it once verified.

A *receipt* answers an envelope, a *bound response* answers a call. Both name the one
request token that they answer, by its `jti` and by a digest of all that its issuer
signed, so that no answer fits another request.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias, get_args

from signedmsg._core import claims as rules
from signedmsg._core.call import Call
from signedmsg._core.components import RECEIPT_TYP, REQUEST_TYP, RESPONSE_TYP, content_digest
from signedmsg._core.message import Message
from signedmsg._core.policy import MAX_TOKEN_SIZE
from signedmsg._core.proof import claims_of, registered, s256_of
from signedmsg._jose import jws, strict_json
from signedmsg.errors import SigningError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from signedmsg._core.compose import Attempt
    from signedmsg._core.policy import SendPolicy
    from signedmsg._jose.strict_json import JSONValue

ReceiptOutcome: TypeAlias = Literal["accepted", "duplicate", "rejected", "deferred"]
RECEIPT_OUTCOMES: Final[frozenset[str]] = frozenset(get_args(ReceiptOutcome))
RECEIPT_MEDIA_TYPE: Final = f"application/{RECEIPT_TYP}"
RESPONSE_HEADER: Final = "SignedMsg-Response"
# As for a request's token in a header field; an ML-DSA-87 signature fits.
MAX_ANSWER_TOKEN: Final = 8 * 1024

# RFC 9110 §5.5, without the obsolete octets beyond ASCII and without white space at the ends.
FIELD_VALUE: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]{0,1022}[\x21-\x7e])?")

# Private to both, so that nobody mistakes it for a token.
_S256: Final = attrgetter("_s256")
_SIGNED: Final = attrgetter("_signed")


class RequestRef(NamedTuple):
    """The one request token that an answer is about.

    Attributes:
        issuer: who signed the request: the audience of its answer.
        audience: for whom the request was.
        jti: the request token's id.
        s256: the base64url SHA-256 of its signing input. Not of its signature: an ECDSA
            signature has a twin that verifies just as well.
        message_id: the message of an envelope, or None for a call.
    """

    issuer: str
    audience: str
    jti: str
    s256: str
    message_id: str | None = None


class Answered(NamedTuple):
    """An HTTP answer, as far as a bound response covers it; `content_type` is None when there is no such field."""

    status: int
    content_type: str | None
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a receiver signed about a message it was sent, verified.

    Attributes:
        token: the signed receipt itself, to be kept: whoever has the receiver's public key
            can verify it again.
        issuer: who signed it.
        audience: to whom it was given: the issuer of the request.
        outcome: `accepted`, `duplicate` (handled before), `rejected` (it will never be
            taken) or `deferred` (not handled now).
        message_id: the message that it is about.
        request_jti: the id of the request token that it answers.
        request_s256: the base64url SHA-256 of that token without its signature.
        jti: the receipt's own id.
        issued_at: when it was signed, a NumericDate.
        expires_at: until when a sender that waits for it takes it, a NumericDate.
        kid: the key that signed it.
        request_token: the request token that it answers, to be kept beside it; None where that was
            not at hand. It has been used up.
    """

    token: str = field(repr=False)
    issuer: str
    audience: str
    outcome: ReceiptOutcome
    message_id: str
    request_jti: str
    request_s256: str
    jti: str
    issued_at: int
    expires_at: int
    kid: str
    request_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedResponse:
    """What a service signed about its answer to a call, verified; see `Receipt` for the members.

    Attributes:
        status: the HTTP status.
        content_type: the Content-Type, or None when there was none.
        content_digest: the digest of the body (RFC 9530), or None when it was empty.
    """

    token: str = field(repr=False)
    issuer: str
    audience: str
    status: int
    content_type: str | None
    content_digest: str | None
    request_jti: str
    request_s256: str
    jti: str
    issued_at: int
    expires_at: int
    kid: str


def reference_of(proof: Message[Any] | Call[Any] | RequestRef) -> RequestRef:
    """Return which request a verified message or call came with.

    Raises:
        TypeError: it is no proof that a request was verified, and passed the replay cache.
    """
    if isinstance(proof, RequestRef):
        return proof
    # Never what is still open: only behind the replay cache may anything be signed for.
    if not isinstance(proof, Message | Call):
        raise TypeError(f"expected a verified Message or Call, got {type(proof).__name__}")
    if isinstance(proof, Call):
        return RequestRef(proof.issuer, proof.audience, proof.jti, _S256(proof), None)
    signed: bytes | str = _SIGNED(proof)
    # Of a message that came out of a queue only the digest is left.
    s256 = signed if isinstance(signed, str) else s256_of(signed)
    return RequestRef(proof.issuer, proof.audience, proof.jti, s256, proof.id)


def reference_to(token: RequestRef | str | bytes) -> RequestRef:
    """Return how answers refer to one's own request token. **Nothing in it is verified.**

    Raises:
        VerificationError: it is no token of a kind that is answered.
    """
    if isinstance(token, RequestRef):
        return token
    compact = jws.parse(token, max_size=MAX_TOKEN_SIZE)
    claims = claims_of(compact.payload)
    token_claims = registered(claims, str(claims.get("iss")))
    s256 = s256_of(compact.signing_input)
    return RequestRef(token_claims.issuer, token_claims.audience, token_claims.jti, s256, _message_id(compact, claims))


def _message_id(compact: jws.Compact, claims: dict[str, JSONValue]) -> str | None:
    if compact.header.typ is not None and jws.normal_typ(compact.header.typ) == REQUEST_TYP:
        return None
    message = claims.get("msg")
    # A JWT of a plainer shape is one message, and its id is the token's.
    members = message if isinstance(message, dict) else {"id": claims["jti"]}
    return rules.text(members, "id", rules.MESSAGE_ID, "1 to 128 visible ASCII characters", inside="msg.")


def compose_receipt(
    policy: SendPolicy, request: RequestRef, outcome: ReceiptOutcome, attempt: Attempt, *, alg: str, kid: str
) -> bytes:
    """Return the signing input of a receipt.

    Raises:
        SigningError: the request is a call, or there is no such outcome.
    """
    if request.message_id is None:
        raise SigningError("request: a receipt answers a message, and this is a call; sign a response")
    if outcome not in RECEIPT_OUTCOMES:
        raise SigningError(f"outcome: expected one of {', '.join(sorted(RECEIPT_OUTCOMES))}")
    own = {"msg": {"v": 1, "id": request.message_id}, "outcome": outcome}
    return jws.compose(alg, kid, RECEIPT_TYP, _payload(policy, request, attempt, own))


def compose_response(
    policy: SendPolicy, request: RequestRef, answered: Answered, attempt: Attempt, *, alg: str, kid: str
) -> bytes:
    """Return the signing input of a bound response.

    Raises:
        SigningError: the status or the content type is none that HTTP has, or the body is no bytes.
    """
    _check_answered(answered)
    return jws.compose(alg, kid, RESPONSE_TYP, _payload(policy, request, attempt, {"http": components_of(answered)}))


def components_of(answered: Answered) -> dict[str, str]:
    """Return what a bound response covers: RFC 9421 §2.2.9 and §2.1, and RFC 9530 §2 for the digest.

    No `content-type` says that there is no such field, no `content-digest` that the body is empty.
    """
    members = {"@status": str(answered.status)}
    if answered.content_type is not None:
        members["content-type"] = answered.content_type
    if answered.body:
        members["content-digest"] = content_digest(answered.body)
    return members


def _payload(policy: SendPolicy, request: RequestRef, attempt: Attempt, own: Mapping[str, object]) -> bytes:
    issued_at = int(attempt.now)
    return strict_json.dumps(
        {
            "iss": policy.issuer,
            "aud": request.issuer,
            "iat": issued_at,
            "exp": issued_at + policy.lifetime,
            "jti": attempt.jti,
            "req": {"jti": request.jti, "s256": request.s256},
            **own,
        }
    )


def _check_answered(answered: Answered) -> None:
    status, content_type, body = answered
    # 1xx is no answer; it comes before one (RFC 9110 §15.2).
    if type(status) is not int or not 200 <= status <= 599:
        raise SigningError("status: expected an int from 200 to 599")
    if content_type is not None and not (isinstance(content_type, str) and FIELD_VALUE.fullmatch(content_type)):
        raise SigningError("content_type: expected a field value of visible ASCII characters, or None")
    if not isinstance(body, bytes):
        raise SigningError(f"body: expected bytes, got {type(body).__name__}")
