"""How fast the stores in PostgreSQL are: `python -m tests.bench.stores_postgres [one|processes|tasks|inbox|day]…`.

Prints figures and asserts nothing, since they depend on the machine and on what else it does. The server
is one that syncs to the disk.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from functools import partial
from hashlib import sha256
from itertools import count
from typing import TYPE_CHECKING

from psycopg_pool import AsyncConnectionPool, ConnectionPool

from signedmsg._core.inbox import Arrival, Claim
from signedmsg.stores._batches import Entry
from signedmsg.stores.postgres import AsyncPostgresReplayCache, PostgresInbox, PostgresReplayCache, init
from signedmsg.testing import ManualClock
from tests.bench.replay_cache import FAR, ISSUER, PROCESSES, latencies
from tests.servers import postgres

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    Add = Callable[[], Awaitable[object]]

KEEP = 480.0
_numbers = count()


def line(what: str, taken: Sequence[float], elapsed: float | None = None, clients: int = 1) -> None:
    rate = clients * len(taken) / (sum(taken) if elapsed is None else elapsed)
    half, rare = taken[len(taken) // 2], taken[int(len(taken) * 0.99)]
    print(f"PostgreSQL, {what:<34} {rate:8,.0f}/s   p50 {half * 1e3:6.2f} ms   p99 {rare * 1e3:6.2f} ms")


def one(server: postgres.Postgres, number: int = 5000) -> None:
    with ConnectionPool(server.dsn, min_size=1, max_size=1, open=True) as pool:
        add = partial(PostgresReplayCache(pool).add, keep=KEEP, issuer=ISSUER, issued_at=FAR)
        keys = [os.urandom(16) for _ in range(number)]
        line("add, one client, new ids", latencies(add, keys))
        line("add, one client, replays", latencies(add, keys[:2000]))


def worker(dsn: str, number: int) -> None:
    with ConnectionPool(dsn, min_size=1, max_size=1, open=True) as pool:
        cache = PostgresReplayCache(pool)
        cache.prepare()
        print("ready", flush=True)
        sys.stdin.readline()
        started = time.perf_counter()
        add = partial(cache.add, keep=KEEP, issuer=ISSUER, issued_at=FAR)
        taken = latencies(add, [os.urandom(16) for _ in range(number)])
        print(time.perf_counter() - started, *taken)


def processes(server: postgres.Postgres, number: int = 1500) -> None:
    command = [sys.executable, "-m", "tests.bench.stores_postgres", "worker", server.dsn, str(number)]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)
    ]
    for each in workers:
        assert each.stdout is not None
        each.stdout.readline()
    for each in workers:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    rows = [[float(word) for word in each.communicate()[0].split()] for each in workers]
    taken = sorted(seconds for row in rows for seconds in row[1:])
    line(f"add, {PROCESSES} processes", taken, max(row[0] for row in rows))


def spread(
    server: postgres.Postgres, adder: Callable[[AsyncPostgresReplayCache], Add], number: int, at_once: int
) -> float:
    """Return how many adds a second many tasks get done, over as many connections as help."""

    async def main() -> float:
        async with AsyncConnectionPool(server.dsn, min_size=4, max_size=4, open=False) as pool:
            add, left = adder(AsyncPostgresReplayCache(pool)), iter(range(number))

            async def adding() -> None:
                for _ in left:
                    await add()

            await add()
            started = time.perf_counter()
            await asyncio.gather(*(adding() for _ in range(at_once)))
            return number / (time.perf_counter() - started)

    return asyncio.run(main())


def together(cache: AsyncPostgresReplayCache) -> Add:
    return lambda: cache.add(os.urandom(16), KEEP, issuer=ISSUER, issued_at=FAR)


def apart(cache: AsyncPostgresReplayCache) -> Add:
    """The same with a statement each."""
    return lambda: cache._calls.run(cache._table.add([Entry(os.urandom(16), KEEP, ISSUER, FAR)]))


def tasks(server: postgres.Postgres, number: int = 10_000, at_once: int = 64) -> None:
    """Adds of many tasks together, against the same adds one statement each."""
    alone, batched = (spread(server, adder, number, at_once) for adder in (apart, together))
    print(f"PostgreSQL, async, {at_once} tasks: one by one {alone:,.0f}/s, together {batched:,.0f}/s", end="")
    print(f": {batched / alone:.1f} times")


def figures(rounds: int = 3, at_once: int = 64) -> dict[str, float]:
    """How many times the adds of concurrent tasks a second that go together are of those that go one by one."""
    with postgres.one(durable=True) as server:
        init(server.dsn)
        rates = [[spread(server, adder, 5000, at_once) for adder in (apart, together)] for _ in range(rounds)]
    alone, batched = map(max, zip(*rates, strict=True))
    return {"postgres coalesced": batched / alone}


def message() -> Arrival:
    return Arrival(ISSUER, f"msg_{next(_numbers)}", sha256(b"").digest(), time.time() + 86_400, "invoice.paid")


def inbox(server: postgres.Postgres, number: int = 1000) -> None:
    with ConnectionPool(server.dsn, min_size=2, max_size=2, open=True) as pool:
        box = PostgresInbox(pool)

        def leased(_: bytes) -> None:
            claim = box.begin(message(), 60.0)
            assert isinstance(claim, Claim)
            box.commit(claim, 204)

        def transacted(_: bytes) -> None:
            with box.transaction() as transaction:
                transaction.begin(message())
                transaction.finish(204)

        def queued(_: bytes) -> None:
            box.enqueue(message(), b"body")
            job = box.take(60.0)
            assert job is not None
            box.commit(job.claim, 202)

        for what, step in (
            ("begin + commit", leased),
            ("transaction", transacted),
            ("enqueue + take + commit", queued),
        ):
            line(what, latencies(step, [b""] * number))


def day(server: postgres.Postgres, rate: int = 20) -> None:
    """A simulated day of so many ids a second, far faster than time: vacuum gets a few minutes for it."""
    clock = ManualClock()
    with ConnectionPool(server.dsn, min_size=1, max_size=1, open=True) as pool:
        cache = PostgresReplayCache(pool, clock=clock, _server_clock=clock, schema="day")
        cache.prepare()
        calls, table = cache._calls, cache._table
        started, batch = time.perf_counter(), 10 * rate
        for step in range(8640):
            clock.advance(10)
            calls.run(table.add([Entry(os.urandom(16), KEEP, ISSUER, clock()) for _ in range(batch)]))
            calls.run(table.purge())
            if step % 1440 == 1439:
                ((rows, heap, whole),) = server.rows(
                    "SELECT count(*), pg_table_size('day.signedmsg_replay'),"
                    " pg_total_relation_size('day.signedmsg_replay') FROM day.signedmsg_replay"
                )
                print(
                    f"PostgreSQL, simulated day, hour {(step + 1) // 360:2}: {rows:,} rows ({rate * KEEP:,.0f} alive), "
                    f"table {int(str(heap)) / 1e6:.1f} MB, with indexes {int(str(whole)) / 1e6:.1f} MB, "
                    f"after {time.perf_counter() - started:.0f} s"
                )


PARTS: dict[str, Callable[[postgres.Postgres], None]] = {
    "one": one,
    "processes": processes,
    "tasks": tasks,
    "inbox": inbox,
    "day": day,
}


def main(names: Sequence[str] = ()) -> None:
    with postgres.one(durable=True) as server:
        init(server.dsn)
        init(server.dsn, schema="day")
        for name in names or PARTS:
            PARTS[name](server)


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        worker(sys.argv[2], int(sys.argv[3]))
    else:
        main(sys.argv[1:])
