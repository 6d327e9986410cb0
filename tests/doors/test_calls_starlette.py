"""Bound requests through the middleware for Starlette and plain ASGI: what passes, what is refused, what is left."""

from __future__ import annotations

import gzip
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from signedmsg import Issuer, JWKSet, KeyDirectory, MalformedTokenError
from signedmsg.observe import log_event
from signedmsg.signed_answers import AsyncAnswerSigner
from signedmsg.starlette import SignedAnswers, SignedCalls, current_call

from . import raw
from .call_asgi import run, scope_of, served
from .call_matrix import (
    CASES,
    CLIENT_IDS,
    CLIENTS,
    CROOKED,
    ISSUER,
    JSON,
    KEY,
    NOW,
    ORDER,
    ORIGIN,
    REFUSALS,
    CallStage,
    Case,
    Refusal,
    Request,
    bearing,
    check_accepted,
    get,
    mint,
    send,
    try_refusal,
)
from .call_servers import ANSWERS, REQUIRING, SHOP, SHOP_KEY, Site, running
from .straight import ASGICall

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.requests import Request as StarletteRequest
    from starlette.responses import Response

    from .call_asgi import Served

METHODS = ["GET", "POST", "PUT", "DELETE", "OPTIONS"]


def build(stage: CallStage, *outside: Any, **options: Any) -> Any:
    async def echo(request: StarletteRequest) -> Response:
        return JSONResponse(stage.saw(current_call(request), await request.body()))

    async def public(request: StarletteRequest) -> Response:
        return PlainTextResponse("public")

    async def crash(request: StarletteRequest) -> Response:
        raise LookupError("hunter2")

    routes = [
        Route("/v1/crash", crash, methods=["POST"]),
        Mount("/sub", routes=[Route("/{path:path}", echo, methods=METHODS)]),
        Route("/v1/{path:path}", echo, methods=METHODS),
        Route("/public/{path:path}", public, methods=["GET"]),
        Route("/admin/{path:path}", echo, methods=METHODS),
        Route("/{path:path}", echo, methods=METHODS),
    ]
    options = {"exempt": ["GET /public/*"], **options}
    return Starlette(routes=routes, middleware=[*outside, Middleware(SignedCalls, stage.receiver, **options)])


@pytest.fixture(scope="module")
def door() -> Iterator[Served]:
    with served(build) as running:
        yield running


@pytest.mark.parametrize(("library", "mode"), CLIENTS, ids=CLIENT_IDS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_call_of_a_real_client_reaches_its_handler(door: Served, case: Case, library: str, mode: str) -> None:
    stage = door.open()
    check_accepted(stage, case, send(door.port, case, library, mode))


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_call_that_is_not_as_signed_is_refused_and_its_handler_does_not_run(door: Served, refusal: Refusal) -> None:
    try_refusal(door.port, door.open(**refusal.options()), refusal)


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


class App:
    """A plain ASGI application that records the scopes it was given and the events of the last one."""

    def __init__(self) -> None:
        self.scopes: list[Any] = []
        self.events: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        if scope["type"] == "http":
            self.events = [await receive(), await receive()]
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})


def guard(stage: CallStage, app: Any = None, **options: Any) -> SignedCalls:
    return SignedCalls(app or App(), stage.receiver, **options)


def test_plain_application_gets_the_call_the_body_and_then_what_comes() -> None:
    app = App()
    request = bearing(mint())
    half = len(ORDER) // 2
    pieces = (
        {"type": "http.request", "body": ORDER[:half], "more_body": True},
        {"type": "http.request", "body": ORDER[half:]},
    )
    assert run(guard(CallStage("async"), app), request, *pieces).answer.status == 204
    assert app.events == [{"type": "http.request", "body": ORDER, "more_body": False}, {"type": "http.disconnect"}]
    assert app.scopes[0]["state"]["signedmsg_call"].body == ORDER


