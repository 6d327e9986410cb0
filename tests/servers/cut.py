"""A relay before a server that lets one request through and cuts the connection before its answer."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


class Relay:
    """Listens on `port`; once `cut_after` is set, the next request that holds those bytes gets no answer."""

    def __init__(self, target: int) -> None:
        self.cut_after: bytes | None = None
        self.cuts = 0
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._open += [client, server]
                doomed = threading.Event()
                threading.Thread(target=self._forth, args=(client, server, doomed), daemon=True).start()
                threading.Thread(target=self._back, args=(client, server, doomed), daemon=True).start()

    def _forth(self, client: socket.socket, server: socket.socket, doomed: threading.Event) -> None:
        with suppress(OSError):
            while request := client.recv(1 << 20):
                if self.cut_after is not None and self.cut_after in request:
                    self.cut_after = None
                    self.cuts += 1
                    doomed.set()
                server.sendall(request)
            server.shutdown(socket.SHUT_RDWR)

    def _back(self, client: socket.socket, server: socket.socket, doomed: threading.Event) -> None:
        with suppress(OSError):
            # The answer shows that the server has run the request.
            while (answer := server.recv(1 << 20)) and not doomed.is_set():
                client.sendall(answer)
            client.shutdown(socket.SHUT_RDWR)


@contextmanager
def relay(target: int) -> Generator[Relay]:
    """Relay to a server on that port of this host."""
    made = Relay(target)
    try:
        yield made
    finally:
        made.close()
