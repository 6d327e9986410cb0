"""Connections are never shared between processes or event loops, so that no answer reaches another's message."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from signedmsg import AsyncSender, Sender

from .peers import ISSUER, KEY

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def receiving() -> Generator[tuple[str, list[int]]]:
    """Run a server that accepts everything; yield its URL and the client's port of each request."""
    ports: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            ports.append(self.client_address[1])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/inbox", ports
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_child_opens_connections_of_its_own() -> None:
    with receiving() as (url, ports), Sender(ISSUER, KEY, dangerously_allow_http=True) as sender:
        sender.send(url, 1, type="a")
        child = os.fork()
        if not child:
            try:
                sender.send(url, 2, type="a")
                sender.close()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        sender.send(url, 3, type="a")
    before, of_child, after = ports
    assert before == after != of_child


@pytest.mark.parametrize("backends", [("asyncio", "asyncio"), ("asyncio", "trio"), ("trio", "asyncio")])
def test_async_sender_works_in_one_event_loop_after_another(backends: tuple[str, str]) -> None:
    with receiving() as (url, ports):
        sender = AsyncSender(ISSUER, KEY, dangerously_allow_http=True)

        async def work() -> None:
            await sender.send(url, 1, type="a")
            await sender.send(url, 1, type="a")
            await sender.aclose()

        for backend in backends:
            anyio.run(work, backend=backend)
    assert len(ports) == 4
    assert len(set(ports)) == 2
