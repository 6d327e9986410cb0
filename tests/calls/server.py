"""A server on loopback that verifies what it is sent, and answers as a test scripts it."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

from signedmsg import Issuer, JWKSet, KeyDirectory, MemoryReplayCache, Receiver, SignedMessageError, SigningKey
from signedmsg._core.answers import Answer, answer_call_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from signedmsg._core.call import Call

ISSUER = "https://billing.example"
KEY = SigningKey.generate()


class Arrived(NamedTuple):
    """A request as it stood on the wire."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def token(self) -> str:
        return next(value for name, value in self.headers if name.lower() == "authorization").partition(" ")[2]


Script = "Callable[[Arrived], Answer | None]"


class CallServer(ThreadingHTTPServer):
    """Verifies every request that no script answers, as the origin that it is reached as.

    Attributes:
        arrived: every request.
        scripts: what to answer next instead, one each; None lets the receiver answer.
        after: makes the answer to a call that was verified.
    """

    daemon_threads = True
    # More than the default of five: a test may open connections faster than they are accepted.
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.origin = f"http://127.0.0.1:{self.server_address[1]}"
        self.lock = threading.Lock()
        self.reset()

    def reset(self, **options: Any) -> None:
        self.arrived: list[Arrived] = []
        self.scripts: list[Callable[[Arrived], Answer | None]] = []
        self.after: Callable[[Call[Any], Arrived], Answer] = told
        directory = KeyDirectory(Issuer(ISSUER, allow=["* /*"], keys=JWKSet(KEY.public)))
        replay = MemoryReplayCache(clock=lambda: 0.0)
        options = {"observe": lambda _: None, "max_body": 2 * 1024 * 1024, **options}
        self.receiver = Receiver(options.pop("audience", self.origin), directory, replay, **options)

    def answer(self, request: Arrived) -> Answer:
        with self.lock:
            self.arrived.append(request)
            script = self.scripts.pop(0) if self.scripts else None
        scripted = script(request) if script else None
        if scripted is not None:
            return scripted
        try:
            call = self.receiver.verify_request(request.method, request.target, request.headers, request.body)
        except SignedMessageError as error:
            return answer_call_error(error, self.receiver.clock(), "Bearer")
        return self.after(call, request)


def told(call: Call[Any], request: Arrived) -> Answer:
    """Tell what was verified."""
    seen = {
        "method": call.method,
        "path": call.path,
        "query": call.query,
        "type": call.content_type,
        "sha256": hashlib.sha256(call.body).hexdigest(),
        "audience": call.audience,
        "jti": call.jti,
        "bound": sorted(call.bound),
    }
    return Answer(200, (("Content-Type", "application/json"),), json.dumps(seen).encode())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Otherwise each small answer waits for a delayed ACK.
    disable_nagle_algorithm = True
    wbufsize = -1
    server: CallServer

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._any
        raise AttributeError(name)

    def _any(self) -> None:
        body = self._chunked() if "transfer-encoding" in self.headers else self._sized()
        answer = self.server.answer(Arrived(self.command, self.path, list(self.headers.items()), body))
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def _sized(self) -> bytes:
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def _chunked(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_message(self, *_: object) -> None:
        """Say nothing."""
