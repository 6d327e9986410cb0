"""Bound requests through Litestar's middleware, and the guards that ask who made a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import starlette.requests
from litestar import Litestar, Request, Response, Router, WebSocket, asgi, route, websocket
from litestar import get as get_handler
from litestar.exceptions import NotFoundException
from litestar.testing import TestClient
from starlette.responses import JSONResponse

from signedmsg import Call, Issuer, JWKSet, KeyDirectory
from signedmsg.litestar import SignedCalls, require_issuer, require_signed

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
    ORDER,
    ORIGIN,
    PEER,
    REFUSALS,
    CallStage,
    Case,
    Refusal,
    bearing,
    check_accepted,
    get,
    mint,
    send,
    try_refusal,
)
from .call_matrix import Request as Wire
from .call_servers import ANSWERS, REQUIRING
from .straight import ASGICall

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .call_asgi import Served

METHODS: Any = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"]


def build(stage: CallStage, *more: Any, guards: Any = (), **options: Any) -> Litestar:
    @route("/{path:path}", http_method=METHODS, guards=list(guards))
    async def echo(request: Request[str, Call[Any], Any]) -> Response[Any]:
        assert request.user == request.auth.issuer
        report = stage.saw(request.auth, await request.body())
        return Response(None if request.method == "HEAD" else report, status_code=200)

    @asgi("/sub", is_mount=True, copy_scope=True)
    async def sub(scope: Any, receive: Any, send: Any) -> None:
        body = await starlette.requests.Request(scope, receive).body()
        await JSONResponse(stage.saw(scope["auth"], body))(scope, receive, send)

    @route("/public/{path:path}", http_method=METHODS)
    async def public() -> str:
        return "public"

    @route("/open/{path:path}", http_method=METHODS, exclude_from_auth=True)
    async def opened() -> str:
        return "public"

    options = {"exempt": ["GET /public/*"], **options}
    handlers = [Router("/v1", route_handlers=[echo]), sub, public, opened, *more]
    return Litestar(
        handlers, middleware=[SignedCalls(stage.receiver, **options)], openapi_config=None, logging_config=None
    )


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
        assert door.exchange(Wire("GET", "/public/x", ((name, "DELETE"),), b"")).status == 401
    assert stage.handled == []


@pytest.mark.parametrize("target", CROOKED.values(), ids=CROOKED)
@pytest.mark.parametrize("signed", [True, False], ids=["signed", "unsigned"])
def test_crooked_path_is_refused_and_never_exempt(door: Served, target: str, signed: bool) -> None:
    stage = door.open()
    reply = door.exchange(get(target) if signed else Wire("GET", target, body=b""))
    assert 400 <= reply.status < 500
    assert (stage.handled, b"public" in reply.body) == ([], False)


def client_of(app: Litestar, **options: Any) -> TestClient[Litestar]:
    return TestClient(app, base_url="http://anything.example", **options)


def headers(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}", "content-type": JSON}


def test_test_client_of_the_framework_works() -> None:
    stage = CallStage("async")
    with client_of(build(stage)) as client:
        answer = client.post("/v1/a%20b?x=1", content=ORDER, headers=headers(mint(target="/v1/a%20b?x=1")))
    assert (answer.status_code, [call.target for call in stage.handled]) == (200, ["/v1/a%20b?x=1"])


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_handler_that_says_so_is_exempt(door: Served, method: str) -> None:
    stage = door.open()
    assert door.exchange(Wire(method, "/open/x", body=b"")).body == b"public"
    assert door.exchange(Wire(method, "/v1/x", body=b"")).status == 401
    assert stage.cache.calls == 0


def test_only_what_a_pattern_names_is_exempt(door: Served) -> None:
    door.open()
    assert door.exchange(Wire("GET", "/public/x", body=b"")).body == b"public"
    assert door.exchange(Wire("POST", "/public/x", body=b"")).status == 401
    assert door.exchange(Wire("GET", "/public/a%2Fb", body=b"")).status == 401


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD"])
def test_no_method_is_exempt_by_itself(door: Served, method: str) -> None:
    stage = door.open()
    assert door.exchange(Wire(method, "/v1/orders", body=b"")).status == 401
    assert stage.handled == []


def test_body_is_not_read_before_the_token_is_verified() -> None:
    call = run(build(CallStage("async")), bearing(mint(target="/v1/other")))
    assert (call.answer.code, call.received) == ("binding", 0)


def test_body_in_pieces_is_read_no_further_than_the_cap() -> None:
    pieces = [{"type": "http.request", "body": b"A" * 512, "more_body": True}] * 100
    call = run(build(CallStage("async", max_body=1024)), bearing(mint()), *pieces)
    assert (call.answer.status, call.received) == (413, 3)


def test_client_that_hangs_up_gets_no_answer_and_leaves_no_trace() -> None:
    stage, request = CallStage("async"), bearing(mint())
    app = build(stage)
    call = run(app, request, {"type": "http.request", "body": ORDER, "more_body": True})
    assert (call.sent, stage.handled, stage.cache.calls) == ([], [], 0)
    assert run(app, request).answer.status == 200


def test_real_client_that_hangs_up_has_not_used_up_its_token(door: Served) -> None:
    stage, request = door.open(), bearing(mint())
    raw.abort(door.port, request.octets()[:-1])
    assert door.exchange(request).status == 200
    assert len(stage.handled) == 1


def test_websocket_is_closed_with_a_policy_violation_unless_exempt() -> None:
    @websocket("/live")
    async def live(socket: WebSocket[Any, Any, Any]) -> None:
        await socket.accept()
        await socket.close(code=4000)

    def sent(**options: Any) -> list[Any]:
        scope = {**scope_of(Wire("GET", "/live")), "type": "websocket", "subprotocols": []}
        del scope["method"]
        call = ASGICall({"type": "websocket.connect"})
        call.run(build(CallStage("async"), live, **options), scope)
        return [(event["type"], event.get("code")) for event in call.sent]

    assert sent() == [("websocket.close", 1008)]
    assert sent(exempt=["WEBSOCKET /live"]) == [("websocket.accept", None), ("websocket.close", 4000)]


def test_error_of_the_application_stays_its_own(door: Served) -> None:
    @get_handler("/v1/crash")
    async def crash() -> None:
        raise NotFoundException("of the application")

    stage = CallStage("async")
    door.serve(build(stage, crash))
    reply = door.exchange(get("/v1/crash"))
    assert (reply.status, reply.json()["detail"]) == (404, "of the application")


@pytest.mark.parametrize(("issuers", "status"), [((ISSUER,), 200), ((PEER, ISSUER), 200), ((PEER,), 403)])
def test_guard_lets_only_the_issuers_it_names_pass(door: Served, issuers: tuple[str, ...], status: int) -> None:
    stage = CallStage("async")
    door.serve(build(stage, guards=[require_issuer(*issuers)]))
    assert door.exchange(get("/v1/reports")).status == status
    assert len(stage.handled) == (status == 200)


@pytest.mark.parametrize("guard", [require_signed, require_issuer(ISSUER)])
def test_guard_refuses_what_nothing_verified(door: Served, guard: Any) -> None:
    stage = CallStage("async")
    door.serve(build(stage, guards=[guard], exempt=["* /v1/*"]))
    assert door.exchange(get("/v1/reports")).status == 401
    assert stage.handled == []


def test_guard_for_no_issuer_is_refused() -> None:
    with pytest.raises(ValueError, match="require_signed"):
        require_issuer()


def test_path_that_litestar_finds_behind_a_root_path_in_its_middle_is_refused() -> None:
    # Litestar cuts a path at the first place where the root path stands: /v1/shop/public/x is served as /public/x.
    stage = CallStage("async")
    app = build(stage)
    unsigned = run(app, Wire("GET", "/v1/shop/public/x", body=b""), root_path="/shop")
    assert (unsigned.answer.status, b"public" in unsigned.answer.body) == (401, False)
    signed = run(build(stage, exempt=[]), get("/v1/shop/public/x"), root_path="/shop")
    assert signed.answer.code == "binding"


@asgi("/admin", is_mount=True, copy_scope=True)
async def admin(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"admin", "more_body": False})


@pytest.mark.parametrize(("target", "status"), [("/admin/public/x", 401), ("/admin/open", 200), ("/admin", 401)])
def test_exemption_names_a_path_from_the_root_of_the_application_also_below_a_mount(target: str, status: int) -> None:
    app = build(CallStage("async"), admin, exempt=["* /public/*", "GET /admin/open", "GET /"])
    assert run(app, Wire("GET", target, body=b"")).answer.status == status


def test_mount_behind_a_root_path_in_the_middle_of_a_path_takes_no_call_for_that_path() -> None:
    for target in ("/v1/shop/admin/users", "/v1/shop/admin"):
        call = run(build(CallStage("async", directory=ANYTHING), admin, exempt=[]), get(target), root_path="/shop")
        assert call.answer.code == "binding"


def test_mount_whose_path_the_server_lost_takes_no_call_for_what_is_left_of_it() -> None:
    app = build(CallStage("async", directory=ANYTHING), admin, exempt=[])
    for signed_for in ("/users", "/users/"):
        assert run(app, get(signed_for), raw_path=None, path="/admin/users").answer.code == "binding"


@pytest.mark.parametrize(
    ("external", "raw_path", "path"),
    [
        (ORIGIN, b"/shop/v1/reports/", "/shop/v1/reports/"),
        (f"{ORIGIN}/shop", b"/v1/reports/", "/v1/reports/"),
        (f"{ORIGIN}/shop", b"/v1/reports/", "/shop/v1/reports/"),
    ],
)
def test_root_path_is_understood(external: str, raw_path: bytes, path: str) -> None:
    stage = CallStage("async", external_url=external, directory=ANYTHING)
    call = run(build(stage), get("/shop/v1/reports/"), root_path="/shop", raw_path=raw_path, path=path)
    assert (call.answer.status, len(stage.handled)) == (200, 1)


ANYTHING = KeyDirectory(Issuer(ISSUER, allow=["*"], keys=JWKSet(KEY.public)))


def test_server_that_gives_no_raw_path_is_understood() -> None:
    stage = CallStage("async")
    call = run(build(stage), get("/v1/caf%C3%A9"), raw_path=None, path="/v1/café")
    assert (call.answer.status, len(stage.handled)) == (200, 1)


def test_each_of_two_audiences_on_one_server_takes_only_its_own_calls(door: Served) -> None:
    other = "https://other.example"
    shop, theirs = CallStage("async"), CallStage("async", audience=other)

    @get_handler("/v1/theirs", middleware=[SignedCalls(theirs.receiver)])
    async def handler(request: Request[str, Call[Any], Any]) -> Any:
        return theirs.saw(request.auth, b"")

    @get_handler("/v1/shop", middleware=[SignedCalls(shop.receiver)])
    async def ours(request: Request[str, Call[Any], Any]) -> Any:
        return shop.saw(request.auth, b"")

    door.serve(Litestar([handler, ours], openapi_config=None, logging_config=None))
    assert door.exchange(get("/v1/theirs", origin=other)).status == 200
    assert door.exchange(get("/v1/theirs")).json()["code"] == "audience"
    assert door.exchange(get("/v1/shop", origin=other)).json()["code"] == "audience"
    assert (len(shop.handled), len(theirs.handled)) == (0, 1)


def test_blocking_receiver_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="AsyncReceiver"):
        SignedCalls(CallStage("blocking").receiver)


def test_receiver_that_knows_no_origin_is_refused_when_the_application_is_built() -> None:
    with pytest.raises(ValueError, match="external_url"):
        SignedCalls(CallStage("async", audience="urn:shop").receiver)


def test_exemption_that_is_no_pattern_is_refused() -> None:
    with pytest.raises(ValueError, match="exempt"):
        SignedCalls(CallStage("async").receiver, exempt=["/health"])


@pytest.mark.parametrize("name", ["GET", "HEAD", "JSON", "mounted"])
def test_client_that_requires_signed_answers_gets_one(door: Served, name: str) -> None:
    stage = CallStage("async")
    door.serve(build(stage, answers=ANSWERS))
    check_accepted(stage, CASES[name], send(door.port, CASES[name], **REQUIRING))


def test_refusal_is_not_signed(door: Served) -> None:
    door.serve(build(CallStage("async"), answers=ANSWERS))
    assert "signedmsg-response" not in door.exchange(bearing(mint("PUT"))).headers
