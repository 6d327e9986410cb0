"""An async inbox as the flows see it; one whose transactions stay in a thread is driven there."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from signedmsg._failing import STORE
from signedmsg._flows.run import run
from signedmsg._inboxes.blocking import BlockingInbox
from signedmsg._inboxes.calls import ThreadCalls
from signedmsg._inboxes.passing import passing

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from signedmsg._core.inbox import Arrival, Claim, Job, Settled
    from signedmsg._flows.inbox_ports import (
        AsyncInboxTransaction,
        AsyncQueuedInbox,
        AsyncTransactionalInbox,
        QueuedInbox,
        ThreadedInbox,
    )
    from signedmsg._flows.process import CallPorts, InboxPort

T = TypeVar("T")


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
                lambda inbox: run(work(ThreadCalls(ports.notice), BlockingInbox(cast("QueuedInbox", inbox))))
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
        with passing(error):
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
