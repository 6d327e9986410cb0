"""One post over a real socket: what comes of each answer, and of each fault below it."""

from __future__ import annotations

import socket
import time

import pytest

from signedmsg import DeliveryError

from .faces import FACES, Face, failure, told
from .faults import FaultServer, Script, answer, problem, raw, reset, silence, then_close


@pytest.fixture(params=FACES)
def face(request: pytest.FixtureRequest) -> Face:
    return FACES[request.param]


def test_request_is_the_token_and_nothing_that_nobody_asked_for(face: Face) -> None:
    with FaultServer(answer(204)) as server:
        (sent,) = face.send(server.url + "?a=b")
    (request,) = server.requests
    assert sent == ("m", 204, False, None)
    assert request.line == "POST /inbox?a=b HTTP/1.1"
    assert request.body.count(b".") == 2
    assert set(request.headers) <= {
        "host", "content-type", "content-length", "accept", "accept-encoding", "user-agent", "connection"
    }  # fmt: skip
    assert request.headers["content-type"] == "application/vnd.signedmsg+jwt"
    assert request.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_is_delivered_over_the_wire(face: Face, status: int) -> None:
    with FaultServer(answer(status)) as server:
        assert face.send(server.url) == [("m", status, False, None)]


def test_duplicate_is_delivered(face: Face) -> None:
    with FaultServer(answer(200, SignedMsg_Duplicate="1")) as server:
        assert face.send(server.url) == [("m", 200, True, None)]


OWN = [
    (409, "replayed", "sign_anew"),
    (401, "expired", "sign_anew"),
    (401, "not_yet_valid", "sign_anew"),
    (401, "verification_failed", "refused"),
    (401, "lifetime", "refused"),
    (401, "claim", "refused"),
    (401, "audience", "refused"),
    (403, "not_allowed", "refused"),
    (400, "credentials_missing", "dead"),
    (400, "malformed", "dead"),
    (400, "unsupported", "dead"),
    (413, "too_large", "dead"),
    (415, "unsupported_media_type", "dead"),
    (422, "payload", "dead"),
    (422, "unknown_type", "dead"),
    (422, "too_late", "dead"),
    (405, "method_not_allowed", "retry"),
    (429, "quota", "retry"),
    (500, "handler_error", "retry"),
    (503, "unavailable", "retry"),
]


@pytest.mark.parametrize(("status", "code", "outcome"), OWN, ids=[row[1] for row in OWN])
def test_own_problem_over_the_wire_says_what_to_do(face: Face, status: int, code: str, outcome: str) -> None:
    assert told(failure(face, problem(status, code))) == (outcome, status, code, None)


@pytest.mark.parametrize(
    "status", [300, 304, 400, 401, 403, 404, 409, 410, 413, 415, 422, 429, 500, 502, 503, 504, 599]
)
def test_answer_of_a_proxy_only_means_to_retry(face: Face, status: int) -> None:
    page = answer(status, b"" if status == 304 else b"<html>Bad Gateway</html>", content_type="text/html")
    assert told(failure(face, page)) == ("retry", status, None, None)


def test_problem_of_somebody_else_only_means_to_retry(face: Face) -> None:
    script = problem(422, "payload", members={"type": "https://proxy.example/errors#payload"})
    assert told(failure(face, script)) == ("retry", 422, None, None)


@pytest.mark.parametrize(("value", "seconds"), [("7", 7.0), ("0", 1.0), ("86400", 3600.0), ("soon", None)])
def test_retry_after_reaches_the_caller_within_its_bounds(face: Face, value: str, seconds: float | None) -> None:
    error = failure(face, problem(503, "unavailable", retry_after=value))
    assert told(error) == ("retry", 503, "unavailable", seconds)
    assert told(failure(face, answer(502, retry_after=value))) == ("retry", 502, None, seconds)


def test_error_names_the_message_and_the_answer_and_no_token(face: Face) -> None:
    error = failure(face, problem(422, "payload"))
    assert str(error) == "message m: answered 422 payload"
    assert (error.code, error.attempts) == ("delivery", 1)


# Faults below HTTP: it may or may not have arrived.

FAULTS: dict[str, Script] = {
    "reset": reset,
    "closed at once": then_close(b""),
    "closed in the status line": then_close(b"HTTP/1.1 20"),
    "closed in the header": then_close(b"HTTP/1.1 204 No Content\r\nDate: x"),
    "body cut off": then_close(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this"),
    "chunks cut off": then_close(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"),
    "bad chunk size": then_close(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc"),
    "not HTTP": then_close(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "status of two digits": then_close(b"HTTP/1.1 42 x\r\n\r\n"),
    "two lengths": then_close(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
    "endless header": raw(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 2**20),
    "switching protocols": then_close(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_answer_that_breaks_off_leaves_the_outcome_unknown(face: Face, fault: str) -> None:
    assert told(failure(face, FAULTS[fault])) == ("unknown", None, None, None)


def test_refused_connection_leaves_the_outcome_unknown(face: Face) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(DeliveryError) as caught:
        face.send(f"http://127.0.0.1:{port}/inbox")
    assert told(caught.value) == ("unknown", None, None, None)


def test_silence_leaves_the_outcome_unknown_in_time(face: Face) -> None:
    started = time.monotonic()
    assert told(failure(face, silence, timeout=0.2)) == ("unknown", None, None, None)
    assert time.monotonic() - started < 5


def test_cause_of_an_unknown_outcome_holds_no_token(face: Face) -> None:
    error = failure(face, reset)
    assert str(error) == "message m: no answer came; it may or may not have arrived: ReadError"
