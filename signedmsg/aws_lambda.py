"""AWS Lambda behind an API Gateway HTTP API (payload format 2.0): handlers for verified calls and for envelopes."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from functools import partial, wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast, overload

from signedmsg._core.answers import Answer, answer_call_error, answer_code
from signedmsg._core.envelope_request import refuse_request
from signedmsg._core.events import CallRefused
from signedmsg._core.target import DecodedTarget
from signedmsg._doors_signing import tell_unsigned
from signedmsg._doors_wsgi import Head, bound_response, check_receiver, verify_call
from signedmsg._envelopes import answer_envelope
from signedmsg.errors import BindingError, SignedMessageError
from signedmsg.receiver import Receiver
from signedmsg.signed_answers.signing import check_answer_signer

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from signedmsg._core.call import Call
    from signedmsg.router import Router
    from signedmsg.signed_answers import AnswerSigner

    Event: TypeAlias = Mapping[str, object]

T = TypeVar("T")
R = TypeVar("R")


class _Request(NamedTuple):
    """What an event says of the request. Whoever may invoke the function can write one, so none of it is proof."""

    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    body: str
    encoded: bool

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]


@overload
def signed(
    receiver: Receiver, *, answers: AnswerSigner | None = None
) -> Callable[[Callable[[Call[object], object], R]], Callable[[Event, object], R | Event]]: ...
@overload
def signed(
    receiver: Receiver, model: type[T], *, answers: AnswerSigner | None = None
) -> Callable[[Callable[[Call[T], object], R]], Callable[[Event, object], R | Event]]: ...
def signed(
    receiver: Receiver, model: type[object] | None = None, *, answers: AnswerSigner | None = None
) -> Callable[[Callable[[Call[object], object], R]], Callable[[Event, object], R | Event]]:
    """Return a decorator that verifies each event before its handler runs.

    The handler takes the verified `Call` in the place of the event, most of which nobody signed,
    and returns whatever API Gateway takes. What is refused never reaches it.

    Args:
        receiver: a blocking `Receiver`. The name of a stage is no part of the target, so under the
            URL that API Gateway gives to a stage `prod`, `external_url` ends in `/prod`; under a
            domain of your own it is that origin and the path of its API mapping.
        model: a pydantic model, or any type pydantic validates, for `Call.data`.
        answers: signs status, content type and body of what the handler returns.

    Raises:
        TypeError, ValueError: the receiver is another, or cannot take calls; the model is none; the
            handler is a coroutine function. From the decorated handler: the event is of another kind.
    """
    scheme = check_receiver(receiver, model, "a Lambda function", answers).scheme

    def decorate(handler: Callable[[Call[object], object], R]) -> Callable[[Event, object], R | Event]:
        if iscoroutinefunction(handler):
            raise TypeError(f"handler: Lambda awaits nothing, so {handler.__name__} would never run")

        @wraps(handler)
        def verified(event: Event, context: object) -> R | Event:
            request = _parse(event)
            try:
                head = Head(request.method, _target(receiver, request), request.headers)
                call = verify_call(receiver, head, partial(_decode, request), model)
            except SignedMessageError as error:
                return _respond(answer_call_error(error, receiver.clock(), scheme))
            result = handler(call, context)
            return result if answers is None else _signed(answers, call, result)

        return verified

    return decorate


def endpoint(
    receiver: Receiver, router: Router, *, answers: AnswerSigner | None = None
) -> Callable[[Event, object], Event]:
    """Return a Lambda handler that verifies the envelope posted to it and runs the handler of its message.

    Args:
        receiver: a blocking `Receiver`; its `max_size` caps the body before anything of it is decoded.
        router: the handlers, plain functions all.
        answers: signs a receipt for each message that was verified, for senders that ask for one.

    Raises:
        TypeError: one of them is something else, or a handler is a coroutine function.
    """
    if not isinstance(receiver, Receiver):
        raise TypeError(f"receiver: a Lambda function needs a blocking Receiver, got {type(receiver).__name__}")
    receiver.check_router(router)
    check_answer_signer(answers, suspends=False)

    def inbox(event: Event, _context: object) -> Event:
        return _respond(_answer(receiver, router, answers, _parse(event)))

    return inbox


def _answer(receiver: Receiver, router: Router, answers: AnswerSigner | None, request: _Request) -> Answer:
    refused = refuse_request(
        receiver.policy,
        method=request.method,
        content_types=request.values("content-type"),
        content_encodings=request.values("content-encoding"),
        content_length=None,
    )
    if refused is not None:
        return refused
    body = _decode(request, receiver.policy.max_size + 1)
    if not body:
        return answer_code("credentials_missing")
    return answer_envelope(receiver, router, answers, body, request.values("accept"))


def _parse(event: Event) -> _Request:
    if not isinstance(event, Mapping) or event.get("version") != "2.0":
        raise ValueError("event: expected one of an API Gateway HTTP API, payload format 2.0")
    context = _mapping(event, "requestContext")
    headers = [(name, value) for name, value in _mapping(event, "headers").items() if isinstance(value, str)]
    cookies = event.get("cookies")
    if isinstance(cookies, list):
        headers.append(("cookie", "; ".join(map(str, cast("list[object]", cookies)))))
    return _Request(
        _text(_mapping(context, "http"), "method"),
        _without_stage(_text(event, "rawPath"), context.get("stage")),
        _text(event, "rawQueryString"),
        headers,
        _text(event, "body"),
        event.get("isBase64Encoded") is True,
    )


def _mapping(event: Event, name: str) -> Event:
    value = event.get(name)
    return cast("Event", value) if isinstance(value, Mapping) else {}


def _text(event: Event, name: str) -> str:
    value = event.get(name)
    return value if isinstance(value, str) else ""


def _without_stage(path: str, stage: object) -> str:
    """Take off the name of the stage: API Gateway puts it before each path, even under a domain that shows none."""
    if not isinstance(stage, str) or stage == "$default":
        return path or "/"
    before, _, after = path.partition(f"/{stage}")
    if before or (after and not after.startswith("/")):
        raise ValueError("event: rawPath does not begin with the name of the stage")
    return after or "/"


def _target(receiver: Receiver, request: _Request) -> DecodedTarget:
    # HTTP APIs hand over the path decoded and function URLs as it was sent. A percent sign means something else in
    # each, so that one could be taken for the other.
    if "%" in request.path:
        error = BindingError(component="htu", reason="a path with a percent sign is ambiguous in an event")
        receiver.notice(CallRefused(error=error, issuer=None, proven=False))
        raise error
    return DecodedTarget(request.path.encode("utf-8", "replace"), request.query.encode("utf-8", "replace"))


def _decode(request: _Request, most: int) -> bytes:
    """Return the octets of the body, at most this many; what cannot be decoded is no body that was signed."""
    if not request.encoded:
        return request.body[:most].encode("utf-8", "replace")[:most]
    try:
        return base64.b64decode(request.body[: (most // 3 + 1) * 4], validate=True)[:most]
    except ValueError:  # A `binascii.Error`, or what is said of text that is not ASCII.
        return b""


def _signed(answers: AnswerSigner, call: Call[object], result: object) -> Event:
    """Return what API Gateway would make of a result, which must be signed as it is sent, with the signature."""
    answer = cast("Event", result) if isinstance(result, Mapping) and "statusCode" in result else None
    if answer is None:
        answer = {"statusCode": 200, "body": json.dumps(result)}
    status, text = cast("int", answer["statusCode"]), _text(answer, "body")
    body = base64.b64decode(text) if answer.get("isBase64Encoded") is True else text.encode()
    headers = {name.lower(): value for name, value in _mapping(answer, "headers").items()}
    if "content-encoding" in headers:
        tell_unsigned("it has a content coding")
        return answer
    content_type = str(headers.setdefault("content-type", "application/json"))
    field = bound_response(answers, call, status, content_type, body)
    return {**answer, "headers": headers | ({} if field is None else {field[0]: field[1]})}


def _respond(answer: Answer) -> Event:
    return {
        "statusCode": answer.status,
        "headers": dict(answer.headers),
        "body": answer.body.decode(),
        "isBase64Encoded": False,
    }
