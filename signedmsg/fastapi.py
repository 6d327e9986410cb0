"""FastAPI: a dependency that is the verified call, typed, and the route for envelopes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

from fastapi.openapi.models import HTTPBase, HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from signedmsg._core.payload import Models
from signedmsg._doors import check_receiver, open_scope, recall, refusal, remember
from signedmsg.asgi import Endpoint
from signedmsg.errors import SignedMessageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from signedmsg._core.answers import Answer
    from signedmsg._core.call import Call
    from signedmsg._doors import Receive, Scope, Send
    from signedmsg._jose.strict_json import JSONValue
    from signedmsg._open_request import AsyncOpenRequest
    from signedmsg.receiver import AsyncReceiver
    from signedmsg.router import Router
    from signedmsg.signed_answers import AnswerSigner, AsyncAnswerSigner

T = TypeVar("T")


class SignedCall(SecurityBase, Generic[T]):
    """A dependency that verifies the request and is its `Call`; the path operation runs for no other.

    ```python
    order_call = SignedCall(receiver, Order)

    @app.post("/v1/orders")
    async def order(call: Annotated[Call[Order], Security(order_call)]) -> dict[str, int]: ...
    ```

    The body is `call.data`. A path operation that declares a body of its own makes FastAPI
    read all of it before anything is verified, and one that declares form fields leaves
    nothing to verify: use the middleware of `signedmsg.starlette` there. Make one object for
    each model and use it wherever a request must be verified: FastAPI runs it once a request.

    Args:
        receiver: an `AsyncReceiver` whose audience or `external_url` says under which origin callers know it.
        model: a pydantic model, or any type pydantic validates, for `Call.data`; without one it is the JSON value.
        scheme_name: its name among the security schemes of the OpenAPI document.

    Raises:
        TypeError, ValueError: the receiver is another or cannot take calls; the model is none.
    """

    @overload
    def __init__(self: SignedCall[JSONValue], receiver: AsyncReceiver, *, scheme_name: str = "SignedCall") -> None: ...
    @overload
    def __init__(self, receiver: AsyncReceiver, model: type[T], *, scheme_name: str = "SignedCall") -> None: ...
    def __init__(
        self, receiver: AsyncReceiver, model: type[Any] | None = None, *, scheme_name: str = "SignedCall"
    ) -> None:
        scheme = check_receiver(receiver, type(self).__name__)
        if model is not None:
            Models().of(model)
        self._receiver = receiver
        self._model = model
        self.scheme_name = scheme_name
        said = "A JWT that signs this one request: method, URL, content type and body."
        if scheme.lower() == "bearer":
            self.model = HTTPBearer(bearerFormat="JWT", description=said)
        else:
            self.model = HTTPBase(scheme=scheme.lower(), description=said)

    async def __call__(self, request: Request) -> Call[T]:
        if recall(request.scope) is not None:
            raise RuntimeError(
                "this request was verified already, and its token is used up: let all of its dependencies "
                "be the same SignedCall object, or take what the middleware verified with current_call"
            )
        try:
            opened = await open_scope(self._receiver, request.scope)
            call = cast("Call[T]", await opened.finish(await _read(request, opened), self._model))
        except SignedMessageError as error:
            raise CallRefusal(refusal(error, self._receiver)) from error
        remember(request.scope, call)
        return call

    # FastAPI asks for the annotations of a dependency, and knows no module in which to look up those of an object.
    __call__.__annotations__["request"] = Request


async def _read(request: Request, opened: AsyncOpenRequest) -> bytes:
    """Read the body no further than its cap, and leave it to be read again."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > opened.max_body:
            raise opened.too_large()
    whole = bytes(body)
    # Where Starlette itself keeps a body that was read.
    request._body = whole  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return whole


class CallRefusal(HTTPException):
    """The request was refused, as an `HTTPException`: status and header fields are right by themselves.

    Its `__cause__` says why, to you alone. FastAPI writes the problem document as the
    member `detail`; with `app.add_exception_handler(CallRefusal, problem)` it is the
    answer itself (`application/problem+json`).
    """

    def __init__(self, answer: Answer) -> None:
        headers = {name: value for name, value in answer.headers if name != "Content-Type"}
        super().__init__(answer.status, json.loads(answer.body), headers)
        self.answer = answer


async def problem(request: Request, error: Exception) -> Response:  # noqa: ARG001
    """Answer a `CallRefusal` with its problem document: give it to `add_exception_handler`."""
    if not isinstance(error, CallRefusal):
        raise error
    return Response(error.answer.body, error.answer.status, dict(error.answer.headers))


def endpoint(
    receiver: AsyncReceiver, router: Router, *, answers: AnswerSigner | AsyncAnswerSigner | None = None
) -> Callable[[Request], Awaitable[Response]]:
    """Return the route for envelopes: `app.add_route("/inbox", endpoint(receiver, router), methods=["POST"])`.

    A route and not a `mount`, which answers 307 on its way to `/inbox/`: senders follow no
    redirect. See `signedmsg.asgi.Endpoint` for the arguments and what is raised.
    """
    inbox = Endpoint(receiver, router, answers=answers)

    async def answer(request: Request) -> Response:  # noqa: ARG001
        return _Answer(inbox)

    return answer


class _Answer(Response):
    """A response that is an ASGI application of its own."""

    def __init__(self, app: Endpoint) -> None:
        super().__init__()
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)
