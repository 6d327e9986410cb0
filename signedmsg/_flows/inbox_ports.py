"""The ports of an inbox: the state machine, and what a store adds that has transactions or keeps a queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

    from signedmsg._core.inbox import Arrival, Claim, DeadLetter, Job, QueueDepth, Settled

T = TypeVar("T")
C_co = TypeVar("C_co", covariant=True)


class Inbox(Protocol):
    """Remembers which messages were processed; the state machine of `signedmsg._core.inbox`, for `lease` mode.

    Each method is one atomic step, and the *store's* clock decides whether a lease is over.
    A row whose message is done or rejected is kept to its `keep_until`, and only then removed;
    one that is running or queued is never removed. What is wrong with the store is a
    `StoreError`, whatever its own library raised.

    Attributes:
        waits: `never`, or `blocks` when it does I/O.
        shared: whether several processes that use it see the same rows.
        durable: whether rows survive a restart of the process and a power cut.
        name: which inbox of the store: rows of another name are another inbox's.
        retention: seconds after its `time` within which a message is taken.
        transactional: whether this is a `TransactionalInbox`.
        queues: whether this is a `QueuedInbox`.
    """

    @property
    def waits(self) -> Literal["never", "blocks"]: ...
    @property
    def shared(self) -> bool: ...
    @property
    def durable(self) -> bool: ...
    @property
    def name(self) -> str: ...
    @property
    def retention(self) -> float: ...
    @property
    def transactional(self) -> bool: ...
    @property
    def queues(self) -> bool: ...

    def begin(self, arrival: Arrival, lease: float) -> Claim | Settled:
        """Claim the message for `lease` seconds on the store's clock, or say why it is not to be run now.

        Raises:
            StoreError: the store cannot answer, or is full.
            QuotaError: this issuer's share of it is full.
        """
        ...

    def commit(self, claim: Claim, status: int) -> None:
        """Mark the message done, answered with that HTTP status.

        Raises:
            LeaseLostError: another holder has it by now, or had it since.
            StoreError: the store cannot answer; it may or may not be marked.
        """
        ...

    def release(self, claim: Claim, delay: float = 0.0) -> None:
        """Give the message back: a retry may run it; if it is queued, after `delay` seconds.

        A stale claim does nothing.
        """
        ...

    def reject(self, claim: Claim, reason: str) -> None:
        """Mark the message rejected for good. Raises as `commit` does."""
        ...

    def renew(self, claim: Claim, lease: float) -> None:
        """Let the claim last `lease` seconds from now. Raises as `commit` does."""
        ...

    def forget(self, issuer: str, message_id: str) -> bool:
        """Remove the row of a message that is done or rejected, after a fix; say whether there was one.

        A message that is running or queued is left alone.
        """
        ...


class InboxTransaction(Protocol[C_co]):
    """One open transaction of the store; nothing of it is visible to others before it is committed."""

    @property
    def connection(self) -> C_co:
        """What the handler is given."""
        ...

    def begin(self, arrival: Arrival) -> Settled | None:
        """Mark the message done, or rejected once `reject` is called, when this transaction commits.

        Never waits for another's open transaction: it is told *in progress* at once.
        None means: run it.
        """
        ...

    def resume(self, claim: Claim) -> None:
        """Mark a queued message done when this transaction commits. Raises `LeaseLostError`."""
        ...

    def finish(self, status: int) -> None:
        """Keep the status it was answered with.

        Raises:
            HandlerError: the handler ended the transaction, or left it failed.
        """
        ...

    def reject(self, reason: str) -> None:
        """Undo everything since `begin` or `resume`, and mark the message rejected when this transaction commits."""
        ...


class TransactionalInbox(Inbox, Protocol[C_co]):
    """An inbox in a database in which handlers write, for `transaction` mode."""

    def transaction(self) -> AbstractContextManager[InboxTransaction[C_co]]:
        """Open a transaction: committed when the block ends, rolled back when it raises.

        Raises:
            StoreError: on entry, none could be opened; on exit, it is not known to be committed.
        """
        ...


class QueuedInbox(Inbox, Protocol):
    """An inbox that also stores messages to be run later by workers, with the claims of any inbox."""

    def enqueue(self, arrival: Arrival, body: bytes) -> Settled | None:
        """Store the message to be run later; None when it was stored now, `Done(202)` when it was before."""
        ...

    def take(self, lease: float) -> Job | None:
        """Claim the message that has been due longest, one whose lease is over included; None when none is due."""
        ...

    def bury(self, claim: Claim, reason: str) -> None:
        """Give a queued message up. Raises as `commit` does."""
        ...

    def dead(self, limit: int = 100) -> list[DeadLetter]:
        """Return messages that were given up, the latest first."""
        ...

    def redrive(self, issuer: str, message_id: str) -> bool:
        """Queue a dead message again, due now, with its attempts counted anew; say whether there was one."""
        ...

    def depth(self) -> QueueDepth:
        """Count the queued messages."""
        ...


class AsyncInbox(Protocol):
    """The async twin of `Inbox`: the methods suspend."""

    @property
    def waits(self) -> Literal["suspends"]: ...
    @property
    def shared(self) -> bool: ...
    @property
    def durable(self) -> bool: ...
    @property
    def name(self) -> str: ...
    @property
    def retention(self) -> float: ...
    @property
    def transactional(self) -> bool: ...
    @property
    def queues(self) -> bool: ...

    async def begin(self, arrival: Arrival, lease: float) -> Claim | Settled:
        """See `Inbox.begin`."""
        ...

    async def commit(self, claim: Claim, status: int) -> None:
        """See `Inbox.commit`."""
        ...

    async def release(self, claim: Claim, delay: float = 0.0) -> None:
        """See `Inbox.release`."""
        ...

    async def reject(self, claim: Claim, reason: str) -> None:
        """See `Inbox.reject`."""
        ...

    async def renew(self, claim: Claim, lease: float) -> None:
        """See `Inbox.renew`."""
        ...

    async def forget(self, issuer: str, message_id: str) -> bool:
        """See `Inbox.forget`."""
        ...


class AsyncInboxTransaction(Protocol[C_co]):
    """The async twin of `InboxTransaction`."""

    @property
    def connection(self) -> C_co:
        """What the handler, a coroutine function, is given."""
        ...

    async def begin(self, arrival: Arrival) -> Settled | None:
        """See `InboxTransaction.begin`."""
        ...

    async def resume(self, claim: Claim) -> None:
        """See `InboxTransaction.resume`."""
        ...

    async def finish(self, status: int) -> None:
        """See `InboxTransaction.finish`."""
        ...

    async def reject(self, reason: str) -> None:
        """See `InboxTransaction.reject`."""
        ...


class AsyncTransactionalInbox(AsyncInbox, Protocol[C_co]):
    """The async twin of `TransactionalInbox`."""

    def transaction(self) -> AbstractAsyncContextManager[AsyncInboxTransaction[C_co]]:
        """See `TransactionalInbox.transaction`."""
        ...


class ThreadedInbox(AsyncInbox, Protocol[C_co]):
    """An async inbox whose transactions stay in one thread of its own (SQLite), so its handlers are plain functions."""

    async def in_thread(self, work: Callable[[TransactionalInbox[C_co]], T]) -> T:
        """Call `work` with the blocking inbox in that thread, one call at a time, and return what it returns."""
        ...


class AsyncQueuedInbox(AsyncInbox, Protocol):
    """The async twin of `QueuedInbox`."""

    async def enqueue(self, arrival: Arrival, body: bytes) -> Settled | None:
        """See `QueuedInbox.enqueue`."""
        ...

    async def take(self, lease: float) -> Job | None:
        """See `QueuedInbox.take`."""
        ...

    async def bury(self, claim: Claim, reason: str) -> None:
        """See `QueuedInbox.bury`."""
        ...

    async def dead(self, limit: int = 100) -> list[DeadLetter]:
        """See `QueuedInbox.dead`."""
        ...

    async def redrive(self, issuer: str, message_id: str) -> bool:
        """See `QueuedInbox.redrive`."""
        ...

    async def depth(self) -> QueueDepth:
        """See `QueuedInbox.depth`."""
        ...