def test_body_is_not_read_before_the_token_is_verified() -> None:
    call = run(guard(CallStage("async")), bearing(mint(target="/v1/other")))
    assert (call.answer.code, call.received) == ("binding", 0)


def test_body_that_says_it_is_too_large_is_not_read() -> None:
    request = bearing(mint(), ("Content-Length", "4096"))
    call = run(guard(CallStage("async", max_body=1024)), request)
    assert (call.answer.status, call.received) == (413, 0)


def test_body_in_pieces_is_read_no_further_than_the_cap() -> None:
    pieces = [{"type": "http.request", "body": b"A" * 512, "more_body": True}] * 100
    call = run(guard(CallStage("async", max_body=1024)), bearing(mint()), *pieces)
    assert (call.answer.status, call.received) == (413, 3)


def test_body_where_none_was_signed_is_read_no_further_than_its_first_piece() -> None:
    pieces = [{"type": "http.request", "body": b"A", "more_body": True}] * 100
    call = run(guard(CallStage("async")), get("/v1/reports"), *pieces)
    assert (call.answer.code, call.received) == ("binding", 1)


def test_client_that_hangs_up_gets_no_answer_and_leaves_no_trace() -> None:
    stage, app, request = CallStage("async"), App(), bearing(mint())
    call = run(guard(stage, app), request, {"type": "http.request", "body": ORDER, "more_body": True})
    assert (call.sent, app.scopes, stage.cache.calls) == ([], [], 0)
    assert run(guard(stage, app), request).answer.status == 204


def test_real_client_that_hangs_up_has_not_used_up_its_token(door: Served) -> None:
    stage, request = door.open(), bearing(mint())
    raw.abort(door.port, request.octets()[:-1])
    assert door.exchange(request).status == 200
    assert len(stage.handled) == 1


def test_error_of_the_application_passes_through() -> None:
    async def crash(scope: Any, receive: Any, send: Any) -> None:
        raise LookupError("of the application")

    with pytest.raises(LookupError, match="of the application"):
        run(guard(CallStage("async"), crash), bearing(mint()))


def test_error_of_the_package_that_the_application_raises_is_no_refusal_of_its_caller() -> None:
    async def crash(scope: Any, receive: Any, send: Any) -> None:
        await CallStage("async").receiver.verify("junk")

    with pytest.raises(MalformedTokenError):
        run(guard(CallStage("async"), crash), bearing(mint()))


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "TRACE"])
def test_no_method_is_exempt_by_itself(method: str) -> None:
    app = App()
    call = run(guard(CallStage("async"), app), Request(method, "/v1/orders", body=b""))
    assert (call.answer.status, app.scopes) == (401, [])


def test_head_is_refused_without_a_body_and_with_the_length_of_the_one_a_get_would_have() -> None:
    head, other = (run(guard(CallStage("async")), Request(method, body=b"")).answer for method in ("HEAD", "GET"))
    assert (head.status, head.body) == (401, b"")
    assert head.headers == other.headers


@pytest.mark.parametrize(
    ("pattern", "method", "target", "passes"),
    [
        ("OPTIONS /*", "OPTIONS", "/v1/orders", True),
        ("OPTIONS /*", "GET", "/v1/orders", False),
        ("GET /health", "GET", "/health", True),
        ("GET /health", "GET", "/health?verbose=1", True),
        ("GET /health", "GET", "/health/", False),
        ("GET /health", "GET", "/Health", False),
        ("GET /health", "POST", "/health", False),
        ("* /public/*", "PUT", "/public/a/b", True),
        ("* /public/*", "GET", "/public", False),
        ("* /public/*", "GET", "/publicly", False),
        ("GET /caf%C3%A9", "GET", "/caf%c3%a9", True),
        ("* /public/*", "GET", "/public/a%2Fb", False),
        ("* /public/*", "GET", "/public/../v1/orders", False),
        ("* /public/*", "GET", "/public/%2E%2e/v1/orders", False),
        ("* /public/*", "GET", "/public//v1/orders", False),
    ],
)
def test_only_what_a_pattern_names_is_exempt(pattern: str, method: str, target: str, passes: bool) -> None:
    app = App()
    path = unquote(target.partition("?")[0])
    run(guard(CallStage("async"), app, exempt=[pattern]), Request(method, target, body=b""), path=path)
    assert bool(app.scopes) is passes


