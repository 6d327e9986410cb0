"""What only the memory cache does: its process, its threads, its room."""

from __future__ import annotations

import contextlib
import gc
import math
import os
import threading

import pytest

from signedmsg.errors import QuotaError, StoreError
from signedmsg.stores.memory import MemoryReplayCache
from signedmsg.testing import ManualClock
from tests.stores.helpers import ISSUER, KEEP, add, key, later, run_python


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def make(clock: ManualClock, **options: object) -> MemoryReplayCache:
    return MemoryReplayCache(clock=clock, monotonic=clock.monotonic, **options)  # type: ignore[arg-type]


def test_it_never_waits_and_promises_nothing_beyond_its_process() -> None:
    assert (MemoryReplayCache.waits, MemoryReplayCache.shared, MemoryReplayCache.durable) == ("never", False, False)


def test_moment_that_is_not_a_number_is_refused(clock: ManualClock) -> None:
    with pytest.raises(StoreError):
        add(make(clock), 1, math.nan)


def test_earlier_tokens_are_accepted_where_that_was_asked_for(clock: ManualClock) -> None:
    assert add(make(clock, dangerously_accept_earlier=True), 1, clock() - 100)


def test_empty_cache_is_true(clock: ManualClock) -> None:
    cache = make(clock)
    assert (len(cache), bool(cache)) == (0, True)


def test_refusal_for_age_says_when_to_try_again_and_what_would_help(clock: ManualClock) -> None:
    with pytest.raises(StoreError, match="lost its memory") as caught:
        add(make(clock), 1, clock() - 1)
    assert (caught.value.code, caught.value.retry_after) == ("store_unavailable", 1)
    assert "signed anew" in str(caught.value.hint)


def test_ids_nobody_asks_for_again_free_their_memory(clock: ManualClock) -> None:
    cache = make(clock)
    signed = later(clock)
    for number in range(1000):
        add(cache, number, signed)
    clock.advance(2 * KEEP)
    for _ in range(256):
        add(cache, 5000, clock())
    assert len(cache) == 1


def test_issuer_without_ids_is_forgotten(clock: ManualClock) -> None:
    cache = make(clock)
    add(cache, 1, later(clock), issuer="https://gone.example")
    clock.advance(2 * KEEP)
    for _ in range(256):
        add(cache, 2, clock())
    assert list(cache._accounts) == [ISSUER]


def test_length_counts_each_id_once(clock: ManualClock) -> None:
    cache = make(clock)
    signed = later(clock)
    for number in (1, 2, 2, 3):
        add(cache, number, signed)
    assert len(cache) == 3


def test_refused_id_does_not_count(clock: ManualClock) -> None:
    cache = make(clock, capacity=2, quota=1)
    signed = later(clock)
    add(cache, 1, signed)
    with pytest.raises(QuotaError):
        add(cache, 2, signed)
    assert len(cache) == 1


def test_cache_full_of_ids_that_are_over_takes_the_next_at_once(clock: ManualClock) -> None:
    cache = make(clock, capacity=500, quota=500)
    signed = later(clock)
    for number in range(500):
        add(cache, number, signed)
    clock.advance(2 * KEEP)
    assert add(cache, 1000, clock())


def test_quota_is_half_of_the_capacity_unless_given(clock: ManualClock) -> None:
    cache = make(clock, capacity=4)
    signed = later(clock)
    add(cache, 1, signed)
    add(cache, 2, signed)
    with pytest.raises(QuotaError, match="2 ids"):
        add(cache, 3, signed)


def test_full_cache_says_when_room_is_expected(clock: ManualClock) -> None:
    cache = make(clock, capacity=1, quota=1)
    signed = later(clock)
    add(cache, 1, signed)
    with pytest.raises(StoreError, match="full") as caught:
        add(cache, 2, signed, issuer="https://shop.example")
    assert caught.value.retry_after == KEEP


@pytest.mark.parametrize("keep", [0.0, -1.0, math.nan])
def test_keep_that_keeps_nothing_is_an_error(clock: ManualClock, keep: float) -> None:
    cache = make(clock)
    with pytest.raises(ValueError, match="keep"):
        add(cache, 1, later(clock), keep=keep)


def test_garbage_collector_need_not_look_at_the_ids(clock: ManualClock) -> None:
    cache = make(clock)
    signed = later(clock)
    for number in range(2000):
        add(cache, number, signed)
    gc.collect()
    assert not any(gc.is_tracked(shard.young) for shard in cache._shards)


class MeetingKey(bytes):
    """An id whose first look-up waits for that of another thread, should one be under way."""

    def __new__(cls, value: bytes, meeting: threading.Barrier) -> MeetingKey:
        made = super().__new__(cls, value)
        made.meeting = meeting
        return made

    meeting: threading.Barrier

    def __hash__(self) -> int:
        with contextlib.suppress(threading.BrokenBarrierError):
            self.meeting.wait(timeout=0.2)
        return super().__hash__()

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other)


def test_no_thread_looks_between_the_look_and_the_record_of_another(clock: ManualClock) -> None:
    cache = make(clock)
    meeting, signed = threading.Barrier(2), later(clock)
    answers: list[bool] = []

    def one() -> None:
        answers.append(cache.add(MeetingKey(key(1), meeting), KEEP, issuer=ISSUER, issued_at=signed))

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [False, True]


def test_representation_shows_how_full_it_is(clock: ManualClock) -> None:
    cache = make(clock, capacity=10, quota=3)
    add(cache, 1, later(clock))
    assert repr(cache) == "<MemoryReplayCache 1 of 10 ids, 3 an issuer>"


FORK = f"""
import os
from signedmsg.errors import StoreError
from signedmsg.stores.memory import MemoryReplayCache
cache = MemoryReplayCache()
if os.fork() == 0:
    try:
        cache.add({key(1)!r}, 300.0, issuer="https://billing.example", issued_at=2e10)
    except StoreError as error:
        print(error.hint, flush=True)
    os._exit(0)
os.wait()
print(cache.add({key(1)!r}, 300.0, issuer="https://billing.example", issued_at=2e10), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")
def test_forked_child_is_refused_and_told_what_to_use() -> None:
    hint, in_the_parent = run_python(FORK)
    assert "SQLiteReplayCache" in hint
    assert in_the_parent == "True"


def test_clock_alone_serves_as_the_monotonic_one_too(clock: ManualClock) -> None:
    cache = MemoryReplayCache(clock=clock)
    signed = later(clock)
    assert add(cache, 1, signed)
    clock.advance(KEEP - 1)
    assert add(cache, 1, signed) is False
