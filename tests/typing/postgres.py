"""The stores in PostgreSQL are what the ports ask for, over the pools of psycopg as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from signedmsg import Message, Router
from signedmsg.stores.postgres import (
    AsyncPostgresInbox,
    AsyncPostgresReplayCache,
    PostgresInbox,
    PostgresReplayCache,
)

if TYPE_CHECKING:
    import sqlite3

    import psycopg
    from psycopg.rows import DictRow
    from psycopg_pool import AsyncConnectionPool, ConnectionPool

    from signedmsg._flows.inbox_ports import AsyncQueuedInbox, AsyncTransactionalInbox, QueuedInbox, TransactionalInbox
    from signedmsg._flows.ports import AsyncReplayCache, ReplayCache


def blocking(pool: ConnectionPool, dicts: ConnectionPool[psycopg.Connection[DictRow]]) -> None:
    cache: ReplayCache = PostgresReplayCache(pool)
    transactional: TransactionalInbox[psycopg.Connection[Any]] = PostgresInbox(pool)
    queued: QueuedInbox = PostgresInbox(dicts)
    del cache, transactional, queued


def suspending(pool: AsyncConnectionPool) -> None:
    cache: AsyncReplayCache = AsyncPostgresReplayCache(pool)
    transactional: AsyncTransactionalInbox[psycopg.AsyncConnection[Any]] = AsyncPostgresInbox(pool)
    queued: AsyncQueuedInbox = AsyncPostgresInbox(pool)
    del cache, transactional, queued


def mixed_up(pool: ConnectionPool, other: AsyncConnectionPool) -> None:
    PostgresInbox(other)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    AsyncPostgresInbox(pool)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def handled(pool: ConnectionPool, dicts: ConnectionPool[psycopg.Connection[DictRow]]) -> None:
    router = Router(PostgresInbox(pool), mode="transaction")

    @router.on("plain")
    def plain(message: Message[int], connection: psycopg.Connection) -> None:
        connection.execute("INSERT INTO numbers VALUES (%s)", (message.data,))

    def rows(message: Message[int], connection: psycopg.Connection[DictRow]) -> None: ...
    def alone(message: Message[int]) -> None: ...
    def other(message: Message[int], connection: sqlite3.Connection) -> None: ...
    async def suspends(message: Message[int], connection: psycopg.AsyncConnection) -> None: ...

    Router(PostgresInbox(dicts), mode="transaction").on("rows", int)(rows)
    router.on("alone")(alone)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    router.on("other")(other)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    router.on("suspends")(suspends)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def handled_async(pool: AsyncConnectionPool) -> None:
    router = Router(AsyncPostgresInbox(pool), mode="transaction", queued=True)

    @router.on("plain")
    async def plain(message: Message[int], connection: psycopg.AsyncConnection) -> None:
        await connection.execute("INSERT INTO numbers VALUES (%s)", (message.data,))
