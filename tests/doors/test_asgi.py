"""What is special to ASGI: lifespan and websocket scopes, and an endpoint as a route of a framework."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from .stage import Stage, token
from .straight import ASGICall, http_scope

if TYPE_CHECKING:
    from .conftest import Door

ASGI = pytest.mark.parametrize("running", ["uvicorn", "hypercorn-trio"], indirect=True)


def test_lifespan_is_answered_from_startup_to_shutdown() -> None:
    call = ASGICall({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    call.run(Stage("asgi").endpoint, {"type": "lifespan"})
    assert [event["type"] for event in call.sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_websocket_is_closed_before_it_opens() -> None:
    call = ASGICall({"type": "websocket.connect"})
    call.run(Stage("asgi").endpoint, {"type": "websocket", "headers": []})
    assert [event["type"] for event in call.sent] == ["websocket.close"]


def test_unknown_scope_is_an_error() -> None:
    with pytest.raises(ValueError, match="lambda"):
        ASGICall().run(Stage("asgi").endpoint, {"type": "lambda"})


def test_header_names_are_read_in_any_case_and_from_any_iterable() -> None:
    scope = http_scope(fields=(("Content-Type", "application/vnd.signedmsg+jwt"), ("CONTENT-ENCODING", "gzip")))
    scope["headers"] = iter(scope["headers"])
    call = ASGICall({"type": "http.request", "body": token().encode()})
    call.run(Stage("asgi").endpoint, scope)
    assert call.answer.code == "unsupported_media_type"


def test_event_without_body_and_more_body_is_an_empty_last_one() -> None:
    call = ASGICall({"type": "http.request"})
    call.run(Stage("asgi").endpoint, http_scope())
    assert call.answer.code == "credentials_missing"


@ASGI
def test_endpoint_is_a_route_of_starlette(door: Door) -> None:
    stage = Stage("asgi")
    app: Any = Starlette(routes=[Route("/inbox", stage.endpoint, methods=["POST"])])
    door.serve(app)
    assert door.post(token()).status_code == 204
    assert door.post(b"junk").json()["code"] == "malformed"
    assert door.post(b"", method="GET").status_code == 405
    assert len(stage.handled) == 1
