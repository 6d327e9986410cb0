"""WSGI applications: an endpoint for envelopes, and one that serves a sender's public keys."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from signedmsg._core.answers import Answer, answer_code
from signedmsg._core.envelope_request import parse_content_length, refuse_request
from signedmsg._doors_wsgi import read
from signedmsg._envelopes import answer_envelope
from signedmsg.keys.publish import DirectoryDocument
from signedmsg.keys.ring import KeyRing
from signedmsg.receiver import Receiver
from signedmsg.signed_answers.signing import check_answer_signer

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from signedmsg.router import Router
    from signedmsg.signed_answers import AnswerSigner


class Endpoint:
    """A WSGI application (PEP 3333) that verifies what is posted to it and runs the handler of its message.

    Serve it at the path of the receiver's audience, as a route of its own: it looks at
    neither path, query nor header fields of the sender's choosing, since nothing signs them.

    Args:
        receiver: a blocking `Receiver`; its `max_size` caps the body while it is read.
        router: the handlers, plain functions all.
        answers: signs a receipt for each message that was verified, for senders that ask for
            one; what was refused before its replay check is never signed for.

    Raises:
        TypeError: one of them is something else, or a handler is a coroutine function.
    """

    def __init__(self, receiver: Receiver, router: Router, *, answers: AnswerSigner | None = None) -> None:
        if not isinstance(receiver, Receiver):
            raise TypeError(f"receiver: a WSGI endpoint needs a Receiver, got {type(receiver).__name__}")
        receiver.check_router(router)
        check_answer_signer(answers, suspends=False)
        self._receiver = receiver
        self._router = router
        self._answers = answers

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return _respond(self._answer(environ), environ, start_response)

    def _answer(self, environ: WSGIEnvironment) -> Answer:
        policy = self._receiver.policy
        length = parse_content_length(_values(environ, "CONTENT_LENGTH"))
        refused = refuse_request(
            policy,
            method=environ["REQUEST_METHOD"],
            content_types=_values(environ, "CONTENT_TYPE"),
            content_encodings=_values(environ, "HTTP_CONTENT_ENCODING"),
            content_length=length,
        )
        if refused is not None:
            return refused
        if length is None and not environ.get("wsgi.input_terminated"):
            # Without either there is no body, or no way to know where it ends.
            length = 0
        body = read(environ["wsgi.input"], policy.max_size + 1 if length is None else length)
        if not body:
            return answer_code("credentials_missing")
        if length is not None and len(body) < length:
            return answer_code("malformed")
        accept = _values(environ, "HTTP_ACCEPT")
        return answer_envelope(self._receiver, self._router, self._answers, body, accept)


class PublishedKeys:
    """A WSGI application (PEP 3333) that answers GET and HEAD with a sender's key directory document.

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

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        document = self._keys.document() if isinstance(self._keys, KeyRing) else self._keys
        answer = document.answer(environ["REQUEST_METHOD"], _values(environ, "HTTP_IF_NONE_MATCH"))
        return _respond(answer, environ, start_response)


def _respond(answer: Answer, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    headers = list(answer.headers)
    # Neither has content; and the length that a 304 may state is that of the document (RFC 9110 §8.6).
    if answer.status not in (204, 304):
        headers.append(("Content-Length", str(len(answer.body))))
    start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", headers)
    return [b"" if environ["REQUEST_METHOD"] == "HEAD" else answer.body]


def _values(environ: WSGIEnvironment, name: str) -> list[str]:
    value = environ.get(name)
    return [value] if value else []
