"""Django REST framework: its views run for verified calls only, and read the body as ever."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.http import RawPostDataException
from django.test import Client
from pydantic import BaseModel

from signedmsg import AsyncReceiver, MemoryReplayCache, Receiver, Router
from signedmsg.django import current_call, signed_answers

from . import django_site
from .call_matrix import (
    CASES,
    CLIENT_IDS,
    CLIENTS,
    CROOKED,
    DIRECTORY,
    ISSUER,
    ORDER,
    ORIGIN,
    REFUSALS,
    CallStage,
    Case,
    check_accepted,
    exchange,
    get,
    mint,
    send,
    try_refusal,
)
from .call_servers import ANSWERS, REQUIRING, Site, mounted, running

# After the settings, which these need when they are imported.
from rest_framework.authentication import BasicAuthentication, SessionAuthentication  # isort: skip
from rest_framework.exceptions import APIException, AuthenticationFailed  # isort: skip
from rest_framework.permissions import IsAdminUser, IsAuthenticated  # isort: skip
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer  # isort: skip
from rest_framework.response import Response  # isort: skip
from rest_framework.throttling import UserRateThrottle  # isort: skip
from rest_framework.views import APIView  # isort: skip
from signedmsg.drf import CallNotAuthenticated, CallRefused, IssuerUser, signed_authentication  # isort: skip

if TYPE_CHECKING:
    from collections.abc import Iterator

FORM = "application/x-www-form-urlencoded"


class Order(BaseModel):
    number: int


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    for site in running("waitress"):
        site.serve(mounted(django_site.WSGI))
        yield site


def view_of(handle: Any, *authentication: Any, **members: Any) -> Any:
    """An APIView whose every method is `handle(request)`."""

    def method(self: Any, request: Any) -> Any:
        return Response(handle(request))

    members = {"authentication_classes": authentication, **members}
    verbs = dict.fromkeys(("get", "post", "put"), method)
    return type("OrderView", (APIView,), {**verbs, **members}).as_view()


def opened(**options: Any) -> CallStage:
    stage = CallStage("sync", **options)
    django_site.route(
        rest=view_of(lambda request: stage.saw(request.auth, request.body), signed_authentication(stage.receiver))
    )
    return stage


@pytest.mark.parametrize(("library", "mode"), CLIENTS, ids=CLIENT_IDS)
@pytest.mark.parametrize("name", CASES)
def test_signed_call_is_accepted_and_its_body_still_readable(site: Site, name: str, library: str, mode: str) -> None:
    stage = opened()
    check_accepted(stage, CASES[name], send(site.port, CASES[name], library, mode))


@pytest.mark.parametrize("name", REFUSALS)
def test_refused_call_reaches_no_view(site: Site, name: str) -> None:
    try_refusal(site.port, opened(**REFUSALS[name].options()), REFUSALS[name])


@pytest.mark.parametrize("name", CROOKED)
def test_crooked_path_reaches_no_view(site: Site, name: str) -> None:
    stage = opened()
    assert exchange(site.port, get(CROOKED[name])).status >= 400
    assert stage.handled == []


def post(body: bytes = ORDER, content_type: str = "application/json", **options: Any) -> Any:
    token = mint(target="/v1/orders", body=body, content_type=content_type)
    headers = {"Authorization": f"Bearer {token}", **options.pop("headers", {})}
    client = Client(enforce_csrf_checks=True, **options)
    return client.post("/v1/orders", data=body, content_type=content_type, headers=headers)


def authentication(**options: Any) -> Any:
    return signed_authentication(CallStage("sync").receiver, **options)


def test_request_has_the_call_as_its_auth_and_the_issuer_as_its_user() -> None:
    def handle(request: Any) -> Any:
        assert current_call(request._request) is request.auth
        user = request.user
        return [request.auth.issuer, user.username, str(user), user.is_authenticated, user.has_perm("x"), user.pk]

    django_site.route(orders=view_of(handle, authentication(), permission_classes=[IsAuthenticated]))
    assert post().json() == [ISSUER, ISSUER, ISSUER, True, False, ISSUER]


def test_issuer_has_no_permission_of_djangos_own() -> None:
    django_site.route(orders=view_of(lambda request: 1, authentication(), permission_classes=[IsAdminUser]))
    assert post().status_code == 403
    user = IssuerUser(ISSUER)
    assert (user.has_perms(["x"]), user.has_module_perms("x"), user.get_username()) == (False, False, ISSUER)


def test_user_may_be_looked_up_by_the_call() -> None:
    django_site.route(orders=view_of(lambda request: request.user, authentication(user=lambda call: call.method)))
    assert post().json() == "POST"


def test_data_is_parsed_by_the_framework_and_by_the_model() -> None:
    def handle(request: Any) -> Any:
        return [request.data["number"], request.auth.data.number]

    django_site.route(orders=view_of(handle, authentication(model=Order)))
    assert post().json() == [42, 42]
    assert post(b'{"number":"x"}').status_code == 422


def test_forms_and_files_are_parsed_by_the_framework() -> None:
    django_site.route(orders=view_of(lambda request: request.data, authentication()))
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n'
    assert post(b"a=1", FORM).json() == {"a": "1"}
    assert post(part, "multipart/form-data; boundary=x").json() == {"a": "1"}


@pytest.mark.parametrize("accept", ["application/json", "text/html", "*/*"])
def test_refusal_is_a_problem_document_whatever_the_view_renders(accept: str) -> None:
    renderers = [BrowsableAPIRenderer, JSONRenderer]
    django_site.route(orders=view_of(lambda request: 1, authentication(), renderer_classes=renderers))
    answer = Client().post("/v1/orders", b"", content_type="text/plain", headers={"Accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert json.loads(answer.content)["code"] == "credentials_missing"


@pytest.mark.parametrize("first", [SessionAuthentication, BasicAuthentication])
def test_class_that_stands_last_is_asked_and_its_401_stays_one(first: Any) -> None:
    django_site.route(orders=view_of(lambda request: request.user.issuer, first, authentication()))
    assert post().json() == ISSUER
    answer = Client().post("/v1/orders", b"", content_type="text/plain")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_only_401_is_a_failed_authentication_and_the_reason_is_on_the_exception() -> None:
    seen: list[Any] = []

    def handler(error: Any, context: Any) -> Any:
        seen.append(error)
        return Response(error.detail, status=error.status_code)

    for options in ({}, {"max_body": 8}, REFUSALS["store down"].options()):
        stage = CallStage("sync", **options)
        view = view_of(
            lambda request: 1,
            signed_authentication(stage.receiver),
            get_exception_handler=lambda self: handler,
        )
        django_site.route(orders=view)
        if options:
            post()
        else:
            Client().post("/v1/orders", b"", content_type="text/plain")
    assert [error.status_code for error in seen] == [401, 413, 503]
    assert [isinstance(error, AuthenticationFailed) for error in seen] == [True, False, False]
    assert [error.error.code for error in seen] == ["credentials_missing", "body_too_large", "store_unavailable"]
    assert (seen[2].wait, seen[2].detail["status"]) == (7, 503)
    assert all(isinstance(error, (CallRefused, APIException)) for error in seen)
    assert isinstance(seen[0], CallNotAuthenticated)


def test_data_that_were_parsed_before_the_signature_was_checked_are_an_error_that_says_what_to_do() -> None:
    stage = CallStage("sync")

    class Early(APIView):
        authentication_classes = (signed_authentication(stage.receiver),)

        def initialize_request(self, request: Any, *args: Any, **options: Any) -> Any:
            early = super().initialize_request(request, *args, **options)
            assert early.data
            return early

    django_site.route(orders=Early.as_view())
    form = b'--a\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n--a--\r\n'
    with pytest.raises(RawPostDataException, match=r"request\.body before"):
        post(form, "multipart/form-data; boundary=a")


def test_throttle_tells_issuers_apart() -> None:
    throttle = type("Once", (UserRateThrottle,), {"rate": "1/day", "cache": Cache()})
    django_site.route(orders=view_of(lambda request: 1, authentication(), throttle_classes=[throttle]))
    assert [post().status_code for _ in range(2)] == [200, 429]


class Cache(dict[Any, Any]):
    """Django's own would need a database or another process."""

    def set(self, key: Any, value: Any, timeout: Any) -> None:
        self[key] = value


