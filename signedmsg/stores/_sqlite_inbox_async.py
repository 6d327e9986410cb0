"""`SQLiteInbox` for asyncio and trio: its steps wait in threads of its own, and so do its handlers."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from signedmsg.stores._sqlite_inbox_blocking import SQLiteInbox

if TYPE_CHECKING:
    import os
    import sqlite3
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from anyio import CapacityLimiter
    from anyio.lowlevel import RunVar

    from signedmsg._core.inbox import Arrival, Claim, DeadLetter, Job, QueueDepth, Settled
    from signedmsg._flows.inbox_ports import TransactionalInbox

_T = TypeVar("_T")

_TRANSACTIONS_AT_ONCE: Final = 8


class AsyncSQLiteInbox:
    """`SQLiteInbox` for asyncio and trio.

    Its steps wait in a thread, one at a time. A transaction, handler included, runs from
    its begin to its commit in a thread of its own, so its handlers are plain functions. SQLite lets one
    of them write at a time; a few threads may be at it, so that copies are told *in
    progress* while a handler runs, and no more than a few, so that nobody drains the loop's pool.

    A call that is cancelled before its turn did nothing; one that is cancelled later may
    have taken effect, as if the caller had died after it. Building it opens the file,
    which blocks for a moment. The arguments are those of `SQLiteInbox`.
    """

    waits: Literal["suspends"] = "suspends"
    shared: bool = True
    durable: bool = True
    transactional: bool = True
    queues: bool = True
    # A worker need not try to have more.
    transactions_at_once: int = 1

    def __init__(
        self,
        path: str | os.PathLike[str],
        name: str = "default",
        *,
        retention: float = 7 * 86_400.0,
        timeout: float = 2.0,
        quota: int | None = None,
        prepare: Callable[[sqlite3.Connection], object] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        # Here and not above, so that to import this module stays cheap for blocking programs.
        from anyio.lowlevel import RunVar

        self._inbox = SQLiteInbox(
            path, name, retention=retention, timeout=timeout, quota=quota, prepare=prepare, clock=clock
        )
        self._steps: RunVar[CapacityLimiter] = RunVar(f"signedmsg-steps-{id(self)}")
        self._transactions: RunVar[CapacityLimiter] = RunVar(f"signedmsg-transactions-{id(self)}")

    @property
    def name(self) -> str:
        """Which inbox of the file this is."""
        return self._inbox.name

    @property
    def retention(self) -> float:
        """How long after its `time` a message is taken, in seconds."""
        return self._inbox.retention

    async def begin(self, arrival: Arrival, lease: float) -> Claim | Settled:
        """See `Inbox.begin`."""
        return await self._step(partial(self._inbox.begin, arrival, lease))

    async def commit(self, claim: Claim, status: int) -> None:
        """See `Inbox.commit`."""
        await self._step(partial(self._inbox.commit, claim, status))

    async def release(self, claim: Claim, delay: float = 0.0) -> None:
        """See `Inbox.release`."""
        await self._step(partial(self._inbox.release, claim, delay))

    async def reject(self, claim: Claim, reason: str) -> None:
        """See `Inbox.reject`."""
        await self._step(partial(self._inbox.reject, claim, reason))

    async def renew(self, claim: Claim, lease: float) -> None:
        """See `Inbox.renew`."""
        await self._step(partial(self._inbox.renew, claim, lease))

    async def forget(self, issuer: str, message_id: str) -> bool:
        """See `Inbox.forget`."""
        return await self._step(partial(self._inbox.forget, issuer, message_id))

    async def in_thread(self, work: Callable[[TransactionalInbox[sqlite3.Connection]], _T]) -> _T:
        """Call `work` with the blocking inbox in a thread, and return what it returns: see `ThreadedInbox`."""
        return await _in_thread(self._transactions, _TRANSACTIONS_AT_ONCE, partial(work, self._inbox))

    async def enqueue(self, arrival: Arrival, body: bytes) -> Settled | None:
        """See `QueuedInbox.enqueue`."""
        return await self._step(partial(self._inbox.enqueue, arrival, body))

    async def take(self, lease: float) -> Job | None:
        """See `QueuedInbox.take`."""
        return await self._step(partial(self._inbox.take, lease))

    async def bury(self, claim: Claim, reason: str) -> None:
        """See `QueuedInbox.bury`."""
        await self._step(partial(self._inbox.bury, claim, reason))

    async def dead(self, limit: int = 100) -> list[DeadLetter]:
        """See `QueuedInbox.dead`."""
        return await self._step(partial(self._inbox.dead, limit))

    async def redrive(self, issuer: str, message_id: str) -> bool:
        """See `QueuedInbox.redrive`."""
        return await self._step(partial(self._inbox.redrive, issuer, message_id))

    async def depth(self) -> QueueDepth:
        """See `QueuedInbox.depth`."""
        return await self._step(self._inbox.depth)

    async def aclose(self) -> None:
        """Close the file. Every later call is refused with `StoreError`."""
        await self._step(self._inbox.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<Async{repr(self._inbox)[1:]}"

    async def _step(self, work: Callable[[], _T]) -> _T:
        return await _in_thread(self._steps, 1, work)


async def _in_thread(limit: RunVar[CapacityLimiter], at_once: int, work: Callable[[], _T]) -> _T:
    """Run `work` in a thread: so many at a time, so that waiting calls do not fill the loop's pool of threads."""
    from anyio import CapacityLimiter
    from anyio.to_thread import run_sync

    try:
        limiter = limit.get()
    except LookupError:
        limiter = CapacityLimiter(at_once)
        limit.set(limiter)
    return await run_sync(work, limiter=limiter)
