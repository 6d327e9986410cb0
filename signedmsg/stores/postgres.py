"""Replay caches and inboxes in PostgreSQL 14 or later, for the processes of many hosts; over psycopg 3.

`init`, `signedmsg store init` or the statements of `ddl` make the tables; nothing else does. The pool is
the application's own: of `psycopg_pool`, opened and closed by it, made anew in each forked process.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

try:
    import psycopg
except ModuleNotFoundError as error:
    if error.name != "psycopg":
        raise
    needs = "signedmsg.stores.postgres needs psycopg: pip install 'signedmsg[postgres]'"
    raise ModuleNotFoundError(needs, name=error.name) from None

from signedmsg.errors import StoreError
from signedmsg.stores._batches import Batches
from signedmsg.stores._limits import check_limits, check_seconds
from signedmsg.stores._postgres_blocking import Calls
from signedmsg.stores._postgres_inbox import AsyncPostgresInbox, PostgresInbox
from signedmsg.stores._postgres_replay import ReplayOptions, ReplayTable, check_entry
from signedmsg.stores._postgres_schema import PostgresStatus, check_schema, ddl, look, make
from signedmsg.stores._postgres_suspending import AsyncCalls

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from signedmsg.stores._batches import Entry
    from signedmsg.stores._postgres_calls import AsyncPostgresPool, PostgresPool

__all__ = [
    "AsyncPostgresInbox",
    "AsyncPostgresReplayCache",
    "PostgresInbox",
    "PostgresReplayCache",
    "PostgresStatus",
    "ddl",
    "init",
    "status",
]


def init(target: str | psycopg.Connection[object], *, schema: str = "public") -> int:
    """Make the tables where they are missing, migrate older ones, and return the version there was (0: none).

    All of it is one transaction, or part of the connection's open one. The schema is made when it is missing.

    Args:
        target: a connection string or URI, or an open connection.
        schema: in which schema.

    Raises:
        TypeError, ValueError: `schema` is no name in lower case that needs no quotes.
        StoreError: the database cannot be reached, refuses, or has tables of a later version.
    """
    check_schema(schema)
    try:
        if isinstance(target, str):
            with psycopg.connect(target) as connection:
                return make(connection, schema)
        with target.transaction():
            return make(target, schema)
    except psycopg.Error as error:
        raise _failed("made", error) from error


def status(target: str | psycopg.Connection[object], *, schema: str = "public") -> PostgresStatus:
    """Tell which version of the tables there is, and how much they hold. Counts rows, which may take a while.

    Raises:
        TypeError, ValueError: `schema` is no name in lower case that needs no quotes.
        StoreError: the database cannot be reached, or refuses.
    """
    check_schema(schema)
    try:
        if isinstance(target, str):
            with psycopg.connect(target) as connection:
                return look(connection, schema)
        with target.transaction():
            return look(target, schema)
    except psycopg.Error as error:
        raise _failed("read", error) from error


def _failed(what: str, error: psycopg.Error) -> StoreError:
    # Without a state the server did not say it: it is about the connection string, and quotes its password.
    if isinstance(error, psycopg.ProgrammingError) and not error.sqlstate:
        return StoreError(
            f"the tables cannot be {what}: the connection string cannot be read",
            hint="write it as postgresql://user:password@host/database, or as host=… dbname=…",
        )
    return StoreError(f"the tables cannot be {what}: {type(error).__name__}: {str(error)[:200]!r}")


def _options(
    schema: str,
    capacity: int,
    quota: int | None,
    leeway: float,
    *,
    clock: Callable[[], float],
    server_clock: Callable[[], float] | None,
    any_birth: bool,
) -> ReplayOptions:
    qualifier = check_schema(schema)
    capacity, quota = check_limits(capacity, quota)
    leeway = check_seconds("leeway", leeway)
    return ReplayOptions(schema, qualifier, capacity, quota, leeway, clock, server_clock, any_birth)


class PostgresReplayCache:
    """Remembers token ids in PostgreSQL 14 or later; shared by all that use the same database and schema.

    Each `add` is one atomic statement, so exactly one of any number of threads, processes and
    hosts that present the same id gets True.

    Its tables are UNLOGGED: an `add` waits for no disk, and is not replicated. A crash therefore empties
    them, and a standby that is promoted starts with none; and such loss is noticed. After a crash, any
    start of the server, a failover, a TRUNCATE or a restored dump, each process refuses, with `StoreError`,
    tokens that may have been signed before it; honest senders sign anew. Where a process
    had been using what got lost, that includes those signed up to `leeway` seconds after. (VACUUM FULL
    and CLUSTER count as a loss, too.) What cannot be noticed: single rows deleted by hand;
    and while a network is split, two servers that both take themselves for the primary.

    A server whose clock is more than 60 s from this process's is refused; so is one whose clock is
    more than 60 s behind the moment at which ids were last removed.

    An id counts against `capacity` and `quota` for twice its keep. A process reserves up to 256 of an
    issuer's quota at once, or a 1024th of it, and they count also while they are not used. Ids that are
    over are removed a few hundred at a time, by one `add` in 256.

    Safe for any number of threads.

    Args:
        pool: a `psycopg_pool.ConnectionPool`. Building the cache asks it nothing: see `prepare`.
        schema: where `signedmsg store init` made the tables.
        capacity: how many ids to remember at most; about 130 bytes each, twice over.
        quota: how many of them one issuer may have; half of `capacity` unless given.
        leeway: by how many seconds a sender's clock may be fast.
        timeout: seconds to wait for a connection, and then for an answer.
        clock: Unix seconds: the receiver's clock, compared with the server's.
        dangerously_accept_earlier: accept tokens signed before the cache was made, or lost.
            Each token that is alive at a loss can then be replayed once after it.

    Raises:
        TypeError, ValueError: an argument is wrong.
    """

    waits: Literal["blocks"] = "blocks"
    shared: bool = True
    durable: bool = True

    def __init__(
        self,
        pool: PostgresPool,
        *,
        schema: str = "public",
        capacity: int = 10_000_000,
        quota: int | None = None,
        leeway: float = 30.0,
        timeout: float = 5.0,
        clock: Callable[[], float] = time.time,
        dangerously_accept_earlier: bool = False,
        _server_clock: Callable[[], float] | None = None,
    ) -> None:
        options = _options(
            schema,
            capacity,
            quota,
            leeway,
            clock=clock,
            server_clock=_server_clock,
            any_birth=dangerously_accept_earlier,
        )
        self._calls = Calls(pool, schema, timeout)
        self._table = ReplayTable(options)

    def prepare(self) -> None:
        """Check the tables, and let the cache be born; the first `add` does it otherwise.

        A token that was signed before the cache was born is refused, so a receiver that
        calls this when it starts spares its first sender the second attempt.

        Raises:
            StoreError: the server cannot answer, or has no tables, or of another version.
        """
        self._calls.run(self._table.prepare())

    def add(self, key: bytes, keep: float, *, issuer: str, issued_at: float) -> bool:
        """Record `key` and return True the first time only: see `ReplayCache.add`."""
        (answer,) = self._calls.run(self._table.add([check_entry(key, keep, issuer, issued_at)]))
        # If this fails, the next one tries again.
        with suppress(StoreError):
            self._calls.run(self._table.purge())
        if isinstance(answer, Exception):
            raise answer
        return answer

    def __repr__(self) -> str:
        return f"<PostgresReplayCache {self._table!r}>"


class _Table:
    """The table, asked about many ids in one statement."""

    def __init__(self, calls: AsyncCalls, table: ReplayTable) -> None:
        self._calls, self._table = calls, table

    async def ask(self, entries: Sequence[Entry]) -> list[bool | Exception]:
        return await self._calls.run(self._table.add(entries))

    async def afterwards(self) -> None:
        await self._calls.run(self._table.purge())


class AsyncPostgresReplayCache:
    """`PostgresReplayCache` for asyncio, over an `AsyncConnectionPool`; psycopg does not work on trio.

    Adds of concurrent tasks go to the server together, in one statement. A call that is
    cancelled before its turn did nothing; one that is cancelled later may have recorded
    its id, as if the caller had died after it. Nobody else's call is touched.
    """

    waits: Literal["suspends"] = "suspends"
    shared: bool = True
    durable: bool = True

    def __init__(
        self,
        pool: AsyncPostgresPool,
        *,
        schema: str = "public",
        capacity: int = 10_000_000,
        quota: int | None = None,
        leeway: float = 30.0,
        timeout: float = 5.0,
        clock: Callable[[], float] = time.time,
        dangerously_accept_earlier: bool = False,
        _server_clock: Callable[[], float] | None = None,
    ) -> None:
        options = _options(
            schema,
            capacity,
            quota,
            leeway,
            clock=clock,
            server_clock=_server_clock,
            any_birth=dangerously_accept_earlier,
        )
        self._calls = AsyncCalls(pool, schema, timeout)
        self._table = ReplayTable(options)
        self._batches = Batches(_Table(self._calls, self._table), at_once=256)

    async def prepare(self) -> None:
        """See `PostgresReplayCache.prepare`."""
        await self._calls.run(self._table.prepare())

    async def add(self, key: bytes, keep: float, *, issuer: str, issued_at: float) -> bool:
        """Record `key` and return True the first time only: see `ReplayCache.add`."""
        return await self._batches.answer(check_entry(key, keep, issuer, issued_at))

    def __repr__(self) -> str:
        return f"<AsyncPostgresReplayCache {self._table!r}>"
