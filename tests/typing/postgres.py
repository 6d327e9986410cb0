"""The stores in PostgreSQL are what the ports ask for, over the pools of psycopg as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signedmsg.stores.postgres import (
    AsyncPostgresInbox,
    AsyncPostgresReplayCache,
    PostgresInbox,
    PostgresReplayCache,
)

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import DictRow
    from psycopg_pool import AsyncConnectionPool, ConnectionPool

    from signedmsg._flows.ports import (
        AsyncQueuedInbox,
        AsyncReplayCache,
        AsyncTransactionalInbox,
        QueuedInbox,
        ReplayCache,
        TransactionalInbox,
    )


def blocking(pool: ConnectionPool, dicts: ConnectionPool[psycopg.Connection[DictRow]]) -> None:
    cache: ReplayCache = PostgresReplayCache(pool)
    transactional: TransactionalInbox[psycopg.Connection[object]] = PostgresInbox(pool)
    queued: QueuedInbox = PostgresInbox(dicts)
    del cache, transactional, queued


def suspending(pool: AsyncConnectionPool) -> None:
    cache: AsyncReplayCache = AsyncPostgresReplayCache(pool)
    transactional: AsyncTransactionalInbox[psycopg.AsyncConnection[object]] = AsyncPostgresInbox(pool)
    queued: AsyncQueuedInbox = AsyncPostgresInbox(pool)
    del cache, transactional, queued


def mixed_up(pool: ConnectionPool, other: AsyncConnectionPool) -> None:
    PostgresInbox(other)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    AsyncPostgresInbox(pool)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
