"""aiohttp servers: middleware that lets only verified calls reach a handler, with a typed request key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import StreamReader, web

from signedmsg._core.answer_token import RESPONSE_HEADER
from signedmsg._core.call import Call
from signedmsg._core.envelope_request import parse_content_length
from signedmsg._doors import Exempt, check_receiver, refusal
from signedmsg._doors_signing import bound_response, tell_unsigned
from signedmsg.errors import SignedMessageError
from signedmsg.signed_answers.signing import check_answer_signer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp.typedefs import Handler, Middleware

    from signedmsg._core.answers import Answer
    from signedmsg._jose.strict_json import JSONValue
    from signedmsg._open_request import AsyncOpenRequest
    from signedmsg.receiver import AsyncReceiver
    from signedmsg.signed_answers import AnswerSigner, AsyncAnswerSigner

CALL: Final[web.RequestKey[Call[JSONValue]]] = web.RequestKey("CALL", Call)
"""Under this key a request holds its verified call: `request[CALL].issuer`."""


def signed_calls(
    receiver: AsyncReceiver,
    *,
    exempt: Iterable[str] = (),
    answers: AnswerSigner | AsyncAnswerSigner | None = None,
) -> Middleware:
    """Return middleware that verifies each request before its handler runs; `request[CALL]` is the call.

    ```python
    app = web.Application(middlewares=[signed_calls(receiver, exempt=["GET /health"])])
    ```

    The handler reads the body as if nobody had. What is refused never reaches it and is
    answered with a problem document. A websocket's opening request is verified as the GET that
    it is; nothing signs its frames. A body with a content coding, which aiohttp takes off,
    is refused unless the server runs with `auto_decompress=False`.

    Args:
        receiver: an `AsyncReceiver` whose audience or `external_url` says under which origin callers know it.
        exempt: what needs no signature, as in `Issuer(allow=…)`: `GET /health`, `* /public/*`,
            `OPTIONS /*` for CORS preflights. No method is exempt by itself.
        answers: signs what handlers answer to calls: status, content type and body. An answer
            that is streamed or compressed, or that cannot be signed now, goes out unsigned,
            which is logged.

    Raises:
        TypeError, ValueError: the receiver is another or cannot take calls; a pattern is none;
            the answers cannot be signed so.
    """
    check_receiver(receiver, "signed_calls")
    check_answer_signer(answers, suspends=True)
    exempted = Exempt(exempt)

    @web.middleware
    async def verify(request: web.Request, handler: Handler) -> web.StreamResponse:
        target = request.raw_path.encode("utf-8", "surrogateescape")
        if exempted.covers(request.method, request.path, target, request.raw_headers):
            return await handler(request)
        try:
            request[CALL] = await _verify(receiver, request, target)
        except SignedMessageError as error:
            return _response(refusal(error, receiver))
        return await (handler(request) if answers is None else _signed(answers, request, handler))

    return verify


async def _verify(receiver: AsyncReceiver, request: web.Request, target: bytes) -> Call[JSONValue]:
    opened = await receiver.open_request(request.method, target, request.raw_headers)
    length = parse_content_length(request.headers.getall("Content-Length", []))
    if length is not None and length > opened.max_body:
        raise opened.too_large()
    body = await _read(request, opened)
    call = await opened.finish(body)
    if body:
        # The handler gets a stream of its own: a multipart body is parsed from it, not from what `read` kept.
        again = StreamReader(request.protocol, len(body))
        again.feed_data(body)
        again.feed_eof()
        request._payload = again  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return call


async def _read(request: web.Request, opened: AsyncOpenRequest) -> bytes:
    """Read the body no further than its cap; when the client goes away, aiohttp raises."""
    if not request.can_read_body:
        # There is none, or other middleware has read it, and aiohttp kept it.
        return await request.read()
    body = bytearray()
    while chunk := await request.content.readany():
        body += chunk
        if len(body) > opened.max_body:
            raise opened.too_large()
    return bytes(body)


async def _signed(
    answers: AnswerSigner | AsyncAnswerSigner, request: web.Request, handler: Handler
) -> web.StreamResponse:
    try:
        response = await handler(request)
    except web.HTTPException as answer:
        # It is an answer too, which aiohttp sends.
        await _sign(answers, request[CALL], answer)
        raise
    await _sign(answers, request[CALL], response)
    return response


async def _sign(answers: AnswerSigner | AsyncAnswerSigner, call: Call[JSONValue], response: web.StreamResponse) -> None:
    body = response.body if isinstance(response, web.Response) else response
    coded = response.compression or "Content-Encoding" in response.headers
    if response.prepared or coded or not isinstance(body, bytes | bytearray | None):
        tell_unsigned("it is streamed or compressed")
        return
    if body and call.method != "HEAD":
        # As aiohttp does when it sends it.
        response.headers.setdefault("Content-Type", "application/octet-stream")
    types = response.headers.getall("Content-Type", [])
    value = await bound_response(answers, call, response.status, types, bytes(body or b""))
    if value is not None:
        response.headers[RESPONSE_HEADER] = value


def _response(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, headers=dict(answer.headers), body=answer.body)
