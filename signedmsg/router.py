"""Which handler takes which message type, and with which payload model."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args, get_origin, get_type_hints, overload

from signedmsg._core.claims import LABEL
from signedmsg._core.message import Message
from signedmsg._core.payload import Model, Models, fit
from signedmsg._jose.strict_json import JSONValue
from signedmsg.errors import UnknownTypeError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
H = TypeVar("H", bound="Callable[..., object]")

_ANY_JSON = dict[str, Any] | list[Any] | str | int | float | bool | None
_COLOUR = "an async handler fits no blocking endpoint; use AsyncReceiver with the ASGI one, or plain functions: "


@dataclass(frozen=True, slots=True)
class _Route:
    """One handler, whether its result is awaited, and the model of its payload."""

    handler: Callable[[Message[Any]], object]
    suspends: bool
    model: Model[object] | None

    def fit(self, data: JSONValue, /) -> object:
        return data if self.model is None else fit(data, self.model)


class Router:
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
    """

    def __init__(self) -> None:
        self._routes: dict[str, _Route] = {}
        self._fallback: _Route | None = None
        self._models = Models()
        self._blocking = False

    @overload
    def on(self, type: str) -> Callable[[H], H]: ...
    @overload
    def on(
        self, type: str, model: type[T]
    ) -> Callable[[Callable[[Message[T]], object]], Callable[[Message[T]], object]]: ...
    def on(self, type: str, model: type[Any] | None = None) -> Callable[[Any], Any]:
        """Register the handler of one message type; use it as a decorator.

        Raises:
            TypeError: the handler does not take one message, or the model is none.
            ValueError: the type has a handler already, or is no message type.
        """
        _check_type(type)
        if type in self._routes:
            raise ValueError(f"message type {type!r} has a handler already")

        def register(handler: H) -> H:
            if type in self._routes:
                raise ValueError(f"message type {type!r} has a handler already")
            self._routes[type] = self._route(handler, _annotated_model(handler) if model is None else model)
            return handler

        return register

    def fallback(self, handler: H) -> H:
        """Register the handler of every type that has none of its own; use it as a decorator."""
        if self._fallback is not None:
            raise ValueError("the router has a fallback already")
        # It takes data of any shape, so its annotations are not looked at.
        self._fallback = self._route(handler, None)
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
            TypeError: a handler registered already is one.
        """
        problems = [name for name, route in self._all() if route.suspends]
        if problems:
            raise TypeError(_COLOUR + ", ".join(problems))
        self._blocking = True

    def _all(self) -> list[tuple[str, _Route]]:
        named = list(self._routes.items())
        return named if self._fallback is None else [*named, ("fallback", self._fallback)]

    def _route(self, handler: Callable[..., object], model: type[Any] | None) -> _Route:
        if not callable(handler):
            raise TypeError("a handler is a function that takes one Message")
        _check_signature(handler)
        route = _Route(handler, _suspends(handler), None if model is None else self._models.of(model))
        if self._blocking and route.suspends:
            raise TypeError(_COLOUR + _name(handler))
        return route


def _check_type(type: object) -> None:
    if callable(type):
        raise ValueError('the message type is missing: write @router.on("invoice.paid"), not @router.on')
    if not isinstance(type, str) or not LABEL.fullmatch(type):
        raise ValueError("a message type has 1 to 256 characters without controls")
    if type == "*" or type.endswith(".*"):
        # As in `allow`, where it is a pattern; here it would be a handler that is never called.
        raise ValueError(f"{type!r}: a handler takes one exact type; register each, or a fallback")


def _suspends(handler: Callable[..., object]) -> bool:
    """Say whether calling the handler gives something to await."""
    call = getattr(handler, "func", handler)  # functools.partial
    return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(getattr(call, "__call__", None))  # noqa: B004


def _check_signature(handler: Callable[..., object]) -> None:
    if inspect.isgeneratorfunction(handler) or inspect.isasyncgenfunction(handler):
        raise TypeError(f"handler {_name(handler)} is a generator and would never run")
    try:
        inspect.signature(handler).bind(object())
    except TypeError as error:
        raise TypeError(f"handler {_name(handler)} must take one argument, the message: {error}") from None
    except ValueError:
        return  # A builtin without a signature.


def _name(handler: object) -> str:
    return getattr(handler, "__qualname__", repr(handler))


def _annotated_model(handler: Callable[..., object]) -> type[Any] | None:
    """Return T of a handler that is annotated to take `Message[T]`, or None for plain JSON."""
    try:
        parameters = list(inspect.signature(handler).parameters.values())
    except (TypeError, ValueError):
        return None  # A builtin without a signature.
    try:
        hints = _hints(handler)
    except Exception as error:  # noqa: BLE001 - an annotation may raise anything
        # Passed over, a model that somebody wrote down would check nothing.
        raise TypeError(
            f"handler {_name(handler)}: its annotation cannot be read ({error}); "
            "import Message and the model where they exist at run time, or give the model as on(type, model)"
        ) from None
    hint = _unfolded(hints.get(parameters[0].name) if parameters else None)
    if get_origin(hint) is not Message:
        if _mentions_message(hint):
            raise TypeError(
                f"handler {_name(handler)}: {hint} does not say which one model its data has; "
                "annotate it as Message[Model], or give the model as on(type, model)"
            )
        if _is_model(hint):
            # It gets a `Message` all the same, whose data nobody would have checked.
            raise TypeError(
                f"handler {_name(handler)}: it gets a Message, not the model; annotate it Message[{_name(hint)}]"
            )
        return None
    argument: Any = _unfolded(get_args(hint)[0])
    # Message[JSONValue], Message[object] and Message[T] ask for the data as it is.
    is_json = argument in (object, Any, _ANY_JSON) or isinstance(argument, TypeVar)
    return None if is_json else cast("type[Any]", argument)


def _unfolded(hint: Any) -> Any:
    """Return what an alias, a NewType or a bound type variable stands for."""
    while True:
        inner = getattr(hint, "__value__", None) or getattr(hint, "__supertype__", None)
        if isinstance(hint, TypeVar):
            inner = hint.__bound__
        if inner is None or get_origin(hint) is not None:
            return hint
        hint = inner


def _mentions_message(hint: Any) -> bool:
    return get_origin(hint) is Message or any(_mentions_message(_unfolded(one)) for one in get_args(hint))


def _is_model(hint: object) -> bool:
    return isinstance(hint, type) and callable(getattr(hint, "model_validate_json", None))


def _hints(handler: Callable[..., object]) -> dict[str, Any]:
    """Return the annotations of a function, or of what a partial or an object calls; `JSONValue` reads as `Any`."""
    function: Any = getattr(handler, "func", handler)  # functools.partial
    if isinstance(function, type):
        function = function.__init__  # type: ignore[misc]
    elif not inspect.isroutine(function):
        function = getattr(function, "__call__", function)  # noqa: B004
    if not hasattr(function, "__annotations__"):
        return {}  # Something written in C.
    known = getattr(function, "__globals__", {}).get("JSONValue", JSONValue)
    # The alias is recursive, which pydantic cannot follow; somebody's own class of that name is theirs.
    return get_type_hints(function, localns={"JSONValue": Any} if known == JSONValue else None)
