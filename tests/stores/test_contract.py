"""The public contract, held against every replay cache of the package."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from signedmsg.stores.memory import MemoryReplayCache
from signedmsg.stores.sqlite import AsyncSQLiteReplayCache, SQLiteReplayCache
from signedmsg.testing import AsyncReplayCacheContract, ManualClock, ReplayCacheContract

if TYPE_CHECKING:
    from pathlib import Path


class TestMemoryReplayCache(ReplayCacheContract):
    def make_cache(self, *, clock: ManualClock, capacity: int, quota: int) -> MemoryReplayCache:
        return MemoryReplayCache(clock=clock, monotonic=clock.monotonic, capacity=capacity, quota=quota)


class TestSQLiteReplayCache(ReplayCacheContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "replay.db"

    def make_cache(self, *, clock: ManualClock, capacity: int, quota: int) -> SQLiteReplayCache:
        return SQLiteReplayCache(self.path, clock=clock, capacity=capacity, quota=quota)


class TestAsyncSQLiteReplayCacheOnAsyncio(AsyncReplayCacheContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "replay.db"

    def make_cache(self, *, clock: ManualClock, capacity: int, quota: int) -> AsyncSQLiteReplayCache:
        return AsyncSQLiteReplayCache(self.path, clock=clock, capacity=capacity, quota=quota)


class TestAsyncSQLiteReplayCacheOnTrio(TestAsyncSQLiteReplayCacheOnAsyncio):
    backend = "trio"
