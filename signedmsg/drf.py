"""Django REST framework: an authentication class that takes verified calls only."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Final

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException, AuthenticationFailed
from rest_framework.renderers import BaseRenderer

from signedmsg._core.answers import PROBLEM_TYPE, Answer, answer_call_error
from signedmsg._doors_django import body_of, head_of, keep
from signedmsg._doors_wsgi import check_receiver, verify_call
from signedmsg.errors import SignedMessageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rest_framework.request import Request
    from rest_framework.response import Response

    from signedmsg._core.call import Call
    from signedmsg.receiver import Receiver


class IssuerUser:
    """The issuer of a verified call, in the place where Django has a user; it has no permission of Django's own.

    Attributes:
        issuer: the verified issuer; also `pk` and `username`, so that throttles and logs tell issuers apart.
    """

    is_authenticated: Final = True
    is_active: Final = True
    is_anonymous: Final = False
    is_staff: Final = False
    is_superuser: Final = False

    def __init__(self, issuer: str) -> None:
        self.issuer = self.pk = self.username = issuer

    def __str__(self) -> str:
        return self.issuer

    def get_username(self) -> str:
        """Return the issuer."""
        return self.issuer

    def has_perm(self, *_args: object, **_options: object) -> bool:
        """Return False: what an issuer may call stands in `Issuer(allow=…)`."""
        return False

    def has_perms(self, *_args: object, **_options: object) -> bool:
        """Return False, as `has_perm`."""
        return False

    def has_module_perms(self, *_args: object, **_options: object) -> bool:
        """Return False, as `has_perm`."""
        return False


class CallRefused(APIException):
    """A call that was refused, or could not be decided; 401 answers are `CallNotAuthenticated`.

    Attributes:
        error: why, for whoever operates this side; nothing of it is shown to the peer.
        detail: the problem document (RFC 9457).
    """

    error: SignedMessageError

    def __init__(self, answer: Answer, error: SignedMessageError) -> None:
        problem = json.loads(answer.body)
        super().__init__(detail=problem, code=problem["code"])
        # As it goes out: the framework would turn numbers into text.
        self.detail = problem
        self.error = error
        headers = dict(answer.headers)
        self._status = answer.status
        # Where the framework's own exception handler looks for the two header fields that it sends.
        self.auth_header = headers.get("WWW-Authenticate")
        self.wait = int(headers["Retry-After"]) if "Retry-After" in headers else None

    @property
    def status_code(self) -> int:
        """The status of the answer."""
        return self._status

    @status_code.setter
    def status_code(self, status: int) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Keep it: the framework makes a 401 of it a 403 where its first authentication class has no challenge."""


class CallNotAuthenticated(CallRefused, AuthenticationFailed):  # pyright: ignore[reportIncompatibleVariableOverride]
    """A call that was refused with 401."""


class SignedAuthentication(BaseAuthentication):
    """What `signed_authentication` makes classes of."""

    receiver: Receiver
    scheme: str
    model: type[object] | None = None
    user: Callable[[Call[object]], object]

    def authenticate(self, request: Request) -> tuple[object, Call[object]]:
        """Return the user and the verified call, which the view finds as `request.user` and `request.auth`.

        Raises:
            CallRefused: also where the request has no credential at all.
        """
        django_request = request._request  # noqa: SLF001
        try:
            head = head_of(django_request, self.receiver.require_calls().prefix_octets)
            call = verify_call(self.receiver, head, partial(body_of, django_request), self.model)
        except SignedMessageError as error:
            answer = answer_call_error(error, self.receiver.clock(), self.scheme)
            # The answer is a problem document, whatever the view's own renderers are.
            request.accepted_renderer = _ProblemRenderer(answer)
            request.accepted_media_type = PROBLEM_TYPE
            raise (CallNotAuthenticated if answer.status == 401 else CallRefused)(answer, error) from error
        # For `signedmsg.django.current_call` and `signed_answers`.
        keep(django_request, call, self.model)
        return type(self).user(call), call

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - the framework passes it
        """Return the challenge for `WWW-Authenticate`."""
        return self.scheme


class _ProblemRenderer(BaseRenderer):
    media_type = PROBLEM_TYPE
    format = "json"
    charset = None

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def render(
        self,
        data: object,  # noqa: ARG002 - the answer is made already
        accepted_media_type: str | None = None,  # noqa: ARG002
        renderer_context: Mapping[str, Response] | None = None,
    ) -> bytes:
        if renderer_context is not None:
            response = renderer_context["response"]
            for name, value in (*self._answer.headers, ("Content-Length", str(len(self._answer.body)))):
                response[name] = value
        return self._answer.body


def signed_authentication(
    receiver: Receiver,
    model: type[object] | None = None,
    *,
    user: Callable[[Call[object]], object] = lambda call: IssuerUser(call.issuer),
) -> type[SignedAuthentication]:
    """Return an authentication class, for `authentication_classes` of a view or `DEFAULT_AUTHENTICATION_CLASSES`.

    `request.auth` is the verified `Call`, `request.user` an `IssuerUser`. The view reads
    `request.data` as ever. A request without a credential is refused too, so whatever a
    view's permissions are, it runs for verified calls only, unless it overrides
    `perform_authentication`; among several classes this one stands last, since those behind
    it are never asked, and those before it let in whom they like.

    Args:
        receiver: a blocking `Receiver` whose audience or `external_url` says under which origin callers know it.
        model: a pydantic model, or any type pydantic validates, for `Call.data`.
        user: what `request.user` is to be for a verified call.

    Raises:
        TypeError, ValueError: the receiver is another, or cannot take calls; the model is none.
    """
    scheme = check_receiver(receiver, model, "Django REST framework").scheme
    if not callable(user):
        raise TypeError(f"user: expected a function of a Call, got {type(user).__name__}")
    members = {
        "receiver": receiver,
        "scheme": scheme,
        "model": model,
        "user": staticmethod(user),
        "__module__": __name__,
    }
    return type("SignedAuthentication", (SignedAuthentication,), members)
