"""Between the flows and the two faces of inboxes and handlers: one port for each, of either colour."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Coroutine, Generator
from typing import TYPE_CHECKING, Final, TypeVar, cast

from signedmsg._failing import STORE
from signedmsg._flows.run import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager, AbstractContextManager
    from types import TracebackType

    from signedmsg._core.events import Event
    from signedmsg._core.inbox import Arrival, Claim, Job, Settled
    from signedmsg._core.message import Message
    from signedmsg._flows.ports import (
        AsyncInboxTransaction,
        AsyncQueuedInbox,
        AsyncTransactionalInbox,
        InboxTransaction,
        QueuedInbox,
        ThreadedInbox,
        TransactionalInbox,
    )
    from signedmsg._flows.process import CallPorts, Handler, InboxPort, Processing

T = TypeVar("T")


class _Lease:
    """What both leases tell."""

    __slots__ = ("_claim", "_inbox", "_seconds")

    def __init__(self, claim: Claim, inbox: InboxPort, seconds: float) -> None:
        self._claim, self._inbox, self._seconds = claim, inbox, seconds

    @property
    def fence(self) -> int:
        """A number that grows with every claim of this message: what you write to can refuse lower ones."""
        return self._claim.fence

    @property
    def attempt(self) -> int:
        """How many times this message was begun, this time included: 1 at first."""
        return self._claim.attempt

    def __repr__(self) -> str:
        return f"<{type(self).__name__} fence {self.fence}, attempt {self.attempt}>"


class Lease(_Lease):
    """A handler's right to its message, for a while; nothing renews it behind the handler's back."""

    __slots__ = ()

    def renew(self, seconds: float | None = None) -> None:
        """Let the lease last so many seconds from now; as long as at first unless given.

        Raises:
            LeaseLostError: another holder has the message, or had it since: stop, and undo what you can.
            StoreError: the store cannot answer.
        """
        run(self._inbox.renew(self._claim, check_lease(self._seconds if seconds is None else seconds)))


class _ThreadLease(Lease):
    """The lease of a plain function that runs in a worker thread of an event loop."""

    __slots__ = ()

    def renew(self, seconds: float | None = None) -> None:
        """See `Lease.renew`."""
        from anyio.from_thread import run as run_in_loop

        run_in_loop(self._inbox.renew, self._claim, check_lease(self._seconds if seconds is None else seconds))


class AsyncLease(_Lease):
    """The async twin of `Lease`, for coroutine functions."""

    __slots__ = ()

    async def renew(self, seconds: float | None = None) -> None:
        """See `Lease.renew`."""
        await self._inbox.renew(self._claim, check_lease(self._seconds if seconds is None else seconds))


def check_lease(seconds: float) -> float:
    """Return the length of a lease in seconds, or raise ValueError: 1 second to a day."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 1 <= seconds <= 86_400:
        raise ValueError("lease: expected 1 to 86400 seconds")
    return float(seconds)


class BlockingCalls:
    """Runs plain handlers where it stands."""

    def __init__(self, notice: Callable[[Event], None]) -> None:
        self.notice = notice

    async def call(self, route: Handler, message: Message[object], *extra: object) -> None:
        """See `CallPorts.call`."""
        refuse_unfinished(route.handler(message, *extra[: route.takes]), "a blocking receiver cannot await")

    def lease(self, route: Handler, claim: Claim, how: Processing, /) -> Lease:
        """See `CallPorts.lease`."""
        del route
        return Lease(claim, how.inbox, how.lease)


