"""Flask: what callers sign arrives, what they did not sign does not, whichever server stands in front."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask, Response, abort, request, send_file
from pydantic import BaseModel
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

import signedmsg
from signedmsg import (
    AsyncReceiver,
    Issuer,
    JWKSet,
    KeyDirectory,
    MemoryReplayCache,
    Receiver,
    Router,
)
from signedmsg.errors import AnswerError
from signedmsg.flask import current_call, signed
from signedmsg.signed_answers import AsyncAnswerSigner

from . import raw
from .call_matrix import (
    CASES,
    CLIENT_IDS,
    CLIENTS,
    CROOKED,
    DIRECTORY,
    ISSUER,
    KEY,
    NOW,
    ORDER,
    ORIGIN,
    REFUSALS,
    CallStage,
    Case,
    bearing,
    check_accepted,
    exchange,
    get,
    mint,
    send,
    try_refusal,
)
from .call_servers import ANSWERS, REQUIRING, Site, mounted, running
from .servers import listen
from .straight import Input, call_wsgi

if TYPE_CHECKING:
    from collections.abc import Iterator

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
ANYTHING = KeyDirectory(Issuer(ISSUER, allow=["*"], keys=JWKSet(KEY.public)))


class Order(BaseModel):
    number: int


@pytest.fixture(scope="module", params=["waitress", "wsgiref"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    yield from running(request.param)


def build(stage: CallStage, colour: str = "plain") -> Flask:
    """An application whose every path is for verified calls, but for /public/open."""
    app = Flask(__name__)

    @signed(stage.receiver)
    def plain(**_: str) -> Any:
        return stage.saw(current_call(), request.get_data())

    @signed(stage.receiver)
    async def suspending(**_: str) -> Any:
        return stage.saw(current_call(), request.get_data())

    view = plain if colour == "plain" else suspending
    app.add_url_rule("/", "root", view, methods=METHODS)
    app.add_url_rule("/<path:rest>", "call", view, methods=METHODS)
    app.add_url_rule("/public/open", "open", lambda: "open")
    return app


@pytest.mark.parametrize(("library", "mode"), CLIENTS, ids=CLIENT_IDS)
@pytest.mark.parametrize("name", CASES)
def test_signed_call_is_accepted_and_its_body_still_readable(site: Site, name: str, library: str, mode: str) -> None:
    stage = CallStage("sync")
    site.serve(mounted(build(stage)))
    check_accepted(stage, CASES[name], send(site.port, CASES[name], library, mode))


@pytest.mark.parametrize("name", ["GET", "JSON", "multipart"])
def test_async_view_is_served_under_the_same_receiver(site: Site, name: str) -> None:
    stage = CallStage("sync")
    site.serve(mounted(build(stage, "async")))
    check_accepted(stage, CASES[name], send(site.port, CASES[name]))


@pytest.mark.parametrize("name", REFUSALS)
def test_refused_call_reaches_no_view(site: Site, name: str) -> None:
    stage = CallStage("sync", **REFUSALS[name].options())
    site.serve(mounted(build(stage)))
    try_refusal(site.port, stage, REFUSALS[name])


@pytest.mark.parametrize("name", CROOKED)
def test_crooked_path_reaches_no_view(site: Site, name: str) -> None:
    stage = CallStage("sync")
    site.serve(mounted(build(stage)))
    answer = exchange(site.port, get(CROOKED[name]))
    assert answer.status >= 300
    assert stage.handled == []


@pytest.mark.parametrize("target", ["/v1/a%2Fb", "/v1/a%5Cb"])
def test_path_with_an_escaped_separator_is_served_where_the_server_keeps_the_raw_path(target: str) -> None:
    stage = CallStage("sync")
    for site in running("waitress"):
        site.serve(build(stage))
        assert exchange(site.port, get(target)).status == 200
        assert exchange(site.port, get(target, signed_for="/v1/a/b")).status == 401
    assert [call.path for call in stage.handled] == [target]


@pytest.mark.parametrize("target", ["/v1/a%2Fb", "/v1/a%5Cb"])
def test_path_with_an_escaped_separator_is_refused_where_the_server_decodes_it(target: str) -> None:
    stage = CallStage("sync")
    for site in running("wsgiref"):
        site.serve(build(stage))
        assert exchange(site.port, get(target)).status == 401
    assert stage.handled == []


def test_call_has_its_model_and_its_type(site: Site) -> None:
    stage, app = CallStage("sync"), Flask(__name__)

    @app.post("/v1/orders")
    @signed(stage.receiver, model=Order)
    def order() -> dict[str, int]:
        return {"number": current_call(Order).data.number}

    site.serve(app)
    assert exchange(site.port, bearing(mint())).json() == {"number": 42}
    refused = exchange(site.port, bearing(mint(body=b'{"number":"x"}'), body=b'{"number":"x"}'))
    assert (refused.status, refused.json()["errors"][0]["pointer"]) == (422, "/number")


def test_body_stays_readable_as_json_form_and_stream() -> None:
    stage, app = CallStage("sync"), Flask(__name__)

    @app.post("/v1/orders")
    @signed(stage.receiver)
    def order() -> list[Any]:
        return [request.get_json(), request.get_data(as_text=True)]

    @app.post("/v1/form")
    @signed(stage.receiver)
    def form() -> list[Any]:
        return [request.form["a"], request.content_length]

    @app.post("/v1/stream")
    @signed(stage.receiver)
    def stream() -> list[Any]:
        return [request.stream.read().decode()]

    client = app.test_client()
    form_type = "application/x-www-form-urlencoded"
    assert post(client, "/v1/orders", ORDER).json == [json.loads(ORDER), ORDER.decode()]
    assert post(client, "/v1/form", b"a=1&b=2", form_type).json == ["1", 7]
    assert post(client, "/v1/stream", ORDER).json == [ORDER.decode()]


def post(client: Any, path: str, body: bytes, content_type: str = "application/json", **options: Any) -> Any:
    token = mint(target=path, body=body, content_type=content_type)
    headers = {"Authorization": f"Bearer {token}", **options.pop("headers", {})}
    return client.post(path, data=body, content_type=content_type, headers=headers, **options)


def test_body_that_was_read_and_kept_before_the_view_is_verified_as_ever() -> None:
    stage = CallStage("sync")
    app = build(stage)
    app.before_request(lambda: request.get_data() and None)
    assert post(app.test_client(), "/v1/orders", ORDER).status_code == 200
    assert [call.body for call in stage.handled] == [ORDER]


def test_form_that_was_parsed_and_not_kept_is_an_error_of_the_application() -> None:
    app = build(CallStage("sync"))
    app.testing = True
    app.before_request(lambda: request.form and None)
    with pytest.raises(RuntimeError, match="before the signature was checked"):
        post(app.test_client(), "/v1/form", b"a=1", "application/x-www-form-urlencoded")


def test_body_in_chunks_is_read_where_the_server_ends_it() -> None:
    stage, sent = CallStage("sync"), b'{"number":42}'
    app, token = build(stage), mint(body=sent)
    head = f"POST /v1/orders HTTP/1.1\r\nHost: shop.example\r\nAuthorization: Bearer {token}\r\n"
    chunks = b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    for site in running("waitress"):
        site.serve(app)
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(sent), sent)
        assert raw.exchange(site.port, head.encode() + chunks + body).status == 200
    assert [call.body for call in stage.handled] == [sent]


def test_body_is_read_one_byte_beyond_the_cap_and_not_at_all_before_the_token_is_verified() -> None:
    stage = CallStage("sync", max_body=1024)
    app, body = build(stage), b"A" * 4096
    for token, asked in ((mint(body=body), 1025), (mint(body=body, origin="https://other.example"), 0)):
        stream = Input(body)
        answer = app.test_client().post(
            "/v1/orders",
            input_stream=stream,
            content_type="application/json",
            headers={"Authorization": f"Bearer {token}", "Content-Length": "4096"},
        )
        assert (answer.status_code, stream.asked) == (413 if asked else 401, asked)
    assert stage.handled == []


def test_error_of_the_view_passes_through_untouched() -> None:
    stage, app = CallStage("sync"), Flask(__name__)
    app.register_error_handler(KeyError, lambda error: ("mine", 418))

    @app.post("/v1/orders")
    @signed(stage.receiver)
    def order() -> str:
        raise KeyError

    assert post(app.test_client(), "/v1/orders", ORDER).data == b"mine"


def test_view_that_was_decorated_above_its_route_is_told_the_order() -> None:
    app = Flask(__name__)
    app.testing = True

    @signed(CallStage("sync").receiver)
    @app.get("/v1/x")
    def view() -> str:
        return current_call().issuer

    with pytest.raises(LookupError, match="below its route"):
        app.test_client().get("/v1/x")


def test_call_is_not_left_behind_for_the_next_request() -> None:
    stage = CallStage("sync")
    app = build(stage)
    app.add_url_rule("/public/call", "leak", lambda: current_call().issuer)
    app.testing = True
    with app.app_context():
        client = app.test_client()
        assert post(client, "/v1/orders", ORDER).status_code == 200
        with pytest.raises(LookupError, match="decorate"):
            client.get("/public/call")


def test_call_of_another_model_is_not_given_out() -> None:
    stage, app = CallStage("sync"), Flask(__name__)
    app.testing = True

    @app.post("/v1/orders")
    @signed(stage.receiver)
    def order() -> str:
        return str(current_call(Order).data.number)

    with pytest.raises(TypeError, match="model"):
        post(app.test_client(), "/v1/orders", ORDER)


@pytest.mark.parametrize(
    "receiver",
    [
        AsyncReceiver(ORIGIN, DIRECTORY, MemoryReplayCache()),
        Receiver("https://shop.example/inbox", DIRECTORY, MemoryReplayCache()),
        Router(),
    ],
    ids=["async", "of an inbox", "none"],
)
def test_receiver_that_cannot_take_calls_is_refused_when_the_view_is_decorated(receiver: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        signed(receiver)


def test_model_that_is_none_is_refused_when_the_view_is_decorated() -> None:
    model: Any = "Order"
    with pytest.raises(TypeError):
        signed(Receiver(ORIGIN, DIRECTORY, MemoryReplayCache()), model)


def test_two_audiences_on_one_server_take_each_their_own(site: Site) -> None:
    stages = {name: CallStage("sync", audience=name, external_url=ORIGIN) for name in ("acme", "beta")}
    app = Flask(__name__)
    for name, stage in stages.items():
        view = signed(stage.receiver)(lambda stage=stage: stage.saw(current_call(), b""))
        app.add_url_rule(f"/v1/{name}", name, view)
    site.serve(app)
    assert exchange(site.port, get("/v1/acme", aud="beta")).json()["code"] == "audience"
    assert exchange(site.port, get("/v1/acme", aud="acme")).status == 200
    assert [len(stage.handled) for stage in stages.values()] == [1, 0]


def test_forged_prefix_of_a_proxy_serves_no_other_path_than_was_signed() -> None:
    for name in ("waitress", "wsgiref"):
        for site in running(name):
            stage = CallStage("sync")
            app: Any = build(stage)
            site.serve(ProxyFix(app.wsgi_app, x_prefix=1, x_host=1))
            forged = ("X-Forwarded-Prefix", "/v1")
            # Signed for /v1/public/x, and what would be served is /public/x.
            assert exchange(site.port, get("/public/x", forged, signed_for="/v1/public/x")).status == 401
            # Without the target as it was sent, nothing tells a forged prefix from a true mount.
            assert exchange(site.port, get("/public/x", forged)).status == (200 if name == "waitress" else 401)
            assert {call.path for call in stage.handled} <= {"/public/x"}


@pytest.mark.parametrize("forged", ["Script-Name", "X-Forwarded-Prefix"])
@pytest.mark.parametrize("value", ["x", "/admin", "x, /admin"])
def test_forged_prefix_leaves_no_mount_out_of_what_must_be_signed(site: Site, forged: str, value: str) -> None:
    stage = CallStage("sync", directory=ANYTHING)
    shop: Any = Flask(__name__)
    site.serve(ProxyFix(DispatcherMiddleware(shop.wsgi_app, {"/admin": build(stage)}), x_prefix=0))
    assert exchange(site.port, get("/admin/v1/x", (forged, value), signed_for="/v1/x")).status == 401
    reply = exchange(site.port, get("/admin/v1/x", (forged, value)))
    assert reply.status == 401 or reply.json()["target"] == "/admin/v1/x"
    assert exchange(site.port, get("/admin/v1/x")).status == 200


def test_prefix_that_a_proxy_names_is_taken_off_where_it_is_that_of_the_external_url(site: Site) -> None:
    stage = CallStage("sync", directory=ANYTHING, external_url=f"{ORIGIN}/shop")
    app: Any = build(stage)
    site.serve(ProxyFix(app.wsgi_app, x_prefix=1))
    named = ("X-Forwarded-Prefix", "/shop")
    assert exchange(site.port, get("/v1/x", named, signed_for="/shop/v1/x")).status == 200
    assert exchange(site.port, get("/v1/x", named)).status == 401


@pytest.mark.parametrize(
    ("external", "signed_for", "status"), [("/shop", "/shop/v1/x", 200), ("", "/shop/v1/x", 401), ("", "/v1/x", 401)]
)
def test_name_that_gunicorn_believes_counts_where_it_is_that_of_the_external_url(
    external: str, signed_for: str, status: int
) -> None:
    stage = CallStage("sync", directory=ANYTHING, external_url=ORIGIN + external)
    environ = {"RAW_URI": "/shop/v1/x", "SCRIPT_NAME": "/shop", "PATH_INFO": "/v1/x", "HTTP_SCRIPT_NAME": "/shop"}
    request = get("/shop/v1/x", signed_for=signed_for)
    assert call_wsgi(build(stage), b"", method="GET", fields=request.headers, **environ).status == status


def test_target_in_absolute_form_is_read_without_its_authority() -> None:
    stage = CallStage("sync")
    for site in running("waitress"):
        site.serve(build(stage))
        request = get("/v1/reports?a=1")._replace(target="http://evil.example/v1/reports?a=1")
        assert exchange(site.port, request).status == 200
        other = get("/v1/reports?a=1", signed_for="/v1/orders")._replace(target="http://evil.example/v1/reports?a=1")
        assert exchange(site.port, other).status == 401
    assert [call.target for call in stage.handled] == ["/v1/reports?a=1"]


@pytest.mark.parametrize(
    ("sent", "served"),
    [
        ("/v1/reports", "/v1/admin"),
        ("/reports", "/v1/reports"),
        ("/v1/v1/reports", "/v1/reports"),
        ("/v1/reports?a=1", "/v1/reports?a=2"),
        ("/v1/reports", "/v1/reports?a=1"),
    ],
)
def test_target_that_middleware_rewrites_must_be_signed_as_it_is_served(site: Site, sent: str, served: str) -> None:
    stage = CallStage("sync")
    app = build(stage)

    def rewriting(environ: Any, start_response: Any) -> Any:
        environ["PATH_INFO"], _, environ["QUERY_STRING"] = served.partition("?")
        return app(environ, start_response)

    site.serve(rewriting)
    assert exchange(site.port, get(sent)).status == 401
    assert exchange(site.port, get(sent, signed_for=served)).status == 200
    assert [call.target for call in stage.handled] == [served]


def test_prefix_that_a_proxy_strips_is_part_of_what_was_signed(site: Site) -> None:
    directory = KeyDirectory(Issuer(ISSUER, allow=["* /shop/*"], keys=JWKSet(KEY.public)))
    stage = CallStage("sync", external_url=f"{ORIGIN}/shop", directory=directory)
    site.serve(build(stage))
    assert exchange(site.port, get("/v1/reports")).status == 401
    assert exchange(site.port, get("/v1/reports", signed_for="/shop/v1/reports")).status == 200
    assert [call.path for call in stage.handled] == ["/shop/v1/reports"]


@pytest.mark.parametrize("view", ["text", "empty", "stream", "file", "abort", "teapot"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_answer_is_signed_also_when_an_exception_makes_it(site: Site, view: str, method: str) -> None:
    stage, app = CallStage("sync"), Flask(__name__)
    views: dict[str, Any] = {
        "text": lambda: "ü",
        "empty": lambda: ("", 204),
        "stream": lambda: Response(iter(["a", "b"]), mimetype="text/plain"),
        "file": lambda: send_file(BytesIO(b"in the file"), mimetype="text/plain"),
        "abort": lambda: abort(404),
        "teapot": lambda: ({"short": "stout"}, 418),
    }
    app.add_url_rule(f"/v1/{view}", view, signed(stage.receiver, answers=ANSWERS)(views[view]))
    site.serve(app)
    status = {"empty": 204, "abort": 404, "teapot": 418}.get(view, 200)
    assert send(site.port, Case(method, f"/v1/{view}", {}), **REQUIRING).status == status


def test_answer_that_nobody_signed_is_no_answer_to_a_client_that_requires_it(site: Site) -> None:
    stage = CallStage("sync")
    site.serve(build(stage))
    with pytest.raises(AnswerError):
        send(site.port, CASES["GET"], **REQUIRING)


@pytest.mark.parametrize("passes", [False, True], ids=["encoded", "passed through"])
def test_stream_beyond_the_cap_goes_out_unsigned_without_being_held_in_memory(
    caplog: pytest.LogCaptureFixture, passes: bool
) -> None:
    stage, app, made, closed = CallStage("sync"), Flask(__name__), [0], [False]

    def chunks() -> Iterator[bytes]:
        try:
            for _ in range(64):
                made[0] += 1
                yield b"x" * 2**20
        finally:
            closed[0] = True

    view = signed(stage.receiver, answers=ANSWERS)(lambda: Response(chunks(), direct_passthrough=passes))
    app.add_url_rule("/v1/stream", "stream", view)
    with app.test_client().get(
        "/v1/stream", headers={"Authorization": f"Bearer {mint('GET', '/v1/stream', b'')}"}
    ) as got:
        held = made[0]
        assert sum(map(len, got.iter_encoded())) == 64 * 2**20
    assert (held, closed[0], "SignedMsg-Response" in got.headers) == (9, True, False)
    assert caplog.messages == ["an answer could not be signed: it is larger than 8388608 bytes"]


def test_answer_in_a_content_coding_is_not_signed(caplog: pytest.LogCaptureFixture) -> None:
    app = Flask(__name__)
    coded = Response(b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    app.add_url_rule("/v1/c", "c", signed(CallStage("sync").receiver, answers=ANSWERS)(lambda: coded))
    got = app.test_client().get("/v1/c", headers={"Authorization": f"Bearer {mint('GET', '/v1/c', b'')}"})
    assert (got.data, "SignedMsg-Response" in got.headers) == (b"\x1f\x8b", False)
    assert "content coding" in caplog.text


@pytest.mark.parametrize("status", [200, 204])
def test_stream_of_an_answer_that_has_no_content_is_not_read(status: int) -> None:
    stage, app, made = CallStage("sync"), Flask(__name__), [0]

    def endless() -> Iterator[bytes]:
        while True:
            made[0] += 1
            yield b"x"

    app.add_url_rule(
        "/v1/s", "s", signed(stage.receiver, answers=ANSWERS)(lambda: Response(endless(), status)), methods=["GET"]
    )
    method = "HEAD" if status == 200 else "GET"
    got = app.test_client().open(
        "/v1/s", method=method, headers={"Authorization": f"Bearer {mint(method, '/v1/s', b'')}"}
    )
    assert (made[0], "SignedMsg-Response" in got.headers) == (0, True)


def test_answer_signer_that_suspends_is_refused() -> None:
    class KMS:
        alg, kid = "ES256", "k-1"

        async def sign(self, signing_input: bytes, /) -> bytes:
            return signing_input

    answers: Any = AsyncAnswerSigner("https://shop.example/", KMS())
    with pytest.raises(TypeError, match="AsyncAnswerSigner"):
        signed(CallStage("sync").receiver, answers=answers)


@pytest.fixture(scope="module")
def gunicorn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("calls")
    (folder / "keys.json").write_text(JWKSet(KEY.public).to_json(), "utf-8")
    with listen() as listener, (folder / "log").open("wb") as log:
        options = [f"--bind=fd://{listener.fileno()}", "--threads=4", "--no-control-socket"]
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *options, "calls:application"],
            cwd=Path(__file__).parent / "processes",
            env={
                **os.environ,
                "CALLS_FOLDER": str(folder),
                "CALLS_NOW": str(NOW),
                "PYTHONPATH": str(Path(str(signedmsg.__file__)).parent.parent),
            },
            pass_fds=[listener.fileno()],
            stdout=log,
            stderr=log,
        )
        try:
            yield int(listener.getsockname()[1])
        finally:
            process.terminate()
            assert process.wait(20) == 0, (folder / "log").read_text("utf-8")


ON_GUNICORN = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")


@ON_GUNICORN
@pytest.mark.parametrize("name", CASES)
def test_signed_call_is_accepted_under_gunicorn(gunicorn: int, name: str) -> None:
    reply = send(gunicorn, CASES[name])
    assert reply.status == 200
    assert CASES[name].method == "HEAD" or reply.json()["same_body"] is True


@ON_GUNICORN
@pytest.mark.parametrize("name", CROOKED)
def test_crooked_path_reaches_no_view_under_gunicorn(gunicorn: int, name: str) -> None:
    assert exchange(gunicorn, get(CROOKED[name])).status >= 300


@ON_GUNICORN
def test_gunicorn_keeps_the_path_as_it_was_sent(gunicorn: int) -> None:
    assert exchange(gunicorn, get("/v1/a%2Fb")).json()["target"] == "/v1/a%2Fb"
    assert exchange(gunicorn, get("/v1/a%2Fb", signed_for="/v1/a/b")).status == 401
    absolute = get("/v1/reports?a=1")._replace(target="http://evil.example/v1/reports?a=1")
    assert exchange(gunicorn, absolute).json()["target"] == "/v1/reports?a=1"


@ON_GUNICORN
@pytest.mark.parametrize("field", ["Script-Name", "SCRIPT_NAME", "PATH_INFO", "Raw-Uri", "RAW_URI", "Request-Uri"])
def test_field_named_like_a_part_of_the_environment_changes_nothing_under_gunicorn(gunicorn: int, field: str) -> None:
    for signed_for in ("/v1/reports", "/v1/v1/reports", "/reports"):
        reply = exchange(gunicorn, get("/v1/reports", (field, "/v1"), signed_for=signed_for))
        assert reply.status >= 400 or reply.json()["served"] == signed_for


@ON_GUNICORN
@pytest.mark.parametrize("name", ["one body byte", "body not signed", "replay", "two credentials", "method override"])
def test_refused_call_is_refused_under_gunicorn(gunicorn: int, name: str) -> None:
    request = REFUSALS[name].request()
    if REFUSALS[name].twice:
        assert exchange(gunicorn, request).status == 200
    reply = exchange(gunicorn, request)
    assert (reply.status, reply.json()["code"]) == (REFUSALS[name].status, REFUSALS[name].code)


@ON_GUNICORN
def test_body_in_chunks_is_read_under_gunicorn(gunicorn: int) -> None:
    head = f"POST /v1/orders HTTP/1.1\r\nHost: shop.example\r\nAuthorization: Bearer {mint()}\r\n"
    chunks = b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(ORDER), ORDER)
    answer = raw.exchange(gunicorn, head.encode() + chunks + body)
    assert (answer.status, json.loads(answer.body)["size"]) == (200, len(ORDER))
