"""Messages and calls that nobody signed, for unit tests of handlers: nothing but a verification makes others."""

from __future__ import annotations

import time as clock
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypedDict, TypeVar, overload

from signedmsg._core.call import AuthenticCall, Call
from signedmsg._core.call import make_call as _make_call
from signedmsg._core.components import content_digest, query_component
from signedmsg._core.message import Authentic, Content, Message
from signedmsg._core.message import make_message as _make_message
from signedmsg._core.payload import encode_data
from signedmsg._core.proof import replay_key
from signedmsg._core.target import DecodedTarget, RawTarget, parse_target
from signedmsg._ids import new_jti, new_message_id

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Unpack

    from signedmsg._jose.strict_json import JSONValue

T = TypeVar("T")

_ISSUER = "https://peer.example"
_SERVICE = "https://service.example"


def make_message(
    data: T,
    *,
    type: str = "test.message",
    issuer: str = _ISSUER,
    audience: str = f"{_SERVICE}/inbox",
    id: str | None = None,
    time: datetime | None = None,
    subject: str | None = None,
    account: str | None = None,
    jti: str | None = None,
    issued_at: int | None = None,
    claims: Mapping[str, JSONValue] | None = None,
) -> Message[T]:
    """Return a message as a handler gets it; **nobody has signed or verified it**.

    See `Message` for the arguments. `data` is what the handler will see: an instance of its
    model. Nothing is checked, so a test can hand over what no verification would.
    """
    issued_at = int(clock.time()) if issued_at is None else issued_at
    content = Content(
        id=id or new_message_id(),
        type=type,
        time=time or datetime.fromtimestamp(issued_at, UTC),
        resolution=1.0,
        subject=subject,
        account=account,
        data=None,
        until=None,
        source=None,
    )
    jti = jti or new_jti()
    authentic = Authentic(
        issuer=issuer,
        audience=audience,
        jti=jti,
        issued_at=issued_at,
        expires_at=issued_at + 60,
        content=content,
        public_claims=dict(claims or {}),
        replay_key=replay_key(issuer, jti),
        keep=0.0,
        signed_by=issued_at + 1.0,
        signed="",
    )
    return _make_message(authentic, data)


class CallParts(TypedDict, total=False):
    """What a made call may have besides its method, target and data; see `Call`.

    Args:
        body: the octets; by default those of the data as JSON.
        content_type: `application/json` by default where there is a body.
        bound: further header fields that count as signed.
    """

    body: bytes
    content_type: str
    issuer: str
    audience: str
    jti: str
    issued_at: int
    bound: Mapping[str, str]
    claims: Mapping[str, JSONValue]


@overload
def make_call(method: str = "GET", target: str = "/", data: None = None, **parts: Unpack[CallParts]) -> Call[None]: ...
@overload
def make_call(method: str, target: str, data: T, **parts: Unpack[CallParts]) -> Call[T]: ...
def make_call(method: str = "GET", target: str = "/", data: object = None, **parts: Unpack[CallParts]) -> Call[object]:
    """Return a call as a handler gets it; **nobody has signed or verified it**.

    Args:
        method: the HTTP method.
        target: path and query.
        data: what the handler will see: an instance of its model, or None where there is no body.
        parts: see `CallParts`.

    Raises:
        ValueError: the target is no path and query.
        SigningError: `data` is no JSON, and no `body` is given.
    """
    where, query = parse_target(target)
    assert not isinstance(where, DecodedTarget)  # noqa: S101 - it is a str
    body = parts["body"] if "body" in parts else b"" if data is None else encode_data(data)
    members = {"@query": query_component(query)} if query else {}
    if body:
        content_type = parts.get("content_type", "application/json")
        members |= {"content-type": content_type, "content-digest": content_digest(body)}
    issued_at = parts.get("issued_at", int(clock.time()))
    issuer, jti = parts.get("issuer", _ISSUER), parts.get("jti") or new_jti()
    authentic = AuthenticCall(
        issuer=issuer,
        audience=parts.get("audience", _SERVICE),
        jti=jti,
        issued_at=issued_at,
        expires_at=issued_at + 60,
        method=method,
        target=RawTarget(where.path, query),
        bound={**members, **parts.get("bound", {})},
        digests={},
        public_claims=parts.get("claims", {}),
        replay_key=replay_key(issuer, jti),
        keep=0.0,
        signed_by=issued_at + 1.0,
        s256="",
    )
    return _make_call(authentic, body, data)
