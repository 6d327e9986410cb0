"""Finding the command, exit codes, help, and a light start."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from signedmsg.cli import COMMANDS, main
from tests.cli.commands import COMMAND, call, environment

if TYPE_CHECKING:
    from tests.cli.commands import CLI


def test_help_names_every_command(cli: CLI) -> None:
    said = cli("--help")
    assert said.code == 0
    assert [name for name in COMMANDS if f"\n    {name} " not in said.out] == []


def test_no_words_at_all_show_the_help(cli: CLI) -> None:
    said = cli()
    assert (said.code, said.err) == (0, "")
    assert "signedmsg demo" in said.out


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_ends_with_examples_of_it(cli: CLI, name: str) -> None:
    said = cli(name, "--help")
    assert said.code == 0
    assert f"\n  signedmsg {name}" in said.out.partition("examples:")[2]


def test_version_is_that_of_the_package(cli: CLI) -> None:
    said = cli("--version")
    assert (said.code, said.out) == (0, f"signedmsg {importlib.metadata.version('signedmsg')}\n")


@pytest.mark.parametrize(
    "words", [["nonsense"], ["verify"], ["sign", "--lifetime", "long"], ["keygen", "--alg", "none"]]
)
def test_wrong_usage_is_one_line_a_hint_and_exit_code_2(cli: CLI, words: list[str]) -> None:
    said = cli(*words)
    assert (said.code, said.out) == (2, "")
    first, second = said.err.splitlines()
    assert first.startswith("signedmsg: ")
    assert "--help" in second


def test_script_is_the_function_tested_here() -> None:
    project = tomllib.loads((Path(__file__).parent.parent.parent / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["scripts"] == {"signedmsg": f"{main.__module__}:{main.__name__}"}


def test_module_runs_like_the_script() -> None:
    done = call("--help")
    assert done.returncode == 0
    assert done.stdout.startswith(b"usage: signedmsg ")


def test_reader_that_has_seen_enough_is_no_error() -> None:
    with subprocess.Popen(
        [*COMMAND, "jwks", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.write(b'{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}')
        process.stdin.close()
        assert process.stderr.read() == b""


def test_help_loads_no_http_client_no_models_and_no_database() -> None:
    script = "import sys\nfrom signedmsg.cli import main\nmain(['--help'])\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment(), check=True)
    heavy = {"anyio", "httpx", "pydantic.main", "rich", "sqlite3", "http.server", "signedmsg.cli.demo"}
    assert heavy & set(done.stderr.split()) == set()
