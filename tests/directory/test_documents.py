"""What a document says, and when: keys come, go, change and return."""

from __future__ import annotations

import pytest

from signedmsg import UnknownKeyError
from signedmsg.observe import DirectoryChanged
from tests.directory.faces import every_face
from tests.directory.faults import answer, document, good, member, tagged
from tests.directory.stage import A, B, Stage

PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv")


async def serve_anew(stage: Stage, *members: object, **more: object) -> None:
    stage.serve(good(document(*members, **more)))
    await stage.refresh()


@every_face
async def test_removed_key_is_refused_within_the_soft_lifetime(stage: Stage) -> None:
    await stage.warm(A, B)
    stage.serve(good(document(B)))
    stage.clock.advance(301)
    await stage.outcome(B)
    await stage.until(lambda: any(A.kid in event.removed for event in stage.told(DirectoryChanged)))
    assert isinstance(await stage.outcome(A), UnknownKeyError)


@every_face
async def test_removed_key_is_refused_at_once_after_a_refresh(stage: Stage) -> None:
    await stage.warm(A, B)
    await serve_anew(stage, B)
    assert isinstance(await stage.outcome(A), UnknownKeyError)
    assert await stage.usable(B)


@every_face
async def test_revoked_key_is_refused_at_once_after_a_refresh(stage: Stage) -> None:
    await stage.warm(A, B)
    await serve_anew(stage, A, B, revoked=[{"kid": A.kid, "revoked_at": 1_700_000_000}])
    found = await stage.outcome(A)
    assert isinstance(found, UnknownKeyError)
    assert found.code == "key_not_valid"


@every_face
async def test_revocation_is_remembered_when_the_entry_is_gone(stage: Stage) -> None:
    await stage.warm(A, B)
    await serve_anew(stage, A, B, revoked=[{"kid": A.kid}])
    await serve_anew(stage, A, B)
    assert not await stage.usable(A)


@every_face
async def test_empty_set_revokes_every_key_at_once_after_a_refresh(stage: Stage) -> None:
    await stage.warm(A, B)
    await serve_anew(stage)
    assert isinstance(await stage.outcome(A), UnknownKeyError)
    assert isinstance(await stage.outcome(B), UnknownKeyError)


@every_face
async def test_two_keys_of_one_kid_are_both_unusable(stage: Stage) -> None:
    await stage.warm(A)
    await serve_anew(stage, A, member(B, kid=A.kid))
    assert isinstance(await stage.outcome(A), UnknownKeyError)


@every_face
async def test_members_with_a_private_part_are_refused_and_the_others_kept(stage: Stage) -> None:
    await stage.warm(A)
    leaked = [member(A, kid=f"leaked-{name}", **{name: "AQAB"}) for name in PRIVATE]
    await serve_anew(stage, *leaked, B)
    assert [kid for kid in (one["kid"] for one in leaked) if await stage.usable(kid)] == []
    assert await stage.usable(B)
    told = stage.told(DirectoryChanged)[-1].refused
    assert sorted(reason.partition(":")[0] for reason in told) == sorted(one["kid"] for one in leaked)


@every_face
async def test_member_of_unknown_kty_is_skipped_and_the_others_kept(stage: Stage) -> None:
    await stage.warm(A)
    await serve_anew(stage, {"kty": "NEW", "kid": "n-1", "alg": "NEW1", "pub": "AQAB"}, A)
    assert await stage.usable(A)
    assert not await stage.usable("n-1")


@every_face
async def test_key_replaced_under_its_kid_is_never_the_old_one(stage: Stage) -> None:
    stage.serve(good(document(member(A, kid="key-1"))))
    stage.open()
    await stage.find("key-1")
    await serve_anew(stage, member(B, kid="key-1"))
    found = await stage.outcome("key-1")
    assert isinstance(found, UnknownKeyError) or found.to_jwk()["x"] == B.public.to_jwk()["x"]
    assert stage.told(DirectoryChanged)[-1].changed == ("key-1",)


