"""One uvicorn for a module of tests, with the application of each test behind it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from .call_matrix import CallStage, Request, exchange
from .servers import ASGISwitch, serve_uvicorn
from .straight import ASGICall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .call_matrix import Reply


class Served:
    """A running server: `open` puts a new receiver and its application behind it."""

    def __init__(self, build: Callable[[CallStage], Any], switch: ASGISwitch, port: int) -> None:
        self._build, self._switch, self.port = build, switch, port

    def open(self, **options: Any) -> CallStage:
        stage = CallStage("async", **options)
        self._switch.current = self._build(stage)
        return stage

    def serve(self, app: Any) -> None:
        self._switch.current = app

    def exchange(self, request: Request) -> Reply:
        return exchange(self.port, request)


@contextlib.contextmanager
def served(build: Callable[[CallStage], Any]) -> Iterator[Served]:
    switch = ASGISwitch("asgi")
    with serve_uvicorn(switch) as port:
        # Answered by what the switch held first, so that no application of a test gets the lifespan events.
        exchange(port, Request("GET", body=b""))
        yield Served(build, switch, port)


def scope_of(request: Request, **more: Any) -> dict[str, Any]:
    """Return the scope that a server makes of a request, without a server."""
    path, _, query = request.target.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in request.headers],
        "scheme": "https",
        "server": ("10.0.0.7", 8080),
        "client": ("10.0.0.8", 4711),
        **more,
    }


def run(app: Any, request: Request, *events: Any, **scope: Any) -> ASGICall:
    """Hand a request straight to an application; without events its body comes in one piece."""
    call = ASGICall(*(events or ({"type": "http.request", "body": request.body},)))
    call.run(app, scope_of(request, **scope))
    return call
