"""What a request must look like, how much of its body is read, and what a client that hangs up leaves behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from . import raw
from .stage import MAX_SIZE, MEDIA_TYPE, Stage, token
from .straight import TOKEN, ASGICall, Input, call, call_asgi, call_wsgi, chunks, http_scope

if TYPE_CHECKING:
    from .conftest import Door

# waitress takes in a whole body before it calls the application, and wsgiref knows no chunks.
NOT_BUFFERING = pytest.mark.parametrize("running", ["uvicorn", "hypercorn-trio", "wsgiref"], indirect=True)
STREAMING = pytest.mark.parametrize("running", ["uvicorn", "hypercorn-trio"], indirect=True)
CHUNKED = pytest.mark.parametrize("running", ["uvicorn", "hypercorn-trio", "waitress"], indirect=True)
BOTH = pytest.mark.parametrize("kind", ["asgi", "wsgi"])


def chunked(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)


@pytest.mark.parametrize(
    "content_type", [f"{MEDIA_TYPE}; charset=utf-8", MEDIA_TYPE.upper(), f"{MEDIA_TYPE} ; a=b ; c", f"{MEDIA_TYPE};"]
)
def test_media_type_is_compared_without_case_and_parameters(door: Door, content_type: str) -> None:
    door.open()
    assert door.post(token(), content_type=content_type).status_code == 204


def test_identity_as_the_only_content_coding_is_accepted(door: Door) -> None:
    door.open()
    assert door.post(token(), headers={"content-encoding": "Identity"}).status_code == 204


def test_request_without_a_media_type_is_refused(door: Door) -> None:
    stage = door.open()
    good = token().encode()
    request = raw.head(f"Content-Length: {len(good)}").replace(f"Content-Type: {MEDIA_TYPE}\r\n".encode(), b"")
    assert b"Content-Type" not in request
    assert raw.exchange(door.port, request + good).status == 415
    assert stage.cache.calls == 0


@CHUNKED
def test_request_with_two_media_types_is_refused(door: Door) -> None:
    stage = door.open()
    good = token().encode()
    request = raw.head(f"Content-Type: {MEDIA_TYPE}", f"Content-Length: {len(good)}")
    assert request.count(b"Content-Type") == 2
    assert raw.exchange(door.port, request + good).status == 415
    assert stage.cache.calls == 0


def test_query_and_foreign_header_fields_change_nothing(door: Door) -> None:
    stage = door.open()
    good = token().encode()
    request = raw.head(
        f"Content-Length: {len(good)}",
        "Authorization: Bearer x.y.z",
        "X-Forwarded-Host: evil.example",
        "X-HTTP-Method-Override: DELETE",
    )
    assert raw.exchange(door.port, request.replace(b"/inbox", b"/inbox?type=invoice.crash") + good).status == 204
    assert [message.type for message in stage.handled] == ["invoice.paid"]


@NOT_BUFFERING
def test_body_that_says_it_is_too_large_is_refused_before_it_is_sent(door: Door) -> None:
    door.open()
    answer = raw.exchange(door.port, raw.head(f"Content-Length: {MAX_SIZE + 1}"))
    assert (answer.status, b'"too_large"' in answer.body) == (413, True)


@STREAMING
def test_body_in_chunks_is_refused_at_the_cap_though_it_never_ends(door: Door) -> None:
    door.open()
    beginning = raw.head("Transfer-Encoding: chunked") + chunked(b"A" * 1024) * 16 + chunked(b"A")
    assert raw.exchange(door.port, beginning).status == 413


@CHUNKED
def test_token_in_chunks_is_accepted(door: Door) -> None:
    door.open()
    good = token().encode()
    body = chunked(good[:100], good[100:101], good[101:]) + b"0\r\n\r\n"
    assert raw.exchange(door.port, raw.head("Transfer-Encoding: chunked") + body).status == 204


def test_token_of_exactly_the_largest_size_is_read_and_judged(door: Door) -> None:
    stage = door.open()
    assert door.post(b"A" * MAX_SIZE).status_code == 400
    assert stage.refusals == ["malformed"]


@pytest.mark.parametrize("sent", ["all but the last character", "all of a longer body"])
def test_token_whose_client_hung_up_is_not_used(door: Door, sent: str) -> None:
    stage = door.open()
    good = token().encode()
    if sent == "all of a longer body":
        raw.abort(door.port, raw.head(f"Content-Length: {len(good) + 1}") + good)
    else:
        raw.abort(door.port, raw.head(f"Content-Length: {len(good)}") + good[:-1])
    # Were it used up, or even handled, this would be a replay.
    assert door.post(good).status_code == 204
    assert (len(stage.handled), stage.cache.calls) == (1, 1)


@CHUNKED
def test_token_whose_last_chunk_never_came_is_not_used(door: Door) -> None:
    stage = door.open()
    good = token().encode()
    raw.abort(door.port, raw.head("Transfer-Encoding: chunked") + chunked(good))
    assert door.post(good).status_code == 204
    assert (len(stage.handled), stage.cache.calls) == (1, 1)


def test_body_that_was_not_read_is_never_taken_for_the_next_request(door: Door) -> None:
    stage = door.open()
    good = token().encode()
    hidden = raw.head(f"Content-Length: {len(good)}") + good
    request = raw.head(f"Content-Length: {len(hidden)}", content_type="text/plain").replace(
        b"Connection: close\r\n", b""
    )
    end = raw.head("Content-Length: 0", method="GET")
    received = raw.abort(door.port, request + hidden + end)
    assert received.startswith((b"HTTP/1.1 415", b"HTTP/1.0 415"))
    assert stage.handled == []


@BOTH
def test_body_too_large_by_its_length_is_refused_unread(kind: str) -> None:
    stage = Stage(kind)
    fields = (*TOKEN, ("content-length", str(MAX_SIZE + 1)))
    if kind == "asgi":
        asgi = ASGICall(*chunks(b"A" * (MAX_SIZE + 1)))
        asgi.run(stage.endpoint, http_scope(fields=fields))
        assert (asgi.answer.status, asgi.received) == (413, 0)
    else:
        body = Input(b"A" * (MAX_SIZE + 1))
        assert call_wsgi(stage.endpoint, body, fields=fields).status == 413
        assert body.asked == 0


@pytest.mark.parametrize(
    "refusal", [{"method": "PUT"}, {"fields": ()}, {"fields": (*TOKEN, ("content-encoding", "br"))}]
)
def test_request_refused_for_its_head_is_not_read(refusal: dict[str, Any]) -> None:
    asgi = ASGICall(*chunks(b"A"))
    asgi.run(Stage("asgi").endpoint, http_scope(**refusal))
    body = Input(b"A")
    wsgi = call_wsgi(Stage("wsgi").endpoint, body, **refusal)
    assert (asgi.answer.status, asgi.received) == (wsgi.status, body.asked)
    assert wsgi.status in (405, 415)


def test_asgi_body_is_read_no_further_than_the_cap() -> None:
    asgi = ASGICall(*chunks(*[b"A" * 1024] * 1000, more=True))
    asgi.run(Stage("asgi").endpoint, http_scope())
    assert (asgi.answer.status, asgi.received) == (413, MAX_SIZE // 1024 + 1)


def test_wsgi_body_of_unknown_length_is_read_one_byte_beyond_the_cap() -> None:
    body = Input(b"A" * 10 * MAX_SIZE)
    answer = call_wsgi(Stage("wsgi").endpoint, body, **{"wsgi.input_terminated": True})
    assert (answer.status, body.asked) == (413, MAX_SIZE + 1)


def test_wsgi_body_of_unknown_end_is_not_read() -> None:
    body = Input(token().encode())
    answer = call_wsgi(Stage("wsgi").endpoint, body, CONTENT_LENGTH="")
    assert (answer.code, body.asked) == ("credentials_missing", 0)


def test_wsgi_body_is_read_no_further_than_its_length() -> None:
    good = token().encode()
    stage = Stage("wsgi")
    body = Input(good + b"GET / HTTP/1.1")
    answer = call_wsgi(stage.endpoint, body, CONTENT_LENGTH=str(len(good)))
    assert (answer.status, body.asked, len(stage.handled)) == (204, len(good), 1)


def test_wsgi_body_shorter_than_its_length_is_refused() -> None:
    good = token().encode()
    stage = Stage("wsgi")
    assert call_wsgi(stage.endpoint, good, CONTENT_LENGTH=str(len(good) + 1)).code == "malformed"
    assert stage.cache.calls == 0


def test_asgi_client_that_hangs_up_gets_no_answer_and_leaves_no_trace() -> None:
    good = token().encode()
    stage = Stage("asgi")
    asgi = ASGICall(*chunks(good, more=True))
    asgi.run(stage.endpoint, http_scope())
    assert (asgi.sent, stage.handled, stage.cache.calls, stage.events) == ([], [], 0, [])


@pytest.mark.parametrize("length", ["-1", "+5", "1e3", "٣", "5, 5", "", "99999999999999999999"])
def test_nonsense_as_length_counts_as_none(length: str) -> None:
    fields = (*TOKEN, ("content-length", "5"), ("content-length", "6"))
    assert call_asgi(Stage("asgi").endpoint, token().encode(), fields=fields).status == 204
    answer = call_wsgi(Stage("wsgi").endpoint, token().encode(), checked=False, CONTENT_LENGTH=length)
    assert answer.code == "credentials_missing"


@BOTH
@pytest.mark.parametrize("method", ["post", "Post", "POST "])
def test_method_is_compared_with_its_case(kind: str, method: str) -> None:
    stage = Stage(kind)
    app = stage.endpoint
    if kind == "asgi":
        assert call_asgi(app, token().encode(), method=method).status == 405
    else:
        assert call_wsgi(app, token().encode(), method=method, checked=False).status == 405


@BOTH
def test_head_is_answered_with_the_length_of_the_body_that_a_get_would_have(kind: str) -> None:
    head, get = (call(kind, Stage(kind).endpoint, b"", method=method) for method in ("HEAD", "GET"))
    assert (head.status, head.body, get.status) == (405, b"", 405)
    assert head.headers == get.headers
    assert int(get.headers["content-length"]) == len(get.body) > 0
