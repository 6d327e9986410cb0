"""Bound requests as a FastAPI dependency, and the envelope as a route."""
# ruff: noqa: B008 - local annotations cannot be read here, so dependencies stand as defaults

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fastapi import Body, Depends, FastAPI, Form, Request, Response, Security
from fastapi.testclient import TestClient
from pydantic import BaseModel

from signedmsg import AsyncReceiver, Call, JSONValue, Router
from signedmsg.errors import BindingError
from signedmsg.fastapi import CallRefusal, SignedCall, endpoint, problem
from signedmsg.starlette import SignedAnswers, SignedCalls, current_call

from . import raw
from . import stage as envelopes
from .call_asgi import run, served
from .call_matrix import (
    CASES,
    CLIENT_IDS,
    CLIENTS,
    CROOKED,
    ISSUER,
    JSON,
    ORDER,
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

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .call_asgi import Served

METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"]


class Order(BaseModel):
    number: int


def build(stage: CallStage) -> FastAPI:
    app, sub = FastAPI(), FastAPI()
    signed = SignedCall(stage.receiver)

    async def echo(request: Request, call: Call[JSONValue] = Security(signed)) -> Any:
        return stage.saw(call, await request.body())

    def public() -> str:
        return "public"

    for each in (app, sub):
        each.add_exception_handler(CallRefusal, problem)
    sub.add_api_route("/{path:path}", echo, methods=METHODS)
    app.mount("/sub", sub)
    app.add_api_route("/public/{path:path}", public)
    app.add_api_route("/{path:path}", echo, methods=METHODS)
    return app


@pytest.fixture(scope="module")
def door() -> Iterator[Served]:
    with served(build) as running:
        yield running


@pytest.mark.parametrize(("library", "mode"), CLIENTS, ids=CLIENT_IDS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_call_of_a_real_client_reaches_its_path_operation(door: Served, case: Case, library: str, mode: str) -> None:
    stage = door.open()
    check_accepted(stage, case, send(door.port, case, library, mode))


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_call_that_is_not_as_signed_is_refused_and_nothing_runs(door: Served, refusal: Refusal) -> None:
    try_refusal(door.port, door.open(**refusal.options()), refusal)


@pytest.mark.parametrize("target", [each for each in CROOKED.values() if "public" not in each])
def test_crooked_path_is_refused_though_signed(door: Served, target: str) -> None:
    stage = door.open()
    assert 400 <= door.exchange(get(target)).status < 500
    assert stage.handled == []


def client_of(app: FastAPI) -> TestClient:
    return TestClient(app, base_url="http://anything.example")


def headers(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}", "content-type": JSON}


def orders(stage: CallStage, *, handler: bool = True) -> FastAPI:
    app = FastAPI()
    signed = SignedCall(stage.receiver, Order)
    if handler:
        app.add_exception_handler(CallRefusal, problem)

    @app.post("/v1/orders")
    def order(call: Call[Order] = Security(signed)) -> dict[str, int]:
        stage.handled.append(call)
        return {"number": call.data.number + 1}

    return app


def test_data_is_an_instance_of_the_model_in_a_plain_function_too() -> None:
    with client_of(orders(CallStage("async"))) as client:
        answer = client.post("/v1/orders", content=ORDER, headers=headers(mint()))
    assert (answer.status_code, answer.json()) == (200, {"number": 43})


def test_body_that_does_not_fit_is_refused_and_the_token_is_not_used_up() -> None:
    stage, body = CallStage("async"), b'{"number":"many"}'
    with client_of(orders(stage)) as client:
        answer = client.post("/v1/orders", content=body, headers=headers(mint(body=body)))
    assert (answer.status_code, answer.json()["code"], stage.cache.calls) == (422, "payload", 0)
    assert [each["pointer"] for each in answer.json()["errors"]] == ["/number"]


@pytest.mark.parametrize("code", ["expired", "store down"])
def test_refusal_without_the_handler_has_its_status_its_fields_and_the_problem_as_detail(code: str) -> None:
    refusal = REFUSALS[code]
    stage, wire = CallStage("async", **refusal.options()), refusal.request()
    with client_of(orders(stage, handler=False)) as client:
        answer = client.post("/v1/orders", content=wire.body, headers=dict(wire.headers))
    assert (answer.status_code, answer.json()["detail"]["code"]) == (refusal.status, refusal.code)
    assert (answer.headers["cache-control"], answer.headers["content-type"]) == ("no-store", "application/json")
    assert "www-authenticate" in answer.headers or "retry-after" in answer.headers
    assert stage.handled == []


def test_cause_of_a_refusal_is_there_for_a_handler_of_ones_own() -> None:
    app, causes = orders(CallStage("async"), handler=False), list[BaseException | None]()

    async def mine(request: Request, error: Exception) -> Response:
        causes.append(error.__cause__)
        return Response(status_code=418)

    app.add_exception_handler(CallRefusal, mine)
    with client_of(app) as client:
        assert client.post("/v1/orders", content=ORDER, headers=headers(mint("PUT"))).status_code == 418
    assert isinstance(causes[0], BindingError)


def test_dependency_that_is_used_twice_in_a_request_verifies_once() -> None:
    stage = CallStage("async")
    signed = SignedCall(stage.receiver, Order)

    def caller(call: Call[Order] = Depends(signed)) -> str:
        return call.issuer

    app = FastAPI(dependencies=[Depends(signed)])

    @app.post("/v1/orders")
    def order(issuer: str = Depends(caller), call: Call[Order] = Depends(signed)) -> str:
        return f"{issuer} {call.data.number}"

    with client_of(app) as client:
        assert client.post("/v1/orders", content=ORDER, headers=headers(mint())).json() == f"{ISSUER} 42"
    assert stage.cache.calls == 1


def test_two_dependencies_in_one_request_are_a_mistake_that_is_told() -> None:
    receiver = CallStage("async").receiver
    app = FastAPI(dependencies=[Depends(SignedCall(receiver))])

    @app.post("/v1/orders")
    def order(call: Call[Order] = Depends(SignedCall(receiver, Order))) -> str:
        return "never"

    with client_of(app) as client, pytest.raises(RuntimeError, match="the same SignedCall object"):
        client.post("/v1/orders", content=ORDER, headers=headers(mint()))


def test_body_that_fastapi_parsed_before_is_verified_all_the_same() -> None:
    stage = CallStage("async")
    app = FastAPI()
    app.add_exception_handler(CallRefusal, problem)

    @app.post("/v1/orders")
    def order(body: Order = Body(), call: Call[JSONValue] = Depends(SignedCall(stage.receiver))) -> int:
        stage.handled.append(call)
        return body.number

    with client_of(app) as client:
        assert client.post("/v1/orders", content=ORDER, headers=headers(mint())).json() == 42
        forged = client.post("/v1/orders", content=ORDER.replace(b"42", b"43"), headers=headers(mint()))
    assert (forged.status_code, forged.json()["code"], len(stage.handled)) == (401, "binding", 1)


FIELDS = b"name=Ann"
FORM = "application/x-www-form-urlencoded"


def form_headers() -> dict[str, str]:
    return {**headers(mint(body=FIELDS, content_type=FORM)), "content-type": FORM}


def test_form_that_fastapi_parsed_before_leaves_nothing_to_verify_and_is_never_let_through() -> None:
    stage = CallStage("async")
    app = FastAPI()

    @app.post("/v1/orders")
    def order(name: str = Form(), call: Call[JSONValue] = Depends(SignedCall(stage.receiver))) -> str:
        stage.handled.append(call)
        return name

    with client_of(app) as client, pytest.raises(RuntimeError, match="Stream consumed"):
        client.post("/v1/orders", content=FIELDS, headers=form_headers())
    assert stage.handled == []


def test_form_is_verified_by_the_middleware() -> None:
    app = FastAPI()
    app.add_middleware(SignedCalls, receiver=CallStage("async").receiver)

    @app.post("/v1/orders")
    def order(name: str = Form(), call: Call[JSONValue] = Depends(verified)) -> str:
        return f"{call.issuer} {name}"

    with client_of(app) as client:
        answer = client.post("/v1/orders", content=FIELDS, headers=form_headers())
    assert answer.json() == f"{ISSUER} Ann"


def verified(request: Request) -> Call[JSONValue]:
    return current_call(request)


def test_form_is_still_parsed_after_the_dependency(door: Served) -> None:
    stage = CallStage("async")
    app = FastAPI()

    @app.post("/v1/orders")
    async def order(request: Request, call: Call[JSONValue] = Depends(SignedCall(stage.receiver))) -> Any:
        return dict(await request.form())

    with client_of(app) as client:
        assert client.post("/v1/orders", content=FIELDS, headers=form_headers()).json() == {"name": "Ann"}


def test_body_is_not_read_before_the_token_is_verified() -> None:
    call = run(build(CallStage("async")), bearing(mint(target="/v1/other")))
    assert (call.answer.code, call.received) == ("binding", 0)


def test_body_in_pieces_is_read_no_further_than_the_cap() -> None:
    pieces = [{"type": "http.request", "body": b"A" * 512, "more_body": True}] * 100
    call = run(build(CallStage("async", max_body=1024)), bearing(mint()), *pieces)
    assert (call.answer.status, call.received) == (413, 3)


def test_real_client_that_hangs_up_has_not_used_up_its_token(door: Served) -> None:
    stage, request = door.open(), bearing(mint())
    raw.abort(door.port, request.octets()[:-1])
    assert door.exchange(request).status == 200
    assert len(stage.handled) == 1


def test_options_and_head_are_no_exception(door: Served) -> None:
    stage = door.open()
    assert [door.exchange(Wire(method, "/v1/orders", body=b"")).status for method in ("OPTIONS", "HEAD")] == [401, 401]
    assert stage.handled == []


def test_openapi_document_shows_http_bearer_with_jwt_and_which_operations_need_it() -> None:
    document = orders(CallStage("async")).openapi()
    scheme = document["components"]["securitySchemes"]["SignedCall"]
    assert (scheme["type"], scheme["scheme"], scheme["bearerFormat"]) == ("http", "bearer", "JWT")
    assert document["paths"]["/v1/orders"]["post"]["security"] == [{"SignedCall": []}]
    assert "parameters" not in document["paths"]["/v1/orders"]["post"]


def test_openapi_document_shows_another_scheme_under_the_name_asked_for() -> None:
    app = FastAPI(
        dependencies=[Security(SignedCall(CallStage("async", scheme="SignedMsg").receiver, scheme_name="Mine"))]
    )

    @app.get("/v1/reports")
    def reports() -> None: ...

    scheme = app.openapi()["components"]["securitySchemes"]["Mine"]
    assert (scheme["type"], scheme["scheme"], "bearerFormat" in scheme) == ("http", "signedmsg", False)


def test_blocking_receiver_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="AsyncReceiver"):
        SignedCall(CallStage("blocking").receiver)


def test_receiver_that_knows_no_origin_is_refused_when_the_dependency_is_made() -> None:
    with pytest.raises(ValueError, match="external_url"):
        SignedCall(CallStage("async", audience="urn:shop").receiver)


def test_model_that_is_none_is_refused_when_the_dependency_is_made() -> None:
    with pytest.raises(TypeError):
        SignedCall(CallStage("async").receiver, object())  # type: ignore[arg-type]


def inbox(register: str, **options: Any) -> tuple[FastAPI, list[Any]]:
    app, router, handled = FastAPI(), Router(), list[Any]()
    router.on("invoice.paid")(handled.append)
    receiver = AsyncReceiver(
        envelopes.AUDIENCE, envelopes.DIRECTORY, envelopes.CountingCache(), clock=lambda: envelopes.NOW
    )
    route = endpoint(receiver, router, **options)
    if register == "add_route":
        app.add_route("/inbox", route, methods=["POST"])
    elif register == "add_api_route":
        app.add_api_route("/inbox", route, methods=["POST"])
    else:
        app.post("/inbox", include_in_schema=False)(route)
    return app, handled


@pytest.mark.parametrize("register", ["add_route", "add_api_route", "post"])
def test_envelope_is_a_route_however_it_is_registered(register: str) -> None:
    app, handled = inbox(register)
    with client_of(app) as client:
        sent = {"content": envelopes.token(), "headers": {"content-type": envelopes.MEDIA_TYPE}}
        assert client.post("/inbox", follow_redirects=False, **sent).status_code == 204
        assert client.post("/inbox", **sent).json()["code"] == "replayed"
        assert client.get("/inbox").status_code == 405
    assert len(handled) == 1


def test_envelope_gets_a_receipt_where_answers_are_signed() -> None:
    app, _ = inbox("add_route", answers=ANSWERS)
    asking = {"content-type": envelopes.MEDIA_TYPE, "accept": "application/vnd.signedmsg.receipt+jwt"}
    with client_of(app) as client:
        answer = client.post("/inbox", content=envelopes.token(), headers=asking)
    assert (answer.status_code, answer.headers["content-type"]) == (200, asking["accept"])


def test_endpoint_needs_an_async_receiver() -> None:
    with pytest.raises(TypeError, match="AsyncReceiver"):
        endpoint(CallStage("blocking").receiver, Router())


def test_handler_for_refusals_raises_anything_else_again() -> None:
    with pytest.raises(ZeroDivisionError):
        run_handler(ZeroDivisionError())


def run_handler(error: Exception) -> None:
    import asyncio

    asyncio.run(problem(Request({"type": "http"}), error))


@pytest.mark.parametrize("name", ["GET", "HEAD", "JSON", "mounted"])
def test_client_that_requires_signed_answers_gets_one(door: Served, name: str) -> None:
    stage = CallStage("async")
    app = build(stage)
    app.add_middleware(SignedAnswers, answers=ANSWERS)
    door.serve(app)
    check_accepted(stage, CASES[name], send(door.port, CASES[name], **REQUIRING))


def test_refusal_is_not_signed(door: Served) -> None:
    app = build(CallStage("async"))
    app.add_middleware(SignedAnswers, answers=ANSWERS)
    door.serve(app)
    assert "signedmsg-response" not in door.exchange(bearing(mint("PUT"))).headers
