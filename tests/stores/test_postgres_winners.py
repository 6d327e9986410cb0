"""The same token presented everywhere at once has exactly one winner: threads, tasks, processes."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING

import pytest
from psycopg_pool import AsyncConnectionPool

from signedmsg.stores.postgres import AsyncPostgresReplayCache, PostgresReplayCache
from tests.stores.helpers import ISSUER, KEEP, add, key, start_python

if TYPE_CHECKING:
    from psycopg_pool import ConnectionPool

pytestmark = pytest.mark.real_server

FAR = 2e10
COPIES, PROCESSES = 64, 8
ROUNDS = [20, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.soak, pytest.mark.timeout(600)])]


@pytest.mark.parametrize("rounds", ROUNDS)
def test_one_of_sixty_four_threads_wins_each_round(
    postgres_pool: ConnectionPool, postgres_schema: str, rounds: int
) -> None:
    cache = PostgresReplayCache(postgres_pool, schema=postgres_schema, timeout=30.0)
    won = [0] * rounds
    start = threading.Barrier(COPIES)

    def present() -> None:
        for number in range(rounds):
            start.wait()
            if add(cache, number, FAR):
                won[number] += 1

    threads = [threading.Thread(target=present) for _ in range(COPIES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [1] * rounds


@pytest.mark.parametrize("rounds", ROUNDS)
def test_one_of_sixty_four_tasks_wins_each_round(postgres_dsn: str, postgres_schema: str, rounds: int) -> None:
    async def main() -> list[int]:
        won = []
        async with AsyncConnectionPool(postgres_dsn, min_size=2, max_size=4, open=False) as pool:
            # Two caches, so that copies of one token are in different batches as well as in the same.
            caches = [AsyncPostgresReplayCache(pool, schema=postgres_schema, timeout=30.0) for _ in range(2)]
            for number in range(rounds):
                adds = [cache.add(key(number), KEEP, issuer=ISSUER, issued_at=FAR) for cache in caches * (COPIES // 2)]
                won.append((await asyncio.gather(*adds)).count(True))
        return won

    assert asyncio.run(main()) == [1] * rounds


def test_batches_with_the_same_ids_in_other_orders_do_not_block_each_other(
    postgres_dsn: str, postgres_schema: str
) -> None:
    numbers = list(range(200))

    async def main() -> list[list[bool]]:
        async with AsyncConnectionPool(postgres_dsn, min_size=4, max_size=4, open=False) as pool:
            caches = [AsyncPostgresReplayCache(pool, schema=postgres_schema, timeout=30.0) for _ in range(4)]
            orders = [numbers, numbers[::-1], numbers[100:] + numbers[:100], numbers[::2] + numbers[1::2]]
            adds = [
                asyncio.gather(*(cache.add(key(number), KEEP, issuer=ISSUER, issued_at=FAR) for number in order))
                for cache, order in zip(caches, orders, strict=True)
            ]
            return list(await asyncio.gather(*adds))

    assert sum(answers.count(True) for answers in asyncio.run(main())) == len(numbers)


PRESENT_ALL = """
import json, sys
from psycopg_pool import ConnectionPool
from signedmsg.stores.postgres import PostgresReplayCache
from tests.stores.helpers import add
dsn, schema, rounds = sys.argv[1:]
with ConnectionPool(dsn, min_size=1, max_size=1, open=True) as pool:
    cache = PostgresReplayCache(pool, schema=schema, timeout=30.0)
    cache.prepare()
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps([number for number in range(int(rounds)) if add(cache, number, 2e10)]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [1000])
def test_one_of_eight_processes_wins_each_round(postgres_dsn: str, postgres_schema: str, rounds: int) -> None:
    processes = [start_python(PRESENT_ALL, postgres_dsn, postgres_schema, str(rounds)) for _ in range(PROCESSES)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    won = [number for process in processes for number in json.loads(process.communicate(timeout=50)[0])]
    assert sorted(won) == list(range(rounds))
