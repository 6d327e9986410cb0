"""One server for all tests, forgetful between them, and each way to call it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from .faces import FACES, Face
from .server import CallServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def call_server() -> Iterator[CallServer]:
    with CallServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(10)


@pytest.fixture
def server(call_server: CallServer) -> CallServer:
    call_server.reset()
    return call_server


@pytest.fixture(params=FACES, ids=str)
def face(request: pytest.FixtureRequest) -> Face:
    chosen: Face = request.param
    return chosen
