"""The documentation's tables and plots, rendered from the results that are committed.

What stands between the two marks of the page is written by `write`, and a test compares it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.bench import floors, ours, plots, refusals, report, results
from tests.bench.goals import GOALS
from tests.bench.messages import ALGORITHMS, PAYLOADS, WORK, case_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tests.bench.measure import Figure
    from tests.bench.results import Results

PAGE: Final = results.FOLDER.parent / "explanation" / "performance.md"
BEGIN: Final = "<!-- figures: begin -->"
END: Final = "<!-- figures: end -->"


def write(found: Sequence[Results]) -> None:
    """Put the tables into the page and the plots beside the results; the oldest Python's are drawn."""
    PAGE.write_text(replaced(PAGE.read_text("utf-8"), found), "utf-8")
    plots.write(results.FOLDER, found[0])


def replaced(page: str, found: Sequence[Results]) -> str:
    """Return the page with the figures of these results.

    Raises:
        ValueError: the page has not each mark once.
    """
    before, _, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end or page.count(BEGIN) != 1 or page.count(END) != 1:
        raise ValueError(f"expected {BEGIN} and {END} once each")
    return before + BEGIN + "\n" + render(found) + END + after


def render(found: Sequence[Results]) -> str:
    """Return the generated part of the page."""
    lines = [*_measured_with(found), *_goals(found)]
    lines += ["", "### Beside other libraries", "", *_pictures()]
    for work in WORK:
        lines += _ratios(work, found)
    lines += _refusals(found)
    lines += _values(found)
    lines += _lacks(found)
    return "\n".join(lines) + "\n"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _head(*cells: str) -> list[str]:
    return ["", _row(cells), "|---" * len(cells) + "|"]


def _measured_with(found: Sequence[Results]) -> Iterator[str]:
    for each in found:
        versions, machine = each.about["versions"], each.about["machine"]
        told = ", ".join(f"{name} {number}" for name, number in versions.items() if name != "OpenSSL")
        yield f"- {each.about['date']}: {told}, {versions['OpenSSL']};"
        yield f"  {machine['cores']} cores of {machine['cpu']}, {machine['system']};"
        yield f"  {each.about['method']['rounds']} rounds{_lines(each)}; `docs/benchmarks/{each.path.name}`"


def _lines(result: Results) -> str:
    said = result.about.get("lines", "made")
    return "" if said == "made" else f", the lines {said}"


def _goals(found: Sequence[Results]) -> Iterator[str]:
    yield from _head("row", "what", "goal", *(f"Python {each.python}" for each in found))
    for goal in GOALS:
        told = [goal.value(each.cases, each.values) for each in found]
        if any(value is not None for value in told):
            sign = "≥" if goal.at_least else "≤"
            cells = [_verdict(value, goal.unit, met=value is not None and goal.met(value)) for value in told]
            yield _row([str(goal.row), goal.what, f"{sign} {report.shown(goal.limit, goal.unit)}", *cells])


def _verdict(value: float | None, unit: str, *, met: bool) -> str:
    if value is None:
        return "–"
    text = report.shown(value, unit)
    return text if met else f"**{text}, missed**"


def _pictures() -> Iterator[str]:
    for work in WORK:
        yield f"![{plots.TITLES[work]}](../benchmarks/{work}.svg)"


def _ratios(work: str, found: Sequence[Results]) -> Iterator[str]:
    """Yield a table for each algorithm and version of Python."""
    for alg in ALGORITHMS:
        for each in found:
            cases = {size: each.cases.get(case_of(work, alg, size)) for size in PAYLOADS}
            if there := {size: figures for size, figures in cases.items() if figures}:
                title = f"{work.capitalize()}, {alg}, Python {each.python}"
                yield from ("", f"{title}, in times of the signature and the JSON alone:")
                yield from _ratio_table(there)


def _ratio_table(cases: Mapping[str, Mapping[str, Figure]]) -> Iterator[str]:
    alone = {size: report.floor_of(figures) for size, figures in cases.items()}
    yield from _head("", *cases)
    yield _row(["signature and JSON, µs", *(f"{floor / 1e3:.1f}" for floor in alone.values())])
    for name in dict.fromkeys(name for figures in cases.values() for name in figures):
        if not name.startswith(floors.PARSE):
            told = [
                f"{figures[name].best / alone[size]:.2f}" if name in figures else "–" for size, figures in cases.items()
            ]
            yield _row([f"**{name}**" if name == ours.NAME else name, *told])


def _refusals(found: Sequence[Results]) -> Iterator[str]:
    told = [each for each in found if refusals.CASE in each.cases]
    if told:
        yield from ("", "### Refusing", "", "µs a token, and times the check of a bare signature:")
        yield from _head("", *(f"Python {each.python}" for each in told))
        for name in told[0].cases[refusals.CASE]:
            yield _row([name, *(_refusal(each.cases[refusals.CASE], name) for each in told)])


def _refusal(figures: Mapping[str, Figure], name: str) -> str:
    best = figures[name].best
    return f"{best / 1e3:.1f} ({best / figures[floors.RAW].best:.2f} ×)"


def _values(found: Sequence[Results]) -> Iterator[str]:
    """Yield what was measured beside the goals."""
    in_goals = {goal.of for goal in GOALS}
    names = [name for name in dict.fromkeys(name for each in found for name in each.values) if name not in in_goals]
    if names:
        yield from ("", "### Other figures")
        yield from _head("", *(f"Python {each.python}" for each in found))
        for name in names:
            yield _row([name, *(report.shown(each.values[name], "") if name in each.values else "–" for each in found)])


def _lacks(found: Sequence[Results]) -> Iterator[str]:
    peers = found[0].about["peers"]
    if peers:
        yield from ("", "### What the others do not check", "")
        yield "With the checks added by hand that are named above, each of these still let pass, in the version shown:"
        yield from _head("library", "version", "not looked at")
        for name, each in peers.items():
            yield _row([name, found[0].about["versions"][each["package"]], each["lacks"]])
