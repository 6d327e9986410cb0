"""Parse, authenticate, admit: the numbered steps of a verification.

The order is law: whatever can refuse without I/O refuses before anything is
written, and nothing but `iss` is read before the signature holds (RFC 8725 §3.8).

    parse         1 shape and size   2 header   3 kind   4 issuer's name
    (the key directory)              5 issuer known      6 its key
    authenticate  7 key fits         8 signature         9 claims        10 time   11 audience
    authorize    12 what this issuer may send, whose account, the message's deadline
    (the model)  13 the data fits
    admit        14 first use
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, TypeVar

from pydantic_core import SchemaValidator, ValidationError, core_schema

from signedmsg._core import claims as rules
from signedmsg._core.message import Authentic, Content, Message, Parsed, make_message
from signedmsg._core.policy import REPLAY_MARGIN, PlainTokens, ReceivePolicy, Trust
from signedmsg._jose import jws, strict_json
from signedmsg.errors import (
    ClaimError,
    MalformedTokenError,
    NotAllowedError,
    ReplayedError,
    UnknownKeyError,
    UnsupportedTokenError,
)

if TYPE_CHECKING:
    from signedmsg._jose.jwk import PublicKey
    from signedmsg._jose.strict_json import JSONValue

T = TypeVar("T")

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
# RFC 3339 §5.6, the profile of ISO 8601 that CloudEvents uses.
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_REPLAY_NAMESPACE: Final = b"signedmsg replay 1\x00"


def parse(token: object, policy: ReceivePolicy) -> Parsed:
    """Read a token as far as needed to look for its key. Nothing is proven by it.

    Raises:
        MalformedTokenError, UnsupportedTokenError, ClaimError (`iss` only).
    """
    # 1, 2. Three canonical segments within the size cap, and a header of known members.
    compact = jws.parse(token, max_size=policy.max_size)

    # 3. One kind of token a verifier: rules of different kinds exclude each other (RFC 8725 §3.12).
    expected = policy.typ
    typ = compact.header.typ
    if typ is None or expected is None:
        if typ is not expected:
            raise UnsupportedTokenError(f"typ: expected {_shown(expected)}, saw {_shown(typ)}")
    elif jws.normal_typ(typ) != jws.normal_typ(expected):
        raise UnsupportedTokenError(f"typ: expected {_shown(expected)}, saw another one")

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
        return _named(_claims_of(payload))
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


def _claims_of(payload: bytes) -> dict[str, JSONValue]:
    try:
        return strict_json.loads_object(payload)
    except ValueError as error:
        raise MalformedTokenError(f"claims set: {error}") from None


def authenticate(parsed: Parsed, key: PublicKey, policy: ReceivePolicy, trust: Trust, now: float) -> Authentic:
    """Prove that the issuer signed this token, for this audience, and that it is valid now.

    Raises:
        UnsupportedTokenError, UnknownKeyError, InvalidSignatureError,
        MalformedTokenError, ClaimError.
    """
    # 7. The algorithm is the key's; the header's word is only compared with it (RFC 8725 §3.1).
    header = parsed.compact.header
    if header.alg != key.alg:
        raise UnsupportedTokenError(f"alg: the key is for {key.alg}, the header says {header.alg}")
    if trust.algorithms is not None and key.alg not in trust.algorithms:
        raise UnsupportedTokenError(f"alg: {key.alg} is not accepted from this issuer")
    _check_key_times(key, policy.leeway, now)

    # 8. Over the received octets, never over something encoded anew (RFC 7515 §5.2).
    key.verify(parsed.compact.signature, parsed.compact.signing_input)

    # 9. The claims, read from the very octets that were signed.
    claims = _claims_of(parsed.compact.payload)
    issuer = rules.text(claims, "iss", rules.ISSUER, "1 to 256 visible ASCII characters")
    if issuer != parsed.issuer:
        raise ClaimError(claim="iss", reason="the verified issuer is not the one whose key was used")
    jti = rules.text(claims, "jti", rules.JTI, "16 to 128 characters of [A-Za-z0-9._~:+=@-]")
    audience = rules.text(claims, "aud", rules.AUDIENCE, "one string of visible ASCII characters")
    issued_at = rules.numeric_date(claims, "iat")
    expires_at = rules.numeric_date(claims, "exp")
    not_before = rules.optional_numeric_date(claims, "nbf")
    content = _plain(claims, policy.tokens, jti, issued_at) if policy.tokens else _envelope(claims)

    # 10. Time.
    _check_times(issued_at, expires_at, not_before, policy, now)

    # 11. Compared with the one audience of this route, character by character (RFC 8725 §3.9).
    if audience != policy.audience:
        raise ClaimError(
            f"aud: expected {policy.audience!r}, the token is for another audience",
            claim="aud",
            reason="the token is for another audience",
            code="audience",
            hint="compare, letter by letter, the URL that the sender posts to: scheme, host, port, path, last slash",
        )
    return Authentic(
        issuer=issuer,
        audience=audience,
        jti=jti,
        issued_at=issued_at,
        expires_at=expires_at,
        content=content,
        public_claims={name: claims[name] for name in claims if rules.PUBLIC_CLAIM.fullmatch(name)},
        replay_key=replay_key(issuer, jti),
        # A duration on the store's own clock: hosts whose clocks differ cannot shorten it.
        keep=expires_at - issued_at + 2 * policy.leeway + REPLAY_MARGIN,
        signed_by=_signed_by(issued_at, content),
    )


def _check_key_times(key: PublicKey, leeway: float, now: float) -> None:
    if key.not_before is not None and now < key.not_before - leeway:
        raise UnknownKeyError("the key is not valid yet", code="key_not_valid")
    if key.expires is not None and now >= key.expires + leeway:
        raise UnknownKeyError("the key is no longer valid", code="key_not_valid")


def _check_times(issued_at: int, expires_at: int, not_before: int | None, policy: ReceivePolicy, now: float) -> None:
    leeway = policy.leeway
    if expires_at <= issued_at:
        raise ClaimError(claim="exp", reason="it is not after iat")
    if expires_at - issued_at > policy.lifetime_cap:
        raise ClaimError(
            claim="exp",
            reason=f"a lifetime of {expires_at - issued_at} s is longer than the {policy.lifetime_cap:g} s accepted",
            code="lifetime",
        )
    if now >= expires_at + leeway:
        raise ClaimError(claim="exp", reason=f"the token ended {now - expires_at:.0f} s ago", code="expired")
    if issued_at > now + leeway:
        raise ClaimError(claim="iat", reason=f"it is {issued_at - now:.0f} s in the future", code="not_yet_valid")
    if not_before is not None and not_before > now + leeway:
        raise ClaimError(claim="nbf", reason=f"it is {not_before - now:.0f} s in the future", code="not_yet_valid")


def _envelope(claims: dict[str, JSONValue]) -> Content:
    _refuse_claims(claims, rules.FORBIDDEN)
    message = claims.get("msg")
    if not isinstance(message, dict):
        raise rules.wrong("msg", message, "msg" in claims, "an object")
    version = message.get("v")
    if type(version) is not int:
        raise rules.wrong("msg.v", version, "v" in message, "an integer")
    if version != 1:
        raise UnsupportedTokenError("msg.v: expected 1, saw another version")
    if "data" not in message:
        raise ClaimError(claim="msg.data", reason="expected a JSON value, saw nothing")
    label = "1 to 256 characters without controls"
    time = rules.text(message, "time", _TIME, "an RFC 3339 time", inside="msg.")
    return Content(
        id=rules.text(message, "id", rules.MESSAGE_ID, "1 to 128 visible ASCII characters", inside="msg."),
        type=rules.text(message, "type", rules.LABEL, label, inside="msg."),
        time=_time(time),
        resolution=_resolution(time),
        subject=rules.optional_text(message, "subject", rules.LABEL, label, inside="msg."),
        account=rules.optional_text(message, "account", rules.LABEL, label, inside="msg."),
        data=message["data"],
        until=rules.optional_numeric_date(message, "until", inside="msg."),
        source=message,
    )


def _plain(claims: dict[str, JSONValue], plain: PlainTokens, jti: str, issued_at: int) -> Content:
    _refuse_claims(claims, plain.refused_claims)
    for name in plain.required:
        if name not in claims:
            raise ClaimError(claim=name, reason="expected it, saw nothing")
    data = {name: value for name, value in claims.items() if name not in plain.own_claims}
    # The bound keeps every NumericDate of a plausible clock; step 10 then checks it against now.
    time = datetime.fromtimestamp(min(issued_at, 2**37), UTC)
    return Content(
        id=jti,
        type=plain.type,
        time=time,
        resolution=1.0,
        subject=None,
        account=None,
        data=data,
        until=None,
        source=[plain.type, data],
    )


def _refuse_claims(claims: dict[str, JSONValue], names: tuple[str, ...]) -> None:
    for name in names:
        if name in claims:
            raise ClaimError(claim=name, reason="a token with this claim could pass for one of another protocol")


def _time(written: str) -> datetime:
    try:
        return datetime.fromisoformat(written).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ClaimError(claim="msg.time", reason="expected an RFC 3339 time, saw one that does not exist") from None


def _resolution(written: str) -> float:
    """Return what the last digit of an RFC 3339 time stands for, in seconds."""
    fraction = _TIME.fullmatch(written)
    return 10.0 ** (1 - len(fraction[1])) if fraction and fraction[1] else 1.0


def _signed_by(issued_at: int, content: Content) -> float:
    """Return the moment at which the token counts as signed, for a cache that may be younger.

    `iat` has whole seconds, so the token may have been signed at any moment of that second
    and is given the benefit of its end. But a message made within that same second says
    when, in our tokens to the microsecond; then a cache that was made later in the
    second can tell that the token may have been here before it.
    """
    if int(content.time.timestamp()) != issued_at:
        return issued_at + 1.0
    made = issued_at + content.time.microsecond / 1e6
    return made if content.resolution <= 1e-6 else made + content.resolution


def replay_key(issuer: str, jti: str) -> bytes:
    """Return 16 bytes that stand for (issuer, jti), never for the text or signature of a token.

    Both are visible ASCII, so the NUL between them keeps any two pairs apart.
    """
    return blake2b(_REPLAY_NAMESPACE + issuer.encode() + b"\x00" + jti.encode(), digest_size=16).digest()


def authorize(authentic: Authentic, policy: ReceivePolicy, trust: Trust, now: float) -> Authentic:
    """Check what this issuer may send here, and whether the message is still wanted.

    Raises:
        NotAllowedError, ClaimError (`too_late`).
    """
    # 12. Authentication is not authorization: a known issuer may send only what was allowed to it.
    content = authentic.content
    trust.authorize(content.type)
    # A customer who registers another's endpoint could else have the platform sign her events for it.
    if policy.account is not None and content.account != policy.account:
        raise NotAllowedError("msg.account: the message is of another account")
    if content.until is not None and now >= content.until + policy.leeway:
        raise ClaimError(claim="msg.until", reason="the message's own deadline has passed", code="too_late")
    return authentic


def admit(authentic: Authentic, data: T, *, first_use: bool) -> Message[T]:
    """Hand over the message, once.

    Raises:
        ReplayedError: the replay cache saw this token before.
    """
    # 14. Last, so that no refused token ever uses up the id of a genuine one.
    # A cache that answers anything but True, such as a coroutine nobody awaited, admits nothing.
    if first_use is not True:
        raise ReplayedError("jti: this token was accepted before")
    return make_message(authentic, data)
