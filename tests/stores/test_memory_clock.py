"""The memory cache between two clocks: neither may step so that an id is admitted again."""

from __future__ import annotations

import pytest

from signedmsg.errors import StoreError
from signedmsg.stores.memory import MemoryReplayCache
from signedmsg.testing import ManualClock
from tests.stores.helpers import ISSUER, KEEP, add, later


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def make(clock: ManualClock, **options: object) -> MemoryReplayCache:
    return MemoryReplayCache(clock=clock, monotonic=clock.monotonic, **options)  # type: ignore[arg-type]


def test_wall_clock_set_far_ahead_forgets_nothing(clock: ManualClock) -> None:
    cache = make(clock)
    signed = later(clock)
    add(cache, 1, signed)
    clock.set(clock() + 100 * KEEP)
    assert add(cache, 1, clock()) is False


def test_token_signed_before_a_birth_on_a_slow_clock_is_refused_once_the_clock_is_right(clock: ManualClock) -> None:
    clock.step_back(3600)
    cache = make(clock)
    clock.advance(5)
    clock.set(clock() + 3600)
    with pytest.raises(StoreError):
        add(cache, 1, clock() - 5.001)


def test_token_signed_after_the_clock_was_put_right_is_accepted(clock: ManualClock) -> None:
    clock.step_back(3600)
    cache = make(clock)
    clock.advance(5)
    clock.set(clock() + 3600)
    assert add(cache, 1, clock() - 4)


@pytest.mark.parametrize("seconds_before_the_birth", [0.001, 1])
def test_token_signed_before_the_birth_is_refused_though_the_clock_stepped_back_since(
    clock: ManualClock, seconds_before_the_birth: float
) -> None:
    cache = make(clock)
    birth = clock()
    clock.step_back(60)
    with pytest.raises(StoreError):
        add(cache, 1, birth - seconds_before_the_birth)


def test_id_beside_short_lived_ones_is_kept_though_the_wall_clock_went_far_ahead(clock: ManualClock) -> None:
    cache = make(clock)

    def add_beside(number: int, keep: float) -> bool:
        return cache.add(bytes([0, number] * 8), keep, issuer=ISSUER, issued_at=clock())

    add_beside(1, 1.0)
    later(clock)
    add_beside(2, KEEP)
    add_beside(3, 1.0)
    clock.set(clock() + 100 * KEEP)
    for number in (4, 5, 6):
        later(clock, 10)
        add_beside(number, 1.0)
    assert add_beside(2, KEEP) is False


def test_id_is_kept_while_a_wall_clock_that_went_back_has_not_reached_its_end(clock: ManualClock) -> None:
    cache = make(clock)
    signed = later(clock)
    add(cache, 1, signed)
    clock.step_back(1000)
    clock.advance(3 * KEEP)
    # Two calls with ids of the same shard would drop it, if its keep on the monotonic clock alone decided.
    for number in range(1000, 2000):
        add(cache, number, signed, keep=1.0)
    assert add(cache, 1, signed) is False


def test_short_keep_does_not_shorten_a_long_one_on_the_wall_clock(clock: ManualClock) -> None:
    cache = make(clock)
    signed = later(clock)

    def add_beside(number: int, keep: float) -> bool:
        return cache.add(bytes([0, number] * 8), keep, issuer=ISSUER, issued_at=signed)

    add_beside(1, KEEP)
    add_beside(2, 1.0)
    clock.step_back(500)
    clock.advance(600)
    for number in (3, 4, 5):
        add_beside(number, 1.0)
    assert add_beside(1, KEEP) is False


def forgetful(clock: ManualClock) -> MemoryReplayCache:
    """Return a cache that has just dropped an id."""
    cache = make(clock)
    add(cache, 1, later(clock))
    later(clock, 2 * KEEP)
    add(cache, 1, clock())
    return cache


def test_wall_clock_far_behind_the_last_forgetting_makes_it_unavailable(clock: ManualClock) -> None:
    cache = forgetful(clock)
    clock.step_back(61)
    with pytest.raises(StoreError, match="the clock is 61 s behind"):
        add(cache, 2, clock())


def test_wall_clock_a_minute_behind_the_last_forgetting_goes_on(clock: ManualClock) -> None:
    cache = forgetful(clock)
    clock.step_back(60)
    assert add(cache, 2, clock())
