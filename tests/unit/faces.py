"""Sends over a real socket through either face of a sender, and says what the outcome was."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from signedmsg import AsyncSender, DeliveryError, Sender, SigningKey

from .faults import FaultServer, Script

if TYPE_CHECKING:
    from signedmsg import Sent

KEY = SigningKey.generate()
ISSUER = "https://billing.example"


Given = Callable[[Any], Any] | None


class Face:
    """Sends one message after the other through one sender, blocking or async."""

    def send(self, *urls: str, client: Given = None, **options: Any) -> list[Sent]:
        with contextlib.ExitStack() as stack:
            if client is not None:
                options["client"] = stack.enter_context(client(httpx.Client))
            sender = stack.enter_context(Sender(ISSUER, KEY, dangerously_allow_http=True, **options))
            return [sender.send(url, {"n": 1}, type="t", id="m") for url in urls]


class AsyncFace(Face):
    def __init__(self, backend: str) -> None:
        self.backend = backend

    def send(self, *urls: str, client: Given = None, **options: Any) -> list[Sent]:
        async def work() -> list[Sent]:
            async with contextlib.AsyncExitStack() as stack:
                if client is not None:
                    options["client"] = await stack.enter_async_context(client(httpx.AsyncClient))
                sender = AsyncSender(ISSUER, KEY, dangerously_allow_http=True, **options)
                await stack.enter_async_context(sender)
                return [await sender.send(url, {"n": 1}, type="t", id="m") for url in urls]

        return anyio.run(work, backend=self.backend)


FACES = {"blocking": Face(), "asyncio": AsyncFace("asyncio"), "trio": AsyncFace("trio")}


def failure(face: Face, script: Script, **options: Any) -> DeliveryError:
    with FaultServer(script) as server, pytest.raises(DeliveryError) as caught:
        face.send(server.url, **options)
    assert len(server.requests) == 1
    return caught.value


def told(error: DeliveryError) -> tuple[str, int | None, str | None, float | None]:
    return error.outcome, error.status, error.reply_code, error.retry_after
