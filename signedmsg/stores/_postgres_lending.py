"""Borrows a connection of an `AsyncConnectionPool`, and returns it however the task that had it is cancelled.

psycopg_pool loses a connection for good when `Task.cancel` meets a task that waits for the pool's lock to
return it. Whoever can have requests cancelled, by going away in the middle, could so empty the pool.
"""

from __future__ import annotations

import asyncio
from types import coroutine
from typing import TYPE_CHECKING, Any

from anyio import CancelScope
from psycopg.pq import TransactionStatus

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    import psycopg


class Lent:
    """A pool's `connection()`, which is left in a task that nobody cancels."""

    def __init__(self, lending: AbstractAsyncContextManager[psycopg.AsyncConnection[object]]) -> None:
        self._lending = lending

    async def __aenter__(self) -> psycopg.AsyncConnection[object]:
        self._connection = await self._lending.__aenter__()
        return self._connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        leaving = self._leave(kind, error, trace)
        # A connection that is idle is returned at once but where the pool's lock is held; then a task, which costs
        # more than all the rest, takes over. What talks to the server has timers, and those belong to one task.
        if self._connection.info.transaction_status == TransactionStatus.IDLE:
            try:
                waits_for = leaving.send(None)
            except StopIteration:
                return
            leaving = _rest(leaving, waits_for)
        await _to_its_end(asyncio.ensure_future(leaving))

    async def _leave(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._lending.__aexit__(kind, error, trace)


@coroutine
def _rest(begun: Coroutine[Any, Any, None], waits_for: Any) -> Generator[Any, Any, None]:
    """Go on with what was begun in another task, and waits."""
    yield waits_for
    yield from begun.__await__()


async def _to_its_end(task: asyncio.Future[None]) -> None:
    """Wait until it has ended; a cancellation of the waiting task comes out afterwards."""
    cancelled: asyncio.CancelledError | None = None
    with CancelScope(shield=True):
        while not task.done():
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError as late:
                cancelled = late
    if cancelled is not None:
        raise cancelled
    task.result()
