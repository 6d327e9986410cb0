"""Handlers behind a door: which colour fits, in which thread each runs, and what one that fails gives away."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any

import pytest

from signedmsg import (
    AsyncReceiver,
    JSONValue,
    MemoryReplayCache,
    Message,
    NotAllowedError,
    Receiver,
    Router,
    asgi,
    wsgi,
)

from .stage import AUDIENCE, DIRECTORY, NOW, CountingCache, Stage, token
from .straight import call, call_asgi, call_wsgi

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Door

ASGI = pytest.mark.parametrize("running", ["uvicorn", "hypercorn-trio"], indirect=True)


done: list[str] = []


async def coroutine(message: Message[Any]) -> None:
    done.append(message.type)


class AsyncCallable:
    async def __call__(self, message: Message[Any]) -> None:
        done.append(message.type)


def returns_a_coroutine(message: Message[Any]) -> Any:
    return coroutine(message)


ASYNC: dict[str, Callable[[Message[Any]], object]] = {
    "function": coroutine,
    "object": AsyncCallable(),
    "partial": functools.partial(coroutine),
    "partial of an object": functools.partial(AsyncCallable()),
}


def cache() -> MemoryReplayCache:
    return MemoryReplayCache(clock=lambda: NOW - 3600)


def blocking() -> Receiver:
    return Receiver(AUDIENCE, DIRECTORY, cache(), clock=lambda: NOW)


def suspending() -> AsyncReceiver:
    return AsyncReceiver(AUDIENCE, DIRECTORY, cache(), clock=lambda: NOW)


@pytest.mark.parametrize("handler", ASYNC)
def test_async_handler_under_wsgi_is_a_type_error_when_the_endpoint_is_built(handler: str) -> None:
    router = Router()
    router.on("invoice.paid")(ASYNC[handler])
    with pytest.raises(TypeError, match="async handler"):
        wsgi.Endpoint(blocking(), router)


@pytest.mark.parametrize("handler", ASYNC)
def test_async_handler_under_wsgi_is_a_type_error_when_registered_later(handler: str) -> None:
    router = Router()
    wsgi.Endpoint(blocking(), router)
    with pytest.raises(TypeError, match="async handler"):
        router.on("invoice.paid")(ASYNC[handler])


def test_async_fallback_under_wsgi_is_a_type_error() -> None:
    before, after = Router(), Router()
    before.fallback(coroutine)
    with pytest.raises(TypeError, match="fallback"):
        wsgi.Endpoint(blocking(), before)
    wsgi.Endpoint(blocking(), after)
    with pytest.raises(TypeError, match="async handler"):
        after.fallback(coroutine)


WRONG: dict[str, Callable[[], object]] = {
    "a blocking receiver under ASGI": lambda: asgi.Endpoint(blocking(), Router()),  # type: ignore[arg-type]
    "an async receiver under WSGI": lambda: wsgi.Endpoint(suspending(), Router()),  # type: ignore[arg-type]
    "a class for a receiver": lambda: asgi.Endpoint(AsyncReceiver, Router()),  # type: ignore[arg-type]
    "a dict for a router": lambda: asgi.Endpoint(suspending(), {}),  # type: ignore[arg-type]
    "a class for a router": lambda: wsgi.Endpoint(blocking(), Router),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("build", WRONG)
def test_endpoint_of_the_wrong_parts_is_a_type_error(build: str) -> None:
    with pytest.raises(TypeError, match=r"receiver|router"):
        WRONG[build]()


@ASGI
def test_plain_handler_runs_beside_the_event_loop_and_an_async_one_on_it(door: Door) -> None:
    threads: dict[str, int] = {}
    router = Router()

    @router.on("invoice.paid")
    def plain(message: Message[Any]) -> None:
        threads["plain"] = threading.get_ident()

    @router.on("invoice.voided")
    async def on_the_loop(message: Message[Any]) -> None:
        threads["async"] = threading.get_ident()

    app = asgi.Endpoint(suspending(), router)

    async def outer(scope: Any, receive: Any, send: Any) -> None:
        threads["loop"] = threading.get_ident()
        await app(scope, receive, send)

    door.serve(outer)
    assert door.post(token()).status_code == 204
    assert door.post(token(msg={"type": "invoice.voided"})).status_code == 204
    assert threads["async"] == threads["loop"]
    assert threads["plain"] != threads["loop"]


@ASGI
def test_plain_handler_that_blocks_does_not_hold_up_other_messages(door: Door) -> None:
    entered, release = threading.Event(), threading.Event()
    router = Router()

    @router.on("invoice.paid")
    def waits(message: Message[Any]) -> None:
        entered.set()
        assert release.wait(10)

    @router.on("invoice.voided")
    def quick(message: Message[Any]) -> None:
        assert entered.wait(10)

    door.serve(asgi.Endpoint(suspending(), router))
    statuses: list[int] = []
    first = threading.Thread(target=lambda: statuses.append(door.post(token()).status_code))
    first.start()
    try:
        assert door.post(token(msg={"type": "invoice.voided"})).status_code == 204
        assert statuses == []
    finally:
        release.set()
        first.join(10)
    assert statuses == [204]


def test_handler_that_raises_gives_nothing_of_its_error_away(door: Door) -> None:
    door.open()
    answer = door.post(token(msg={"type": "invoice.crash"}))
    assert answer.json() == {
        "type": "https://signedmsg.example/errors#handler_error",
        "title": "The message could not be processed",
        "status": 500,
        "code": "handler_error",
    }


def test_handler_that_raises_one_of_our_refusals_is_still_a_failed_handler(door: Door) -> None:
    router = Router()

    @router.on("invoice.paid")
    def nested(message: Message[Any]) -> None:
        raise NotAllowedError("of a message inside the message")

    app: Any = asgi.Endpoint(suspending(), router) if door.kind == "asgi" else wsgi.Endpoint(blocking(), router)
    door.serve(app)
    answer = door.post(token())
    assert (answer.status_code, answer.json()["code"]) == (500, "handler_error")


def test_coroutine_that_a_plain_handler_returns_is_never_dropped_silently() -> None:
    router = Router()
    router.on("invoice.paid")(returns_a_coroutine)
    done.clear()
    assert call_wsgi(wsgi.Endpoint(blocking(), router), token().encode()).code == "handler_error"
    assert done == []
    assert call_asgi(asgi.Endpoint(suspending(), router), token().encode()).status == 204
    assert done == ["invoice.paid"]


@pytest.mark.parametrize("failure", [ConnectionError, ValueError, TimeoutError])
def test_store_that_fails_in_its_own_way_is_answered_503_and_runs_no_handler(
    door: Door, failure: type[Exception]
) -> None:
    stage: Stage = door.open(cache=CountingCache(failure=failure("redis-7")))
    answer = door.post(token())
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert stage.handled == []


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_handler_that_asks_for_plain_json_gets_it(kind: str) -> None:
    seen: list[JSONValue] = []
    router = Router()

    @router.on("invoice.paid")
    def plain(message: Message[JSONValue]) -> None:
        seen.append(message.data)

    app: Any = asgi.Endpoint(suspending(), router) if kind == "asgi" else wsgi.Endpoint(blocking(), router)
    assert call(kind, app, token(msg={"data": [1, None, {"a": "b"}]}).encode()).status == 204
    assert seen == [[1, None, {"a": "b"}]]
