"""While the directory is down, what is known goes on being used; what cannot be known is said to be so."""

from __future__ import annotations

import time

import pytest

from signedmsg import KeyDirectoryError, UnknownKeyError
from signedmsg.observe import DirectoryExpired, DirectoryStale
from tests.directory.faces import every_face
from tests.directory.faults import Gate, answer, cut_off, document, good, html, redirect, reset, truncated
from tests.directory.stage import A, B, Stage

USELESS = {
    "reset": reset,
    "500": answer(500),
    "503": answer(503, retry_after="5"),
    "404": answer(404),
    "204": answer(204),
    "redirect": redirect("https://elsewhere.example/keys.json"),
    "HTML": html(),
    "truncated": truncated(document(A)),
    "cut off": cut_off(document(A)),
    "list": good([]),
    "no keys": good({"issuer": "https://billing.example"}),
    "another issuer": good(document(A, issuer="https://elsewhere.example")),
    "junk": lambda exchange: exchange.send(b"SSH-2.0-junk\r\n\r\n"),
}
over_all = pytest.mark.parametrize("fault", USELESS)


@every_face
async def test_known_kid_is_answered_at_once_while_a_read_hangs(stage: Stage) -> None:
    await stage.warm()
    stage.clock.advance(31)
    gate = Gate()
    stage.serve(gate.before(good(document(A, B))))
    async with stage.aside(lambda: stage.find(B)) as other:
        await stage.until(gate.reached.is_set)
        began = time.perf_counter()
        for _ in range(100):
            await stage.find(A)
        took = time.perf_counter() - began
        assert not other.done
        gate.open()
    assert other.outcome.kid == B.kid
    assert took < 0.5


@every_face
async def test_key_removed_in_a_quiet_hour_is_refused_on_its_first_message(stage: Stage) -> None:
    await stage.warm()
    stage.serve(good(document(B)))
    stage.clock.advance(3000)
    assert not await stage.usable(A)
    assert await stage.usable(B)


@every_face
async def test_known_kid_waits_for_no_read_when_the_set_is_due(stage: Stage) -> None:
    await stage.warm()
    gate = Gate()
    stage.serve(gate.before(good(document(A))))
    stage.clock.advance(250)
    began = time.perf_counter()
    assert [await stage.usable(A) for _ in range(20)] == [True] * 20
    await stage.until(gate.reached.is_set)
    assert await stage.usable(A)
    # The read that hangs began in time, so nobody waits for it either once the lifetime is over.
    stage.clock.advance(60)
    assert await stage.usable(A)
    took = time.perf_counter() - began
    gate.open()
    assert took < 2


@every_face
async def test_known_kid_is_found_all_through_an_hour_without_the_directory(stage: Stage) -> None:
    await stage.warm()
    stage.serve(reset)
    found = []
    for _ in range(120):
        stage.clock.advance(29)
        found.append(await stage.usable(A))
    assert found == [True] * 120


@every_face
async def test_health_says_stale_while_an_old_set_is_in_use(stage: Stage) -> None:
    await stage.warm()
    stage.serve(answer(500))
    stage.clock.advance(400)
    await stage.find(A)
    await stage.until(lambda: stage.health().failures == 1)
    assert stage.health().state == "stale"
    assert len(stage.told(DirectoryStale)) == 1


@every_face
async def test_directory_down_past_the_hard_limit_is_our_fault_and_not_the_senders(stage: Stage) -> None:
    await stage.warm()
    stage.serve(answer(500))
    stage.clock.advance(300 + 3600 + 1)
    assert isinstance(await stage.outcome(A), KeyDirectoryError)
    assert stage.health().state == "unavailable"
    assert len(stage.told(DirectoryExpired)) == 1


@every_face
async def test_unknown_kid_past_the_hard_limit_is_undecided_too(stage: Stage) -> None:
    await stage.warm()
    stage.serve(answer(500))
    stage.clock.advance(300 + 3600 + 1)
    assert isinstance(await stage.outcome("forged"), KeyDirectoryError)


@every_face
async def test_directory_that_comes_back_is_used_again(stage: Stage) -> None:
    await stage.warm()
    stage.serve(answer(500))
    stage.clock.advance(7200)
    assert not await stage.usable(A)
    stage.serve(good(document(B)))
    stage.clock.advance(120)
    assert await stage.usable(B)


@over_all
@every_face
async def test_useless_answer_keeps_the_old_set(stage: Stage, fault: str) -> None:
    await stage.warm()
    stage.serve(USELESS[fault])
    stage.clock.advance(301)
    await stage.find(A)
    await stage.until(lambda: stage.server.count() >= 2)
    assert await stage.usable(A)
    assert isinstance(await stage.outcome("forged"), UnknownKeyError)


@over_all
@every_face
async def test_useless_first_answer_is_our_fault_and_not_the_senders(stage: Stage, fault: str) -> None:
    stage.serve(USELESS[fault])
    stage.open()
    assert isinstance(await stage.outcome(A), KeyDirectoryError)


@every_face
async def test_retry_after_of_a_cold_directory_is_obeyed(stage: Stage) -> None:
    stage.serve(answer(429, retry_after="120"))
    stage.open()
    for _ in range(11):
        assert not await stage.usable(A)
        stage.clock.advance(10)
    assert stage.server.count() == 1


@every_face
async def test_look_up_after_the_time_of_retry_after_reads_again(stage: Stage) -> None:
    stage.serve(answer(429, retry_after="120"), good(document(A)))
    stage.open()
    assert not await stage.usable(A)
    stage.clock.advance(121)
    assert await stage.usable(A)


@every_face
async def test_retry_after_of_a_day_is_not_obeyed_for_longer_than_five_minutes(stage: Stage) -> None:
    stage.serve(answer(503, retry_after="86400"), good(document(A)))
    stage.open()
    assert not await stage.usable(A)
    stage.clock.advance(301)
    assert await stage.usable(A)
