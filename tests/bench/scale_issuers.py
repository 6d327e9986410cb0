"""What a directory of many issuers costs: memory and build time of each, look-up and verification of any of them.

Each size is measured in a process of its own: `python -m tests.bench.scale_issuers fixed|http COUNT FILE`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import sys
import tempfile
import threading
import time
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx

from signedmsg import (
    AsyncKeyDirectory,
    Issuer,
    JWKSet,
    KeyDirectory,
    MemoryReplayCache,
    Receiver,
    Sender,
    SigningKey,
)
from signedmsg.testing import ManualClock
from tests.bench.scale_tools import NOW, best, child, resident

if TYPE_CHECKING:
    from collections.abc import Iterator

AUDIENCE: Final = "https://shop.example/inbox"
DATA: Final = {"number": "2026-000042", "total": 1290, "currency": "EUR", "note": "x" * 120}
ROUNDS, CALLS = 20, 200


def name_of(number: int) -> str:
    return f"https://issuer-{number}.example"


def write_issuers(count: int, path: Path) -> None:
    """Write a line an issuer: its key set; then, to be read later, the tokens that some of them signed."""
    picks = random.Random(count)
    keys = [SigningKey.generate() for _ in range(count)]
    senders = [Sender(name_of(number), key, clock=lambda: NOW) for number, key in enumerate(keys)]
    # Each once, and then the ones that are measured.
    numbers = [*range(count), *(picks.randrange(count) for _ in range(ROUNDS * CALLS))]
    with path.open("w", encoding="ascii") as file:
        for key in keys:
            file.write(JWKSet(key.public).to_json() + "\n")
        for number in numbers:
            file.write(senders[number].sign(DATA, type="invoice.paid", audience=AUDIENCE) + "\n")


def issuers(count: int, path: Path) -> Iterator[Issuer]:
    with path.open(encoding="ascii") as file:
        for number in range(count):
            yield Issuer(name_of(number), allow=["invoice.*"], keys=JWKSet.from_json(file.readline()))


def fixed(count: int, path: Path) -> dict[str, float]:
    """Fixed key sets: memory, build, look-up, verification."""
    before, started = resident(), time.process_time()
    directory = KeyDirectory(*issuers(count, path))
    built = time.process_time() - started
    held = resident() - before
    kids = [(name_of(number), directory.snapshot(name_of(number)).keys[0].kid) for number in range(count)]
    picks = random.Random(1)
    asked = [kids[picks.randrange(count)] for _ in range(ROUNDS * 1000)]
    found = best(lambda number: directory.find(*asked[number]), ROUNDS, 1000)
    verified = verify(count, path, directory)
    polled = best(lambda _: directory.health(), 3, 1)
    return {
        "resident": held,
        "build": built,
        "find": found,
        "verify": verified,
        "health": polled,
        "traced": traced(count, path),
    }


def traced(count: int, path: Path) -> int:
    """Return what Python's own allocator holds for one more such directory."""
    gc.collect()
    tracemalloc.start()
    directory = KeyDirectory(*issuers(count, path))
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert directory.fixed
    return held


def verify(count: int, path: Path, directory: KeyDirectory) -> float:
    """Return the CPU seconds of one `Receiver.verify` of a token of a random issuer."""
    clock = ManualClock(NOW)
    replay = MemoryReplayCache(clock=clock, monotonic=clock.monotonic, dangerously_accept_earlier=True)
    receiver = Receiver(AUDIENCE, directory, replay, clock=clock)
    tokens = path.read_text(encoding="ascii").splitlines()[count:]
    for token in tokens[:count]:
        receiver.verify(token)
    return best(lambda number: receiver.verify(tokens[count + number]), ROUNDS, CALLS)


def http(count: int, path: Path) -> dict[str, float]:
    """Key sets at URLs: memory when built, and when each was read once."""
    documents = iter(path.open(encoding="ascii"))

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": "application/jwk-set+json"}, content=next(documents))

    async def main() -> dict[str, float]:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer), trust_env=False) as client:
            before, started = resident(), time.process_time()
            names = [name_of(number) for number in range(count)]
            directory = AsyncKeyDirectory(
                *(Issuer(name, allow=["invoice.*"]) for name in names), client=client, observe=lambda _: None
            )
            built, held = time.process_time() - started, resident() - before
            started = time.process_time()
            for name in names:
                await directory.refresh(name)
            return {
                "build": built,
                "resident_unread": held,
                "read": (time.process_time() - started) / count,
                "resident": resident() - before,
            }

    return asyncio.run(main())


def threads(count: int) -> dict[str, float]:
    """How many threads read ahead at once when no source answers: the blocking directory, with real threads."""
    stuck = threading.Event()
    key = SigningKey.generate()
    document = JWKSet(key.public).to_json().encode()
    stalls = False

    def answer(_: httpx.Request) -> httpx.Response:
        if stalls:
            stuck.wait()
        return httpx.Response(200, headers={"content-type": "application/jwk-set+json"}, content=document)

    clock = ManualClock(NOW)
    names = [name_of(number) for number in range(count)]
    with (
        httpx.Client(transport=httpx.MockTransport(answer), trust_env=False) as client,
        KeyDirectory(
            *(Issuer(name, allow=["*"]) for name in names), client=client, clock=clock, observe=lambda _: None
        ) as directory,
    ):
        for name in names:
            directory.find(name, key.kid)
        clock.advance(250)
        stalls, before, others = True, resident(), threading.active_count()
        for name in names:
            directory.find(name, key.kid)
        most, held = threading.active_count() - others, resident() - before
        stuck.set()
    return {"issuers": count, "threads": most, "resident": held}


def measure(counts: list[int]) -> list[dict[str, Any]]:
    """Return what each size costs."""
    rows = []
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "issuers"
            write_issuers(count, path)
            kinds = {kind: child("scale_issuers", kind, count, path) for kind in ("fixed", "http")}
            rows.append({"issuers": count, **kinds})
    return rows


if __name__ == "__main__":
    kind, number, file = sys.argv[1:]
    print(json.dumps({"fixed": fixed, "http": http}[kind](int(number), Path(file))))
