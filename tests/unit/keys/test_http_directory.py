"""Directories over HTTP, over a client whose network is a function: what is asked, and what an answer means."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from signedmsg import (
    ASAPRepository,
    AsyncKeyDirectory,
    Chain,
    Issuer,
    JWKSet,
    KeyDirectory,
    KeyDirectoryError,
    Metadata,
    SigningKey,
    UnknownIssuerError,
    UnknownKeyError,
)
from signedmsg._core.events import (
    DirectoryChanged,
    DirectoryExpired,
    DirectoryFailed,
    DirectoryFetched,
    DirectoryNotModified,
    DirectoryStale,
    FloodSuppressed,
)
from signedmsg.observe import log_event
from tests.unit.peers import Clock, ignore

if TYPE_CHECKING:
    from pathlib import Path

ISSUER = "https://billing.example"
URL = "https://billing.example/keys.json"
A, B = SigningKey.generate(), SigningKey.generate()


class Net:
    """A network in which each URL has an answer, and which remembers what it was asked."""

    def __init__(self, **headers: str) -> None:
        self.asked: list[httpx.Request] = []
        self.answers: dict[str, httpx.Response] = {}
        self.set(A, **headers)

    def set(self, *keys: SigningKey, url: str = URL, document: dict[str, Any] | None = None, **headers: str) -> None:
        written = {"keys": [key.public.to_jwk() for key in keys], **(document or {})}
        named = {
            "content-type": "application/jwk-set+json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        self.answers[url] = httpx.Response(200, content=json.dumps(written), headers=named)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.get(str(request.url), httpx.Response(404))
        if request.headers.get("if-none-match") == answer.headers.get("etag", object()):
            return httpx.Response(304, headers=answer.headers)
        return httpx.Response(answer.status_code, content=answer.content, headers=answer.headers)

    def directory(self, keys: Any = URL, **options: Any) -> KeyDirectory:
        client = httpx.Client(transport=httpx.MockTransport(self), cookies={"a": "b"}, headers={"authorization": "x"})
        options = {"observe": ignore, "jitter": lambda: 0.0, "clock": Clock(1e9), **options}
        return KeyDirectory(Issuer(ISSUER, allow=["*"], keys=keys), client=client, **options)


def test_request_says_what_it_takes_and_nothing_about_who_asks() -> None:
    net = Net()
    net.directory().find(ISSUER, A.kid)
    (request,) = net.asked
    assert request.method == "GET"
    assert request.headers["accept"] == "application/jwk-set+json, application/json"
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["user-agent"] == "signedmsg"
    assert not {"cookie", "authorization", "if-none-match", "referer"} & set(request.headers)


def test_second_read_asks_with_the_etag_and_304_keeps_the_set() -> None:
    net, clock, events = Net(etag='"1"'), Clock(1e9), []
    directory = net.directory(clock=clock, observe=events.append)
    directory.refresh(ISSUER)
    clock.now += 250
    directory.refresh(ISSUER)
    assert net.asked[1].headers["if-none-match"] == '"1"'
    assert [type(event) for event in events] == [DirectoryFetched, DirectoryChanged, DirectoryNotModified]
    assert directory.health()[ISSUER].age == 0


def test_cache_control_decides_when_the_set_is_stale() -> None:
    net, clock = Net(cache_control="max-age=1000", age="100"), Clock(1e9)
    directory = net.directory(clock=clock)
    directory.refresh(ISSUER)
    clock.now += 900
    assert directory.health()[ISSUER].state == "fresh"
    clock.now += 1
    assert directory.health()[ISSUER].state == "stale"


BAD = {
    "redirect": (301, "application/json", {"location": URL}),
    "not-found": (404, "application/json", {}),
    "server-error": (500, "application/json", {}),
    "no-content": (204, "application/json", {}),
    "not-modified-unasked": (304, "application/json", {}),
    "html": (200, "text/html", {}),
    "no-type": (200, "", {}),
    "gzip": (200, "application/json", {"content-encoding": "x-gzip"}),
}


@pytest.mark.parametrize(("status", "media_type", "headers"), BAD.values(), ids=BAD)
def test_answer_that_is_no_document_is_a_failure_that_names_the_url(
    status: int, media_type: str, headers: dict[str, str]
) -> None:
    net = Net()
    body = net.answers[URL].content
    net.answers[URL] = httpx.Response(status, content=body, headers={"content-type": media_type, **headers})
    directory = net.directory()
    with pytest.raises(KeyDirectoryError, match=URL):
        directory.refresh(ISSUER)
    assert len(net.asked) == 1
    assert directory.health()[ISSUER].state == "unavailable"


@pytest.mark.parametrize("media_type", ["application/json", "Application/JWK-Set+JSON; charset=utf-8"])
def test_media_types_of_a_key_set_are_taken(media_type: str) -> None:
    net = Net(content_type=media_type)
    assert net.directory().find(ISSUER, A.kid) == A.public


def test_client_that_raises_something_of_its_own_is_a_failure() -> None:
    def explode(_: httpx.Request) -> httpx.Response:
        raise RuntimeError("inside")

    client = httpx.Client(transport=httpx.MockTransport(explode))
    directory = KeyDirectory(Issuer(ISSUER, allow=["*"], keys=URL), client=client, observe=ignore)
    with pytest.raises(KeyDirectoryError):
        directory.find(ISSUER, A.kid)
    assert directory.health()[ISSUER].last_error == "it raised RuntimeError"


def test_metadata_leads_to_a_key_set_on_its_own_host_or_a_named_one() -> None:
    net = Net()
    for place, hosts in ((URL, []), ("https://keys.example:8443/k", ["keys.example:8443"])):
        net.set(A, url=place)
        body = json.dumps({"issuer": ISSUER, "jwks_uri": place})
        net.answers[f"{ISSUER}/m"] = httpx.Response(200, content=body, headers={"content-type": "application/json"})
        assert net.directory(Metadata(f"{ISSUER}/m", hosts=hosts)).find(ISSUER, A.kid) == A.public


@pytest.mark.parametrize(
    "place",
    ["https://keys.example/k", "https://127.0.0.1/k", "https://billing.example:8443/k", "http://billing.example/k"],
)
def test_metadata_leads_to_no_other_host(place: str) -> None:
    net = Net()
    net.set(A, url=place)
    body = json.dumps({"issuer": ISSUER, "jwks_uri": place})
    net.answers[f"{ISSUER}/m"] = httpx.Response(200, content=body, headers={"content-type": "application/json"})
    with pytest.raises(KeyDirectoryError, match="another host"):
        net.directory(Metadata(f"{ISSUER}/m")).refresh(ISSUER)
    assert len(net.asked) == 1


def test_repository_is_asked_for_the_kid_in_its_path() -> None:
    net = Net()
    pem = httpx.Response(200, content=A.public.to_pem(), headers={"content-type": "application/x-pem-file"})
    net.answers["https://keys.example/base/billing/key%401"] = pem
    directory = net.directory(ASAPRepository("https://keys.example/base/"))
    assert directory.find(ISSUER, "billing/key@1").thumbprint == A.public.thumbprint
    assert str(net.asked[0].url) == "https://keys.example/base/billing/key%401"
    directory.refresh(ISSUER)
    assert len(net.asked) == 2


def test_chain_of_a_file_and_a_url_asks_the_network_only_for_what_the_file_lacks(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(json.dumps({"keys": [B.public.to_jwk()], "revoked": [{"kid": "r"}]}).encode())
    net = Net()
    directory = net.directory(Chain(path, URL))
    assert directory.find(ISSUER, B.kid) == B.public
    assert net.asked == []
    assert directory.health()[ISSUER].state == "unavailable"
    assert directory.find(ISSUER, A.kid) == A.public
    assert directory.health()[ISSUER].state == "fresh"
    snapshot = directory.snapshot(ISSUER)
    assert {key.kid for key in snapshot} == {A.kid, B.kid}
    assert snapshot.revoked == {"r"}


def test_reset_lets_a_lower_sequence_in_at_the_next_read() -> None:
    net = Net()
    net.set(A, document={"sequence": 9})
    directory = net.directory()
    directory.refresh(ISSUER)
    net.set(B, document={"sequence": 1})
    with pytest.raises(KeyDirectoryError, match="sequence"):
        directory.refresh(ISSUER)
    directory.reset(ISSUER)
    directory.refresh(ISSUER)
    assert directory.find(ISSUER, B.kid) == B.public
    assert directory.snapshot(ISSUER).sequence == 1


def test_stranger_has_neither_snapshot_nor_reset_nor_refresh() -> None:
    net = Net()
    directory = net.directory()
    for method in (directory.snapshot, directory.reset, directory.refresh):
        with pytest.raises(UnknownIssuerError):
            method("https://evil.example")
    assert net.asked == []


def test_closed_directory_reads_no_more_and_still_knows_its_keys() -> None:
    net = Net()
    with net.directory() as directory:
        directory.find(ISSUER, A.kid)
    assert directory.find(ISSUER, A.kid) == A.public
    with pytest.raises(UnknownKeyError):
        directory.find(ISSUER, "nobody")
    with pytest.raises(KeyDirectoryError, match="closed"):
        directory.refresh(ISSUER)
    assert len(net.asked) == 1


def test_directory_over_http_waits_and_a_chain_of_fixed_sets_does_not() -> None:
    assert Net().directory().waits == "blocks"
    assert Net().directory(ASAPRepository("https://keys.example")).waits == "blocks"
    chain = Chain(JWKSet(A.public), JWKSet(B.public))
    directory = KeyDirectory(Issuer(ISSUER, allow=["*"], keys=chain))
    assert directory.waits == "never"
    assert directory.find(ISSUER, B.kid) == B.public
    directory.refresh(ISSUER)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_async_directory_reads_ahead_in_a_task_that_closing_ends(backend: str) -> None:
    net, clock = Net(), Clock(1e9)
    started: list[str] = []

    async def work() -> None:
        hanging = anyio.Event()

        async def answer(request: httpx.Request) -> httpx.Response:
            started.append("read")
            if len(started) > 1:
                await hanging.wait()
            return net(request)

        client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
        issuer = Issuer(ISSUER, allow=["*"], keys=URL)
        directory = AsyncKeyDirectory(issuer, client=client, observe=ignore, clock=clock)
        assert await directory.find(ISSUER, A.kid) == A.public
        clock.now += 250
        for _ in range(5):
            assert await directory.find(ISSUER, A.kid) == A.public
            await anyio.lowlevel.checkpoint()
        assert len(started) == 2
        # By itself the read would be given up after five seconds.
        with anyio.fail_after(2):
            await directory.aclose()
        clock.now += 250
        assert await directory.find(ISSUER, A.kid) == A.public
        await anyio.lowlevel.checkpoint()
        assert len(started) == 2
        await client.aclose()

    anyio.run(work, backend=backend)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_async_directory_serves_one_event_loop_after_the_other(backend: str) -> None:
    net, clock = Net(), Clock(1e9)
    client = httpx.AsyncClient(transport=httpx.MockTransport(net))
    directory = AsyncKeyDirectory(Issuer(ISSUER, allow=["*"], keys=URL), client=client, observe=ignore, clock=clock)

    async def work() -> None:
        assert await directory.find(ISSUER, A.kid) == A.public
        await directory.refresh(ISSUER)

    for _ in range(3):
        anyio.run(work, backend=backend)
    assert len(net.asked) == 4


def test_directory_events_are_logged_by_what_they_ask_of_a_person(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "signedmsg")
    nothing: dict[str, Any] = {"added": (), "removed": (), "revoked": (), "refused": ()}
    for event in (
        DirectoryFetched(issuer=ISSUER, keys=1, sequence=None),
        DirectoryNotModified(issuer=ISSUER),
        DirectoryChanged(issuer=ISSUER, **nothing),
        DirectoryChanged(issuer=ISSUER, **{**nothing, "refused": ("k: private",)}),
        DirectoryChanged(issuer=ISSUER, **nothing, changed=("k",)),
        DirectoryFailed(issuer=ISSUER, reason="down"),
        DirectoryStale(issuer=ISSUER, age=301.0),
        DirectoryExpired(issuer=ISSUER, age=3901.0),
        FloodSuppressed(issuer=ISSUER),
    ):
        log_event(event)
    levels = [record.levelname for record in caplog.records]
    assert levels == ["DEBUG", "DEBUG", "INFO", "WARNING", "INFO", "WARNING", "WARNING", "WARNING", "ERROR", "WARNING"]
    assert all(ISSUER in record.getMessage() for record in caplog.records)
