"""Every door for envelopes looks at its router when it is built, not when the first message comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from signedmsg import MemoryInbox, Router, SQLiteInbox, asgi, aws_lambda, fastapi, wsgi
from tests.doors import django_site as _settings  # noqa: F401 - configures Django

from signedmsg import django  # isort: skip
from tests.unit.peers import async_receiver, receiver, shared_receiver

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BLOCKING: dict[str, Callable[..., Any]] = {
    "wsgi": wsgi.Endpoint,
    "aws_lambda": aws_lambda.endpoint,
    "django": django.endpoint,
}
ASYNC: dict[str, Callable[..., Any]] = {
    "asgi": asgi.Endpoint,
    "fastapi": fastapi.endpoint,
    "django": django.endpoint,
}


@pytest.mark.parametrize("door", BLOCKING)
def test_inbox_of_one_process_is_refused_where_there_are_several(door: str) -> None:
    router = Router(MemoryInbox(), mode="lease")
    with pytest.raises(ValueError, match="lives in one process"):
        BLOCKING[door](shared_receiver(processes=4), router)


@pytest.mark.parametrize("door", ASYNC)
def test_inbox_that_blocks_is_refused_by_an_async_door(door: str, tmp_path: Path) -> None:
    with SQLiteInbox(tmp_path / "shop.db") as inbox, pytest.raises(TypeError, match="blocks"):
        ASYNC[door](async_receiver(), Router(inbox, mode="lease"))


@pytest.mark.parametrize("door", BLOCKING)
def test_handler_that_nobody_would_await_is_refused_by_a_blocking_door(door: str) -> None:
    router = Router()

    @router.fallback
    async def later(message: object) -> None:
        """Never run."""

    with pytest.raises(TypeError, match="async handler"):
        BLOCKING[door](receiver(), router)


@pytest.mark.parametrize("door", BLOCKING | ASYNC)
def test_router_that_is_none_is_refused(door: str) -> None:
    face = receiver() if door in BLOCKING else async_receiver()
    with pytest.raises(TypeError, match="expected a Router"):
        (BLOCKING | ASYNC)[door](face, object())
