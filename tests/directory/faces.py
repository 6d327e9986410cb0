"""One scene, played on every face: blocking with threads, and async with tasks on asyncio and on trio."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from signedmsg._flows.run import run
from tests.directory.server import DirectoryServer
from tests.directory.stage import AsyncStage, BlockingStage

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable


def play(face: str, scene: Callable[..., Awaitable[None]], tls: ssl.SSLContext | None = None, *more: Any) -> None:
    """Play a scene on one face, and close everything after it."""
    kind = BlockingStage if face == "blocking" else AsyncStage

    async def whole() -> None:
        with DirectoryServer(tls) as server:
            stage = kind(server)
            try:
                await scene(stage, *more)
            finally:
                await stage.close()

    if face == "blocking":
        run(whole())
    else:
        anyio.run(whole, backend=face)


def on_faces(*faces: str) -> Callable[[Callable[..., Awaitable[None]]], Callable[..., None]]:
    """Make a test of a scene that plays it on each of these faces; its parameters after the first stay a test's own."""

    def made(scene: Callable[..., Awaitable[None]]) -> Callable[..., None]:
        def test(face: str, **given: Any) -> None:
            names = list(inspect.signature(scene).parameters)[1:]
            play(face, scene, None, *(given[name] for name in names))

        parameters = list(inspect.signature(scene).parameters.values())[1:]
        test.__name__, test.__qualname__, test.__doc__ = scene.__name__, scene.__qualname__, scene.__doc__
        test.__module__ = scene.__module__
        face = inspect.Parameter("face", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        test.__signature__ = inspect.Signature([face, *parameters])  # type: ignore[attr-defined]
        return pytest.mark.parametrize("face", faces)(test)

    return made


every_face = on_faces("blocking", "asyncio", "trio")
async_faces = on_faces("asyncio", "trio")
blocking_face = on_faces("blocking")
