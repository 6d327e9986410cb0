"""Real servers in threads of this process, each on a port of its own, serving whichever application is set."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import wsgiref.simple_server
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any

import hypercorn.config
import hypercorn.trio
import trio
import uvicorn
import waitress.server

from .stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Switch:
    """An application that hands every request on to the one set last."""

    def __init__(self, door: str) -> None:
        self.current = Stage(door).endpoint


class ASGISwitch(Switch):
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.current(scope, receive, send)


class WSGISwitch(Switch):
    def __call__(self, environ: Any, start_response: Any) -> Any:
        return self.current(environ, start_response)


def listen() -> socket.socket:
    # Clients may connect before the server accepts: they wait in the backlog, so no test has to.
    return socket.create_server(("127.0.0.1", 0), backlog=128)


@contextlib.contextmanager
def in_thread(work: Callable[[], object], stop: Callable[[], object]) -> Iterator[None]:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop()
        thread.join(10)
        assert not thread.is_alive(), "the server did not stop"


@contextlib.contextmanager
def serve_uvicorn(app: Any) -> Iterator[int]:
    with listen() as listener:
        # Its other parser, where installed, refuses a method that it does not know before the application sees it.
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on", http="h11"))

        def stop() -> None:
            server.should_exit = True

        with in_thread(lambda: asyncio.run(server.serve(sockets=[listener])), stop):
            yield listener.getsockname()[1]


@contextlib.contextmanager
def serve_hypercorn(app: Any) -> Iterator[int]:
    listener = listen()
    port = listener.getsockname()[1]
    config = hypercorn.config.Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.accesslog = config.errorlog = None
    started = threading.Event()
    handles: list[Any] = []

    async def serve() -> None:
        end = trio.Event()
        handles.extend((trio.lowlevel.current_trio_token(), end))
        started.set()
        await hypercorn.trio.serve(app, config, shutdown_trigger=end.wait, mode="asgi")

    def stop() -> None:
        started.wait(10)
        token, end = handles
        trio.from_thread.run_sync(end.set, trio_token=token)

    with in_thread(lambda: trio.run(serve), stop):
        yield port


class QuietHandler(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


class ThreadedServer(ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    request_queue_size = 128


@contextlib.contextmanager
def serve_wsgiref(app: Any) -> Iterator[int]:
    server = wsgiref.simple_server.make_server("127.0.0.1", 0, app, ThreadedServer, QuietHandler)
    with server, in_thread(lambda: server.serve_forever(0.05), server.shutdown):
        yield server.server_port


@contextlib.contextmanager
def serve_waitress(app: Any) -> Iterator[int]:
    with listen() as listener:
        port = listener.getsockname()[1]
        server = waitress.server.create_server(app, sockets=[listener], threads=8, asyncore_loop_timeout=1)

        def close_all() -> None:
            for channel in list(server._map.values()):
                channel.close()

        with in_thread(server.run, lambda: server.trigger.pull_trigger(close_all)):
            yield port
        server.task_dispatcher.shutdown()


SERVERS: dict[str, tuple[str, Callable[[Any], contextlib.AbstractContextManager[int]]]] = {
    "uvicorn": ("asgi", serve_uvicorn),
    "hypercorn-trio": ("asgi", serve_hypercorn),
    "wsgiref": ("wsgi", serve_wsgiref),
    "waitress": ("wsgi", serve_waitress),
}
