"""How often a directory of many issuers reads its sources: hours of it with the real directory, in virtual time.

Every issuer's key set is at a URL. All send their first message in the same second, the worst
of beginnings, and then one each ten seconds. Sources answer after 50 ms; in an outage none of
them answers at all, and a read ends with the directory's own time-out.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import httpx

from signedmsg import AsyncKeyDirectory, DirectoryDocument, Issuer, JWKSet, SigningKey
from signedmsg.errors import SignedMessageError
from tests.bench.scale_tools import VirtualLoop, in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from signedmsg._core.events import Event

LATENCY: Final = 0.05
PERIOD: Final = 10.0
STEP: Final = 0.1
_SLICES: Final = round(PERIOD / STEP)


class Internet(httpx.AsyncBaseTransport):
    """All sources at once: they answer after a while, 304 where the document is known, or never."""

    def __init__(self, keys: SigningKey, now: Callable[[], float]) -> None:
        self.up = True
        self.open = self.most_open = 0
        self.reads: Counter[int] = Counter()
        self._documents: dict[str, DirectoryDocument] = {}
        self._keys = JWKSet(keys.public)
        self._now = now

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.reads[int(self._now())] += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await asyncio.sleep(LATENCY if self.up else 3600.0)
        finally:
            self.open -= 1
        return self._answer(request)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        document = self._documents.get(host)
        if document is None:
            document = DirectoryDocument(self._keys, issuer=f"https://{host}", sequence=1, max_age=300)
            self._documents[host] = document
        known = request.headers.get("if-none-match")
        answer = document.answer("GET", [known] if known else [])
        return httpx.Response(answer.status, headers=dict(answer.headers), content=answer.body)


class Phase(NamedTuple):
    """What happened in one phase: reads, answers to look-ups, and tasks that read at once."""

    seconds: float
    reads: int
    most_reads_a_second: int
    most_at_once: int
    lookups: int
    refused: int
    waited: int


class Directory:
    """A directory of so many issuers, their traffic, and a record of what was read."""

    def __init__(self, loop: VirtualLoop, count: int) -> None:
        self.loop = loop
        self.key = SigningKey.generate()
        self.internet = Internet(self.key, loop.time)
        self.names = [f"https://issuer-{number}.example" for number in range(count)]
        self.client = httpx.AsyncClient(transport=self.internet, trust_env=False)
        self.events: Counter[str] = Counter()
        self.directory = AsyncKeyDirectory(
            *(Issuer(name, allow=["*"]) for name in self.names),
            client=self.client,
            clock=loop.clock,
            jitter=random.Random(7).random,
            observe=self._note,
        )
        slots = random.Random(8)
        self._slices: list[list[str]] = [[] for _ in range(_SLICES)]
        for name in self.names:
            self._slices[slots.randrange(_SLICES)].append(name)
        self.refused = self.waited = self.lookups = 0

    def _note(self, event: Event) -> None:
        self.events[type(event).__name__] += 1

    async def find(self, name: str) -> None:
        began = self.loop.time()
        self.lookups += 1
        try:
            await self.directory.find(name, self.key.kid)
        except SignedMessageError:
            self.refused += 1
        self.waited += self.loop.time() > began

    async def all_at_once(self) -> None:
        await asyncio.gather(*map(self.find, self.names))

    async def traffic(self, seconds: float) -> None:
        """One message of each issuer in each period; who must wait for a read does not hold the others."""
        for step in range(round(seconds / STEP)):
            for name in self._slices[step % _SLICES]:
                await self.find(name)
            await asyncio.sleep(STEP)

    async def phase(self, work: Callable[[], Any]) -> Phase:
        """Return what happened while the work was done."""
        internet = self.internet
        internet.reads.clear()
        internet.most_open = internet.open
        self.refused = self.waited = self.lookups = 0
        began = self.loop.time()
        await work()
        return Phase(
            seconds=self.loop.time() - began,
            reads=internet.reads.total(),
            most_reads_a_second=max(internet.reads.values(), default=0),
            most_at_once=internet.most_open,
            lookups=self.lookups,
            refused=self.refused,
            waited=self.waited,
        )


def simulate(count: int, steady: float, outage: float) -> dict[str, Any]:
    """Begin, go on for so many seconds, let all sources fail for so many, and let them come back for two minutes.

    The first five minutes of an outage are told apart: later a source is asked every 40 to 60 seconds.
    """

    async def main(loop: VirtualLoop) -> dict[str, Any]:
        stage = Directory(loop, count)
        phases = {"start": await stage.phase(stage.all_at_once)}
        phases["first_ten_minutes"] = await stage.phase(lambda: stage.traffic(600))
        phases["steady"] = await stage.phase(lambda: stage.traffic(steady))
        stage.internet.up = False
        phases["outage"] = await stage.phase(lambda: stage.traffic(300))
        if outage > 300:
            phases["rest_of_outage"] = await stage.phase(lambda: stage.traffic(outage - 300))
        stage.internet.up = True
        phases["recovery"] = await stage.phase(lambda: stage.traffic(120))
        await stage.directory.aclose()
        await stage.client.aclose()
        return {"issuers": count, **{name: each._asdict() for name, each in phases.items()}}

    return in_virtual_time(main)


def silence(count: int) -> dict[str, float]:
    """Let all sources fail for two hours; return the seconds until the first look-up was refused, and the last one."""

    async def main(loop: VirtualLoop) -> dict[str, float]:
        stage = Directory(loop, count)
        await stage.all_at_once()
        await stage.traffic(600)
        stage.internet.up = False
        refused: list[float] = []
        for _ in range(120):
            minute = await stage.phase(lambda: stage.traffic(60))
            refused.append(minute.refused / minute.lookups)
        await stage.directory.aclose()
        await stage.client.aclose()
        first = next(at for at, share in enumerate(refused, 1) if share > 0)
        return {"first_refusal": first * 60.0, "all_refused": (refused.index(1.0) + 1) * 60.0}

    return in_virtual_time(main)