def test_exempt_request_has_no_call_even_where_requests_share_a_state() -> None:
    app, state = App(), dict[str, Any]()
    door = guard(CallStage("async"), app, exempt=["GET /health"])
    run(door, bearing(mint()), state=state)
    run(door, Request("GET", "/health", body=b""), state=state)
    assert state["signedmsg_call"] is None
    with pytest.raises(LookupError, match="exempt"):
        current_call(Connection(app.scopes[1]))
    assert current_call(Connection(app.scopes[0])).body == ORDER


class Connection:
    def __init__(self, scope: Any) -> None:
        self.scope = scope


def test_websocket_is_closed_with_a_policy_violation() -> None:
    app, call = App(), ASGICall({"type": "websocket.connect"})
    scope = {**scope_of(Request("GET", "/live")), "type": "websocket"}
    call.run(guard(CallStage("async"), app, exempt=["GET /live"]), scope)
    assert (call.sent, app.scopes) == ([{"type": "websocket.close", "code": 1008}], [])


def test_exempt_websocket_passes() -> None:
    app, scope = App(), scope_of(Request("GET", "/live"))
    del scope["method"]
    ASGICall().run(guard(CallStage("async"), app, exempt=["WEBSOCKET /live"]), {**scope, "type": "websocket"})
    assert len(app.scopes) == 1


def test_lifespan_passes_through() -> None:
    app = App()
    ASGICall().run(guard(CallStage("async"), app), {"type": "lifespan"})
    assert app.scopes == [{"type": "lifespan"}]


def test_scope_of_an_unknown_type_passes_nothing_through() -> None:
    app = App()
    with pytest.raises(ValueError, match="lambda"):
        ASGICall().run(guard(CallStage("async"), app), {"type": "lambda"})
    assert app.scopes == []


def test_blocking_receiver_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="AsyncReceiver"):
        guard(CallStage("blocking"))


def test_receiver_that_knows_no_origin_is_refused_when_the_application_is_built() -> None:
    with pytest.raises(ValueError, match="external_url"):
        guard(CallStage("async", audience="urn:shop"))


def test_method_of_the_name_websocket_is_not_exempt_as_one() -> None:
    guarded = guard(CallStage("async"), exempt=["WEBSOCKET /v1/*"])
    assert run(guarded, Request("WEBSOCKET", "/v1/live", body=b"")).answer.status == 401


@pytest.mark.parametrize(
    "pattern", ["*", "/health", "health", "GET health", "get /health", "GET /a/../b", "GET /*/x", 5]
)
def test_exemption_that_is_no_pattern_is_refused(pattern: Any) -> None:
    with pytest.raises(ValueError, match="exempt"):
        guard(CallStage("async"), exempt=[pattern])


def test_exemptions_in_one_str_are_refused() -> None:
    with pytest.raises(TypeError, match=r'\["GET /health"\]'):
        guard(CallStage("async"), exempt="GET /health")


def test_server_that_gives_no_raw_path_is_understood() -> None:
    request = get("/v1/caf%C3%A9?x=%7e")
    assert run(guard(CallStage("async")), request, raw_path=None, path="/v1/café").answer.status == 204


def test_escaped_slash_is_refused_where_only_decoded_octets_are_known() -> None:
    request = get("/v1/a%2Fb")
    assert run(guard(CallStage("async")), request, path="/v1/a/b").answer.status == 204
    assert run(guard(CallStage("async")), get("/v1/a%2Fb"), raw_path=None, path="/v1/a/b").answer.status == 401


