"""Calls made by hand: a request and the token that binds it, each right but for the changes a row makes."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from .tokens import AS_IT_IS, GONE, ISSUER, JTI, NOW, changed, dump, header_of, key, signed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .tokens import Key

ORIGIN: Final = "https://shop.example"
PATH: Final = "/v1/transfers"
TYP: Final = "vnd.signedmsg.req+jwt"
BODY: Final = b'{"amount":42}'
JSON: Final = "application/json"


def digest(body: bytes, name: str = "sha-256") -> str:
    made = hashlib.new(name.replace("-", ""), body).digest()
    return f"{name}=:{base64.b64encode(made).decode()}:"


CLAIMS: Final[Mapping[str, object]] = {
    "iss": ISSUER,
    "aud": ORIGIN,
    "iat": NOW,
    "exp": NOW + 60,
    "jti": JTI,
    "htm": "POST",
    "htu": ORIGIN + PATH,
}
HTTP: Final[Mapping[str, object]] = {"content-type": JSON, "content-digest": digest(BODY)}


def payload_of(claims: Mapping[str, object] = AS_IT_IS, http: Mapping[str, object] = AS_IT_IS) -> bytes:
    return dump(changed({**CLAIMS, "http": changed(HTTP, http)}, claims))


def bound(
    claims: Mapping[str, object] = AS_IT_IS,
    http: Mapping[str, object] = AS_IT_IS,
    header: Mapping[str, object] = AS_IT_IS,
    signer: Key | None = None,
) -> str:
    """Return a token for a POST of `BODY`, right but for the changes given."""
    signer = signer or key("ES256")
    return signed(header_of(signer, {"typ": TYP, **header}), payload_of(claims, http), signer)


def bare(claims: Mapping[str, object] = AS_IT_IS, http: Mapping[str, object] = AS_IT_IS, **more: Any) -> str:
    """Return a token for a GET without a body, right but for the changes given."""
    return bound({"htm": "GET", **claims}, {"content-type": GONE, "content-digest": GONE, **http}, **more)


@dataclass(frozen=True)
class Arrival:
    """A request as it arrives."""

    token: str = field(default_factory=bound)
    method: Any = "POST"
    target: Any = PATH
    fields: tuple[Any, ...] = (("Content-Type", JSON),)
    body: Any = BODY
    headers: Any = None
    """All header fields, where the token does not stand in `Authorization` as it should."""

    @property
    def all_headers(self) -> Any:
        if self.headers is not None:
            return self.headers
        return [("Host", "shop.example"), ("Authorization", f"Bearer {self.token}"), *self.fields]

    def but(self, **changes: Any) -> Arrival:
        return replace(self, **changes)


def posted(claims: Mapping[str, object] = AS_IT_IS, http: Mapping[str, object] = AS_IT_IS, **changes: Any) -> Arrival:
    """Return a POST of `BODY`; `claims` and `http` change its token, the rest the request."""
    token = bound(claims, http, changes.pop("header", AS_IT_IS), changes.pop("signer", None))
    return Arrival(**{"token": token, **changes})


def got(claims: Mapping[str, object] = AS_IT_IS, http: Mapping[str, object] = AS_IT_IS, **changes: Any) -> Arrival:
    """Return a GET without a body; `claims` and `http` change its token, the rest the request."""
    return Arrival(**{"token": bare(claims, http), "method": "GET", "fields": (), "body": b"", **changes})


def to(path: str, target: Any = None, query: str | None = None, **changes: Any) -> Arrival:
    """Return a GET whose token names the path (and query), and that arrives at the target."""
    http = {} if query is None else {"@query": query}
    return got({"htu": ORIGIN + path}, http, target=path if target is None else target, **changes)
