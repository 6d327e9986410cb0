"""ASGI applications: an endpoint for envelopes, and one that serves a sender's public keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from signedmsg._core.answers import Answer, answer_code
from signedmsg._core.envelope_request import parse_content_length, refuse_request
from signedmsg._doors import read_body, respond, whole_body
from signedmsg._envelopes import answer_envelope_async
from signedmsg.keys.publish import DirectoryDocument
from signedmsg.keys.ring import KeyRing
from signedmsg.receiver import AsyncReceiver
from signedmsg.signed_answers.signing import check_answer_signer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, MutableMapping

    from signedmsg.router import Router
    from signedmsg.signed_answers import AnswerSigner, AsyncAnswerSigner

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Endpoint:
    """An ASGI 3 application that verifies what is posted to it and runs the handler of its message.

    Serve it at the path of the receiver's audience, as a route of its own: it looks at
    neither path, query nor header fields of the sender's choosing, since nothing signs them.

    Args:
        receiver: an `AsyncReceiver`; its `max_size` caps the body while it is read.
        router: the handlers; plain functions run in worker threads.
        answers: signs a receipt for each message that was verified, for senders that ask for
            one; what was refused before its replay check is never signed for.

    Raises:
        TypeError: one of them is something else.
    """

    def __init__(
        self, receiver: AsyncReceiver, router: Router, *, answers: AnswerSigner | AsyncAnswerSigner | None = None
    ) -> None:
        if not isinstance(receiver, AsyncReceiver):
            raise TypeError(f"receiver: an ASGI endpoint needs an AsyncReceiver, got {type(receiver).__name__}")
        receiver.check_router(router)
        check_answer_signer(answers, suspends=True)
        self._receiver = receiver
        self._router = router
        self._answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await _refuse_other(scope, receive, send)
            return
        policy = self._receiver.policy
        fields = _fields(scope["headers"])
        answer = refuse_request(
            policy,
            method=scope["method"],
            content_types=fields[b"content-type"],
            content_encodings=fields[b"content-encoding"],
            content_length=parse_content_length(fields[b"content-length"]),
        )
        if answer is None:
            event = await receive()
            body = whole_body(event, policy.max_size)
            if body is None:
                body = await read_body(receive, policy.max_size, event)
            # Nobody is there any more to be answered.
            if body is None:
                return
            answer = await self._answer(body, fields[b"accept"]) if body else answer_code("credentials_missing")
        await respond(answer, scope["method"], send)

    def _answer(self, body: bytes, accept: list[str]) -> Awaitable[Answer]:
        return answer_envelope_async(self._receiver, self._router, self._answers, body, accept)


class PublishedKeys:
    """An ASGI 3 application that answers GET and HEAD with a sender's key directory document.

    Serve it where receivers read, by default `/.well-known/signedmsg/keys.json`; it
    looks at no path itself.

    Args:
        keys: a `KeyRing`, whose changes show within a second; or a fixed `DirectoryDocument`.

    Raises:
        TypeError: it is something else.
    """

    def __init__(self, keys: KeyRing | DirectoryDocument) -> None:
        if not isinstance(keys, (KeyRing, DirectoryDocument)):
            raise TypeError(f"keys: expected a KeyRing or a DirectoryDocument, got {type(keys).__name__}")
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await _refuse_other(scope, receive, send)
            return
        document = self._keys.document() if isinstance(self._keys, KeyRing) else self._keys
        answer = document.answer(scope["method"], _fields(scope["headers"], (b"if-none-match",))[b"if-none-match"])
        await respond(answer, scope["method"], send)


def _fields(
    headers: Iterable[tuple[bytes, bytes]],
    names: tuple[bytes, ...] = (b"content-type", b"content-encoding", b"content-length", b"accept"),
) -> dict[bytes, list[str]]:
    """Return the values of these fields, each by its name; all are gone through once, as one may some iterables."""
    found: dict[bytes, list[str]] = {name: [] for name in names}
    for name, value in headers:
        values = found.get(name.lower())
        if values is not None:
            values.append(value.decode("latin-1"))
    return found


async def _refuse_other(scope: Scope, receive: Receive, send: Send) -> None:
    """Take part in the lifespan, which has nothing to do here, and refuse what is not HTTP."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1003})
        return
    if scope["type"] != "lifespan":
        raise ValueError(f"unknown ASGI scope {scope['type']!r}")
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return