def test_path_that_other_middleware_rewrote_is_refused() -> None:
    app = App()
    call = run(guard(CallStage("async"), app, exempt=["GET /public/*"]), get("/v1/reports"), path="/v1/orders")
    assert (call.answer.code, app.scopes) == ("binding", [])
    run(guard(CallStage("async"), app, exempt=["GET /v1/*"]), Request("GET", "/public/x", body=b""), path="/v1/orders")
    assert app.scopes == []


@pytest.mark.parametrize(
    ("external", "root", "raw_path", "path"),
    [
        # A proxy strips /shop, and uvicorn --root-path puts it back in front of both.
        (ORIGIN, "/shop", b"/shop/v1/reports", "/shop/v1/reports"),
        # A proxy strips it, and hypercorn --root-path leaves both as they came.
        (f"{ORIGIN}/shop", "/shop", b"/v1/reports", "/v1/reports"),
        # The same with a raw path as it came and a path in front of which the root stands, as ASGI says.
        (f"{ORIGIN}/shop", "/shop", b"/v1/reports", "/shop/v1/reports"),
        # Nobody strips it, and what mounts this application cuts it off the path.
        (ORIGIN, "/shop", b"/shop/v1/reports", "/v1/reports"),
    ],
)
def test_root_path_is_understood(external: str, root: str, raw_path: bytes, path: str) -> None:
    stage = CallStage("async", external_url=external, directory=ANYTHING)
    request = get("/shop/v1/reports")
    assert run(guard(stage), request, root_path=root, raw_path=raw_path, path=path).answer.status == 204


ANYTHING = KeyDirectory(Issuer(ISSUER, allow=["*"], keys=JWKSet(KEY.public)))


def test_each_of_two_audiences_on_one_server_takes_only_its_own_calls(door: Served) -> None:
    other = "https://other.example"
    shop, theirs = CallStage("async"), CallStage("async", audience=other, directory=ANYTHING)
    door.serve(Starlette(routes=[Mount("/v1", build(shop)), Mount("/other", build(theirs, exempt=["GET /public/*"]))]))
    assert door.exchange(get("/v1/a")).status == 200
    assert door.exchange(get("/other/a", origin=other)).status == 200
    assert door.exchange(get("/other/a")).json()["code"] == "audience"
    assert door.exchange(get("/v1/a", origin=other)).json()["code"] == "audience"
    assert door.exchange(Request("GET", "/other/public/x", body=b"")).body == b"public"
    assert (len(shop.handled), len(theirs.handled)) == (1, 1)


def test_middleware_outside_may_have_read_the_body(door: Served) -> None:
    class Reads(BaseHTTPMiddleware):
        async def dispatch(self, request: StarletteRequest, call_next: Any) -> Response:
            assert await request.body() == ORDER
            answer: Response = await call_next(request)
            answer.headers["x-issuer"] = request.state.signedmsg_call.issuer
            return answer

    stage = CallStage("async")
    door.serve(build(stage, Middleware(Reads)))
    reply = door.exchange(bearing(mint()))
    assert (reply.status, reply.headers["x-issuer"]) == (200, ISSUER)


def test_other_scheme_is_taken_and_named_in_the_challenge(door: Served) -> None:
    door.open(scheme="SignedMsg")
    good = Request(headers=(("Authorization", f"signedmsg {mint()}"), ("Content-Type", JSON)))
    assert door.exchange(good).status == 200
    refused = door.exchange(bearing(mint()))
    assert (refused.status, refused.headers["www-authenticate"]) == (401, "SignedMsg")


def test_test_client_of_the_framework_works() -> None:
    stage = CallStage("async")
    token = mint(target="/v1/a%20b?x=1")
    with TestClient(build(stage), base_url="http://anything.example") as client:
        headers = {"authorization": f"Bearer {token}", "content-type": JSON}
        assert client.post("/v1/a%20b?x=1", content=ORDER, headers=headers).status_code == 200
    assert [call.target for call in stage.handled] == ["/v1/a%20b?x=1"]


