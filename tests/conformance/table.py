"""What a row of the refusal table is, and how it is presented to both faces of a receiver."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from signedmsg import (
    AsyncKeyDirectory,
    AsyncReceiver,
    Issuer,
    JWKSet,
    KeyDirectory,
    Message,
    Receiver,
    Router,
    SignedMessageError,
)
from signedmsg._core.verify import parse
from signedmsg._jose.jwks import parse_jwk_set

from .tokens import AUDIENCE, ISSUER, NOW, TYP, Key, b64, dump, key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


class Seen:
    """The smallest replay cache: a set that never forgets."""

    def __init__(self) -> None:
        self.keys: set[bytes] = set()

    def add(self, key: bytes, keep: float, *, issuer: str, issued_at: float) -> bool:
        first = key not in self.keys
        self.keys.add(key)
        return first


class Recording:
    """A blocking replay cache that counts what reaches the one inside."""

    waits: Final = "blocks"
    shared: Final = True
    durable: Final = True

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.asked = 0
        self.admitted = 0

    def add(self, key: bytes, keep: float, *, issuer: str, issued_at: float) -> bool:
        self.asked += 1
        first = self.inner.add(key, keep, issuer=issuer, issued_at=issued_at)
        self.admitted += first is True
        return bool(first)


class AsyncRecording:
    """Its async twin; it really suspends."""

    waits: Final = "suspends"
    shared: Final = True
    durable: Final = True

    def __init__(self, inner: Any) -> None:
        self._blocking = Recording(inner)

    @property
    def asked(self) -> int:
        return self._blocking.asked

    @property
    def admitted(self) -> int:
        return self._blocking.admitted

    async def add(self, key: bytes, keep: float, *, issuer: str, issued_at: float) -> bool:
        await asyncio.sleep(0)
        return self._blocking.add(key, keep, issuer=issuer, issued_at=issued_at)


def keys_of(*jwks: Mapping[str, object]) -> JWKSet:
    """Return what a directory would keep of these JWKs; bad ones are left out."""
    return parse_jwk_set({"keys": list(jwks)})[0]


def issuer(*jwks: Mapping[str, object], id: str = ISSUER, allow: Iterable[str] = ("*",), **more: Any) -> Issuer:
    return Issuer(id, allow=allow, keys=keys_of(*jwks), **more)


BILLING: Final = issuer(key("ES256").jwk())


@dataclass(frozen=True)
class Setup:
    """A receiver as a row needs it; `before` are tokens that it accepted first."""

    issuers: tuple[Issuer, ...] = (BILLING,)
    options: Mapping[str, Any] = field(default_factory=dict)
    model: type[Any] | None = None
    router: Router | None = None
    now: float = NOW
    store: Callable[[], Any] = Seen
    before: tuple[str, ...] = ()
    directory: Callable[[type[Any]], Any] | None = None
    audience: str = AUDIENCE

    def directory_for(self, kind: type[Any]) -> Any:
        if self.directory is not None:
            return self.directory(kind)
        return kind(*self.issuers, clock=lambda: self.now)


DEFAULT: Final = Setup()


def trusting(*keys: Key, **more: Any) -> Setup:
    """Trust one issuer with these keys."""
    return Setup((issuer(*(one.jwk() for one in keys), **more),))


class Row(NamedTuple):
    """One way to be wrong, and the code it is refused with; an accepted counterpart has the code ''."""

    id: str
    code: str
    token: object
    setup: Setup = DEFAULT


class Result(NamedTuple):
    """What a face made of a row: a message or an error, and what its replay cache saw."""

    outcome: Message[Any] | SignedMessageError
    asked: int
    admitted: int


def _quiet(_: object) -> None:
    """Observe nothing."""


def warm(face: Receiver | AsyncReceiver, directory: KeyDirectory | AsyncKeyDirectory, setup: Setup) -> None:
    """Let a receiver know the header of each key it trusts, as if a message under it had been accepted."""
    straight = face._ports.straight
    if straight is None:
        return
    for issuer in setup.issuers:
        for public in directory.snapshot(issuer.id):
            if public.alg not in (issuer.trust.algorithms or (public.alg,)):
                continue
            header = {"alg": public.alg, "kid": public.kid, "typ": TYP}
            token = f"{b64(dump(header))}.{b64(dump({'iss': issuer.id, 'aud': setup.audience}))}.{b64(bytes(64))}"
            straight.learn(parse(token, face.policy), public, issuer.trust)


def blocking(row: Row, *, warmed: bool = False) -> Result:
    setup = row.setup
    cache = Recording(setup.store())
    directory = setup.directory_for(KeyDirectory)
    face = Receiver(setup.audience, directory, cache, clock=lambda: setup.now, observe=_quiet, **setup.options)

    def take(token: Any) -> Message[Any]:
        if setup.router is not None:
            return face.handle(token, setup.router).message
        return face.verify(token) if setup.model is None else face.verify(token, setup.model)

    if warmed:
        warm(face, directory, setup)
    for token in setup.before:
        take(token)
    try:
        return Result(take(row.token), cache.asked, cache.admitted)
    except SignedMessageError as error:
        return Result(error, cache.asked, cache.admitted)


def suspending(row: Row, *, warmed: bool = False) -> Result:
    return asyncio.run(_suspending(row, warmed=warmed))


async def _suspending(row: Row, *, warmed: bool) -> Result:
    setup = row.setup
    cache = AsyncRecording(setup.store())
    directory = setup.directory_for(AsyncKeyDirectory)
    face = AsyncReceiver(setup.audience, directory, cache, clock=lambda: setup.now, observe=_quiet, **setup.options)

    async def take(token: Any) -> Message[Any]:
        if setup.router is not None:
            return (await face.handle(token, setup.router)).message
        return await (face.verify(token) if setup.model is None else face.verify(token, setup.model))

    if warmed:
        warm(face, directory, setup)
    for token in setup.before:
        await take(token)
    try:
        return Result(await take(row.token), cache.asked, cache.admitted)
    except SignedMessageError as error:
        return Result(error, cache.asked, cache.admitted)
