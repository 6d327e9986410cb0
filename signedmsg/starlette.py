"""Starlette and plain ASGI: middleware that lets only verified calls reach the application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from signedmsg._doors import (
    Exempt,
    await_call,
    check_receiver,
    headers_of,
    method_of,
    recall,
    refusal,
    remember,
    replay,
    respond,
    target_of,
    verify_scope,
)
from signedmsg._doors_signing import SigningSend, without_unseen
from signedmsg.errors import SignedMessageError
from signedmsg.signed_answers.signing import check_answer_signer

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    from signedmsg._core.call import Call
    from signedmsg._doors import App, Receive, Scope, Send
    from signedmsg._jose.strict_json import JSONValue
    from signedmsg.receiver import AsyncReceiver
    from signedmsg.signed_answers import AnswerSigner, AsyncAnswerSigner

    class HasScope(Protocol):
        """A request of Starlette, or of whatever else is built upon an ASGI scope."""

        @property
        def scope(self) -> Any: ...


class SignedCalls:
    """ASGI 3 middleware: each HTTP request is verified before the application sees it.

    The application finds the call with `current_call(request)`, or as
    `request.state.signedmsg_call`, and reads the body as if nobody had. What is refused
    never reaches it and is answered with a problem document; its own errors pass through.
    Websockets are closed (1008) unless exempt, since nothing signs their frames.

    ```python
    app.add_middleware(SignedCalls, receiver=receiver, exempt=["GET /health"])
    ```

    Args:
        app: the ASGI application.
        receiver: an `AsyncReceiver` whose audience or `external_url` says under which origin callers know it.
        exempt: what needs no signature, as in `Issuer(allow=…)`: `GET /health`, `* /public/*`,
            `OPTIONS /*` for CORS preflights, `WEBSOCKET /live`. Paths as the application's
            routes name them. No method is exempt by itself.
        answers: signs what the application answers to a call; see `SignedAnswers`.

    Raises:
        TypeError, ValueError: the receiver is another or cannot take calls; a pattern is none;
            the answers cannot be signed so.
    """

    def __init__(
        self,
        app: App,
        receiver: AsyncReceiver,
        *,
        exempt: Iterable[str] = (),
        answers: AnswerSigner | AsyncAnswerSigner | None = None,
    ) -> None:
        check_receiver(receiver, type(self).__name__)
        self._app: App = app if answers is None else SignedAnswers(app, answers)
        self._receiver = receiver
        self._exempt = Exempt(exempt)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] not in ("http", "websocket"):
            raise ValueError(f"unknown ASGI scope {scope['type']!r}")
        elif self._exempt.covers(method_of(scope), _route_path(scope), target_of(scope), headers_of(scope)):
            # A call that other middleware verified for another audience is none of this application's.
            remember(scope, None)
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._verified(scope, receive, send)

    async def _verified(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            call = await verify_scope(self._receiver, scope, receive)
        except SignedMessageError as error:
            await respond(refusal(error, self._receiver), scope["method"], send)
            return
        if call is not None:
            remember(scope, call)
            await self._app(scope, replay(call.body, receive), send)


class SignedAnswers:
    """ASGI 3 middleware that signs the answers to verified calls: status, content type and body.

    For calls that something inside verifies, such as the dependencies of `signedmsg.fastapi`;
    `SignedCalls` needs none of it. An answer is held back until it is complete, at most 8 MiB;
    a larger one, one with a content coding and one that cannot be signed now go out unsigned,
    which is logged; a stream that never ends (server-sent events) is held back until it is
    larger. Middleware that changes bodies belongs inside. Refusals are not signed: nothing
    was verified.

    Args:
        app: the ASGI application.
        answers: an `AsyncAnswerSigner`, or an `AnswerSigner` whose key is in this process.

    Raises:
        TypeError: it is something else.
    """

    def __init__(self, app: App, answers: AnswerSigner | AsyncAnswerSigner) -> None:
        if answers is None:
            raise TypeError("answers: expected an AnswerSigner, got None")
        check_answer_signer(answers, suspends=True)
        self._app = app
        self._answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            verified = recall(scope)
            called = await_call(scope) if verified is None else lambda: verified
            without_unseen(scope)
            send = SigningSend(send, self._answers, called)
        await self._app(scope, receive, send)


def current_call(request: HasScope) -> Call[JSONValue]:
    """Return the verified call of this request; its `data` is the JSON of the body.

    Raises:
        LookupError: nothing verified it: the path is exempt, or `SignedCalls` is not installed.
    """
    call = recall(request.scope)
    if call is None:
        raise LookupError("this request was not verified: its path is exempt, or SignedCalls is not installed")
    return call


def _route_path(scope: Scope) -> str:
    """Return the path below the mount, as the application's own routes name it."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path.removeprefix(root) if root and path.startswith(root + "/") else path
