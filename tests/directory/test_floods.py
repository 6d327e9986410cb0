"""Floods of unknown kids cost few reads, and starve nobody else."""

from __future__ import annotations

from signedmsg import UnknownKeyError
from tests.directory.faces import every_face
from tests.directory.faults import answer, document, good
from tests.directory.stage import ISSUER, OTHER, A, B, C, Stage


@every_face
async def test_200_random_kids_cause_at_most_one_read_a_cooldown(stage: Stage) -> None:
    await stage.warm()
    stage.clock.advance(31)
    before = stage.server.count()
    await stage.flood(200)
    assert stage.server.count() - before <= 1


@every_face
async def test_random_kids_at_once_cause_one_read_together(stage: Stage) -> None:
    await stage.warm()
    stage.clock.advance(31)
    before = stage.server.count()
    found = await stage.together([lambda kid=f"forged-{index}": stage.outcome(kid) for index in range(50)])
    assert stage.server.count() - before <= 1
    assert {type(each) for each in found} == {UnknownKeyError}


@every_face
async def test_random_kids_while_the_directory_fails_cause_six_reads_a_minute_at_most(stage: Stage) -> None:
    await stage.warm()
    stage.clock.advance(31)
    stage.serve(answer(500))
    before = stage.server.count()
    await stage.flood(200, seconds=60)
    assert 1 <= stage.server.count() - before <= 6


@every_face
async def test_random_kids_are_the_senders_fault_even_while_the_directory_fails(stage: Stage) -> None:
    await stage.warm()
    stage.clock.advance(31)
    stage.serve(answer(500))
    found = [await stage.outcome(f"forged-{index}") for index in range(20)]
    assert {type(each) for each in found} == {UnknownKeyError}


@every_face
async def test_flood_that_names_one_issuer_does_not_delay_the_new_key_of_another(stage: Stage) -> None:
    stage.serve(good(document(A)))
    stage.serve(good(document(B)), path="/other.json")
    stage.open(stage.issuer(), stage.issuer(OTHER, "/other.json"))
    await stage.find(A)
    await stage.find(B, OTHER)
    await stage.flood(200, seconds=60)
    stage.serve(good(document(B, C)), path="/other.json")
    await stage.flood(200)
    assert (await stage.find(C, OTHER)).kid == C.kid


@every_face
async def test_new_key_is_found_although_its_own_issuer_is_flooded(stage: Stage) -> None:
    await stage.warm()
    stage.clock.advance(31)
    await stage.flood(50)
    stage.serve(good(document(A, B)))
    stage.clock.advance(31)
    await stage.flood(1)
    assert await stage.usable(B)


@every_face
async def test_kid_just_refused_is_found_once_it_is_published(stage: Stage) -> None:
    await stage.warm()
    stage.clock.advance(31)
    assert not await stage.usable(B)
    stage.serve(good(document(A, B)))
    stage.clock.advance(31)
    assert (await stage.find(B, ISSUER)).kid == B.kid


@every_face
async def test_unknown_issuer_causes_no_read(stage: Stage) -> None:
    await stage.warm()
    before = stage.server.count()
    await stage.outcome(A, "https://stranger.example")
    assert stage.server.count() == before
