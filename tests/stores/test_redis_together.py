"""Adds that share a command get the answers that they would have had alone, also where a server refuses to share."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from signedmsg.errors import QuotaError, StoreError
from signedmsg.stores._batches import Entry
from signedmsg.stores._redis_client import run as run_call
from signedmsg.stores._redis_replay import ReplayShards, check_options
from signedmsg.stores.redis import AsyncRedisReplayCache, RedisReplayCache
from tests.servers import valkey
from tests.stores.helpers import ISSUER, KEEP, add, key
from tests.stores.redis_clients import ASYNC_ALONE, ASYNC_CLUSTER, connect

if TYPE_CHECKING:
    from collections.abc import Sequence

    import redis

pytestmark = pytest.mark.real_server

FAR = 2e10
OTHER = "https://orders.example"


class Counting:
    """An asyncio client that counts its commands and what goes through pipelines."""

    def __init__(self, client: Any) -> None:
        self.client, self.commands, self.pipelines = client, 0, 0

    async def execute_command(self, *words: Any) -> Any:
        self.commands += 1
        return await self.client.execute_command(*words)

    def pipeline(self, *, transaction: bool) -> Any:
        self.pipelines += 1
        return self.client.pipeline(transaction=transaction)


def together(
    url: str, prefix: str, entries: Sequence[Entry], *, prepared: bool = True, **options: Any
) -> tuple[list[Any], Counting]:
    """Return the answers to some adds that come at once."""

    async def main() -> tuple[list[Any], Counting]:
        counting = Counting(ASYNC_ALONE["redis"](url))
        cache = AsyncRedisReplayCache(counting, prefix=prefix, **options)
        if prepared:
            await cache.prepare()
        cache._shards.ready = True
        counting.commands = counting.pipelines = 0
        adds = [cache.add(one.key, one.keep, issuer=one.issuer, issued_at=one.issued_at) for one in entries]
        answers = await asyncio.wait_for(asyncio.gather(*adds, return_exceptions=True), 20)
        await counting.client.aclose()
        return answers, counting

    return asyncio.run(main())


def entry(number: int, issuer: str = ISSUER, issued_at: float = FAR) -> Entry:
    return Entry(key(number), KEEP, issuer, issued_at)


def test_each_of_a_command_has_its_own_answer(redis_url: str, prefix: str) -> None:
    entries = [entry(1), entry(1), entry(2), entry(3, issued_at=1.0), entry(4, OTHER), entry(2)]
    answers, counting = together(redis_url, prefix, entries)
    assert [answer for answer in answers if isinstance(answer, bool)] == [True, False, True, True, False]
    assert "already have been signed" in str(answers[3])
    assert (counting.commands, counting.pipelines) == (1, 0)


def test_quota_counts_what_came_in_the_same_command(redis_url: str, prefix: str) -> None:
    entries = [entry(number) for number in range(6)] + [entry(7, OTHER)]
    answers, _ = together(redis_url, prefix, entries, capacity=100, quota=4, _shards=1)
    assert [type(answer) for answer in answers] == [bool] * 4 + [QuotaError] * 2 + [bool]


def test_adds_of_one_command_are_those_that_a_blocking_cache_sees(redis_url: str, prefix: str) -> None:
    together(redis_url, prefix, [entry(number) for number in range(100)])
    with connect(redis_url) as client:
        cache = RedisReplayCache(client, prefix=prefix)
        assert [add(cache, number, FAR) for number in range(101)] == [False] * 100 + [True]


def test_client_that_decodes_answers_is_served(redis_url: str, prefix: str) -> None:
    decoding = f"{redis_url}?decode_responses=True"
    answers, _ = together(decoding, prefix, [entry(1), entry(2), entry(1)])
    assert answers == [True, True, False]


def test_node_of_a_cluster_that_a_plain_client_uses_is_asked_one_by_one() -> None:
    with valkey.cluster(1) as (node,):
        first, counting = together(node.url, "signedmsg", [entry(number) for number in range(20)])
        again, _ = together(node.url, "signedmsg", [entry(number) for number in range(21)])
    # The one command that was refused, and then a pipeline; what it was refused for is remembered.
    assert (counting.commands, counting.pipelines) == (1, 1)
    assert (first, again) == ([True] * 20, [False] * 20 + [True])


def test_cross_slot_refusal_is_met_once_by_a_cache() -> None:
    async def main(url: str) -> Counting:
        counting = Counting(ASYNC_ALONE["redis"](url))
        cache = AsyncRedisReplayCache(counting)
        await cache.prepare()
        counting.commands = 0
        for turn in range(3):
            adds = [cache.add(key(100 * turn + n), KEEP, issuer=ISSUER, issued_at=FAR) for n in range(9)]
            assert all(await asyncio.gather(*adds))
        await counting.client.aclose()
        return counting

    with valkey.cluster(1) as (node,):
        assert asyncio.run(main(node.url)).commands == 1


def test_cluster_client_is_never_asked_about_several_slots(redis_cluster_url: str, prefix: str) -> None:
    async def main() -> list[bool]:
        cache = AsyncRedisReplayCache(client := ASYNC_CLUSTER["redis"](redis_cluster_url), prefix=prefix)
        assert cache._batches._server._takes_slots is False  # type: ignore[attr-defined]
        answers = await asyncio.gather(*(cache.add(key(n), KEEP, issuer=ISSUER, issued_at=FAR) for n in range(64)))
        await client.aclose()
        return answers

    assert asyncio.run(main()) == [True] * 64


def test_server_without_memory_refuses_each_new_id_and_forgets_none(redis_server: valkey.Valkey) -> None:
    url = redis_server.url
    assert together(url, "full", [entry(1)], _shards=1)[0] == [True]
    redis_server.command("CONFIG", "SET", "maxmemory", "1")
    answers, _ = together(url, "full", [entry(1), entry(2), entry(3)], prepared=False, _shards=1)
    redis_server.command("CONFIG", "SET", "maxmemory", "0")
    # To know an id again takes no memory, so only the new ones are refused.
    assert [answers[0], *map(type, answers[1:])] == [False, StoreError, StoreError]
    assert together(url, "full", [entry(1), entry(2)], _shards=1)[0] == [False, True]


def shards(prefix: str) -> ReplayShards:
    options = check_options(
        prefix, 1000, None, 30.0, any_birth=False, checks_eviction=True, clock=time.time, server_clock=None, shards=1
    )
    return ReplayShards(options)


def test_add_that_is_asked_again_alone_has_the_answer_it_had_in_company(redis_url: str, prefix: str) -> None:
    asked = shards(prefix)
    with connect(redis_url) as client:
        adds = asked.adds([entry(1), entry(2), entry(1)])
        first = _answers(client, asked, adds)
        alone = [_answers(client, asked, [one])[0] for one in adds]
    assert first == alone == [True, True, False]


def _answers(client: redis.Redis, asked: ReplayShards, adds: Any) -> list[bool | Exception]:
    ask = asked.ask(adds)
    return asked.judge(ask, run_call(client, ask.call))
