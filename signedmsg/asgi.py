"""ASGI applications: an endpoint for envelopes, and one that serves a sender's public keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from signedmsg._core.answers import Answer, answer_code
from signedmsg._core.envelope_request import parse_content_length, refuse_request
from signedmsg._doors import read_body, respond
from signedmsg._envelopes import answer_envelope_async
from signedmsg.keys.publish import DirectoryDocument
from signedmsg.keys.ring import KeyRing
from signedmsg.receiver import AsyncReceiver
from signedmsg.signed_answers.signing import check_answer_signer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

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
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1003})
        elif scope["type"] == "http":
            answer = await self._answer(scope, receive)
            if answer is not None:
                await respond(answer, scope["method"], send)
        else:
            raise ValueError(f"unknown ASGI scope {scope['type']!r}")

    async def _answer(self, scope: Scope, receive: Receive) -> Answer | None:
        """Return the answer, or None when the client went away before its body was complete."""
        # Any iterable by the specification, perhaps one that can be gone through only once.
        headers = list(scope["headers"])
        refused = refuse_request(
            self._receiver.policy,
            method=scope["method"],
            content_types=_values(headers, b"content-type"),
            content_encodings=_values(headers, b"content-encoding"),
            content_length=parse_content_length(_values(headers, b"content-length")),
        )
        if refused is not None:
            return refused
        body = await read_body(receive, self._receiver.policy.max_size)
        if body is None:
            return None
        if not body:
            return answer_code("credentials_missing")
        accept = _values(headers, b"accept")
        return await answer_envelope_async(self._receiver, self._router, self._answers, body, accept)


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
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1003})
        elif scope["type"] == "http":
            document = self._keys.document() if isinstance(self._keys, KeyRing) else self._keys
            answer = document.answer(scope["method"], _values(list(scope["headers"]), b"if-none-match"))
            await respond(answer, scope["method"], send)
        else:
            raise ValueError(f"unknown ASGI scope {scope['type']!r}")


def _values(headers: list[tuple[bytes, bytes]], name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in headers if key.lower() == name]


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return
