"""Call[T]: the request that an issuer signed, verified and seen for the first time."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, NamedTuple, NoReturn, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from signedmsg._core.target import RawTarget, Target
    from signedmsg._jose.strict_json import JSONValue

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Request(NamedTuple):
    """A request of the right shape, as it arrived. **Nothing in it is proven.**

    Attributes:
        method: a token of RFC 9110 §5.6.2.
        target: where it was sent.
        query: the query as it was sent, without the question mark.
        fields: the values of each header field, by its name in lower case.
        token: the credential of the configured scheme.
    """

    method: str
    target: Target
    query: str
    fields: Mapping[str, list[str]]
    token: str


class AuthenticCall(NamedTuple):
    """A head that its issuer really signed, for this audience, valid now. It may be a replay; its body is not here."""

    issuer: str
    audience: str
    jti: str
    issued_at: int
    expires_at: int
    method: str
    target: RawTarget
    bound: Mapping[str, str]
    digests: dict[str, bytes]
    public_claims: Mapping[str, JSONValue]
    replay_key: bytes
    keep: float
    signed_by: float
    s256: str


class Call(Generic[T_co]):
    """A verified call, seen for the first time. It holds no token and cannot be made by hand.

    Attributes:
        issuer: who signed it.
        audience: for whom it was signed: this receiver.
        method: the HTTP method.
        target: path and query as they were signed, percent-encoded: `/v1/transfers?dry_run=1`.
        path: the path alone, from the root of the external URL's origin, escapes in normal form.
        query: the query alone, without the question mark; "" when there is none.
        data: the body: an instance of the model asked for; without a model the JSON value of a
            body in JSON, and None for any other.
        body: the body's octets.
        content_type: the `Content-Type` that was signed, or None.
        jti: the id of this one token; new for each attempt.
        issued_at: when this token was signed, a NumericDate.
        expires_at: when this token ends, a NumericDate.
        claims: the caller's public claims (names are URIs, RFC 7519 §4.2); read-only.
        bound: what else of the request was signed, by component name (RFC 9421 §2); read-only.
            A header field that is not in it was signed by nobody.
    """

    __slots__ = (
        "_s256",
        "audience",
        "body",
        "bound",
        "claims",
        "content_type",
        "data",
        "expires_at",
        "issued_at",
        "issuer",
        "jti",
        "method",
        "path",
        "query",
        "target",
    )

    issuer: str
    audience: str
    method: str
    target: str
    path: str
    query: str
    data: T_co
    body: bytes
    content_type: str | None
    jti: str
    issued_at: int
    expires_at: int
    claims: Mapping[str, JSONValue]
    bound: Mapping[str, str]
    _s256: str

    def __init__(self) -> None:
        raise TypeError("a Call comes from Receiver.verify_request")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Call cannot be changed: {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a Call cannot be changed: {name}")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Call is proof of a verification made in this process and is not pickled")

    def __repr__(self) -> str:
        return f"<Call {self.method} {self.path!r} from {self.issuer!r}>"


def make_call(authentic: AuthenticCall, body: bytes, data: T) -> Call[T]:
    """Make the call of an authentic head and its body, just admitted."""
    call = cast("Call[T]", object.__new__(Call))
    path, query = authentic.target
    put = object.__setattr__
    put(call, "_s256", authentic.s256)
    put(call, "issuer", authentic.issuer)
    put(call, "audience", authentic.audience)
    put(call, "method", authentic.method)
    put(call, "target", f"{path}?{query}" if query else path)
    put(call, "path", path)
    put(call, "query", query)
    put(call, "data", data)
    put(call, "body", body)
    put(call, "content_type", authentic.bound.get("content-type"))
    put(call, "jti", authentic.jti)
    put(call, "issued_at", authentic.issued_at)
    put(call, "expires_at", authentic.expires_at)
    put(call, "claims", MappingProxyType(dict(authentic.public_claims)))
    put(call, "bound", MappingProxyType(dict(authentic.bound)))
    return call