class AsyncCalls:
    """Awaits coroutine handlers; runs plain ones, which may block, beside the event loop (asyncio and trio)."""

    def __init__(self, notice: Callable[[Event], None]) -> None:
        self.notice = notice

    async def call(self, route: Handler, message: Message[object], *extra: object) -> None:
        """See `CallPorts.call`."""
        extra = extra[: route.takes]
        if route.suspends:
            with _LEAKING:
                await cast("Awaitable[object]", route.handler(message, *extra))
            return
        from anyio.to_thread import run_sync

        result = await run_sync(route.handler, message, *extra)
        if isinstance(result, Coroutine):
            with _LEAKING:
                await cast("Coroutine[object, object, object]", result)
        else:
            # A future was made in the worker thread, where no event loop runs to finish it.
            refuse_unfinished(result, "nobody would await")

    def lease(self, route: Handler, claim: Claim, how: Processing, /) -> AsyncLease | Lease:
        """See `CallPorts.lease`."""
        return (AsyncLease if route.suspends else _ThreadLease)(claim, how.inbox, how.lease)


class _Leaking:
    """Turns a cancellation that nobody asked of this task into an error of the handler.

    A handler that awaits a task of its own which was cancelled lets that come out, as if it were
    cancelled itself; a worker's loop would end by it, and with it the application around the worker.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, asyncio.CancelledError):
            task = asyncio.current_task()
            if task is not None and not task.cancelling():
                raise RuntimeError("the handler let out the cancellation of a task of its own") from error


_LEAKING: Final = _Leaking()


def refuse_unfinished(result: object, who: str) -> None:
    """Refuse what a lambda around an async or a generator function returns: called done, the message would be lost."""
    kind = type(result).__name__
    if isinstance(result, Coroutine):
        cast("Coroutine[object, object, object]", result).close()
    if isinstance(result, (Awaitable, Generator, AsyncGenerator)):
        raise TypeError(f"the handler returned a {kind}, which {who}")


class BlockingInbox:
    """A blocking inbox, or one that never waits, as the flows see it."""

    def __init__(self, inbox: QueuedInbox) -> None:
        self._inbox = inbox

    async def begin(self, arrival: Arrival, lease: float) -> Claim | Settled:
        with STORE:
            return self._inbox.begin(arrival, lease)

    async def commit(self, claim: Claim, status: int) -> None:
        with STORE:
            self._inbox.commit(claim, status)

    async def release(self, claim: Claim, delay: float = 0.0) -> None:
        with STORE:
            self._inbox.release(claim, delay)

    async def reject(self, claim: Claim, reason: str) -> None:
        with STORE:
            self._inbox.reject(claim, reason)

    async def renew(self, claim: Claim, lease: float) -> None:
        with STORE:
            self._inbox.renew(claim, lease)

    async def enqueue(self, arrival: Arrival, body: bytes) -> Settled | None:
        with STORE:
            return self._inbox.enqueue(arrival, body)

    async def take(self, lease: float) -> Job | None:
        with STORE:
            return self._inbox.take(lease)

    async def bury(self, claim: Claim, reason: str) -> None:
        with STORE:
            self._inbox.bury(claim, reason)

    def transaction(self) -> AbstractAsyncContextManager[AsyncInboxTransaction[object]]:
        return _BlockingTransaction(cast("TransactionalInbox[object]", self._inbox))

    async def in_thread(
        self, ports: CallPorts, work: Callable[[CallPorts, InboxPort], Coroutine[object, object, T]]
    ) -> T:
        return await work(ports, self)


class _BlockingTransaction:
    def __init__(self, inbox: TransactionalInbox[object]) -> None:
        self._inbox = inbox

    async def __aenter__(self) -> _BlockingSteps:
        with STORE:
            self._manager: AbstractContextManager[InboxTransaction[object]] = self._inbox.transaction()
            return _BlockingSteps(self._manager.__enter__())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Never suppressed: whatever the store does with an error, the message was not handled.
        with _passing(error):
            self._manager.__exit__(kind, error, trace)


class _BlockingSteps:
    def __init__(self, transaction: InboxTransaction[object]) -> None:
        self._transaction = transaction

    @property
    def connection(self) -> object:
        return self._transaction.connection

    async def begin(self, arrival: Arrival) -> Settled | None:
        with STORE:
            return self._transaction.begin(arrival)

    async def resume(self, claim: Claim) -> None:
        with STORE:
            self._transaction.resume(claim)

    async def finish(self, status: int) -> None:
        with STORE:
            self._transaction.finish(status)

    async def reject(self, reason: str) -> None:
        with STORE:
            self._transaction.reject(reason)


class SuspendingInbox:
    """An async inbox as the flows see it."""

    def __init__(self, inbox: AsyncQueuedInbox) -> None:
        self._inbox = inbox

    async def begin(self, arrival: Arrival, lease: float) -> Claim | Settled:
        with STORE:
            return await self._inbox.begin(arrival, lease)

    async def commit(self, claim: Claim, status: int) -> None:
        with STORE:
            await self._inbox.commit(claim, status)

    async def release(self, claim: Claim, delay: float = 0.0) -> None:
        with STORE:
            await self._inbox.release(claim, delay)

    async def reject(self, claim: Claim, reason: str) -> None:
        with STORE:
            await self._inbox.reject(claim, reason)

    async def renew(self, claim: Claim, lease: float) -> None:
        with STORE:
            await self._inbox.renew(claim, lease)

    async def enqueue(self, arrival: Arrival, body: bytes) -> Settled | None:
        with STORE:
            return await self._inbox.enqueue(arrival, body)

    async def take(self, lease: float) -> Job | None:
        with STORE:
            return await self._inbox.take(lease)

    async def bury(self, claim: Claim, reason: str) -> None:
        with STORE:
            await self._inbox.bury(claim, reason)

    def transaction(self) -> AbstractAsyncContextManager[AsyncInboxTransaction[object]]:
        return _SuspendingTransaction(cast("AsyncTransactionalInbox[object]", self._inbox))

    async def in_thread(
        self, ports: CallPorts, work: Callable[[CallPorts, InboxPort], Coroutine[object, object, T]]
    ) -> T:
        if not hasattr(self._inbox, "in_thread"):
            return await work(ports, self)
        threaded = cast("ThreadedInbox[object]", self._inbox)
        # The whole of it in that one thread, where handlers are plain functions and nothing suspends.
        with STORE:
            return await threaded.in_thread(
                lambda inbox: run(work(BlockingCalls(ports.notice), BlockingInbox(cast("QueuedInbox", inbox))))
            )


class _SuspendingTransaction:
    def __init__(self, inbox: AsyncTransactionalInbox[object]) -> None:
        self._inbox = inbox

    async def __aenter__(self) -> _SuspendingSteps:
        with STORE:
            self._manager: AbstractAsyncContextManager[AsyncInboxTransaction[object]] = self._inbox.transaction()
            return _SuspendingSteps(await self._manager.__aenter__())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _passing(error):
            await self._manager.__aexit__(kind, error, trace)


class _SuspendingSteps:
    def __init__(self, transaction: AsyncInboxTransaction[object]) -> None:
        self._transaction = transaction

    @property
    def connection(self) -> object:
        return self._transaction.connection

    async def begin(self, arrival: Arrival) -> Settled | None:
        with STORE:
            return await self._transaction.begin(arrival)

    async def resume(self, claim: Claim) -> None:
        with STORE:
            await self._transaction.resume(claim)

    async def finish(self, status: int) -> None:
        with STORE:
            await self._transaction.finish(status)

    async def reject(self, reason: str) -> None:
        with STORE:
            await self._transaction.reject(reason)


class _passing:  # noqa: N801 - used as a function
    """`STORE`, but for the very error that ended the block: that one goes on as it is."""

    def __init__(self, error: BaseException | None) -> None:
        self._error = error

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not self._error:
            STORE.__exit__(kind, error, trace)


def adapt(inbox: object) -> BlockingInbox | SuspendingInbox:
    """Return the port of an inbox, by what it says of how it waits."""
    if getattr(inbox, "waits", None) == "suspends":
        return SuspendingInbox(cast("AsyncQueuedInbox", inbox))
    return BlockingInbox(cast("QueuedInbox", inbox))
