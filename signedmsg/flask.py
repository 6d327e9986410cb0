"""Flask: a decorator that lets a view run only for a verified call."""

from __future__ import annotations

from functools import partial, wraps
from io import BytesIO
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, ParamSpec, TypeVar, cast, overload

from flask import Response, after_this_request, current_app, g, request

from signedmsg._core.answers import Answer, answer_call_error
from signedmsg._doors_signing import MAX_ANSWER, tell_unsigned
from signedmsg._doors_wsgi import (
    Head,
    bound_response,
    check_receiver,
    content_of,
    read_input,
    verify_call,
    wsgi_headers,
    wsgi_target,
)
from signedmsg.errors import SignedMessageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias

    from flask.typing import ResponseReturnValue

    from signedmsg._core.call import Call
    from signedmsg.receiver import Receiver
    from signedmsg.signed_answers import AnswerSigner

    View: TypeAlias = "ResponseReturnValue | Awaitable[ResponseReturnValue]"

P = ParamSpec("P")
T = TypeVar("T")


class _Verified(NamedTuple):
    environ: object
    model: object
    call: Call[object]


def signed(
    receiver: Receiver, model: type[object] | None = None, *, answers: AnswerSigner | None = None
) -> Callable[[Callable[P, View]], Callable[P, ResponseReturnValue]]:
    """Return a decorator that verifies each call before its view runs; `current_call()` is the call.

    Write it **below** the route, next to the view: a route registers what stands below it.
    The view still reads the body as it likes. What is refused never reaches the view; it is
    answered with a problem document. An `async def` view fits too; verification itself blocks,
    as all of WSGI does.

    Args:
        receiver: a blocking `Receiver` whose audience or `external_url` says under which origin callers know it.
        model: a pydantic model, or any type pydantic validates, for `Call.data`.
        answers: signs what the view answers, also by an exception that Flask handles: status, content
            type and body as they are before `after_request` functions, which must leave them alone.
            A stream is held back until it is complete; one of more than 8 MiB goes out unsigned, with
            an error in the log.

    Raises:
        TypeError, ValueError: the receiver is another, or cannot take calls; the model is none.
    """
    policy = check_receiver(receiver, model, "a Flask view", answers)
    scheme, prefix = policy.scheme, policy.prefix_octets

    def decorate(view: Callable[P, View]) -> Callable[P, ResponseReturnValue]:
        @wraps(view)
        def verified(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
            try:
                call = verify_call(receiver, _head(prefix), _body, model)
            except SignedMessageError as error:
                return _respond(answer_call_error(error, receiver.clock(), scheme))
            g._signedmsg = _Verified(request.environ, model, call)  # noqa: SLF001
            if answers is not None:
                after_this_request(partial(_signed, answers, call))
            return cast("ResponseReturnValue", current_app.ensure_sync(view)(*args, **kwargs))

        return verified

    return decorate


@overload
def current_call() -> Call[object]: ...
@overload
def current_call(model: type[T]) -> Call[T]: ...
def current_call(model: type[object] | None = None) -> Call[object]:
    """Return the verified call of this request.

    Args:
        model: the one that its view was decorated with, so that a type checker knows `data`.

    Raises:
        LookupError: this request's view is not decorated with `signed`.
        TypeError: it is, with another model.
    """
    verified = g.get("_signedmsg")
    # An application context may outlive a request, as it does in tests.
    if not isinstance(verified, _Verified) or verified.environ is not request.environ:
        raise LookupError("no call was verified for this request: decorate its view with signed(), below its route")
    if model is not None and model is not verified.model:
        raise TypeError(f"model: this view verifies {verified.model!r}, not {model!r}")
    return verified.call


def _head(prefix: bytes) -> Head:
    environ = request.environ
    script, path = (str(environ.get(name, "")).encode("latin-1") for name in ("SCRIPT_NAME", "PATH_INFO"))
    return Head(str(environ["REQUEST_METHOD"]), wsgi_target(environ, script, path, prefix), wsgi_headers(environ))


def _body(most: int) -> bytes:
    """Read the body, at most this many bytes of it, and leave it to be read by the view."""
    state = vars(request)
    if "form" in state and "_cached_data" not in state:
        raise RuntimeError("the form was parsed before the signature was checked: call request.get_data() before that")
    if "stream" in state:
        return request.get_data()[:most]
    environ = request.environ
    body = read_input(environ, environ["wsgi.input"], most)
    environ["wsgi.input"] = BytesIO(body)
    return body


def _signed(answers: AnswerSigner, call: Call[object], response: Response) -> Response:
    status, content_type = response.status_code, response.headers.get("Content-Type")
    if "Content-Encoding" in response.headers:
        tell_unsigned("it has a content coding")
        return response
    # Nobody asks for the stream of an answer that has no content, which may be endless.
    body = _whole(response) if content_of(call, status, b".") else b""
    if body is None:
        tell_unsigned(f"it is larger than {MAX_ANSWER} bytes")
        return response
    # Werkzeug takes it off a 304.
    field = bound_response(answers, call, status, None if status == 304 else content_type, body)
    if field is not None:
        response.headers[field[0]] = field[1]
    return response


def _whole(response: Response) -> bytes | None:
    """Return the body, or None where it is a stream of more than may be held back; that one goes out as it is."""
    if response.is_sequence:
        return response.get_data()
    response.direct_passthrough = False
    close = getattr(response.response, "close", None)
    if close is not None:
        response.call_on_close(close)
    chunks = iter(response.iter_encoded())
    held: list[bytes] = []
    size = 0
    for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size > MAX_ANSWER:
            response.response = chain(held, chunks)
            return None
    response.response = held
    return b"".join(held)


def _respond(answer: Answer) -> Response:
    return Response(answer.body, answer.status, list(answer.headers))
