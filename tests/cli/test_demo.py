"""The demo: all goes as it must, it would show if something did not, and nothing of it stays behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from signedmsg import SigningKey
from signedmsg.cli.attacks import ACCEPTED, TABLE, Expected
from signedmsg.cli.board import Board
from signedmsg.cli.child import Child, demo_command
from signedmsg.cli.demo import perform, run
from signedmsg.cli.demo_messages import plan
from signedmsg.cli.demo_result import Result, Row, Seen
from signedmsg.cli.demo_world import World, publish_first
from signedmsg.cli.problems import CommandError
from tests.cli.commands import COMMAND, call, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

# A receiver that believes everything: it verifies nothing and remembers nothing.
GULLIBLE = """
import sys, json, base64, pathlib
from signedmsg.cli import demo_receiver
from signedmsg.cli.devserver import DevServer
from signedmsg.cli.serve import stop_on_signals
from signedmsg.cli.watch import log_json

folder, port = pathlib.Path(sys.argv[1]), int(sys.argv[2])

def believe(environ, start_response):
    body = environ["wsgi.input"].read().split(b".")
    try:
        msg = json.loads(base64.urlsafe_b64decode(body[1] + b"=="))["msg"]
    except (IndexError, ValueError):
        msg = {"id": "?", "data": None}
    with (folder / demo_receiver.HANDLED).open("a") as file:
        file.write(json.dumps({"id": msg["id"], "data": msg["data"]}) + chr(10))
    start_response("204 No Content", [])
    return [b""]

with DevServer("127.0.0.1", port) as server:
    stop = stop_on_signals()
    import threading
    threading.Thread(target=demo_receiver._stop_at_end_of_stdin, args=(stop,), daemon=True).start()
    log_json({"event": "ready", "url": server.origin + "/inbox"})
    server.run(believe, "/inbox", lambda *_: None, stop)
"""


def script(source: str) -> list[str]:
    return [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}\n{source}"]


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An environment whose temporary folder must be empty again afterwards."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    yield environment(TMPDIR=str(folder), TEMP=str(folder), TMP=str(folder))
    assert list(folder.iterdir()) == []


def children(parent: int) -> list[int]:
    """The processes of a parent, where /proc tells."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent and fields[0] != "Z":
                found.append(int(stat.parent.name))
    return found


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_demo_ends_well_and_shows_every_attack(scratch: dict[str, str]) -> None:
    done = call("demo", env=scratch)
    out = done.stdout.decode()
    assert (done.returncode, done.stderr) == (0, b"")
    rows = [attack.title for attacks in TABLE.values() for attack in attacks]
    assert [title for title in rows if f"✓ {title} " not in out] == []
    assert "✗" not in out
    assert "202 sent   202 handled   0 lost   0 duplicated   23 attacks   23 refused" in out
    assert "all as it must be" in out


def test_demo_fits_a_terminal_of_100_columns(scratch: dict[str, str]) -> None:
    done = call("demo", "--messages", "7", env={**scratch, "COLUMNS": "100"})
    assert max(map(len, done.stdout.decode().splitlines())) <= 100


def test_demo_as_json_has_every_answer_and_reason(scratch: dict[str, str]) -> None:
    done = call("demo", "--json", "--messages", "21", env=scratch)
    found = json.loads(done.stdout)
    assert (done.returncode, done.stderr, found["ok"]) == (0, b"", True)
    assert {name: found[name] for name in ("sent", "handled", "lost", "duplicated", "foreign", "in_order")} == {
        "sent": 23,
        "handled": 23,
        "lost": 0,
        "duplicated": 0,
        "foreign": 0,
        "in_order": True,
    }
    assert len(found["rows"]) == sum(map(len, TABLE.values()))
    refused = [row for row in found["rows"] if row["expected"]["status"] >= 300]
    assert [row for row in refused if not (row["passed"] and row["seen"]["code"] and row["seen"]["reason"])] == []
    codes = {row["seen"]["code"] for row in refused}
    assert codes >= {"invalid_signature", "unknown_issuer", "expired", "not_yet_valid", "audience", "replayed"}


