"""Django: a decorator that lets a view run only for a verified call, and an endpoint for envelopes."""

from __future__ import annotations

from functools import partial, wraps
from typing import TYPE_CHECKING, TypeVar, cast, overload

from asgiref.sync import iscoroutinefunction
from django.views.decorators.csrf import csrf_exempt

from signedmsg._core.answers import Answer, answer_call_error
from signedmsg._core.payload import Models
from signedmsg._doors_django import (
    CALL,
    MODEL,
    accept_of,
    body_of,
    envelope_of,
    head_of,
    keep,
    respond,
    sign,
    sign_async,
)
from signedmsg._doors_wsgi import verify_call
from signedmsg._envelopes import answer_envelope, answer_envelope_async
from signedmsg.errors import SignedMessageError
from signedmsg.receiver import AsyncReceiver, Receiver
from signedmsg.signed_answers import AnswerSigner, AsyncAnswerSigner
from signedmsg.signed_answers.signing import check_answer_signer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from django.http import HttpRequest, HttpResponseBase

    from signedmsg._core.call import Call
    from signedmsg._core.call_policy import CallPolicy
    from signedmsg.router import Router

T = TypeVar("T")
V = TypeVar("V", bound="Callable[..., HttpResponseBase | Awaitable[HttpResponseBase]]")


def signed(
    receiver: Receiver | AsyncReceiver,
    model: type[object] | None = None,
    *,
    answers: AnswerSigner | AsyncAnswerSigner | None = None,
) -> Callable[[V], V]:
    """Return a decorator that verifies each call before its view runs; `request.signedmsg_call` is the call.

    A plain view takes a `Receiver`, an `async def` view an `AsyncReceiver`; both run under WSGI
    and ASGI. The view is exempt from CSRF checks, which protect browsers' sessions, and still
    reads the body as it likes. What is refused never reaches it; it is answered with a problem
    document. For a class-based view decorate what `as_view()` returns.

    Args:
        receiver: one whose audience or `external_url` says under which origin callers know it.
        model: a pydantic model, or any type pydantic validates, for `Call.data`.
        answers: signs what the view answers; see `signed_answers`.

    Raises:
        TypeError, ValueError: the receiver is another, does not fit the view, or cannot take calls; the model is none.
    """
    _require_receiver(receiver)
    if model is not None:
        Models().of(model)
    policy = receiver.require_calls()

    sign = signed_answers(answers) if answers is not None else None

    def decorate(view: V) -> V:
        view = view if sign is None else sign(view)
        if _suspends(view) != isinstance(receiver, AsyncReceiver):
            needs = "an AsyncReceiver" if _suspends(view) else "a blocking Receiver"
            raise TypeError(f"receiver: {getattr(view, '__name__', 'this view')} needs {needs}")
        if isinstance(receiver, AsyncReceiver):
            return cast("V", csrf_exempt(_suspending(receiver, policy, model, view)))
        return cast("V", csrf_exempt(_blocking(receiver, policy, model, view)))

    return decorate


@overload
def current_call(request: HttpRequest) -> Call[object]: ...
@overload
def current_call(request: HttpRequest, model: type[T]) -> Call[T]: ...
def current_call(request: HttpRequest, model: type[object] | None = None) -> Call[object]:
    """Return the verified call of a request, which is `request.signedmsg_call`, with its type.

    Args:
        model: the one that the view was decorated with, so that a type checker knows `data`.

    Raises:
        LookupError: the view is not decorated with `signed`.
        TypeError: it is, with another model.
    """
    if not hasattr(request, MODEL):
        raise LookupError("no call was verified for this request: decorate its view with signed()")
    verifies = getattr(request, MODEL)
    if model is not None and model is not verifies:
        raise TypeError(f"model: this view verifies {verifies!r}, not {model!r}")
    return cast("Call[object]", getattr(request, CALL))


def _blocking(
    receiver: Receiver, policy: CallPolicy, model: type[object] | None, view: Callable[..., object]
) -> Callable[..., object]:
    @wraps(view)
    def verified(request: HttpRequest, *args: object, **kwargs: object) -> object:
        try:
            head = head_of(request, policy.prefix_octets)
            call = verify_call(receiver, head, partial(body_of, request), model)
        except SignedMessageError as error:
            return respond(answer_call_error(error, receiver.clock(), policy.scheme))
        keep(request, call, model)
        return view(request, *args, **kwargs)

    return verified


