"""Parsed -> Authentic -> Message[T]: types that carry proof.

Each stands for checks that were made; nothing but `verify.py` makes one. A handler
takes a `Message[T]`, so that a forgotten verification, or a forgotten replay check,
is a type error.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, NoReturn, Protocol, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from signedmsg._jose.jws import Compact
    from signedmsg._jose.strict_json import JSONValue

_NO_CLAIMS: Final[Mapping[str, JSONValue]] = MappingProxyType({})
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Parsed(NamedTuple):
    """A token of the right shape and kind. **Nothing in it is proven**; `issuer` only finds the key."""

    compact: Compact
    issuer: str


class Content(NamedTuple):
    """What a token says, apart from the claims that protect it; `time` is exact to `resolution` seconds.

    `source` is all of it as it was read, for a digest of the content: the claims set as text where
    nobody had to parse it.
    `written` is the data as compact JSON that says each thing once, where it came so.
    """

    id: str
    type: str
    time: datetime
    resolution: float
    subject: str | None
    account: str | None
    data: JSONValue
    until: int | None
    source: JSONValue | bytes
    written: bytes | None = None


class Verified(Protocol):
    """What a message is made of."""

    @property
    def issuer(self) -> str: ...
    @property
    def audience(self) -> str: ...
    @property
    def jti(self) -> str: ...
    @property
    def issued_at(self) -> int: ...
    @property
    def expires_at(self) -> int: ...
    @property
    def content(self) -> Content: ...
    @property
    def public_claims(self) -> Mapping[str, JSONValue]: ...
    @property
    def signed(self) -> bytes | str: ...


class Authentic(NamedTuple):
    """A token that its issuer really signed, for this audience, valid now. It may be a replay.

    `signed` is what the signature covers, without which a token is none; few ever need its digest.
    """

    issuer: str
    audience: str
    jti: str
    issued_at: int
    expires_at: int
    content: Content
    public_claims: Mapping[str, JSONValue]
    replay_key: bytes
    keep: float
    signed_by: float
    signed: bytes | str


class _Fields(Generic[T_co]):
    """A message while it is being made, the only time that its fields can be set."""

    __slots__ = (
        "_signed",
        "account",
        "audience",
        "claims",
        "data",
        "expires_at",
        "id",
        "issued_at",
        "issuer",
        "jti",
        "subject",
        "time",
        "type",
    )

    id: str
    type: str
    time: datetime
    subject: str | None
    account: str | None
    data: T_co
    issuer: str
    audience: str
    jti: str
    issued_at: int
    expires_at: int
    claims: Mapping[str, JSONValue]
    _signed: bytes | str


class Message(_Fields[T_co]):
    """A verified message, seen for the first time. It holds no token and cannot be made by hand.

    Attributes:
        id: the message; the same over all delivery attempts.
        type: what kind of message it is, such as `invoice.paid`.
        time: when the sender made the message, in UTC.
        subject: what it is about, or None.
        account: whose data it is, where a platform signs for many customers, or None.
        data: the payload: JSON, or an instance of the model asked for.
        issuer: who signed it.
        audience: for whom it was signed: this receiver.
        jti: the id of this one token; new for each attempt.
        issued_at: when this token was signed, a NumericDate.
        expires_at: when this token ends, a NumericDate.
        claims: the sender's public claims (names are URIs, RFC 7519 §4.2); read-only.
    """

    __slots__ = ()

    def __init__(self) -> None:
        raise TypeError("a Message comes from Receiver.verify, or in tests from signedmsg.testing")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Message cannot be changed: {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a Message cannot be changed: {name}")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Message is proof of a verification made in this process and is not pickled")

    def __repr__(self) -> str:
        return f"<Message {self.type!r} {self.id!r} from {self.issuer!r}>"


def make_message(authentic: Verified, data: T) -> Message[T]:
    """Make the message of a token that was just admitted, or that was admitted when it was queued."""
    message: _Fields[T] = _Fields()
    content = authentic.content
    message._signed = authentic.signed  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    message.id = content.id
    message.type = content.type
    message.time = content.time
    message.subject = content.subject
    message.account = content.account
    message.data = data
    message.issuer = authentic.issuer
    message.audience = authentic.audience
    message.jti = authentic.jti
    message.issued_at = authentic.issued_at
    message.expires_at = authentic.expires_at
    claims = authentic.public_claims
    message.claims = MappingProxyType(dict(claims)) if claims else _NO_CLAIMS
    # From here on it cannot be changed. Setting each field past the guard of `Message` costs five times as much.
    message.__class__ = Message
    return cast("Message[T]", message)
