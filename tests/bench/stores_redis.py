"""How fast the stores in Redis are: `python -m tests.bench.stores_redis`. Prints figures and asserts nothing."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from hashlib import sha256
from typing import TYPE_CHECKING

import redis
import redis.asyncio

from signedmsg._core.inbox import Arrival, Claim
from signedmsg.stores.redis import AsyncRedisReplayCache, RedisInbox, RedisReplayCache
from tests.servers import valkey

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ISSUER = "https://billing.example"
FAR = 2e10
PROCESSES = 8


def show(what: str, taken: list[float], elapsed: float) -> None:
    ordered = sorted(taken)
    half, rare = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
    rate = len(ordered) / elapsed
    print(f"{what:<44} {rate:9,.0f}/s  p50 {half * 1e6:7.0f} µs  p99 {rare * 1e6:7.0f} µs")


def timed(call: Callable[[int], object], count: int) -> tuple[list[float], float]:
    taken = []
    started = time.perf_counter()
    for number in range(count):
        before = time.perf_counter()
        call(number)
        taken.append(time.perf_counter() - before)
    return taken, time.perf_counter() - started


def one_client(url: str, count: int = 20_000) -> tuple[list[float], float]:
    with redis.Redis.from_url(url) as client:
        cache = RedisReplayCache(client)
        cache.prepare()
        return timed(lambda _: cache.add(os.urandom(16), 300.0, issuer=ISSUER, issued_at=FAR), count)


def worker(url: str) -> None:
    print("ready", flush=True)
    sys.stdin.readline()
    taken, elapsed = one_client(url, 5_000)
    print(elapsed, *taken)


def processes(url: str) -> None:
    command = [sys.executable, "-m", "tests.bench.stores_redis", "worker", url]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)
    ]
    for process in workers:
        assert process.stdout
        process.stdout.readline()
    for process in workers:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    rows = [[float(word) for word in process.communicate()[0].split()] for process in workers]
    show(
        f"replay cache, {PROCESSES} processes",
        [second for row in rows for second in row[1:]],
        max(row[0] for row in rows),
    )


def inbox(url: str, count: int = 10_000) -> None:
    with redis.Redis.from_url(url) as client:
        box = RedisInbox(client)
        digest, until = sha256(b"{}").digest(), time.time() + 86_400

        def process(number: int) -> None:
            claim = box.begin(Arrival(ISSUER, f"msg_{number}", digest, until, "invoice.paid"), 30.0)
            assert isinstance(claim, Claim)
            box.commit(claim, 200)

        show("inbox, begin and commit, one client", *timed(process, count))
        used = client.info("memory")["used_memory"]
        print(f"  bytes a row: {(used - client.memory_stats()['startup.allocated']) / count:.0f} at most")


async def spread(add: Callable[[int], Awaitable[object]], tasks: int, count: int) -> tuple[list[float], float]:
    """Let so many tasks share the adds, and return what each took and what all did."""
    numbers = iter(range(count))
    taken: list[float] = []

    async def adding(task: int) -> None:
        for _ in numbers:
            before = time.perf_counter()
            await add(task)
            taken.append(time.perf_counter() - before)

    started = time.perf_counter()
    await asyncio.gather(*(adding(task) for task in range(tasks)))
    return taken, time.perf_counter() - started


async def adds(url: str, tasks: int, *, caches: int = 1, count: int = 10_000) -> tuple[list[float], float]:
    """Adds of many tasks; with a cache for each, each is a call of its own over the connections of the pool."""
    client = redis.asyncio.Redis.from_url(url)
    made = [AsyncRedisReplayCache(client) for _ in range(caches)]
    for cache in made:
        await cache.prepare()

    async def add(task: int) -> bool:
        return await made[task % caches].add(os.urandom(16), 300.0, issuer=ISSUER, issued_at=FAR)

    result = await spread(add, tasks, count)
    await client.aclose()
    return result


def figures(rounds: int = 3, tasks: int = 64) -> dict[str, float]:
    """How many times the adds of concurrent tasks a second that go together are of those that go one by one."""
    with valkey.one() as server:
        took = [
            [asyncio.run(adds(server.url, tasks, caches=caches))[1] for caches in (tasks, 1)] for _ in range(rounds)
        ]
    apart, together = map(min, zip(*took, strict=True))
    return {"redis coalesced": apart / together}


def room(url: str, count: int = 200_000) -> None:
    """Bytes an id, while it is in one generation."""

    async def fill() -> None:
        client = redis.asyncio.Redis.from_url(url)
        await client.flushall()
        cache = AsyncRedisReplayCache(client)
        await cache.prepare()
        before = (await client.info("memory"))["used_memory"]
        numbers = iter(range(count))

        async def add() -> None:
            for _ in numbers:
                await cache.add(os.urandom(16), 300.0, issuer=ISSUER, issued_at=FAR)

        await asyncio.gather(*(add() for _ in range(128)))
        after = (await client.info("memory"))["used_memory"]
        print(f"replay cache, {count:,} ids: {(after - before) / count:.0f} bytes an id")
        await client.aclose()

    asyncio.run(fill())


def main() -> None:
    with valkey.one() as server:
        show("replay cache, one client", *one_client(server.url))
        processes(server.url)
        show("async replay cache, 1 task", *asyncio.run(adds(server.url, 1)))
        show("async, 64 tasks, each a call of its own", *asyncio.run(adds(server.url, 64, caches=64)))
        show("async replay cache, 64 tasks", *asyncio.run(adds(server.url, 64)))
        room(server.url)
        server.command("FLUSHALL")
        inbox(server.url)


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        worker(sys.argv[2])
    else:
        main()
