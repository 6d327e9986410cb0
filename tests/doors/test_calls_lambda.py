"""AWS Lambda: events of an API Gateway HTTP API, as it writes them, reach their handler when they were signed."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import unquote

import httpx
import httpx2
import pytest
from pydantic import BaseModel

from signedmsg import AsyncReceiver, MemoryReplayCache, Message, Receiver, Router
from signedmsg.aws_lambda import endpoint, signed
from signedmsg.errors import AnswerError
from signedmsg.httpx import SignedAuth
from signedmsg.httpx2 import SignedAuth as SignedAuth2
from signedmsg.observe import CallRefused

from . import stage
from .call_matrix import (
    CASES,
    DIRECTORY,
    ISSUER,
    KEY,
    NOW,
    ORIGIN,
    REFUSALS,
    CallStage,
    Case,
    Reply,
    Request,
    bearing,
    check_accepted,
    check_refused,
    get,
    mint,
)
from .call_servers import ANSWERS, REQUIRING


class Order(BaseModel):
    number: int


def event_of(request: Request, *, stage: str = "$default", text: bool = False) -> dict[str, Any]:
    """The event that an HTTP API makes of a request: its path decoded, its header fields joined and in lower case."""
    path, _, query = request.target.partition("?")
    headers: dict[str, str] = {}
    for name, value in request.headers:
        headers[name.lower()] = f"{headers[name.lower()]},{value}" if name.lower() in headers else value
    prefix = "" if stage == "$default" else f"/{stage}"
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": prefix + unquote(path),
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "domainName": "evil.example",
            "http": {"method": request.method, "path": prefix + unquote(path)},
            "stage": stage,
        },
        "isBase64Encoded": not text,
    }
    if "cookie" in headers:
        event["cookies"] = headers.pop("cookie").split("; ")
    if request.body:
        event["body"] = request.body.decode() if text else base64.b64encode(request.body).decode()
    # As it arrives: as JSON.
    return dict(json.loads(json.dumps(event)))


def reply_of(answer: Any) -> Reply:
    text = answer.get("body", "")
    body = base64.b64decode(text) if answer.get("isBase64Encoded") else text.encode()
    return Reply(answer["statusCode"], {name.lower(): value for name, value in answer["headers"].items()}, body)


def function(opened: CallStage, **options: Any) -> Any:
    @signed(opened.receiver, **options)
    def handler(call: Any, context: Any) -> dict[str, Any]:
        assert context == "context"
        return {
            "statusCode": 200,
            "headers": {"Content-Type": "application/json"},
            "body": json.dumps(opened.saw(call, call.body)),
        }

    return handler


def send(handler: Any, case: Case, library: str = "httpx", **options: Any) -> Reply:
    """Call with a real client whose transport makes the event and reads the answer, as API Gateway does."""
    module: Any = {"httpx": httpx, "httpx2": httpx2}[library]
    auth: Any = {"httpx": SignedAuth, "httpx2": SignedAuth2}[library]

    def transport(request: Any) -> Any:
        fields = tuple((name.decode(), value.decode()) for name, value in request.headers.raw)
        event = event_of(Request(request.method, request.url.raw_path.decode(), fields, request.read()))
        reply = reply_of(handler(event, "context"))
        return module.Response(reply.status, headers=reply.headers, content=reply.body)

    signing = auth(ISSUER, KEY, clock=lambda: NOW, **options)
    with module.Client(transport=module.MockTransport(transport), auth=signing) as client:
        answer = client.request(case.method, ORIGIN + case.target, **case.options)
        return Reply(
            answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, answer.content
        )


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
@pytest.mark.parametrize("name", CASES)
def test_signed_call_is_accepted(name: str, library: str) -> None:
    opened = CallStage("sync")
    check_accepted(opened, CASES[name], send(function(opened), CASES[name], library))


@pytest.mark.parametrize("text", [True, False])
@pytest.mark.parametrize("name", REFUSALS)
def test_refused_call_reaches_no_handler(name: str, text: bool) -> None:
    refusal = REFUSALS[name]
    opened = CallStage("sync", **refusal.options())
    event = event_of(refusal.request(), text=text)
    handler = function(opened)
    if refusal.twice:
        assert handler(event, "context")["statusCode"] == 200
    check_refused(opened, refusal, reply_of(handler(event, "context")), handled=int(refusal.twice))


def test_handler_takes_the_call_in_the_place_of_the_event() -> None:
    @signed(CallStage("sync").receiver, model=Order)
    def handler(call: Any, context: object) -> dict[str, int]:
        return {"number": call.data.number}

    assert handler(event_of(bearing(mint())), None) == {"number": 42}
    assert handler.__name__ == "handler"


def test_header_names_may_be_in_any_case_and_cookies_apart() -> None:
    opened = CallStage("sync")
    token = mint(http={"cookie": "a=1; b=2"})
    event = event_of(bearing(token, ("Cookie", "a=1; b=2")))
    event["headers"] = {name.title(): value for name, value in event["headers"].items()}
    assert "Cookie" not in event["headers"]
    assert function(opened)(event, "context")["statusCode"] == 200


@pytest.mark.parametrize("where", ["prod", "v1"])
def test_stage_is_no_part_of_the_target(where: str) -> None:
    opened = CallStage("sync")
    handler = function(opened)
    assert handler(event_of(get("/v1/reports"), stage=where), "context")["statusCode"] == 200
    other = event_of(get("/v1/reports", signed_for=f"/{where}/v1/reports"), stage=where)
    assert handler(other, "context")["statusCode"] == 401


def test_stage_may_be_part_of_the_url_that_callers_know() -> None:
    opened = CallStage("sync", external_url=f"{ORIGIN}/v1")
    event = event_of(get("/reports", signed_for="/v1/reports"), stage="v1")
    assert function(opened)(event, "context")["statusCode"] == 200
    assert [call.path for call in opened.handled] == ["/v1/reports"]


@pytest.mark.parametrize("path", ["", "/"])
def test_root_below_a_stage_is_a_slash(path: str) -> None:
    opened = CallStage("sync", external_url=f"{ORIGIN}/v1")
    event = event_of(get("/", signed_for="/v1/"), stage="prod")
    event["rawPath"] = f"/prod{path}"
    assert function(opened)(event, "context")["statusCode"] == 200


@pytest.mark.parametrize("path", ["/production/v1/reports", "/v1/reports", "/v1/prod/reports"])
def test_event_whose_path_is_not_below_its_stage_is_refused(path: str) -> None:
    event = event_of(get("/v1/reports"), stage="prod")
    with pytest.raises(ValueError, match="stage"):
        function(CallStage("sync"))({**event, "rawPath": path}, "context")


def test_path_with_a_percent_sign_is_refused_since_nobody_knows_whether_it_is_decoded() -> None:
    opened = CallStage("sync")
    for signed_for in ("/v1/100%25", "/v1/100%2541", "/v1/100A"):
        event = event_of(get("/v1/100%2541", signed_for=signed_for))
        assert reply_of(function(opened)(event, "context")).json()["code"] == "binding"
    assert opened.handled == []
    assert [type(seen) for seen in opened.events] == [CallRefused] * 3


@pytest.mark.parametrize("target", ["/v1/a%2Fb", "/v1/a%5Cb", "/admin/../v1/x", "//v1/x"])
def test_path_that_reads_in_two_ways_is_refused(target: str) -> None:
    opened = CallStage("sync")
    assert function(opened)(event_of(get(target)), "context")["statusCode"] == 401
    assert opened.handled == []


@pytest.mark.parametrize("body", ["!!!", "A", "é", "\ud800"])
def test_body_in_base64_that_is_none_is_refused(body: str) -> None:
    opened = CallStage("sync")
    event = {**event_of(bearing(mint())), "body": body}
    assert function(opened)(event, "context")["statusCode"] == 401
    assert opened.handled == []


@pytest.mark.parametrize("event", [{}, {"version": "1.0"}, {"httpMethod": "GET", "path": "/"}, None, "x"])
def test_event_of_another_kind_is_an_error_of_the_configuration(event: Any) -> None:
    with pytest.raises(ValueError, match=r"payload format 2\.0"):
        function(CallStage("sync"))(event, "context")


@pytest.mark.parametrize("member", ["rawPath", "rawQueryString", "headers", "requestContext", "body"])
@pytest.mark.parametrize("value", [None, 1, [], {"a": 1}, "x", "\ud800"])
def test_event_with_a_member_of_the_wrong_type_reaches_no_handler(member: str, value: Any) -> None:
    opened = CallStage("sync")
    event = {**event_of(bearing(mint()), text=True), member: value}
    if member == "rawQueryString" and not isinstance(value, str):
        # As if there were none, and none was signed.
        assert function(opened)(event, "context")["statusCode"] == 200
    else:
        assert function(opened)(event, "context")["statusCode"] in (400, 401)
        assert opened.handled == []


def test_error_of_the_handler_passes_through_untouched() -> None:
    @signed(CallStage("sync").receiver)
    def broken(call: object, context: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken(event_of(bearing(mint())), None)


@pytest.mark.parametrize(
    "receiver",
    [
        AsyncReceiver(ORIGIN, DIRECTORY, MemoryReplayCache()),
        Receiver("https://shop.example/inbox", DIRECTORY, MemoryReplayCache()),
        Router(),
    ],
    ids=["async", "of an inbox", "none"],
)
def test_receiver_that_cannot_take_calls_is_refused_when_the_handler_is_decorated(receiver: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        signed(receiver)


def test_coroutine_handler_is_refused_since_lambda_awaits_nothing() -> None:
    async def handler(call: object, context: object) -> None: ...

    with pytest.raises(TypeError, match="awaits nothing"):
        signed(CallStage("sync").receiver)(handler)


RESULTS: dict[str, Any] = {
    "explicit": {"statusCode": 418, "headers": {"Content-Type": "text/plain; charset=utf-8"}, "body": "ü"},
    "base64": {"statusCode": 200, "body": base64.b64encode(b"\x00\xff").decode(), "isBase64Encoded": True},
    "no content": {"statusCode": 204},
    "plain object": {"number": 42},
    "plain text": "text",
}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("name", RESULTS)
def test_answer_is_signed_as_api_gateway_sends_it(name: str, method: str) -> None:
    @signed(CallStage("sync").receiver, answers=ANSWERS)
    def handler(call: object, context: object) -> Any:
        return RESULTS[name]

    def served(event: Any, context: Any) -> Any:
        answer = handler(event, context)
        return {**answer, "body": ""} if method == "HEAD" else answer

    status = {"explicit": 418, "no content": 204}.get(name, 200)
    assert send(served, Case(method, "/v1/x", {}), **REQUIRING).status == status


def test_answer_in_a_content_coding_is_not_signed(caplog: pytest.LogCaptureFixture) -> None:
    coded = {"statusCode": 200, "headers": {"Content-Encoding": "gzip"}, "body": "H4s=", "isBase64Encoded": True}

    @signed(CallStage("sync").receiver, answers=ANSWERS)
    def handler(call: object, context: object) -> Any:
        return coded

    assert handler(event_of(get("/v1/x")), None) == coded
    assert "content coding" in caplog.text


def test_answer_that_nobody_signed_is_no_answer_to_a_client_that_requires_it() -> None:
    with pytest.raises(AnswerError):
        send(function(CallStage("sync")), CASES["GET"], **REQUIRING)


class Invoice(BaseModel):
    number: int


def inbox(handled: list[int], **options: Any) -> Any:
    router = Router()

    @router.on("invoice.paid")
    def paid(message: Message[Invoice]) -> None:
        handled.append(message.data.number)

    receiver = Receiver(
        stage.AUDIENCE,
        stage.DIRECTORY,
        stage.CountingCache(),
        max_size=stage.MAX_SIZE,
        clock=lambda: stage.NOW,
        observe=lambda event: None,
    )
    return endpoint(receiver, router, **options)


def envelope(token: str, *fields: tuple[str, str], content_type: str = stage.MEDIA_TYPE) -> Request:
    return Request("POST", "/inbox", (("Content-Type", content_type), *fields), token.encode())


@pytest.mark.parametrize("text", [True, False])
def test_envelope_is_handled_once(text: bool) -> None:
    handled: list[int] = []
    handler, event = inbox(handled), event_of(envelope(stage.token()), text=text)
    assert [handler(event, None)["statusCode"] for _ in range(2)] == [204, 409]
    assert handled == [42]


def test_envelope_endpoint_refuses_what_surrounds_a_token_wrongly() -> None:
    handled: list[int] = []
    handler = inbox(handled)
    for status, request in (
        (415, envelope(stage.token(), content_type="application/json")),
        (415, envelope(stage.token(), ("Content-Encoding", "gzip"))),
        (413, envelope("A" * (stage.MAX_SIZE + 1))),
        (400, envelope("")),
        (405, get("/inbox")),
        (401, envelope(stage.tampered(stage.token()))),
    ):
        for text in (True, False):
            assert handler(event_of(request, text=text), None)["statusCode"] == status
    assert handled == []


def test_envelope_is_answered_with_a_receipt_when_its_sender_asks_for_one() -> None:
    handler = inbox([], answers=ANSWERS)
    media_type = "application/vnd.signedmsg.receipt+jwt"
    answer = reply_of(handler(event_of(envelope(stage.token(), ("Accept", media_type))), None))
    assert (answer.status, answer.headers["content-type"]) == (200, media_type)


def test_endpoint_refuses_an_async_handler_and_what_is_no_receiver_or_router() -> None:
    router, wrong = Router(), object()

    @router.on("invoice.paid")
    async def paid(message: Message[Invoice]) -> None: ...

    receiver: Any = Receiver(stage.AUDIENCE, DIRECTORY, MemoryReplayCache())
    for arguments in ((receiver, router), (wrong, Router()), (receiver, wrong)):
        with pytest.raises(TypeError):
            endpoint(*arguments)  # type: ignore[arg-type]
