"""A small HTTP/1.1 host for one WSGI application on this machine, over the standard library.

A development server: bounded and tidy, but without TLS. In production a WSGI server of
your choice serves the same application.
"""

from __future__ import annotations

import errno
import os
import socket
import socketserver
import sys
import threading
from typing import TYPE_CHECKING, Final

from signedmsg.cli.devrequest import RequestHandler
from signedmsg.cli.output import note
from signedmsg.cli.problems import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable
    from wsgiref.types import WSGIApplication

MAX_CONNECTIONS: Final = 64
GRACE_SECONDS: Final = 5.0


class InFlight:
    """How many requests are being answered, so that stopping waits for them."""

    def __init__(self) -> None:
        self._count = 0
        self._closed = False
        self._changed = threading.Condition()

    def begin(self) -> bool:
        """Count one request in; False when no more are taken."""
        with self._changed:
            self._count += not self._closed
            return not self._closed

    def end(self) -> None:
        """Count one request out."""
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def close(self) -> None:
        """Take no more, and wait for those that were begun."""
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: not self._count, GRACE_SECONDS)


class DevServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Listens as soon as it is made, so that its port is known; answers once it runs."""

    allow_reuse_address = os.name == "posix"
    daemon_threads = True
    request_queue_size = 128
    application: WSGIApplication
    path: str
    refuse: Callable[[int, str], None]

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.in_flight = InFlight()
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), RequestHandler)
        except (OSError, OverflowError) as error:
            raise _problem_of_binding(host, port, error) from None

    @property
    def port(self) -> int:
        """The port it listens at: the one asked for, or a free one for 0."""
        return int(self.server_address[1])

    @property
    def origin(self) -> str:
        """Where senders on this machine find it."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def run(
        self, application: WSGIApplication, path: str, refuse: Callable[[int, str], None], stop: threading.Event
    ) -> None:
        """Serve the application at one path until `stop` is set and what was begun is answered."""
        self.application, self.path, self.refuse = application, path, refuse
        thread = threading.Thread(target=self.serve_forever, args=(0.1,), daemon=True)
        thread.start()
        try:
            stop.wait()
        finally:
            self.shutdown()
            self.server_close()
            self.in_flight.close()

    def server_close(self) -> None:
        """Close the listening socket; idle connections end with the process."""
        self.socket.close()

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        """Start a thread for a connection, unless there are too many."""
        if self._slots.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        """Answer the requests of one connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        """Say what ended a connection, unless the peer did."""
        error = sys.exception()
        if not isinstance(error, ConnectionError | TimeoutError):
            note(f"signedmsg: a request failed: {type(error).__name__}: {error}")


def _problem_of_binding(host: str, port: int, error: OSError | OverflowError) -> CommandError:
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        return CommandError(f"port {port} on {host} is in use", hint="--port 0 takes any free one")
    if number == errno.EACCES:
        return CommandError(f"port {port} may not be used by this user", hint="ports from 1024 on may")
    if isinstance(error, OverflowError):
        return CommandError(f"--port: expected 0 to 65535, got {port}")
    return CommandError(
        f"cannot listen on {host}: {getattr(error, 'strerror', None) or error}", hint="--host 127.0.0.1"
    )
