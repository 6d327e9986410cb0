"""The steps that every kind of token goes through: its shape, its signature, its claims, its time, its audience.

The numbers are those of the steps in `verify.py`, where their order is law.
"""

from __future__ import annotations

import re
from hashlib import blake2b, sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from pydantic_core import SchemaValidator, ValidationError, core_schema

from signedmsg._core import claims as rules
from signedmsg._core.message import Parsed
from signedmsg._core.policy import REPLAY_MARGIN
from signedmsg._jose import base64url, jws, strict_json
from signedmsg.errors import (
    ClaimError,
    InvalidSignatureError,
    MalformedTokenError,
    UnknownKeyError,
    UnsupportedTokenError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from signedmsg._core.policy import Trust
    from signedmsg._jose.jwk import PublicKey
    from signedmsg._jose.strict_json import JSONValue

# Our senders write `iss` first and without escapes; anything else is read by the strict parser.
_ISSUER_FIRST: Final = re.compile(rb'\{"iss":"([\x21\x23-\x5b\x5d-\x7e]{1,256})"[,}]')
_OPENING: Final = 8 + 256 + 2
# Up to this size, in bytes, a strict reading costs less than a signature.
_CHEAP: Final = 1024
_ISSUER_ONLY: Final = SchemaValidator(
    core_schema.typed_dict_schema(
        {"iss": core_schema.typed_dict_field(core_schema.any_schema(), required=False)}, extra_behavior="ignore"
    )
)
_REPLAY_NAMESPACE: Final = b"signedmsg replay 1\x00"


class Registered(NamedTuple):
    """The claims that every kind of token has, each of the right form."""

    issuer: str
    audience: str
    jti: str
    issued_at: int
    expires_at: int
    not_before: int | None


def parse_kind(token: object, typ: str | None, max_size: int) -> Parsed:
    """Read a token of one kind as far as needed to look for its key. Nothing is proven by it.

    Raises:
        MalformedTokenError, UnsupportedTokenError, ClaimError (`iss` only).
    """
    # 1, 2. Three canonical segments within the size cap, and a header of known members.
    compact = jws.parse(token, max_size=max_size)

    # 3. One kind of token a verifier: rules of different kinds exclude each other (RFC 8725 §3.12).
    seen = compact.header.typ
    if seen is None or typ is None:
        if seen is not typ:
            raise UnsupportedTokenError(f"typ: expected {_shown(typ)}, saw {_shown(seen)}")
    elif seen != typ and jws.normal_typ(seen) != jws.normal_typ(typ):
        raise UnsupportedTokenError(f"typ: expected {_shown(typ)}, saw another one")

    # 4. The issuer's name, to find the key; it is compared with the verified one in step 9.
    return Parsed(compact, _issuer_of(compact))


def _shown(typ: str | None) -> str:
    return "none" if typ is None else f'"{typ[:64]}"'


def _issuer_of(compact: jws.Compact) -> str:
    first = _ISSUER_FIRST.match(compact.opening(_OPENING))
    if first:
        return first[1].decode("ascii")
    payload = compact.payload
    if len(payload) <= _CHEAP:
        return _named(claims_of(payload))
    # Nobody has proven anything yet, and to read a large claims set strictly takes up to 50 ms. So
    # only `iss` is taken out of it: step 9 reads the same octets strictly, and compares the two.
    try:
        return _named(_ISSUER_ONLY.validate_json(payload))
    except ValidationError as error:
        if error.errors(include_url=False, include_context=False, include_input=False)[0]["type"] == "json_invalid":
            raise MalformedTokenError("claims set: not JSON") from None
        raise MalformedTokenError("claims set: not a JSON object") from None


def _named(claims: dict[str, JSONValue]) -> str:
    return rules.text(claims, "iss", rules.ISSUER, "1 to 256 visible ASCII characters")


def claims_of(payload: bytes) -> dict[str, JSONValue]:
    """Return the claims set, strictly read, or raise `MalformedTokenError`."""
    try:
        return strict_json.loads_object(payload)
    except ValueError as error:
        raise MalformedTokenError(f"claims set: {error}") from None


def check_algorithm(parsed: Parsed, key: PublicKey, trust: Trust) -> None:
    """Compare the algorithms: step 7.

    Raises:
        UnsupportedTokenError: the token names another than the key's, or the key's is not accepted.
    """
    # 7. The algorithm is the key's; the header's word is only compared with it (RFC 8725 §3.1).
    alg = parsed.compact.header.alg
    if alg != key.alg:
        raise UnsupportedTokenError(f"alg: the key is for {key.alg}, the header says {alg}")
    if trust.algorithms is not None and key.alg not in trust.algorithms:
        raise UnsupportedTokenError(f"alg: {key.alg} is not accepted from this issuer")


def check_key_times(key: PublicKey, leeway: float, now: float) -> None:
    """Raise `UnknownKeyError` when the key itself is not valid at that time."""
    if key.not_before is not None and now < key.not_before - leeway:
        raise UnknownKeyError("the key is not valid yet", code="key_not_valid")
    if key.expires is not None and now >= key.expires + leeway:
        raise UnknownKeyError("the key is no longer valid", code="key_not_valid")


class Tried(NamedTuple):
    """A key under which the signature of a token was tried already, and whether it held."""

    key: PublicKey
    holds: bool


def prove(
    parsed: Parsed, key: PublicKey, trust: Trust, leeway: float, now: float, *, tried: Tried | None = None
) -> dict[str, JSONValue]:
    """Return the claims that the issuer really signed; none of them has been checked.

    Raises:
        UnsupportedTokenError, UnknownKeyError, InvalidSignatureError, MalformedTokenError.
    """
    # 7.
    check_algorithm(parsed, key, trust)
    check_key_times(key, leeway, now)

    # 8. Over the received octets, never over something encoded anew (RFC 7515 §5.2).
    # The same octets under the same key have the same verdict, and another signature its price.
    if tried is None or tried.key is not key:
        key.verify(parsed.compact.signature, parsed.compact.signing_input)
    elif not tried.holds:
        raise InvalidSignatureError("the signature does not verify under the key")

    # 9. Read from the very octets that were signed.
    return claims_of(parsed.compact.payload)


def registered(claims: dict[str, JSONValue], issuer: str) -> Registered:
    """Return the claims that every token has; `issuer` is the one whose key was used.

    Raises:
        ClaimError: one is missing, or not of its form.
    """
    verified = rules.text(claims, "iss", rules.ISSUER, "1 to 256 visible ASCII characters")
    if verified != issuer:
        raise ClaimError(claim="iss", reason="the verified issuer is not the one whose key was used")
    jti = rules.text(claims, "jti", rules.JTI, "16 to 128 characters of [A-Za-z0-9._~:+=@-]")
    audience = rules.text(claims, "aud", rules.AUDIENCE, "one string of visible ASCII characters")
    issued_at = rules.numeric_date(claims, "iat")
    expires_at = rules.numeric_date(claims, "exp")
    not_before = rules.optional_numeric_date(claims, "nbf")
    return Registered(verified, audience, jti, issued_at, expires_at, not_before)


def refuse_claims(claims: dict[str, JSONValue], names: Iterable[str]) -> None:
    """Raise `ClaimError` when one of these claims is there."""
    for name in names:
        if name in claims:
            raise ClaimError(claim=name, reason="a token with this claim could pass for one of another protocol")


def public_claims(claims: dict[str, JSONValue]) -> dict[str, JSONValue]:
    """Return the claims of the sender's own whose names are URIs (RFC 7519 §4.2)."""
    return {name: claims[name] for name in claims if ":" in name and rules.PUBLIC_CLAIM.fullmatch(name)}


def check_times(
    issued_at: int, expires_at: int, not_before: int | None, *, leeway: float, lifetime_cap: float, now: float
) -> None:
    """Check that the token is valid now and short-lived: step 10.

    Raises:
        ClaimError: with the code `claim`, `lifetime`, `expired` or `not_yet_valid`.
    """
    if expires_at <= issued_at:
        raise ClaimError(claim="exp", reason="it is not after iat")
    if expires_at - issued_at > lifetime_cap:
        raise ClaimError(
            claim="exp",
            reason=f"a lifetime of {expires_at - issued_at} s is longer than the {lifetime_cap:g} s accepted",
            code="lifetime",
        )
    check_expiry(expires_at, leeway, now)
    if issued_at > now + leeway:
        raise ClaimError(claim="iat", reason=f"it is {issued_at - now:.0f} s in the future", code="not_yet_valid")
    if not_before is not None and not_before > now + leeway:
        raise ClaimError(claim="nbf", reason=f"it is {not_before - now:.0f} s in the future", code="not_yet_valid")


def check_expiry(expires_at: int, leeway: float, now: float) -> None:
    """Raise `ClaimError` (`expired`) when the token has ended."""
    if now >= expires_at + leeway:
        raise ClaimError(claim="exp", reason=f"the token ended {now - expires_at:.0f} s ago", code="expired")


def check_audience(audience: str, expected: str, hint: str) -> None:
    """Compare with the one audience of this route, character by character (RFC 8725 §3.9): step 11."""
    if audience != expected:
        raise ClaimError(
            f"aud: expected {expected!r}, the token is for another audience",
            claim="aud",
            reason="the token is for another audience",
            code="audience",
            hint=hint,
        )


def keep_for(issued_at: int, expires_at: int, leeway: float) -> float:
    """Return how long an id is remembered, in seconds.

    It is a duration on the store's own clock, so hosts whose clocks differ cannot shorten it.
    """
    return expires_at - issued_at + 2 * leeway + REPLAY_MARGIN


def replay_key(issuer: str, jti: str) -> bytes:
    """Return 16 bytes that stand for (issuer, jti), never for the text or signature of a token.

    Both are visible ASCII, so the NUL between them keeps any two pairs apart.
    """
    return replay_keys(issuer)(jti.encode("ascii"))


def replay_keys(issuer: str) -> Callable[[bytes], bytes]:
    """Return `replay_key` of this issuer, for which a `jti` is bytes."""
    begun = blake2b(_REPLAY_NAMESPACE + issuer.encode("ascii") + b"\x00", digest_size=16)

    def replay_key_of(jti: bytes) -> bytes:
        hash = begun.copy()
        hash.update(jti)
        return hash.digest()

    return replay_key_of


def s256_of(signing_input: bytes) -> str:
    """Return what a signed answer calls its request by: the base64url SHA-256 of all that was signed.

    Never of the signature: that of ECDSA has a twin, which verifies just as well.
    """
    return base64url.encode(sha256(signing_input).digest())
