"""Measures calls side by side: thread CPU time, short slices in random order, and the best round of each.

Other work on the machine only ever adds time, to some slices more than to others. The best of
about fifteen rounds has met the least of it, so ratios of best rounds repeat within a few per
cent even where medians and absolute times do not.
"""

from __future__ import annotations

import gc
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROUNDS: Final = 15
SLICE: Final = 10_000_000  # nanoseconds
SEED: Final = 20260101


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to do the work.

    Attributes:
        name: what tables call it.
        call: the work; its result is thrown away.
        supply: makes the inputs of one slice, outside of the timing. Each is used once, so that
            a verifier meets no token twice.
        step: a slice has a multiple of so many calls: the length of a mix of different inputs.
    """

    name: str
    call: Callable[[Any], object]
    supply: Callable[[int], Sequence[Any]]
    step: int = 1


class Figure(NamedTuple):
    """Nanoseconds a call: in the best round, the second best and the median one; and the calls of a slice."""

    best: float
    second: float
    median: float
    calls: int

    @property
    def spread(self) -> float:
        """How far the second best round is from the best, as a part of it: what is above a few per cent was noise."""
        return self.second / self.best - 1


@dataclass(frozen=True, slots=True)
class Method:
    """How to measure; the defaults are what the documentation quotes.

    Attributes:
        rounds: how often each candidate has its turn.
        slice: how long a turn takes, in nanoseconds of `clock`.
        clock: nanoseconds that this thread has computed.
        seed: of the order of the turns.
    """

    rounds: int = ROUNDS
    slice: int = SLICE
    clock: Callable[[], int] = time.thread_time_ns
    seed: int = SEED


def measure(candidates: Sequence[Candidate], method: Method | None = None) -> dict[str, Figure]:
    """Return a figure for each candidate, by name.

    Raises:
        ValueError: two candidates have one name, or there is nothing to measure.
    """
    method = method or Method()
    if not candidates or len({each.name for each in candidates}) < len(candidates) or method.rounds < 1:
        raise ValueError("expected candidates of different names, and at least one round")
    calls = {each.name: calibrate(each, method) for each in candidates}
    taken: dict[str, list[float]] = {each.name: [] for each in candidates}
    dice = random.Random(method.seed)
    for _ in range(method.rounds):
        for each in dice.sample(candidates, len(candidates)):
            count = calls[each.name]
            taken[each.name].append(turn(each, count, method.clock) / count)
    return {name: _figure(sorted(rounds), calls[name]) for name, rounds in taken.items()}


def turn(candidate: Candidate, count: int, clock: Callable[[], int]) -> int:
    """Return what `count` calls take, with fresh inputs and without the garbage collector."""
    inputs, call = candidate.supply(count), candidate.call
    gc.collect(0)
    collecting = gc.isenabled()
    gc.disable()
    try:
        before = clock()
        for each in inputs:
            call(each)
        return clock() - before
    finally:
        if collecting:
            gc.enable()


def calibrate(candidate: Candidate, method: Method) -> int:
    """Return how many calls fill a slice: a few turns of ever more of them, which also warm the caches."""
    count = candidate.step
    while True:
        taken = max(1, turn(candidate, count, method.clock))
        wanted = round(count * method.slice / taken / candidate.step) * candidate.step
        # A first turn meets cold caches, so only one of half a slice is believed.
        if taken * 2 >= method.slice or wanted <= count:
            return max(candidate.step, wanted)
        count = min(wanted, count * 10)


def _figure(rounds: list[float], calls: int) -> Figure:
    return Figure(rounds[0], rounds[min(1, len(rounds) - 1)], rounds[len(rounds) // 2], calls)
