"""Concurrent adds of one event loop go to the server together: one batch is under way at a time.

While it is, others gather for the next. The batch runs in a task of its own, so no caller
that is cancelled takes the answers of the others with it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from contextvars import Context
from typing import TYPE_CHECKING, Final, NamedTuple
from weakref import WeakKeyDictionary

from signedmsg.errors import StoreError
from signedmsg.stores._postgres_calls import copied
from signedmsg.stores._postgres_suspending import check_loop

if TYPE_CHECKING:
    from signedmsg.stores._postgres_replay import Answer, Entry, ReplayTable
    from signedmsg.stores._postgres_suspending import AsyncCalls

_AT_ONCE: Final = 256


class Batches:
    """Collects what the tasks of each event loop add."""

    def __init__(self, calls: AsyncCalls, table: ReplayTable) -> None:
        self._calls, self._table = calls, table
        # By loop, since a future must be answered in its own.
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Batch] = WeakKeyDictionary()

    async def add(self, entry: Entry) -> bool:
        """Return whether the id is new."""
        check_loop()
        loop = asyncio.get_running_loop()
        batch = self._loops.get(loop)
        if batch is None:
            batch = self._loops[loop] = _Batch(self._calls, self._table)
        return await batch.add(entry, loop.create_future())


class _Waiting(NamedTuple):
    entry: Entry
    future: asyncio.Future[bool]

    def settle(self, answer: Answer) -> None:
        if self.future.done():
            # Its caller was cancelled, as if it had died after the add.
            return
        if isinstance(answer, Exception):
            self.future.set_exception(answer)
        else:
            self.future.set_result(answer)


class _Batch:
    """What waits in one event loop, and the task that works it off; it ends when nothing waits."""

    def __init__(self, calls: AsyncCalls, table: ReplayTable) -> None:
        self._calls, self._table = calls, table
        self._waiting: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None

    async def add(self, entry: Entry, future: asyncio.Future[bool]) -> bool:
        self._waiting.append(_Waiting(entry, future))
        if self._task is None or self._task.done():
            # An empty context: what serves many callers is not part of the first one's trace.
            self._task = asyncio.get_running_loop().create_task(self._work(), context=Context())
        return await future

    async def _work(self) -> None:
        taken: list[_Waiting] = []
        try:
            while self._waiting:
                taken, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
                # Those whose callers were cancelled meanwhile are left out: they did nothing.
                taken = [waiting for waiting in taken if not waiting.future.done()]
                await self._serve(taken)
                # Nobody's answer waits for this, and if it fails the next one tries again.
                with suppress(StoreError):
                    await self._calls.run(self._table.purge())
        finally:
            # Only when the task itself was cancelled, as at the end of `asyncio.run`.
            for waiting in (*taken, *self._waiting):
                waiting.settle(StoreError("the event loop ends while the replay cache is asked"))
            self._waiting = []

    async def _serve(self, taken: list[_Waiting]) -> None:
        try:
            answers = await self._calls.run(self._table.add([waiting.entry for waiting in taken]))
        except Exception as error:  # noqa: BLE001 - each caller must get an answer, whatever went wrong
            for waiting in taken:
                # One each: an exception that is raised in many tasks would gather the frames of all of them.
                waiting.settle(_for_another(error))
            return
        for waiting, answer in zip(taken, answers, strict=True):
            waiting.settle(answer)


def _for_another(error: Exception) -> StoreError:
    if isinstance(error, StoreError):
        return copied(error)
    unexpected = StoreError(f"the replay cache failed: {type(error).__name__}")
    unexpected.__cause__ = error
    return unexpected
