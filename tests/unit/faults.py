"""A server that answers each request as a script says, however wrong that is, and remembers what it was asked."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import struct
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ssl import SSLContext
    from types import TracebackType

Script = Callable[[socket.socket], object]

PROBLEM_BASE = "https://signedmsg.example/errors#"


class Request(NamedTuple):
    line: str
    headers: dict[str, str]
    body: bytes


class FaultServer:
    """Runs one script per request, the last one again and again; `requests` holds what came before each."""

    def __init__(self, *scripts: Script, tls: SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.gone = threading.Event()
        self._scripts = list(scripts)
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=32)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/inbox"
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept)

    def __enter__(self) -> FaultServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)

    def _accept(self) -> None:
        threads = []
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threads.append(threading.Thread(target=self._serve, args=(connection,)))
                threads[-1].start()
        for thread in threads:
            thread.join(10)

    def _serve(self, connection: socket.socket) -> None:
        self._open.append(connection)
        with contextlib.suppress(OSError), connection:
            if self._tls is not None:
                # Wrapping takes the descriptor away from the plain socket.
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            with connection:
                self._answer(connection)
        self.gone.set()

    def _answer(self, connection: socket.socket) -> None:
        while (request := read_request(connection)) is not None:
            self.requests.append(request)
            script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
            script(connection)


def read_request(connection: socket.socket) -> Request | None:
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = connection.recv(65536)
        if not chunk:
            return None
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65536)
    return Request(line, headers, body)


def answer(status: int, body: bytes = b"", /, **headers: str) -> Script:
    """A whole answer; header names are written with `_` for `-`."""
    fields = {"content-length": str(len(body)), **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = [f"HTTP/1.1 {status} x", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return raw("\r\n".join(lines).encode("latin-1") + body)


def problem(status: int, code: object, /, *, members: dict[str, Any] | None = None, **headers: str) -> Script:
    """A problem document as a receiver of this protocol writes it, but for what is given."""
    body = {"type": f"{PROBLEM_BASE}{code}", "title": "x", "status": status, "code": code, **(members or {})}
    return answer(status, json.dumps(body).encode(), **{"content_type": "application/problem+json", **headers})


def raw(data: bytes) -> Script:
    return lambda connection: connection.sendall(data)


def then_close(data: bytes) -> Script:
    def script(connection: socket.socket) -> None:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_RDWR)

    return script


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def silence(connection: socket.socket) -> None:
    """Say nothing until the client gives up."""
    connection.recv(1)


def drip(head: bytes, each: bytes, pause: float = 0.02) -> Script:
    """Send `head`, and then `each` again and again until the client hangs up."""

    def script(connection: socket.socket) -> None:
        connection.sendall(head)
        while not select.select([connection], [], [], pause)[0]:
            connection.sendall(each)

    return script
