"""Reading ahead is bounded for a directory as a whole, however many of its sources are silent."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest

from signedmsg import AsyncKeyDirectory, Issuer, JWKSet, KeyDirectory, SigningKey
from signedmsg.keys.ports import AsyncPorts
from signedmsg.keys.turns import THREADS, Turns
from tests.unit.peers import Clock, ignore

if TYPE_CHECKING:
    from collections.abc import Generator

    from signedmsg.keys.place import Place

KEY = SigningKey.generate()
DOCUMENT = JWKSet(KEY.public).to_json().encode()
OLD = 250.0


def document() -> httpx.Response:
    return httpx.Response(200, headers={"content-type": "application/jwk-set+json"}, content=DOCUMENT)


def issuers(count: int) -> list[Issuer]:
    return [Issuer(f"https://issuer-{number}.example", allow=["*"]) for number in range(count)]


class Silent:
    """A blocking directory of sources that answer once, and are then silent until they are let go."""

    def __init__(self, count: int) -> None:
        self.silent = False
        self.let_go = threading.Event()
        self.asked: list[str] = []
        self.clock = Clock(1e9)
        self.issuers = issuers(count)
        client = httpx.Client(transport=httpx.MockTransport(self._answer))
        self.directory = KeyDirectory(*self.issuers, client=client, clock=self.clock, observe=ignore)
        self.find_all()
        self.silent, self.clock.now = True, self.clock.now + OLD
        self.asked.clear()

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.host)
        if self.silent:
            self.let_go.wait(20)
        return document()

    def find_all(self) -> None:
        for issuer in self.issuers:
            self.directory.find(issuer.id, KEY.kid)

    def threads(self) -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "signedmsg-keys"]

    def until_quiet(self) -> None:
        for thread in self.threads():
            thread.join(10)


@pytest.fixture
def sources() -> Generator[Silent]:
    found = Silent(THREADS + 8)
    yield found
    found.let_go.set()
    found.directory.close()


def test_silent_sources_cost_a_directory_32_threads_and_nobody_waits(sources: Silent) -> None:
    sources.find_all()
    sources.find_all()
    assert THREADS == len(sources.threads()) == 32


def test_source_that_found_no_turn_is_read_by_the_next_look_up(sources: Silent) -> None:
    sources.find_all()
    sources.let_go.set()
    sources.until_quiet()
    sources.find_all()
    sources.until_quiet()
    assert len(sources.asked) == len(set(sources.asked)) == THREADS + 8


def test_closing_a_directory_whose_turns_are_all_taken_waits_for_those_reads(sources: Silent) -> None:
    sources.find_all()
    closing = threading.Thread(target=sources.directory.close)
    closing.start()
    assert closing.is_alive()
    sources.let_go.set()
    closing.join(10)
    assert (closing.is_alive(), sources.threads()) == (False, [])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_child_of_a_process_whose_turns_are_all_taken_has_turns_of_its_own(sources: Silent) -> None:
    sources.find_all()
    child = os.fork()
    if not child:
        sources.silent = False
        sources.asked.clear()
        sources.directory.find(sources.issuers[-1].id, KEY.kid)
        sources.until_quiet()
        os._exit(len(sources.asked))
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 1


class FewTasks(AsyncKeyDirectory):
    """An async directory with ten turns in place of its thousands."""

    turns = Turns(10)

    def make_ports(self, place: Place) -> AsyncPorts:
        return AsyncPorts(place, self.fetcher, self.turns)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_silent_sources_cost_an_async_directory_no_more_tasks_than_it_has_turns(backend: str) -> None:
    clock, count = Clock(1e9), 15
    asked: list[str] = []

    async def work() -> int:
        let_go = anyio.Event()

        async def answer(request: httpx.Request) -> httpx.Response:
            asked.append(request.url.host)
            if clock.now > 1e9:
                await let_go.wait()
            return document()

        async def find_all() -> None:
            for issuer in issuers(count):
                await directory.find(issuer.id, KEY.kid)
            await anyio.wait_all_tasks_blocked()

        client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
        directory = FewTasks(*issuers(count), client=client, clock=clock, observe=ignore)
        await find_all()
        asked.clear()
        clock.now += OLD
        await find_all()
        under_way = len(asked)
        let_go.set()
        await anyio.wait_all_tasks_blocked()
        await find_all()
        await directory.aclose()
        await client.aclose()
        return under_way

    assert anyio.run(work, backend=backend) == 10
    assert len(asked) == len(set(asked)) == count


def test_turn_comes_back_when_it_is_released() -> None:
    turns = Turns(1)
    turn = turns.take(1)
    assert turn is not None
    assert turns.take(1) is None
    turn.release()
    assert turns.take(1) is turn


def test_turns_of_one_process_or_loop_are_none_of_anothers() -> None:
    turns = Turns(1)
    parents = turns.take(1)
    assert parents is not None
    assert turns.take(2) is not None
    parents.release()
    assert turns.take(2) is None
