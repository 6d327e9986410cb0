"""Litestar: authentication middleware for verified calls, and guards that ask who made one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote_to_bytes

from litestar.enums import ScopeType
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.middleware import ASGIMiddleware

from signedmsg._doors import (
    Exempt,
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
    from collections.abc import Callable, Iterable

    from litestar.connection import ASGIConnection
    from litestar.handlers import BaseRouteHandler
    from litestar.types import ASGIApp, Receive, Scope, Send

    from signedmsg import _doors
    from signedmsg._core.call import Call
    from signedmsg._jose.strict_json import JSONValue
    from signedmsg.receiver import AsyncReceiver
    from signedmsg.signed_answers import AnswerSigner, AsyncAnswerSigner

    Connection = ASGIConnection[Any, Any, Any, Any]


class SignedCalls(ASGIMiddleware):
    """Middleware that verifies each request: `request.auth` is its `Call`, `request.user` the caller's issuer.

    ```python
    app = Litestar([orders], middleware=[SignedCalls(receiver)])
    ```

    A handler with `exclude_from_auth=True` needs no signature, as with Litestar's own
    authentication. What is refused never reaches a handler and is answered with a problem
    document. Websockets are closed (1008) unless exempt. Let it be the first middleware that
    reads bodies.

    Args:
        receiver: an `AsyncReceiver` whose audience or `external_url` says under which origin callers know it.
        exempt: what else needs no signature, as in `Issuer(allow=…)`: `GET /schema`,
            `* /public/*`, `OPTIONS /*`, `WEBSOCKET /live`. No method is exempt by itself.
        answers: signs what handlers answer to calls; such an answer is held back until it is
            complete. See `signedmsg.starlette.SignedAnswers` for what goes out unsigned.

    Raises:
        TypeError, ValueError: the receiver is another or cannot take calls; a pattern is none;
            the answers cannot be signed so.
    """

    scopes = (ScopeType.HTTP, ScopeType.WEBSOCKET, ScopeType.ASGI)
    exclude_opt_key = "exclude_from_auth"

    def __init__(
        self,
        receiver: AsyncReceiver,
        *,
        exempt: Iterable[str] = (),
        answers: AnswerSigner | AsyncAnswerSigner | None = None,
    ) -> None:
        check_receiver(receiver, type(self).__name__)
        check_answer_signer(answers, suspends=True)
        self._receiver = receiver
        self._answers = answers
        self._exempt = Exempt(exempt)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """See `ASGIMiddleware.handle`."""
        # The same structure, which Litestar writes as typed dictionaries.
        plain = cast("_doors.Scope", scope)
        reply = cast("_doors.Send", send)
        path = _routed_path(plain)
        named, sent = _named_path(plain, path), target_of(plain, path=path)
        if self._exempt.covers(method_of(plain), named, sent, headers_of(plain)):
            await next_app(scope, receive, send)
        elif scope["type"] == ScopeType.WEBSOCKET:
            await reply({"type": "websocket.close", "code": 1008})
        else:
            call = await self._verify(plain, cast("_doors.Receive", receive), reply, path)
            if call is not None:
                scope["auth"], scope["user"] = call, call.issuer
                again = replay(call.body, cast("_doors.Receive", receive))
                if self._answers is not None:
                    without_unseen(plain)
                    reply = SigningSend(reply, self._answers, lambda: call)
                await next_app(scope, cast("Receive", again), cast("Send", reply))

    async def _verify(
        self, scope: _doors.Scope, receive: _doors.Receive, send: _doors.Send, path: str
    ) -> Call[JSONValue] | None:
        try:
            call = await verify_scope(self._receiver, scope, receive, path=path)
        except SignedMessageError as error:
            await respond(refusal(error, self._receiver), scope["method"], send)
            return None
        if call is not None:
            remember(scope, call)
        return call


def require_signed(connection: Connection, handler: BaseRouteHandler) -> None:  # noqa: ARG001
    """Let only verified calls pass: a guard, for handlers that must not run where the middleware was left out.

    Raises:
        NotAuthorizedException: nothing verified this request.
    """
    if recall(cast("_doors.Scope", connection.scope)) is None:
        raise NotAuthorizedException("This handler takes signed calls only")


def require_issuer(*issuers: str) -> Callable[[Connection, BaseRouteHandler], None]:
    """Return a guard that lets only verified calls of these issuers pass.

    Raises:
        ValueError: no issuer is named.
    """
    if not issuers:
        raise ValueError("issuers: name at least one, or use require_signed")

    def guard(connection: Connection, handler: BaseRouteHandler) -> None:
        require_signed(connection, handler)
        call = recall(cast("_doors.Scope", connection.scope))
        if call is None or call.issuer not in issuers:
            raise PermissionDeniedException("The issuer may not make this call")

    return guard


def _routed_path(scope: _doors.Scope) -> str:
    """Return the path that was sent where Litestar routes exactly that one, else the one that it routes.

    Litestar leaves out a slash at the end, and below a mount all that stands before it. What
    else it cuts off a path has not been signed like that: a root path found in its middle.
    """
    path, root, raw = scope["path"], scope.get("root_path", ""), scope.get("raw_path")
    seen = str(path) if raw is None else unquote_to_bytes(raw.partition(b"?")[0]).decode("utf-8", "replace")
    if _is_mounted(scope):
        known = raw is not None and (not root or root not in seen or _is_below(seen, root))
        # What is left of a path says nothing of where it was cut off, and nobody may sign `//`.
        return seen if known else f"/{path}"
    trimmed = seen.rstrip("/") or "/"
    return seen if trimmed in (path, (root + path).rstrip("/")) else str(path)


def _named_path(scope: _doors.Scope, routed: str) -> str:
    """Return the path as the application's routes name it, a mount included."""
    if not _is_mounted(scope):
        return str(scope["path"])
    root: str = scope.get("root_path", "")
    return routed.removeprefix(root) if root and _is_below(routed, root) else routed


def _is_mounted(scope: _doors.Scope) -> bool:
    return bool(getattr(scope.get("route_handler"), "is_mount", False))


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")
