"""Inboxes in PostgreSQL: the blocking and the suspending face."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Literal

from signedmsg.stores._postgres_blocking import Calls
from signedmsg.stores._postgres_inbox_rows import InboxRows
from signedmsg.stores._postgres_suspending import AsyncCalls
from signedmsg.stores._postgres_transaction import AsyncPostgresTransaction, PostgresTransaction

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from signedmsg._core.inbox import Arrival, Claim, DeadLetter, Job, QueueDepth, Settled
    from signedmsg.stores._postgres_calls import AsyncPostgresPool, PostgresPool


class PostgresInbox:
    """Remembers which messages were processed in PostgreSQL 14 or later; for both modes, now or queued.

    In `transaction` mode a handler is given the psycopg connection whose transaction holds the mark,
    so its effects happen exactly once. psycopg refuses `commit` and `rollback` there; savepoints
    (`with connection.transaction():`) are its own to use. Whether another holds the message
    is told by an advisory lock, so nobody ever waits for another's open transaction; a copy holds a
    connection for a moment only. What handlers run at once needs a connection each: give the
    pool at least as many, and one more.

    A SQLAlchemy session works on that connection when its `commit` ends a savepoint and no more
    (`join_transaction_mode="create_savepoint"`): the documentation has the lines for it.

    Rows of messages that are done or rejected go after their time, 256 at once, with one `begin` in 64; one
    that nobody finished goes a day after its lease, if that is later. Queued and dead ones stay. A commit waits
    for the disk even where `synchronous_commit` is off. With asynchronous replication a standby that is promoted
    may lack the last rows: those messages run again when their senders try again.

    Each method is one atomic step, on the server's clock. Safe for any number of threads.

    Args:
        pool: a `psycopg_pool.ConnectionPool`; building the inbox asks it nothing.
        name: which inbox: 1 to 128 visible ASCII characters.
        schema: where `signedmsg store init` made the tables.
        retention: seconds after its time within which a message is taken; longer than senders retry.
        quota: how many messages of one issuer to keep; no limit unless given. Each process counts them
            anew after each 1024th of it, and may exceed it by as much; a refusal it repeats for a second.
        timeout: seconds to wait for a connection, and then for an answer. A handler's own statements have none.

    Raises:
        TypeError, ValueError: an argument is wrong.
    """

    waits: Literal["blocks"] = "blocks"
    shared: bool = True
    durable: bool = True
    transactional: bool = True
    queues: bool = True

    def __init__(
        self,
        pool: PostgresPool,
        name: str = "default",
        *,
        schema: str = "public",
        retention: float = 7 * 86400.0,
        quota: int | None = None,
        timeout: float = 5.0,
        _server_clock: Callable[[], float] | None = None,
    ) -> None:
        self._calls = Calls(pool, schema, timeout)
        self._rows = InboxRows(name, schema=schema, retention=retention, quota=quota, server_clock=_server_clock)

    @property
    def name(self) -> str:
        """Which inbox this is."""
        return self._rows.name

    @property
    def retention(self) -> float:
        """Seconds after its time within which a message is taken."""
        return self._rows.retention

    @property
    def transactions_at_once(self) -> int | None:
        """How many handlers the pool has connections for, one being left; None where it has no bound."""
        return self._calls.transactions_at_once

    def begin(self, arrival: Arrival, lease: float) -> Claim | Settled:
        """Claim the message for `lease` seconds, or say why it is not to be run now: see `Inbox.begin`."""
        return self._calls.run(self._rows.begin(arrival, lease))

    def commit(self, claim: Claim, status: int) -> None:
        """Mark the message done: see `Inbox.commit`."""
        self._calls.run(self._rows.commit(claim, status))

    def release(self, claim: Claim, delay: float = 0.0) -> None:
        """Give the message back: see `Inbox.release`."""
        self._calls.run(self._rows.release(claim, delay))

    def reject(self, claim: Claim, reason: str) -> None:
        """Mark the message rejected for good: see `Inbox.reject`."""
        self._calls.run(self._rows.reject(claim, reason))

    def renew(self, claim: Claim, lease: float) -> None:
        """Let the claim last `lease` seconds from now: see `Inbox.renew`."""
        self._calls.run(self._rows.renew(claim, lease))

    def forget(self, issuer: str, message_id: str) -> bool:
        """Remove the row of a message that is done or rejected: see `Inbox.forget`."""
        return self._calls.run(self._rows.forget(issuer, message_id))

    def enqueue(self, arrival: Arrival, body: bytes) -> Settled | None:
        """Store the message to be run later: see `QueuedInbox.enqueue`."""
        return self._calls.run(self._rows.enqueue(arrival, body))

    def take(self, lease: float) -> Job | None:
        """Claim the message that has been due longest: see `QueuedInbox.take`."""
        return self._calls.run(self._rows.take(lease))

    def bury(self, claim: Claim, reason: str) -> None:
        """Give a queued message up: see `QueuedInbox.bury`."""
        self._calls.run(self._rows.bury(claim, reason))

    def dead(self, limit: int = 100) -> list[DeadLetter]:
        """Return messages that were given up, the latest first."""
        return self._calls.run(self._rows.dead(limit))

    def redrive(self, issuer: str, message_id: str) -> bool:
        """Queue a dead message again: see `QueuedInbox.redrive`."""
        return self._calls.run(self._rows.redrive(issuer, message_id))

    def depth(self) -> QueueDepth:
        """Count the queued messages."""
        return self._calls.run(self._rows.depth())

    @contextmanager
    def transaction(self) -> Generator[PostgresTransaction]:
        """Open a transaction: see `TransactionalInbox.transaction`."""
        self._calls.run(self._rows.check())
        with self._calls.held() as connection:
            steps = PostgresTransaction(self._calls, self._rows, connection)
            steps.open()
            try:
                yield steps
            except BaseException as error:
                steps.roll_back(error)
                raise
            steps.commit()

    def __repr__(self) -> str:
        return f"<PostgresInbox {self.name!r}>"


class AsyncPostgresInbox:
    """`PostgresInbox` for asyncio, over an `AsyncConnectionPool`; psycopg does not work on trio."""

    waits: Literal["suspends"] = "suspends"
    shared: bool = True
    durable: bool = True
    transactional: bool = True
    queues: bool = True

    def __init__(
        self,
        pool: AsyncPostgresPool,
        name: str = "default",
        *,
        schema: str = "public",
        retention: float = 7 * 86400.0,
        quota: int | None = None,
        timeout: float = 5.0,
        _server_clock: Callable[[], float] | None = None,
    ) -> None:
        self._calls = AsyncCalls(pool, schema, timeout)
        self._rows = InboxRows(name, schema=schema, retention=retention, quota=quota, server_clock=_server_clock)

    @property
    def name(self) -> str:
        """Which inbox this is."""
        return self._rows.name

    @property
    def retention(self) -> float:
        """Seconds after its time within which a message is taken."""
        return self._rows.retention

    @property
    def transactions_at_once(self) -> int | None:
        """How many handlers the pool has connections for, one being left; None where it has no bound."""
        return self._calls.transactions_at_once

    async def begin(self, arrival: Arrival, lease: float) -> Claim | Settled:
        """See `PostgresInbox.begin`."""
        return await self._calls.run(self._rows.begin(arrival, lease))

    async def commit(self, claim: Claim, status: int) -> None:
        """See `PostgresInbox.commit`."""
        await self._calls.run(self._rows.commit(claim, status))

    async def release(self, claim: Claim, delay: float = 0.0) -> None:
        """See `PostgresInbox.release`."""
        await self._calls.run(self._rows.release(claim, delay))

    async def reject(self, claim: Claim, reason: str) -> None:
        """See `PostgresInbox.reject`."""
        await self._calls.run(self._rows.reject(claim, reason))

    async def renew(self, claim: Claim, lease: float) -> None:
        """See `PostgresInbox.renew`."""
        await self._calls.run(self._rows.renew(claim, lease))

    async def forget(self, issuer: str, message_id: str) -> bool:
        """See `PostgresInbox.forget`."""
        return await self._calls.run(self._rows.forget(issuer, message_id))

    async def enqueue(self, arrival: Arrival, body: bytes) -> Settled | None:
        """See `PostgresInbox.enqueue`."""
        return await self._calls.run(self._rows.enqueue(arrival, body))

    async def take(self, lease: float) -> Job | None:
        """See `PostgresInbox.take`."""
        return await self._calls.run(self._rows.take(lease))

    async def bury(self, claim: Claim, reason: str) -> None:
        """See `PostgresInbox.bury`."""
        await self._calls.run(self._rows.bury(claim, reason))

    async def dead(self, limit: int = 100) -> list[DeadLetter]:
        """See `PostgresInbox.dead`."""
        return await self._calls.run(self._rows.dead(limit))

    async def redrive(self, issuer: str, message_id: str) -> bool:
        """See `PostgresInbox.redrive`."""
        return await self._calls.run(self._rows.redrive(issuer, message_id))

    async def depth(self) -> QueueDepth:
        """See `PostgresInbox.depth`."""
        return await self._calls.run(self._rows.depth())

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[AsyncPostgresTransaction]:
        """See `PostgresInbox.transaction`."""
        await self._calls.run(self._rows.check())
        async with self._calls.held() as connection:
            steps = AsyncPostgresTransaction(self._calls, self._rows, connection)
            await steps.open()
            try:
                yield steps
            except BaseException as error:
                await steps.roll_back(error)
                raise
            await steps.commit()

    def __repr__(self) -> str:
        return f"<AsyncPostgresInbox {self.name!r}>"
