"""The file of a SQLite cache: its mode and place, and which files are refused."""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from signedmsg.errors import StoreError
from signedmsg.stores.sqlite import SQLiteReplayCache
from signedmsg.testing import ManualClock
from tests.stores.helpers import add, later

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "replay.db"


@pytest.fixture
def cache(path: Path, clock: ManualClock) -> Generator[SQLiteReplayCache]:
    with SQLiteReplayCache(path, clock=clock) as cache:
        yield cache


@pytest.fixture
def raw(path: Path, cache: SQLiteReplayCache) -> Generator[sqlite3.Connection]:
    connection = sqlite3.connect(path, isolation_level=None)
    yield connection
    connection.close()


def foreign(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_files_are_for_their_owner_only(path: Path, cache: SQLiteReplayCache, suffix: str) -> None:
    mode = path.with_name(path.name + suffix).stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_relative_path_is_that_of_the_moment_it_was_given(path: Path, clock: ManualClock) -> None:
    with SQLiteReplayCache(os.path.relpath(path), clock=clock) as cache:
        assert Path(cache._file.path).is_absolute()
        assert path.samefile(cache._file.path)


def test_database_of_another_program_is_refused(path: Path) -> None:
    foreign(path, "CREATE TABLE orders (id INTEGER)")
    with pytest.raises(ValueError, match="not a replay cache"):
        SQLiteReplayCache(path)


def test_database_of_another_program_is_left_as_it_was(path: Path) -> None:
    foreign(path, "CREATE TABLE orders (id INTEGER)")
    before = path.read_bytes()
    with pytest.raises(ValueError, match="not a replay cache"):
        SQLiteReplayCache(path)
    assert path.read_bytes() == before


def test_newer_layout_is_refused(path: Path, clock: ManualClock) -> None:
    SQLiteReplayCache(path, clock=clock).close()
    foreign(path, "PRAGMA user_version = 2")
    with pytest.raises(ValueError, match="layout 2"):
        SQLiteReplayCache(path)


def test_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_text("a diary\n" * 1000)
    with pytest.raises(ValueError, match="not a SQLite database"):
        SQLiteReplayCache(path)


def test_empty_file_is_made_a_cache(path: Path, clock: ManualClock) -> None:
    path.touch()
    with SQLiteReplayCache(path, clock=clock) as cache:
        assert add(cache, 1, later(clock))


def test_damaged_file_is_unavailable(path: Path, clock: ManualClock) -> None:
    SQLiteReplayCache(path, clock=clock).close()
    content = bytearray(path.read_bytes())
    content[1024:] = b"\xa5" * (len(content) - 1024)
    path.write_bytes(content)
    with pytest.raises(StoreError, match="malformed"):
        SQLiteReplayCache(path, clock=clock)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such lock on Windows")
def test_file_is_not_opened_while_another_process_opens_one(path: Path, clock: ManualClock) -> None:
    import fcntl

    other = os.open(path.parent, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_SH)
    try:
        with pytest.raises(StoreError, match="keeps opening"):
            SQLiteReplayCache(path, clock=clock, timeout=0.0)
    finally:
        os.close(other)


def test_each_commit_is_forced_to_the_disk_where_no_boot_can_be_told_from_another(
    path: Path, clock: ManualClock
) -> None:
    def synchronous(**options: Any) -> int:
        with SQLiteReplayCache(path, clock=clock, **options) as cache:
            (level,) = cache._file.connection().execute("PRAGMA synchronous").fetchone()
            return int(level)

    assert (synchronous(_boot_id=lambda: None), synchronous(_boot_id=lambda: "a boot")) == (2, 1)
