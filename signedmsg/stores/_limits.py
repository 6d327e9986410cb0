"""What every replay cache refuses in the same words: wrong limits, tokens it cannot know, and too many ids."""

from __future__ import annotations

from typing import Final

from signedmsg.errors import QuotaError, StoreError

CLOCK_TOLERANCE: Final = 60.0
"""Seconds by which the clock may go back after ids were dropped; every keep has 120 to spare."""


def check_limits(capacity: int, quota: int | None) -> tuple[int, int]:
    """Return `capacity` and `quota` (half of `capacity` unless given), or say what is wrong with them.

    Raises:
        TypeError: one of them is not an int.
        ValueError: one of them is out of range.
    """
    _check_int("capacity", capacity)
    if capacity < 1:
        raise ValueError(f"capacity: expected at least 1 id, got {capacity}")
    if quota is None:
        return capacity, max(1, capacity // 2)
    _check_int("quota", quota)
    if not 1 <= quota <= capacity:
        raise ValueError(f"quota: expected between 1 and the capacity of {capacity} ids, got {quota}")
    return capacity, quota


def check_seconds(name: str, value: float) -> float:
    """Return `value`, or raise ValueError when it is not a finite number of seconds, zero or more."""
    if not 0 <= value < float("inf"):
        raise ValueError(f"{name}: expected a number of seconds, zero or more, got {value}")
    return value


def too_early(birth: float, issued_at: float) -> StoreError:
    """Return the refusal of a token that may have been here before this cache remembered anything."""
    return StoreError(
        "this replay cache was made, or lost its memory, when the token may already have been signed: "
        f"it counts as signed at {issued_at:.3f}, the cache knows those signed since {birth:.3f}",
        retry_after=1,
        hint="a token signed anew is accepted; if this lasts, a clock stepped back since the cache was made",
    )


def full(capacity: int, retry_after: float) -> StoreError:
    """Return the refusal of a cache that has no room: to forget a live id would be to accept it again."""
    return StoreError(
        f"the replay cache is full: {capacity} ids are remembered, and live ones are never forgotten",
        retry_after=retry_after,
        hint="raise its capacity, or let tokens live shorter",
    )


def over_quota(issuer: str, quota: int, retry_after: float) -> QuotaError:
    """Return the refusal of one issuer that sent more than its share; the others go on."""
    return QuotaError(
        f"{issuer} has used its share of the replay cache: {quota} ids",
        retry_after=retry_after,
        hint="raise the quota, or the capacity that it is half of",
    )


def not_positive(keep: float) -> ValueError:
    """Return the error of a caller whose ids would be forgotten at once."""
    return ValueError(f"keep: expected a positive number of seconds, got {keep}")


def clock_went_back(seconds: float, remedy: str) -> StoreError:
    """Return the refusal of a cache whose clock is behind the moment at which it last forgot ids."""
    return StoreError(
        f"the clock is {seconds:.0f} s behind the moment at which this replay cache last forgot ids: "
        "an id that was over then may be fresh again now",
        hint=f"set the clock right; or {remedy}, and tokens signed before that are refused",
    )


def _check_int(name: str, value: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name}: expected an int, got {type(value).__name__}")
