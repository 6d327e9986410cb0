"""(HTTP request, policy, now, id) -> signing input: what a caller signs of the request it is about to send.

A request is looked at once and bound; every attempt to send it wraps the same members
in new `iat`, `exp` and `jti`. What is bound is what goes onto the wire: the raw target,
the octets of the body, the field values as they are.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from signedmsg._core.call_policy import is_url
from signedmsg._core.components import (
    REQUEST_TYP,
    changes_request,
    content_digest,
    field_value,
    meant_by,
    overrides_method,
    query_component,
)
from signedmsg._core.target import MAX_TARGET, is_ambiguous, names_access_token, parse_target
from signedmsg._core.urls import normal_audience, parse_url
from signedmsg._jose import base64url, jws, strict_json
from signedmsg.errors import SigningError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from signedmsg._core.compose import Attempt
    from signedmsg._core.policy import SendPolicy

# RFC 9110 §9.2.2: to do it twice is to do it once.
_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
_METHOD: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}")
# RFC 9110 §5.5 without the octets beyond ASCII, which each framework decodes in its own way.
_FIELD_VALUE: Final = re.compile(r"[\x20-\x7e\t]*")
# ASCII that JSON takes between quotes as it is.
_PLAIN: Final = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]*")
# Unreserved characters alone (RFC 3986 §2.3), no empty segment and none that begins with a dot.
_PLAIN_PATH: Final = re.compile(rb"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+/?")


class Outgoing(NamedTuple):
    """A request as it will go onto the wire.

    Attributes:
        method: compared as it is, upper and lower case apart.
        origin: scheme, host and port of the URL that is contacted, such as `https://shop.example`.
        target: the raw path and query (RFC 9112 §3.2.1).
        headers: the fields as they are sent, repeated ones apart.
        body: the octets that are sent, after any content coding.
    """

    method: str
    origin: str
    target: bytes
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


class Bound(NamedTuple):
    """What every attempt to send a request signs.

    Attributes:
        origin: the origin contacted, in normal form.
        audience: for whom the token is.
        members: `htm`, `htu` and `http` as JSON text.
        repeatable: whether the request may be sent again though it may have been carried out.
    """

    origin: str
    audience: str
    members: bytes
    repeatable: bool


def call_audience(audience: str) -> str:
    """Return a configured audience as calls name it: a bare origin has no slash at its end.

    Raises:
        TypeError, ValueError: it is none.
    """
    normal = normal_audience(audience)
    return normal.removesuffix("/") if is_url(normal) and parse_url(normal).path == "/" else normal


def bind(request: Outgoing, *, audience: str | None = None, allow_http: bool = False) -> Bound:
    """Check a request and write down what of it is signed.

    Args:
        request: what will be sent.
        audience: for whom it is, in normal form; None for the origin contacted.
        allow_http: whether it may go out in the clear.

    Raises:
        SigningError: receivers would refuse it, or could not tell it from another one.
    """
    # A credential of somebody else's is refused here, so that nothing of it is kept.
    fields = tuple([field for field in request.headers if _signed_name(field[0]) is not None])
    # What repeats is remembered; a query and other fields than a content type are often new, or secret.
    describe = _known if len(fields) <= 1 and b"?" not in request.target else _described
    described = describe(request.method, request.origin, request.target, fields, allow_http=allow_http)
    opening, origin, typed, repeatable = described
    if not request.body:
        return Bound(origin, audience or origin, opening + b"}", repeatable)
    if not typed:
        raise SigningError(
            "a body needs a Content-Type, which says how it reads",
            hint='pass headers={"content-type": ...}, or json=, data= or files=, which set it',
        )
    members = b'%b,"content-digest":"%b"}' % (opening, content_digest(request.body).encode("ascii"))
    return Bound(origin, audience or origin, members, repeatable)


class _Described(NamedTuple):
    """What a request signs besides its body.

    Attributes:
        opening: the members as JSON text, up to where a digest would follow.
        origin: the origin contacted, in normal form.
        typed: whether it has a content type.
        repeatable: see `Bound`.
    """

    opening: bytes
    origin: str
    typed: bool
    repeatable: bool


def _described(
    method: str, origin: str, target: bytes, headers: tuple[tuple[bytes, bytes], ...], *, allow_http: bool
) -> _Described:
    if not _METHOD.fullmatch(method):
        raise SigningError("method: expected a token of RFC 9110 §9.1")
    origin = _origin(origin, allow_http=allow_http)
    path, query = _target(target)
    fields = _fields(headers)
    signed = [f'"@query":{_quoted(query_component(query))}'] if query else []
    signed += [f"{_quoted(name)}:{value}" for name, value in fields.items()]
    # Nothing in a method, an origin or a path in normal form is what JSON would escape.
    opening = f'"htm":"{method}","htu":"{origin}{path}","http":{{{",".join(signed)}'.encode()
    repeatable = method in _IDEMPOTENT or "idempotency-key" in fields
    return _Described(opening, origin, "content-type" in fields, repeatable)


_known: Final = lru_cache(maxsize=256)(_described)


def compose_request(policy: SendPolicy, bound: Bound, attempt: Attempt, *, alg: str, kid: str) -> bytes:
    """Return the signing input of one attempt (RFC 7515 §5.1); its claims stand in a fixed order, `iss` first."""
    issued_at = int(attempt.now)
    payload = b'%b"iat":%d,"exp":%d,"jti":"%b",%b}' % (
        _opening(policy.issuer, bound.audience),
        issued_at,
        issued_at + policy.lifetime,
        attempt.jti.encode(),
        bound.members,
    )
    return f"{_header(alg, kid)}.{base64url.encode(payload)}".encode("ascii")


# A caller signs with one key at a time.
@lru_cache(maxsize=64)
def _header(alg: str, kid: str) -> str:
    return jws.header_segment(alg, kid, REQUEST_TYP)


@lru_cache(maxsize=256)
def _opening(issuer: str, audience: str) -> bytes:
    return b'{"iss":%b,"aud":%b,' % (strict_json.dumps(issuer), strict_json.dumps(audience))


def _quoted(text: str) -> str:
    return f'"{text}"' if _PLAIN.fullmatch(text) else strict_json.dumps(text).decode()


# A client calls few origins, and each of them often.
@lru_cache(maxsize=256)
def _origin(origin: str, *, allow_http: bool) -> str:
    try:
        url = parse_url(origin)
    except ValueError as error:
        raise SigningError(f"url: {error}") from None
    # Over plain http anybody on the way reads the request and can answer in the receiver's name.
    if url.scheme != "https" and not allow_http:
        raise SigningError(
            "url: expected https://", hint="dangerously_allow_http=True sends in the clear, for local development"
        )
    return url.origin


def _target(target: bytes) -> tuple[str, str]:
    """Return the path in normal form, and the query as it is sent."""
    # Most paths are in normal form, and have nothing in them that could be read in two ways.
    if len(target) <= MAX_TARGET and _PLAIN_PATH.fullmatch(target):
        return target.decode("ascii"), ""
    try:
        (path, query), _ = parse_target(target)
    except ValueError as error:
        raise SigningError(f"url: {error}") from None
    if is_ambiguous(str(path)):
        raise SigningError("url: a path with a '.', '..' or empty segment is refused, escaped or not")
    if names_access_token(str(query)):
        raise SigningError("url: access_token in the query is a second credential")
    return str(path), str(query)


def _fields(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the fields that are covered, each with its combined value (RFC 9421 §2.1) as JSON text."""
    found: dict[str, list[str]] = {}
    for raw, value in headers:
        name = _signed_name(raw)
        if name is not None:
            found.setdefault(name, []).append(value.decode("latin-1"))
    return {name: _written(name, values) for name, values in found.items()}


# The same few names stand in request after request.
@lru_cache(maxsize=256)
def _signed_name(raw: bytes) -> str | None:
    """Return the name under which a field is signed, None for one that is not signed."""
    name = raw.decode("latin-1").lower()
    meant = meant_by(name)
    if meant == "authorization":
        raise SigningError("the request has a credential already; send it without another `auth` or Authorization")
    if overrides_method(meant):
        raise SigningError(f"{meant}: a field that overrides the signed method is refused")
    return name if meant == "content-type" or changes_request(meant) else None


def _written(name: str, values: list[str]) -> str:
    value = values[0].strip(" \t")
    if len(values) == 1 and _PLAIN.fullmatch(value):
        return f'"{value}"'
    if name == "content-type" and len(values) > 1:
        raise SigningError("content-type: the field stands more than once, and nobody knows which one counts")
    value = field_value(values)
    if not _FIELD_VALUE.fullmatch(value):
        raise SigningError(f"{name}: a field that is signed holds visible ASCII characters alone")
    return strict_json.dumps(value).decode()
