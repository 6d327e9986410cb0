"""Django: what callers sign arrives, what they did not sign does not, under WSGI and ASGI, plain and async."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from django.http import Http404, HttpResponse, JsonResponse, StreamingHttpResponse
from django.template.response import SimpleTemplateResponse
from django.test import AsyncClient, Client, RequestFactory
from django.views import View
from pydantic import BaseModel

from signedmsg import AsyncReceiver, Issuer, JWKSet, KeyDirectory, MemoryReplayCache, Message, Receiver, Router
from signedmsg.django import current_call, endpoint, signed, signed_answers
from signedmsg.errors import AnswerError
from signedmsg.signed_answers import AsyncAnswerSigner

from . import django_site, stage
from .call_matrix import (
    CASES,
    CLIENT_IDS,
    CLIENTS,
    CROOKED,
    DIRECTORY,
    ISSUER,
    KEY,
    ORDER,
    ORIGIN,
    REFUSALS,
    CallStage,
    Case,
    Request,
    bearing,
    check_accepted,
    exchange,
    get,
    mint,
    send,
    try_refusal,
)
from .call_servers import ANSWERS, REQUIRING, SHOP, SHOP_KEY, Site, mounted, mounted_asgi, running
from .straight import Input

if TYPE_CHECKING:
    from collections.abc import Iterator

FORM = "application/x-www-form-urlencoded"


class Order(BaseModel):
    number: int


class Colour:
    """How a view is served: by which server, and as a plain or an async function."""

    def __init__(self, site: Site, server: str, face: str) -> None:
        self.site, self.port, self.face = site, site.port, face
        self._handler: Any = django_site.ASGI if server == "uvicorn" else django_site.WSGI
        self._mount: Any = mounted_asgi if server == "uvicorn" else mounted

    def open(self, **options: Any) -> CallStage:
        """Serve every path with a view for verified calls."""
        opened = CallStage(self.face, **options)
        self.route(rest=self.view(opened))
        return opened

    def route(self, **views: Any) -> None:
        django_site.route(**views)
        self.site.serve(self._mount(self._handler))

    def view(self, opened: CallStage) -> Any:
        def plain(request: Any) -> Any:
            assert request.signedmsg_call is current_call(request)
            return JsonResponse(opened.saw(current_call(request), request.body))

        async def suspending(request: Any) -> Any:
            return JsonResponse(opened.saw(current_call(request), request.body))

        return signed(opened.receiver)(suspending if self.face == "async" else plain)


COLOURS = [("waitress", "sync"), ("uvicorn", "async"), ("wsgiref", "sync"), ("uvicorn", "sync"), ("waitress", "async")]


@pytest.fixture(scope="module", params=COLOURS, ids="-".join)
def colour(request: pytest.FixtureRequest) -> Iterator[Colour]:
    server, face = request.param
    for site in running(server):
        yield Colour(site, server, face)


TWO = pytest.mark.parametrize("colour", COLOURS[:2], ids=map("-".join, COLOURS[:2]), indirect=True)


@TWO
@pytest.mark.parametrize(("library", "mode"), CLIENTS, ids=CLIENT_IDS)
@pytest.mark.parametrize("name", CASES)
def test_signed_call_is_accepted_and_its_body_still_readable(
    colour: Colour, name: str, library: str, mode: str
) -> None:
    opened = colour.open()
    check_accepted(opened, CASES[name], send(colour.port, CASES[name], library, mode))


@pytest.mark.parametrize("name", ["JSON", "multipart", "unicode path", "mounted"])
def test_view_of_either_colour_is_served_under_either_interface(colour: Colour, name: str) -> None:
    opened = colour.open()
    check_accepted(opened, CASES[name], send(colour.port, CASES[name]))


@TWO
@pytest.mark.parametrize("name", REFUSALS)
def test_refused_call_reaches_no_view(colour: Colour, name: str) -> None:
    opened = colour.open(**REFUSALS[name].options())
    try_refusal(colour.port, opened, REFUSALS[name])


@pytest.mark.parametrize("name", CROOKED)
def test_crooked_path_reaches_no_view(colour: Colour, name: str) -> None:
    opened = colour.open()
    assert exchange(colour.port, get(CROOKED[name])).status >= 400
    assert opened.handled == []


def test_path_that_middleware_rewrites_must_be_signed_as_it_is_routed(colour: Colour) -> None:
    opened = CallStage(colour.face)
    view = colour.view(opened)

    def rewriting(request: Any) -> Any:
        request.path_info = "/v1/admin"
        return view(request)

    async def rewriting_async(request: Any) -> Any:
        return await rewriting(request)

    colour.route(rest=rewriting_async if colour.face == "async" else rewriting)
    assert exchange(colour.port, get("/v1/reports")).status == 401
    assert exchange(colour.port, get("/v1/reports", signed_for="/v1/admin")).status == 200
    assert [call.path for call in opened.handled] == ["/v1/admin"]


def test_method_that_middleware_sets_must_be_signed_as_it_is_served(colour: Colour) -> None:
    opened = CallStage(colour.face)
    view = colour.view(opened)

    def overriding(request: Any) -> Any:
        request.method = "DELETE"
        return view(request)

    async def overriding_async(request: Any) -> Any:
        return await overriding(request)

    colour.route(rest=overriding_async if colour.face == "async" else overriding)
    assert exchange(colour.port, get("/v1/reports")).status == 401
    signed_for_delete = bearing(
        mint("DELETE", "/v1/reports", b""), content_type=None, method="GET", target="/v1/reports", body=b""
    )
    assert exchange(colour.port, signed_for_delete).status == 200
    assert [call.method for call in opened.handled] == ["DELETE"]


@pytest.mark.parametrize("target", ["/v1/a%2Fb", "/v1/a%5Cb"])
def test_path_with_an_escaped_separator_is_served_only_where_the_server_keeps_the_raw_path(
    colour: Colour, target: str, request: pytest.FixtureRequest
) -> None:
    opened = colour.open()
    keeps = "wsgiref" not in request.node.callspec.id
    assert exchange(colour.port, get(target)).status == (200 if keeps else 401)
    assert [call.path for call in opened.handled] == ([target] if keeps else [])


def test_call_has_its_model_and_its_type() -> None:
    opened = CallStage("sync")
    django_site.route(orders=signed(opened.receiver, model=Order)(_number))
    assert post("/v1/orders", ORDER).json() == {"number": 42}
    refused = post("/v1/orders", b'{"number":"x"}')
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/number")


def _number(request: Any) -> Any:
    return JsonResponse({"number": current_call(request, Order).data.number})


def post(path: str, body: bytes, content_type: str = "application/json", client: Any = None) -> Any:
    token = mint(target=path, body=body, content_type=content_type)
    headers = {"Authorization": f"Bearer {token}"}
    # Django's test client does not check CSRF tokens unless it is told to.
    return (client or Client(enforce_csrf_checks=True)).post(
        path, data=body, content_type=content_type, headers=headers
    )


def test_body_stays_readable_as_body_form_files_and_stream() -> None:
    opened = CallStage("sync")
    view = signed(opened.receiver)
    django_site.route(
        body=view(lambda request: HttpResponse(request.body)),
        form=view(lambda request: HttpResponse(request.POST["a"])),
        files=view(lambda request: HttpResponse(request.FILES["f"].read())),
        stream=view(lambda request: HttpResponse(request.read())),
        line=view(lambda request: HttpResponse(next(iter(request)))),
    )
    part = b'--x\r\nContent-Disposition: form-data; name="f"; filename="f.txt"\r\n\r\nin the file\r\n--x--\r\n'
    assert post("/v1/body", ORDER).content == ORDER
    assert post("/v1/form", b"a=1&b=2", FORM).content == b"1"
    assert post("/v1/files", part, "multipart/form-data; boundary=x").content == b"in the file"
    assert post("/v1/stream", ORDER).content == ORDER
    assert post("/v1/line", b"1\n2\n", "text/plain").content == b"1\n"


def test_view_takes_its_arguments_and_keeps_its_name() -> None:
    def shown(request: Any, number: str, *, colour: str) -> Any:
        return HttpResponse(number + colour)

    view = signed(CallStage("sync").receiver)(shown)
    request = RequestFactory().get("/v1/x", headers={"Authorization": f"Bearer {mint('GET', '/v1/x', b'')}"})
    assert (view(request, "1", colour="red").content, view.__name__) == (b"1red", "shown")


def test_class_based_views_of_both_colours_are_decorated_around_as_view() -> None:
    class Plain(View):
        def post(self, request: Any) -> Any:
            return HttpResponse(current_call(request).issuer)

    class Suspending(View):
        async def post(self, request: Any) -> Any:
            return HttpResponse(current_call(request).issuer)

    plain, suspending = CallStage("sync").receiver, CallStage("async").receiver
    django_site.route(plain=signed(plain)(Plain.as_view()), suspending=signed(suspending)(Suspending.as_view()))
    assert post("/v1/plain", ORDER).content == post("/v1/suspending", ORDER).content == ISSUER.encode()


def test_async_test_client_is_served() -> None:
    opened = CallStage("async")

    async def view(request: Any) -> Any:
        return HttpResponse(request.body)

    django_site.route(orders=signed(opened.receiver)(view))

    async def run() -> Any:
        headers = {"Authorization": f"Bearer {mint()}"}
        return await AsyncClient().post("/v1/orders", ORDER, content_type="application/json", headers=headers)

    assert asyncio.run(run()).content == ORDER


def test_body_is_read_one_byte_beyond_the_cap_and_not_at_all_before_the_token_is_verified() -> None:
    opened, body = CallStage("sync", max_body=1024), b"A" * 4096
    view = signed(opened.receiver)(lambda request: HttpResponse())
    for token, asked in ((mint(body=body), 1025), (mint(body=body, origin="https://other.example"), 0)):
        stream = Input(body)
        environ: dict[str, Any] = {"wsgi.input": stream, "CONTENT_LENGTH": "4096", "CONTENT_TYPE": "application/json"}
        request = RequestFactory().request(
            **environ, PATH_INFO="/v1/orders", REQUEST_METHOD="POST", HTTP_AUTHORIZATION=f"Bearer {token}"
        )
        assert (view(request).status_code, stream.asked) == (413 if asked else 401, asked)


def test_error_of_the_view_passes_through_untouched() -> None:
    def broken(request: Any) -> Any:
        raise ZeroDivisionError

    django_site.route(broken=signed(CallStage("sync").receiver)(broken))
    with pytest.raises(ZeroDivisionError):
        post("/v1/broken", ORDER)


def test_call_of_a_view_that_verifies_none_is_not_found() -> None:
    with pytest.raises(LookupError, match="decorate"):
        current_call(RequestFactory().get("/v1/x"))


def test_call_of_another_model_is_not_given_out() -> None:
    django_site.route(orders=signed(CallStage("sync").receiver)(_number))
    with pytest.raises(TypeError, match="model"):
        post("/v1/orders", ORDER)


def plain_view(request: Any) -> Any:
    return HttpResponse()


async def async_view(request: Any) -> Any:
    return HttpResponse()


@pytest.mark.parametrize(("face", "view"), [("sync", async_view), ("async", plain_view)])
def test_view_of_another_colour_than_its_receiver_is_refused_when_decorated(face: str, view: Any) -> None:
    with pytest.raises(TypeError, match="needs"):
        signed(CallStage(face).receiver)(view)


@pytest.mark.parametrize(
    "receiver",
    [
        AsyncReceiver("inbox", DIRECTORY, MemoryReplayCache()),
        Receiver("https://shop.example/inbox", DIRECTORY, MemoryReplayCache()),
        Router(),
    ],
    ids=["of a name", "of an inbox", "none"],
)
def test_receiver_that_cannot_take_calls_is_refused_when_the_view_is_decorated(receiver: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        signed(receiver)


def test_two_audiences_on_one_server_take_each_their_own(colour: Colour) -> None:
    stages = {name: CallStage(colour.face, audience=name, external_url=ORIGIN) for name in ("acme", "beta")}
    colour.route(**{name: colour.view(opened) for name, opened in stages.items()})
    assert exchange(colour.port, get("/v1/acme", aud="beta")).json()["code"] == "audience"
    assert exchange(colour.port, get("/v1/acme", aud="acme")).status == 200
    assert [len(opened.handled) for opened in stages.values()] == [1, 0]


def test_prefix_that_a_proxy_strips_is_part_of_what_was_signed(colour: Colour) -> None:
    directory = KeyDirectory(Issuer(ISSUER, allow=["* /shop/*"], keys=JWKSet(KEY.public)))
    opened = colour.open(external_url=f"{ORIGIN}/shop", directory=directory)
    assert exchange(colour.port, get("/v1/reports")).status == 401
    assert exchange(colour.port, get("/v1/reports", signed_for="/shop/v1/reports")).status == 200
    assert [call.path for call in opened.handled] == ["/shop/v1/reports"]


def test_path_that_is_no_utf8_is_never_taken_for_one_that_is(colour: Colour) -> None:
    opened = colour.open()
    for target in ("/v1/%FF", "/v1/a%E9"):
        # Django shows its view another path than was sent; whoever signed that one did not sign this.
        assert exchange(colour.port, get(target, signed_for=target.replace("%", "%25"))).status in (200, 401)
    assert [call.path for call in opened.handled if "%25" not in call.path] == []


ANSWERED: dict[str, Any] = {
    "text": lambda request: HttpResponse("ü"),
    "empty": lambda request: HttpResponse(status=204),
    "teapot": lambda request: JsonResponse({"short": "stout"}, status=418),
    "template": lambda request: SimpleTemplateResponse(Later(), {}),
}


class Later:
    """A template that is rendered after the view has returned."""

    def render(self, context: Any, request: Any) -> str:
        return "rendered"


def answered(face: str, view: Any) -> Any:
    async def suspending(request: Any) -> Any:
        return view(request)

    return suspending if face == "async" else view


class SlowSigner:
    """A key that is somewhere else."""

    alg, kid = SHOP_KEY.alg, SHOP_KEY.kid

    async def sign(self, signing_input: bytes, /) -> bytes:
        await asyncio.sleep(0)
        return SHOP_KEY.sign(signing_input)


SLOW = AsyncAnswerSigner(SHOP, SlowSigner(), clock=lambda: stage.NOW)


@TWO
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("name", ANSWERED)
def test_answer_is_signed_as_it_is_sent(colour: Colour, name: str, method: str) -> None:
    view = answered(colour.face, ANSWERED[name])
    for answers in (ANSWERS, SLOW) if colour.face == "async" else (ANSWERS,):
        colour.route(**{name: signed(CallStage(colour.face).receiver, answers=answers)(view)})
        status = {"empty": 204, "teapot": 418}.get(name, 200)
        assert send(colour.port, Case(method, f"/v1/{name}", {}), **REQUIRING).status == status


@TWO
def test_answer_in_a_content_coding_is_not_signed(colour: Colour, caplog: pytest.LogCaptureFixture) -> None:
    view = answered(colour.face, lambda request: HttpResponse(b"\x1f\x8b", headers={"Content-Encoding": "gzip"}))
    for answers in (ANSWERS, SLOW) if colour.face == "async" else (ANSWERS,):
        colour.route(coded=signed(CallStage(colour.face).receiver, answers=answers)(view))
        reply = exchange(colour.port, get("/v1/coded"))
        assert (reply.status, "signedmsg-response" in reply.headers) == (200, False)
        assert "content coding" in caplog.text
        caplog.clear()


@TWO
def test_answer_that_is_streamed_or_made_of_an_exception_has_no_signature(colour: Colour) -> None:
    def missing(request: Any) -> Any:
        raise Http404

    views = {"stream": lambda request: StreamingHttpResponse(["a"]), "missing": missing}
    colour.route(
        **{
            name: signed(CallStage(colour.face).receiver, answers=ANSWERS)(answered(colour.face, view))
            for name, view in views.items()
        }
    )
    for name in views:
        with pytest.raises(AnswerError):
            send(colour.port, Case("GET", f"/v1/{name}", {}), **REQUIRING)


def test_streamed_answer_without_a_verified_call_is_no_error_of_an_async_view(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def view(request: Any) -> Any:
        return StreamingHttpResponse(["a"])

    asyncio.run(signed_answers(SLOW)(view)(RequestFactory().get("/v1/x")))
    assert caplog.messages == []


def test_answer_without_a_verified_call_is_left_alone() -> None:
    response = signed_answers(ANSWERS)(plain_view)(RequestFactory().get("/v1/x"))
    assert "SignedMsg-Response" not in response.headers


def test_answer_signer_that_suspends_does_not_fit_a_plain_view() -> None:
    with pytest.raises(TypeError, match="AsyncAnswerSigner"):
        signed(CallStage("sync").receiver, answers=SLOW)(plain_view)


class Invoice(BaseModel):
    number: int


def inbox(face: str, handled: list[Any], **options: Any) -> Any:
    router = Router()

    @router.on("invoice.paid")
    def paid(message: Message[Invoice]) -> None:
        handled.append(message.data.number)

    kind: Any = AsyncReceiver if face == "async" else Receiver
    receiver = kind(
        stage.AUDIENCE,
        stage.DIRECTORY,
        stage.CountingCache(),
        max_size=stage.MAX_SIZE,
        clock=lambda: stage.NOW,
        observe=lambda event: None,
    )
    return endpoint(receiver, router, **options)


def test_envelope_is_handled_once(colour: Colour) -> None:
    handled: list[int] = []
    colour.route(inbox=inbox(colour.face, handled))
    answers = [envelope(colour, stage.token()) for _ in range(2)]
    token = stage.token()
    answers += [envelope(colour, token), envelope(colour, token)]
    assert [answer.status for answer in answers] == [204, 204, 204, 409]
    assert handled == [42, 42, 42]


def envelope(colour: Colour, token: str, *fields: tuple[str, str], content_type: str = stage.MEDIA_TYPE) -> Any:
    return exchange(
        colour.port, Request("POST", "/v1/inbox", (("Content-Type", content_type), *fields), token.encode())
    )


def test_envelope_endpoint_refuses_what_surrounds_a_token_wrongly(colour: Colour) -> None:
    handled: list[int] = []
    colour.route(inbox=inbox(colour.face, handled))
    assert envelope(colour, stage.token(), content_type="application/json").status == 415
    assert envelope(colour, stage.token(), ("Content-Encoding", "gzip")).status == 415
    assert envelope(colour, "A" * (stage.MAX_SIZE + 1)).status == 413
    assert envelope(colour, "").json()["code"] == "credentials_missing"
    assert exchange(colour.port, get("/v1/inbox")).status == 405
    assert envelope(colour, stage.tampered(stage.token())).status == 401
    assert handled == []


def test_envelope_shorter_than_its_length_is_not_used() -> None:
    handled: list[int] = []
    view, good = inbox("sync", handled), stage.token().encode()
    for length, status in ((len(good) + 1, 400), (len(good), 204)):
        environ: dict[str, Any] = {"wsgi.input": Input(good), "CONTENT_LENGTH": str(length)}
        request = RequestFactory().request(**environ, CONTENT_TYPE=stage.MEDIA_TYPE, REQUEST_METHOD="POST")
        assert view(request).status_code == status
    assert handled == [42]


@TWO
def test_envelope_is_answered_with_a_receipt_when_its_sender_asks_for_one(colour: Colour) -> None:
    handled: list[int] = []
    for answers in (ANSWERS, SLOW) if colour.face == "async" else (ANSWERS,):
        colour.route(inbox=inbox(colour.face, handled, answers=answers))
        answer = envelope(colour, stage.token(), ("Accept", "application/vnd.signedmsg.receipt+jwt"))
        assert (answer.status, answer.headers["content-type"]) == (200, "application/vnd.signedmsg.receipt+jwt")
        assert envelope(colour, stage.token()).status == 204


def test_endpoint_refuses_an_async_handler_under_a_blocking_receiver() -> None:
    router = Router()

    @router.on("invoice.paid")
    async def paid(message: Message[Invoice]) -> None: ...

    with pytest.raises(TypeError, match="async handler"):
        endpoint(Receiver(stage.AUDIENCE, DIRECTORY, MemoryReplayCache()), router)


def test_endpoint_needs_a_receiver_and_a_router() -> None:
    receiver: Any = Receiver(stage.AUDIENCE, DIRECTORY, MemoryReplayCache())
    wrong: Any = None
    with pytest.raises(TypeError, match="receiver"):
        endpoint(wrong, Router())
    with pytest.raises(TypeError, match="router"):
        endpoint(receiver, wrong)
