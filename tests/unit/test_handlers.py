"""Running handlers: none of a colour that would never run, and none that fails unnoticed."""

from __future__ import annotations

import functools
from typing import Any

import anyio
import pytest
from pydantic import BaseModel

from signedmsg import HandlerError, JSONValue, Message, NotAllowedError, PayloadError, Router

from .peers import async_receiver, memory, receiver, sign


class Invoice(BaseModel):
    number: int


class Ledger:
    """Notes what its handlers were given."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def paid(self, message: Message[Invoice]) -> None:
        self.seen.append(message.data)

    def any(self, message: Message[Any]) -> None:
        self.seen.append(message.data)

    async def later(self, message: Message[Invoice]) -> None:
        await anyio.lowlevel.checkpoint()
        self.seen.append(message.data)

    def __call__(self, message: Message[Invoice]) -> None:
        self.seen.append(message.data)


class AsyncCallable:
    async def __call__(self, message: Message[Invoice]) -> None:
        """Take it."""


def plain(message: Message[JSONValue]) -> None:
    """Take it."""


async def suspending(message: Message[Invoice]) -> None:
    """Take it."""


def handled(router: Router, data: object = None, type: str = "invoice.paid") -> Any:
    return receiver().handle(sign({"number": 7} if data is None else data, type=type), router)


COROUTINES = [
    suspending,
    Ledger().later,
    AsyncCallable(),
    functools.partial(suspending),
    functools.partial(functools.partial(suspending)),
]


@pytest.mark.parametrize("handler", COROUTINES, ids=["function", "method", "object", "partial", "partial-of-partial"])
def test_async_handler_is_refused_by_a_blocking_endpoint(handler: Any) -> None:
    router = Router()
    router.on("a")(handler)
    with pytest.raises(TypeError, match="AsyncReceiver"):
        router.require_blocking()


def test_refusal_of_colours_names_every_handler() -> None:
    router = Router()
    router.on("a")(suspending)
    router.on("b")(plain)
    router.fallback(suspending)
    with pytest.raises(TypeError, match=r": a, fallback$"):
        router.require_blocking()


def test_async_handler_registered_after_a_blocking_endpoint_was_built_is_refused() -> None:
    router = Router()
    router.on("a")(plain)
    router.require_blocking()
    with pytest.raises(TypeError, match="suspending"):
        router.on("b")(suspending)
    router.on("b")(plain)


def test_async_handler_under_a_blocking_receiver_is_a_type_error_that_uses_up_no_token() -> None:
    cache, router = memory(), Router()
    router.on("invoice.paid")(suspending)
    token = sign({"number": 7})
    with pytest.raises(TypeError, match="async handler fits no blocking"):
        receiver(cache).handle(token, router)
    assert receiver(cache).verify(token).type == "invoice.paid"


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_both_colours_run_under_an_async_receiver(backend: str) -> None:
    router, ledger = Router(), Ledger()
    router.on("a")(ledger.later)
    router.on("b")(ledger.paid)

    async def work() -> None:
        face = async_receiver()
        for type in ("a", "b"):
            await face.handle(sign({"number": 7}, type=type), router)

    anyio.run(work, backend=backend)
    assert ledger.seen == [Invoice(number=7), Invoice(number=7)]


def returns_a_coroutine(message: Message[Invoice]) -> Any:
    return suspending(message)


def test_coroutine_from_a_plain_handler_is_a_failed_handler_and_not_a_lost_message() -> None:
    router = Router()
    router.on("invoice.paid")(returns_a_coroutine)
    with pytest.raises(HandlerError) as caught:
        handled(router)
    assert isinstance(caught.value.__cause__, TypeError)


@pytest.mark.parametrize("failure", [KeyError("x"), NotAllowedError("inside"), PayloadError("inside")], ids=repr)
def test_handler_that_raises_is_a_handler_error_with_its_cause(failure: Exception) -> None:
    router = Router()

    @router.on("invoice.paid")
    def fail(message: Message[Any]) -> None:
        raise failure

    with pytest.raises(HandlerError) as caught:
        handled(router)
    assert caught.value.__cause__ is failure
    assert caught.value.code == "handler_error"


def test_message_whose_handler_failed_was_used_up() -> None:
    router, cache, token = Router(), memory(), sign()

    @router.on("invoice.paid")
    def fail(message: Message[Any]) -> None:
        raise KeyError

    with pytest.raises(HandlerError):
        receiver(cache).handle(token, router)
    with pytest.raises(Exception, match="accepted before"):
        receiver(cache).verify(token)


def test_interruption_of_a_handler_is_not_turned_into_an_error() -> None:
    router = Router()

    @router.on("invoice.paid")
    def stop(message: Message[Any]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        handled(router)


def _yielding(message: Message[Any]) -> Any:
    yield message


async def _yielding_later(message: Message[Any]) -> Any:
    yield message


class _Promise:
    """Something to await that is no coroutine, such as a future or a task of some library."""

    def __await__(self) -> Any:
        yield


UNFINISHED: dict[str, Any] = {
    "generator": lambda message: _yielding(message),  # noqa: PLW0108
    "async-generator": lambda message: _yielding_later(message),  # noqa: PLW0108
    "promise": lambda message: _Promise(),
}


@pytest.mark.parametrize("handler", UNFINISHED.values(), ids=UNFINISHED)
def test_what_a_handler_leaves_unfinished_is_a_failed_handler_and_not_a_lost_message(handler: Any) -> None:
    router = Router()
    router.on("invoice.paid")(handler)
    with pytest.raises(HandlerError) as caught:
        handled(router)
    assert isinstance(caught.value.__cause__, TypeError)


@pytest.mark.parametrize("handler", UNFINISHED.values(), ids=UNFINISHED)
def test_what_a_handler_leaves_unfinished_in_a_thread_is_a_failed_handler(handler: Any) -> None:
    router = Router()
    router.on("invoice.paid")(handler)
    with pytest.raises(HandlerError):
        anyio.run(async_receiver().handle, sign({"number": 7}), router)
