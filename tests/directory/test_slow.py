"""A server that is too slow is given up after five seconds, however it is slow.

These waits are real. They all go on at the same time, each in a thread with its own server
and event loop, and the tests look at what came of each.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import pytest
import trio  # noqa: F401 - two threads must not be the first to import it at the same time

from signedmsg import KeyDirectoryError, UnknownKeyError
from tests.directory.faces import every_face, play
from tests.directory.faults import answer, document, drip_body, drip_head, hang, head
from tests.directory.stage import A, B, Stage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.directory.server import Exchange, Script

FACES = ("blocking", "asyncio", "trio")
LONG = document(A, pad="x" * 2000)


def chunks_that_drip(exchange: Exchange) -> None:
    exchange.send(head(200, None, content_type="application/jwk-set+json", transfer_encoding="chunked"))
    while not exchange.gone(0.05):
        exchange.send(b"1\r\n \r\n")


def informing_for_ever(exchange: Exchange) -> None:
    while not exchange.gone(0.05):
        exchange.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")


SLOW: dict[str, Script] = {
    "head that drips": drip_head(),
    "body that drips": drip_body(LONG),
    "chunks that drip": chunks_that_drip,
    "early hints for ever": informing_for_ever,
    "silence": hang,
}
# The caller's client waits for a head as long as it sees fit, on the blocking face: see `KeyDirectory`.
BOUNDED = {
    **{(face, f"{fault}, own client"): (fault, False) for face in FACES for fault in SLOW},
    **{(face, f"{fault}, client given"): (fault, True) for face in FACES[1:] for fault in SLOW},
    **{("blocking", f"{fault}, client given"): (fault, True) for fault in ("body that drips", "silence")},
}


class Held(NamedTuple):
    outcome: object
    seconds: float


async def cold(stage: Stage, script: Script, given: bool) -> Held:
    stage.serve(script)
    stage.open(**({"client": stage.trusting()} if given else {}))
    began = time.perf_counter()
    return Held(await stage.outcome(A), time.perf_counter() - began)


async def handshake(stage: Stage) -> Held:
    """The server speaks no TLS, and waits for the end of a request that never comes."""
    stage.open(stage.issuer(keys=stage.server.url().replace("http:", "https:")))
    began = time.perf_counter()
    return Held(await stage.outcome(A), time.perf_counter() - began)


async def crowded(stage: Stage) -> Held:
    """While one look-up waits for a server that hangs, 20 others want other unknown kids, and known ones are found."""
    await stage.warm()
    stage.clock.advance(31)
    stage.serve(hang, answer(500))
    kids = [f"forged-{index}" for index in range(20)]
    found = await stage.together([lambda kid=kid: stage.outcome(kid) for kid in kids])
    return Held({type(each) for each in found}, stage.server.count() - 1)


@pytest.fixture(scope="module")
def held() -> dict[tuple[str, str], Held]:
    """What came of each wait."""
    results: dict[tuple[str, str], Held] = {}

    def one(face: str, name: str, scene: Callable[[Stage], Awaitable[Held]]) -> None:
        async def kept(stage: Stage) -> None:
            results[face, name] = await scene(stage)

        play(face, kept)

    scenes = [
        (face, name, lambda stage, fault=fault, given=given: cold(stage, SLOW[fault], given))
        for (face, name), (fault, given) in BOUNDED.items()
    ]
    for face in FACES:
        scenes += [(face, "handshake", handshake), (face, "crowded", crowded)]
    with ThreadPoolExecutor(len(scenes)) as pool:
        for work in [pool.submit(one, *scene) for scene in scenes]:
            work.result()
    return results


@pytest.mark.slow
@pytest.mark.parametrize(("face", "name"), BOUNDED)
def test_slow_server_is_given_up_after_five_seconds(held: dict[tuple[str, str], Held], face: str, name: str) -> None:
    outcome, seconds = held[face, name]
    assert isinstance(outcome, KeyDirectoryError)
    assert 4 < seconds < 9


@pytest.mark.slow
@pytest.mark.parametrize("face", FACES)
def test_tls_handshake_that_hangs_is_given_up(held: dict[tuple[str, str], Held], face: str) -> None:
    outcome, seconds = held[face, "handshake"]
    assert isinstance(outcome, KeyDirectoryError)
    assert seconds < 9


@pytest.mark.slow
@pytest.mark.parametrize("face", FACES)
def test_unknown_kids_at_once_wait_for_one_read_together(held: dict[tuple[str, str], Held], face: str) -> None:
    outcome, reads = held[face, "crowded"]
    assert outcome == {UnknownKeyError}
    assert reads == 1


@pytest.mark.soak
@every_face
async def test_random_kids_for_a_minute_while_the_directory_hangs_cause_six_reads_at_most(stage: Stage) -> None:
    await stage.warm()
    stage.clock.advance(31)
    stage.serve(hang)
    await stage.flood(100, seconds=60)
    assert isinstance(await stage.outcome(B), UnknownKeyError)
    assert 1 <= stage.server.count() - 1 <= 6
