"""A sender's public keys over HTTP: from a ring or fixed, by both doors, through real servers."""

from __future__ import annotations

import contextlib
import json
import threading
import wsgiref.simple_server
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import pytest
import uvicorn

from signedmsg import DirectoryDocument, JWKSet, KeyRing, SigningKey, asgi, wsgi
from signedmsg._core.document import parse_document
from signedmsg.testing import ManualClock
from tests.doors.straight import ASGICall, call_asgi, call_wsgi, http_scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ISSUER = "https://billing.example"
KEY = SigningKey.generate()
DOCUMENT = DirectoryDocument(JWKSet(KEY.public), issuer=ISSUER, sequence=7)


class Door(NamedTuple):
    app: Callable[[Any], Any]
    call: Callable[..., Any]


DOORS = [
    pytest.param(Door(asgi.PublishedKeys, call_asgi), id="asgi"),
    pytest.param(Door(wsgi.PublishedKeys, partial(call_wsgi, body=b"")), id="wsgi"),
]


def get(door: Door, source: Any = DOCUMENT, method: str = "GET", **fields: str) -> Any:
    named = tuple((name.replace("_", "-"), value) for name, value in fields.items())
    answer = door.call(door.app(source), method=method, fields=named)
    return answer._replace(headers={name.lower(): value for name, value in answer.headers.items()})


@pytest.mark.parametrize("door", DOORS)
def test_document_is_served_as_a_receiver_reads_it(door: Door) -> None:
    answer = get(door)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/jwk-set+json")
    assert answer.headers["content-length"] == str(len(answer.body))
    assert (parse_document(answer.body).issuer, parse_document(answer.body).sequence) == (ISSUER, 7)


@pytest.mark.parametrize("door", DOORS)
def test_head_has_the_header_fields_of_get_and_no_body(door: Door) -> None:
    full, head = get(door), get(door, method="HEAD")
    assert (head.status, head.body, head.headers) == (200, b"", full.headers)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("door", DOORS)
def test_holder_of_the_document_is_answered_304_without_a_length(door: Door, method: str) -> None:
    answer = get(door, method=method, if_none_match=DOCUMENT.etag)
    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers == {"cache-control": "public, max-age=300", "etag": DOCUMENT.etag}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("door", DOORS)
def test_other_methods_are_answered_405(door: Door, method: str) -> None:
    answer = get(door, method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("door", DOORS)
def test_change_of_the_ring_shows_within_a_second(door: Door, tmp_path: Path) -> None:
    clock = ManualClock()
    clocks: dict[str, Any] = {"clock": clock, "monotonic": clock.monotonic}
    ring = KeyRing.create(tmp_path / "ring", ISSUER, **clocks)
    served = KeyRing.open(tmp_path / "ring", **clocks)
    before = get(door, served)
    kid = ring.add().kid
    clock.advance(1)
    after = get(door, served, if_none_match=before.headers["etag"])
    assert (before.status, after.status) == (200, 200)
    assert [key["kid"] for key in json.loads(after.body)["keys"]] == [kid]


@pytest.mark.parametrize("door", DOORS)
def test_damaged_ring_is_served_as_it_last_was(door: Door, tmp_path: Path) -> None:
    clock = ManualClock()
    ring = KeyRing.create(tmp_path / "ring", ISSUER, clock=clock, monotonic=clock.monotonic)
    (tmp_path / "ring" / "ring.json").write_text("{")
    clock.advance(2)
    assert get(door, ring).status == 200


@pytest.mark.parametrize("door", DOORS)
def test_answer_holds_no_secret_of_the_ring(door: Door, tmp_path: Path) -> None:
    ring = KeyRing.create(tmp_path / "ring", ISSUER)
    ring.add()
    (pem,) = (tmp_path / "ring").glob("*.pem")
    jwk = SigningKey.load(pem).dangerously_to_jwk()
    body = get(door, ring).body.decode()
    assert str(jwk["x"]) in body
    assert str(jwk["d"]) not in body


@pytest.mark.parametrize("source", [JWKSet(KEY.public), {"keys": []}, KEY, None], ids=["set", "dict", "key", "none"])
@pytest.mark.parametrize("app", [asgi.PublishedKeys, wsgi.PublishedKeys], ids=["asgi", "wsgi"])
def test_anything_else_is_refused_when_built(app: Any, source: Any) -> None:
    with pytest.raises(TypeError, match="keys: expected a KeyRing or a DirectoryDocument"):
        app(source)


def test_asgi_application_takes_part_in_the_lifespan_and_refuses_websockets() -> None:
    app = asgi.PublishedKeys(DOCUMENT)
    lifespan = ASGICall({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    lifespan.run(app, {"type": "lifespan"})
    socket = ASGICall()
    socket.run(app, {"type": "websocket"})
    assert [event["type"] for event in lifespan.sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert socket.sent == [{"type": "websocket.close", "code": 1003}]
    with pytest.raises(ValueError, match="unknown ASGI scope"):
        ASGICall().run(app, {**http_scope(), "type": "other"})


@contextlib.contextmanager
def uvicorn_at(app: Any) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join(10)


class Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def wsgiref_at(app: Any) -> Iterator[str]:
    with wsgiref.simple_server.make_server("127.0.0.1", 0, app, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join(10)


@pytest.mark.parametrize(
    ("serve", "app"),
    [(uvicorn_at, asgi.PublishedKeys), (wsgiref_at, wsgi.PublishedKeys)],
    ids=["uvicorn", "wsgiref"],
)
def test_real_server_answers_get_head_and_conditional_requests(serve: Any, app: Any) -> None:
    with serve(app(DOCUMENT)) as url, httpx.Client(trust_env=False) as client:
        full = client.get(url)
        head = client.head(url)
        same = client.get(url, headers={"if-none-match": full.headers["etag"]})
        post = client.post(url, content=b"x")
    assert (full.status_code, full.content) == (200, DOCUMENT.content)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(full.content)))
    assert (same.status_code, same.content) == (304, b"")
    assert (post.status_code, post.headers["allow"]) == (405, "GET, HEAD")
