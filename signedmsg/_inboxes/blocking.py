"""A blocking inbox, or one that never waits, as the flows see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from signedmsg._failing import STORE
from signedmsg._inboxes.passing import passing

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractAsyncContextManager, AbstractContextManager
    from types import TracebackType

    from signedmsg._core.inbox import Arrival, Claim, Job, Settled
    from signedmsg._flows.inbox_ports import AsyncInboxTransaction, InboxTransaction, QueuedInbox, TransactionalInbox
    from signedmsg._flows.process import CallPorts, InboxPort

T = TypeVar("T")


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
        with passing(error):
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
