"""What a hostile receiver cannot make a sender do: read without end, wait without end, or fail in another way."""

from __future__ import annotations

import gzip
import socket
import time

import pytest

from signedmsg import DeliveryError

from .faces import FACES, Face, failure, told
from .faults import PROBLEM_BASE, FaultServer, answer, drip, silence


@pytest.fixture(params=FACES)
def face(request: pytest.FixtureRequest) -> Face:
    return FACES[request.param]


def test_huge_answer_is_not_read_to_its_end(face: Face) -> None:
    written = 0

    def flood(connection: socket.socket) -> None:
        nonlocal written
        connection.sendall(
            b"HTTP/1.1 422 x\r\nContent-Type: application/problem+json\r\nContent-Length: 999999999\r\n\r\n"
        )
        for _ in range(1024):
            connection.sendall(b"a" * 65536)
            written += 65536

    assert told(failure(face, flood)) == ("retry", 422, None, None)
    assert written < 32 * 2**20


def test_compressed_answer_is_not_unfolded(face: Face) -> None:
    bomb = gzip.compress(b'{"type":"' + PROBLEM_BASE.encode() + b'payload","code":"payload"}')
    script = answer(422, bomb, content_type="application/problem+json", content_encoding="gzip")
    assert told(failure(face, script)) == ("retry", 422, None, None)


@pytest.mark.parametrize("framing", ["Content-Length: 99999", "Transfer-Encoding: chunked"])
def test_dripping_body_is_cut_off_in_time_and_its_status_counts(face: Face, framing: str) -> None:
    each = b"1\r\na\r\n" if "chunked" in framing else b"a"
    started = time.monotonic()
    error = failure(face, drip(f"HTTP/1.1 503 x\r\n{framing}\r\n\r\n".encode(), each), timeout=0.3)
    assert time.monotonic() - started < 5
    assert told(error) == ("retry", 503, None, None)


def test_body_that_stalls_is_cut_off_in_time_and_its_status_counts(face: Face) -> None:
    def stall(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
        silence(connection)

    with FaultServer(stall) as server:
        assert face.send(server.url, timeout=0.3) == [("m", 200, False, None)]


DRIPPING_HEADS = {
    "header": (b"HTTP/1.1 200 OK\r\nX: ", b"a"),
    "header fields": (b"HTTP/1.1 200 OK\r\n", b"X: a\r\n"),
    "early hints": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.mark.parametrize("pause", [0.02, 0])
@pytest.mark.parametrize("kind", ["header", "header fields", "early hints", "continue"])
def test_dripping_head_is_cut_off_in_time(face: Face, kind: str, pause: float) -> None:
    started = time.monotonic()
    error = failure(face, drip(*DRIPPING_HEADS[kind], pause), timeout=0.3)
    assert time.monotonic() - started < 5
    assert told(error) == ("unknown", None, None, None)


def test_receiver_that_does_not_read_is_given_up_in_time(face: Face) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        port = listener.getsockname()[1]
        started = time.monotonic()
        with pytest.raises(DeliveryError) as caught:
            face.send(f"http://127.0.0.1:{port}/inbox", timeout=0.3)
        assert time.monotonic() - started < 5
    assert caught.value.outcome == "unknown"
