"""The development server: HTTP/1.1 on one path, bounded, and nothing of it confuses one request with another."""

from __future__ import annotations

import http.client
import io
import re
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from signedmsg.cli.devinput import MAX_HEAD, Connection
from signedmsg.cli.devserver import MAX_CONNECTIONS, DevServer

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


class Running:
    """A server at /inbox whose application echoes, and what it refused."""

    def __init__(self, server: DevServer) -> None:
        self.port = server.port
        self.refused: list[tuple[int, str]] = []
        self.environs: list[WSGIEnvironment] = []

    def refuse(self, status: int, reason: str) -> None:
        self.refused.append((status, reason))

    def echo(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        self.environs.append(environ)
        body = environ["wsgi.input"].read() if environ["REQUEST_METHOD"] == "POST" else b"not read"
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

    def raw(self, request: bytes) -> bytes:
        """Everything that comes back until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))


@contextmanager
def serving(application: WSGIApplication | None = None) -> Generator[Running]:
    server = DevServer("127.0.0.1", 0)
    running, stop = Running(server), threading.Event()
    arguments = (application or running.echo, "/inbox", running.refuse, stop)
    thread = threading.Thread(target=server.run, args=arguments)
    thread.start()
    try:
        yield running
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def post(body: bytes, *headers: bytes, path: bytes = b"/inbox") -> bytes:
    length = b"Content-Length: %d" % len(body)
    return b"\r\n".join([b"POST %s HTTP/1.1" % path, b"Host: localhost", length, *headers, b"", body])


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


def test_one_connection_serves_many_requests() -> None:
    with serving() as running:
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=20)
        for number in range(5):
            connection.request("POST", "/inbox?a=1", body=b"%d" % number)
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (200, b"%d" % number)
        connection.close()


def test_requests_sent_at_once_are_answered_in_order() -> None:
    with serving() as running:
        answer = running.raw(post(b"first") + post(b"second") + post(b"third", b"Connection: close"))
    assert statuses(answer) == [200, 200, 200]
    assert answer.index(b"first") < answer.index(b"second") < answer.index(b"third")


def test_body_that_the_application_leaves_is_not_taken_for_a_request() -> None:
    hidden = post(b"smuggled")
    request = post(hidden).replace(b"POST /inbox", b"PUT /inbox", 1)
    with serving() as running:
        answer = running.raw(request + post(b"last"))
    assert statuses(answer) == [200, 200]
    assert len(running.environs) == 2
    assert b"smuggled" not in answer


def test_application_gets_the_request_as_wsgi_has_it() -> None:
    with serving() as running:
        running.raw(
            post(b"x", b"Content-Type: text/a", b"X-One: 1", b"x-one: 2", b"Content_Type: evil", path=b"/inbox?a=%20")
        )
    environ = running.environs[0]
    wanted = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/inbox",
        "QUERY_STRING": "a=%20",
        "CONTENT_TYPE": "text/a",
        "CONTENT_LENGTH": "1",
        "HTTP_X_ONE": "1,2",
        "SERVER_PROTOCOL": "HTTP/1.1",
    }
    assert {name: environ[name] for name in wanted} == wanted


@pytest.mark.parametrize("path", [b"/", b"/inbox/", b"/Inbox", b"/other", b"http://localhost/inbox", b"*"])
def test_other_paths_are_not_found(path: bytes) -> None:
    with serving() as running:
        answer = running.raw(post(b"x" * 30_000, path=path))
    assert (statuses(answer), running.environs) == ([404], [])
    assert running.refused[0][0] == 404
    assert "'/inbox'" in running.refused[0][1]


@pytest.mark.parametrize(
    "fields",
    [
        [b"Transfer-Encoding: chunked"],
        [b"Transfer-Encoding: chunked", b"Content-Length: 5"],
        [b"Content-Length: 5", b"Content-Length: 6"],
        [b"Content-Length: 5, 5"],
        [b"Content-Length: -5"],
        [b"Content-Length: +5"],
        [b"Content-Length: 0x5"],
        [b"Content-Length: 5" + b"0" * 20],
        [b"Content-Length: "],
    ],
)
def test_length_that_two_parties_could_read_differently_is_refused(fields: list[bytes]) -> None:
    head = b"\r\n".join([b"POST /inbox HTTP/1.1", b"Host: localhost", *fields, b"", b""])
    with serving() as running:
        answer = running.raw(head + b"5\r\nhello\r\n0\r\n\r\n" + post(b"second"))
    assert (statuses(answer), running.environs) == ([400], [])


@pytest.mark.parametrize(
    "head",
    [
        b"POST /inbox HTTP/1.1\r\n" + b"X: " + b"y" * MAX_HEAD + b"\r\n\r\n",
        b"POST /inbox HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"POST /" + b"y" * MAX_HEAD + b" HTTP/1.1\r\n\r\n",
    ],
)
def test_head_beyond_its_bounds_is_refused(head: bytes) -> None:
    with serving() as running:
        answer = running.raw(head)
    assert (statuses(answer), running.environs) == ([431], [])


@pytest.mark.parametrize(
    "request_",
    [b"\r\n\r\n", b"nonsense\r\n\r\n", b"POST /inbox HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\r\n\r\n", b"POST"],
)
def test_what_is_no_http_reaches_no_application(request_: bytes) -> None:
    with serving() as running:
        running.raw(request_)
        assert statuses(running.raw(post(b"x"))) == [200]
    assert len(running.environs) == 1


def test_large_body_that_is_not_read_still_gets_its_answer() -> None:
    def refuse(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("413 Content Too Large", [("Content-Length", "2")])
        return [b"no"]

    with serving(refuse) as running:
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=20)
        for _ in range(3):
            connection.request("POST", "/inbox", body=b"x" * 3_000_000)
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (413, b"no")
        connection.close()


def test_sender_that_asks_first_is_told_to_go_on() -> None:
    head, _, _ = post(b"hello", b"Expect: 100-continue").partition(b"\r\n\r\n")
    with serving() as running, socket.create_connection(("127.0.0.1", running.port), timeout=20) as connection:
        connection.sendall(head + b"\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"hello")
        assert connection.recv(1000).endswith(b"hello")


def test_rest_of_a_body_for_another_path_does_not_reset_the_connection() -> None:
    request = post(b"x" * 1_000_000, path=b"/other")
    with serving() as running, socket.create_connection(("127.0.0.1", running.port), timeout=20) as connection:
        connection.sendall(request[:1000])
        assert statuses(connection.recv(1000)) == [404]
        # A reset here would also take an answer with it that was not read yet.
        connection.sendall(request[1000:])
        assert connection.recv(1000) == b""


def test_head_request_gets_no_body() -> None:
    with serving() as running:
        assert running.raw(b"HEAD /inbox HTTP/1.1\r\nHost: a\r\n\r\n").endswith(b"\r\n\r\n")


def test_slow_input_ends_at_its_deadline() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"x")
        connection = Connection(ours)
        connection.within(-1)
        with pytest.raises(TimeoutError):
            connection.readinto(bytearray(10))


def test_silent_input_ends_at_its_deadline() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        connection = Connection(ours)
        connection.within(0.01)
        with pytest.raises(TimeoutError):
            io.BufferedReader(connection).read(1)


def test_connections_beyond_the_bound_are_closed() -> None:
    with serving() as running:
        held = [socket.create_connection(("127.0.0.1", running.port), timeout=20) for _ in range(MAX_CONNECTIONS)]
        for one in held:
            one.sendall(post(b"x"))
            assert one.recv(1000)
        with socket.create_connection(("127.0.0.1", running.port), timeout=20) as beyond:
            assert beyond.recv(1000) == b""
        for one in held:
            one.close()


def test_stopping_waits_for_the_request_that_is_being_answered() -> None:
    begun, go_on, stop = threading.Event(), threading.Event(), threading.Event()
    answers: list[Any] = []

    def slow(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        begun.set()
        go_on.wait(20)
        start_response("200 OK", [("Content-Length", "4")])
        return [b"done"]

    server = DevServer("127.0.0.1", 0)
    running = Running(server)
    serving = threading.Thread(target=server.run, args=(slow, "/inbox", running.refuse, stop))
    asking = threading.Thread(target=lambda: answers.append(running.raw(post(b"x"))))
    serving.start()
    asking.start()
    begun.wait(20)
    stop.set()
    serving.join(0.5)
    assert serving.is_alive()
    go_on.set()
    serving.join(20)
    asking.join(20)
    assert not serving.is_alive()
    assert answers[0].endswith(b"done")


def test_request_after_stopping_is_not_begun() -> None:
    with serving() as running, socket.create_connection(("127.0.0.1", running.port), timeout=20) as idle:
        idle.sendall(post(b"x"))
        assert idle.recv(1000)
        kept = idle.dup()
    with kept:
        kept.sendall(post(b"y"))
        assert kept.recv(1000) == b""
    assert len(running.environs) == 1


def test_failure_of_the_application_ends_that_connection_alone(capsys: pytest.CaptureFixture[str]) -> None:
    def broken(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        raise ZeroDivisionError("oh")

    with serving(broken) as running:
        assert running.raw(post(b"x")) == b""
        assert running.raw(post(b"x")) == b""
    assert capsys.readouterr().err == "signedmsg: a request failed: ZeroDivisionError: oh\n" * 2


@pytest.mark.parametrize(
    "line",
    [b"Transfer-Encoding : chunked", b"Content-Length : 0", b"no header field", b": nameless", b"From somebody"],
)
def test_head_that_two_readers_could_split_differently_ends_the_connection(line: bytes) -> None:
    hidden = post(b"hidden")
    head = b"\r\n".join(
        [b"POST /inbox HTTP/1.1", b"Host: localhost", line, b"Content-Length: %d" % len(hidden), b"", b""]
    )
    with serving() as running:
        assert statuses(running.raw(head + hidden)) == [400]
    assert running.environs == []
