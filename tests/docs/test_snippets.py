"""Every snippet of README.md and docs/ is executed, page by page and from top to bottom.

A page runs in an empty folder of its own, with the environment's commands on PATH. What a
fence does follows from its language and the options after it:

    ```python                     is executed; all python fences of a page share one namespace;
                                  `await` may stand at the top level
    ```console                    lines with `$ ` are commands, run in one bash per page and not
                                  allowed to fail; `> ` (or a backslash) continues one. Lines
                                  below a command are its output and must match; no lines, no check
    ```console background=NAME    the command is left running until the page ends; the page goes on
                                  once the lines shown below it have appeared
    ```text output                must match what the fence before it printed
    ```text output=NAME           waits until the background command NAME has printed this
    ```LANG file=NAME             is written to a file of the page's folder
    ```json                       must be JSON; text, http, toml and the like are only shown
    ```LANG no-run="why"          is not executed; page and reason must also stand in NOT_RUN below
    ```sh ci=demo (or ci=tests)   a command of README that `.ci/run` executes in a fresh clone

`...` in an output stands for anything in that line, and alone on a line for any lines.
What a page needs but need not show stands in a comment, and is executed in its place:

    <!-- setup: python            (or console, and `check` instead of `setup`)
    assert received == 1
    -->

A command that ought to fail says so: `$ signedmsg verify forged.jwt || echo "status $?"`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.snippets import Fence, Page, commands, fences, matches, with_free_ports

ROOT = Path(__file__).parent.parent.parent
PAGES = [
    "README.md",
    *sorted(
        page.relative_to(ROOT).as_posix()
        for page in ROOT.glob("docs/**/*.md")
        if "_build" not in page.relative_to(ROOT).parts
    ),
]
# Page and reason of each fence that is not executed.
NOT_RUN: list[tuple[str, str]] = []


def read(page: str) -> list[Fence]:
    return list(fences(with_free_ports((ROOT / page).read_text("utf-8"))))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", PAGES)
def test_every_snippet_of_the_page_runs(name: str, tmp_path: Path) -> None:
    snippets = read(name)
    with Page(name, tmp_path) as page:
        for fence in snippets:
            page.run(fence)
    runnable = [
        fence
        for fence in snippets
        if fence.language in ("python", "console") and not fence.options.keys() & {"ci", "file", "no-run", "output"}
    ]
    assert page.executed == len(runnable)


def test_snippets_that_do_not_run_are_the_ones_listed_with_their_reason() -> None:
    found = [(page, fence.options["no-run"]) for page in PAGES for fence in read(page) if "no-run" in fence.options]
    assert sorted(found) == sorted(NOT_RUN)
    assert all(reason for _, reason in NOT_RUN)


def test_commands_left_to_ci_are_the_two_of_the_readme() -> None:
    found = [(page, fence.options["ci"]) for page in PAGES for fence in read(page) if "ci" in fence.options]
    assert sorted(found) == [("README.md", "demo"), ("README.md", "tests")]


def run(markdown: str, folder: Path) -> None:
    with Page("page.md", folder) as page:
        for fence in fences(markdown):
            page.run(fence)


GOOD = """
<!-- setup: python
number = 6
-->
1. A list:

   ```python
   import asyncio
   from dataclasses import dataclass

   @dataclass
   class Answer:
       value: "int"

   await asyncio.sleep(0)
   print(Answer(number * 7))
   ```

```text output
Answer(value=...)
```
```python file=greet.py
import sys
print("hello", sys.argv[1])
sys.stdin.read()
print("bye")
```
````{tip}
```console
$ cd . && export NAME=world
$ python greet.py \\
    $NAME
hello ...
bye
$ cat <<END
> one
> two
> END
one
...
$ false || echo "status $?"
status 1
```
````
```console background=server
$ python -c 'print("listening"); print("got it", input())' < <(cat greet.py; cat)
listening
```
```text output=server
got it import sys
```
```json
{"a": 1}
```
"""


def test_page_of_every_kind_of_snippet_runs(tmp_path: Path) -> None:
    run(GOOD, tmp_path)
    assert (tmp_path / "greet.py").exists()


@pytest.mark.parametrize(
    ("markdown", "error"),
    [
        ("```python\nassert 1 == 2\n```", AssertionError),
        ("````{tip}\n```python\nassert 1 == 2\n```\n````", AssertionError),
        ("<!-- check: python\nassert 1 == 2\n-->", AssertionError),
        ("```python\nasync def f():\n    raise KeyError\nawait f()\n```", KeyError),
        ("```python\nprint(1)\n```\n```text output\n2\n```", AssertionError),
        ("```console\n$ false\n```", AssertionError),
        ("```console\n$ echo 1\n2\n```", AssertionError),
        ("```console\n$ exit 3\n```", AssertionError),
        ("```console background=x\n$ echo 1\n2\n```", AssertionError),
        ("```console\necho 1\n```", ValueError),
        ("```json\n{1}\n```", ValueError),
        ("```bash\ntrue\n```", ValueError),
        ("```\nno language\n```", ValueError),
        ("```python norun\nx\n```", ValueError),
        ("```python\nx", ValueError),
        ("```{code-block} python\nx\n```", ValueError),
        ('```python\nif __name__ == "__main__":\n    raise KeyError\n```', ValueError),
    ],
)
def test_page_with_a_snippet_that_is_wrong_is_refused(markdown: str, error: type[Exception], tmp_path: Path) -> None:
    with pytest.raises(error):
        run(markdown, tmp_path)


@pytest.mark.parametrize(
    ("expected", "actual", "verdict"),
    [
        ("a", "a\n", True),
        ("a", "a\nb", False),
        ("a", "b", False),
        ("a ... c", "a b c", True),
        ("a ... c", "a b\nc", False),
        ("a\n...", "a", True),
        ("a\n...\nd", "a\nb\nc\nd", True),
        ("a\n...\nd", "a\nd", True),
        ("...", "a\nb", True),
        ("...\nb", "b", True),
        ("a\n...", "b\na", False),
        ("a.c", "abc", False),
    ],
)
def test_output_matches_only_what_the_page_shows(expected: str, actual: str, verdict: bool) -> None:
    assert matches(expected, actual) is verdict


def test_commands_keep_their_order_and_their_output() -> None:
    assert list(commands("$ a \\\n  b\n1\n2\n$ c\n> d")) == [("a \\\n  b", "1\n2"), ("c\nd", "")]
