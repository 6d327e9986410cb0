"""One SQLite inbox and several processes: one winner for each message, and nothing carried over a fork."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from signedmsg._core.inbox import Claim, Done, InProgress
from signedmsg.errors import StoreError
from signedmsg.stores.sqlite_inbox import SQLiteInbox
from tests.stores.helpers import run_python, start_python
from tests.stores.inbox_words import handle, make_words, message, words

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

PROCESSES = 8


@pytest.fixture
def path(tmp_path: Path) -> Path:
    make_words(tmp_path / "app.db")
    return tmp_path / "app.db"


START = """
import json, sys
from pathlib import Path
from signedmsg._core.inbox import Claim
from signedmsg.stores.sqlite_inbox import SQLiteInbox
from tests.stores.inbox_words import handle, message
inbox = SQLiteInbox(Path(sys.argv[1]), timeout=40.0)
print("ready", flush=True)
sys.stdin.readline()
rounds = range(int(sys.argv[2]))
"""

CLAIM_ALL = START + "won = [number for number in rounds if isinstance(inbox.begin(message(number), 600.0), Claim)]\n"
HANDLE_ALL = START + "won = [number for number in rounds if handle(inbox, message(number)) is None]\n"
ENQUEUE_ALL = START + 'won = [number for number in rounds if inbox.enqueue(message(number), b"body") is None]\n'
TAKE_ALL = START + "won = [int(job.claim.message_id[4:]) for job in iter(lambda: inbox.take(600.0), None)]\n"
TELL = "print(json.dumps(won))\n"


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def compete(script: str, path: Path, rounds: int) -> list[int]:
    """Run the script in eight processes that start together, and return what any of them won, sorted."""
    processes = [start_python(script + TELL, str(path), str(rounds)) for _ in range(PROCESSES)]
    assert [line(process) for process in processes] == ["ready"] * PROCESSES
    for process in processes:
        go(process)
    return sorted(number for process in processes for number in json.loads(process.communicate(timeout=600)[0]))


@pytest.mark.parametrize("script", [CLAIM_ALL, HANDLE_ALL, ENQUEUE_ALL], ids=["claim", "transaction", "enqueue"])
def test_one_of_eight_processes_wins_each_message(path: Path, script: str) -> None:
    assert compete(script, path, 50) == list(range(50))


def test_one_of_eight_workers_takes_each_message(path: Path) -> None:
    with SQLiteInbox(path) as inbox:
        for number in range(100):
            inbox.enqueue(message(number), b"body")
    assert compete(TAKE_ALL, path, 0) == list(range(100))


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("script", [CLAIM_ALL, HANDLE_ALL, ENQUEUE_ALL], ids=["claim", "transaction", "enqueue"])
def test_one_of_eight_processes_wins_each_of_a_thousand_messages(path: Path, script: str) -> None:
    assert compete(script, path, 1000) == list(range(1000))
    assert sorted(words(path)) == (sorted(f"msg_{number}" for number in range(1000)) if script == HANDLE_ALL else [])


MAKE = """
import sys
from pathlib import Path
print("ready", flush=True)
sys.stdin.readline()
from signedmsg._core.inbox import Claim
from signedmsg.stores.sqlite_inbox import SQLiteInbox
from tests.stores.inbox_words import message
with SQLiteInbox(Path(sys.argv[1]), timeout=20.0) as inbox:
    print(isinstance(inbox.begin(message(1), 600.0), Claim))
"""


def test_processes_that_start_at_once_make_the_tables_once(tmp_path: Path) -> None:
    processes = [start_python(MAKE, str(tmp_path / "new.db")) for _ in range(PROCESSES)]
    for process in processes:
        line(process)
    for process in processes:
        go(process)
    answers = sorted(process.communicate(timeout=50)[0] for process in processes)
    assert answers == ["False\n"] * (PROCESSES - 1) + ["True\n"]


HOLD = """
import sys
from pathlib import Path
from signedmsg.stores.sqlite_inbox import SQLiteInbox
from tests.stores.inbox_words import message
inbox = SQLiteInbox(Path(sys.argv[1]))
with inbox.transaction() as transaction:
    transaction.begin(message(1))
    transaction.connection.execute("INSERT INTO words VALUES ('by the other process')")
    print("begun", flush=True)
    sys.stdin.readline()
    transaction.finish(204)