def test_authentication_has_a_challenge() -> None:
    authenticator: Any = signed_authentication(CallStage("sync", scheme="SignedMsg").receiver)()
    assert authenticator.authenticate_header(None) == "SignedMsg"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_answer_is_signed_once_it_is_rendered(site: Site, method: str) -> None:
    view = view_of(lambda request: {"number": 1}, authentication())
    django_site.route(orders=signed_answers(ANSWERS)(view))
    options = {"json": {"number": 1}} if method == "POST" else {}
    assert send(site.port, Case(method, "/v1/orders", options), **REQUIRING).status == 200


@pytest.mark.parametrize(
    "receiver",
    [
        AsyncReceiver(ORIGIN, DIRECTORY, MemoryReplayCache()),
        Receiver("https://shop.example/inbox", DIRECTORY, MemoryReplayCache()),
        Router(),
    ],
    ids=["async", "of an inbox", "none"],
)
def test_receiver_that_cannot_take_calls_is_refused_when_the_class_is_made(receiver: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        signed_authentication(receiver)


@pytest.mark.parametrize("options", [{"user": "ann"}, {"model": "Order"}])
def test_option_of_the_wrong_type_is_refused_when_the_class_is_made(options: Any) -> None:
    with pytest.raises(TypeError):
        authentication(**options)
