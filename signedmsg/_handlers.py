"""What a handler's signature says: how many arguments it takes, whether it is awaited, which model its data has."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args, get_origin, get_type_hints

from signedmsg._core.message import Message
from signedmsg._jose.strict_json import JSONValue

if TYPE_CHECKING:
    from collections.abc import Callable

_ANY_JSON = dict[str, Any] | list[Any] | str | int | float | bool | None


def suspends(handler: Callable[..., object]) -> bool:
    """Say whether calling the handler gives something to await."""
    call = getattr(handler, "func", handler)  # functools.partial
    return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(getattr(call, "__call__", None))  # noqa: B004


def count_extra(handler: Callable[..., object], allowed: tuple[int, ...], expected: str) -> int:
    """Return how many of the allowed numbers of arguments a handler takes besides the message; the most it can.

    Raises:
        TypeError: none of them, or it is a generator.
    """
    if inspect.isgeneratorfunction(handler) or inspect.isasyncgenfunction(handler):
        raise TypeError(f"handler {name_of(handler)} is a generator and would never run")
    try:
        signature = inspect.signature(handler)
    except ValueError:
        return max(allowed)  # A builtin without a signature.
    why = ""
    for extra in sorted(allowed, reverse=True):
        try:
            signature.bind(*[object()] * (1 + extra))
        except TypeError as error:
            why = str(error)
        else:
            return extra
    raise TypeError(f"handler {name_of(handler)} must take {expected}: {why}")


def name_of(handler: object) -> str:
    return getattr(handler, "__qualname__", repr(handler))


def annotated_model(handler: Callable[..., object]) -> type[Any] | None:
    """Return T of a handler that is annotated to take `Message[T]`, or None for plain JSON."""
    try:
        parameters = list(inspect.signature(handler).parameters.values())
    except (TypeError, ValueError):
        return None  # A builtin without a signature.
    if not parameters:
        return None
    try:
        hint = _unfolded(_hint(handler, parameters[0].name))
    except Exception as error:  # noqa: BLE001 - an annotation may raise anything
        # Passed over, a model that somebody wrote down would check nothing.
        raise TypeError(
            f"handler {name_of(handler)}: its annotation cannot be read ({error}); "
            "import Message and the model where they exist at run time, or give the model as on(type, model)"
        ) from None
    if get_origin(hint) is not Message:
        if _mentions_message(hint):
            raise TypeError(
                f"handler {name_of(handler)}: {hint} does not say which one model its data has; "
                "annotate it as Message[Model], or give the model as on(type, model)"
            )
        if _is_model(hint):
            # It gets a `Message` all the same, whose data nobody would have checked.
            raise TypeError(
                f"handler {name_of(handler)}: it gets a Message, not the model; annotate it Message[{name_of(hint)}]"
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


def _hint(handler: Callable[..., object], name: str) -> Any:
    """Return one annotation of a function, or of what a partial or an object calls; `JSONValue` reads as `Any`.

    Only that one is evaluated: the type of a connection may be imported for type checkers alone.
    """
    function: Any = getattr(handler, "func", handler)  # functools.partial
    if isinstance(function, type):
        function = function.__init__  # type: ignore[misc]
    elif not inspect.isroutine(function):
        function = getattr(function, "__call__", function)  # noqa: B004
    annotations = getattr(function, "__annotations__", {})  # Something written in C has none.
    if name not in annotations:
        return None
    names = getattr(inspect.unwrap(function), "__globals__", {})
    # The alias is recursive, which pydantic cannot follow; somebody's own class of that name is theirs.
    local = {"JSONValue": Any} if names.get("JSONValue", JSONValue) == JSONValue else None
    one = SimpleNamespace(__annotations__={name: annotations[name]})
    return get_type_hints(one, globalns=names, localns=local)[name]
