"""Why a token is refused for its shape, its kind, its time or its audience."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from signedmsg._core.components import REQUEST_TYP, RESPONSE_TYP
from signedmsg._core.explain_words import quoted, spell
from signedmsg._core.policy import ENVELOPE_TYP, ReceivePolicy
from signedmsg._core.urls import parse_url
from signedmsg._jose import jws
from signedmsg.errors import VerificationError

if TYPE_CHECKING:
    from signedmsg._core.facts import Facts
    from signedmsg.errors import SignedMessageError

_RECEIPT_TYP: Final = "vnd.signedmsg.receipt+jwt"
_KINDS: Final = {
    ENVELOPE_TYP: "a message: it belongs into the body of a POST to an inbox, or into Receiver.verify",
    REQUEST_TYP: "the credential of a call: it belongs into the Authorization field, and to Receiver.verify_request",
    RESPONSE_TYP: "a signed answer, which only the caller verifies",
    _RECEIPT_TYP: "a receipt, which only the sender verifies",
    "at+jwt": "an OAuth access token (RFC 9068), not one of ours",
    "jwt": "a plain JWT; PlainTokens accepts those of another library",
}

# The first of these in which two URLs differ says most.
_PARTS: Final = (
    ("host", "they differ in the host: is this the public name, and not one that a proxy uses?"),
    ("scheme", "they differ in the scheme: behind a proxy that ends TLS the public one still is https"),
    ("origin", "they differ in the port"),
)
_STARTS: Final = (
    (("{", "["), "JSON came, not a token: the body of the request is the token itself, as the sender signed it"),
    (("'", '"'), "the token stands in quotes, as if it had been written as JSON: send it as it is"),
    (("Bearer ", "bearer "), "it begins with Bearer: pass the token alone"),
    (("-----BEGIN",), "a PEM came, not a token"),
)


def explain_shape(_: SignedMessageError, facts: Facts) -> str | None:
    """Say what came in the place of a token, as far as its first characters tell."""
    token = facts.token
    if facts.request is not None or not isinstance(token, (str, bytes)):
        return None
    start = token[:16]
    start = start.decode("latin-1") if isinstance(start, bytes) else start
    return next((what for starts, what in _STARTS if start.startswith(starts)), None)


def explain_kind(error: SignedMessageError, facts: Facts) -> str | None:
    """Say what kind of token came, where another was expected."""
    if not str(error).startswith("typ:"):
        return None
    try:
        seen = jws.parse(facts.token, max_size=facts.policy.max_size).header.typ
    except VerificationError:
        return None
    known = None if seen is None else _KINDS.get(jws.normal_typ(seen))
    return None if known is None else f"this is {known}"


def explain_expired(_: SignedMessageError, facts: Facts) -> str | None:
    """Say how old the token is, and whose clock that could be."""
    issued_at, expires_at = _times(facts)
    if facts.now is None or issued_at is None or expires_at is None:
        return None
    age = facts.now - issued_at
    late = facts.now - expires_at
    return (
        f"by the clock here it was signed {spell(age)} ago, for {expires_at - issued_at} s, and ended {spell(late)} "
        f"ago. If it was sent at once, the clock here is {spell(age)} ahead of the sender's; if the clocks agree, "
        f"it was {_DELAYED}"
    )


_DELAYED: Final = "delayed on its way or sent again, and each attempt must be signed anew"


def explain_not_yet(error: SignedMessageError, facts: Facts) -> str | None:
    """Say by how much the sender's clock is ahead."""
    issued_at, _ = _times(facts)
    if facts.now is None or issued_at is None or getattr(error, "claim", "") != "iat":
        return None
    return (
        f"the sender's clock is {spell(issued_at - facts.now)} ahead of the clock here, or this one is behind: "
        f"{facts.policy.leeway:g} s are forgiven; compare both with NTP"
    )


def _times(facts: Facts) -> tuple[int | None, int | None]:
    if facts.authentic is not None:
        return facts.authentic.issued_at, facts.authentic.expires_at
    claims = facts.claims()
    issued_at, expires_at = claims.get("iat"), claims.get("exp")
    return issued_at if isinstance(issued_at, int) else None, expires_at if isinstance(expires_at, int) else None


def explain_audience(_: SignedMessageError, facts: Facts) -> str | None:
    """Say which audience the token names, and in what it differs."""
    seen = facts.claims().get("aud")
    if not isinstance(seen, str):
        return None
    expected = facts.policy.audience
    is_call = not isinstance(facts.policy, ReceivePolicy)
    return f"it names {quoted(seen)}: {difference(expected, seen, is_call=is_call)}"


def difference(expected: str, seen: str, *, is_call: bool = False) -> str:
    """Return in what two audiences differ."""
    if seen.rstrip("/") == expected.rstrip("/"):
        rule = "a call's audience is an origin, without a slash" if is_call else "the last slash is part of a URL"
        return f"they differ in the slash at the end, and {rule}"
    try:
        here, there = parse_url(expected), parse_url(seen)
    except ValueError:
        return "one of them is no URL, and names are compared letter by letter"
    if there.endpoint.rstrip("/") == here.endpoint.rstrip("/"):
        return "they mean the same URL, but the sender did not write it in normal form (case, default port)"
    for part, what in _PARTS:
        if getattr(here, part) != getattr(there, part):
            return what
    if is_call or here.path == "/":
        return "it has a path: was it signed for an inbox, which takes messages?"
    return "they differ in the path: is this the right endpoint of this host, and does a proxy change paths?"
