"""One SQLite file and several processes: one winner for each id, and nothing carried over a fork."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from signedmsg.stores.sqlite import SQLiteReplayCache
from tests.stores.helpers import ISSUER, run_python, start_python

if TYPE_CHECKING:
    from pathlib import Path

PROCESSES, IDS = 8, 200

PRESENT_ALL = f"""
import hashlib, json, sys
from signedmsg.stores.sqlite import SQLiteReplayCache
with SQLiteReplayCache(sys.argv[1], timeout=20.0) as cache:
    print("ready", flush=True)
    sys.stdin.readline()
    won = []
    for number in range({IDS}):
        key = hashlib.sha256(b"%d" % number).digest()[:16]
        if cache.add(key, 300.0, issuer={ISSUER!r}, issued_at=2e10):
            won.append(number)
    print(json.dumps(won))
"""


def test_one_of_eight_processes_wins_each_id(tmp_path: Path) -> None:
    processes = [start_python(PRESENT_ALL, str(tmp_path / "replay.db")) for _ in range(PROCESSES)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    won = [number for process in processes for number in json.loads(process.communicate(timeout=50)[0])]
    assert sorted(won) == list(range(IDS))


MAKE = f"""
import sys
from signedmsg.stores.sqlite import SQLiteReplayCache
print("ready", flush=True)
sys.stdin.readline()
with SQLiteReplayCache(sys.argv[1], timeout=20.0) as cache:
    print(cache.add(b"0123456789abcdef", 300.0, issuer={ISSUER!r}, issued_at=2e10))
"""


def test_processes_that_start_at_once_make_one_file(tmp_path: Path) -> None:
    processes = [start_python(MAKE, str(tmp_path / "replay.db")) for _ in range(PROCESSES)]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = sorted(process.communicate(timeout=50)[0] for process in processes)
    assert answers == ["False\n"] * (PROCESSES - 1) + ["True\n"]


FORK = """
import os, sys, threading
from signedmsg.stores.sqlite import SQLiteReplayCache
cache = SQLiteReplayCache(sys.argv[1])
def add(name):
    return cache.add(name, 300.0, issuer="https://billing.example", issued_at=2e10)
"""

FORK_BOTH_WAYS = (
    FORK
    + """
add(b"from the parent!")
if os.fork() == 0:
    print(add(b"from the parent!"), add(b"from the child !"), flush=True)
    os._exit(0)
os.wait()
print(add(b"from the child !"), add(b"from the parent!"), add(b"new one"), flush=True)
"""
)

FORK_WHILE_A_THREAD_ADDS = (
    FORK
    + """
cache._file.lock.acquire()
if os.fork() == 0:
    print(add(b"from the child !"), flush=True)
    os._exit(0)
os.wait()
cache._file.lock.release()
print(add(b"from the child !"), flush=True)
"""
)

FORK_AND_END_BY_ITSELF = (
    FORK
    + """
add(b"from the parent!")
if os.fork() == 0:
    add(b"from the child !")
    sys.exit(0)
os.wait()
print(add(b"from the child !"), add(b"from the parent!"), add(b"new one"), flush=True)
"""
)

FORK_AND_LOSE = """
import os, shutil, sys, time
from signedmsg.errors import StoreError
from signedmsg.stores.sqlite import SQLiteReplayCache
path, how = sys.argv[1:]
SQLiteReplayCache(path).close()
shutil.copy(path, path + ".copy")
cache = SQLiteReplayCache(path)
signed = time.time()
if os.fork() == 0:
    os.unlink(path) if how == "deleted" else os.replace(path + ".copy", path)
    try:
        cache.add(b"0123456789abcdef", 300.0, issuer="https://billing.example", issued_at=signed)
    except StoreError:
        print("noticed", flush=True)
    os._exit(0)
os.wait()
"""

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")


@forks
def test_forked_child_and_parent_see_each_others_ids(tmp_path: Path) -> None:
    lines = run_python(FORK_BOTH_WAYS, str(tmp_path / "replay.db"))
    assert lines == ["False True", "False False True"]


@forks
def test_child_forked_while_a_thread_adds_does_not_wait_for_it(tmp_path: Path) -> None:
    assert run_python(FORK_WHILE_A_THREAD_ADDS, str(tmp_path / "replay.db")) == ["True", "False"]


@forks
def test_child_that_ends_takes_nothing_from_the_parent(tmp_path: Path) -> None:
    assert run_python(FORK_AND_END_BY_ITSELF, str(tmp_path / "replay.db")) == ["False False True"]


@forks
@pytest.mark.parametrize("how", ["deleted", "replaced by a copy"])
def test_child_notices_a_file_that_was_lost_since_the_fork(tmp_path: Path, how: str) -> None:
    assert run_python(FORK_AND_LOSE, str(tmp_path / "replay.db"), how) == ["noticed"]


def test_replay_is_refused_after_a_process_that_was_killed(tmp_path: Path) -> None:
    script = FORK + 'print(add(b"from the killed "), flush=True)\nsys.stdin.readline()\n'
    process = start_python(script, str(tmp_path / "replay.db"))
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    process.kill()
    process.communicate(timeout=50)
    with SQLiteReplayCache(tmp_path / "replay.db") as cache:
        assert cache.add(b"from the killed ", 300.0, issuer=ISSUER, issued_at=2e10) is False
