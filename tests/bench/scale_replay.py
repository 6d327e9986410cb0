"""How much room each replay cache takes: bytes an id, ids held while old ones go and new ones come, and adds a second.

The memory cache is measured in a process of its own: `python -m tests.bench.scale_replay`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import redis.asyncio
from psycopg_pool import AsyncConnectionPool

from signedmsg import MemoryReplayCache, SQLiteReplayCache
from signedmsg.stores.postgres import AsyncPostgresReplayCache, init
from signedmsg.stores.redis import AsyncRedisReplayCache
from signedmsg.testing import ManualClock
from tests.bench.scale_model import KEEP
from tests.bench.scale_tools import NOW, ROOT, child, fit, resident

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from signedmsg import AsyncReplayCache, ReplayCache
    from tests.servers.postgres import Postgres
    from tests.servers.valkey import Valkey

ISSUER: Final = "https://billing.example"
FAR: Final = 2e10
PROCESSES: Final = 8
TASKS: Final = 64
# A simulated stretch of five keeps, at a rate at which so many ids are alive.
ALIVE: Final = 10_000
KEEPS, STEPS = 5, 50

MEMORY_SIZES: Final = (200_000, 500_000, 1_000_000)
FILE_SIZES: Final = (40_000, 80_000, 160_000)
# A small hash of Redis is packed tighter: each of 64 shards is beyond that from 33,000 ids on.
SERVER_SIZES: Final = (40_000, 80_000, 120_000)


def summary(points: Sequence[tuple[float, float]], turnover: float, rate: float) -> dict[str, Any]:
    """Return what a cache takes: `turnover` is by what factor more ids than are alive take room."""
    line = fit(points)
    return {
        "points": points,
        "bytes_an_id": line.slope,
        "bytes_empty": line.start,
        "off": line.off,
        "turnover": turnover,
        "adds_a_second": rate,
    }


def fill(cache: ReplayCache, sizes: Sequence[int], size: Callable[[], int]) -> tuple[list[tuple[int, int]], float]:
    """Add ids up to each size; return the bytes at each, and the adds a second."""
    points, count, spent = [], 0, 0.0
    for target in sizes:
        started = time.perf_counter()
        while count < target:
            cache.add(os.urandom(16), KEEP, issuer=ISSUER, issued_at=FAR)
            count += 1
        spent += time.perf_counter() - started
        points.append((count, size()))
    return points, count / spent


def turn_over(cache: ReplayCache, clock: ManualClock, held: Callable[[], int]) -> float:
    """Let ids come evenly for some keeps; return the most that `held` tells, as a multiple of the ids alive."""
    most = 0
    for _ in range(KEEPS * STEPS):
        clock.advance(KEEP / STEPS)
        for _ in range(ALIVE // STEPS):
            cache.add(os.urandom(16), KEEP, issuer=ISSUER, issued_at=clock())
        most = max(most, held())
    return most / ALIVE


def memory() -> dict[str, Any]:
    clock = ManualClock(NOW)
    before = resident()
    cache = MemoryReplayCache(capacity=10_000_000)
    points, rate = fill(cache, MEMORY_SIZES, lambda: resident() - before)
    turning = MemoryReplayCache(clock=clock, monotonic=clock.monotonic)
    return summary(points, turn_over(turning, clock, lambda: len(turning)), rate)


def file_size(path: Path) -> int:
    """Return the bytes of a SQLite file once its write-ahead log is empty; that one grows to 4 MB and no more."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return path.stat().st_size


def sqlite() -> dict[str, Any]:
    clock = ManualClock(NOW)
    with tempfile.TemporaryDirectory() as folder:
        path, turning = Path(folder) / "replay.db", Path(folder) / "turning.db"
        with SQLiteReplayCache(path) as cache:
            points, rate = fill(cache, FILE_SIZES, lambda: file_size(path))
        with SQLiteReplayCache(turning, clock=clock) as cache:
            most = turn_over(cache, clock, lambda: file_size(turning))
        made = summary(points, most / fit(points).slope, rate)
        made["processes_own"] = race(("replay_cache", "worker", f"{folder}/processes.db", "own", "5000"), 5000)
    return made