def _suspending(
    receiver: AsyncReceiver, policy: CallPolicy, model: type[object] | None, view: Callable[..., object]
) -> Callable[..., Awaitable[object]]:
    @wraps(view)
    async def verified(request: HttpRequest, *args: object, **kwargs: object) -> object:
        try:
            opened = await receiver.open_request(*head_of(request, policy.prefix_octets))
            # Django has taken in the whole body before it called this view.
            body = body_of(request, opened.max_body + 1)
            if len(body) > opened.max_body:
                raise opened.too_large()
            call = await opened.finish(body, model)
        except SignedMessageError as error:
            return respond(answer_call_error(error, receiver.clock(), policy.scheme))
        keep(request, call, model)
        return await cast("Awaitable[object]", view(request, *args, **kwargs))

    return verified


def signed_answers(answers: AnswerSigner | AsyncAnswerSigner) -> Callable[[V], V]:
    """Return a decorator that binds what a view answers to its call: status, content type and content.

    `signed(…, answers=…)` applies it; a view of Django REST framework is given it around
    `as_view()`. What no call was verified for is left alone. Not signed, with an error in the
    log, are streamed answers, and those that Django makes of an exception have no signature
    either. Middleware that changes content, such as `GZipMiddleware`, must leave these answers alone.

    Args:
        answers: an `AnswerSigner`; for an async view an `AsyncAnswerSigner`, or one whose key is in this process.

    Raises:
        TypeError: it is something else, or does not fit the view.
    """
    check_answer_signer(answers, suspends=isinstance(answers, AsyncAnswerSigner))

    def decorate(view: V) -> V:
        check_answer_signer(answers, suspends=_suspends(view))

        @wraps(view)
        def answered(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
            response = cast("HttpResponseBase", view(request, *args, **kwargs))
            sign(cast("AnswerSigner", answers), request, response)
            return response

        @wraps(view)
        async def answered_later(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
            response = await cast("Awaitable[HttpResponseBase]", view(request, *args, **kwargs))
            if isinstance(answers, AnswerSigner):
                sign(answers, request, response)
            else:
                await sign_async(answers, request, response)
            return response

        return cast("V", answered_later if _suspends(view) else answered)

    return decorate


def endpoint(
    receiver: Receiver | AsyncReceiver, router: Router, *, answers: AnswerSigner | AsyncAnswerSigner | None = None
) -> Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]:
    """Return a view that verifies the envelope posted to it and runs the handler of its message.

    Route it at the path of the receiver's audience. With an `AsyncReceiver` it is an async view.

    Args:
        receiver: its `max_size` caps the body while it is read.
        router: the handlers; plain functions all where the receiver is a blocking one.
        answers: signs a receipt for each message that was verified, for senders that ask for one.

    Raises:
        TypeError: one of them is something else, or a coroutine handler is under a blocking receiver.
    """
    _require_receiver(receiver)
    receiver.check_router(router)
    check_answer_signer(answers, suspends=isinstance(receiver, AsyncReceiver))
    if isinstance(receiver, AsyncReceiver):
        return csrf_exempt(_suspending_endpoint(receiver, router, answers))
    return csrf_exempt(_blocking_endpoint(receiver, router, cast("AnswerSigner | None", answers)))


def _blocking_endpoint(
    receiver: Receiver, router: Router, answers: AnswerSigner | None
) -> Callable[[HttpRequest], HttpResponseBase]:
    def inbox(request: HttpRequest) -> HttpResponseBase:
        body = envelope_of(receiver.policy, request)
        if isinstance(body, Answer):
            return respond(body)
        return respond(answer_envelope(receiver, router, answers, body, accept_of(request)))

    return inbox


def _suspending_endpoint(
    receiver: AsyncReceiver, router: Router, answers: AnswerSigner | AsyncAnswerSigner | None
) -> Callable[[HttpRequest], Awaitable[HttpResponseBase]]:
    async def inbox(request: HttpRequest) -> HttpResponseBase:
        body = envelope_of(receiver.policy, request)
        if isinstance(body, Answer):
            return respond(body)
        return respond(await answer_envelope_async(receiver, router, answers, body, accept_of(request)))

    return inbox


def _suspends(view: object) -> bool:
    # What Django asks, and not `inspect`: Python 3.11 cannot see there what `as_view()` has marked.
    return iscoroutinefunction(view)  # pyright: ignore[reportDeprecated]


def _require_receiver(receiver: object) -> None:
    if not isinstance(receiver, (Receiver, AsyncReceiver)):
        raise TypeError(f"receiver: expected a Receiver or an AsyncReceiver, got {type(receiver).__name__}")
