"""Which handler takes which message type, with which payload model, and how it is processed once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar, overload

from typing_extensions import TypeVar as TypingTypeVar

from signedmsg._core.claims import LABEL
from signedmsg._core.payload import Model, Models, fit
from signedmsg._flows.process import Processing
from signedmsg._handlers import annotated_model, count_extra, name_of, suspends
from signedmsg._inboxes import AsyncLease, Lease, adapt, check_lease
from signedmsg.errors import UnknownTypeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from signedmsg._core.message import Message
    from signedmsg._flows.inbox_ports import (
        AsyncInbox,
        AsyncTransactionalInbox,
        Inbox,
        ThreadedInbox,
        TransactionalInbox,
    )
    from signedmsg._jose.strict_json import JSONValue

    AnyInbox = Inbox | AsyncInbox | TransactionalInbox[object] | AsyncTransactionalInbox[object] | ThreadedInbox[object]
    LeaseHandler = (
        Callable[[Message[Any]], object]
        | Callable[[Message[Any], Lease], object]
        | Callable[[Message[Any], AsyncLease], object]
    )

T = TypeVar("T")
C = TypeVar("C")
# What a handler is given besides the message.
E = TypingTypeVar("E", default=Any)
Mode = Literal["transaction", "lease"]
H = TypeVar("H", bound="Callable[[Message[Any]], object]")
L = TypeVar("L", bound="LeaseHandler")

DEFAULT_LEASE: Final = 60.0
_METHODS: Final = ("begin", "commit", "release", "reject", "renew", "forget")
_COLOUR: Final = "an async handler fits no blocking endpoint; use AsyncReceiver with the ASGI one, or plain functions: "


@dataclass(frozen=True, slots=True)
class _Route:
    """One handler, whether its result is awaited, what it takes, and the model of its payload."""

    handler: Callable[..., object]
    suspends: bool
    takes: int
    model: Model[object] | None

    def fit(self, data: JSONValue, written: bytes | None = None, /) -> object:
        return data if self.model is None else fit(data, self.model, written)


class Router(Generic[E]):
    """Maps message types to handlers; one class for blocking and async endpoints.

    ```python
    router = Router()

    @router.on("invoice.paid")
    def paid(message: Message[Invoice]) -> None: ...
    ```

    The payload's model is the argument of `Message[…]` in the handler's annotation, or
    given as `model`. A message whose type has no handler is refused (`unknown_type`)
    unless there is a fallback. Register before the first message: an endpoint checks the
    handlers when it is built.

    With an inbox each message is processed once, however often its sender tries:

    - `mode="transaction"`: the handler takes the message and the inbox's database
      connection. What it writes there and the inbox's own mark are committed together,
      so effects in that database happen exactly once. The handler must not commit.
    - `mode="lease"`: for effects anywhere else. The handler takes the message and, if it
      wants, a `Lease` (a coroutine function an `AsyncLease`). An effect may repeat when
      the process dies between it and the mark, or when the handler outlives its lease.

    A handler raises `Reject` when the message can never be processed, and `RetryLater` when it
    is to be tried again later; whatever else it raises gives the message back for a retry.

    Args:
        inbox: where processed messages are remembered, such as `SQLiteInbox`.
        mode: `transaction` or `lease`; required with an inbox.
        queued: store verified messages, answer 202, and let a `Worker` run the handlers.
        lease: seconds after which another process may take the message of one that died,
            unless its handler renews.

    Raises:
        TypeError, ValueError: the inbox cannot do what is asked of it.
    """

    @overload
    def __init__(self: Router[None]) -> None: ...
    @overload
    def __init__(
        self: Router[Lease],
        inbox: Inbox | AsyncInbox,
        *,
        mode: Literal["lease"],
        queued: bool = False,
        lease: float = DEFAULT_LEASE,
    ) -> None: ...
    @overload
    def __init__(
        self: Router[C],
        inbox: TransactionalInbox[C] | AsyncTransactionalInbox[C] | ThreadedInbox[C],
        *,
        mode: Literal["transaction"],
        queued: bool = False,
        lease: float = DEFAULT_LEASE,
    ) -> None: ...
    def __init__(
        self,
        inbox: AnyInbox | None = None,
        *,
        mode: Mode | None = None,
        queued: bool = False,
        lease: float = DEFAULT_LEASE,
    ) -> None:
        _check_mode(inbox, mode, queued)
        self._routes: dict[str, _Route] = {}
        self._fallback: _Route | None = None
        self._models = Models()
        self._blocking = False
        self.inbox = inbox
        self.waits: str = "never" if inbox is None else inbox.waits
        self.processing: Processing | None = None
        if inbox is not None:
            transaction, seconds = mode == "transaction", check_lease(lease)
            self.processing = Processing(adapt(inbox), inbox.retention, transaction, queued, seconds)

    @overload
    def on(self: Router[None], type: str) -> Callable[[H], H]: ...
    @overload
    def on(
        self: Router[None], type: str, model: type[T]
    ) -> Callable[[Callable[[Message[T]], object]], Callable[[Message[T]], object]]: ...
    @overload
    def on(self: Router[Lease], type: str, model: type[Any] | None = None) -> Callable[[L], L]: ...
    @overload
    def on(self, type: str) -> Callable[[Callable[[Message[Any], E], object]], Callable[[Message[Any], E], object]]: ...
    @overload
    def on(
        self, type: str, model: type[T]
    ) -> Callable[[Callable[[Message[T], E], object]], Callable[[Message[T], E], object]]: ...
    def on(self, type: str, model: type[Any] | None = None) -> Callable[[Any], Any]:
        """Register the handler of one message type; use it as a decorator.

        Raises:
            TypeError: the handler does not take what it will be given, or the model is none.
            ValueError: the type has a handler already, or is no message type.
        """
        _check_type(type)
        if type in self._routes:
            raise ValueError(f"message type {type!r} has a handler already")

        def register(handler: Callable[..., object]) -> Callable[..., object]:
            if type in self._routes:
                raise ValueError(f"message type {type!r} has a handler already")
            self._routes[type] = self._route(handler, model, annotated=True)
            return handler

        return register

    def fallback(self, handler: F) -> F:
        """Register the handler of every type that has none of its own; use it as a decorator."""
        if self._fallback is not None:
            raise ValueError("the router has a fallback already")
        # It takes data of any shape, so its annotations are not looked at.
        self._fallback = self._route(handler, None, annotated=False)
        return handler

    def find(self, type: str, /) -> _Route:
        """Return the route of a message type.

        Raises:
            UnknownTypeError: it has no handler, and there is no fallback.
        """
        route = self._routes.get(type, self._fallback)
        if route is None:
            raise UnknownTypeError("msg.type: no handler is registered for this type")
        return route

    def require_blocking(self) -> None:
        """Take no coroutine functions from now on: a blocking endpoint would never await them.

        Raises:
            TypeError: a handler registered already is one, or the inbox is async.
        """
        if self.waits == "suspends":
            raise TypeError(f"inbox: {type(self.inbox).__name__} is async, and this endpoint blocks")
        problems = [name for name, route in self._all() if route.suspends]
        if problems:
            raise TypeError(_COLOUR + ", ".join(problems))
        self._blocking = True

    def require_async(self) -> None:
        """Raise TypeError when the inbox would block an event loop."""
        if self.waits == "blocks":
            raise TypeError(f"inbox: {type(self.inbox).__name__} blocks, and this endpoint is async")

    def _all(self) -> list[tuple[str, _Route]]:
        named = list(self._routes.items())
        return named if self._fallback is None else [*named, ("fallback", self._fallback)]

    def _route(self, handler: Callable[..., object], model: type[Any] | None, *, annotated: bool) -> _Route:
        if not callable(handler):
            raise TypeError("a handler is a function that takes one Message")
        takes = count_extra(handler, *_EXPECTED[self._kind()])
        if annotated and model is None:
            model = annotated_model(handler)
        awaited = suspends(handler)
        if awaited and (self._blocking or self.waits == "blocks"):
            raise TypeError(_COLOUR + name_of(handler))
        self._check_colour(handler, awaited)
        return _Route(handler, awaited, takes, None if model is None else self._models.of(model))

    def _kind(self) -> Mode | None:
        if self.processing is None:
            return None
        return "transaction" if self.processing.transaction else "lease"

    def _check_colour(self, handler: Callable[..., object], awaited: bool) -> None:
        """Refuse a handler that could not use the connection that it will be given."""
        if self._kind() != "transaction" or self.waits != "suspends":
            return
        threaded = hasattr(self.inbox, "in_thread")
        if awaited and threaded:
            raise TypeError(
                f"handler {name_of(handler)}: the transactions of {type(self.inbox).__name__} stay in one thread; "
                "write it as a plain function"
            )
        if not awaited and not threaded:
            raise TypeError(
                f"handler {name_of(handler)}: the connection of {type(self.inbox).__name__} is to be awaited; "
                "write it as a coroutine function"
            )


F = TypeVar("F", bound="Callable[..., object]")
# By mode: how many arguments besides the message, and how that is said.
_EXPECTED: Final[dict[Mode | None, tuple[tuple[int, ...], str]]] = {
    None: ((0,), "one argument, the message"),
    "lease": ((0, 1), "the message, and the lease if it wants"),
    # One that takes no connection would have its effects elsewhere, where they can repeat.
    "transaction": ((1,), "the message and the connection"),
}


def _check_mode(inbox: object, mode: object, queued: bool) -> None:
    if inbox is None:
        if mode is not None or queued:
            raise TypeError("inbox: mode and queued need one, such as SQLiteInbox")
        return
    if isinstance(inbox, type) or not all(callable(getattr(inbox, name, None)) for name in _METHODS):
        raise TypeError(f"inbox: expected an inbox, such as SQLiteInbox, got {name_of(type(inbox))}")
    if getattr(inbox, "waits", None) not in ("never", "blocks", "suspends"):
        raise TypeError(f"inbox: {type(inbox).__name__} does not say how it waits")
    if mode not in ("transaction", "lease"):
        raise ValueError('mode: expected "transaction" (effects in the inbox\'s own database) or "lease" (all others)')
    if mode == "transaction" and getattr(inbox, "transactional", None) is not True:
        raise ValueError(f'mode: {type(inbox).__name__} has no transactions for handlers; use "lease"')
    if queued and not (getattr(inbox, "queues", None) is True and getattr(inbox, "durable", None) is True):
        raise ValueError(
            f"queued: {type(inbox).__name__} does not keep messages safely enough to answer 202 for them; "
            "use a SQLite or PostgreSQL inbox"
        )


def _check_type(type: object) -> None:
    if callable(type):
        raise ValueError('the message type is missing: write @router.on("invoice.paid"), not @router.on')
    if not isinstance(type, str) or not LABEL.fullmatch(type):
        raise ValueError("a message type has 1 to 256 characters without controls")
    if type == "*" or type.endswith(".*"):
        # As in `allow`, where it is a pattern; here it would be a handler that is never called.
        raise ValueError(f"{type!r}: a handler takes one exact type; register each, or a fallback")
