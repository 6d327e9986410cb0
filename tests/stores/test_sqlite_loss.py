"""A SQLite cache notices that it lost its memory: deleted, replaced, or a machine that lost its power."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from signedmsg.errors import StoreError
from signedmsg.stores.sqlite import SQLiteReplayCache
from signedmsg.testing import ManualClock
from tests.stores.helpers import KEEP, add, later

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

LEEWAY = 30.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "replay.db"


@pytest.fixture
def copy(path: Path, clock: ManualClock, tmp_path: Path) -> Path:
    """A copy of the cache from a moment when it was empty."""
    SQLiteReplayCache(path, clock=clock).close()
    shutil.copy(path, tmp_path / "copy.db")
    return tmp_path / "copy.db"


@pytest.fixture
def cache(path: Path, copy: Path, clock: ManualClock) -> Generator[SQLiteReplayCache]:
    with SQLiteReplayCache(path, clock=clock, leeway=LEEWAY) as cache:
        yield cache


@pytest.fixture
def other(path: Path, cache: SQLiteReplayCache, clock: ManualClock) -> Generator[SQLiteReplayCache]:
    with SQLiteReplayCache(path, clock=clock, leeway=LEEWAY) as other:
        yield other


def delete(path: Path) -> None:
    path.unlink()


def delete_all(path: Path) -> None:
    for file in path.parent.glob("replay.db*"):
        file.unlink()


def put_copy_in_place(path: Path) -> None:
    (path.parent / "copy.db").replace(path)


def put_copy_in_place_of_all(path: Path) -> None:
    delete_all(path)
    put_copy_in_place(path)


@pytest.fixture(params=[delete, delete_all, put_copy_in_place, put_copy_in_place_of_all])
def lose(request: pytest.FixtureRequest) -> Callable[[Path], None]:
    loss: Callable[[Path], None] = request.param
    return loss


def test_loss_is_noticed_at_the_next_add(
    cache: SQLiteReplayCache, clock: ManualClock, path: Path, lose: Callable[[Path], None]
) -> None:
    signed = later(clock)
    add(cache, 1, signed)
    lose(path)
    with pytest.raises(StoreError, match="lost its memory"):
        add(cache, 1, signed)


def test_loss_is_noticed_by_the_object_that_comes_second(
    cache: SQLiteReplayCache, other: SQLiteReplayCache, clock: ManualClock, path: Path, lose: Callable[[Path], None]
) -> None:
    signed = later(clock)
    add(other, 1, signed)
    lose(path)
    with pytest.raises(StoreError):
        add(cache, 1, signed)
    with pytest.raises(StoreError, match="lost its memory"):
        add(other, 1, signed)


def test_objects_share_the_new_file_after_a_loss(
    cache: SQLiteReplayCache, other: SQLiteReplayCache, clock: ManualClock, path: Path, lose: Callable[[Path], None]
) -> None:
    add(cache, 1, later(clock))
    add(other, 2, later(clock))
    lose(path)
    clock.advance(1)
    answers = [add(which, 3, clock() + LEEWAY + 1) for which in (cache, other, cache)]
    assert answers == [True, False, False]


def test_what_a_fast_sender_may_have_signed_is_refused_after_a_loss(
    cache: SQLiteReplayCache, clock: ManualClock, path: Path, lose: Callable[[Path], None]
) -> None:
    lose(path)
    with pytest.raises(StoreError, match="lost its memory"):
        add(cache, 1, clock() + LEEWAY - 0.001)


def test_token_signed_after_the_leeway_is_accepted_after_a_loss(
    cache: SQLiteReplayCache, clock: ManualClock, path: Path, lose: Callable[[Path], None]
) -> None:
    lose(path)
    assert add(cache, 1, clock() + LEEWAY + 0.001)


def test_object_that_never_knew_the_lost_file_needs_no_leeway(
    cache: SQLiteReplayCache, clock: ManualClock, path: Path, lose: Callable[[Path], None]
) -> None:
    lose(path)
    with pytest.raises(StoreError):
        add(cache, 1, clock())
    with SQLiteReplayCache(path, clock=clock) as new:
        assert add(new, 1, later(clock))


def test_second_loss_is_noticed_too(cache: SQLiteReplayCache, clock: ManualClock, path: Path) -> None:
    delete(path)
    signed = clock() + LEEWAY + 1
    add(cache, 1, signed)
    clock.advance(LEEWAY + 1)
    delete(path)
    with pytest.raises(StoreError, match="lost its memory"):
        add(cache, 1, signed)


def test_another_database_put_in_place_is_unavailable(cache: SQLiteReplayCache, clock: ManualClock, path: Path) -> None:
    (path.parent / "diary").write_text("a diary\n" * 1000)
    (path.parent / "diary").replace(path)
    with pytest.raises(StoreError, match="not a SQLite database"):
        add(cache, 1, later(clock))


def test_loss_does_not_matter_where_earlier_tokens_are_accepted(path: Path, clock: ManualClock) -> None:
    with SQLiteReplayCache(path, clock=clock, dangerously_accept_earlier=True) as cache:
        path.unlink()
        assert add(cache, 1, clock() - 100)


def test_closing_after_a_loss_leaves_the_new_file_alone(
    cache: SQLiteReplayCache, other: SQLiteReplayCache, clock: ManualClock, path: Path
) -> None:
    add(other, 9, later(clock))
    signed = clock() + LEEWAY + 1
    delete_all(path)
    add(cache, 1, signed)
    other.close()
    with SQLiteReplayCache(path, clock=clock) as third:
        assert add(third, 1, signed) is False


def add_until_refused(cache: SQLiteReplayCache, first: int, signed: float) -> str:
    for number in range(first, first + 16):
        try:
            add(cache, number, signed)
        except StoreError as error:
            return str(error)
    return "never refused"


def remove_log(path: Path) -> None:
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink()


def test_removed_log_is_noticed_within_sixteen_adds(cache: SQLiteReplayCache, clock: ManualClock, path: Path) -> None:
    remove_log(path)
    assert "wal was removed" in add_until_refused(cache, 1, later(clock))


def test_removed_log_keeps_the_cache_unavailable(cache: SQLiteReplayCache, clock: ManualClock, path: Path) -> None:
    remove_log(path)
    add_until_refused(cache, 1, later(clock))
    with pytest.raises(StoreError, match="wal was removed"):
        add(cache, 100, later(clock))


def test_removing_the_database_as_well_makes_a_new_one(
    cache: SQLiteReplayCache, clock: ManualClock, path: Path
) -> None:
    remove_log(path)
    add_until_refused(cache, 1, later(clock))
    delete(path)
    assert add(cache, 100, clock() + LEEWAY + 1)


def boot(path: Path, clock: ManualClock, name: str | None) -> SQLiteReplayCache:
    return SQLiteReplayCache(path, clock=clock, _boot_id=lambda: name)


@pytest.mark.parametrize(("before", "after"), [("one", "two"), ("one", None), (None, "one")])
def test_token_signed_before_a_boot_is_refused_after_it(
    path: Path, clock: ManualClock, before: str | None, after: str | None
) -> None:
    boot(path, clock, before).close()
    signed = later(clock)
    clock.advance(1)
    with boot(path, clock, after) as cache, pytest.raises(StoreError, match="lost its memory"):
        add(cache, 1, signed)


def test_token_signed_after_a_boot_is_accepted(path: Path, clock: ManualClock) -> None:
    boot(path, clock, "one").close()
    with boot(path, clock, "two") as cache:
        assert add(cache, 1, later(clock))


@pytest.mark.parametrize("same", ["one", None])
def test_token_signed_before_a_restart_in_the_same_boot_is_accepted(
    path: Path, clock: ManualClock, same: str | None
) -> None:
    boot(path, clock, same).close()
    signed = later(clock)
    with boot(path, clock, same) as cache:
        assert add(cache, 1, signed)


def test_boot_is_remembered(path: Path, clock: ManualClock) -> None:
    boot(path, clock, "one").close()
    boot(path, clock, "two").close()
    signed = later(clock)
    with boot(path, clock, "two") as cache:
        assert add(cache, 1, signed)


def test_boot_with_a_clock_that_is_far_behind_is_unavailable(path: Path, clock: ManualClock) -> None:
    with boot(path, clock, "one") as cache:
        add(cache, 1, later(clock))
        add(cache, 2, later(clock, 3 * KEEP))
    clock.step_back(3600)
    with pytest.raises(StoreError, match="3600 s behind"):
        boot(path, clock, "two")