@pytest.mark.parametrize(("library", "mode"), CLIENTS, ids=CLIENT_IDS)
@pytest.mark.parametrize("name", ["GET", "HEAD", "JSON", "1 MiB", "mounted"])
def test_client_that_requires_signed_answers_gets_one(door: Served, name: str, library: str, mode: str) -> None:
    stage = CallStage("async")
    door.serve(build(stage, answers=ANSWERS))
    check_accepted(stage, CASES[name], send(door.port, CASES[name], library, mode, **REQUIRING))


class Answers:
    """An application that answers with these events."""

    def __init__(self, *bodies: bytes, status: int = 200, headers: Any = ((b"content-type", b"text/plain"),)) -> None:
        self.start = {"type": "http.response.start", "status": status, "headers": list(headers)}
        self.bodies = bodies

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send(self.start)
        for body in self.bodies:
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


@pytest.mark.parametrize(
    "app",
    [
        Answers(),
        Answers(b"a", b"", b"b"),
        Answers(status=204, headers=()),
        Answers(b"no", status=500, headers=[(b"SignedMsg-Response", b"forged"), (b"Content-Type", b"a/b;c=d")]),
    ],
)
def test_whatever_the_application_answers_is_signed_as_it_is_sent(door: Served, app: Answers) -> None:
    door.serve(guard(CallStage("async"), app, answers=ANSWERS))
    reply = send(door.port, CASES["JSON"], **REQUIRING)
    assert (reply.status, reply.body) == (app.start["status"], b"".join(app.bodies))


def fields_of(call: ASGICall) -> list[bytes]:
    return [name for name, _ in call.sent[0]["headers"]]


def test_answer_beyond_the_cap_goes_out_whole_and_unsigned(caplog: pytest.LogCaptureFixture) -> None:
    piece = bytes(2**20)
    call = run(guard(CallStage("async"), Answers(*[piece] * 10), answers=ANSWERS), bearing(mint()))
    assert (len(call.answer.body), call.sent[-1].get("more_body", False)) == (10 * 2**20, False)
    assert b"signedmsg-response" not in fields_of(call)
    assert "could not be signed: it is larger" in caplog.text


@pytest.mark.parametrize("signed", [True, False])
def test_answer_that_cannot_be_signed_goes_out_unsigned(signed: bool, caplog: pytest.LogCaptureFixture) -> None:
    two = [(b"content-type", b"a/b")] * (1 if signed else 2)
    call = run(guard(CallStage("async"), Answers(b"x", headers=two), answers=ANSWERS), bearing(mint()))
    assert (call.answer.status, call.answer.body) == (200, b"x")
    assert (b"signedmsg-response" in fields_of(call)) is signed
    assert ("more than one Content-Type" in caplog.text) is not signed


def test_signer_that_suspends_is_awaited(door: Served) -> None:
    class Remote:
        alg, kid, public = SHOP_KEY.alg, SHOP_KEY.kid, SHOP_KEY.public

        async def sign(self, signing_input: bytes) -> bytes:
            return SHOP_KEY.sign(signing_input)

    answers = AsyncAnswerSigner(SHOP, Remote(), clock=lambda: NOW)
    door.serve(build(CallStage("async"), answers=answers))
    assert send(door.port, CASES["JSON"], **REQUIRING).status == 200


def test_refusals_and_exempt_answers_are_not_signed() -> None:
    door = guard(CallStage("async"), Answers(b"x"), answers=ANSWERS, exempt=["GET /health"])
    for request in (bearing(mint("PUT")), Request("GET", "/health", body=b"")):
        assert b"signedmsg-response" not in fields_of(run(door, request))


def test_answer_that_names_a_file_is_read_here_so_that_it_can_be_signed(tmp_path: Path) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["extensions"])

    extensions = {"http.response.pathsend": {}, "tls": {}}
    run(guard(CallStage("async"), app, answers=ANSWERS), bearing(mint()), extensions=extensions)
    assert seen == [{"tls": {}}]


