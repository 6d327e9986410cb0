"""The async face of the SQLite cache: the event loop goes on, and a cancelled call harms nothing."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.lowlevel import checkpoint

from signedmsg.errors import StoreError
from signedmsg.stores.sqlite import AsyncSQLiteReplayCache, SQLiteReplayCache
from signedmsg.testing import ManualClock
from tests.stores.helpers import ISSUER, KEEP, key

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "replay.db"


@contextlib.contextmanager
def held(path: Path) -> Generator[None]:
    """Hold the write lock, as another process might."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.close()


def make(path: Path, timeout: float = 20.0) -> tuple[AsyncSQLiteReplayCache, float]:
    clock = ManualClock()
    cache = AsyncSQLiteReplayCache(path, clock=clock, timeout=timeout)
    clock.advance(1)
    return cache, clock()


async def add(cache: AsyncSQLiteReplayCache, number: int, signed: float) -> bool:
    return await cache.add(key(number), KEEP, issuer=ISSUER, issued_at=signed)


async def until_busy(cache: AsyncSQLiteReplayCache, *, waiting: int) -> None:
    """Return when one call is in its turn and so many others wait for theirs."""
    while True:
        await checkpoint()
        with contextlib.suppress(LookupError):
            turns = cache._turns.get().statistics()
            if (turns.borrowed_tokens, turns.tasks_waiting) == (1, waiting):
                return


def test_it_suspends_and_promises_all_processes_and_restarts() -> None:
    cache = AsyncSQLiteReplayCache
    assert (cache.waits, cache.shared, cache.durable) == ("suspends", True, True)


def test_event_loop_goes_on_while_another_process_holds_the_file(path: Path, backend: str) -> None:
    async def main() -> list[bool]:
        cache, signed = make(path)
        answers: list[bool] = []

        async def one() -> None:
            answers.append(await add(cache, 1, signed))

        async with cache, anyio.create_task_group() as group:
            # If `add` blocked the loop, the lock would be released only after its time-out.
            with held(path):
                group.start_soon(one)
                for _ in range(100):
                    await checkpoint()
        return answers

    assert anyio.run(main, backend=backend) == [True]


def test_call_cancelled_before_its_turn_records_nothing(path: Path, backend: str) -> None:
    async def main() -> bool:
        cache, signed = make(path)
        async with cache:
            async with anyio.create_task_group() as group:
                with held(path):
                    group.start_soon(add, cache, 1, signed)
                    await until_busy(cache, waiting=0)
                    async with anyio.create_task_group() as second:
                        second.start_soon(add, cache, 2, signed)
                        await until_busy(cache, waiting=1)
                        second.cancel_scope.cancel()
            return await add(cache, 2, signed)

    assert anyio.run(main, backend=backend) is True


def test_call_cancelled_in_its_turn_leaves_a_cache_that_works(path: Path, backend: str) -> None:
    async def main() -> list[bool]:
        cache, signed = make(path)
        async with cache:
            async with anyio.create_task_group() as group:
                with held(path):
                    group.start_soon(add, cache, 1, signed)
                    group.start_soon(add, cache, 2, signed)
                    await until_busy(cache, waiting=1)
                    group.cancel_scope.cancel()
            await add(cache, 1, signed)
            return [await add(cache, 1, signed), await add(cache, 3, signed)]

    assert anyio.run(main, backend=backend) == [False, True]


def test_task_cancelled_by_asyncio_itself_leaves_a_cache_that_works(path: Path) -> None:
    async def main() -> list[bool]:
        cache, signed = make(path)
        async with cache:
            with held(path):
                task = asyncio.create_task(add(cache, 1, signed))
                await until_busy(cache, waiting=0)
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            await add(cache, 1, signed)
            return [await add(cache, 1, signed), await add(cache, 3, signed)]

    assert asyncio.run(main()) == [False, True]


def test_it_can_be_used_in_one_event_loop_after_the_other(path: Path) -> None:
    cache, signed = make(path)
    answers = [anyio.run(add, cache, 1, signed, backend=backend) for backend in ("asyncio", "trio", "asyncio")]
    anyio.run(cache.aclose)
    assert answers == [True, False, False]


def test_it_shares_the_file_with_a_blocking_one(path: Path, backend: str) -> None:
    cache, signed = make(path)
    with SQLiteReplayCache(path, clock=ManualClock(signed)) as blocking:
        blocking.add(key(1), KEEP, issuer=ISSUER, issued_at=signed)
    answer = anyio.run(add, cache, 1, signed, backend=backend)
    anyio.run(cache.aclose)
    assert answer is False


def test_closed_cache_refuses(path: Path, backend: str) -> None:
    async def main() -> None:
        cache, signed = make(path)
        await cache.aclose()
        with pytest.raises(StoreError, match="closed"):
            await add(cache, 1, signed)

    anyio.run(main, backend=backend)


def test_representation_names_the_class(path: Path) -> None:
    cache, _ = make(path)
    anyio.run(cache.aclose)
    assert repr(cache).startswith(f"<AsyncSQLiteReplayCache {path}")
