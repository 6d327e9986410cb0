"""The gate of the goals: fails when a ratio is above its goal by more than 15 %, and stays so when measured again.

Where a goal is not reached it holds what was.

It holds ratios only, since these repeat on a busy machine. What misses is measured again up to twice,
since noise only ever makes figures worse by chance, and a regression makes them worse each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.bench.goals import GOALS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tests.bench.goals import Goal
    from tests.bench.measure import Figure

    Measuring = Callable[[str], Mapping[str, Figure]]

TOLERANCE: Final = 0.15
RETRIES: Final = 2


def gate(
    measuring: Measuring,
    goals: Iterable[Goal] = GOALS,
    *,
    tolerance: float = TOLERANCE,
    retries: int = RETRIES,
    say: Callable[[str], None] = print,
) -> bool:
    """Return whether every gated goal is met within the tolerance; `measuring` measures one case."""
    missed = [goal for goal in goals if goal.gated]
    for attempt in range(retries + 1):
        cases = {case: measuring(case) for case in dict.fromkeys(goal.case for goal in missed)}
        seen = [(goal, goal.value(cases, {})) for goal in missed]
        for goal, value in seen:
            say(_line(goal, value, tolerance, attempt))
        missed = [goal for goal, value in seen if value is None or not goal.held(value, tolerance)]
        if not missed:
            return True
    say(f"{len(missed)} of the goals missed by more than {tolerance:.0%}, {retries + 1} times over")
    return False


def _line(goal: Goal, value: float | None, tolerance: float, attempt: int) -> str:
    again = f"  (measured again, {attempt})" if attempt else ""
    if value is None:
        return f"FAILED  not measured          {goal.what}{again}"
    verdict = "met   " if goal.met(value) else "held  " if goal.held(value, tolerance) else "WORSE "
    level = "" if goal.reached is None else f", held at {goal.reached:6.3f}"
    return f"{verdict}  {value:6.3f}, goal {goal.limit:6.3f}{level}  {goal.what}{again}"
