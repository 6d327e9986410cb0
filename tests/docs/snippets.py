"""Reads the fences of a Markdown page and runs them as a reader would, from top to bottom."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import types
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

BIN = Path(sys.executable).parent
SHOWN = {"http", "ini", "json", "jsonl", "sql", "text", "toml", "yaml"}
OPTIONS = {"background", "ci", "file", "no-run", "output"}

_OPEN = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,})(?P<info>[^`]*)$")
_ELLIPSIS = re.compile(r"\.\.\.|…")
_PORT = re.compile(r"\b87[67][0-9]\b")
_HIDDEN = re.compile(r"^<!-- (?:setup|check): (?P<language>\w+)$")


@dataclass(frozen=True, slots=True)
class Fence:
    """One piece of code: its language, its options, its text and the line its text starts on."""

    language: str
    options: dict[str, str]
    text: str
    line: int


def fences(markdown: str) -> Iterator[Fence]:
    """Yield the fences of a page, those inside directives and the hidden ones included."""
    yield from _fences(markdown.splitlines(), 1)


def with_free_ports(markdown: str) -> str:
    """Put a port that is free now in the place of each that a page names (8760–8779): a machine runs many tests."""
    with contextlib.ExitStack() as held:
        free: dict[str, str] = {}
        for port in sorted({*_PORT.findall(markdown)}):
            listener = held.enter_context(socket.create_server(("127.0.0.1", 0)))
            free[port] = str(listener.getsockname()[1])
    return _PORT.sub(lambda found: free[found[0]], markdown)


def _fences(lines: list[str], first: int) -> Iterator[Fence]:
    at = 0
    while at < len(lines):
        line, start = lines[at], at + 1
        if hidden := _HIDDEN.match(line):
            at = _end(lines, start, re.compile("^-->$"))
            yield Fence(hidden["language"], {}, "\n".join(lines[start:at]), first + start)
        elif opened := _OPEN.match(line):
            at = _end(lines, start, re.compile(f"^ *{opened['ticks']}`* *$"))
            indent = len(opened["indent"])
            body = [each[indent:] if not each[:indent].strip() else each for each in lines[start:at]]
            yield from _opened(opened["info"].strip(), body, first + start)
        at += 1


def _end(lines: list[str], start: int, closing: re.Pattern[str]) -> int:
    for at in range(start, len(lines)):
        if closing.match(lines[at]):
            return at
    raise ValueError(f"nothing closes what opens before: {lines[start : start + 1]}")


def _opened(info: str, body: list[str], line: int) -> Iterator[Fence]:
    if re.match(r"\{(code|code-block|sourcecode)\}", info):
        raise ValueError(f"line {line}: use a plain fence instead of {info}, so that it is executed")
    if info.startswith("{"):
        yield from _fences(body, line)
        return
    language, *words = shlex.split(info) or [""]
    options = {name: value for name, _, value in (word.partition("=") for word in words)}
    if unknown := options.keys() - OPTIONS:
        raise ValueError(f"line {line}: unknown options {sorted(unknown)}")
    yield Fence(language, options, "\n".join(body), line)


def matches(expected: str, actual: str) -> bool:
    """Compare output; `...` stands for anything in a line and, alone, for any number of lines."""
    pattern = "".join(
        r"(?:.*\n)*" if line.strip() in ("...", "…") else ".*".join(map(re.escape, _ELLIPSIS.split(line))) + r"\n"
        for line in _lines(expected)
    )
    return re.fullmatch(pattern, "".join(line + "\n" for line in _lines(actual))) is not None


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip("\n").split("\n")]


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a console fence, and the output shown under it."""
    command: list[str] = []
    output: list[str] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            if command:
                yield "\n".join(command), "\n".join(output)
            command, output = [line[2:]], []
        elif not command:
            raise ValueError(f"a console fence starts with a command, not with {line!r}")
        elif not output and line.startswith("> "):
            command.append(line[2:])
        elif not output and command[-1].endswith("\\"):
            command.append(line)
        else:
            output.append(line)
    yield "\n".join(command), "\n".join(output)


