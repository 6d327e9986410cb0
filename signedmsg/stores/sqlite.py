"""A replay cache in one SQLite file, for all processes of one host; it survives restarts."""

from __future__ import annotations

import os
import sqlite3
import time
from functools import partial
from random import random
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from signedmsg.errors import StoreError
from signedmsg.stores import _sqlite_schema as schema
from signedmsg.stores._limits import check_limits, check_seconds, not_positive, too_early
from signedmsg.stores._sqlite_file import ReplayFile, boot_id, check_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from anyio import CapacityLimiter
    from anyio.lowlevel import RunVar

_T = TypeVar("_T")

_PURGE_EVERY: Final = 16
_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


class SQLiteReplayCache:
    """Remembers token ids in a SQLite file that all processes of one host share.

    Each `add` is one transaction, so exactly one of any number of threads and processes
    that present the same id gets True. A path on a network file system, or one shared
    by several hosts, is not supported (SQLite's write-ahead log needs shared memory).

    Loss is noticed. Tokens that may have been signed before the file was made are refused
    with `StoreError`, and honest senders sign anew. When the file is deleted or replaced
    while in use, each process notices at its next `add` and refuses what may have been
    signed up to `leeway` seconds after that. On Linux a commit is not forced to the disk;
    instead the file counts as newly made after a boot. Elsewhere each commit is forced.
    What cannot be noticed: a copy put in place while no process has the file open, and
    the `-wal` and `-shm` files both removed, which takes the last ids with them.

    An id counts against `capacity` and `quota` until its generation is dropped: up to
    twice its keep. Live ids are never evicted. A clock more than 60 s behind the
    moment at which ids were last dropped refuses everything, since they may be fresh again.

    Safe for any number of threads; a forked child opens the file for itself.

    Args:
        path: the file, made with mode 0600 when it is missing; its directory must exist.
        capacity: how many ids to remember at most; about 40 bytes each, twice over.
        quota: how many of them one issuer may have; half of `capacity` unless given.
        timeout: seconds to wait for another writer before refusing.
        leeway: by how many seconds a sender's clock may be fast.
        clock: Unix seconds; the same clock in all processes.
        dangerously_accept_earlier: accept tokens signed before the file was made, or lost.
            Each token that is alive at a loss can then be replayed once after it.

    Raises:
        TypeError, ValueError: an argument is wrong, or the file is not a replay cache.
        StoreError: the file cannot be opened now.
    """

    waits: Literal["blocks"] = "blocks"
    shared: bool = True
    durable: bool = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        capacity: int = 10_000_000,
        quota: int | None = None,
        timeout: float = 2.0,
        leeway: float = 30.0,
        clock: Callable[[], float] = time.time,
        dangerously_accept_earlier: bool = False,
        _boot_id: Callable[[], str | None] = boot_id,
    ) -> None:
        self._capacity, self._quota = check_limits(capacity, quota)
        self._timeout = check_seconds("timeout", timeout)
        self._clock = clock
        self._any_birth = dangerously_accept_earlier
        leeway = check_seconds("leeway", leeway)
        self._file = ReplayFile(check_path(path), timeout=timeout, leeway=leeway, clock=clock, boot=_boot_id())
        try:
            self._file.connection()
        except (sqlite3.Error, OSError) as error:
            raise _unusable(self._file.path, error) from error

    def add(self, key: bytes, keep: float, *, issuer: str, issued_at: float) -> bool:
        """Record `key` and return True the first time only: see `ReplayCache.add`."""
        if not keep > 0:
            raise not_positive(keep)
        file = self._own_file()
        if not file.lock.acquire(timeout=self._timeout):
            raise _busy(self._timeout)
        try:
            connection = file.connection()
            if not (issued_at >= file.birth or self._any_birth):
                raise too_early(file.birth, issued_at)
            return self._add(connection, key, keep, issuer, purge=file.calls % _PURGE_EVERY == 0)
        except (sqlite3.Error, OSError, ValueError) as error:
            raise _busy(self._timeout) if _is_busy(error) else _unusable(file.path, error) from error
        finally:
            file.lock.release()

    def close(self) -> None:
        """Close the file. Every later `add` is refused with `StoreError`."""
        file = self._own_file()
        with file.lock:
            file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<SQLiteReplayCache {self._file.path}: {self._capacity} ids, {self._quota} an issuer>"

    def _own_file(self) -> ReplayFile:
        file = self._file
        # Asked for each time: servers written in C fork without running Python's hooks. Two
        # threads that come here at once get a connection each, which does no harm.
        if file.pid != os.getpid():
            self._file = file = file.in_this_process()
        return file

    def _add(self, connection: sqlite3.Connection, key: bytes, keep: float, issuer: str, *, purge: bool) -> bool:
        """Add when no other process writes. SQLite's own way to wait starves the unlucky for over a second."""
        pause, deadline = 0.0001, 0.0
        while True:
            try:
                if purge:
                    schema.purge(connection)
                return schema.add(
                    connection,
                    {
                        "key": key,
                        "keep": keep,
                        "issuer": issuer,
                        "now": self._clock(),
                        "capacity": self._capacity,
                        "quota": self._quota,
                    },
                )
            except sqlite3.OperationalError as error:
                now = time.monotonic()
                deadline = deadline or now + self._timeout
                if not _is_busy(error) or now >= deadline:
                    raise
                if schema.seen(connection, key):
                    return False
            time.sleep(pause * random())  # noqa: S311 - only spreads the writers out
            pause = min(2 * pause, 0.004)


