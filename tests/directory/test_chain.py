"""Several sources of one issuer: what is at hand needs no network, and what is revoked anywhere is revoked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from signedmsg import Chain, JWKSet, KeyDirectoryError, UnknownKeyError
from tests.directory.faces import every_face, play
from tests.directory.faults import Gate, answer, document, good
from tests.directory.stage import ISSUER, A, B, C, Stage

if TYPE_CHECKING:
    from pathlib import Path


def open_chain(stage: Stage, *first: object) -> None:
    stage.open(stage.issuer(keys=Chain(*(first or [JWKSet(A.public)]), stage.server.url())))  # type: ignore[arg-type]


@every_face
async def test_key_at_hand_is_found_without_the_network(stage: Stage) -> None:
    open_chain(stage)
    assert await stage.usable(A)
    assert stage.server.requests == []


@every_face
async def test_key_that_is_not_at_hand_is_found_over_the_network(stage: Stage) -> None:
    stage.serve(good(document(B)))
    open_chain(stage)
    assert await stage.usable(B)


@every_face
async def test_key_at_hand_does_not_wait_for_the_network(stage: Stage) -> None:
    gate = Gate()
    stage.serve(gate.before(good(document(B))))
    open_chain(stage)
    async with stage.aside(lambda: stage.find(B)) as other:
        await stage.until(gate.reached.is_set)
        assert await stage.usable(A)
        assert not other.done
        gate.open()
    assert other.outcome.kid == B.kid


@every_face
async def test_key_in_no_source_is_our_fault_while_one_cannot_be_read(stage: Stage) -> None:
    stage.serve(answer(500))
    open_chain(stage)
    assert isinstance(await stage.outcome(C), KeyDirectoryError)
    assert await stage.usable(A)


@every_face
async def test_key_in_no_source_is_the_senders_fault_when_all_were_read(stage: Stage) -> None:
    stage.serve(good(document(B)))
    open_chain(stage)
    assert isinstance(await stage.outcome(C), UnknownKeyError)


@every_face
async def test_key_that_one_source_has_revoked_is_refused_whichever_other_has_it(stage: Stage) -> None:
    stage.serve(good(document(B, revoked=[{"kid": A.kid}])))
    open_chain(stage)
    await stage.refresh()
    assert isinstance(await stage.outcome(A), UnknownKeyError)


def test_file_that_is_replaced_is_followed_beside_the_network(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(document(A)), "utf-8")

    async def scene(stage: Stage) -> None:
        stage.serve(good(document(B, issuer=ISSUER)))
        open_chain(stage, path)
        assert await stage.usable(A)
        path.write_text(json.dumps(document(C)), "utf-8")
        stage.clock.advance(2)
        assert [await stage.usable(key) for key in (A, B, C)] == [False, True, True]

    for face in ("blocking", "asyncio", "trio"):
        path.write_text(json.dumps(document(A)), "utf-8")
        play(face, scene)
