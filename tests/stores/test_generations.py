"""Two generations against a naive model: no id goes before its keep is over, nor long after it."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from signedmsg.errors import StoreError
from signedmsg.stores.memory import MemoryReplayCache
from signedmsg.stores.sqlite import SQLiteReplayCache
from signedmsg.testing import ManualClock

if TYPE_CHECKING:
    from signedmsg import ReplayCache

LONGEST = 40

# (seconds that pass, which of a few ids, keep, which issuer)
STEPS = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 5), st.integers(1, LONGEST), st.integers(0, 1)), max_size=60
)
# How long each token is fresh, and by how much the wall clock steps before it is presented.
STEPPED = st.lists(
    st.tuples(
        st.integers(0, 400), st.integers(0, 5), st.integers(1, LONGEST), st.sampled_from([0, 0, 0, -900, -61, 900])
    ),
    max_size=60,
)
MARGIN = 120


def key(number: int) -> bytes:
    """Return an id that shares its shard of the memory cache with half of the others."""
    return bytes([number % 2]) + number.to_bytes(15, "big")


def follow(cache: ReplayCache, clock: ManualClock, steps: list[tuple[int, int, int, int]]) -> None:
    first_seen: dict[int, tuple[float, int]] = {}
    for count, (seconds, number, keep, issuer) in enumerate(steps):
        clock.advance(seconds)
        # A cache may drop what is over only when something new comes.
        cache.add(key(1000 + number + 2 * count), 1, issuer=f"https://{issuer}.example", issued_at=1e10)
        new = cache.add(key(number), keep, issuer=f"https://{issuer}.example", issued_at=1e10)
        seen, kept = first_seen.get(number, (float("-inf"), 0))
        age = clock.monotonic() - seen
        if age < kept:
            assert not new, f"id {number} was new again {age} s after it was recorded to be kept for {kept} s"
        if age >= 2 * LONGEST:
            assert new, f"id {number} is still remembered {age} s after it was recorded"
        if new:
            first_seen[number] = clock.monotonic(), keep


@given(STEPS)
@settings(max_examples=500)
def test_memory_cache_keeps_each_id_for_its_keep_and_at_most_twice_the_longest(
    steps: list[tuple[int, int, int, int]],
) -> None:
    clock = ManualClock()
    cache = MemoryReplayCache(clock=clock, monotonic=clock.monotonic, dangerously_accept_earlier=True)
    follow(cache, clock, steps)


def follow_stepping(cache: ReplayCache, clock: ManualClock, steps: list[tuple[int, int, int, int]]) -> None:
    """Present a few tokens over and over while the wall clock steps: each is admitted at most once."""
    lives: dict[int, tuple[float, float]] = {}
    admitted: set[int] = set()
    for count, (seconds, number, fresh, step) in enumerate(steps):
        clock.advance(seconds)
        clock.set(clock() + step)
        with contextlib.suppress(StoreError):
            cache.add(key(1000 + count), 1 + MARGIN, issuer="https://a.example", issued_at=1e10)
        begins, ends = lives.setdefault(number, (clock(), clock() + fresh))
        # Outside its life a receiver refuses the token before it asks the cache.
        if not begins <= clock() < ends:
            continue
        with contextlib.suppress(StoreError):
            if cache.add(key(number), fresh + MARGIN, issuer="https://a.example", issued_at=1e10):
                assert number not in admitted, f"token {number} was admitted twice"
                admitted.add(number)


@given(STEPPED)
@settings(max_examples=500)
def test_memory_cache_admits_no_fresh_token_twice_however_the_wall_clock_steps(
    steps: list[tuple[int, int, int, int]],
) -> None:
    clock = ManualClock()
    cache = MemoryReplayCache(clock=clock, monotonic=clock.monotonic, dangerously_accept_earlier=True)
    follow_stepping(cache, clock, steps)


@given(STEPPED)
@settings(max_examples=60)
def test_sqlite_cache_admits_no_fresh_token_twice_however_the_clock_steps(
    steps: list[tuple[int, int, int, int]],
) -> None:
    clock = ManualClock()
    with (
        tempfile.TemporaryDirectory() as folder,
        SQLiteReplayCache(Path(folder) / "replay.db", clock=clock, dangerously_accept_earlier=True) as cache,
    ):
        follow_stepping(cache, clock, steps)


@given(STEPS)
@settings(max_examples=60)
def test_sqlite_cache_keeps_each_id_for_its_keep_and_at_most_twice_the_longest(
    steps: list[tuple[int, int, int, int]],
) -> None:
    clock = ManualClock()
    with (
        tempfile.TemporaryDirectory() as folder,
        SQLiteReplayCache(Path(folder) / "replay.db", clock=clock) as cache,
    ):
        follow(cache, clock, steps)


@given(STEPS)
def test_memory_cache_counts_exactly_the_ids_it_holds(steps: list[tuple[int, int, int, int]]) -> None:
    clock = ManualClock()
    cache = MemoryReplayCache(clock=clock, monotonic=clock.monotonic, dangerously_accept_earlier=True)
    follow(cache, clock, steps)
    held = sum(len(shard.young) + len(shard.old) for shard in cache._shards)
    assert len(cache) == held == sum(account.live for account in cache._accounts.values())


@given(STEPS)
@settings(max_examples=60)
def test_sqlite_cache_counts_exactly_the_live_ids(steps: list[tuple[int, int, int, int]]) -> None:
    clock = ManualClock()
    with (
        tempfile.TemporaryDirectory() as folder,
        SQLiteReplayCache(Path(folder) / "replay.db", clock=clock) as cache,
    ):
        follow(cache, clock, steps)
        connection = cache._file.connection()
        (held,) = connection.execute(
            "SELECT count(*) FROM seen WHERE generation >= (SELECT generation - 1 FROM memory)"
        ).fetchone()
        (total,) = connection.execute("SELECT young + old FROM account WHERE id = 0").fetchone()
        (issuers,) = connection.execute("SELECT coalesce(sum(young + old), 0) FROM account WHERE id > 0").fetchone()
        assert held == total == issuers
