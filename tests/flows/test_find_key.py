"""Every interleaving of callers that look for a key while its source is read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from signedmsg import Freshness, KeyDirectoryError, PublicKey, SigningKey, UnknownKeyError
from signedmsg._core.directory import IssuerKeys
from signedmsg._core.known import Read
from signedmsg._core.repository import RepositoryKeys
from signedmsg._flows.keys import find_key, refresh

from .explore import Cancelled, Lock, World, explore, step

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from signedmsg._core.events import Event
    from signedmsg._core.known import Validator

KEY = SigningKey.generate()
NEW = SigningKey.generate()
ISSUER = "https://a.example"


def document(*keys: SigningKey, **more: object) -> bytes:
    return json.dumps({"keys": [key.public.to_jwk() for key in keys], **more}).encode()


class Source:
    """Ports whose read suspends before and after it looks, and a machine that knows nothing yet."""

    def __init__(self, answer: Callable[[str | None], Read], *, repository: bool = False) -> None:
        self.answer = answer
        self.asked: list[str | None] = []
        self.time = 1000.0
        self.lock = Lock()
        self.beside: list[Coroutine[object, object, None]] = []
        self.keys: Any = (
            RepositoryKeys(ISSUER, Freshness(), rsa="RS256", prefix="")
            if repository
            else IssuerKeys(ISSUER, Freshness())
        )

    def now(self) -> float:
        return self.time

    def jitter(self) -> float:
        return 0.0

    def busy(self) -> bool:
        return self.lock.held

    def reading(self) -> Lock:
        return self.lock

    async def read(self, kid: str | None, validator: Validator | None) -> Read:
        await step()
        self.asked.append(kid)
        got = self.answer(kid)
        await step()
        return got

    def start(self, work: Callable[[], Coroutine[object, object, None]]) -> None:
        self.beside.append(work())

    def notice(self, event: Event) -> None:
        pass

    def warm(self, *known: SigningKey, age: float) -> Source:
        """Let the source have been read `age` seconds ago."""
        self.keys.learn(None, Read((document(*known),)), self.time - age, 0.0)
        return self

    async def find(self, kid: str) -> object:
        return await find_key([(self, self.keys)], kid)

    async def find_and_work(self, kid: str) -> object:
        """Find a key, then do what was started beside it, as a thread or task would."""
        found = await self.find(kid)
        while self.beside:
            await self.beside.pop()
        return found


def giving(*keys: SigningKey, **more: object) -> Callable[[str | None], Read]:
    return lambda _: Read((document(*keys, **more),))


def failing(_: str | None) -> Read:
    raise KeyDirectoryError("down")


def kids(results: list[object]) -> list[object]:
    return [result.kid if isinstance(result, PublicKey) else type(result) for result in results]


def bound(callers: int) -> int | None:
    return None if callers == 2 else 2


@pytest.mark.parametrize("callers", [2, 3])
def test_cold_callers_share_one_read_and_all_find_the_key(callers: int) -> None:
    def make() -> World:
        source = Source(giving(KEY))

        def check(results: list[object]) -> None:
            assert kids(results) == [KEY.kid] * callers
            assert len(source.asked) == 1

        return World([source.find(KEY.kid) for _ in range(callers)], check)

    assert explore(make, preemptions=bound(callers)) > callers


@pytest.mark.parametrize("callers", [2, 3])
def test_cold_callers_of_a_repository_share_one_read_of_their_kid(callers: int) -> None:
    def make() -> World:
        source = Source(lambda _: Read((KEY.public.to_pem().encode(),)), repository=True)

        def check(results: list[object]) -> None:
            assert kids(results) == ["k"] * callers
            assert source.asked == ["k"]

        return World([source.find("k") for _ in range(callers)], check)

    assert explore(make, preemptions=bound(callers)) > callers


def test_callers_of_two_kids_of_a_repository_each_cause_the_read_of_theirs() -> None:
    def make() -> World:
        source = Source(lambda _: Read((KEY.public.to_pem().encode(),)), repository=True)

        def check(results: list[object]) -> None:
            assert kids(results) == ["a", "b"]
            assert sorted(source.asked, key=str) == ["a", "b"]

        return World([source.find("a"), source.find("b")], check)

    assert explore(make) > 2


def test_known_key_is_answered_while_another_caller_reads() -> None:
    answered_first = set()

    def make() -> World:
        source = Source(giving(KEY, NEW)).warm(KEY, age=5)
        order: list[str] = []

        async def noting(kid: str) -> object:
            found = await source.find(kid)
            order.append(kid)
            return found

        def check(results: list[object]) -> None:
            assert kids(results) == [NEW.kid, KEY.kid]
            assert len(source.asked) == 1
            answered_first.add((order[0], len(source.asked)))

        return World([noting(NEW.kid), noting(KEY.kid)], check)

    explore(make)
    assert (KEY.kid, 1) in answered_first


@pytest.mark.parametrize("age", [5.0, 270.0])
def test_known_key_is_answered_while_a_read_never_ends(age: float) -> None:
    source = Source(failing).warm(KEY, age=age)
    source.lock.held = True
    caller = source.find(KEY.kid)
    with pytest.raises(StopIteration) as stop:
        caller.send(None)
    assert kids([stop.value.value]) == [KEY.kid]
    for work in source.beside:
        work.close()


@pytest.mark.parametrize("age", [301.0, 3899.0])
@pytest.mark.parametrize("callers", [2, 3])
def test_key_removed_while_nobody_asked_is_refused_to_every_caller(callers: int, age: float) -> None:
    def make() -> World:
        source = Source(giving(NEW)).warm(KEY, age=age)

        def check(results: list[object]) -> None:
            assert kids(results) == [UnknownKeyError] * callers
            assert len(source.asked) <= 2

        return World([source.find_and_work(KEY.kid) for _ in range(callers)], check)

    assert explore(make, preemptions=bound(callers)) > callers


@pytest.mark.parametrize("callers", [2, 3])
def test_key_that_outlived_its_set_is_found_while_the_source_fails(callers: int) -> None:
    def make() -> World:
        source = Source(failing).warm(KEY, age=500)

        def check(results: list[object]) -> None:
            assert kids(results) == [KEY.kid] * callers
            assert len(source.asked) == 1

        return World([source.find_and_work(KEY.kid) for _ in range(callers)], check)

    assert explore(make, preemptions=bound(callers)) > callers


@pytest.mark.parametrize("callers", [2, 3])
def test_known_key_that_grows_old_is_read_ahead_by_exactly_one(callers: int) -> None:
    def make() -> World:
        source = Source(giving(KEY)).warm(KEY, age=250)

        def check(results: list[object]) -> None:
            assert kids(results) == [KEY.kid] * callers
            assert len(source.asked) == 1
            assert source.keys.health(source.time).age == 0

        return World([source.find_and_work(KEY.kid) for _ in range(callers)], check)

    assert explore(make, preemptions=bound(callers)) > callers


@pytest.mark.parametrize("callers", [2, 3])
def test_unknown_kids_cause_one_read_and_every_caller_is_refused(callers: int) -> None:
    def make() -> World:
        source = Source(giving(KEY)).warm(KEY, age=5)

        def check(results: list[object]) -> None:
            assert kids(results) == [UnknownKeyError] * callers
            assert len(source.asked) == 1

        return World([source.find(f"nobody{number}") for number in range(callers)], check)

    assert explore(make, preemptions=bound(callers)) > callers


def test_new_key_is_found_by_whoever_asks_while_a_stranger_has_it_read() -> None:
    def make() -> World:
        source = Source(giving(KEY, NEW)).warm(KEY, age=5)

        def check(results: list[object]) -> None:
            assert kids(results) == [UnknownKeyError, NEW.kid]
            assert len(source.asked) <= 1 or source.asked[0] == NEW.kid

        return World([source.find("nobody"), source.find(NEW.kid)], check)

    assert explore(make) > 2


def test_flood_of_one_issuer_does_not_hold_up_another() -> None:
    def make() -> World:
        flooded = Source(giving(KEY)).warm(KEY, age=5)
        other = Source(giving(KEY, NEW)).warm(KEY, age=5)

        def check(results: list[object]) -> None:
            assert kids(results) == [UnknownKeyError, NEW.kid, UnknownKeyError]
            assert (len(flooded.asked), len(other.asked)) == (1, 1)

        return World([flooded.find("nobody"), other.find(NEW.kid), flooded.find("no-one")], check)

    assert explore(make, preemptions=2) > 2


def test_cancelled_reader_hands_over_and_the_other_caller_finds_the_key() -> None:
    seen = set()

    def make() -> World:
        source = Source(giving(KEY))

        def check(results: list[object]) -> None:
            assert kids(results)[1] == KEY.kid
            assert kids(results)[0] in (KEY.kid, Cancelled)
            assert len(source.asked) in (1, 2)
            assert source.lock.held is False
            seen.add((kids(results)[0], len(source.asked)))

        return World([source.find(KEY.kid), source.find(KEY.kid)], check, cancel=0)

    assert explore(make) > 10
    # The explorer did reach a reader that was cancelled after its read, and one that was never cancelled.
    assert (Cancelled, 2) in seen
    assert (KEY.kid, 1) in seen


def test_cancelled_reader_of_a_new_kid_hands_over_within_the_budget() -> None:
    seen = set()

    def make() -> World:
        source = Source(giving(KEY, NEW)).warm(KEY, age=5)

        def check(results: list[object]) -> None:
            assert kids(results)[1] == NEW.kid
            seen.add(len(source.asked))

        return World([source.find(NEW.kid), source.find(NEW.kid)], check, cancel=0)

    explore(make)
    assert seen == {1, 2}


def test_readers_that_are_cancelled_again_and_again_are_bounded_by_the_bucket() -> None:
    source = Source(giving(KEY)).warm(KEY, age=5)
    for number in range(20):
        caller: Any = source.find(f"nobody{number}")
        try:
            caller.send(None)  # at the lock
            caller.send(None)  # within the read
            caller.throw(Cancelled())
        except (Cancelled, UnknownKeyError):
            pass
    source.lock.held = False
    assert source.keys.worth_reading("nobody", source.time) is False


@pytest.mark.parametrize("callers", [2, 3])
@pytest.mark.parametrize("answer", [failing, lambda _: Read((b"<html>",))], ids=["down", "malformed"])
def test_failed_first_read_is_an_outage_for_all_and_made_once(
    callers: int, answer: Callable[[str | None], Read]
) -> None:
    def make() -> World:
        source = Source(answer)

        def check(results: list[object]) -> None:
            assert kids(results) == [KeyDirectoryError] * callers
            assert len(source.asked) == 1

        return World([source.find(KEY.kid) for _ in range(callers)], check)

    assert explore(make, preemptions=bound(callers)) > callers


def test_revoked_key_is_refused_to_every_caller_that_comes_after_the_read() -> None:
    def make() -> World:
        source = Source(giving(KEY, revoked=[{"kid": KEY.kid}])).warm(KEY, age=5)

        async def after_reading() -> object:
            try:
                await source.find("nobody")
            except UnknownKeyError:
                return await source.find(KEY.kid)

        def check(results: list[object]) -> None:
            assert isinstance(results[0], UnknownKeyError)
            assert results[0].code == "key_not_valid"

        return World([after_reading(), source.find(KEY.kid)], check)

    assert explore(make) > 2


def test_refresh_reads_even_beside_another_read_and_beyond_every_budget() -> None:
    def make() -> World:
        source = Source(giving(KEY)).warm(KEY, age=5)
        source.keys.failed(None, "down", source.time, 0.0, asked=300.0)

        def check(results: list[object]) -> None:
            assert kids(results) == [type(None), type(None)]
            assert len(source.asked) == 2

        return World([refresh([(source, source.keys)]), refresh([(source, source.keys)])], check)

    assert explore(make) > 2


def test_chain_answers_what_any_source_knows_before_it_reads_any() -> None:
    def make() -> World:
        first, second = Source(failing), Source(failing).warm(KEY, age=5)

        def check(results: list[object]) -> None:
            assert kids(results) == [KEY.kid]
            assert first.asked == []

        return World([find_key([(first, first.keys), (second, second.keys)], KEY.kid)], check)

    assert explore(make) == 1


def test_chain_looks_for_an_unknown_kid_in_each_source_in_order_and_stops_at_the_first_that_has_it() -> None:
    def make() -> World:
        one, two, three = Source(failing), Source(giving(NEW)), Source(giving(KEY))

        def check(results: list[object]) -> None:
            assert kids(results) == [NEW.kid]
            assert [len(source.asked) for source in (one, two, three)] == [1, 1, 0]

        return World([find_key([(each, each.keys) for each in (one, two, three)], NEW.kid)], check)

    assert explore(make) >= 1


@pytest.mark.parametrize("down", [0, 1])
def test_kid_in_no_source_of_a_chain_is_undecided_while_one_cannot_be_read(down: int) -> None:
    def make() -> World:
        sources = [Source(failing) if number == down else Source(giving(KEY)) for number in range(2)]

        def check(results: list[object]) -> None:
            assert kids(results) == [KeyDirectoryError]

        return World([find_key([(each, each.keys) for each in sources], "nobody")], check)

    assert explore(make) >= 1


def test_key_that_any_source_of_a_chain_has_revoked_is_refused() -> None:
    def make() -> World:
        first, second = Source(failing).warm(KEY, age=5), Source(failing)
        second.keys.learn(None, Read((document(revoked=[{"kid": KEY.kid}]),)), second.time, 0.0)

        def check(results: list[object]) -> None:
            assert isinstance(results[0], UnknownKeyError)
            assert results[0].code == "key_not_valid"

        return World([find_key([(each, each.keys) for each in (first, second)], KEY.kid)], check)

    assert explore(make) == 1