"""


def test_copy_in_another_process_is_told_in_progress_at_once(path: Path) -> None:
    process = start_python(HOLD, str(path))
    assert line(process) == "begun"
    # If it waited for the other process, the time-out would be over: nobody lets that one go on.
    with SQLiteInbox(path, timeout=0.0) as inbox:
        answers = [type(handle(inbox, message(1))) for _ in range(100)]
        with pytest.raises(StoreError, match="busy"):
            handle(inbox, message(2))
        go(process)
        process.communicate(timeout=50)
        assert (answers, handle(inbox, message(1))) == ([InProgress] * 100, Done(204))
    assert words(path) == ["by the other process"]


def test_message_of_a_process_that_was_killed_runs_at_once(path: Path) -> None:
    process = start_python(HOLD, str(path))
    assert line(process) == "begun"
    process.kill()
    process.communicate(timeout=50)
    with SQLiteInbox(path, timeout=0.0) as inbox:
        assert handle(inbox, message(1)) is None
    assert words(path) == ["msg_1"]


FORK = """
import os, sys
from pathlib import Path
from signedmsg._core.inbox import Claim
from signedmsg.stores.sqlite_inbox import SQLiteInbox
from tests.stores.inbox_words import handle, message
inbox = SQLiteInbox(Path(sys.argv[1]))
def new(number):
    return isinstance(inbox.begin(message(number), 600.0), Claim)
"""

FORK_BOTH_WAYS = (
    FORK
    + """
new(1)
if os.fork() == 0:
    print(new(1), new(2), flush=True)
    os._exit(0)
os.wait()
print(new(1), new(2), new(3), flush=True)
"""
)

FORK_WHILE_A_THREAD_WRITES = (
    FORK
    + """
new(1)
inbox._file._writer.lock.acquire()
inbox._file._reader.lock.acquire()
if os.fork() == 0:
    print(new(2), flush=True)
    os._exit(0)
os.wait()
inbox._file._writer.lock.release()
inbox._file._reader.lock.release()
print(new(2), flush=True)
"""
)

FORK_IN_A_TRANSACTION = (
    FORK
    + """
with inbox.transaction() as transaction:
    transaction.begin(message(1))
    if os.fork() == 0:
        print(type(handle(inbox, message(1))).__name__, flush=True)
        os._exit(0)
    os.wait()
    transaction.connection.execute("INSERT INTO words VALUES ('parent')")
    transaction.finish(204)
if os.fork() == 0:
    print(handle(inbox, message(1)), flush=True)
    os._exit(0)
os.wait()
"""
)

FORK_WITH_A_LOCK = """
import os, sys
from signedmsg.stores._sqlite_inbox_locks import locks_of
path, key = sys.argv[1], b"0123456789abcdef"
given_back, give_back = os.pipe()
locks_of(path).acquire(key)
asked, ask = os.pipe()
if os.fork() == 0:
    print(locks_of(path).acquire(key), flush=True)
    os.write(ask, b"!")
    os.read(given_back, 1)
    print(locks_of(path).acquire(key), flush=True)
    os._exit(0)
os.read(asked, 1)
locks_of(path).release(key)
os.write(give_back, b"!")
os.wait()
"""

FORK_IN_A_TRANSACTION_AND_WRITE = (
    FORK
    + """
from signedmsg.errors import StoreError
with inbox.transaction() as transaction:
    transaction.begin(message(1))
    forked = os.fork()
    if not forked:
        inbox._file.timeout = 0.0
        try:
            handle(inbox, message(2))
        except StoreError:
            print("refused", flush=True)
        os._exit(0)
    os.wait()
    transaction.connection.execute("INSERT INTO words VALUES ('parent')")
    transaction.finish(204)
print(handle(inbox, message(2)), flush=True)
"""
)

FORK_AND_END_BY_ITSELF = (
    FORK
    + """
new(1)
if os.fork() == 0:
    new(2)
    sys.exit(0)
os.wait()
print(new(1), new(2), new(3), flush=True)
"""
)

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")


@forks
def test_forked_child_and_parent_see_each_others_rows(path: Path) -> None:
    assert run_python(FORK_BOTH_WAYS, str(path)) == ["False True", "False False True"]


@forks
def test_child_forked_while_a_thread_writes_does_not_wait_for_it(path: Path) -> None:
    assert run_python(FORK_WHILE_A_THREAD_WRITES, str(path)) == ["True", "False"]


@forks
def test_child_forked_in_a_transaction_is_told_in_progress(path: Path) -> None:
    assert run_python(FORK_IN_A_TRANSACTION, str(path)) == ["InProgress", "Done(status=204)"]
    assert words(path) == ["parent"]


@forks
def test_child_inherits_no_lock_of_a_message(path: Path) -> None:
    assert run_python(FORK_WITH_A_LOCK, str(path)) == ["False", "True"]


@forks
def test_child_forked_in_a_transaction_cannot_write_and_leaves_the_parent_alone(path: Path) -> None:
    assert run_python(FORK_IN_A_TRANSACTION_AND_WRITE, str(path)) == ["refused", "None"]
    assert words(path) == ["parent", "msg_2"]


@forks
def test_child_that_ends_takes_nothing_from_the_parent(path: Path) -> None:
    assert run_python(FORK_AND_END_BY_ITSELF, str(path)) == ["False False True"]


def test_claims_survive_a_process_that_ended(path: Path) -> None:
    run_python(FORK + "new(1)", str(path))
    with SQLiteInbox(path) as inbox:
        assert isinstance(inbox.begin(message(1), 30), InProgress)
        assert isinstance(inbox.begin(message(2), 30), Claim)
