"""The doors under test: each real server started once, its application replaced by each test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from .servers import SERVERS, ASGISwitch, WSGISwitch
from .stage import MEDIA_TYPE, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator


class Door:
    """A running server: `open` puts a new receiver behind it, `post` sends it a token."""

    def __init__(self, name: str, kind: str, switch: ASGISwitch | WSGISwitch, port: int) -> None:
        self.name, self.kind, self.port = name, kind, port
        self.url = f"http://127.0.0.1:{port}/inbox"
        self._switch = switch

    def open(self, **options: Any) -> Stage:
        stage = Stage(self.kind, **options)
        self._switch.current = stage.endpoint
        return stage

    def serve(self, app: Any) -> None:
        self._switch.current = app

    def post(
        self,
        body: str | bytes,
        *,
        method: str = "POST",
        content_type: str = MEDIA_TYPE,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        # The certificates of the system would take longer to load than all of this.
        with httpx.Client(verify=False, trust_env=False, timeout=30) as client:
            headers = {"content-type": content_type, **(headers or {})}
            return client.request(method, self.url, content=body, headers=headers)


@pytest.fixture(scope="session", params=SERVERS)
def running(request: pytest.FixtureRequest) -> Iterator[Door]:
    kind, serve = SERVERS[request.param]
    switch = ASGISwitch(kind) if kind == "asgi" else WSGISwitch(kind)
    with serve(switch) as port:
        yield Door(request.param, kind, switch, port)


@pytest.fixture
def door(running: Door) -> Door:
    return running
