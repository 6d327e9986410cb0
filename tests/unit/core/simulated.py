"""A directory over a simulated clock and network: what is read ahead is read at once, and a hang takes 5 seconds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from signedmsg import Freshness, PublicKey, SignedMessageError, SigningKey
from signedmsg._core.directory import IssuerKeys
from signedmsg._core.known import Read
from signedmsg._flows.keys import find_key, refresh
from signedmsg._flows.run import run
from signedmsg.errors import KeyDirectoryError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine

    from signedmsg._core.events import Event
    from signedmsg._core.known import Validator

from contextlib import asynccontextmanager

ISSUER = "https://billing.example"


def document(*keys: SigningKey, **more: Any) -> bytes:
    return json.dumps({"keys": [key.public.to_jwk() for key in keys], **more}).encode()


class Simulation:
    """One issuer: what its host answers, and every read with the time at which it began."""

    def __init__(self, *keys: SigningKey, freshness: Freshness | None = None) -> None:
        self.time = 1_800_000_000.0
        self.serve(*keys)
        self.reads: list[float] = []
        self.events: list[Event] = []
        self.waited = 0.0
        self._beside = False
        self._held = False
        self.keys = IssuerKeys(ISSUER, freshness or Freshness())

    def serve(self, *keys: SigningKey, **more: Any) -> None:
        self.answer: Callable[[], Read] = lambda: Read((document(*keys, **more),))

    def fail(self) -> None:
        def answer() -> Read:
            raise KeyDirectoryError("down")

        self.answer = answer

    def hang(self) -> None:
        def answer() -> Read:
            self.time += 5
            self.waited += 0 if self._beside else 5
            raise KeyDirectoryError("it took longer than 5 s")

        self.answer = answer

    def now(self) -> float:
        return self.time

    def jitter(self) -> float:
        return 0.5

    def busy(self) -> bool:
        return self._held

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[None]:
        assert not self._held
        self._held = True
        try:
            yield
        finally:
            self._held = False

    async def read(self, kid: str | None, validator: Validator | None) -> Read:
        self.reads.append(self.time)
        return self.answer()

    def start(self, work: Callable[[], Coroutine[object, object, None]]) -> None:
        self._beside = True
        try:
            run(work())
        finally:
            self._beside = False

    def notice(self, event: Event) -> None:
        self.events.append(event)

    def find(self, kid: str) -> str:
        """Return `found`, or the code of the refusal."""
        try:
            found = run(find_key([(self, self.keys)], kid))
        except SignedMessageError as error:
            return error.code
        assert isinstance(found, PublicKey)
        assert found.kid == kid
        return "found"

    def refresh(self) -> None:
        run(refresh([(self, self.keys)]))

    def seen(self, kind: type[Any]) -> int:
        return sum(isinstance(event, kind) for event in self.events)
