"""What a Django request says of itself, under WSGI and ASGI: its target as sent, its header fields, its body."""

from __future__ import annotations

from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Final

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, RawPostDataException
from django.template.response import SimpleTemplateResponse

from signedmsg._core.answers import Answer, answer_code
from signedmsg._core.envelope_request import parse_content_length, refuse_request
from signedmsg._doors import target_of
from signedmsg._doors_wsgi import Head, bound_response, content_of, read, wsgi_headers, wsgi_target
from signedmsg.errors import SigningError
from signedmsg.observe import logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpResponseBase

    from signedmsg._core.call import Call
    from signedmsg._core.policy import ReceivePolicy
    from signedmsg.signed_answers import AnswerSigner, AsyncAnswerSigner

CALL: Final = "signedmsg_call"
MODEL: Final = "_signedmsg_model"


def head_of(request: HttpRequest, prefix: bytes) -> Head:
    """Return the head of a request as the server got it; `prefix` is the decoded path of the `external_url`."""
    if isinstance(request, ASGIRequest):
        scope = dict(request.scope)
        if isinstance(scope.get("query_string"), str):
            # Django's own test client.
            scope["query_string"] = scope["query_string"].encode("latin-1")
        path, script = str(scope["path"]), request.script_name or ""
        if request.path_info != path.removeprefix(script):
            # What finds the view is this, and middleware has set it.
            path = script + request.path_info
        return Head(_method(request, scope["method"]), target_of(scope, path=path), list(scope["headers"]))
    meta = request.META
    # Django writes text where PEP 3333 has octets: both paths are decoded as UTF-8 by now. Middleware may have set
    # the one that finds the view.
    target = wsgi_target(meta, str(meta.get("SCRIPT_NAME", "")).encode(), request.path_info.encode(), prefix)
    return Head(_method(request, str(meta["REQUEST_METHOD"])), target, wsgi_headers(meta))


def _method(request: HttpRequest, sent: str) -> str:
    """Return the method as it was sent, unless middleware has set another: that one chooses what the view does."""
    return sent if request.method == sent.upper() else str(request.method)


def body_of(request: HttpRequest, most: int) -> bytes:
    """Read the body, at most this many bytes of it, and leave it readable as `body`, `POST`, `FILES` and stream.

    `HttpRequest.body` is not asked to read it: its own limit, `DATA_UPLOAD_MAX_MEMORY_SIZE`,
    would answer in the place of the receiver's.

    Raises:
        RawPostDataException: middleware has read the body and not kept it.
    """
    if hasattr(request, "_body"):
        return request.body[:most]
    if getattr(request, "_read_started", False):
        raise RawPostDataException(
            "the body was parsed before the signature was checked, and not kept: read request.body before that"
        )
    body = read(request, most)
    # What `HttpRequest.body` does as well when it has read.
    request._stream.close()  # noqa: SLF001
    request._body = body  # noqa: SLF001
    request._stream = BytesIO(body)  # noqa: SLF001
    return body


def keep(request: HttpRequest, call: Call[object], model: type[object] | None) -> None:
    """Leave a verified call, and the model of its data, with its request."""
    setattr(request, CALL, call)
    setattr(request, MODEL, model)


def sign(answers: AnswerSigner, request: HttpRequest, response: HttpResponseBase) -> None:
    """Bind a response to the call of its request, once it has its content."""
    call: Call[object] | None = getattr(request, CALL, None)
    if call is not None and not _render_first(response, partial(sign, answers, request)):
        content = _content(response)
        if content is not None:
            _put(response, bound_response(answers, call, response.status_code, _type(response), content))


async def sign_async(answers: AsyncAnswerSigner, request: HttpRequest, response: HttpResponseBase) -> None:
    """See `sign`; a response that is rendered later is rendered now, since nothing could await its signature then."""
    call: Call[object] | None = getattr(request, CALL, None)
    if call is None:
        return
    if isinstance(response, SimpleTemplateResponse):
        response.render()
    content = _content(response)
    if content is None:
        return
    status = response.status_code
    try:
        _put(response, await answers.sign_response(call, status, _type(response), content_of(call, status, content)))
    except SigningError as error:
        logger.error("an answer could not be signed: %s", error)


def accept_of(request: HttpRequest) -> list[str]:
    """Return the values of the Accept field."""
    return [str(request.META.get("HTTP_ACCEPT", ""))]


def envelope_of(policy: ReceivePolicy, request: HttpRequest) -> bytes | Answer:
    """Return the token that was posted, or the answer that refuses the request for what is around it."""
    meta = request.META
    length = parse_content_length([str(meta.get("CONTENT_LENGTH", ""))])
    refused = refuse_request(
        policy,
        method=str(meta["REQUEST_METHOD"]),
        content_types=[str(meta.get("CONTENT_TYPE", ""))],
        content_encodings=[str(meta.get("HTTP_CONTENT_ENCODING", ""))],
        content_length=length,
    )
    if refused is not None:
        return refused
    body = body_of(request, policy.max_size + 1)
    if not body:
        return answer_code("credentials_missing")
    return answer_code("malformed") if length is not None and len(body) < length else body


def _render_first(response: HttpResponseBase, then: Callable[[HttpResponseBase], None]) -> bool:
    if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
        response.add_post_render_callback(then)
        return True
    return False


def _content(response: HttpResponseBase) -> bytes | None:
    if "Content-Encoding" in response.headers:
        logger.error("an answer could not be signed: it has a content coding")
        return None
    if isinstance(response, HttpResponse):
        return response.content
    logger.error("an answer could not be signed: it is streamed")
    return None


def _type(response: HttpResponseBase) -> str | None:
    return response.headers.get("Content-Type")


def _put(response: HttpResponseBase, field: tuple[str, str] | None) -> None:
    if field is not None:
        response.headers[field[0]] = field[1]


def respond(answer: Answer) -> HttpResponse:
    """Return an answer as Django writes it."""
    response = HttpResponse(answer.body, status=answer.status)
    # Django states a content type even where there is no content.
    del response["Content-Type"]
    for name, value in answer.headers:
        response[name] = value
    if answer.status != 204:
        response["Content-Length"] = str(len(answer.body))
    return response
