"""One receiver with handlers and everything observable about it, behind either door; and tokens to post to it."""

from __future__ import annotations

import base64
import json
import threading
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from signedmsg import (
    AsyncReceiver,
    Issuer,
    JWKSet,
    KeyDirectory,
    MemoryReplayCache,
    Message,
    PublicKey,
    Receiver,
    ReplayCache,
    Router,
    SigningKey,
    asgi,
    wsgi,
)
from signedmsg.observe import Event, MessageRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MEDIA_TYPE = "application/vnd.signedmsg+jwt"
NOW = 1_800_000_000
AUDIENCE = "https://shop.example/inbox"
ISSUER = "https://billing.example"
MAX_SIZE = 16 * 1024

KEY = SigningKey.generate()
STRANGER = SigningKey.generate()
LATER = SigningKey.generate()
FORMER = SigningKey.generate()


def dated(key: SigningKey, **times: int) -> PublicKey:
    return PublicKey.from_jwk({**key.public.to_jwk(), **times})


DIRECTORY = KeyDirectory(
    Issuer(
        ISSUER,
        allow=["invoice.*"],
        keys=JWKSet(KEY.public, dated(LATER, nbf=NOW + 3600), dated(FORMER, exp=NOW - 3600)),
    )
)


class Invoice(BaseModel):
    number: int


class CountingCache:
    """A replay cache that counts how often it was written to, and fails when told to."""

    waits = "never"
    shared = durable = False

    def __init__(self, cache: ReplayCache | None = None, failure: Exception | None = None) -> None:
        # An empty cache is falsy.
        self.cache = MemoryReplayCache(clock=lambda: NOW - 3600) if cache is None else cache
        self.failure = failure
        self.calls = 0

    def add(self, key: bytes, keep: float, *, issuer: str, issued_at: float) -> bool:
        self.calls += 1
        if self.failure is not None:
            raise self.failure
        return self.cache.add(key, keep, issuer=issuer, issued_at=issued_at)


class FailingDirectory:
    """A key directory that trusts whom `DIRECTORY` does, and cannot read any key."""

    waits = "never"
    trusted = DIRECTORY.trusted

    def __init__(self, failure: Exception) -> None:
        self.failure = failure

    def find(self, issuer: str, kid: str) -> PublicKey:
        raise self.failure


class Stage:
    """A receiver behind a door; `handled`, `cache` and `events` say what happened behind it."""

    def __init__(
        self,
        door: str,
        *,
        audience: str = AUDIENCE,
        directory: Any = DIRECTORY,
        cache: CountingCache | None = None,
        clock: Callable[[], float] = lambda: NOW,
        **options: Any,
    ) -> None:
        self.handled: list[Message[Any]] = []
        self.threads: list[int] = []
        self.events: list[Event] = []
        self.cache = CountingCache() if cache is None else cache
        options = {"max_size": MAX_SIZE, **options, "clock": clock, "observe": self.events.append}
        router = self._router()
        self.endpoint: Any
        if door == "asgi":
            receiver = AsyncReceiver(audience, directory, self.cache, **options)
            self.endpoint = asgi.Endpoint(receiver, router)
        else:
            self.endpoint = wsgi.Endpoint(Receiver(audience, directory, self.cache, **options), router)

    def _router(self) -> Router:
        router = Router()

        @router.on("invoice.paid")
        def paid(message: Message[Invoice]) -> None:
            self.threads.append(threading.get_ident())
            self.handled.append(message)

        @router.on("invoice.crash")
        def crash(message: Message[Any]) -> None:
            raise RuntimeError(f"the database password is hunter2, the payload {message.data}")

        return router

    @property
    def refusals(self) -> list[str]:
        """The inner codes of all refusals, as only the observer sees them."""
        return [event.error.code for event in self.events if isinstance(event, MessageRefused)]


def encode(data: bytes | Mapping[str, Any]) -> str:
    octets = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def sign(header: Mapping[str, Any], claims: bytes | Mapping[str, Any], key: SigningKey = KEY) -> str:
    signing_input = f"{encode(header)}.{encode(claims)}"
    return f"{signing_input}.{encode(key.sign(signing_input.encode()))}"


SERIAL = iter(range(10**9))
HEADER = {"alg": "ES256", "kid": KEY.kid, "typ": "vnd.signedmsg+jwt"}


def token(key: SigningKey = KEY, *, header: dict[str, Any] | None = None, msg: Any = None, **claims: Any) -> str:
    """Mint an envelope that is good but for what is given."""
    message = {
        "v": 1,
        "id": f"message-{next(SERIAL)}-secretid",
        "type": "invoice.paid",
        "time": "2027-01-15T08:00:00Z",
        "until": NOW + 3600,
        "data": {"number": 42},
    }
    body = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": NOW,
        "exp": NOW + 60,
        "jti": f"secret-jti-{next(SERIAL):022}",
        "msg": {**message, **(msg or {})},
        **claims,
    }
    return sign({**HEADER, "alg": key.alg, "kid": key.kid, **(header or {})}, body, key)


def without_end(good: str, octets: int = 3) -> str:
    """Cut the last octets of the signature off; what is left is still canonical base64url."""
    head, signature = good.rsplit(".", 1)
    return f"{head}.{encode(base64.urlsafe_b64decode(signature + '==')[:-octets])}"


def tampered(good: str) -> str:
    """Change one character in the middle of the signature."""
    head, signature = good.rsplit(".", 1)
    return f"{head}.{signature[:20]}{'A' if signature[20] != 'A' else 'B'}{signature[21:]}"
