"""(data, policy, now, id) -> signing input: what a sender writes.

A message is frozen once; every attempt to deliver it wraps the same bytes in new
`iat`, `exp` and `jti`. The claims stand in a fixed order, `iss` first.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from math import modf
from typing import TYPE_CHECKING, Final, NamedTuple

from signedmsg._core import claims as rules
from signedmsg._core.payload import encode_data
from signedmsg._core.policy import ENVELOPE_TYP, SendPolicy
from signedmsg._core.urls import normal_audience
from signedmsg._jose import jws, strict_json
from signedmsg.errors import SigningError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Types, accounts and audiences repeat: what was checked and written once is remembered, up to so many.
_REMEMBERED: Final = 16_384
# Past it a float no longer tells seconds from milliseconds, and before 0 the rounding is another.
_YEAR_5000: Final = 95_617_584_000.0
# A message is given up three days after it was made, unless the caller says otherwise.
DEFAULT_HORIZON: Final = 3 * 24 * 3600


_LABEL: Final = "1 to 256 characters without controls"
_PLAIN_ID: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,128}")


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
    seconds, made = _moment(time)
    deadline = seconds + DEFAULT_HORIZON if until is None else _deadline(until)
    head = f'{{"v":1,"id":{_message_id(id)},"type":{_label("type", type)},"time":"{made}","until":{deadline}'
    if subject is not None:
        head += f',"subject":{_text("subject", subject, rules.LABEL, _LABEL)}'
    account = policy.account if account is None else account
    if account is not None:
        head += f',"account":{_label("account", account)}'
    message = b'%b,"data":%b}' % (head.encode(), encode_data(data))
    return Frozen(id, _audience(audience), message, _public_claims(claims), deadline)


def compose(policy: SendPolicy, frozen: Frozen, attempt: Attempt, *, alg: str, kid: str) -> bytes:
    """Return the signing input of one attempt (RFC 7515 §5.1).

    Raises:
        SigningError: the message's own deadline has passed.
    """
    if frozen.until <= attempt.now:
        raise SigningError("until: the message's deadline has passed; its receiver would refuse it")
    issued_at = int(attempt.now)
    payload = b'%b"iat":%d,"exp":%d,"jti":"%b",%b"msg":%b}' % (
        _opening(policy.issuer, frozen.audience),
        issued_at,
        issued_at + policy.lifetime,
        attempt.jti.encode("ascii"),
        frozen.public_claims,
        frozen.message,
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


@lru_cache(_REMEMBERED)
def _opening(issuer: str, audience: str) -> bytes:
    return b'{"iss":%b,"aud":%b,' % (strict_json.dumps(issuer), strict_json.dumps(audience))


def _text(name: str, value: object, form: re.Pattern[str], expected: str) -> str:
    if not isinstance(value, str) or not form.fullmatch(value):
        raise SigningError(f"{name}: expected {expected}")
    try:
        return strict_json.dumps(value).decode()
    except UnicodeEncodeError:
        raise SigningError(f"{name}: a lone surrogate is not Unicode text") from None


def _message_id(id: str) -> str:
    # Without a quote or a backslash it stands between quotes as it is.
    if isinstance(id, str) and _PLAIN_ID.fullmatch(id):
        return f'"{id}"'
    return _text("id", id, rules.MESSAGE_ID, "1 to 128 visible ASCII characters")


def _label(name: str, value: object) -> str:
    return _known_label(name, value) if type(value) is str else _text(name, value, rules.LABEL, _LABEL)


@lru_cache(_REMEMBERED)
def _known_label(name: str, value: str) -> str:
    return _text(name, value, rules.LABEL, _LABEL)


def _audience(audience: str) -> str:
    return _known_audience(audience) if type(audience) is str else _new_audience(audience)


def _new_audience(audience: str) -> str:
    try:
        return normal_audience(audience)
    except (TypeError, ValueError) as error:
        raise SigningError(str(error)) from None


_known_audience = lru_cache(_REMEMBERED)(_new_audience)


def _moment(time: float | datetime) -> tuple[int, str]:
    """Return a moment as whole Unix seconds, and as RFC 3339 text to the microsecond."""
    if isinstance(time, float) and 0 <= time < _YEAR_5000:
        # As `fromtimestamp` rounds; with `isoformat` it takes longer than all the rest of this module.
        fraction, whole = modf(time)
        seconds, microseconds = int(whole), round(fraction * 1e6)
        if microseconds == 1_000_000:
            seconds, microseconds = seconds + 1, 0
        return seconds, f"{_second(seconds)}.{microseconds:06d}Z"
    made = _datetime(time)
    return int(made.timestamp()), f"{made.isoformat(timespec='microseconds')[:26]}Z"


@lru_cache(16)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]


def _datetime(time: float | datetime) -> datetime:
    if isinstance(time, datetime) and time.tzinfo is None:
        raise SigningError("time: expected a datetime with a time zone")
    try:
        return time.astimezone(UTC) if isinstance(time, datetime) else datetime.fromtimestamp(time, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise SigningError("time: expected Unix seconds or a datetime with a time zone") from None


def _deadline(until: int) -> int:
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
        written.append(strict_json.dumps(name) + b":" + encode_data(value, root=name) + b",")
    return b"".join(written)
