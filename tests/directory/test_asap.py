"""An ASAP key repository serves one PEM a kid; what it does not have is asked for once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from signedmsg import ASAPRepository, KeyDirectoryError, UnknownKeyError
from tests.directory.faces import every_face
from tests.directory.faults import Gate, answer, html, huge, redirect
from tests.directory.stage import A, B, Stage

if TYPE_CHECKING:
    from signedmsg import SigningKey
    from tests.directory.server import Script

KID = "billing.example/key-1"
PATH = f"/keys/{KID}"


def pem(key: SigningKey) -> Script:
    return answer(200, key.public.to_pem().encode(), content_type="application/x-pem-file")


def open_on(stage: Stage, *scripts: Script) -> None:
    stage.serve(*(scripts or [pem(A)]), path=PATH)
    stage.open(stage.issuer(keys=ASAPRepository(stage.server.url("/keys/"))))


@every_face
async def test_key_is_read_from_the_place_of_its_kid(stage: Stage) -> None:
    open_on(stage)
    found = await stage.find(KID)
    assert (found.kid, found.to_jwk()["x"]) == (KID, A.public.to_jwk()["x"])
    assert [each.path for each in stage.server.requests] == [PATH]


@every_face
async def test_known_key_is_not_asked_for_again(stage: Stage) -> None:
    open_on(stage)
    for _ in range(50):
        await stage.find(KID)
    assert stage.server.count(PATH) == 1


@pytest.mark.parametrize("status", [403, 404])
@every_face
async def test_key_that_is_not_there_is_unknown_and_not_asked_for_again(stage: Stage, status: int) -> None:
    open_on(stage, answer(status))
    found = [await stage.outcome(KID) for _ in range(20)]
    assert {type(each) for each in found} == {UnknownKeyError}
    assert stage.server.count(PATH) == 1


@every_face
async def test_key_that_is_published_later_is_found_after_the_cooldown(stage: Stage) -> None:
    open_on(stage, answer(404), pem(A))
    assert not await stage.usable(KID)
    stage.clock.advance(31)
    assert await stage.usable(KID)


@every_face
async def test_random_kids_cause_few_requests(stage: Stage) -> None:
    open_on(stage)
    await stage.find(KID)
    await stage.flood(200)
    assert len(stage.server.requests) <= 5


@every_face
async def test_repository_that_fails_is_our_fault_and_not_the_senders(stage: Stage) -> None:
    open_on(stage, answer(500))
    assert isinstance(await stage.outcome(KID), KeyDirectoryError)


@every_face
async def test_known_key_is_used_while_the_repository_is_down(stage: Stage) -> None:
    open_on(stage, pem(A), answer(500))
    await stage.find(KID)
    found = []
    for _ in range(50):
        stage.clock.advance(60)
        found.append(await stage.usable(KID))
    assert found == [True] * 50


@every_face
async def test_key_that_was_withdrawn_is_refused_within_the_soft_lifetime(stage: Stage) -> None:
    open_on(stage, pem(A), answer(404))
    await stage.find(KID)
    stage.clock.advance(301)
    await stage.outcome(KID)
    await stage.until(lambda: stage.server.count(PATH) >= 2)
    await stage.pause(0.05)
    assert isinstance(await stage.outcome(KID), UnknownKeyError)


@every_face
async def test_50_cold_look_ups_at_once_cause_one_request(stage: Stage) -> None:
    gate = Gate()
    open_on(stage, gate.before(pem(A)))
    async with stage.aside(lambda: stage.together([lambda: stage.find(KID)] * 50)) as crowd:
        await stage.until(gate.reached.is_set)
        gate.open()
    assert [key.kid for key in crowd.outcome] == [KID] * 50
    assert stage.server.count(PATH) == 1


USELESS = {
    "HTML": html(),
    "redirect": redirect("/elsewhere"),
    "3 MiB": huge(3),
    "two keys": answer(200, (A.public.to_pem() + B.public.to_pem()).encode()),
    "private key": answer(200, A.to_pem().encode()),
    "nothing": answer(200),
}


@pytest.mark.parametrize("fault", USELESS)
@every_face
async def test_answer_that_is_not_one_public_key_is_our_fault(stage: Stage, fault: str) -> None:
    open_on(stage, USELESS[fault])
    assert isinstance(await stage.outcome(KID), KeyDirectoryError)


ASTRAY = ("../secret", "a/../../b", "a//b", "a/./b", "/a", "a%2fb", "a?b", "a#b", "", ".", "a/..")


@every_face
async def test_kid_that_would_leave_its_place_is_not_asked_for_and_costs_nothing(stage: Stage) -> None:
    open_on(stage)
    assert {type(await stage.outcome(kid)) for kid in ASTRAY} == {UnknownKeyError}
    assert stage.server.requests == []
    assert await stage.usable(KID)
