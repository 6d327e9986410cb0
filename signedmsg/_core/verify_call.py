"""Authenticate, bind, admit: the numbered steps of the verification of a call.

The order is law, as in `verify.py`: steps 2 to 11 are the same, and the token is
verified before the body is read.

    parse         1 the request's shape, its one credential   2 header   3 kind   4 issuer's name
    (the key directory)              5 issuer known      6 its key
    authenticate  7 key fits         8 signature         9 claims        10 time   11 audience
    bind         12 method, URL, query, header fields   13 what this issuer may call
    (the body is read)
    (the body)   14 its digest      15 the data fits    16 the time, again
    admit        17 first use
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar, cast

from signedmsg._core import claims as rules
from signedmsg._core.bind import bind, check_digest
from signedmsg._core.call import AuthenticCall, Call, Request, make_call
from signedmsg._core.proof import (
    Registered,
    check_audience,
    check_times,
    keep_for,
    parse_kind,
    prove,
    public_claims,
    refuse_claims,
    registered,
    replay_key,
    s256_of,
)
from signedmsg.errors import ClaimError, ReplayedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from signedmsg._core.call_policy import CallPolicy
    from signedmsg._core.message import Parsed
    from signedmsg._core.policy import Trust
    from signedmsg._jose.jwk import PublicKey
    from signedmsg._jose.strict_json import JSONValue

T = TypeVar("T")

_TEXT: Final = re.compile(r"[\x21-\x7e]+")
_AUDIENCE_HINT: Final = "a call is signed for the origin it is sent to, such as https://shop.example, without a slash"


class Head(NamedTuple):
    """What a token says about the request it was signed for; the issuer really said it."""

    token: Registered
    htm: str
    htu: str
    members: Mapping[str, str]
    public_claims: Mapping[str, JSONValue]


def parse_token(token: str, policy: CallPolicy) -> Parsed:
    """Read the token of a call as far as needed to look for its key. Nothing is proven by it.

    Raises:
        MalformedTokenError, UnsupportedTokenError, ClaimError (`iss` only).
    """
    # 2, 3, 4.
    return parse_kind(token, policy.typ, policy.max_size)


def authenticate_call(parsed: Parsed, key: PublicKey, policy: CallPolicy, trust: Trust, now: float) -> Head:
    """Prove that the issuer signed a call for this audience, and that the token is valid now.

    Raises:
        UnsupportedTokenError, UnknownKeyError, InvalidSignatureError,
        MalformedTokenError, ClaimError.
    """
    # 7, 8, 9.
    claims = prove(parsed, key, trust, policy.leeway, now)
    token = registered(claims, parsed.issuer)
    refuse_claims(claims, rules.FORBIDDEN)
    htm = rules.text(claims, "htm", _TEXT, "a string of visible ASCII characters")
    htu = rules.text(claims, "htu", _TEXT, "a string of visible ASCII characters")
    members = _members(claims)

    # 10.
    check_times(
        token.issued_at,
        token.expires_at,
        token.not_before,
        leeway=policy.leeway,
        lifetime_cap=policy.max_lifetime,
        now=now,
    )

    # 11.
    check_audience(token.audience, policy.audience, _AUDIENCE_HINT)
    return Head(token, htm, htu, members, public_claims(claims))


def _members(claims: Mapping[str, JSONValue]) -> dict[str, str]:
    members = claims.get("http")
    if not isinstance(members, dict):
        raise rules.wrong("http", members, "http" in claims, "an object")
    if not all(isinstance(value, str) for value in members.values()):
        raise ClaimError(claim="http", reason="expected members that are strings, saw one that is not")
    return cast("dict[str, str]", members)


def bind_call(head: Head, request: Request, policy: CallPolicy, trust: Trust) -> AuthenticCall:
    """Check that the request is the one that was signed, and one that this issuer may make.

    Raises:
        BindingError, NotAllowedError.
    """
    # 12.
    target = bind(request, head.htm, head.htu, head.members, policy)
    digests = check_digest(head.members)

    # 13. Authentication is not authorization.
    trust.authorize_call(request.method, target.path)
    token = head.token
    return AuthenticCall(
        issuer=token.issuer,
        audience=token.audience,
        jti=token.jti,
        issued_at=token.issued_at,
        expires_at=token.expires_at,
        method=request.method,
        target=target,
        bound=head.members,
        digests=digests,
        public_claims=head.public_claims,
        replay_key=replay_key(token.issuer, token.jti),
        keep=keep_for(token.issued_at, token.expires_at, policy.leeway),
        # `iat` has whole seconds, and the token is given the benefit of the end of its own.
        signed_by=token.issued_at + 1.0,
        s256=s256_of(request.token.rpartition(".")[0].encode("ascii")),
    )


def admit_call(authentic: AuthenticCall, body: bytes, data: T, *, first_use: bool) -> Call[T]:
    """Hand over the call, once.

    Raises:
        ReplayedError: the replay cache saw this token before.
    """
    # 17. Last, so that no refused request ever uses up the id of a genuine one.
    # A cache that answers anything but True, such as a coroutine nobody awaited, admits nothing.
    if first_use is not True:
        raise ReplayedError("jti: this token was accepted before")
    return make_call(authentic, body, data)
