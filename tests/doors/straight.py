"""Calls an endpoint as a server would, without one: each event, each read and each chunk is the test's own."""

from __future__ import annotations

import asyncio
import io
import json
from typing import TYPE_CHECKING, Any, NamedTuple
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

from .stage import MEDIA_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterable

Fields = tuple[tuple[str, str], ...]
TOKEN: Fields = (("content-type", MEDIA_TYPE),)


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["code"])


class ASGICall:
    """One request to an ASGI application: it gets these events, and then the client is gone."""

    def __init__(self, *events: dict[str, Any]) -> None:
        self.events = list(events)
        self.received = 0
        self.sent: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        self.received += 1
        return self.events.pop(0) if self.events else {"type": "http.disconnect"}

    async def send(self, event: dict[str, Any]) -> None:
        self.sent.append(event)

    def run(self, app: Any, scope: dict[str, Any]) -> None:
        asyncio.run(app(scope, self.receive, self.send))

    @property
    def answer(self) -> Answer:
        start, *bodies = self.sent
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        return Answer(start["status"], headers, b"".join(event["body"] for event in bodies))


def http_scope(method: str = "POST", fields: Fields = TOKEN) -> dict[str, Any]:
    headers = [(name.encode(), value.encode("latin-1")) for name, value in fields]
    return {"type": "http", "method": method, "path": "/inbox", "headers": headers}


def chunks(*bodies: bytes, more: bool = False) -> list[dict[str, Any]]:
    """The events of a body that comes in pieces; with `more`, the last of them never comes."""
    last = len(bodies) - 1
    return [
        {"type": "http.request", "body": body, "more_body": more or index < last} for index, body in enumerate(bodies)
    ]


def call_asgi(app: Any, *bodies: bytes, method: str = "POST", fields: Fields = TOKEN) -> Answer:
    call = ASGICall(*chunks(*(bodies or (b"",))))
    call.run(app, http_scope(method, fields))
    return call.answer


class Input(io.BytesIO):
    """A request body that counts what was asked of it."""

    asked = 0

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert size >= 0, "an endpoint never reads without a bound"
        self.asked += size
        return super().read(size)


def call_wsgi(
    app: Any,
    body: bytes | Input,
    *,
    method: str = "POST",
    fields: Fields = TOKEN,
    checked: bool = True,
    **environ: Any,
) -> Answer:
    """Call under the standard library's PEP 3333 checker; a length is given unless `environ` or `fields` say how.

    Not `checked`: the environment is one that a careless server might hand over.
    """
    stream = body if isinstance(body, Input) else Input(body)
    given: dict[str, Any] = {"REQUEST_METHOD": method, "wsgi.input": stream, "QUERY_STRING": ""}
    if not environ and "content-length" not in dict(fields):
        environ = {"CONTENT_LENGTH": str(len(stream.getvalue()))}
    for name, value in fields:
        key = name.upper().replace("-", "_")
        given[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    given |= environ
    setup_testing_defaults(given)
    said: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Any:
        said.append((status, headers))
        return lambda data: None

    result: Iterable[bytes] = (validator(app) if checked else app)(given, start_response)
    content = b"".join(result)
    if checked:
        result.close()  # type: ignore[attr-defined]
    ((status, headers),) = said
    return Answer(int(status[:3]), {name.lower(): value for name, value in headers}, content)


def call(door: str, app: Any, body: bytes, **options: Any) -> Answer:
    return call_asgi(app, body, **options) if door == "asgi" else call_wsgi(app, body, **options)
