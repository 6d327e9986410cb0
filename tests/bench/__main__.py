"""`python -m tests.bench`: measure, print tables with the goals, keep the result, draw it, or hold the gate.

Without names it measures all of its own groups, and those other modules here that measure goals.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import groups, messages, page, plots, refusals, report
from tests.bench.gate import gate
from tests.bench.measure import Method
from tests.bench.peers import installed
from tests.bench.results import Results, about, newest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.bench.measure import Figure


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    if options.save and options.quick:
        parser().error("--save keeps what is quoted, so it takes no --quick")
    if options.list:
        for name, text in {**groups.OWN, **groups.others()}.items():
            print(f"{name:<18}{text}")
        return 0
    if options.gate:
        return 0 if hold() else 1
    if not options.render:
        measured = run(options)
        for path in (options.json, measured.path if options.save else None):
            if path:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(measured.to_json(), "utf-8")
        if options.svg:
            plots.write(options.svg, measured)
    if options.save or options.render:
        page.write(newest())
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m tests.bench", description=(__doc__ or "").partition("\n")[0])
    made.add_argument("group", nargs="*", help="what to measure; see --list")
    made.add_argument("--list", action="store_true", help="name all groups")
    made.add_argument("--quick", action="store_true", help="five rounds, and not the memory of ten million ids")
    made.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    made.add_argument("--svg", type=Path, metavar="FOLDER", help="draw the plots there")
    made.add_argument("--save", action="store_true", help="keep the result in docs/benchmarks, and render the page")
    made.add_argument("--render", action="store_true", help="only render the page and plots from the results kept")
    made.add_argument("--gate", action="store_true", help="measure the gated goals; fail when one is missed by 15 %%")
    return made


def run(options: argparse.Namespace) -> Results:
    peers, method = list(installed()), Method(rounds=5) if options.quick else Method()
    results = Results(about(method, peers))
    # Groups that are named replace those of a result of the same day.
    if options.save and options.group and results.path.is_file():
        kept = Results.from_json(results.path.read_text("utf-8"))
        results.cases, results.values = kept.cases, kept.values
    known = {**groups.OWN, **groups.others()}
    if unknown := set(options.group) - known.keys():
        sys.exit(f"no such group: {', '.join(sorted(unknown))}; see --list")
    for name in options.group or [*groups.OWN, *groups.with_figures()]:
        print(f"\n== {name}: {known[name]}", flush=True)
        groups.run(name, results, peers, method, quick=options.quick)
    for line in report.goal_table(results):
        print(line)
    return results


def hold() -> bool:
    """Measure quickly what the gate asks for, and let it judge; it needs no peers."""
    method = Method(rounds=9)

    def measuring(case: str) -> Mapping[str, Figure]:
        if case == refusals.CASE:
            return refusals.figures_of(method)
        return messages.figures_of(case, (), method)

    return gate(measuring)


if __name__ == "__main__":
    sys.exit(main())
