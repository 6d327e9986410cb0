"""Nothing of a directory outlives it, and it works in the children of a process that used it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading

import anyio
import pytest

from signedmsg import KeyDirectoryError, UnknownKeyError
from signedmsg._flows.run import run
from signedmsg.observe import DirectoryFailed
from tests.directory.faces import async_faces, blocking_face, every_face
from tests.directory.faults import Gate, answer, document, good
from tests.directory.server import DirectoryServer
from tests.directory.stage import ISSUER, A, B, Stage

BEFORE: set[threading.Thread] = set()


@pytest.fixture(autouse=True)
def threads_of_other_tests() -> None:
    """Note what runs already: servers that other tests share."""
    BEFORE.clear()
    BEFORE.update(threading.enumerate())


def own_threads() -> set[str]:
    """The names of all new threads but those of the tests' server and pool, and of the event loops' own workers."""
    names = {thread.name for thread in set(threading.enumerate()) - BEFORE}
    return {name for name in names if not name.startswith(("MainThread", "fault", "ThreadPool", "AnyIO", "Trio"))}


@every_face
async def test_closing_leaves_no_thread(stage: Stage) -> None:
    await stage.warm()
    stage.clock.advance(290)
    await stage.find(A)
    await stage.until(lambda: stage.server.count() == 2)
    await stage.close()
    await stage.until(lambda: own_threads() == set())
    assert own_threads() == set()


@every_face
async def test_directory_that_was_never_used_closes(stage: Stage) -> None:
    stage.open()
    await stage.close()
    assert stage.server.requests == []


@every_face
async def test_closing_twice_is_closing_once(stage: Stage) -> None:
    await stage.warm()
    await stage.close()
    await stage.close()
    assert own_threads() == set()


async def read_ahead_that_waits(stage: Stage) -> Gate:
    await stage.warm()
    gate = Gate()
    stage.serve(gate.before(good(document(A))))
    stage.clock.advance(299)
    await stage.find(A)
    await stage.until(gate.reached.is_set)
    return gate


@async_faces
async def test_closing_cancels_the_read_ahead(stage: Stage) -> None:
    gate = await read_ahead_that_waits(stage)
    with anyio.fail_after(2):
        await stage.close()
    gate.open()
    assert stage.told(DirectoryFailed) == []


@blocking_face
async def test_closing_waits_for_the_read_ahead(stage: Stage) -> None:
    gate = await read_ahead_that_waits(stage)
    async with stage.aside(stage.close) as closing:
        await stage.pause(0.02)
        assert not closing.done
        gate.open()
    assert closing.outcome is None
    assert own_threads() == set()


@every_face
async def test_known_key_is_found_after_closing_and_nothing_more_is_read(stage: Stage) -> None:
    await stage.warm()
    await stage.close()
    stage.clock.advance(600)
    assert await stage.usable(A)
    assert isinstance(await stage.outcome("forged"), UnknownKeyError)
    assert stage.server.count() == 1


@every_face
async def test_look_up_after_closing_reads_nothing_and_says_why(stage: Stage) -> None:
    stage.serve(good(document(A)))
    stage.open()
    await stage.close()
    with pytest.raises(KeyDirectoryError, match="closed"):
        await stage.find(A)
    assert stage.server.requests == []


@every_face
async def test_client_that_was_given_is_not_closed(stage: Stage) -> None:
    stage.serve(good(document(A)))
    client = stage.client()
    stage.clients.append(client)
    stage.open(client=client)
    await stage.find(A)
    if hasattr(stage.directory, "aclose"):
        await stage.directory.aclose()
    else:
        stage.directory.close()
    assert not client.is_closed


FORKING = """
import os, sys, threading, warnings
warnings.simplefilter("ignore")
from signedmsg import Issuer, KeyDirectory

url, first, second, when = sys.argv[1:]
now = [1_700_000_000.0]
issuer = Issuer("https://billing.example", allow=["*"], keys=url)
directory = KeyDirectory(issuer, clock=lambda: now[0], observe=lambda event: None, dangerously_allow_loopback_http=True)
directory.find("https://billing.example", first)
helper = None
if when == "hanging":
    # Somebody holds every lock of the directory at the moment of the fork.
    now[0] += 61
    helper = threading.Thread(target=lambda: directory.find("https://billing.example", "hang"), daemon=True)
    helper.start()
    sys.stdin.readline()
child = os.fork()
if child == 0:
    now[0] += 3700
    known = directory.find("https://billing.example", second).kid == second
    directory.close()
    os._exit(0 if known else 1)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
if helper is None:
    directory.find("https://billing.example", first)
    directory.close()
print(status)
sys.stdout.flush()
os._exit(0)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
@pytest.mark.parametrize("when", ["idle", "hanging"])
def test_directory_that_was_used_before_a_fork_reads_on_in_the_child(when: str) -> None:
    gate = Gate()
    with DirectoryServer() as server:
        second = gate.before(good(document(A, B))) if when == "hanging" else good(document(A, B))
        server.serve(good(document(A)), second, good(document(A, B)))
        command = [sys.executable, "-c", FORKING, server.url(), A.kid, B.kid, when]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            if when == "hanging":
                assert gate.reached.wait(20)
            out, _ = process.communicate("go\n", timeout=30)
        gate.open()
        assert (out.strip(), server.count() >= 2) == ("0", True)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_parent_and_children_do_not_share_a_connection() -> None:
    with DirectoryServer() as server:
        server.serve(good(document(A, B)))
        command = [sys.executable, "-c", FORKING, server.url(), A.kid, B.kid, "idle"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        assert done.stdout.strip() == "0", done.stderr
        assert server.connections >= 2


@blocking_face
async def test_observer_may_look_keys_up_in_the_directory_it_observes(stage: Stage) -> None:
    stage.serve(answer(500))
    seen: list[object] = []

    def look_up(event: object) -> None:
        with contextlib.suppress(KeyDirectoryError):
            stage.directory.find(ISSUER, "other")
        seen.append(event)

    stage.open(observe=look_up)
    # A daemon, so that a test that fails does not hang for ever.
    reader = threading.Thread(target=lambda: run(stage.outcome(A)), daemon=True)
    reader.start()
    await stage.until(lambda: bool(seen), 5)
    reader.join(5)
    assert not reader.is_alive()
