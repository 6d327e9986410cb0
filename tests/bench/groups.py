"""Everything that can be measured, by name: the groups of this command, and the other modules beside it.

Such a module runs as a program of its own. One that has `figures()` returns values for the goals
(see `goals.py` for their names); the others only print.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.bench import imports, memory, messages, refusals, report, threads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.bench.measure import Figure, Method
    from tests.bench.peers.rules import Peer
    from tests.bench.results import Results

HERE: Final = Path(__file__).parent
OWN: Final = {
    "verify": "Verifying, ours and every peer's, at each payload.",
    "sign": "Signing, ours and every peer's, at each payload.",
    "refuse": "What a token costs that is refused before its signature is looked at.",
    "memory": "The memory replay cache at a million live ids, and the bytes an id at ten million.",
    "import": "What `import signedmsg` costs beside what it needs, and beside `import jwt`.",
    "threads": "How much more two threads verify than one.",
}
_ASKED: Final = "import json, sys, {0}; print('figures ' + json.dumps({0}.figures()))"


def others() -> dict[str, str]:
    """Return the modules here that run by themselves, with the first line of what they say."""
    found = {}
    for path in sorted(HERE.glob("*.py")):
        text = path.read_text("utf-8")
        if '\nif __name__ == "__main__":' in text and path.stem not in {"__main__", *OWN}:
            found[path.stem] = (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
    return found


def with_figures() -> list[str]:
    """Return the other modules that measure goals."""
    return [name for name in others() if "\ndef figures(" in (HERE / f"{name}.py").read_text("utf-8")]


def run(name: str, results: Results, peers: Sequence[Peer], method: Method, *, quick: bool) -> None:
    """Measure one group, print its figures and add them to the results."""
    if name in messages.WORK:
        for case in messages.cases(name):
            _add(results, case, messages.figures_of(case, peers, method))
    elif name == "refuse":
        _add(results, refusals.CASE, refusals.figures_of(method))
    elif name == "import":
        _add(results, imports.CASE, imports.figures_of(method))
    elif name == "memory":
        _tell(results, memory.values(method, room=not quick, rounds=1 if quick else 3))
    elif name == "threads":
        _tell(results, threads.values(method))
    else:
        _tell(results, run_other(name))


def _add(results: Results, case: str, figures: dict[str, Figure]) -> None:
    results.cases[case] = figures
    for line in report.table(case, figures):
        print(line, flush=True)


def _tell(results: Results, values: Mapping[str, float]) -> None:
    results.values.update(values)
    for name, value in values.items():
        print(f"  {name:<42}{value:14,.2f}", flush=True)


def run_other(name: str) -> dict[str, float]:
    """Run another module as a program, let it print, and return its figures when it has any."""
    module = f"tests.bench.{name}"
    if name not in with_figures():
        subprocess.run([sys.executable, "-m", module], check=False)
        return {}
    command = [sys.executable, "-c", _ASKED.format(module)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        print(f"{name} failed, and its goals were not measured")
        return {}
    *said, last = done.stdout.splitlines()
    print("\n".join(said))
    values: dict[str, float] = json.loads(last.removeprefix("figures "))
    return values