@every_face
async def test_rollback_of_the_sequence_brings_no_removed_key_back(stage: Stage) -> None:
    stage.serve(good(document(A, sequence=42)))
    stage.open()
    await stage.find(A)
    stage.serve(good(document(A, B, sequence=41)))
    await stage.outcome_of_refresh()
    assert await stage.usable(A)
    assert isinstance(await stage.outcome(B), UnknownKeyError)


@every_face
async def test_operator_can_reset_an_issuer_whose_sequence_went_down_for_good(stage: Stage) -> None:
    stage.serve(good(document(A, sequence=42)))
    stage.open()
    await stage.find(A)
    stage.serve(good(document(A, B, sequence=1)))
    await stage.reset()
    assert await stage.usable(B)


@every_face
async def test_known_document_is_asked_for_by_its_entity_tag(stage: Stage) -> None:
    stage.serve(tagged(document(A), '"v1"'))
    stage.open()
    await stage.find(A)
    await stage.refresh()
    assert [each.headers.get("if-none-match") for each in stage.server.at()] == [None, '"v1"']
    assert await stage.usable(A)


@every_face
async def test_not_modified_makes_the_set_fresh_again(stage: Stage) -> None:
    stage.serve(tagged(document(A), '"v1"'))
    stage.open()
    await stage.find(A)
    for _ in range(30):
        stage.clock.advance(200)
        await stage.refresh()
    stage.serve(answer(500))
    stage.clock.advance(200)
    assert await stage.usable(A)
    assert stage.health().state == "fresh"


@every_face
async def test_changed_document_replaces_the_one_of_the_old_entity_tag(stage: Stage) -> None:
    stage.serve(tagged(document(A), '"v1"'))
    stage.open()
    await stage.find(A)
    stage.serve(tagged(document(B), '"v2"'))
    await stage.refresh()
    assert await stage.usable(B)
    await stage.refresh()
    assert stage.server.at()[-1].headers["if-none-match"] == '"v2"'


@every_face
async def test_not_modified_to_who_had_nothing_is_a_failed_read(stage: Stage) -> None:
    stage.serve(answer(304, etag='"v1"'))
    stage.open()
    assert not await stage.usable(A)


# Cache-Control and the like, and the seconds after which a known kid has caused the next read, and has not yet.
LIFETIMES = {
    "nothing said": ({}, 300),
    "max-age=120": ({"cache_control": "public, max-age=120"}, 120),
    "max-age=1000": ({"cache_control": "max-age=1000"}, 1000),
    "max-age=0": ({"cache_control": "max-age=0"}, 60),
    "max-age=31536000": ({"cache_control": "max-age=31536000, immutable"}, 3600),
    "no-cache": ({"cache_control": "no-cache"}, 60),
    "no-store": ({"cache_control": "no-store"}, 60),
    "max-age with Age": ({"cache_control": "max-age=1000", "age": "800"}, 200),
    "max-age that is no number": ({"cache_control": "max-age=soon"}, 300),
}


@pytest.mark.parametrize("said", LIFETIMES)
@every_face
async def test_set_is_read_again_within_the_lifetime_its_answer_gave(stage: Stage, said: str) -> None:
    headers, lifetime = LIFETIMES[said]
    stage.serve(good(document(A), **headers))
    stage.open()
    await stage.find(A)
    stage.clock.advance(lifetime * 0.6)
    await stage.find(A)
    await stage.pause(0.02)
    assert stage.server.count() == 1
    stage.clock.advance(lifetime * 0.4 + 1)
    await stage.find(A)
    await stage.until(lambda: stage.server.count() == 2)


@every_face
async def test_set_is_read_ahead_before_its_lifetime_is_over(stage: Stage) -> None:
    await stage.warm()
    stage.clock.advance(299)
    await stage.find(A)
    await stage.until(lambda: stage.server.count() == 2)
