"""Concurrent adds of one event loop go to the server together: one pipeline is under way at a time.

While it is, others gather for the next. The pipeline runs in a task of its own, so no
caller that is cancelled takes the answers of the others with it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from contextvars import Context
from typing import TYPE_CHECKING, Final, NamedTuple
from weakref import WeakKeyDictionary

from signedmsg.errors import StoreError
from signedmsg.stores._redis_client import copied, run_all_async, unavailable

if TYPE_CHECKING:
    from signedmsg.stores._redis_client import AsyncRedisClient
    from signedmsg.stores._redis_replay import Ask, Entry, ReplayShards

_AT_ONCE: Final = 128


class Batches:
    """Collects what the tasks of each event loop ask."""

    def __init__(self, client: AsyncRedisClient, shards: ReplayShards) -> None:
        self._client, self._shards = client, shards
        # By loop, since a future must be answered in its own: a client may be shared, its callers not.
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Batch] = WeakKeyDictionary()

    async def answer(self, entry: Entry | None) -> bool:
        """Return whether the id is new; without an entry, True once all shards were looked at."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError as error:
            raise StoreError("the asyncio clients of Redis work on asyncio only, not on trio") from error
        batch = self._loops.get(loop)
        if batch is None:
            batch = self._loops[loop] = _Batch(self._client, self._shards)
        return await batch.answer(entry, loop.create_future())


class _Waiting(NamedTuple):
    entry: Entry | None
    future: asyncio.Future[bool]

    def settle(self, answer: bool | Exception) -> None:
        if self.future.done():
            # Its caller was cancelled, as if it had died after the add.
            return
        if isinstance(answer, Exception):
            self.future.set_exception(answer)
        else:
            self.future.set_result(answer)


class _Batch:
    """What waits in one event loop, and the task that works it off; it ends when nothing waits."""

    def __init__(self, client: AsyncRedisClient, shards: ReplayShards) -> None:
        self._client, self._shards = client, shards
        self._waiting: list[_Waiting] = []
        self._taken: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None

    async def answer(self, entry: Entry | None, future: asyncio.Future[bool]) -> bool:
        self._waiting.append(_Waiting(entry, future))
        if self._task is None:
            self._start()
        return await future

    def _start(self) -> None:
        # An empty context: what serves many callers is not part of the first one's trace.
        self._task = asyncio.get_running_loop().create_task(self._work(), context=Context())
        # Not `finally` in the task: one that is cancelled before its first step has none.
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        # None also because a task holds its loop, which could not be forgotten then.
        self._task = None
        if not task.cancelled() and task.exception() is None:
            if self._waiting:
                self._start()
            return
        # As at the end of `asyncio.run`.
        for waiting in (*self._taken, *self._waiting):
            waiting.settle(StoreError("the task that asks the replay cache was cancelled"))
        self._taken, self._waiting = [], []

    async def _work(self) -> None:
        while self._waiting:
            taken, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
            # Those whose callers were cancelled meanwhile are left out: they did nothing.
            self._taken = [waiting for waiting in taken if not waiting.future.done()]
            await self._serve(self._taken)
            self._taken = []

    async def _serve(self, taken: list[_Waiting]) -> None:
        adds = [(waiting, waiting.entry) for waiting in taken if waiting.entry is not None]
        try:
            if not self._shards.ready or len(adds) < len(taken):
                await self._look()
            asks = [self._shards.add(entry) for _, entry in adds]
            replies = await run_all_async(self._client, [ask.call for ask in asks])
        except Exception as error:  # noqa: BLE001 - each caller must get an answer, whatever went wrong
            for waiting in taken:
                # One each: an exception that is raised in many tasks would gather the frames of all of them.
                waiting.settle(copied(unavailable(error)))
            return
        for (waiting, _), ask, reply in zip(adds, asks, replies, strict=True):
            waiting.settle(self._judged(ask, reply))
        for waiting in taken:
            if waiting.entry is None:
                waiting.settle(True)
        if not self._shards.ready:
            await self._look_again()

    def _judged(self, ask: Ask, reply: object) -> bool | Exception:
        try:
            return self._shards.judge(ask, reply)
        except Exception as error:  # noqa: BLE001 - as above
            return error

    async def _look(self) -> None:
        looks = self._shards.looks()
        self._shards.looked(looks, await run_all_async(self._client, [look.call for look in looks]))

    async def _look_again(self) -> None:
        """Let the other shards be born now, too. If that fails, the next add tries again, and says why."""
        with suppress(Exception):
            await self._look()
