"""Holds an answer of an ASGI application back until it is whole, and binds it to the call that it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from signedmsg._core.answer_token import RESPONSE_HEADER
from signedmsg.errors import SigningError
from signedmsg.observe import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from signedmsg._core.call import Call
    from signedmsg._doors import Event, Scope, Send
    from signedmsg.signed_answers import AnswerSigner, AsyncAnswerSigner

    Signer = AnswerSigner | AsyncAnswerSigner

MAX_ANSWER: Final = 8 * 1024 * 1024
_FIELD: Final = RESPONSE_HEADER.lower().encode("ascii")
# Ways to send a body that this process never sees.
_UNSEEN: Final = frozenset({"http.response.pathsend", "http.response.zerocopysend"})


async def bound_response(
    answers: Signer, call: Call[Any], status: int, content_types: list[str], body: bytes
) -> str | None:
    """Return the value that binds an answer to its call, or None when it cannot be signed now.

    The call has been served whether or not anybody can sign for it, so the answer goes out
    all the same; a caller who requires a signed one takes it for none.

    Args:
        answers: who signs.
        call: what was answered.
        status: the HTTP status.
        content_types: every value of that field.
        body: the content as a GET would get it.
    """
    # An answer to HEAD, a 204 and a 304 have no content (RFC 9110 §6.4.1).
    content = b"" if call.method == "HEAD" or status in (204, 304) else body
    if len(content_types) > 1:
        tell_unsigned("it has more than one Content-Type")
        return None
    try:
        signed = answers.sign_response(call, status, content_types[0] if content_types else None, content)
        return (signed if isinstance(signed, tuple) else await signed)[1]
    except SigningError as error:
        tell_unsigned(str(error))
        return None


def tell_unsigned(reason: str) -> None:
    """Tell whoever operates this side that an answer goes out unsigned."""
    logger.error("an answer could not be signed: %s", reason)


def without_unseen(scope: Scope) -> None:
    """Let the application send no body past this process, such as a file by its path."""
    extensions = scope.get("extensions")
    if extensions:
        scope["extensions"] = {name: value for name, value in extensions.items() if name not in _UNSEEN}


class SigningSend:
    """An ASGI `send` that signs the answer to a call, once that is complete.

    Args:
        send: where it goes.
        answers: who signs.
        called: gives the call, or None where nothing was verified, whose answer is not held back.
    """

    def __init__(self, send: Send, answers: Signer, called: Callable[[], Call[Any] | None]) -> None:
        self._send = send
        self._answers = answers
        self._called = called
        self._start: Event | None = None
        self._body = bytearray()

    async def __call__(self, event: Event) -> None:
        """Take an event of the application."""
        if event["type"] == "http.response.start" and self._called() is not None:
            self._start = event
            # Who verifies a signed answer takes none whose content another layer may unfold first.
            if _values(event.get("headers", ()), b"content-encoding"):
                await self._give_up("it has a content coding")
        elif self._start is None:
            await self._send(event)
        elif event["type"] != "http.response.body":
            await self._give_up(f"its body comes as {event['type']}")
            await self._send(event)
        else:
            await self._more(event)

    async def _more(self, event: Event) -> None:
        self._body += event.get("body", b"")
        if len(self._body) > MAX_ANSWER:
            await self._give_up(f"it is larger than {MAX_ANSWER} bytes")
            await self._send({"type": "http.response.body", "body": b"", "more_body": event.get("more_body", False)})
        elif not event.get("more_body", False):
            await self._finish()

    async def _finish(self) -> None:
        start, call = self._start, self._called()
        if start is not None and call is not None:
            headers = [(name, value) for name, value in start.get("headers", ()) if name.lower() != _FIELD]
            types = _values(headers, b"content-type")
            value = await bound_response(self._answers, call, start["status"], types, bytes(self._body))
            if value is not None:
                headers.append((_FIELD, value.encode("ascii")))
            self._start = None
            await self._send({**start, "headers": headers})
            await self._send({"type": "http.response.body", "body": bytes(self._body)})

    async def _give_up(self, reason: str) -> None:
        """Send what is held back as it is."""
        start, self._start = self._start, None
        if start is not None:
            tell_unsigned(reason)
            await self._send(start)
            if self._body:
                await self._send({"type": "http.response.body", "body": bytes(self._body), "more_body": True})


def _values(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in headers if key.lower() == name]
