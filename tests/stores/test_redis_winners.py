"""The same token presented everywhere at once has exactly one winner: threads, tasks, processes."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest

from signedmsg._core.inbox import Claim, InProgress
from signedmsg.stores.redis import AsyncRedisInbox, AsyncRedisReplayCache, RedisReplayCache
from tests.stores.helpers import ISSUER, KEEP, add, key, start_python
from tests.stores.redis_arrivals import LEASE, arrival
from tests.stores.redis_clients import ALONE, ASYNC_ALONE, ASYNC_CLUSTER, CLUSTER

pytestmark = pytest.mark.real_server

FAR = 2e10
COPIES, PROCESSES = 64, 8
ROUNDS = [50, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.soak])]
ONE_OR_THREE = ["redis_url", "redis_cluster_url"]


@pytest.fixture(params=ONE_OR_THREE)
def server(request: pytest.FixtureRequest) -> tuple[str, bool]:
    return request.getfixturevalue(request.param), request.param == "redis_cluster_url"


@pytest.mark.parametrize("rounds", ROUNDS)
def test_one_of_sixty_four_threads_wins_each_round(server: tuple[str, bool], prefix: str, rounds: int) -> None:
    url, clustered = server
    client: Any = (CLUSTER if clustered else ALONE)["redis"](url)
    cache = RedisReplayCache(client, prefix=prefix)
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
    client.close()
    assert won == [1] * rounds


@pytest.mark.parametrize("rounds", ROUNDS)
def test_one_of_sixty_four_tasks_wins_each_round(server: tuple[str, bool], prefix: str, rounds: int) -> None:
    url, clustered = server

    async def main() -> list[int]:
        # Two caches, so that copies of one token are in different pipelines as well as in the same.
        clients: list[Any] = [(ASYNC_CLUSTER if clustered else ASYNC_ALONE)["redis"](url) for _ in range(2)]
        caches = [AsyncRedisReplayCache(client, prefix=prefix) for client in clients]
        won = []
        for number in range(rounds):
            adds = [cache.add(key(number), KEEP, issuer=ISSUER, issued_at=FAR) for cache in caches * (COPIES // 2)]
            won.append((await asyncio.gather(*adds)).count(True))
        for client in clients:
            await client.aclose()
        return won

    assert asyncio.run(main()) == [1] * rounds


def test_tasks_that_come_before_a_client_knows_its_cluster_are_all_answered(
    redis_cluster_url: str, prefix: str
) -> None:
    async def main(number: int) -> list[type[object]]:
        client = ASYNC_CLUSTER["redis"](redis_cluster_url)
        inbox = AsyncRedisInbox(client, prefix=prefix)
        begins = [inbox.begin(arrival(number), LEASE) for _ in range(16)]
        answers = await asyncio.gather(*begins, return_exceptions=True)
        await client.aclose()
        return sorted((type(answer) for answer in answers), key=str)

    assert [asyncio.run(main(number)) for number in range(20)] == [sorted([Claim] + [InProgress] * 15, key=str)] * 20


PRESENT_ALL = """
import json, sys
from signedmsg.stores.redis import RedisReplayCache
from tests.stores.helpers import add
from tests.stores.redis_arrivals import LEASE, arrival
from tests.stores.redis_clients import ALONE, CLUSTER
url, clustered, prefix, rounds = sys.argv[1:]
client = (CLUSTER if clustered == "True" else ALONE)["redis"](url)
cache = RedisReplayCache(client, prefix=prefix)
print("ready", flush=True)
sys.stdin.readline()
print(json.dumps([number for number in range(int(rounds)) if add(cache, number, 2e10)]))
client.close()
"""


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [1000])
def test_one_of_eight_processes_wins_each_round(server: tuple[str, bool], prefix: str, rounds: int) -> None:
    processes = [start_python(PRESENT_ALL, server[0], str(server[1]), prefix, str(rounds)) for _ in range(PROCESSES)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    won = [number for process in processes for number in json.loads(process.communicate(timeout=50)[0])]
    assert sorted(won) == list(range(rounds))
