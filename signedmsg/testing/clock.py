"""A clock that moves only when a test moves it."""

from __future__ import annotations


class ManualClock:
    """A wall clock and the monotonic clock beside it: `clock()` and `clock.monotonic()`.

    Time that passes moves both; setting the wall clock moves only that one, as on a real
    machine. Give both to what takes both:

    ```python
    clock = ManualClock()
    cache = MemoryReplayCache(clock=clock, monotonic=clock.monotonic)
    ```
    """

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._wall = float(start)
        self._passed = 0.0

    def __call__(self) -> float:
        """Return the Unix time in seconds."""
        return self._wall

    def monotonic(self) -> float:
        """Return the seconds that have passed since the clock was made."""
        return self._passed

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        if seconds < 0:
            raise ValueError("time does not pass backwards: use step_back() to set the wall clock back")
        self._wall += seconds
        self._passed += seconds

    def set(self, time: float) -> None:
        """Set the wall clock to a Unix time; no time passes."""
        self._wall = float(time)

    def step_back(self, seconds: float) -> None:
        """Set the wall clock back by so many seconds; no time passes."""
        self._wall -= seconds

    def __repr__(self) -> str:
        return f"ManualClock({self._wall})"
