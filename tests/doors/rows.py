"""One row for each way in which an endpoint refuses a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from signedmsg import KeyDirectoryError, MemoryReplayCache, StoreError

from .stage import (
    AUDIENCE,
    FORMER,
    ISSUER,
    KEY,
    LATER,
    MAX_SIZE,
    NOW,
    STRANGER,
    CountingCache,
    FailingDirectory,
    sign,
    tampered,
    token,
    without_end,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class Row(NamedTuple):
    """One way to be refused: `inner` is the code that only the observer sees, None where the door itself refuses."""

    status: int
    code: str
    inner: str | None
    body: Callable[[], str | bytes]
    request: dict[str, Any] | None = None
    options: Callable[[], dict[str, Any]] = dict


def store_that(failure: Exception) -> Callable[[], dict[str, Any]]:
    return lambda: {"cache": CountingCache(failure=failure)}


def directory_that(failure: Exception) -> Callable[[], dict[str, Any]]:
    return lambda: {"directory": FailingDirectory(failure)}


def store_without_room() -> dict[str, Any]:
    cache = MemoryReplayCache(capacity=4, quota=1, clock=lambda: NOW - 3600)
    cache.add(b"0" * 16, 300, issuer=ISSUER, issued_at=NOW)
    return {"cache": CountingCache(cache)}


def now_in_between() -> dict[str, Any]:
    return {"clock": lambda: NOW + 0.9}


ROWS = {
    "empty body": Row(400, "credentials_missing", None, lambda: b""),
    "junk": Row(400, "malformed", "malformed", lambda: b"not a token"),
    "binary": Row(400, "malformed", "malformed", lambda: bytes(range(256))),
    "claims no JSON": Row(
        400, "malformed", "malformed", lambda: sign({"alg": "ES256", "kid": KEY.kid, "typ": "vnd.signedmsg+jwt"}, b"{")
    ),
    "too large": Row(413, "too_large", None, lambda: b"A" * (MAX_SIZE + 1)),
    "header too large": Row(413, "too_large", "too_large", lambda: token(header={"kid": "k" * 2000})),
    "other media type": Row(415, "unsupported_media_type", None, token, {"content_type": "application/json"}),
    "plain JWT media type": Row(415, "unsupported_media_type", None, token, {"content_type": "application/jwt"}),
    "media type in a list": Row(
        415, "unsupported_media_type", None, token, {"content_type": "application/vnd.signedmsg+jwt, text/plain"}
    ),
    "gzip": Row(415, "unsupported_media_type", None, token, {"headers": {"content-encoding": "gzip"}}),
    "gzip after identity": Row(
        415, "unsupported_media_type", None, token, {"headers": {"content-encoding": "identity, gzip"}}
    ),
    "other kind": Row(400, "unsupported", "unsupported", lambda: token(header={"typ": "JWT"})),
    "alg none": Row(400, "unsupported", "unsupported", lambda: token(header={"alg": "none"})),
    "alg of another key": Row(400, "unsupported", "unsupported", lambda: token(header={"alg": "ES384"})),
    "foreign header member": Row(400, "unsupported", "unsupported", lambda: token(header={"jku": "https://x.example"})),
    "other message version": Row(400, "unsupported", "unsupported", lambda: token(msg={"v": 2})),
    "encrypted": Row(400, "unsupported", "unsupported", lambda: "a.b.c.d.e"),
    "unknown issuer": Row(401, "verification_failed", "unknown_issuer", lambda: token(iss="https://who.example")),
    "unknown kid": Row(401, "verification_failed", "unknown_key", lambda: token(STRANGER)),
    "key not yet valid": Row(401, "verification_failed", "key_not_valid", lambda: token(LATER)),
    "key no longer valid": Row(401, "verification_failed", "key_not_valid", lambda: token(FORMER)),
    "bad signature": Row(401, "verification_failed", "invalid_signature", lambda: tampered(token())),
    "signature of another key": Row(
        401, "verification_failed", "invalid_signature", lambda: token(STRANGER, header={"kid": KEY.kid})
    ),
    "short signature": Row(401, "verification_failed", "invalid_signature", lambda: without_end(token())),
    "expired": Row(401, "expired", "expired", lambda: token(iat=NOW - 120, exp=NOW - 30)),
    "not yet valid": Row(401, "not_yet_valid", "not_yet_valid", lambda: token(iat=NOW + 31, exp=NOW + 90)),
    "nbf in the future": Row(401, "not_yet_valid", "not_yet_valid", lambda: token(nbf=NOW + 31)),
    "lives too long": Row(401, "lifetime", "lifetime", lambda: token(exp=NOW + 301), options=now_in_between),
    "audience a list": Row(401, "claim", "claim", lambda: token(aud=[AUDIENCE])),
    "subject claim": Row(401, "claim", "claim", lambda: token(sub="someone")),
    "other audience": Row(401, "audience", "audience", lambda: token(aud="https://shop.example/other")),
    "type not allowed": Row(403, "not_allowed", "not_allowed", lambda: token(msg={"type": "refund.made"})),
    "other account": Row(
        403, "not_allowed", "not_allowed", lambda: token(msg={"account": "eve"}), options=lambda: {"account": "ann"}
    ),
    "data of another shape": Row(422, "payload", "payload", lambda: token(msg={"data": {"number": "secret data"}})),
    "no handler": Row(422, "unknown_type", "unknown_type", lambda: token(msg={"type": "invoice.voided"})),
    "past its deadline": Row(422, "too_late", "too_late", lambda: token(msg={"until": NOW - 30})),
    "share used up": Row(429, "quota", "quota", token, options=store_without_room),
    "handler raises": Row(500, "handler_error", None, lambda: token(msg={"type": "invoice.crash"})),
    "store down": Row(
        503, "unavailable", "store_unavailable", token, options=store_that(StoreError("redis-7 is down"))
    ),
    "directory down": Row(
        503, "unavailable", "key_unavailable", token, options=directory_that(KeyDirectoryError("keys.pem is gone"))
    ),
    "too early for the store": Row(
        503,
        "unavailable",
        "store_unavailable",
        token,
        options=lambda: {"cache": CountingCache(MemoryReplayCache(clock=lambda: NOW + 5))},
    ),
}
# Reached in other tests: by the head of a request, by a second presentation, and by an inbox.
OTHER_CODES = {"method_not_allowed", "replayed", "in_progress", "deferred", "message_id_conflict", "rejected"}
# What would betray something of the token, of the key set or of the configuration.
SECRETS = (
    "secret",
    "hunter2",
    "redis-7",
    "keys.pem",
    AUDIENCE,
    ISSUER,
    "shop.example",
    "who.example",
    "refund",
    "eve",
    *(key.kid for key in (KEY, STRANGER, LATER, FORMER)),
)
