"""What only the SQLite cache does: restarts, errors, its clock, and the room that old ids leave."""

from __future__ import annotations

import itertools
import sqlite3
from typing import TYPE_CHECKING

import pytest

from signedmsg.errors import QuotaError, StoreError
from signedmsg.stores.sqlite import SQLiteReplayCache
from signedmsg.testing import ManualClock
from tests.stores.helpers import ISSUER, KEEP, add, key, later, run_python

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


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


def test_it_blocks_and_promises_all_processes_and_restarts() -> None:
    assert (SQLiteReplayCache.waits, SQLiteReplayCache.shared, SQLiteReplayCache.durable) == ("blocks", True, True)


def test_replay_is_refused_after_a_restart(path: Path, clock: ManualClock) -> None:
    with SQLiteReplayCache(path, clock=clock) as before:
        signed = later(clock)
        add(before, 1, signed)
    with SQLiteReplayCache(path, clock=clock) as after:
        assert add(after, 1, signed) is False


def test_token_signed_before_a_restart_is_accepted_after_it(path: Path, clock: ManualClock) -> None:
    SQLiteReplayCache(path, clock=clock).close()
    signed = later(clock)
    clock.advance(10)
    with SQLiteReplayCache(path, clock=clock) as cache:
        assert add(cache, 1, signed)


def test_two_objects_share_what_they_saw(path: Path, clock: ManualClock, cache: SQLiteReplayCache) -> None:
    signed = later(clock)
    with SQLiteReplayCache(path, clock=clock) as other:
        add(other, 1, signed)
        assert add(cache, 1, signed) is False


def test_earlier_tokens_are_accepted_where_that_was_asked_for(path: Path, clock: ManualClock) -> None:
    with SQLiteReplayCache(path, clock=clock, dangerously_accept_earlier=True) as cache:
        assert add(cache, 1, clock() - 100)


def test_writer_that_holds_the_file_too_long_makes_it_unavailable(path: Path, clock: ManualClock) -> None:
    with SQLiteReplayCache(path, clock=clock, timeout=0.05) as cache:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"busy for 0\.05 s") as caught:
            add(cache, 1, later(clock))
        other.close()
    assert caught.value.retry_after == 1


def test_id_that_could_not_be_recorded_is_still_new_later(path: Path, clock: ManualClock) -> None:
    with SQLiteReplayCache(path, clock=clock, timeout=0.0) as cache:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError):
            add(cache, 1, later(clock))
        other.close()
        assert add(cache, 1, clock())


def test_replay_is_recognised_while_another_writer_holds_the_file(path: Path, clock: ManualClock) -> None:
    with SQLiteReplayCache(path, clock=clock) as cache:
        signed = later(clock)
        add(cache, 1, signed)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        answer = add(cache, 1, signed)
        other.close()
        assert answer is False


def test_full_disk_is_unavailable(cache: SQLiteReplayCache, clock: ManualClock) -> None:
    cache._file.connection().execute("PRAGMA max_page_count = 1")
    signed = later(clock)

    def until_full() -> None:
        for number in range(100):
            add(cache, number, signed)

    with pytest.raises(StoreError, match="full"):
        until_full()


def test_directory_that_is_gone_makes_it_unavailable(tmp_path: Path, clock: ManualClock) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    with SQLiteReplayCache(folder / "replay.db", clock=clock) as cache:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
        with pytest.raises(StoreError, match="cannot be used"):
            add(cache, 1, later(clock))


def test_id_that_sqlite_cannot_hold_is_refused_not_accepted(cache: SQLiteReplayCache, clock: ManualClock) -> None:
    with pytest.raises(StoreError):
        cache.add(key(1), KEEP, issuer="https://\udc80.example", issued_at=later(clock))


def test_closed_cache_refuses(path: Path, clock: ManualClock) -> None:
    cache = SQLiteReplayCache(path, clock=clock)
    cache.close()
    with pytest.raises(StoreError, match="closed"):
        add(cache, 1, later(clock))


def test_closing_twice_is_allowed(path: Path, clock: ManualClock) -> None:
    cache = SQLiteReplayCache(path, clock=clock)
    cache.close()
    cache.close()
    with pytest.raises(StoreError, match="closed"):
        add(cache, 1, later(clock))


