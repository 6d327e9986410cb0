"""Verify, find the handler, run it: what happens to a token at an endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from signedmsg._core.answer_token import reference_of
from signedmsg._core.arrival import arrival, check_wanted, store_message
from signedmsg._core.events import MessageQueued, MessageRefused
from signedmsg._flows.process import ACCEPTED_STATUS, CallPorts, Task, call, process, settle, tell
from signedmsg._flows.receive import ReceivePorts, receive
from signedmsg.errors import HandlerError, LeaseLostError, QuotaError, SignedMessageError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from signedmsg._core.inbox import Arrival
    from signedmsg._core.message import Content, Message
    from signedmsg._core.policy import ReceivePolicy
    from signedmsg._flows.process import Processing
    from signedmsg._jose.strict_json import JSONValue


class Outcome(NamedTuple):
    """A message that was verified, and handled or queued.

    Attributes:
        message: what was verified.
        duplicate: it had been handled or queued before, and its handler did not run again.
        status: the HTTP status that answers it, of a duplicate the one that answered it first:
            204 for handled, 202 for queued.
    """

    message: Message[object]
    duplicate: bool = False
    status: int = ACCEPTED_STATUS


class Route(Protocol):
    """One handler and the payload it takes."""

    @property
    def handler(self) -> Callable[..., object]: ...

    @property
    def suspends(self) -> bool:
        """Whether the handler's result is to be awaited."""
        ...

    @property
    def takes(self) -> int:
        """How many arguments it takes besides the message."""
        ...

    def fit(self, data: JSONValue, written: bytes | None = None, /) -> object:
        """Return the data as the handler takes it, or raise `PayloadError`; `written` is what it was read from."""
        ...


class Routes(Protocol):
    """Which handler takes which message type, and how its messages are processed."""

    @property
    def processing(self) -> Processing | None:
        """How; None where there is no inbox."""
        ...

    def find(self, type: str, /) -> Route:
        """Return the route of a type, or raise `UnknownTypeError`."""
        ...


class HandlePorts(ReceivePorts, CallPorts, Protocol):
    """What handling needs from the world besides a verification."""


async def handle(
    ports: HandlePorts, policy: ReceivePolicy, routes: Routes, token: object, *, received_at: float | None = None
) -> Outcome:
    """Verify a token and run its message's handler, or queue it.

    Raises:
        VerificationError, UnavailableError: the handler did not run, or asked for this answer.
        HandlerError: the handler raised; the cause is attached.
    """
    how = routes.processing
    chosen: list[tuple[Route, Content]] = []

    def fit(content: Content) -> object:
        route = routes.find(content.type)
        if how is not None:
            check_wanted(content, how.retention, policy.leeway, ports.now())
        chosen.append((route, content))
        return route.fit(content.data, content.written)

    message = await receive(ports, policy, token, fit, received_at=received_at)
    route, content = chosen[0]
    try:
        if how is None:
            await call(ports, route, message)
            return Outcome(message)
        before = await _settle(ports, how, Task(route, message), content, policy.leeway)
    except SignedMessageError as error:
        # Raised behind the replay cache, so that whoever answers for this receiver may sign for it.
        error.request = reference_of(message)
        raise
    return Outcome(message, before is not None, how.status if before is None else before)


async def _settle(ports: HandlePorts, how: Processing, task: Task, content: Content, leeway: float) -> int | None:
    """Process a message or queue it; or return the status with which it was answered before."""
    message = task.message
    arrived = arrival(message, content, how.retention, leeway)
    try:
        if how.queued:
            return await _enqueue(ports, how, message, arrived, store_message(message, content))
        return await process(ports, how, task, arrived)
    except HandlerError as error:
        tell(ports, message, error)
        raise
    except (QuotaError, StoreError, LeaseLostError) as error:
        ports.notice(MessageRefused(error=error, issuer=message.issuer, proven=True))
        raise


async def _enqueue(
    ports: HandlePorts, how: Processing, message: Message[object], arrived: Arrival, body: bytes
) -> int | None:
    """Store a message for a worker; or return the status with which it was answered before."""
    settled = await how.inbox.enqueue(arrived, body)
    if settled is not None:
        return settle(ports, message, settled)
    ports.notice(MessageQueued(issuer=message.issuer, message_id=message.id, type=message.type))
    return None