def race(command: Sequence[str], calls: int) -> float:
    """Return the adds a second of eight processes that begin together; each prints first what it took, in seconds."""
    whole = [sys.executable, "-m", f"tests.bench.{command[0]}", *command[1:]]
    workers = [
        subprocess.Popen(whole, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(PROCESSES)
    ]
    for each in workers:
        assert each.stdout is not None
        each.stdout.readline()
    for each in workers:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    return PROCESSES * calls / max(float(each.communicate()[0].split()[0]) for each in workers)


async def fill_together(
    cache: AsyncReplayCache, sizes: Sequence[int], size: Callable[[], Awaitable[int]]
) -> tuple[list[tuple[int, int]], float]:
    """The same as `fill` by many tasks at once."""
    points, spent, left = [], 0.0, iter(range(sizes[-1]))

    async def add(count: int) -> None:
        for _ in range(count):
            next(left)
            await cache.add(os.urandom(16), KEEP, issuer=ISSUER, issued_at=FAR)

    for before, target in zip((0, *sizes), sizes, strict=False):
        started = time.perf_counter()
        share, more = divmod(target - before, TASKS)
        await asyncio.gather(*(add(share + (number < more)) for number in range(TASKS)))
        spent += time.perf_counter() - started
        points.append((target, await size()))
    return points, sizes[-1] / spent


async def turn_over_together(cache: AsyncReplayCache, clock: ManualClock, size: Callable[[], Awaitable[int]]) -> float:
    """The same as `turn_over`, in bytes an id alive."""
    most = 0
    for _ in range(KEEPS * STEPS):
        clock.advance(KEEP / STEPS)
        now = clock()
        adds = (cache.add(os.urandom(16), KEEP, issuer=ISSUER, issued_at=now) for _ in range(ALIVE // STEPS))
        await asyncio.gather(*adds)
        most = max(most, await size())
    return most / ALIVE


def redis_bytes(memory: Mapping[str, Any]) -> int:
    """Return what a server holds, but for the buffers of its clients, which come and go."""
    return int(memory["used_memory"]) - int(memory["mem_clients_normal"])


async def in_redis(server: Valkey) -> dict[str, Any]:
    clock = ManualClock(NOW)
    client = redis.asyncio.Redis.from_url(server.url)
    cache = AsyncRedisReplayCache(client)
    turning = AsyncRedisReplayCache(client, prefix="turning", clock=clock, _server_clock=clock, _shards=8)

    async def used() -> int:
        return redis_bytes(await client.info("memory")) - before

    try:
        await cache.prepare()
        before = 0
        before = await used()
        points, rate = await fill_together(cache, SERVER_SIZES, used)
        # Memory that is freed beside would be counted as room that ids give back.
        await client.execute_command("FLUSHALL", "SYNC")
        await turning.prepare()
        before = 0
        before = await used()
        most = await turn_over_together(turning, clock, used)
    finally:
        await client.aclose()
    return summary(points, most / fit(points).slope, rate)


async def in_postgres(server: Postgres) -> dict[str, Any]:
    """Vacuum comes by itself in real time; here it is called for each 48 seconds of the simulation."""
    clock = ManualClock(NOW)
    calls = 0

    async def size(schema: str) -> int:
        nonlocal calls
        calls += 1
        table = f"{schema}.signedmsg_replay"
        async with pool.connection() as connection:
            if schema == "turning" and calls % 10 == 0:
                await connection.set_autocommit(True)
                await connection.execute(f"VACUUM {table}".encode())
                await connection.set_autocommit(False)
            cursor = await connection.execute(f"SELECT pg_total_relation_size('{table}')".encode())
            row = await cursor.fetchone()
            assert row is not None
            return int(row[0])

    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(AsyncConnectionPool(server.dsn, min_size=4, max_size=4, open=False))
        cache = AsyncPostgresReplayCache(pool)
        turning = AsyncPostgresReplayCache(pool, schema="turning", clock=clock, _server_clock=clock)
        points, rate = await fill_together(cache, SERVER_SIZES, lambda: size("public"))
        most = await turn_over_together(turning, clock, lambda: size("turning"))
    return summary(points, most / fit(points).slope, rate)


def measure(valkey: Valkey, postgres: Postgres) -> dict[str, Any]:
    """Return what each engine takes."""
    init(postgres.dsn)
    init(postgres.dsn, schema="turning")
    made = {
        "memory": child("scale_replay"),
        "sqlite": sqlite(),
        "redis": asyncio.run(in_redis(valkey)),
        "postgres": asyncio.run(in_postgres(postgres)),
    }
    made["redis"]["processes_own"] = race(("stores_redis", "worker", valkey.url), 5000)
    made["postgres"]["processes_own"] = race(("stores_postgres", "worker", postgres.dsn, "1000"), 1000)
    return made


if __name__ == "__main__":
    print(json.dumps(memory()))
