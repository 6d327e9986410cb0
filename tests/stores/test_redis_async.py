"""Adds of concurrent tasks share a command; each gets its own answer, whoever is cancelled."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import pytest

from signedmsg.errors import StoreError
from signedmsg.stores._redis_replay_script import ENTRY
from signedmsg.stores.redis import AsyncRedisReplayCache
from tests.stores.helpers import ISSUER, KEEP, key
from tests.stores.redis_clients import connect_async

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import redis.asyncio

pytestmark = pytest.mark.real_server

FAR = 2e10


class Watched:
    """An asyncio client that counts the adds of each command, and holds them while the gate is shut."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self.client = client
        self.sizes: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def execute_command(self, *words: Any) -> Any:
        self.sizes.append(len(words[-1]) // ENTRY.size)
        await self.gate.wait()
        return await self.client.execute_command(*words)

    def pipeline(self, *, transaction: bool) -> Any:
        return self.client.pipeline(transaction=transaction)


def run(url: str, prefix: str, body: Callable[[AsyncRedisReplayCache, Watched], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        client = connect_async(url)
        watched = Watched(client)
        cache = AsyncRedisReplayCache(watched, prefix=prefix)
        await cache.prepare()
        watched.sizes.clear()
        try:
            return await asyncio.wait_for(body(cache, watched), 20)
        finally:
            await client.aclose()

    return asyncio.run(main())


def adding(cache: AsyncRedisReplayCache, number: int) -> asyncio.Task[bool]:
    return asyncio.create_task(cache.add(key(number), KEEP, issuer=ISSUER, issued_at=FAR))


async def begun() -> None:
    """Let every task that can go on do so."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_concurrent_adds_go_in_one_command(redis_url: str, prefix: str) -> None:
    async def body(cache: AsyncRedisReplayCache, watched: Watched) -> list[int]:
        assert all(await asyncio.gather(*(adding(cache, number) for number in range(64))))
        return watched.sizes

    assert run(redis_url, prefix, body) == [64]


def test_adds_that_come_while_one_is_under_way_wait_for_the_next(redis_url: str, prefix: str) -> None:
    async def body(cache: AsyncRedisReplayCache, watched: Watched) -> list[int]:
        watched.gate.clear()
        tasks = [adding(cache, 0)]
        await begun()
        tasks += [adding(cache, number) for number in range(1, 10)]
        await begun()
        watched.gate.set()
        assert all(await asyncio.gather(*tasks))
        return watched.sizes

    assert run(redis_url, prefix, body) == [1, 9]


def test_very_many_adds_go_in_several_commands(redis_url: str, prefix: str) -> None:
    async def body(cache: AsyncRedisReplayCache, watched: Watched) -> list[int]:
        assert all(await asyncio.gather(*(adding(cache, number) for number in range(300))))
        return watched.sizes

    assert run(redis_url, prefix, body) == [128, 128, 44]


def test_cancelled_caller_takes_no_answer_from_others(redis_url: str, prefix: str) -> None:
    async def body(cache: AsyncRedisReplayCache, watched: Watched) -> list[object]:
        watched.gate.clear()
        tasks = [adding(cache, number) for number in range(10)]
        await begun()
        tasks[0].cancel()
        tasks[5].cancel()
        watched.gate.set()
        return [str(each) for each in await asyncio.gather(*tasks, return_exceptions=True)]

    answers = run(redis_url, prefix, body)
    assert [answer for answer in answers if answer == "True"] == ["True"] * 8


def test_add_that_is_cancelled_before_its_turn_did_nothing(redis_url: str, prefix: str) -> None:
    async def body(cache: AsyncRedisReplayCache, watched: Watched) -> bool:
        watched.gate.clear()
        first = adding(cache, 1)
        await begun()
        second = adding(cache, 2)
        await begun()
        second.cancel()
        watched.gate.set()
        assert await first
        return await adding(cache, 2)

    assert run(redis_url, prefix, body) is True


def test_all_callers_cancelled_leave_the_cache_usable(redis_url: str, prefix: str) -> None:
    async def body(cache: AsyncRedisReplayCache, watched: Watched) -> bool:
        watched.gate.clear()
        tasks = [adding(cache, number) for number in range(10)]
        await begun()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        watched.gate.set()
        return await adding(cache, 100)

    assert run(redis_url, prefix, body) is True


def test_nobody_hangs_when_the_task_that_asks_is_cancelled(redis_url: str, prefix: str) -> None:
    async def body(cache: AsyncRedisReplayCache, watched: Watched) -> list[object]:
        watched.gate.clear()
        before = asyncio.all_tasks()
        tasks = [adding(cache, number) for number in range(300)]
        await begun()
        (flusher,) = asyncio.all_tasks() - before - set(tasks)
        flusher.cancel()
        refused = await asyncio.gather(*tasks, return_exceptions=True)
        watched.gate.set()
        assert await adding(cache, 1000)
        return [type(each) for each in refused]

    assert run(redis_url, prefix, body) == [StoreError] * 300


def test_nobody_hangs_when_the_task_that_asks_is_cancelled_before_it_began(redis_url: str, prefix: str) -> None:
    async def body(cache: AsyncRedisReplayCache, watched: Watched) -> list[object]:
        before = asyncio.all_tasks()
        task = adding(cache, 1)
        await asyncio.sleep(0)
        (flusher,) = asyncio.all_tasks() - before - {task}
        flusher.cancel()
        (refused,) = await asyncio.gather(task, return_exceptions=True)
        assert await adding(cache, 1)
        return [type(refused), watched.sizes]

    assert run(redis_url, prefix, body) == [StoreError, [1]]


def test_refusals_of_one_batch_are_exceptions_of_their_own(redis_url: str, prefix: str) -> None:
    async def body(cache: AsyncRedisReplayCache, watched: Watched) -> int:
        await watched.client.aclose()
        watched.client.connection_pool.connection_kwargs["port"] = 1
        watched.client.connection_pool.reset()
        refused = await asyncio.gather(*(adding(cache, number) for number in range(10)), return_exceptions=True)
        return len({id(each) for each in refused if isinstance(each, StoreError)})

    assert run(redis_url, prefix, body) == 10


def test_one_of_sixty_four_copies_in_one_command_is_new(redis_url: str, prefix: str) -> None:
    async def body(cache: AsyncRedisReplayCache, watched: Watched) -> list[bool]:
        return await asyncio.gather(*(adding(cache, 1) for _ in range(64)))

    assert run(redis_url, prefix, body).count(True) == 1


def test_cache_serves_one_event_loop_after_another(redis_url: str, prefix: str) -> None:
    clients: list[Any] = []

    class Fresh:
        """A client for the loop that runs, as an application would take one from a context."""

        async def execute_command(self, *words: Any) -> Any:
            return await clients[-1].execute_command(*words)

        def pipeline(self, *, transaction: bool) -> Any:
            return clients[-1].pipeline(transaction=transaction)

    cache = AsyncRedisReplayCache(Fresh(), prefix=prefix)

    async def once() -> bool:
        clients.append(connect_async(redis_url))
        try:
            return await cache.add(key(1), KEEP, issuer=ISSUER, issued_at=FAR)
        finally:
            await clients[-1].aclose()

    assert [asyncio.run(once()) for _ in range(3)] == [True, False, False]
    # Nothing of ours keeps a loop that ended.
    clients.clear()
    gc.collect()
    assert len(cache._batches._loops) == 0


def test_no_task_is_left_behind(redis_url: str, prefix: str) -> None:
    async def body(cache: AsyncRedisReplayCache, watched: Watched) -> int:
        await adding(cache, 1)
        await begun()
        return len(asyncio.all_tasks())

    assert run(redis_url, prefix, body) <= 2
