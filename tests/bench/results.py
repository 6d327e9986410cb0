"""The figures of one run, and what they were measured with; written as JSON that can be committed.

Nothing in it names the machine or a folder of it.
"""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.backends.openssl.backend import backend

from tests.bench import payloads
from tests.bench.measure import Figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.measure import Method
    from tests.bench.peers.rules import Peer

FOLDER: Final = Path(__file__).parent.parent.parent / "docs" / "benchmarks"
_MEMBERS: Final = ("best", "second", "median")


@dataclass(slots=True)
class Results:
    """What one run measured.

    Attributes:
        about: the date, the versions, the kind of machine, the method, and the peers.
        cases: nanoseconds a call, by case and name.
        values: everything else, by a name that says its unit.
    """

    about: dict[str, Any]
    cases: dict[str, dict[str, Figure]] = field(default_factory=dict[str, dict[str, Figure]])
    values: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def python(self) -> str:
        """The minor version, such as 3.11."""
        return ".".join(str(self.about["versions"]["Python"]).split(".")[:2])

    @property
    def path(self) -> Path:
        """Where the result is committed."""
        return FOLDER / f"{self.about['date']}-python-{self.python}.json"

    def to_json(self) -> str:
        cases = {case: {name: _written(each) for name, each in figures.items()} for case, figures in self.cases.items()}
        values = {name: float(f"{value:.4g}") for name, value in self.values.items()}
        return json.dumps({**self.about, "cases": cases, "values": values}, ensure_ascii=False, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Results:
        about = json.loads(text)
        cases, values = about.pop("cases"), about.pop("values")
        read = {case: {name: Figure(**each) for name, each in figures.items()} for case, figures in cases.items()}
        return cls(about, read, values)


def _written(figure: Figure) -> dict[str, float]:
    return {**{name: round(getattr(figure, name), 1) for name in _MEMBERS}, "calls": figure.calls}


def newest() -> list[Results]:
    """Return the latest committed result of each version of Python, oldest version first."""
    found = [Results.from_json(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*-python-*.json"))]
    latest = {each.python: each for each in found}
    return [latest[python] for python in sorted(latest, key=lambda name: [int(part) for part in name.split(".")])]


def about(method: Method, peers: Sequence[Peer]) -> dict[str, Any]:
    """Return what a run is measured with."""
    packages = ["cryptography", "pydantic", "pydantic-core", *sorted({each.package for each in peers})]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "versions": {
            "Python": platform.python_version(),
            "OpenSSL": backend.openssl_version_text(),
            "signedmsg": version("signedmsg"),
            **{name: version(name) for name in packages},
        },
        "machine": {"cores": os.cpu_count(), "cpu": _cpu(), "system": f"{platform.system()} {platform.machine()}"},
        "method": {"rounds": method.rounds, "slice_ms": method.slice / 1e6, "clock": "thread CPU time", "take": "best"},
        "lines": f"of {payloads.VARIABLE}" if os.environ.get(payloads.VARIABLE) else "made",
        "peers": {each.name: {"package": each.package, "lacks": each.lacks} for each in peers},
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