def test_clock_far_behind_the_last_forgetting_is_unavailable_and_told_by_how_much(
    cache: SQLiteReplayCache, clock: ManualClock
) -> None:
    add(cache, 1, later(clock))
    add(cache, 2, later(clock, 3 * KEEP))
    clock.step_back(61)
    with pytest.raises(StoreError, match="the clock is 61 s behind"):
        add(cache, 3, clock())


def test_clock_a_minute_behind_the_last_forgetting_goes_on(cache: SQLiteReplayCache, clock: ManualClock) -> None:
    add(cache, 1, later(clock))
    add(cache, 2, later(clock, 3 * KEEP))
    clock.step_back(60)
    assert add(cache, 3, clock())


def test_clock_that_steps_back_before_anything_was_forgotten_goes_on(
    cache: SQLiteReplayCache, clock: ManualClock
) -> None:
    signed = later(clock)
    add(cache, 1, signed)
    clock.step_back(3600)
    assert add(cache, 2, signed)


def test_clock_that_is_right_again_goes_on(cache: SQLiteReplayCache, clock: ManualClock) -> None:
    add(cache, 1, later(clock))
    add(cache, 2, later(clock, 3 * KEEP))
    clock.step_back(100)
    with pytest.raises(StoreError):
        add(cache, 3, clock())
    clock.advance(100)
    assert add(cache, 3, clock())


def rows(raw: sqlite3.Connection) -> int:
    (count,) = raw.execute("SELECT count(*) FROM seen").fetchone()
    return int(count)


def test_rows_of_ids_that_are_over_are_deleted_a_few_at_a_time(
    cache: SQLiteReplayCache, clock: ManualClock, raw: sqlite3.Connection
) -> None:
    signed = later(clock)
    for number in range(500):
        add(cache, number, signed)
    clock.advance(3 * KEEP)
    counts = []
    for number in range(1000, 1400):
        add(cache, number, clock())
        counts.append(rows(raw))
    assert max(before - after for before, after in itertools.pairwise(counts)) <= 64
    assert counts[-1] == 400


def test_account_of_an_issuer_without_ids_is_closed(
    cache: SQLiteReplayCache, clock: ManualClock, raw: sqlite3.Connection
) -> None:
    add(cache, 1, later(clock), issuer="https://gone.example")
    add(cache, 2, later(clock, 3 * KEEP))
    assert [name for (name,) in raw.execute("SELECT issuer FROM account WHERE id > 0")] == [ISSUER]


def test_full_cache_says_when_room_is_expected(path: Path, clock: ManualClock) -> None:
    with SQLiteReplayCache(path, clock=clock, capacity=1) as cache:
        add(cache, 1, later(clock))
        with pytest.raises(StoreError, match="full: 1 ids") as caught:
            add(cache, 2, clock(), issuer="https://shop.example")
    assert caught.value.retry_after == KEEP


def test_quota_is_half_of_the_capacity_unless_given(path: Path, clock: ManualClock) -> None:
    with SQLiteReplayCache(path, clock=clock, capacity=4) as cache:
        add(cache, 1, later(clock))
        add(cache, 2, clock())
        with pytest.raises(QuotaError, match="2 ids"):
            add(cache, 3, clock())


def test_keep_that_keeps_nothing_is_an_error(cache: SQLiteReplayCache, clock: ManualClock) -> None:
    with pytest.raises(ValueError, match="keep"):
        add(cache, 1, later(clock), keep=float("nan"))


def test_cache_that_nobody_closes_goes_without_a_warning(tmp_path: Path) -> None:
    script = """
import gc, sys, warnings
from signedmsg import SQLiteReplayCache
warnings.simplefilter("error")
sys.unraisablehook = lambda one: print("unraisable", one.exc_value)
cycle = {"cache": SQLiteReplayCache(sys.argv[1])}
cycle["cycle"] = cycle
del cycle
gc.collect()
cache = SQLiteReplayCache(sys.argv[1])
print("done")
"""
    assert run_python(script, str(tmp_path / "replay.db")) == ["done"]