@pytest.mark.parametrize("as_json", [True, False])
def test_demo_of_a_receiver_that_believes_everything_exits_with_1(
    as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(Namespace(messages=7, json=as_json), script(GULLIBLE)) == 1
    assert ('"ok":false' if as_json else "NOT as it must be") in capsys.readouterr().out


def test_demo_shows_a_receiver_that_believes_everything() -> None:
    result = perform(script(GULLIBLE), 14)
    assert not result.ok
    assert {row.title for row in result.rows if not row.passed} == {row.title for row in result.rows if row.is_attack}
    assert (result.refused, result.lost) == (0, 0)
    assert result.duplicated > 0
    assert result.foreign > 0


def test_board_marks_what_did_not_go_as_it_must(capsys: pytest.CaptureFixture[str]) -> None:
    board, result = Board(), Result()
    result.rows = [
        Row("a", "first", Expected(401, "expired", "expired"), Seen(401, "expired", "expired", "exp: it ended")),
        Row("a", "second", Expected(409, "replayed", "replayed"), Seen(204)),
    ]
    for row in result.rows:
        board.row(row)
    board.end(result)
    out = capsys.readouterr().out
    assert "✓ first" in out
    assert "✗ second" in out
    assert "expected 409 replayed" in out
    assert "NOT as it must be" in out


REFUSED = Expected(401, "verification_failed", "unknown_key")


@pytest.mark.parametrize(
    ("expected", "seen", "passed"),
    [
        (REFUSED, Seen(401, "verification_failed", "unknown_key", "whatever"), True),
        (REFUSED, Seen(403, "verification_failed", "unknown_key"), False),
        (REFUSED, Seen(401, "unknown_key", "unknown_key"), False),
        (REFUSED, Seen(401, "verification_failed", "invalid_signature"), False),
        (REFUSED, Seen(204), False),
        (ACCEPTED, Seen(204), True),
        (ACCEPTED, Seen(200), False),
        (ACCEPTED, Seen(401, "verification_failed", "unknown_key"), False),
    ],
)
def test_row_passes_only_with_status_public_code_and_reason(expected: Expected, seen: Seen, passed: bool) -> None:
    assert Row("", "", expected, seen).passed is passed


@pytest.mark.parametrize(
    ("handled", "found"),
    [
        ([("1", "a"), ("2", "b")], {}),
        ([("1", "a")], {"lost": 1}),
        ([("1", "a"), ("2", "b"), ("2", "b")], {"duplicated": 1}),
        ([("1", "a"), ("2", "B")], {"foreign": 1}),
        ([("1", "a"), ("2", "b"), ("3", "c")], {"foreign": 1}),
        ([("2", "b"), ("1", "a")], {"in_order": False}),
    ],
)
def test_result_is_good_only_if_exactly_what_was_sent_was_handled(
    handled: list[tuple[str, object]], found: dict[str, Any]
) -> None:
    result = Result(sent={"1": "a", "2": "b"}, handled=handled)
    assert {name: getattr(result, name) for name in found} == found
    assert result.ok is not bool(found)


def test_messages_of_the_demo_are_various_and_always_the_same() -> None:
    messages = list(plan(200))
    assert messages == list(plan(200))
    assert len({message.type for message in messages}) == 5
    assert len({message.issuer for message in messages}) == 2
    assert len({json.dumps(message.data) for message in messages}) > 150


def test_receiver_that_ends_is_an_error_with_its_last_words() -> None:
    with pytest.raises(CommandError, match="ended: boom") as caught:
        perform(script("sys.exit('boom')"), 1)
    assert caught.value.exit_code == 3


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the receiver's process in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_receiver_ends_with_the_demo_however_that_ends(tmp_path: Path, number: int) -> None:
    env = environment(TMPDIR=str(tmp_path))
    with subprocess.Popen([*COMMAND, "demo", "--messages", "100000"], env=env, stdout=subprocess.PIPE) as demo:
        assert demo.stdout is not None
        while b"receiver " not in demo.stdout.readline():
            pass
        (receiver,) = children(demo.pid)
        demo.send_signal(number)
        code = demo.wait(20)
        deadline = time.monotonic() + 20
        while alive(receiver) and time.monotonic() < deadline:
            os.sched_yield()
    assert not alive(receiver)
    # Where the signal meets an `exec`, Python ends itself by SIGINT; to a shell that is 130 too.
    assert code in ((-9,) if number == signal.SIGKILL else (130, -2))
    assert (list(tmp_path.iterdir()) == []) is (number != signal.SIGKILL)


def test_folder_of_the_demo_is_removed_when_the_receiver_fails(scratch: dict[str, str]) -> None:
    source = f"from signedmsg.cli.demo import perform; perform({script('sys.exit(1)')!r}, 1)"
    done = subprocess.run([sys.executable, "-c", source], env=scratch, capture_output=True, check=False)
    assert b"CommandError: the receiver process ended" in done.stderr


def test_crash_in_the_table_is_a_new_process_at_the_same_url(tmp_path: Path) -> None:
    billing, store, newer = (SigningKey.generate() for _ in range(3))
    publish_first(tmp_path, billing.public, store.public)
    (crash,) = (one for one in TABLE["seen before"] if "crash" in one.title)
    with Child(demo_command(), tmp_path) as receiver:
        world = World(receiver, tmp_path, billing, store, newer, genuine="token")
        before = (receiver.pid, receiver.url)
        assert crash.make(world) == "token"
        assert receiver.pid != before[0]
        assert receiver.url == before[1]


def test_demo_command_runs_the_code_under_test() -> None:
    import signedmsg

    assert str(Path(str(signedmsg.__file__)).parent.parent) in demo_command()[-1]
