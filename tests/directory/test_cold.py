"""Many who come at once to a cold directory cause one read, and none of them loses by another's cancellation."""

from __future__ import annotations

import subprocess
import sys
import time

import anyio
import pytest

from signedmsg import KeyDirectoryError
from tests.directory.faces import async_faces, every_face
from tests.directory.faults import Gate, answer, document, good, slow
from tests.directory.server import DirectoryServer
from tests.directory.stage import OTHER, A, B, Stage


@every_face
async def test_50_cold_look_ups_at_once_cause_one_read_and_all_succeed(stage: Stage) -> None:
    gate = Gate()
    stage.serve(gate.before(good(document(A))))
    stage.open()
    async with stage.aside(lambda: stage.together([stage.find] * 50)) as crowd:
        await stage.until(gate.reached.is_set)
        gate.open()
    assert [key.kid for key in crowd.outcome] == [A.kid] * 50
    assert stage.server.count() == 1


@every_face
async def test_50_cold_look_ups_of_a_directory_that_fails_cause_one_read(stage: Stage) -> None:
    stage.serve(slow(0.1, answer(500)))
    stage.open()
    found = await stage.together([stage.find] * 50)
    assert {type(each) for each in found} == {KeyDirectoryError}
    assert stage.server.count() == 1


@every_face
async def test_cold_issuer_does_not_wait_for_another_whose_directory_hangs(stage: Stage) -> None:
    gate = Gate()
    stage.serve(gate.before(good(document(A))))
    stage.serve(good(document(B)), path="/other.json")
    stage.open(stage.issuer(), stage.issuer(OTHER, "/other.json"))
    async with stage.aside(stage.find) as first:
        await stage.until(gate.reached.is_set)
        assert (await stage.find(B, OTHER)).kid == B.kid
        assert not first.done
        gate.open()
    assert first.outcome.kid == A.kid


@async_faces
async def test_cancelled_leader_hands_over_to_who_waits(stage: Stage) -> None:
    gate = Gate()
    stage.serve(gate.before(good(document(A))), good(document(A)))
    stage.open()
    leader = anyio.CancelScope()

    async def lead() -> None:
        with leader:
            await stage.find()

    async with stage.aside(lead) as first:
        await stage.until(gate.reached.is_set)
        async with stage.aside(stage.find) as second:
            await stage.pause(0.01)
            leader.cancel()
            await stage.until(lambda: second.done, 5)
        gate.open()
    assert first.outcome is None
    assert second.outcome.kid == A.kid


@async_faces
async def test_look_up_that_is_cancelled_ends_at_once(stage: Stage) -> None:
    gate = Gate()
    stage.serve(gate.before(good(document(A))))
    stage.open()
    began = time.perf_counter()
    with anyio.move_on_after(0.05):
        await stage.find()
    took = time.perf_counter() - began
    gate.open()
    assert took < 1


@async_faces
async def test_event_loop_goes_on_during_a_read_of_half_a_second(stage: Stage) -> None:
    """The lag is some milliseconds; a machine that is busy with other things must not fail the test."""
    stage.serve(slow(0.5, good(document(A))))
    stage.open()
    lags: list[float] = []

    async def tick() -> None:
        while True:
            began = time.perf_counter()
            await anyio.sleep(0.005)
            lags.append(time.perf_counter() - began - 0.005)

    async with anyio.create_task_group() as group:
        group.start_soon(tick)
        await stage.find()
        group.cancel_scope.cancel()
    assert len(lags) > 25
    assert max(lags) < 0.2


FIRST_READ = """
import sys, anyio
from signedmsg import AsyncKeyDirectory, Issuer

face, url, kid = sys.argv[1:]

async def main():
    issuer = Issuer("https://billing.example", allow=["*"], keys=url)
    directory = AsyncKeyDirectory(issuer, observe=lambda event: None, dangerously_allow_loopback_http=True)
    before = set(sys.modules)
    await directory.find("https://billing.example", kid)
    print(*{name.partition(".")[0] for name in set(sys.modules) - before})
    await directory.aclose()

anyio.run(main, backend=face)
"""


@pytest.mark.parametrize("face", ["asyncio", "trio"])
def test_first_read_of_a_process_does_not_stop_the_event_loop_to_load_an_http_client(face: str) -> None:
    """Loading it takes 100 ms; it is done where the directory is built."""
    with DirectoryServer() as server:
        server.serve(good(document(A)))
        command = [sys.executable, "-c", FIRST_READ, face, server.url(), A.kid]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert set(done.stdout.split()) & {"certifi", "h11", "h2", "httpcore", "httpx", "trio"} == set()
