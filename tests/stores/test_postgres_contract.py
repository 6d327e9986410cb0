"""The public contracts, held against PostgreSQL: blocking and suspending."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from psycopg_pool import AsyncConnectionPool

from signedmsg.stores.postgres import (
    AsyncPostgresInbox,
    AsyncPostgresReplayCache,
    PostgresInbox,
    PostgresReplayCache,
)
from signedmsg.testing import (
    AsyncBoundedInboxContract,
    AsyncInboxContract,
    AsyncQueuedInboxContract,
    AsyncQueuedTransactionsContract,
    AsyncReplayCacheContract,
    AsyncTransactionalInboxContract,
    BoundedInboxContract,
    InboxContract,
    ManualClock,
    QueuedInboxContract,
    QueuedTransactionsContract,
    ReplayCacheContract,
    TransactionalInboxContract,
)
from tests.stores.postgres_tables import execute

if TYPE_CHECKING:
    from psycopg_pool import ConnectionPool

pytestmark = pytest.mark.real_server


class _Tables:
    @pytest.fixture(autouse=True)
    def _tables(self, postgres_dsn: str, postgres_pool: ConnectionPool, postgres_schema: str) -> None:
        self.dsn, self.pool, self.schema = postgres_dsn, postgres_pool, postgres_schema
        self.pools: dict[int, AsyncConnectionPool] = {}

    async def open_pool(self) -> AsyncConnectionPool:
        pool = AsyncConnectionPool(self.dsn, min_size=2, max_size=8, open=False)
        await pool.open()
        return pool


class _Words(_Tables):
    @pytest.fixture(autouse=True)
    def _words(self, _tables: None) -> None:
        self.table = f"{self.schema}.words"

    def written(self) -> list[str]:
        return [str(word) for (word,) in execute(self.dsn, f"SELECT word FROM {self.table} ORDER BY number")]


class TestPostgresReplayCache(_Tables, ReplayCacheContract):
    def make_cache(self, *, clock: ManualClock, capacity: int, quota: int) -> PostgresReplayCache:
        cache = PostgresReplayCache(
            self.pool, schema=self.schema, capacity=capacity, quota=quota, clock=clock, _server_clock=clock
        )
        cache.prepare()
        return cache


class TestAsyncPostgresReplayCache(_Tables, AsyncReplayCacheContract):
    async def make_cache(  # type: ignore[override]
        self, *, clock: ManualClock, capacity: int, quota: int
    ) -> AsyncPostgresReplayCache:
        self.async_pool = await self.open_pool()
        cache = AsyncPostgresReplayCache(
            self.async_pool, schema=self.schema, capacity=capacity, quota=quota, clock=clock, _server_clock=clock
        )
        await cache.prepare()
        return cache

    async def close_cache(self, cache: object) -> None:
        await self.async_pool.close()


class TestPostgresInbox(
    _Words,
    InboxContract,
    BoundedInboxContract,
    TransactionalInboxContract,
    QueuedInboxContract,
    QueuedTransactionsContract,
):
    def make_inbox(self, *, clock: ManualClock, name: str) -> PostgresInbox:
        return PostgresInbox(self.pool, name, schema=self.schema, _server_clock=clock)

    def make_bounded_inbox(self, *, clock: ManualClock, name: str, quota: int) -> PostgresInbox:
        return PostgresInbox(self.pool, name, schema=self.schema, quota=quota, _server_clock=clock)

    def write(self, connection: Any, word: str) -> None:
        connection.execute(f"INSERT INTO {self.table} (word) VALUES (%s)", (word,))

    def end_transaction(self, connection: Any) -> None:
        connection.execute("COMMIT")


class TestAsyncPostgresInbox(
    _Words,
    AsyncInboxContract,
    AsyncBoundedInboxContract,
    AsyncTransactionalInboxContract,
    AsyncQueuedInboxContract,
    AsyncQueuedTransactionsContract,
):
    async def make_inbox(self, *, clock: ManualClock, name: str) -> AsyncPostgresInbox:
        return await self.make_bounded_inbox(clock=clock, name=name, quota=None)

    async def make_bounded_inbox(self, *, clock: ManualClock, name: str, quota: int | None) -> AsyncPostgresInbox:
        pool = await self.open_pool()
        inbox = AsyncPostgresInbox(pool, name, schema=self.schema, quota=quota, _server_clock=clock)
        self.pools[id(inbox)] = pool
        return inbox

    async def close_inbox(self, inbox: object) -> None:
        await self.pools.pop(id(inbox)).close()

    async def write(self, connection: Any, word: str) -> None:
        await connection.execute(f"INSERT INTO {self.table} (word) VALUES (%s)", (word,))

    async def end_transaction(self, connection: Any) -> None:
        await connection.execute("COMMIT")
