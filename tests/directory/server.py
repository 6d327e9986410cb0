"""A directory server over real sockets that answers each path as a script says, and records every request."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ssl import SSLContext
    from types import TracebackType


class Request(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    at: float


class Exchange:
    """One request and the connection its answer goes to."""

    def __init__(self, connection: socket.socket, request: Request, stopping: threading.Event) -> None:
        self.connection = connection
        self.request = request
        self.stopping = stopping
        self.sent = 0

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)
        self.sent += len(data)

    def gone(self, within: float = 0.0) -> bool:
        """Say whether the client hung up (or the server is stopping), waiting for it so long at most."""
        end = time.monotonic() + within
        while not self.stopping.is_set():
            left = end - time.monotonic()
            if select.select([self.connection], [], [], max(0.0, min(left, 0.05)))[0]:
                return True
            if left <= 0:
                return False
        return True


Script = Callable[[Exchange], None]


class DirectoryServer:
    """Serves each path with its scripts in turn, the last one again and again; `requests` holds what came.

    A path without a script is answered with 404. `sent` counts the octets that each path's clients took.
    """

    def __init__(self, tls: SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.sent: Counter[str] = Counter()
        self.connections = 0
        self._tls = tls
        self._scripts: dict[str, list[Script]] = defaultdict(list)
        self._stopping = threading.Event()
        self._changing = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, name="fault server", daemon=True)

    def __enter__(self) -> DirectoryServer:
        self._accepting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._changing:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self._accepting.join(10)

    def url(self, path: str = "/keys.json", host: str = "127.0.0.1") -> str:
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}{path}"

    def serve(self, *scripts: Script, path: str = "/keys.json") -> None:
        """From now on answer `path` with these scripts."""
        with self._changing:
            self._scripts[path] = list(scripts)

    def count(self, path: str = "/keys.json") -> int:
        return len(self.at(path))

    def at(self, path: str = "/keys.json") -> list[Request]:
        return [request for request in list(self.requests) if request.path == path]

    def _accept(self) -> None:
        threads: list[threading.Thread] = []
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threads.append(threading.Thread(target=self._serve, args=(connection,), name="fault", daemon=True))
                threads[-1].start()
        for thread in threads:
            thread.join(10)

    def _serve(self, plain: socket.socket) -> None:
        connection = plain
        with self._changing:
            self._open.add(plain)
        try:
            if self._tls is not None:
                # Wrapping takes the descriptor away from the plain socket.
                connection = self._tls.wrap_socket(plain, server_side=True)
                with self._changing:
                    self._open.add(connection)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while (request := _read_request(connection)) is not None:
                self._answer(connection, request)
        except OSError:
            pass
        finally:
            for each in {plain, connection}:
                with self._changing:
                    self._open.discard(each)
                with contextlib.suppress(OSError):
                    each.close()

    def _answer(self, connection: socket.socket, request: Request) -> None:
        with self._changing:
            self.requests.append(request)
            scripts = self._scripts.get(request.path) or [_not_found]
            script = scripts.pop(0) if len(scripts) > 1 else scripts[0]
        exchange = Exchange(connection, request, self._stopping)
        try:
            script(exchange)
        finally:
            self.sent[request.path] += exchange.sent


def _not_found(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")


def _read_request(connection: socket.socket) -> Request | None:
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        if not piece:
            return None
        received += piece
    line, *fields = received.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    method, path, _ = line.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    return Request(method, path, headers, time.monotonic())