class AsyncSQLiteReplayCache:
    """`SQLiteReplayCache` for asyncio and trio: `add` waits in a thread, one call at a time.

    A call that is cancelled before its turn did nothing; one that is cancelled later may
    have recorded its id, as if the caller had died after it. Building it opens the file,
    which blocks for a moment.
    """

    waits: Literal["suspends"] = "suspends"
    shared: bool = True
    durable: bool = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        capacity: int = 10_000_000,
        quota: int | None = None,
        timeout: float = 2.0,
        leeway: float = 30.0,
        clock: Callable[[], float] = time.time,
        dangerously_accept_earlier: bool = False,
    ) -> None:
        # Here and not above, so that to import this module stays cheap for blocking programs.
        from anyio.lowlevel import RunVar

        self._cache = SQLiteReplayCache(
            path,
            capacity=capacity,
            quota=quota,
            timeout=timeout,
            leeway=leeway,
            clock=clock,
            dangerously_accept_earlier=dangerously_accept_earlier,
        )
        self._turns: RunVar[CapacityLimiter] = RunVar(f"signedmsg-turns-{id(self)}")

    async def add(self, key: bytes, keep: float, *, issuer: str, issued_at: float) -> bool:
        """Record `key` and return True the first time only: see `ReplayCache.add`."""
        return await self._in_turn(partial(self._cache.add, key, keep, issuer=issuer, issued_at=issued_at))

    async def aclose(self) -> None:
        """Close the file. Every later `add` is refused with `StoreError`."""
        await self._in_turn(self._cache.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<Async{repr(self._cache)[1:]}"

    async def _in_turn(self, work: Callable[[], _T]) -> _T:
        """Run `work` in a thread: one at a time, so that waiting calls do not fill the loop's pool of threads."""
        from anyio import CapacityLimiter
        from anyio.to_thread import run_sync

        try:
            turns = self._turns.get()
        except LookupError:
            turns = CapacityLimiter(1)
            self._turns.set(turns)
        return await run_sync(work, limiter=turns)


def _is_busy(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _BUSY


def _busy(timeout: float) -> StoreError:
    return StoreError(f"another process or thread kept the replay cache busy for {timeout} s", retry_after=1)


def _unusable(path: str, error: Exception) -> StoreError:
    return StoreError(f"the replay cache {path} cannot be used: {error}")
