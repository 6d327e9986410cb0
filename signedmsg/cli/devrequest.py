"""One connection of the development server: requests in, bounded in size and time, answers out."""

from __future__ import annotations

import http.client
import http.server
import sys
from typing import TYPE_CHECKING, Final, Protocol, cast
from urllib.parse import unquote

from signedmsg.cli.devinput import MAX_HEAD, Body, Connection, HeadLimited

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import WSGIEnvironment


# Of a body that nobody wants so much is read and dropped; or else its answer could be lost (RFC 9112 §9.6).
MAX_UNREAD: Final = 4 * 1024 * 1024
REQUEST_SECONDS: Final = 30.0
IDLE_SECONDS: Final = 60.0


class Turns(Protocol):
    """Counts the requests that are being answered."""

    def begin(self) -> bool: ...
    def end(self) -> None: ...


class Host(Protocol):
    """What a connection needs of its server."""

    host: str
    path: str
    in_flight: Turns
    application: Callable[[WSGIEnvironment, Callable[..., object]], Iterable[bytes]]
    refuse: Callable[[int, str], None]

    @property
    def port(self) -> int: ...


class RequestHandler(http.server.BaseHTTPRequestHandler):
    """Hands each request to the server's application."""

    protocol_version = "HTTP/1.1"
    server_version = "signedmsg-dev"
    sys_version = ""
    error_content_type = "text/plain; charset=utf-8"
    error_message_format = "%(code)d %(message)s: %(explain)s\n"
    # One write an answer: or else the small writes of head and body wait for each other's ACK.
    wbufsize = 64 * 1024
    disable_nagle_algorithm = True

    def setup(self) -> None:
        """Put bounded input in the place of the plain one."""
        super().setup()
        self.rfile.close()
        self._bytes = Connection(self.connection)
        self.rfile = self._input = HeadLimited(self._bytes)
        self._host = cast("Host", self.server)

    def handle_one_request(self) -> None:
        """Wait for a request, and answer it."""
        self.requestline, self.request_version, self.command = "", self.protocol_version, ""
        try:
            self._bytes.within(IDLE_SECONDS)
            self._input.peek(1)
            self._bytes.within(REQUEST_SECONDS)
            self._input.head_left = MAX_HEAD
            super().handle_one_request()
        except http.client.HTTPException as error:
            self._refuse(431, str(error))
        except TimeoutError:
            self.close_connection = True

    def handle_expect_100(self) -> bool:
        """Ask for the body at once: the sender waits for it."""
        super().handle_expect_100()
        self.wfile.flush()
        return True

    def serve(self) -> None:
        """Answer one request."""
        length = self._length()
        path, _, query = self.path.partition("?")
        if length is None:
            self._refuse(400, "the request needs plain header fields, one Content-Length and no Transfer-Encoding")
        elif path != self._host.path:
            self._refuse(404, f"nothing is served at {path[:200]!r}, only at {self._host.path!r}", length)
        elif not self._host.in_flight.begin():
            self.close_connection = True
        else:
            try:
                self._ask(self._environ(path, query, length))
            finally:
                self._host.in_flight.end()

    do_DELETE = do_GET = do_HEAD = do_OPTIONS = do_PATCH = do_POST = do_PUT = serve  # noqa: N815

    def _ask(self, environ: WSGIEnvironment) -> None:
        head: list[tuple[str, list[tuple[str, str]]]] = []

        def start(status: str, headers: list[tuple[str, str]], _exc_info: object = None) -> Callable[[bytes], object]:
            head.append((status, headers))
            return self.wfile.write

        body = b"".join(self._host.application(environ, start))
        status, headers = head[-1]
        unread = environ["wsgi.input"].left
        self.close_connection = self.close_connection or unread > MAX_UNREAD
        self.send_response(int(status[:3]), status[4:])
        for name, value in (*headers, *([("Connection", "close")] if self.close_connection else [])):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        self._drop(environ["wsgi.input"])

    def _drop(self, body: Body) -> None:
        """Read what is left of a body, so that the next request starts where it should."""
        most = MAX_UNREAD
        while body.left and most > 0:
            most -= len(body.read(64 * 1024) or b"")

    def _length(self) -> int | None:
        """Return the length of the body; two lengths, or an odd one, are how requests are smuggled."""
        # At a line that is no header field the parser stops, and takes what follows for the body of a mail.
        if self.headers.defects or self.headers.get_payload() or any(name != name.strip() for name in self.headers):
            return None
        found = self.headers.get_all("Content-Length", ["0"])
        plain = len(found) == 1 and found[0].isascii() and found[0].isdigit() and len(found[0]) < 16
        return int(found[0]) if plain and "Transfer-Encoding" not in self.headers else None

    def _environ(self, path: str, query: str, length: int) -> WSGIEnvironment:
        environ: WSGIEnvironment = {
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(path, "latin-1"),
            "QUERY_STRING": query,
            "CONTENT_LENGTH": str(length),
            "SERVER_NAME": self._host.host,
            "SERVER_PORT": str(self._host.port),
            "SERVER_PROTOCOL": self.request_version,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": Body(self._input, length),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name in {name.upper() for name in self.headers if "_" not in name} - {"CONTENT-LENGTH"}:
            key = name.replace("-", "_")
            value = ",".join(self.headers.get_all(name, []))
            environ["CONTENT_TYPE" if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
        return environ

    def _refuse(self, status: int, reason: str, unread: int = MAX_UNREAD) -> None:
        self._host.refuse(status, reason)
        self.close_connection = True
        self.send_error(status, explain=reason)
        self.wfile.flush()
        self._drop(Body(self._input, unread))

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet: whoever runs the server decides what is logged."""
