"""The comparison of directory clients runs, and signedmsg keeps every figure in it."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from tests.interop.test_libraries import install
from tests.peers.directory_faults import CASES, as_markdown, attempt, clients, main, measure
from tests.peers.subjects import PyJWT, Signedmsg

QUICK = [case for case in CASES if not case.slow]
SLOW = [case for case in CASES if case.slow]


@pytest.mark.parametrize("case", QUICK, ids=lambda case: case.name)
def test_signedmsg_keeps_the_figure(case: object) -> None:
    result = attempt(case, Signedmsg)  # type: ignore[arg-type]
    assert result.good, result.text


@pytest.mark.soak
@pytest.mark.parametrize("case", SLOW, ids=lambda case: case.name)
def test_signedmsg_keeps_the_figure_of_a_case_that_takes_long(case: object) -> None:
    result = attempt(case, Signedmsg)  # type: ignore[arg-type]
    assert result.good, result.text


@pytest.mark.parametrize("name", ["random-failing", "down-hour", "rollback"])
def test_figure_can_be_missed(name: str) -> None:
    case = next(case for case in CASES if case.name == name)
    assert not attempt(case, PyJWT).good


def test_table_is_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", "--only", "etag", "--node-modules", ""]) == 0
    table = json.loads(capsys.readouterr().out)
    assert list(table["versions"]) == ["signedmsg", "PyJWT"]
    assert table["cases"][0]["clients"]["signedmsg"]["good"] is True


def test_table_is_printed_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "redirect", "--node-modules", ""]) == 0
    assert "| redirect | unavailable, not followed | unavailable, not followed ✓ |" in capsys.readouterr().out


@pytest.fixture
def modules(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where `jose` is: the folder the environment names, else the one that pytest's cache keeps."""
    node, npm, given = shutil.which("node"), shutil.which("npm"), os.environ.get("SIGNEDMSG_TEST_NODE_MODULES")
    if node is None or (npm is None and given is None):
        pytest.skip("node and npm are not installed")
    return given or str(install(str(npm), request, tmp_path_factory))


@pytest.mark.real_server
def test_jose_takes_part_where_node_has_it(modules: str) -> None:
    cases = [case for case in CASES if case.name in {"cold-50", "duplicate", "tls-host"}]
    table = measure(cases, clients(modules), lambda name: None)
    assert [row["clients"]["jose"]["good"] for row in table["cases"]] == [True, True, True]
    assert "jose" in as_markdown(table)
