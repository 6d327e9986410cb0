"""Run plans over an `AsyncConnectionPool`, in the caller's task; the twin of `_postgres_blocking`."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
from anyio import CancelScope
from psycopg.rows import tuple_row

from signedmsg.errors import StoreError
from signedmsg.stores._postgres_calls import AGAIN, TRIES, Connections
from signedmsg.stores._postgres_lending import Lent
from signedmsg.stores._postgres_watch import has_news, limit_in

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator

    from signedmsg.stores._postgres_calls import Ask, AsyncPostgresPool, Plan, Rows, T


class AsyncCalls(Connections):
    """Runs plans in the caller's task."""

    def __init__(self, pool: AsyncPostgresPool, schema: str, timeout: float) -> None:
        super().__init__(pool, schema, timeout, suspends=True)
        self._pool = pool

    async def run(self, plan: Plan[T]) -> T:
        """See `Calls.run`."""
        check_loop()
        return await _drive_async(plan, self._ask)

    async def run_on(self, connection: psycopg.AsyncConnection[object], plan: Plan[T]) -> T:
        """See `Calls.run_on`."""
        return await _drive_async(plan, partial(self._ask_on, connection))

    async def _ask(self, ask: Ask) -> Rows:
        for _ in range(TRIES - 1):
            try:
                return await self._ask_once(ask)
            except StoreError as error:
                if not isinstance(error.__cause__, AGAIN):
                    raise
        return await self._ask_once(ask)

    async def _ask_once(self, ask: Ask) -> Rows:
        rows: Rows = []
        # Shielded: to stop half way would cost the connection, and take no less time.
        with CancelScope(shield=True), self.translating():
            async with self._connection() as connection:
                before = connection.autocommit
                await connection.set_autocommit(True)
                try:
                    rows = await self._ask_on(connection, ask)
                finally:
                    await _restore_async(connection, before)
        return rows

    async def _ask_on(self, connection: psycopg.AsyncConnection[object], ask: Ask) -> Rows:
        kind = psycopg.AsyncClientCursor[tuple[Any, ...]] if ask.whole else psycopg.AsyncCursor[tuple[Any, ...]]
        with self.limit(connection):
            async with kind(connection, row_factory=tuple_row) as cursor:
                await cursor.execute(ask.query, ask.parameters)
                while ask.whole and cursor.nextset():
                    pass
                return await cursor.fetchall() if cursor.description else []

    @contextmanager
    def limit(self, connection: psycopg.AsyncConnection[object]) -> Generator[None]:
        """See `Calls.limit`."""
        if connection.closed:
            yield
            return
        loop = asyncio.get_running_loop()
        # Shielded, as in `_ask_once`: a scope cancels psycopg's own orderly stop as well, which closes the connection.
        with (
            CancelScope(shield=True),
            self.translating(),
            limit_in(loop, connection.fileno(), self.timeout) as call,
            self.translating(call),
        ):
            yield

    @asynccontextmanager
    async def held(self) -> AsyncGenerator[psycopg.AsyncConnection[object]]:
        """See `Calls.held`."""
        async with AsyncExitStack() as stack:
            with self.translating():
                connection = await stack.enter_async_context(self._connection())
            yield connection

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[psycopg.AsyncConnection[object]]:
        deadline = time.monotonic() + self.timeout
        while True:
            left = max(0.001, deadline - time.monotonic())
            async with Lent(self._pool.connection(timeout=left)) as connection:
                if not await self._is_dead(connection):
                    yield connection
                    return

    async def _is_dead(self, connection: psycopg.AsyncConnection[object]) -> bool:
        if connection.closed or not has_news(connection.fileno()):
            return connection.closed
        before = connection.autocommit
        await connection.set_autocommit(True)
        try:
            with self.limit(connection):
                await connection.execute(b"")
        except StoreError:
            return True
        finally:
            await _restore_async(connection, before)
        return False


def check_loop() -> None:
    """Refuse what is no asyncio event loop.

    Raises:
        StoreError: this is trio.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError as error:
        raise StoreError("psycopg works on asyncio only, not on trio") from error


async def _drive_async(plan: Plan[T], answer: Callable[[Ask], Awaitable[Rows]]) -> T:
    try:
        ask = next(plan)
        while True:
            try:
                rows = await answer(ask)
            except StoreError as error:
                ask = plan.throw(error)
            else:
                ask = plan.send(rows)
    except StopIteration as end:
        outcome: T = end.value
        return outcome


async def _restore_async(connection: psycopg.AsyncConnection[object], autocommit: bool) -> None:
    try:
        if not connection.closed:
            await connection.set_autocommit(autocommit)
    except psycopg.Error:
        await connection.close()
