"""Bound requests through the middleware for aiohttp servers."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from signedmsg import Issuer, JWKSet, KeyDirectory
from signedmsg.aiohttp import CALL, signed_calls

from . import raw
from .call_matrix import (
    CASES,
    CLIENT_IDS,
    CLIENTS,
    CROOKED,
    FORM,
    ISSUER,
    JSON,
    KEY,
    ORDER,
    ORIGIN,
    REFUSALS,
    CallStage,
    Case,
    Refusal,
    Request,
    bearing,
    check_accepted,
    exchange,
    get,
    mint,
    send,
    try_refusal,
)
from .call_servers import ANSWERS, REQUIRING

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from .call_matrix import Reply


def build(
    stage: CallStage, *outside: Any, options: dict[str, Any] | None = None, **app_options: Any
) -> web.Application:
    async def echo(request: web.Request) -> web.Response:
        return web.json_response(stage.saw(request[CALL], await request.read()))

    async def fields(request: web.Request) -> web.Response:
        stage.saw(request[CALL], b"")
        posted = await request.post()
        return web.json_response({name: value for name, value in posted.items() if isinstance(value, str)})

    async def public(request: web.Request) -> web.Response:
        return web.Response(text=f"public {CALL in request}")

    verify = signed_calls(stage.receiver, **{"exempt": ["GET /public/*"], **(options or {})})
    app = web.Application(middlewares=[*outside, verify], **app_options)
    sub = web.Application()
    sub.router.add_route("*", "/{path:.*}", echo)
    app.add_subapp("/sub", sub)
    app.router.add_route("*", "/public/{path:.*}", public)
    app.router.add_route("POST", "/v1/fields", fields)
    app.router.add_route("*", "/{path:.*}", echo)
    return app


class Served:
    """An event loop in a thread; `open` serves a new application at a port of its own."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._runner: web.AppRunner | None = None
        self.port = 0

    def _do(self, work: Coroutine[Any, Any, object]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def open(self, **options: Any) -> CallStage:
        stage = CallStage("async", **options)
        self.serve(lambda: build(stage))
        return stage

    def serve(self, make: Callable[[], web.Application], **options: Any) -> None:
        self._do(self._serve(make, options))

    async def _serve(self, make: Callable[[], web.Application], options: dict[str, Any]) -> None:
        await self._close()
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = listener.getsockname()[1]
        self._runner = web.AppRunner(make(), access_log=None, shutdown_timeout=1, lingering_time=0.1, **options)
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()

    async def _close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def close(self) -> None:
        self._do(self._close())

    def exchange(self, request: Request) -> Reply:
        return exchange(self.port, request)


@contextlib.contextmanager
def running_loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.fixture(scope="module")
def door() -> Iterator[Served]:
    with running_loop() as loop:
        served = Served(loop)
        yield served
        served.close()


@pytest.mark.parametrize(("library", "mode"), CLIENTS, ids=CLIENT_IDS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_call_of_a_real_client_reaches_its_handler(door: Served, case: Case, library: str, mode: str) -> None:
    stage = door.open()
    check_accepted(stage, case, send(door.port, case, library, mode))


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_call_that_is_not_as_signed_is_refused_and_its_handler_does_not_run(door: Served, refusal: Refusal) -> None:
    stage = door.open(**refusal.options())
    try_refusal(door.port, stage, refusal)


def test_request_whose_method_a_field_overrides_is_not_exempt(door: Served) -> None:
    stage = door.open()
    for name in ("X-HTTP-Method-Override", "X-HTTP-METHOD", "x-method-override"):
        assert door.exchange(Request("GET", "/public/x", ((name, "DELETE"),), b"")).status == 401
    assert stage.handled == []


@pytest.mark.parametrize("target", CROOKED.values(), ids=CROOKED)
@pytest.mark.parametrize("signed", [True, False], ids=["signed", "unsigned"])
def test_crooked_path_is_refused_and_never_exempt(door: Served, target: str, signed: bool) -> None:
    stage = door.open()
    reply = door.exchange(get(target) if signed else Request("GET", target, body=b""))
    assert 400 <= reply.status < 500
    assert (stage.handled, b"public" in reply.body) == ([], False)


@pytest.mark.parametrize("name", ["form", "multipart"])
def test_fields_of_a_form_can_still_be_parsed(door: Served, name: str) -> None:
    door.open()
    case = CASES[name]._replace(target="/v1/fields")
    assert send(door.port, case).json() == FORM


def test_middleware_outside_may_have_read_the_body(door: Served) -> None:
    @web.middleware
    async def reads(request: web.Request, handler: Any) -> web.StreamResponse:
        assert await request.read() == ORDER
        answer: web.StreamResponse = await handler(request)
        answer.headers["x-issuer"] = request[CALL].issuer
        return answer

    stage = CallStage("async")
    door.serve(lambda: build(stage, reads))
    reply = door.exchange(bearing(mint()))
    assert (reply.status, reply.headers["x-issuer"], reply.json()["same_body"]) == (200, ISSUER, True)


def head(token: str, *fields: str) -> bytes:
    lines = [
        "POST /v1/orders HTTP/1.1",
        "Host: shop.example",
        f"Authorization: Bearer {token}",
        f"Content-Type: {JSON}",
    ]
    return "\r\n".join([*lines, *fields, "Connection: close", "", ""]).encode()


def test_refusal_comes_before_the_body(door: Served) -> None:
    door.open()
    answer = raw.exchange(door.port, head(mint(target="/v1/other"), "Content-Length: 1000"))
    assert (answer.status, b'"binding"' in answer.body) == (401, True)


def test_body_that_says_it_is_too_large_is_refused_before_it_is_sent(door: Served) -> None:
    door.open(max_body=1024)
    assert raw.exchange(door.port, head(mint(), "Content-Length: 1025")).status == 413


def test_body_in_chunks_is_refused_at_the_cap_though_it_never_ends(door: Served) -> None:
    door.open(max_body=1024)
    beginning = head(mint(), "Transfer-Encoding: chunked") + b"400\r\n" + b"A" * 1024 + b"\r\n1\r\nA\r\n"
    assert raw.exchange(door.port, beginning).status == 413


def test_cap_is_the_one_of_the_receiver_where_aiohttp_has_none(door: Served) -> None:
    stage, body = CallStage("async", max_body=3 * 2**20), bytes(2 * 2**20)
    door.serve(lambda: build(stage, client_max_size=0))
    replies = [
        door.exchange(bearing(mint(body=each, content_type="image/png"), content_type="image/png", body=each))
        for each in (body, body * 2)
    ]
    assert ([reply.status for reply in replies], len(stage.handled)) == ([200, 413], 1)


def test_body_in_chunks_where_none_was_signed_is_refused(door: Served) -> None:
    stage = door.open()
    chunked = head(mint(body=b""), "Transfer-Encoding: chunked") + b"1\r\nA\r\n"
    assert raw.exchange(door.port, chunked).status == 401
    assert stage.handled == []


@pytest.mark.parametrize("end", [b"", b"\r\n1"])
def test_client_that_hangs_up_has_not_used_up_its_token(door: Served, end: bytes) -> None:
    stage, token = door.open(), mint()
    if end:
        chunk = b"%x\r\n%b" % (len(ORDER), ORDER)
        raw.abort(door.port, head(token, "Transfer-Encoding: chunked") + chunk + end)
    else:
        raw.abort(door.port, bearing(token).octets()[:-1])
    assert door.exchange(bearing(token)).status == 200
    assert len(stage.handled) == 1


def test_error_of_the_application_stays_its_own(door: Served) -> None:
    async def crash(request: web.Request) -> web.Response:
        raise web.HTTPConflict(text=f"of {request[CALL].issuer}")

    def make() -> web.Application:
        app = web.Application(middlewares=[signed_calls(CallStage("async").receiver)])
        app.router.add_get("/v1/crash", crash)
        return app

    door.serve(make)
    reply = door.exchange(get("/v1/crash"))
    assert (reply.status, reply.body) == (409, f"of {ISSUER}".encode())
    assert door.exchange(get("/v1/none")).status == 404
    assert door.exchange(Request("GET", "/v1/none", body=b"")).status == 401


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD"])
def test_no_method_is_exempt_by_itself(door: Served, method: str) -> None:
    stage = door.open()
    assert door.exchange(Request(method, "/v1/orders", body=b"")).status == 401
    assert stage.handled == []


def test_only_what_a_pattern_names_is_exempt(door: Served) -> None:
    door.open()
    assert door.exchange(Request("GET", "/public/x?a=1", body=b"")).body == b"public False"
    assert door.exchange(Request("POST", "/public/x", body=b"")).status == 401
    assert door.exchange(Request("GET", "/public/a%2Fb", body=b"")).status == 401


def test_preflight_is_exempt_where_that_is_said(door: Served) -> None:
    stage = CallStage("async")
    door.serve(lambda: build(stage, options={"exempt": ["OPTIONS /public/*"]}))
    assert door.exchange(Request("OPTIONS", "/public/x", body=b"")).status == 200
    assert door.exchange(Request("GET", "/public/x", body=b"")).status == 401


def test_opening_request_of_a_websocket_is_verified(door: Served) -> None:
    stage = CallStage("async")

    async def live(request: web.Request) -> web.StreamResponse:
        stage.saw(request[CALL], b"")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        return socket

    def make() -> web.Application:
        app = web.Application(middlewares=[signed_calls(stage.receiver)])
        app.router.add_get("/v1/live", live)
        return app

    door.serve(make)
    fields = (
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    )
    assert door.exchange(Request("GET", "/v1/live", fields, b"")).status == 401
    assert stage.handled == []


def test_target_in_absolute_form_is_refused(door: Served) -> None:
    stage = door.open()
    reply = door.exchange(get("http://evil.example/v1/reports", signed_for="/v1/reports"))
    assert (400 <= reply.status < 500, stage.handled) == (True, [])


@pytest.mark.parametrize(("decompress", "status"), [(True, 401), (False, 200)])
def test_content_coding_that_aiohttp_takes_off_is_refused(door: Served, decompress: bool, status: int) -> None:
    stage, body = CallStage("async"), gzip.compress(ORDER, mtime=0)
    door.serve(lambda: build(stage), auto_decompress=decompress)
    token = mint(body=body, http={"content-encoding": "gzip"})
    assert door.exchange(bearing(token, ("Content-Encoding", "gzip"), body=body)).status == status
    assert len(stage.handled) == (status == 200)


def test_each_of_two_audiences_on_one_server_takes_only_its_own_calls(door: Served) -> None:
    other = "https://other.example"
    shop, theirs = CallStage("async"), CallStage("async", audience=other, directory=ANYTHING)

    def make() -> web.Application:
        app = web.Application()
        app.add_subapp("/v1", build(shop))
        app.add_subapp("/other", build(theirs))
        return app

    door.serve(make)
    assert door.exchange(get("/v1/a")).status == 200
    assert door.exchange(get("/other/a", origin=other)).status == 200
    assert door.exchange(get("/other/a")).json()["code"] == "audience"
    assert door.exchange(get("/v1/a", origin=other)).json()["code"] == "audience"
    assert (len(shop.handled), len(theirs.handled)) == (1, 1)


ANYTHING = KeyDirectory(Issuer(ISSUER, allow=["*"], keys=JWKSet(KEY.public)))


def test_proxy_that_strips_a_prefix_is_understood(door: Served) -> None:
    stage = CallStage("async", external_url=f"{ORIGIN}/shop", directory=ANYTHING)
    door.serve(lambda: build(stage))
    request = get("/v1/reports", signed_for="/shop/v1/reports")
    assert door.exchange(request).status == 200


def test_blocking_receiver_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="AsyncReceiver"):
        signed_calls(CallStage("blocking").receiver)


def test_receiver_that_knows_no_origin_is_refused_when_the_middleware_is_made() -> None:
    with pytest.raises(ValueError, match="external_url"):
        signed_calls(CallStage("async", audience="urn:shop").receiver)


def test_exemption_that_is_no_pattern_is_refused() -> None:
    with pytest.raises(ValueError, match="exempt"):
        signed_calls(CallStage("async").receiver, exempt=["/health"])


@pytest.mark.parametrize("name", ["GET", "HEAD", "JSON", "mounted"])
def test_client_that_requires_signed_answers_gets_one(door: Served, name: str) -> None:
    stage = CallStage("async")
    door.serve(lambda: build(stage, options={"answers": ANSWERS}))
    check_accepted(stage, CASES[name], send(door.port, CASES[name], **REQUIRING))


def answering(handler: Any) -> web.Application:
    app = web.Application(middlewares=[signed_calls(CallStage("async").receiver, answers=ANSWERS)])
    app.router.add_route("*", "/v1/reports", handler)
    return app


def raised() -> web.Response:
    raise web.HTTPConflict(text="taken")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (web.Response, 200),
        (lambda: web.Response(status=204), 204),
        (lambda: web.Response(body=b"x", headers={"SignedMsg-Response": "forged"}), 200),
        (lambda: web.Response(text="ü"), 200),
        (raised, 409),
    ],
    ids=["empty", "no content", "bytes", "text", "raised"],
)
def test_whatever_a_handler_answers_is_signed_as_it_is_sent(
    door: Served, answer: Callable[[], web.Response], status: int, method: str
) -> None:
    async def handler(request: web.Request) -> web.Response:
        return answer()

    door.serve(lambda: answering(handler))
    assert send(door.port, Case(method, "/v1/reports", {}), **REQUIRING).status == status


def test_answer_that_is_streamed_or_compressed_goes_out_unsigned(door: Served) -> None:
    async def streamed(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x")
        return response

    async def compressed(request: web.Request) -> web.StreamResponse:
        response = web.Response(body=b"x")
        response.enable_compression(web.ContentCoding.gzip)
        return response

    async def coded(request: web.Request) -> web.StreamResponse:
        return web.Response(body=gzip.compress(b"x"), headers={"Content-Encoding": "gzip"})

    for handler in (streamed, compressed, coded):
        door.serve(lambda handler=handler: answering(handler))  # type: ignore[misc]
        reply = door.exchange(get("/v1/reports"))
        assert (reply.status, "signedmsg-response" in reply.headers) == (200, False)


def test_refusal_is_not_signed(door: Served) -> None:
    stage = CallStage("async")
    door.serve(lambda: build(stage, options={"answers": ANSWERS}))
    assert "signedmsg-response" not in door.exchange(bearing(mint("PUT"))).headers
