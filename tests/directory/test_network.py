"""What a server, or whoever stands in its place, can do to a reader: slow, huge, elsewhere, untrusted."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from signedmsg import KeyDirectoryError
from tests.directory.certificates import authority
from tests.directory.faces import every_face, play
from tests.directory.faults import MEBIBYTE, document, good, gzip_bomb, huge, redirect
from tests.directory.server import DirectoryServer
from tests.directory.stage import A, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

FACES = ("blocking", "asyncio", "trio")
CAP = 128 * 1024
faces = pytest.mark.parametrize("face", FACES)


@contextlib.contextmanager
def peak_of_memory() -> Iterator[list[int]]:
    """Yield a list that holds, at the end, how many octets Python held more than at the beginning, at most."""
    peak: list[int] = []
    tracemalloc.start()
    try:
        yield peak
        peak.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@every_face
async def test_body_of_300_mebibytes_is_stopped_at_the_cap_and_memory_stays_flat(stage: Stage, chunked: bool) -> None:
    stage.serve(huge(300, chunked=chunked))
    stage.open()
    with peak_of_memory() as peak:
        assert isinstance(await stage.outcome(A), KeyDirectoryError)
    await stage.until(lambda: stage.server.sent["/keys.json"] > 0)
    # What the buffers of both sockets hold was sent, though nobody read it.
    assert stage.server.sent["/keys.json"] < 16 * MEBIBYTE
    assert peak[0] < 8 * MEBIBYTE


@every_face
async def test_document_just_over_the_cap_is_refused_and_just_under_it_taken(stage: Stage) -> None:
    room = CAP - len(json.dumps(document(A, pad="")))
    stage.serve(good(document(A, pad="x" * (room + 1))), good(document(A, pad="x" * room)))
    stage.open()
    assert isinstance(await stage.outcome(A), KeyDirectoryError)
    stage.clock.advance(120)
    assert await stage.usable(A)


BOMB = gzip_bomb(100)


@every_face
async def test_compressed_answer_is_refused_unpacked_by_nobody(stage: Stage) -> None:
    stage.serve(BOMB)
    stage.open()
    with peak_of_memory() as peak:
        assert isinstance(await stage.outcome(A), KeyDirectoryError)
    assert peak[0] < 8 * MEBIBYTE


@every_face
async def test_redirect_is_not_followed(stage: Stage) -> None:
    stage.serve(good(document(A)), path="/elsewhere.json")
    stage.serve(redirect(stage.server.url("/elsewhere.json")))
    stage.open()
    assert isinstance(await stage.outcome(A), KeyDirectoryError)
    assert stage.server.count("/elsewhere.json") == 0


@every_face
async def test_answer_that_says_it_is_compressed_is_refused_whatever_its_body(stage: Stage) -> None:
    stage.serve(good(document(A), content_encoding="br"))
    stage.open()
    assert isinstance(await stage.outcome(A), KeyDirectoryError)


@every_face
async def test_client_that_follows_redirects_does_not_do_so_for_a_directory(stage: Stage) -> None:
    stage.serve(good(document(A)), path="/elsewhere.json")
    stage.serve(redirect(stage.server.url("/elsewhere.json")))
    stage.clients.append(stage.client(follow_redirects=True))
    stage.open(client=stage.clients[-1])
    assert isinstance(await stage.outcome(A), KeyDirectoryError)
    assert stage.server.count("/elsewhere.json") == 0


@every_face
async def test_cookies_and_credentials_of_a_client_are_not_sent(stage: Stage) -> None:
    stage.serve(good(document(A)))
    secrets = {"auth": ("user", "pass"), "cookies": {"id": "1"}, "headers": {"x-api-key": "1"}}
    stage.clients.append(stage.client(**secrets))
    stage.open(client=stage.clients[-1])
    await stage.find(A)
    assert set(stage.server.requests[0].headers) & {"authorization", "cookie", "x-api-key"} == set()


@every_face
async def test_request_asks_for_a_key_set_unpacked_and_says_who_asks(stage: Stage) -> None:
    await stage.warm()
    headers = stage.server.requests[0].headers
    assert "application/jwk-set+json" in headers["accept"]
    assert headers["accept-encoding"] == "identity"
    assert headers["user-agent"].startswith("signedmsg")


@every_face
async def test_cookie_is_not_sent_back(stage: Stage) -> None:
    stage.serve(good(document(A), set_cookie="id=1; Path=/"))
    stage.open()
    await stage.find(A)
    await stage.refresh()
    assert stage.server.count() == 2
    assert [each.headers.get("cookie") for each in stage.server.requests] == [None, None]


@every_face
async def test_header_that_repeats_for_ever_is_given_up(stage: Stage) -> None:
    def endless(exchange: object) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\n")  # type: ignore[attr-defined]
        while True:
            exchange.send(b"x-pad: " + b"a" * 60000 + b"\r\n")  # type: ignore[attr-defined]

    stage.serve(endless)
    stage.open()
    assert isinstance(await stage.outcome(A), KeyDirectoryError)


async def over_tls(stage: Stage) -> None:
    stage.serve(good(document(A)))
    stage.open(client=stage.trusting())


@faces
def test_document_is_read_over_tls_from_a_host_whose_certificate_is_good(face: str) -> None:
    async def scene(stage: Stage) -> None:
        await over_tls(stage)
        assert await stage.usable(A)

    play(face, scene, authority().serving())


@faces
def test_keys_of_an_issuer_without_a_source_are_at_its_well_known_url(face: str) -> None:
    async def scene(stage: Stage) -> None:
        stage.serve(good(document(A)), path="/.well-known/signedmsg/keys.json")
        issuer = stage.server.url("", host="localhost")
        stage.open(stage.issuer(issuer, keys=None), client=stage.trusting())
        assert await stage.usable(A, issuer)

    play(face, scene, authority().serving())


DISTRUSTED = {"expired": {"expired": True}, "of another host": {"host": "elsewhere.example"}}


@pytest.mark.parametrize("certificate", DISTRUSTED)
@faces
def test_host_whose_certificate_is_no_good_is_sent_nothing(face: str, certificate: str) -> None:
    async def scene(stage: Stage) -> None:
        await over_tls(stage)
        assert isinstance(await stage.outcome(A), KeyDirectoryError)
        assert stage.server.requests == []

    play(face, scene, authority().serving(**DISTRUSTED[certificate]))


@faces
def test_authority_that_this_machine_does_not_know_is_not_trusted(face: str) -> None:
    async def scene(stage: Stage) -> None:
        stage.serve(good(document(A)))
        stage.open()
        assert isinstance(await stage.outcome(A), KeyDirectoryError)
        assert stage.server.requests == []

    play(face, scene, authority().serving())


@every_face
async def test_plain_http_is_refused_unless_it_is_asked_for(stage: Stage) -> None:
    with pytest.raises(ValueError, match="https"):
        stage.open(dangerously_allow_loopback_http=False)


@every_face
async def test_plain_http_to_another_machine_is_refused_even_when_it_is_asked_for(stage: Stage) -> None:
    with pytest.raises(ValueError, match=r"https|loopback"):
        stage.open(stage.issuer(keys="http://directory.example/keys.json"))


PROXIED = """
import sys
from signedmsg import Issuer, KeyDirectory
url, kid = sys.argv[1:]
with_issuer = Issuer("https://billing.example", allow=["*"], keys=url)
directory = KeyDirectory(with_issuer, dangerously_allow_loopback_http=True)
print(directory.find("https://billing.example", kid).kid == kid)
directory.close()
"""


def test_proxy_of_the_environment_is_not_used() -> None:
    with DirectoryServer() as server, DirectoryServer() as proxy:
        server.serve(good(document(A)))
        environment = {**os.environ, **dict.fromkeys(("HTTP_PROXY", "ALL_PROXY", "http_proxy"), proxy.url(""))}
        command = [sys.executable, "-c", PROXIED, server.url(), A.kid]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=30)
        assert (done.stdout.strip(), server.count(), proxy.requests) == ("True", 1, []), done.stderr
