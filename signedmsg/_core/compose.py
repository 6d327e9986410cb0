"""(data, policy, now, id) -> signing input: what a sender writes.

A message is frozen once; every attempt to deliver it wraps the same bytes in new
`iat`, `exp` and `jti`. The claims stand in a fixed order, `iss` first.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from signedmsg._core import claims as rules
from signedmsg._core.payload import encode_data
from signedmsg._core.policy import ENVELOPE_TYP, SendPolicy
from signedmsg._core.urls import normal_audience
from signedmsg._jose import jws, strict_json
from signedmsg.errors import SigningError

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping

# A message is given up three days after it was made, unless the caller says otherwise.
DEFAULT_HORIZON: Final = 3 * 24 * 3600


class Frozen(NamedTuple):
    """A message as it will be sent by every attempt: its id, and its claims as JSON bytes."""

    id: str
    audience: str
    message: bytes
    public_claims: bytes
    until: int


class Attempt(NamedTuple):
    """What is new in each attempt."""

    jti: str
    now: float


def freeze(
    policy: SendPolicy,
    data: object,
    *,
    type: str,
    audience: str,
    id: str,
    time: float | datetime,
    subject: str | None = None,
    account: str | None = None,
    until: int | None = None,
    claims: Mapping[str, object] | None = None,
) -> Frozen:
    """Check a message and write it down, once for all its attempts.

    Raises:
        SigningError: a member breaks a rule of the token format, or the data has no
            faithful JSON form.
    """
    made = _moment(time)
    account = policy.account if account is None else account
    deadline = _deadline(until, made)
    members = [
        f'"v":1,"id":{_text("id", id, rules.MESSAGE_ID, "1 to 128 visible ASCII characters")}',
        f'"type":{_label("type", type)}',
        f'"time":"{made.isoformat(timespec="microseconds")[:26]}Z"',
        f'"until":{deadline}',
    ]
    if subject is not None:
        members.append(f'"subject":{_label("subject", subject)}')
    if account is not None:
        members.append(f'"account":{_label("account", account)}')
    head = "{" + ",".join(members) + ',"data":'
    return Frozen(id, _audience(audience), head.encode() + encode_data(data) + b"}", _public_claims(claims), deadline)


def compose(policy: SendPolicy, frozen: Frozen, attempt: Attempt, *, alg: str, kid: str) -> bytes:
    """Return the signing input of one attempt (RFC 7515 §5.1).

    Raises:
        SigningError: the message's own deadline has passed.
    """
    if frozen.until <= attempt.now:
        raise SigningError("until: the message's deadline has passed; its receiver would refuse it")
    issued_at = int(attempt.now)
    payload = b"".join(
        (
            b'{"iss":',
            _quote(policy.issuer),
            b',"aud":',
            _quote(frozen.audience),
            b',"iat":%d,"exp":%d,"jti":"' % (issued_at, issued_at + policy.lifetime),
            attempt.jti.encode(),
            b'",',
            frozen.public_claims,
            b'"msg":',
            frozen.message,
            b"}",
        )
    )
    return jws.compose(alg, kid, ENVELOPE_TYP, payload)


def finish(policy: SendPolicy, signing_input: bytes, signature: bytes) -> str:
    """Return the token.

    Raises:
        SigningError: it is larger than `max_size`.
    """
    token = jws.assemble(signing_input, signature)
    if len(token) > policy.max_size:
        raise SigningError(f"the token is {len(token)} bytes long, more than the {policy.max_size} allowed")
    return token


def _quote(text: str) -> bytes:
    return strict_json.dumps(text)


def _text(name: str, value: object, form: re.Pattern[str], expected: str) -> str:
    if not isinstance(value, str) or not form.fullmatch(value):
        raise SigningError(f"{name}: expected {expected}")
    try:
        return _quote(value).decode()
    except UnicodeEncodeError:
        raise SigningError(f"{name}: a lone surrogate is not Unicode text") from None


def _label(name: str, value: object) -> str:
    return _text(name, value, rules.LABEL, "1 to 256 characters without controls")


def _audience(audience: str) -> str:
    try:
        return normal_audience(audience)
    except (TypeError, ValueError) as error:
        raise SigningError(str(error)) from None


def _moment(time: float | datetime) -> datetime:
    if isinstance(time, datetime) and time.tzinfo is None:
        raise SigningError("time: expected a datetime with a time zone")
    try:
        return time.astimezone(UTC) if isinstance(time, datetime) else datetime.fromtimestamp(time, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise SigningError("time: expected Unix seconds or a datetime with a time zone") from None


def _deadline(until: int | None, made: datetime) -> int:
    if until is None:
        return int(made.timestamp()) + DEFAULT_HORIZON
    if type(until) is not int or not 0 < until < rules.MAX_NUMERIC_DATE:
        raise SigningError("until: expected a NumericDate, an int of Unix seconds")
    return until


def _public_claims(claims: Mapping[str, object] | None) -> bytes:
    """Write the caller's claims, whose names are URIs: none of them can be one that the SDK owns."""
    if not claims:
        return b""
    written: list[bytes] = []
    for name, value in claims.items():
        if not isinstance(name, str) or not rules.PUBLIC_CLAIM.fullmatch(name):
            raise SigningError(f"claims: {name!r}: a claim of your own needs a URI as its name (RFC 7519 §4.2)")
        written.append(_quote(name) + b":" + encode_data(value, root=name) + b",")
    return b"".join(written)
