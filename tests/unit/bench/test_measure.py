"""The benchmark's method: what a round is, what counts of it, and that nothing else is timed."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from tests.bench.measure import Candidate, Method, measure

if TYPE_CHECKING:
    from collections.abc import Sequence


class Work:
    """A clock that only the calls move: each takes what the turn's cost says."""

    def __init__(self, *costs: int) -> None:
        self.costs = costs
        self.now = 0
        self.turns: list[int] = []
        self.collecting: set[bool] = set()

    def clock(self) -> int:
        return self.now

    def supply(self, count: int) -> Sequence[int]:
        self.turns.append(count)
        return range(count)

    def call(self, _: int) -> None:
        self.collecting.add(gc.isenabled())
        self.now += self.costs[min(len(self.turns), len(self.costs)) - 1]


def candidate(work: Work, name: str = "it", step: int = 1) -> Candidate:
    return Candidate(name, work.call, work.supply, step)


def test_best_round_counts_and_the_second_best_shows_the_noise() -> None:
    work = Work(*[10] * 3, 30, 12, 10, 11)
    figure = measure([candidate(work)], Method(rounds=4, slice=1000, clock=work.clock))["it"]
    assert (figure.best, figure.second, figure.calls) == (10, 11, 100)
    assert figure.spread == pytest.approx(0.1)


def test_a_slice_has_as_many_calls_as_fill_it() -> None:
    work = Work(40)
    figure = measure([candidate(work)], Method(rounds=2, slice=10_000, clock=work.clock))["it"]
    assert figure.calls == 250


def test_a_call_longer_than_a_slice_is_made_once() -> None:
    work = Work(5000)
    assert measure([candidate(work)], Method(rounds=2, slice=1000, clock=work.clock))["it"].calls == 1


def test_a_slice_has_a_multiple_of_the_mix() -> None:
    work = Work(10)
    assert measure([candidate(work, step=7)], Method(rounds=2, slice=1000, clock=work.clock))["it"].calls == 98


def test_making_the_inputs_is_not_timed() -> None:
    work = Work(10)

    def slow(count: int) -> Sequence[int]:
        work.now += 1_000_000
        return work.supply(count)

    figures = measure([Candidate("it", work.call, slow)], Method(rounds=3, slice=1000, clock=work.clock))
    assert figures["it"].best == 10


def test_each_slice_has_fresh_inputs() -> None:
    work = Work(10)
    measure([candidate(work)], Method(rounds=5, slice=1000, clock=work.clock))
    assert work.turns[-5:] == [100] * 5


def test_the_garbage_collector_is_off_inside_a_slice_and_on_again_behind_it() -> None:
    work = Work(10)
    measure([candidate(work)], Method(rounds=1, slice=1000, clock=work.clock))
    assert work.collecting == {False}
    assert gc.isenabled()


def test_candidates_take_turns_in_an_order_that_changes() -> None:
    order: list[str] = []
    works = {name: Work(10) for name in ("a", "b", "c")}

    def noting(name: str) -> Candidate:
        def supply(count: int) -> Sequence[int]:
            order.append(name)
            return works[name].supply(count)

        return Candidate(name, works[name].call, supply)

    clock = Method(rounds=6, slice=1000, clock=lambda: sum(work.now for work in works.values()))
    measure([noting(name) for name in works], clock)
    rounds = ["".join(order[-18:][at : at + 3]) for at in range(0, 18, 3)]
    assert {"".join(sorted(each)) for each in rounds} == {"abc"}
    assert len(set(rounds)) > 1


def test_two_candidates_of_one_name_are_refused() -> None:
    work = Work(10)
    with pytest.raises(ValueError, match="different names"):
        measure([candidate(work), candidate(work)], Method(clock=work.clock))
