"""One application per framework, with one view for calls and one inbox, and its own test client in front."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
from pydantic import BaseModel

from signedmsg import AsyncReceiver, Call, Message, Router

if TYPE_CHECKING:
    from collections.abc import Generator

    from signedmsg.testing import Peer, SignedRequest

SHOP = "https://shop.example"
INBOX = f"{SHOP}/inbox"
ALLOW = ["POST /v1/orders", "GET /v1/*", "order.*"]


class Order(BaseModel):
    number: int


class Answer(NamedTuple):
    status: int
    text: str


class Shop:
    """The receivers and the router that each application is built of, and what reached them."""

    def __init__(self, peer: Peer, *, suspends: bool, observe: Any = None) -> None:
        make: Any = peer.async_receiver if suspends else peer.receiver
        self.calls: Any = make(SHOP, allow=ALLOW, observe=observe)
        self.inbox: Any = make(INBOX, allow=ALLOW, observe=observe)
        self.seen: list[Any] = []
        self.router = Router()
        self.router.on("order.placed", Order)(self.place)

    def place(self, message: Message[Order]) -> None:
        self.seen.append(message)

    def saw(self, call: Call[Any]) -> str:
        self.seen.append(call)
        return f"{call.issuer} {call.method} {call.target} {call.data}"


@contextmanager
def starlette(shop: Shop) -> Generator[Any]:
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route
    from starlette.testclient import TestClient

    from signedmsg.asgi import Endpoint
    from signedmsg.starlette import SignedCalls, current_call

    async def view(request: Any) -> Any:
        return PlainTextResponse(shop.saw(current_call(request)))

    app = Starlette(
        routes=[
            Route("/inbox", Endpoint(shop.inbox, shop.router), methods=["POST"]),
            Route("/v1/{rest:path}", view, methods=["GET", "POST"]),
        ],
        middleware=[Middleware(SignedCalls, receiver=shop.calls, exempt=["POST /inbox"])],
    )
    with TestClient(app) as client:
        yield lambda request: of(client.request(**request.for_httpx()))


@contextmanager
def fastapi(shop: Shop) -> Generator[Any]:
    from fastapi import FastAPI, Security
    from fastapi.responses import PlainTextResponse
    from fastapi.testclient import TestClient

    from signedmsg.fastapi import CallRefusal, SignedCall, endpoint, problem

    app = FastAPI()
    app.add_exception_handler(CallRefusal, problem)
    app.add_route("/inbox", endpoint(shop.inbox, shop.router), methods=["POST"])
    verified = Security(SignedCall(shop.calls))

    @app.api_route("/v1/{rest:path}", methods=["GET", "POST"])
    async def view(call: Any = verified) -> Any:
        return PlainTextResponse(shop.saw(call))

    with TestClient(app) as client:
        yield lambda request: of(client.request(**request.for_httpx()))


@contextmanager
def litestar(shop: Shop) -> Generator[Any]:
    from litestar import Litestar, Request, asgi, route
    from litestar.testing import TestClient

    from signedmsg.asgi import Endpoint
    from signedmsg.litestar import SignedCalls

    async def view(request: Any) -> str:
        return shop.saw(request.auth)

    view.__annotations__ = {"request": Request[Any, Any, Any], "return": str}
    handler = route("/v1/{rest:path}", http_method=["GET", "POST"], status_code=200, media_type="text/plain")(view)
    inbox = asgi("/inbox", exclude_from_auth=True, copy_scope=True)(Endpoint(shop.inbox, shop.router))
    app = Litestar([handler, inbox], middleware=[SignedCalls(shop.calls)], logging_config=None)
    with TestClient(app) as client:
        yield lambda request: of(client.request(**request.for_httpx()))


@contextmanager
def flask(shop: Shop) -> Generator[Any]:
    from flask import Flask

    from signedmsg.flask import current_call, signed
    from signedmsg.wsgi import Endpoint

    app = Flask(__name__)

    @app.route("/v1/<path:rest>", methods=["GET", "POST"])
    @signed(shop.calls)
    def view(rest: str) -> str:
        return shop.saw(current_call())

    outer: Any = app.wsgi_app
    inbox: Any = Endpoint(shop.inbox, shop.router)
    app.wsgi_app = lambda environ, start: (inbox if environ["PATH_INFO"] == "/inbox" else outer)(environ, start)  # type: ignore[method-assign]
    with app.test_client() as client:

        def send(request: SignedRequest) -> Answer:
            response = client.open(**request.for_flask())
            return Answer(response.status_code, response.text)

        yield send


@contextmanager
def django(shop: Shop) -> Generator[Any]:
    _route(shop)
    from django.test import Client

    yield lambda request: _of_django(Client().generic(**request.for_django()))


@contextmanager
def async_django(shop: Shop) -> Generator[Any]:
    _route(shop)
    from django.test import AsyncClient

    async def send(request: SignedRequest) -> Any:
        return await AsyncClient().generic(**request.for_django())

    yield lambda request: _of_django(anyio.run(send, request))


def _route(shop: Shop) -> None:
    from django.http import HttpResponse
    from django.urls import re_path

    from signedmsg.django import current_call, endpoint, signed
    from tests.doors import django_site

    def view(request: Any) -> Any:
        return HttpResponse(shop.saw(current_call(request)))

    async def async_view(request: Any) -> Any:
        return HttpResponse(shop.saw(current_call(request)))

    chosen = async_view if isinstance(shop.calls, AsyncReceiver) else view
    inbox = re_path("^inbox$", endpoint(shop.inbox, shop.router))
    django_site.ROUTES[:] = [(inbox, re_path("^", signed(shop.calls)(chosen)))]


def of(response: Any) -> Answer:
    return Answer(response.status_code, response.text)


def _of_django(response: Any) -> Answer:
    return Answer(response.status_code, response.content.decode())


APPS: dict[str, tuple[Any, bool]] = {
    "starlette": (starlette, True),
    "fastapi": (fastapi, True),
    "litestar": (litestar, True),
    "flask": (flask, False),
    "django": (django, False),
    "async-django": (async_django, True),
}
