"""Process a message once: begin, handler, commit — in the store's transaction, or under a lease."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from signedmsg._core.events import HandlerDeferred, HandlerFailed, HandlerRejected, MessageDuplicate, MessageRefused
from signedmsg._core.inbox import Claim, Conflict, Done, InProgress, Rejected
from signedmsg.errors import (
    ConflictError,
    DeferredError,
    HandlerError,
    InProgressError,
    LeaseLostError,
    Reject,
    RejectedError,
    RetryLater,
    SignedMessageError,
    StoreError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractAsyncContextManager

    from signedmsg._core.events import Event
    from signedmsg._core.inbox import Arrival, Job, Settled
    from signedmsg._core.message import Message
    from signedmsg._flows.inbox_ports import AsyncInboxTransaction

T = TypeVar("T")

ACCEPTED_STATUS = 204
QUEUED_STATUS = 202
# How long a sender is asked to wait where nobody knows when the other one will be done.
SHORT_WAIT = 1.0


class Handler(Protocol):
    """What is run for a message."""

    @property
    def handler(self) -> Callable[..., object]: ...
    @property
    def suspends(self) -> bool: ...
    @property
    def takes(self) -> int:
        """How many arguments it takes besides the message."""
        ...


class Processing(NamedTuple):
    """How a router's messages are processed.

    Attributes:
        inbox: where they are remembered.
        retention: for how long, in seconds from a message's time.
        transaction: the handler writes in the inbox's own transaction; else it has a lease.
        queued: messages are stored, and a worker runs the handler.
        lease: how long a claim lasts before another may take the message, in seconds.
    """

    inbox: InboxPort
    retention: float
    transaction: bool
    queued: bool
    lease: float

    @property
    def status(self) -> int:
        """The HTTP status that answers a message."""
        return QUEUED_STATUS if self.queued else ACCEPTED_STATUS


class Task(NamedTuple):
    """A message, and the handler that is to run for it."""

    route: Handler
    message: Message[object]


class CallPorts(Protocol):
    """What running a handler needs from the world."""

    async def call(self, route: Handler, message: Message[object], *extra: object) -> None:
        """Run the handler to its end."""
        ...

    def lease(self, route: Handler, claim: Claim, how: Processing, /) -> object:
        """Return the lease that the handler is given."""
        ...

    def notice(self, event: Event, /) -> None:
        """Tell the observer; it never raises."""
        ...


class InboxPort(Protocol):
    """An inbox of either face, whose every failure is a `StoreError`."""

    async def begin(self, arrival: Arrival, lease: float) -> Claim | Settled: ...
    async def commit(self, claim: Claim, status: int) -> None: ...
    async def release(self, claim: Claim, delay: float = 0.0) -> None: ...
    async def reject(self, claim: Claim, reason: str) -> None: ...
    async def renew(self, claim: Claim, lease: float) -> None: ...
    async def enqueue(self, arrival: Arrival, body: bytes) -> Settled | None: ...
    def transaction(self) -> AbstractAsyncContextManager[AsyncInboxTransaction[object]]: ...
    async def take(self, lease: float) -> Job | None: ...
    async def bury(self, claim: Claim, reason: str) -> None: ...
    async def in_thread(
        self, ports: CallPorts, work: Callable[[CallPorts, InboxPort], Coroutine[object, object, T]]
    ) -> T:
        """Run the work where the store's transactions live: here, or in the store's own thread."""
        ...


def settle(ports: CallPorts, message: Message[object], settled: Settled) -> int:
    """Return the status with which a message that was handled or queued before was answered.

    Raises:
        ConflictError, RejectedError, InProgressError: it was not.
    """
    if isinstance(settled, Done):
        ports.notice(MessageDuplicate(**_which(message)))
        return settled.status
    error = _why_not(settled)
    ports.notice(MessageRefused(error=error, issuer=message.issuer, proven=True))
    raise error


def _why_not(settled: Settled) -> SignedMessageError:
    if isinstance(settled, Conflict):
        return ConflictError("msg.id: the inbox knows this message id with other content")
    if isinstance(settled, Rejected):
        return RejectedError(f"a handler rejected this message: {settled.reason}", reason=settled.reason)
    if isinstance(settled, InProgress):
        return InProgressError(
            "the same message is being handled now", retry_after=max(SHORT_WAIT, settled.retry_after)
        )
    return StoreError(f"the inbox answered with a {type(settled).__name__}")


async def process(ports: CallPorts, how: Processing, task: Task, arrival: Arrival) -> int | None:
    """Run the handler once; or return the status with which the message was answered before.

    Raises:
        ConflictError, RejectedError, InProgressError, DeferredError, LeaseLostError, StoreError, HandlerError.
    """
    if how.transaction:
        return await how.inbox.in_thread(ports, lambda calls, inbox: _in_transaction(calls, inbox, task, arrival))
    begun = await how.inbox.begin(arrival, how.lease)
    if not isinstance(begun, Claim):
        return settle(ports, task.message, begun)
    try:
        await run_leased(ports, how, task, begun)
    except (HandlerError, DeferredError):
        await _let_go(how.inbox, begun)
        raise
    return None


async def run_leased(ports: CallPorts, how: Processing, task: Task, claim: Claim) -> None:
    """Run a handler under its lease, and mark the message done, or rejected.

    Raises:
        RejectedError: it is marked so.
        HandlerError, DeferredError: the caller says what becomes of the claim.
        LeaseLostError, StoreError: the handler ran, and is not known to be marked.
    """
    try:
        await call(ports, task.route, task.message, ports.lease(task.route, claim, how))
    except RejectedError as rejection:
        await how.inbox.reject(claim, rejection.reason)
        raise
    await how.inbox.commit(claim, how.status)


async def _let_go(inbox: InboxPort, claim: Claim) -> None:
    """Give a message back, so that a retry need not wait for the end of the lease; which it does if this fails."""
    try:
        await inbox.release(claim)
    except SignedMessageError:
        return


async def _in_transaction(ports: CallPorts, inbox: InboxPort, task: Task, arrival: Arrival) -> int | None:
    async with inbox.transaction() as transaction:
        settled = await transaction.begin(arrival)
        rejection = None
        if settled is None:
            rejection = await run_in_transaction(ports, transaction, task, ACCEPTED_STATUS)
    # Only now is it committed; an error before it has rolled everything back.
    if settled is not None:
        return settle(ports, task.message, settled)
    if rejection is not None:
        raise rejection
    return None


async def run_in_transaction(
    ports: CallPorts, transaction: AsyncInboxTransaction[object], task: Task, status: int
) -> RejectedError | None:
    """Run a handler with the store's connection; a rejection is returned, since it is to be committed.

    Raises:
        HandlerError, DeferredError: everything is to be rolled back.
    """
    try:
        await call(ports, task.route, task.message, transaction.connection)
    except RejectedError as rejection:
        await transaction.reject(rejection.reason)
        return rejection
    await transaction.finish(status)
    return None


async def call(ports: CallPorts, route: Handler, message: Message[object], *extra: object) -> None:
    """Run a handler, and turn whatever it raises into what becomes of the message.

    Raises:
        RejectedError, DeferredError: it asked for that.
        LeaseLostError: its `renew` found that another holder has the message.
        HandlerError: it raised anything else; the cause is attached.
    """
    try:
        await ports.call(route, message, *extra)
    except Reject as rejection:
        ports.notice(HandlerRejected(**_which(message), reason=rejection.reason))
        raise RejectedError(f"the handler rejected the message: {rejection.reason}", reason=rejection.reason) from None
    except RetryLater as later:
        ports.notice(HandlerDeferred(**_which(message), seconds=later.seconds))
        raise DeferredError("the handler asked to be given it later", retry_after=later.seconds) from None
    except LeaseLostError:
        raise
    except Exception as error:
        ports.notice(HandlerFailed(**_which(message), error=error))
        failed = HandlerError(f"the handler of {message.type!r} raised {type(error).__name__}")
        failed.told = True
        raise failed from error


def tell(ports: CallPorts, message: Message[object], error: HandlerError) -> None:
    """Tell of a handler that raised nothing, and spoilt its transaction: that is found at the end of it."""
    if not error.told:
        error.told = True
        ports.notice(HandlerFailed(**_which(message), error=error))


def _which(message: Message[object]) -> dict[str, Any]:
    return {"issuer": message.issuer, "message_id": message.id, "type": message.type}
