"""Tables for the terminal: the figures of a case, and each goal beside what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench import goals

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.bench.measure import Figure
    from tests.bench.results import Results


def floor_of(figures: Mapping[str, Figure]) -> float:
    """Return what the signature and the JSON cost at least, or the first figure where a case has no such floor."""
    floors = [figures[name].best for name in (*goals.PARSED, *goals.WRITTEN) if name in figures]
    return min(floors) if floors else next(iter(figures.values())).best


def table(case: str, figures: Mapping[str, Figure]) -> Iterator[str]:
    """Yield the lines of a case: µs in the best round, ratios to the first figure and to the floor, and the noise."""
    first, floor = next(iter(figures.values())).best, floor_of(figures)
    yield f"\n{case:<44}{'µs':>10}{'× first':>10}{'× floor':>10}{'noise':>8}"
    for name, each in figures.items():
        micro = each.best / 1e3
        yield f"  {name:<42}{micro:10.1f}{each.best / first:10.2f}{each.best / floor:10.2f}{each.spread:8.1%}"


def shown(value: float, unit: str) -> str:
    """Return a figure as tables show it."""
    digits = 0 if value >= 100 else 2
    return f"{value:,.{digits}f} {unit}".rstrip()


def goal_table(results: Results) -> Iterator[str]:
    """Yield a line for each goal that was measured, and the count of those met."""
    measured = [(goal, goal.value(results.cases, results.values)) for goal in goals.GOALS]
    told = [(goal, value) for goal, value in measured if value is not None]
    if not told:
        return
    yield f"\n{'row':>3}  {'goal':<74}{'limit':>12}{'measured':>14}"
    for goal, value in told:
        sign = "≥" if goal.at_least else "≤"
        limit = f"{sign} {shown(goal.limit, goal.unit)}"
        verdict = "met" if goal.met(value) else "MISSED"
        yield f"{goal.row:>3}  {goal.what:<74}{limit:>12}{shown(value, goal.unit):>14}  {verdict}"
    yield f"{sum(goal.met(value) for goal, value in told)} of {len(told)} goals met"
