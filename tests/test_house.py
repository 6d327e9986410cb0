"""The house rules that no linter knows: floors, a light import, and pages that name what the code has."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.resources
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import signedmsg
from signedmsg import errors

ROOT = Path(__file__).parent.parent
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
REFERENCE = ROOT / "docs" / "reference"
PACKAGE = Path(str(signedmsg.__file__)).parent
SOURCES = {path: ast.parse(path.read_text("utf-8")) for path in PACKAGE.rglob("*.py")}
TESTS = [ast.parse(path.read_text("utf-8")) for path in ROOT.glob("tests/**/test_*.py")]


def project() -> dict[str, str]:
    return dict(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"])


def strings_in(tree: ast.AST) -> set[str]:
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def codes() -> set[str]:
    """Every error code in the source: of a class, given with `code=`, or public."""
    found: set[str] = set()
    for path, tree in SOURCES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Error"):
                found |= {text for each in node.keywords if each.arg == "code" for text in strings_in(each.value)}
            if path.name == "errors.py" and isinstance(node, ast.FunctionDef) and node.name == "public_code":
                found |= {text for each in ast.walk(node) if isinstance(each, ast.Return) for text in strings_in(each)}
    classes = {each for each in vars(errors).values() if isinstance(each, type) and hasattr(each, "code")}
    # These two are never raised themselves.
    return found | {each.code for each in classes - {errors.SignedMessageError, errors.VerificationError}}


def anchors() -> list[str]:
    """The codes that `errors.md` documents, each under a line `(error-CODE)=`."""
    return re.findall(r"^\(error-([a-z0-9_]+)\)=$", (REFERENCE / "errors.md").read_text("utf-8"), re.MULTILINE)


def documented_names() -> list[str]:
    """The names of the package itself that `api.md` has a directive for, such as `.. autoclass:: signedmsg.Sender`."""
    page = (REFERENCE / "api.md").read_text("utf-8")
    return re.findall(r"^\.\. (?:auto|py:)\w+:: signedmsg\.(\w+)\s*$", page, re.MULTILINE)


def test_modules_import_only_from_the_floors_below() -> None:
    lint = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert lint is not None
    done = subprocess.run([lint, "--no-cache", "--no-logo"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_importing_the_package_loads_no_http_client_no_models_and_no_database() -> None:
    script = "import sys; before = set(sys.modules); import signedmsg; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "signedmsg" in loaded
    assert loaded & {"anyio", "argparse", "httpcore", "httpx", "pydantic.main", "rich", "sqlite3"} == set()


def test_public_names_are_sorted_and_all_there() -> None:
    assert list(signedmsg.__all__) == sorted(set(signedmsg.__all__))
    assert [name for name in signedmsg.__all__ if not hasattr(signedmsg, name)] == []


def test_public_names_are_those_of_the_reference_page() -> None:
    assert sorted(documented_names()) == sorted(signedmsg.__all__)


def test_every_exception_is_a_public_name() -> None:
    tree = {name for name, each in vars(errors).items() if isinstance(each, type) and issubclass(each, Exception)}
    assert {name for name in tree if not name.startswith("_")} <= set(signedmsg.__all__)


def test_every_error_code_has_its_anchor_on_the_reference_page() -> None:
    assert sorted(codes() - set(anchors())) == []


def test_every_anchor_of_the_reference_page_is_a_code_of_the_source() -> None:
    known = set().union(*map(strings_in, SOURCES.values()))
    assert sorted(set(anchors()) - known) == []
    assert len(anchors()) == len(set(anchors()))


def test_every_error_code_is_spelt_out_in_some_test() -> None:
    assert sorted(codes() - set().union(*map(strings_in, TESTS))) == []


@pytest.mark.parametrize("page", ["docs/reference/conformance.md", "docs/explanation/threats.md"])
def test_tests_that_a_page_names_as_proof_exist(page: str) -> None:
    named = set(re.findall(r"\btest_\w+\b(?!\.py)", (ROOT / page).read_text("utf-8")))
    there = {node.name for tree in TESTS for node in ast.walk(tree) if isinstance(node, FUNCTIONS)}
    assert named, f"{page} names no test"
    assert sorted(named - there) == []


def test_version_is_the_one_of_the_project_file_and_heads_the_changelog() -> None:
    version = project()["version"]
    assert importlib.metadata.version("signedmsg") == version
    assert f"\n## {version}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_package_is_marked_as_typed() -> None:
    assert (importlib.resources.files("signedmsg") / "py.typed").is_file()


def test_readme_stays_within_150_lines() -> None:
    assert 0 < len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150


SKIPPING = """
from __future__ import annotations
import pytest

@pytest.mark.real_server
def test_in_its_body():
    pytest.skip("no server")

@pytest.fixture
def server():
    pytest.skip("no server")

@pytest.mark.real_server
def test_by_its_fixture(server):
    pass

@pytest.mark.real_server
@pytest.mark.skipif(True, reason="no server")
def test_by_its_marker():
    pass

@pytest.mark.real_server
@pytest.mark.xfail
def test_that_is_expected_to_fail():
    assert False

def test_that_needs_no_server():
    pytest.skip("not here")
"""


def outcome(folder: Path, ci: str) -> str:
    """Run a suite of skipping tests under this project's own conftest, and return pytest's closing line."""
    (folder / "tests").mkdir()
    shutil.copy(ROOT / "tests" / "conftest.py", folder / "tests")
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / "tests" / "test_skipping.py").write_text(SKIPPING, "utf-8")
    (folder / "tests" / "test_module.py").write_text("import pytest\npytest.importorskip('no_such_module')\n", "utf-8")
    environment = {**os.environ, "CI": ci, "PYTHONPATH": str(PACKAGE.parent)}
    command = [sys.executable, "-m", "pytest", "--continue-on-collection-errors", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return re.sub(r"=+ | in [\d.]+s =+", "", done.stdout.splitlines()[-1])


def test_ci_counts_a_skipped_real_server_test_as_failed(tmp_path: Path) -> None:
    assert outcome(tmp_path, "true") == "1 failed, 1 skipped, 1 xfailed, 3 errors"


def test_skipped_test_stays_skipped_outside_ci(tmp_path: Path) -> None:
    assert outcome(tmp_path, "") == "5 skipped, 1 xfailed"
