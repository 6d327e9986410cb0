"""Processes that are killed between the steps of a message: nothing is lost, and effects go with their marks."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from signedmsg._core.inbox import Claim, Done, InProgress
from signedmsg.stores.sqlite_inbox import SQLiteInbox
from signedmsg.testing import ManualClock
from tests.stores.helpers import start_python
from tests.stores.inbox_words import execute, handle, make_words, message, words

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

LEASE = 60.0

# Each step is told, and then waits to be killed or let go on.
STEPS = """
import sys
from pathlib import Path
from signedmsg.stores.sqlite_inbox import SQLiteInbox
from signedmsg.testing import ManualClock
from tests.stores.inbox_words import message
inbox = SQLiteInbox(Path(sys.argv[1]), clock=ManualClock())
def step(name):
    print(name, flush=True)
    sys.stdin.readline()
"""

TRANSACTION = (
    STEPS
    + """
step("before")
with inbox.transaction() as transaction:
    transaction.begin(message(1))
    step("begun")
    transaction.connection.execute("INSERT INTO words VALUES ('msg_1')")
    step("written")
    transaction.finish(204)
    step("finished")
step("committed")
"""
)

LEASED = (
    STEPS
    + f"""
step("before")
claim = inbox.begin(message(1), {LEASE})
step("begun")
inbox.commit(claim, 204)
step("committed")
"""
)

QUEUED = (
    STEPS
    + f"""
step("before")
inbox.enqueue(message(1), b"body")
step("stored")
job = inbox.take({LEASE})
step("taken")
with inbox.transaction() as transaction:
    transaction.resume(job.claim)
    transaction.connection.execute("INSERT INTO words VALUES ('msg_1')")
    transaction.finish(202)
    step("finished")
step("committed")
"""
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    make_words(tmp_path / "app.db")
    return tmp_path / "app.db"


def kill_at(script: str, path: Path, wanted: str) -> None:
    """Run the script and kill it, with no chance to clean up, in the step of that name."""
    process = start_python(script, str(path))
    assert process.stdout is not None
    assert process.stdin is not None
    while process.stdout.readline().strip() != wanted:
        process.stdin.write("go on\n")
        process.stdin.flush()
    process.kill()
    process.communicate(timeout=50)


@pytest.mark.parametrize("step", ["before", "begun", "written", "finished"])
def test_transaction_killed_before_its_commit_never_happened(path: Path, step: str) -> None:
    kill_at(TRANSACTION, path, step)
    assert (words(path), execute(path, "SELECT count(*) FROM signedmsg_inbox")) == ([], [(0,)])
    with SQLiteInbox(path, clock=ManualClock(), timeout=0.0) as inbox:
        assert (handle(inbox, message(1)), handle(inbox, message(1))) == (None, Done(204))
    assert words(path) == ["msg_1"]


def test_transaction_killed_after_its_commit_happened(path: Path) -> None:
    kill_at(TRANSACTION, path, "committed")
    with SQLiteInbox(path, clock=ManualClock()) as inbox:
        assert handle(inbox, message(1)) == Done(204)
    assert words(path) == ["msg_1"]


def test_holder_killed_before_its_commit_keeps_the_message_for_its_lease(path: Path) -> None:
    kill_at(LEASED, path, "begun")
    clock = ManualClock()
    with SQLiteInbox(path, clock=clock) as inbox:
        assert inbox.begin(message(1), LEASE) == InProgress(LEASE)
        clock.advance(LEASE)
        claim = inbox.begin(message(1), LEASE)
        assert isinstance(claim, Claim)
        assert claim.attempt == 2


@pytest.mark.parametrize(("step", "answer"), [("before", Claim), ("committed", Done)])
def test_holder_killed_outside_of_its_lease_leaves_what_it_did(path: Path, step: str, answer: type) -> None:
    kill_at(LEASED, path, step)
    with SQLiteInbox(path, clock=ManualClock()) as inbox:
        assert isinstance(inbox.begin(message(1), LEASE), answer)


@pytest.mark.parametrize(("step", "attempt"), [("stored", 1), ("taken", 2), ("finished", 2)])
def test_queued_message_outlives_its_worker(path: Path, step: str, attempt: int) -> None:
    kill_at(QUEUED, path, step)
    clock = ManualClock()
    with SQLiteInbox(path, clock=clock) as inbox:
        clock.advance(LEASE)
        job = inbox.take(LEASE)
        assert job is not None
        assert (job.body, job.claim.attempt, words(path)) == (b"body", attempt, [])


def test_queued_message_killed_after_its_commit_is_done(path: Path) -> None:
    kill_at(QUEUED, path, "committed")
    clock = ManualClock()
    with SQLiteInbox(path, clock=clock) as inbox:
        clock.advance(LEASE)
        assert (inbox.take(LEASE), inbox.begin(message(1), LEASE)) == (None, Done(202))
    assert words(path) == ["msg_1"]


# A worker goes through all messages from its own place on, and tells each step that it takes.
WORKER = """
import sys
from pathlib import Path
from signedmsg.errors import StoreError
from signedmsg._core.inbox import InProgress
from signedmsg.stores.sqlite_inbox import SQLiteInbox
from tests.stores.inbox_words import message
path, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
inbox, todo = SQLiteInbox(path, timeout=20.0), [(first + number) % count for number in range(count)]
print("ready", flush=True)
while todo:
    number = todo.pop(0)
    with inbox.transaction() as transaction:
        settled = transaction.begin(message(number))
        if settled is None:
            print("begun", flush=True)
            transaction.connection.execute("INSERT INTO words VALUES (?)", (f"msg_{number}",))
            print("written", flush=True)
            transaction.finish(204)
    if isinstance(settled, InProgress):
        todo.append(number)
    print("done", flush=True)
print("all", flush=True)
"""


def run_under_kills(path: Path, count: int, seed: int) -> int:
    """Let three workers handle all messages while each is killed after a random number of steps; return the kills."""
    chance, kills = random.Random(seed), 0
    workers: list[tuple[subprocess.Popen[str], int]] = []
    finished = 0
    while finished < 3:
        while len(workers) < 3 - finished:
            # One is let live now and then, so that the end is reached.
            steps = chance.randrange(2, count) if chance.random() < 0.9 else 10**9
            workers.append((start_python(WORKER, str(path), str(chance.randrange(count)), str(count)), steps))
        process, steps = workers.pop(0)
        assert process.stdout is not None
        told = ""
        for _ in range(steps):
            told = process.stdout.readline().strip()
            if told in ("all", ""):
                break
        assert told, "a worker died of itself"
        kills += told != "all"
        finished += told == "all"
        process.kill()
        process.communicate(timeout=50)
    return kills


def check_exactly_once(path: Path, count: int) -> None:
    assert sorted(map(str, words(path))) == sorted(f"msg_{number}" for number in range(count))
    assert execute(path, "SELECT count(*) FROM signedmsg_inbox WHERE state = 'done'") == [(count,)]
    assert execute(path, "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.slow
def test_effects_happen_exactly_once_under_random_kills(path: Path) -> None:
    assert run_under_kills(path, 150, seed=1) > 0
    check_exactly_once(path, 150)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_effects_of_two_thousand_messages_happen_exactly_once_under_random_kills(path: Path) -> None:
    assert run_under_kills(path, 2000, seed=2) > 3
    check_exactly_once(path, 2000)
