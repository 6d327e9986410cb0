"""Read the whole body of a request or an answer, up to a cap, and put it back for whoever comes next.

What is signed must be known before the first octet is sent, and what is verified before
the first one is handed on. Nothing is read without a bound.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from contextlib import aclosing, closing
from typing import Any, cast

from signedmsg.errors import AnswerError, SigningError


class _Bounded:
    def __init__(self, headers: Any, cap: int, too_large: SigningError | AnswerError) -> None:
        self._octets = bytearray()
        self._cap = cap
        self._too_large = too_large
        stated = headers.get("content-length", "")
        if stated.isdecimal() and int(stated[:20]) > cap:
            raise too_large

    def add(self, chunk: object) -> None:
        if not isinstance(chunk, bytes | bytearray | memoryview):
            raise SigningError(f"the body's stream gave {type(chunk).__name__}, not bytes")
        self._octets += chunk
        if len(self._octets) > self._cap:
            raise self._too_large

    def whole(self) -> bytes:
        return bytes(self._octets)


def read_request(request: Any, byte_stream: type[Any], cap: int) -> bytes:
    """Return the octets that a blocking client will send.

    Args:
        request: its stream is replaced unless it is bytes already: a file may change until it
            is sent, and a generator gives its chunks only once.
        byte_stream: the library's stream of bytes.
        cap: how much of a stream is read; bytes that are in memory anyway are not counted.

    Raises:
        SigningError: it is longer, gives no bytes, or is an async stream.
    """
    stream = request.stream
    if isinstance(stream, byte_stream):
        return b"".join(stream)
    if not isinstance(stream, Iterable):
        raise SigningError("the body is an async stream, and this client is a blocking one")
    body = _Bounded(request.headers, cap, _too_large_to_sign(cap))
    for chunk in cast("Iterable[object]", stream):
        body.add(chunk)
    return _put_back(request, byte_stream, body.whole())


async def read_request_async(request: Any, byte_stream: type[Any], cap: int) -> bytes:
    """Return the octets that an async client will send; see `read_request`."""
    stream = request.stream
    if isinstance(stream, byte_stream):
        return b"".join(stream)
    if not isinstance(stream, AsyncIterable):
        raise SigningError("the body is a blocking stream, and this client is an async one; read it into bytes")
    body = _Bounded(request.headers, cap, _too_large_to_sign(cap))
    chunks = aiter(cast("AsyncIterable[object]", stream))
    try:
        async for chunk in chunks:
            body.add(chunk)
    finally:
        # One left in the middle would be ended by the garbage collector, whenever that is.
        if isinstance(chunks, AsyncGenerator):
            await chunks.aclose()
    return _put_back(request, byte_stream, body.whole())


def _put_back(request: Any, byte_stream: type[Any], body: bytes) -> bytes:
    request.stream = byte_stream(body)
    request.headers.pop("transfer-encoding", None)
    request.headers["content-length"] = str(len(body))
    request.read()
    return body


def read_answer(answer: Any, byte_stream: type[Any], cap: int) -> bytes:
    """Return the content of an answer as it came, before any decoding, and leave the answer unread.

    Raises:
        AnswerError: it is longer than the cap.
    """
    if answer.is_stream_consumed:
        return bytes(answer.content)
    body = _Bounded(answer.headers, cap, _too_large_to_verify(answer, cap))
    with closing(answer.iter_raw()) as chunks:
        for chunk in chunks:
            body.add(chunk)
    return _rewind(answer, byte_stream, body.whole())


async def read_answer_async(answer: Any, byte_stream: type[Any], cap: int) -> bytes:
    """See `read_answer`."""
    if answer.is_stream_consumed:
        return bytes(answer.content)
    body = _Bounded(answer.headers, cap, _too_large_to_verify(answer, cap))
    async with aclosing(answer.aiter_raw()) as chunks:
        async for chunk in chunks:
            body.add(chunk)
    return _rewind(answer, byte_stream, body.whole())


def _rewind(answer: Any, byte_stream: type[Any], body: bytes) -> bytes:
    # httpx2 asks the stream that is about to go how long the exchange took.
    answer.elapsed = answer.elapsed
    answer.stream = byte_stream(body)
    answer.is_stream_consumed = answer.is_closed = False
    return body


def _too_large_to_sign(cap: int) -> SigningError:
    return SigningError(
        f"the body is a stream of more than {cap} bytes, and all of it must be read before it can be signed",
        hint="raise max_body, here and at the receiver",
    )


def _too_large_to_verify(answer: Any, cap: int) -> AnswerError:
    return AnswerError(
        f"the answer has more than {cap} bytes, and all of them must be read before its signature says anything",
        status=answer.status_code,
        hint="raise max_body",
    )
