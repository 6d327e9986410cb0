"""A metadata document (RFC 8414 §3, OpenID discovery) names the key set of an issuer, and only of that one."""

from __future__ import annotations

import pytest

from signedmsg import KeyDirectoryError, Metadata, UnknownKeyError
from tests.directory.faces import every_face
from tests.directory.faults import answer, document, good, html, huge, redirect
from tests.directory.server import DirectoryServer
from tests.directory.stage import ISSUER, A, B, Stage

PATH = "/.well-known/oauth-authorization-server"


def metadata(stage: Stage, **members: object) -> dict[str, object]:
    written = {"issuer": ISSUER, "jwks_uri": stage.server.url(), "response_types_supported": ["code"], **members}
    return {name: value for name, value in written.items() if value is not None}


def open_on(stage: Stage, **members: object) -> None:
    stage.serve(good(document(A)))
    stage.serve(good(metadata(stage, **members), content_type="application/json"), path=PATH)
    stage.open(stage.issuer(keys=Metadata(stage.server.url(PATH))))


@every_face
async def test_key_is_found_through_the_metadata_document(stage: Stage) -> None:
    open_on(stage)
    assert (await stage.find(A)).kid == A.kid
    assert (stage.server.count(PATH), stage.server.count()) == (1, 1)


@every_face
async def test_key_set_that_has_moved_is_found_at_its_new_place(stage: Stage) -> None:
    open_on(stage)
    await stage.find(A)
    stage.serve(good(document(B)), path="/new.json")
    stage.serve(answer(404))
    moved = metadata(stage, jwks_uri=stage.server.url("/new.json"))
    stage.serve(good(moved, content_type="application/json"), path=PATH)
    await stage.refresh()
    assert await stage.usable(B)


@pytest.mark.parametrize("other", ["https://elsewhere.example", ISSUER + "/", ISSUER.upper(), None, 1])
@every_face
async def test_metadata_of_another_issuer_leads_nowhere(stage: Stage, other: object) -> None:
    open_on(stage, issuer=other)
    assert isinstance(await stage.outcome(A), KeyDirectoryError)
    assert stage.server.count() == 0


@pytest.mark.parametrize(
    "place",
    [None, 1, "", "keys.json", "http://directory.example/keys.json", "file:///etc/keys.json", "https://u@d.example/"],
)
@every_face
async def test_place_that_is_no_https_url_is_not_contacted(stage: Stage, place: object) -> None:
    open_on(stage, jwks_uri=place)
    assert isinstance(await stage.outcome(A), KeyDirectoryError)
    assert stage.server.count() == 0


USELESS = {"500": answer(500), "HTML": html(), "2 MiB": huge(2), "redirect": redirect("/there"), "list": good([])}


@pytest.mark.parametrize("fault", USELESS)
@every_face
async def test_useless_metadata_keeps_the_old_set(stage: Stage, fault: str) -> None:
    open_on(stage)
    await stage.find(A)
    stage.serve(USELESS[fault], path=PATH)
    stage.clock.advance(301)
    assert await stage.usable(A)
    await stage.until(lambda: stage.server.count(PATH) >= 2)
    assert isinstance(await stage.outcome("forged"), UnknownKeyError)


@every_face
async def test_random_kids_cause_one_read_of_the_metadata_and_of_the_set(stage: Stage) -> None:
    open_on(stage)
    await stage.find(A)
    stage.clock.advance(31)
    before = len(stage.server.requests)
    await stage.flood(100)
    assert len(stage.server.requests) - before <= 2


@every_face
async def test_key_set_on_another_host_is_not_asked_for_unless_that_host_is_configured(stage: Stage) -> None:
    with DirectoryServer() as other:
        other.serve(good(document(A)))
        open_on(stage, jwks_uri=other.url())
        assert isinstance(await stage.outcome(A), KeyDirectoryError)
        assert other.requests == []
