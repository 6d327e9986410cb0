"""Verify, find the handler, run it: what happens to a token at an endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from signedmsg._core.events import HandlerFailed
from signedmsg._flows.receive import ReceivePorts, receive
from signedmsg.errors import HandlerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from signedmsg._core.message import Content, Message
    from signedmsg._core.policy import ReceivePolicy
    from signedmsg._jose.strict_json import JSONValue


class Outcome(NamedTuple):
    """A message that was verified and handled.

    Attributes:
        message: what was verified.
        duplicate: it had been handled before, and the handler did not run again.
    """

    message: Message[object]
    duplicate: bool = False


class Route(Protocol):
    """One handler and the payload it takes."""

    @property
    def handler(self) -> Callable[[Message[Any]], object]: ...

    @property
    def suspends(self) -> bool:
        """Whether the handler's result is to be awaited."""
        ...

    def fit(self, data: JSONValue, /) -> object:
        """Return the data as the handler takes it, or raise `PayloadError`."""
        ...


class Routes(Protocol):
    """Which handler takes which message type."""

    def find(self, type: str, /) -> Route:
        """Return the route of a type, or raise `UnknownTypeError`."""
        ...


class HandlePorts(ReceivePorts, Protocol):
    """What handling needs from the world besides a verification."""

    def check_route(self, route: Route) -> None:
        """Raise `TypeError` when this face cannot run the handler."""
        ...

    async def call(self, route: Route, message: Message[object]) -> None:
        """Run the handler to its end."""
        ...


async def handle(ports: HandlePorts, policy: ReceivePolicy, routes: Routes, token: object) -> Outcome:
    """Verify a token and run its message's handler.

    Raises:
        VerificationError, UnavailableError: the handler did not run.
        HandlerError: the handler raised; the cause is attached.
    """
    chosen: list[Route] = []

    def fit(content: Content) -> object:
        route = routes.find(content.type)
        # Before the replay cache: a programming error must not use up the token.
        ports.check_route(route)
        chosen.append(route)
        return route.fit(content.data)

    message = await receive(ports, policy, token, fit)
    try:
        await ports.call(chosen[0], message)
    except Exception as error:
        ports.notice(HandlerFailed(issuer=message.issuer, message_id=message.id, type=message.type, error=error))
        raise HandlerError(f"the handler of {message.type!r} raised {type(error).__name__}") from error
    return Outcome(message)
