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
from typing import TYPE_CHECKING, Final, TypeVar

from signedmsg._core import claims as rules
from signedmsg._core.message import Authentic, Content, Message, make_message
from signedmsg._core.proof import (
    check_audience,
    check_times,
    keep_for,
    parse_kind,
    prove,
    public_claims,
    refuse_claims,
    registered,
    replay_key,
)
from signedmsg.errors import ClaimError, NotAllowedError, ReplayedError, UnsupportedTokenError

if TYPE_CHECKING:
    from signedmsg._core.message import Parsed
    from signedmsg._core.policy import PlainTokens, ReceivePolicy, Trust
    from signedmsg._core.proof import Registered, Tried
    from signedmsg._jose.jwk import PublicKey
    from signedmsg._jose.strict_json import JSONValue

T = TypeVar("T")

# RFC 3339 §5.6, the profile of ISO 8601 that CloudEvents uses.
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_FRACTION: Final = re.compile(r"\.\d+", re.ASCII)
_AUDIENCE_HINT: Final = (
    "compare, letter by letter, the URL that the sender posts to: scheme, host, port, path, last slash"
)


def parse(token: object, policy: ReceivePolicy) -> Parsed:
    """Read an envelope as far as needed to look for its key. Nothing is proven by it.

    Raises:
        MalformedTokenError, UnsupportedTokenError, ClaimError (`iss` only).
    """
    # 1 to 4.
    return parse_kind(token, policy.typ, policy.max_size)


def authenticate(
    parsed: Parsed,
    key: PublicKey,
    policy: ReceivePolicy,
    trust: Trust,
    now: float,
    *,
    tried: Tried | None = None,
) -> Authentic:
    """Prove that the issuer signed this token, for this audience, and that it is valid now.

    `tried` is what is known already of the very same token's signature.

    Raises:
        UnsupportedTokenError, UnknownKeyError, InvalidSignatureError,
        MalformedTokenError, ClaimError.
    """
    # 7, 8, 9.
    claims = prove(parsed, key, trust, policy.leeway, now, tried=tried)
    token = registered(claims, parsed.issuer)
    content = _plain(claims, policy.tokens, token) if policy.tokens else _envelope(claims)

    # 10.
    check_times(
        token.issued_at,
        token.expires_at,
        token.not_before,
        leeway=policy.leeway,
        lifetime_cap=policy.lifetime_cap,
        now=now,
    )

    # 11.
    check_audience(token.audience, policy.audience, _AUDIENCE_HINT)
    return Authentic(
        issuer=token.issuer,
        audience=token.audience,
        jti=token.jti,
        issued_at=token.issued_at,
        expires_at=token.expires_at,
        content=content,
        public_claims=public_claims(claims),
        replay_key=replay_key(token.issuer, token.jti),
        keep=keep_for(token.issued_at, token.expires_at, policy.leeway),
        signed_by=signed_by(token.issued_at, content.time, content.resolution),
        signed=parsed.compact.signing_input,
    )


def _envelope(claims: dict[str, JSONValue]) -> Content:
    refuse_claims(claims, rules.FORBIDDEN)
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


def _plain(claims: dict[str, JSONValue], plain: PlainTokens, token: Registered) -> Content:
    refuse_claims(claims, plain.refused_claims)
    for name in plain.required:
        if name not in claims:
            raise ClaimError(claim=name, reason="expected it, saw nothing")
    data = {name: value for name, value in claims.items() if name not in plain.own_claims}
    # The bound keeps every NumericDate of a plausible clock; step 10 then checks it against now.
    time = datetime.fromtimestamp(min(token.issued_at, 2**37), UTC)
    return Content(
        id=token.jti,
        type=plain.type,
        time=time,
        resolution=1.0,
        subject=None,
        account=None,
        data=data,
        until=None,
        source=[plain.type, data],
    )


def _time(written: str) -> datetime:
    try:
        return datetime.fromisoformat(written).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ClaimError(claim="msg.time", reason="expected an RFC 3339 time, saw one that does not exist") from None


def _resolution(written: str) -> float:
    """Return what the last digit of an RFC 3339 time stands for, in seconds."""
    fraction = _FRACTION.search(written)
    return 10.0 ** (1 - len(fraction[0])) if fraction else 1.0


def signed_by(issued_at: int, time: datetime, resolution: float) -> float:
    """Return the moment at which the token counts as signed, for a cache that may be younger.

    `iat` has whole seconds, so the token may have been signed at any moment of that second
    and is given the benefit of its end. But a message made within that same second says
    when, in our tokens to the microsecond; then a cache that was made later in the
    second can tell that the token may have been here before it.
    """
    if int(time.timestamp()) != issued_at:
        return issued_at + 1.0
    made = issued_at + time.microsecond / 1e6
    return made if resolution <= 1e-6 else made + resolution


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
        raise NotAllowedError(
            "msg.account: the message names no account, and this endpoint takes those of one"
            if content.account is None
            else "msg.account: the message is of another account"
        )
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
