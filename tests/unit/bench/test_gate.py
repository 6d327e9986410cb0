"""The gate of the goals goes red: on a regression, on a figure that is missing, and not on noise."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

from tests.bench import goals
from tests.bench.gate import gate
from tests.bench.goals import GOALS, Goal
from tests.bench.measure import Figure

if TYPE_CHECKING:
    from collections.abc import Mapping

GOAL = Goal(1, "sign", 1.2, "signedmsg", "sign ES256 200 B", ("bare", "other"), gated=True)
LOOSE = Goal(5, "beside a peer", 0.1, "signedmsg", "sign ES256 200 B", ("bare",))


def figures(ours: float, **others: float) -> dict[str, Figure]:
    return {name: Figure(best, best, best, 1) for name, best in {"signedmsg": ours, **others}.items()}


def passes(*measured: Mapping[str, Figure], said: list[str] | None = None) -> bool:
    """Hold the gate; each measurement is the next of these, and the last one again."""
    attempts = count()
    lines: list[str] = [] if said is None else said
    return gate(lambda case: measured[min(next(attempts), len(measured) - 1)], [GOAL, LOOSE], say=lines.append)


def test_a_ratio_within_its_goal_passes() -> None:
    assert passes(figures(119, bare=100))


def test_a_ratio_less_than_fifteen_per_cent_above_its_goal_passes() -> None:
    assert passes(figures(137, bare=100))


def test_a_ratio_more_than_fifteen_per_cent_above_its_goal_fails() -> None:
    assert not passes(figures(139, bare=100))


def test_the_lowest_of_the_floors_is_the_one_compared_with() -> None:
    assert not passes(figures(119, bare=100, other=80))


def test_what_missed_once_by_noise_passes_when_measured_again() -> None:
    said: list[str] = []
    assert passes(figures(200, bare=100), figures(110, bare=100), said=said)
    assert [line.split()[0] for line in said] == ["WORSE", "met"]


def test_what_misses_three_times_fails() -> None:
    said: list[str] = []
    assert not passes(figures(200, bare=100), said=said)
    assert len([line for line in said if line.startswith("WORSE")]) == 3


def test_a_figure_that_was_not_measured_fails() -> None:
    assert not passes(figures(100))


def test_goals_that_are_not_gated_are_not_held() -> None:
    said: list[str] = []
    assert passes(figures(110, bare=100), said=said)
    assert not any("beside a peer" in line for line in said)


def test_a_goal_for_at_least_so_much_is_missed_from_below() -> None:
    goal = Goal(15, "threads", 1.7, "scaling", at_least=True)
    assert (goal.met(1.7), goal.met(1.6), goal.held(1.6, 0.15), goal.held(1.4, 0.15)) == (True, False, True, False)


def test_goal_that_is_not_reached_is_held_at_what_was() -> None:
    goal = replace(GOAL, reached=1.5)
    assert (goal.met(1.5), goal.held(1.72, 0.15), goal.held(1.73, 0.15)) == (False, True, False)


def test_what_was_reached_is_that_of_a_gated_goal_and_worse_than_it() -> None:
    reached = {goal.what: goal for goal in GOALS if goal.reached is not None}
    assert reached.keys() == goals._REACHED.keys()
    assert [what for what, goal in reached.items() if not goal.gated or goal.met(goal.reached or 0)] == []


def test_gated_goals_are_ratios() -> None:
    assert [goal.what for goal in GOALS if goal.gated and not (goal.case and goal.over)] == []


def test_every_row_of_goals_is_there() -> None:
    assert {goal.row for goal in GOALS} == {*range(1, 14), 15}