def test_event_that_is_no_body_ends_the_waiting() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await send({"type": "http.response.pathsend", "path": "/etc/motd"})

    call = run(guard(CallStage("async"), app, answers=ANSWERS), bearing(mint()))
    kinds = [event["type"].removeprefix("http.response.") for event in call.sent]
    assert (kinds, call.sent[1]["body"]) == (["start", "body", "pathsend"], b"a")


def test_error_after_the_answer_began_leaves_nothing_sent() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise LookupError("of the application")

    call = ASGICall({"type": "http.request", "body": ORDER})
    with pytest.raises(LookupError):
        call.run(guard(CallStage("async"), app, answers=ANSWERS), scope_of(bearing(mint())))
    assert call.sent == []


@pytest.mark.parametrize("answers", [SHOP_KEY, "https://shop.example"])
def test_signer_of_answers_that_is_none_is_a_type_error(answers: Any) -> None:
    with pytest.raises(TypeError, match="answers"):
        guard(CallStage("async"), answers=answers)


def test_middleware_for_answers_needs_a_signer() -> None:
    with pytest.raises(TypeError, match="answers"):
        SignedAnswers(App(), None)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def trio_server() -> Iterator[Site]:
    yield from running("hypercorn-trio")


@pytest.mark.parametrize("name", ["JSON", "1 MiB", "unicode path", "unusual query", "mounted"])
def test_another_server_on_trio_serves_as_well(trio_server: Site, name: str) -> None:
    stage = CallStage("async")
    trio_server.serve(build(stage, answers=ANSWERS))
    check_accepted(stage, CASES[name], send(trio_server.port, CASES[name], **REQUIRING))


@pytest.mark.parametrize("name", ["one body byte", "too large", "query added", "store down"])
def test_another_server_on_trio_refuses_as_well(trio_server: Site, name: str) -> None:
    stage = CallStage("async", **REFUSALS[name].options())
    trio_server.serve(build(stage))
    try_refusal(trio_server.port, stage, REFUSALS[name])


def test_headers_that_can_be_gone_through_once_reach_the_application() -> None:
    app, request = App(), bearing(mint())
    scope = scope_of(request)
    run(guard(CallStage("async"), app), request, headers=iter(scope["headers"]))
    assert list(app.scopes[0]["headers"]) == scope["headers"]


def test_of_many_copies_at_once_one_is_served(door: Served) -> None:
    stage, request = door.open(), bearing(mint())
    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(reply.status for reply in pool.map(door.exchange, [request] * 8))
    assert (statuses, len(stage.handled)) == ([200, *[409] * 7], 1)


def test_answer_that_is_compressed_inside_goes_out_unsigned(caplog: pytest.LogCaptureFixture) -> None:
    inside = GZipMiddleware(Answers(b"x" * 4096), minimum_size=1)
    call = run(guard(CallStage("async"), inside, answers=ANSWERS), bearing(mint(), ("Accept-Encoding", "gzip")))
    assert gzip.decompress(call.answer.body) == b"x" * 4096
    assert (b"signedmsg-response" in fields_of(call), "content coding" in caplog.text) == (False, True)


def test_client_that_requires_signed_answers_asks_for_uncompressed_ones(door: Served) -> None:
    inside = GZipMiddleware(Answers(b"x" * 4096), minimum_size=1)
    door.serve(guard(CallStage("async"), inside, answers=ANSWERS))
    assert send(door.port, CASES["GET"], **REQUIRING).body == b"x" * 4096


def test_nothing_of_a_body_or_a_token_is_logged(door: Served, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "signedmsg")
    door.serve(build(CallStage("async", observe=log_event)))
    for request in (bearing(mint()), bearing(mint(), body=ORDER + b" "), bearing(mint("PUT"))):
        door.exchange(request)
    assert "binding" in caplog.text
    assert [word for word in ("hunter2", "secret-jti", "eyJ") if word in caplog.text] == []