class Shell:
    """One bash for a page, as a reader has one terminal; its children die with it."""

    def __init__(self, folder: Path, command: list[str] | None = None) -> None:
        environment = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONUNBUFFERED": "1", "COLUMNS": "100"}
        self._process = subprocess.Popen(
            command or ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
            encoding="utf-8",
        )

    def run(self, command: str) -> str:
        """Return what the command prints; one that fails is an `AssertionError`."""
        mark = "=end-of-command="
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{{ {command}\n}} </dev/null\nprintf '\\n{mark}%s\\n' $?\n")
        stdin.flush()
        seen: list[str] = []
        for line in stdout:
            if line.startswith(mark):
                output = "".join(seen).removesuffix("\n")
                assert line == f"{mark}0\n", f"{command}\nended with status {line.removeprefix(mark)}{output}"
                return output
            seen.append(line)
        raise AssertionError(f"{command}\nended the shell: {''.join(seen)}")

    def wait_for(self, expected: str) -> None:
        """Read on until the expected lines have appeared."""
        stdout = self._process.stdout
        assert stdout is not None
        seen = ""
        while not matches(f"...\n{expected}", seen):
            line = stdout.readline()
            assert line, f"ended without showing\n{expected}\nbut with\n{seen}"
            seen += line

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        self._process.communicate()


class Page:
    """Where one page's fences run: a folder, a namespace, an event loop, a shell."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.executed = 0
        self._folder = folder
        # A real module, because dataclasses and pydantic look names up in the module of a class.
        self._module = types.ModuleType(re.sub(r"\W", "_", name))
        self._output = ""
        self._open = contextlib.ExitStack()
        self._background: dict[str, Shell] = {}

    def __enter__(self) -> Self:
        sys.modules[self._module.__name__] = self._module
        self._open.callback(sys.modules.pop, self._module.__name__)
        self._open.enter_context(contextlib.chdir(self._folder))
        # As at an interpreter's prompt: what the page wrote to a file can be imported.
        sys.path.insert(0, str(self._folder))
        self._open.callback(self._forget_modules, set(sys.modules))
        self._loop = self._open.enter_context(asyncio.Runner())
        self._shell = self._shell_for(None)
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()

    def _forget_modules(self, before: set[str]) -> None:
        sys.path.remove(str(self._folder))
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(self._folder)):
                del sys.modules[name]

    def _shell_for(self, command: list[str] | None) -> Shell:
        shell = Shell(self._folder, command)
        self._open.callback(shell.close)
        return shell

    def run(self, fence: Fence) -> None:
        """Do with a fence what its language and options ask for."""
        if "no-run" in fence.options or "ci" in fence.options:
            return
        if "file" in fence.options:
            Path(fence.options["file"]).write_text(fence.text + "\n", "utf-8")
        elif "output" in fence.options:
            self._compare(fence)
        elif fence.language == "python":
            self._python(fence)
            self.executed += 1
        elif fence.language == "console":
            self._console(fence)
            self.executed += 1
        elif fence.language == "json":
            json.loads(fence.text)
        elif fence.language not in SHOWN:
            raise ValueError(f"{fence.language!r} is neither run nor only shown: use python, console or {SHOWN}")

    def _python(self, fence: Fence) -> None:
        if "__main__" in fence.text:
            raise ValueError('a block under `if __name__ == "__main__"` would not run: write it with file=')
        source = "\n" * (fence.line - 1) + fence.text  # so that a traceback points into the page
        code = compile(source, self.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            result = eval(code, self._module.__dict__)
            if inspect.iscoroutine(result):
                self._loop.run(result)
        self._output = printed.getvalue()

    def _console(self, fence: Fence) -> None:
        for command, expected in commands(fence.text):
            if name := fence.options.get("background"):
                self._background[name] = shell = self._shell_for(["bash", "-c", f"exec {command}"])
                shell.wait_for(expected)
            else:
                self._output = self._shell.run(command)
                assert not expected or matches(expected, self._output), f"{command}\nprinted\n{self._output}"

    def _compare(self, fence: Fence) -> None:
        if name := fence.options["output"]:
            self._background[name].wait_for(fence.text)
        else:
            assert matches(fence.text, self._output), f"line {fence.line}: printed was\n{self._output}"
