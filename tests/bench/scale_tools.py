"""What measurements of growth share: a loop in which waiting costs no time, CPU time, memory, a line through points."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import selectors
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

T = TypeVar("T")
ROOT: Final = Path(__file__).parent.parent.parent
NOW: Final = 1_800_000_000.0


class _Selector(selectors.DefaultSelector):
    """Where a loop would wait, its time jumps to the end of the wait."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("this loop would wait for ever: nothing is due in it")
        self.passed += max(timeout, 0.0)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time()` moves only by waiting: hours pass in as long as their work takes."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.passed

    def clock(self) -> float:
        """Return the Unix time in it."""
        return NOW + self._virtual.passed


def in_virtual_time(main: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end in a loop of virtual time."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main(loop))
    finally:
        loop.close()


def best(turn: Callable[[int], object], rounds: int, calls: int) -> float:
    """Return the CPU seconds of one call in the best of some rounds; `turn` is given its number, from 0."""
    return best_of({"": turn}, rounds, calls)[""]


def best_of(turns: Mapping[str, Callable[[int], object]], rounds: int, calls: int) -> dict[str, float]:
    """Return the same of several, whose rounds alternate: what else the machine does meets all of them alike."""
    least = dict.fromkeys(turns, float("inf"))
    gc.collect()
    gc.disable()
    try:
        for at in range(rounds):
            for name, turn in turns.items():
                least[name] = min(least[name], _round(turn, range(at * calls, (at + 1) * calls)))
    finally:
        gc.enable()
    return {name: seconds / calls for name, seconds in least.items()}


def _round(turn: Callable[[int], object], numbers: range) -> float:
    clock = time.thread_time
    started = clock()
    for number in numbers:
        turn(number)
    return clock() - started


def resident() -> int:
    """Return the bytes of memory that this process occupies (Linux)."""
    gc.collect()
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


class Line(NamedTuple):
    """`start + slope * x`, fitted to points; `off` is the largest distance of one, as a part of its value."""

    start: float
    slope: float
    off: float


def fit(points: Sequence[tuple[float, float]]) -> Line:
    """Return the line of least squares."""
    count = len(points)
    middle, height = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    slope = sum((x - middle) * (y - height) for x, y in points) / sum((x - middle) ** 2 for x, _ in points)
    start = height - slope * middle
    return Line(start, slope, max(abs(start + slope * x - y) / y for x, y in points))


def child(module: str, *arguments: object) -> Any:
    """Run a part in a process of its own, whose memory nobody else used, and return the JSON that it prints."""
    command = [sys.executable, "-m", f"tests.bench.{module}", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)
