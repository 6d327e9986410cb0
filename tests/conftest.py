"""What holds for every test: which package is under test, and what a skip means in CI.

Helpers shared by tests are imported as `tests.<folder>.<module>`.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT = Path(__file__).parent.parent

# Last, so that the clone provides `tests` but never hides an installed `signedmsg`.
sys.path.append(str(ROOT))

# A shared machine may stall for longer than hypothesis' 200 ms; in CI its own profile stays in force beneath.
hypothesis.settings.register_profile("signedmsg", deadline=None)
hypothesis.settings.load_profile("signedmsg")


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


def pytest_sessionstart() -> None:
    """Refuse to test the clone where the installed wheel is what must be tested."""
    spec = importlib.util.find_spec("signedmsg")
    found = Path(str(spec and spec.origin)).resolve()
    installed = Path(sysconfig.get_path("purelib")).resolve()
    if os.environ.get("SIGNEDMSG_TEST_INSTALLED") == "1" and not found.is_relative_to(installed):
        raise pytest.UsageError(f"the installed signedmsg was to be tested, not {found}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and item.get_closest_marker("real_server") and in_ci():
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow for a real_server test: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped and in_ci():
        report.outcome = "failed"
        report.longrepr = f"a whole module was skipped, which CI does not allow: {report.longrepr}"
    return report
