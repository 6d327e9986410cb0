"""A caller's clock: refused when it is none, and asked so that only a time comes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from signedmsg._jose.shown import shown

if TYPE_CHECKING:
    from collections.abc import Callable

_ALL_TIME: Final = 2.0**53


def check_function(name: str, value: object, expected: str) -> None:
    """Raise a TypeError that names the argument unless its value can be called."""
    if not callable(value):
        raise TypeError(f"{name}: expected a function {expected}, got {shown(value)}")


def check_clock(clock: object, name: str = "clock") -> None:
    """Raise a TypeError that names the argument unless it can be a clock."""
    check_function(name, clock, "that returns seconds, such as time.time")


def read_clock(clock: Callable[[], float]) -> float | None:
    """Return the time that a clock says, or None when that is no time: no real number, or beyond 2^53 seconds."""
    try:
        now = clock() + 0.0
        # NaN is neither before nor after anything, so it would let every token pass for a valid one.
        told = -_ALL_TIME < now < _ALL_TIME
    except (TypeError, OverflowError):
        return None
    return now if told else None
