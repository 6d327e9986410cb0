"""The clock that tests move by hand."""

from __future__ import annotations

import pytest

from signedmsg.testing import ManualClock


def test_time_that_passes_moves_both_clocks() -> None:
    clock = ManualClock(1000)
    clock.advance(2.5)
    assert (clock(), clock.monotonic()) == (1002.5, 2.5)


def test_setting_the_wall_clock_lets_no_time_pass() -> None:
    clock = ManualClock(1000)
    clock.set(5000)
    assert (clock(), clock.monotonic()) == (5000, 0)


def test_stepping_back_lets_no_time_pass() -> None:
    clock = ManualClock(1000)
    clock.step_back(10)
    assert (clock(), clock.monotonic()) == (990, 0)


def test_time_does_not_pass_backwards() -> None:
    with pytest.raises(ValueError, match="step_back"):
        ManualClock().advance(-1)


def test_it_stands_still_by_itself() -> None:
    clock = ManualClock(1000)
    assert [clock(), clock(), clock.monotonic()] == [1000, 1000, 0]
