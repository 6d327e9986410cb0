"""Every token is accepted once: in a row, at once, late, after a step of the clock, and after a restart."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from signedmsg import (
    AsyncSQLiteReplayCache,
    MemoryReplayCache,
    Message,
    QuotaError,
    ReplayedError,
    SQLiteReplayCache,
    StoreError,
    VerificationError,
)

from .peers import NOW, Clock, async_receiver, memory, receiver, sign

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LIFETIME, LEEWAY = 60, 30


def sqlite(folder: Path, **options: Any) -> SQLiteReplayCache:
    return SQLiteReplayCache(folder / "replay.db", **{"clock": lambda: NOW - 3600, **options})


def replayed(verify: Callable[[str], object], token: str) -> bool:
    try:
        verify(token)
    except ReplayedError:
        return True
    return False


@pytest.fixture(params=["memory", "sqlite"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "memory":
        yield memory()
    else:
        with sqlite(tmp_path) as made:
            yield made


def test_token_presented_again_is_refused_however_often(cache: Any) -> None:
    face, token = receiver(cache), sign()
    assert face.verify(token).data == 42
    assert [replayed(face.verify, token) for _ in range(5)] == [True] * 5


def test_one_of_64_threads_wins(cache: Any) -> None:
    face, token = receiver(cache), sign()
    results: list[bool] = []
    together = threading.Barrier(64)

    def present() -> None:
        together.wait()
        results.append(replayed(face.verify, token))

    threads = [threading.Thread(target=present) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False] + [True] * 63


async def compete(face: Any, token: str) -> list[str]:
    """Let 64 tasks present one token at once."""
    results: list[str] = []

    async def present() -> None:
        try:
            results.append(type(await face.verify(token)).__name__)
        except VerificationError as error:
            results.append(error.code)

    async with anyio.create_task_group() as group:
        for _ in range(64):
            group.start_soon(present)
    return sorted(results)


ONE_WINNER = ["Message"] + ["replayed"] * 63


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_one_of_64_tasks_wins_with_the_memory_cache(backend: str) -> None:
    assert anyio.run(compete, async_receiver(memory()), sign(), backend=backend) == ONE_WINNER


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_one_of_64_tasks_wins_with_the_sqlite_cache(tmp_path: Path, backend: str) -> None:
    async def work() -> list[str]:
        async with AsyncSQLiteReplayCache(tmp_path / "replay.db", clock=lambda: NOW - 3600) as cache:
            return await compete(async_receiver(cache), sign())

    assert anyio.run(work, backend=backend) == ONE_WINNER


def test_replay_in_the_last_second_of_the_leeway_is_refused(cache: Any) -> None:
    clock, token = Clock(), sign()
    face = receiver(cache, clock=clock)
    face.verify(token)
    clock.now = int(NOW) + LIFETIME + LEEWAY - 1
    assert replayed(face.verify, token)
    clock.now += 1
    with pytest.raises(VerificationError) as caught:
        face.verify(token)
    assert caught.value.code == "expired"


@pytest.mark.parametrize("seconds", [1, 25, 3000])
def test_replay_after_the_receivers_clock_stepped_back_is_refused(cache: Any, seconds: int) -> None:
    clock = Clock(NOW + 85)
    face, token = receiver(cache, clock=clock), sign()
    face.verify(token)
    clock.now = max(NOW + 85 - seconds, NOW - LEEWAY)
    assert replayed(face.verify, token)


class Wall:
    """One wall clock for the cache and, off by some seconds, for the receivers of two hosts."""

    def __init__(self, now: float) -> None:
        self.now = now

    def off_by(self, seconds: float) -> Callable[[], float]:
        return lambda: self.now + seconds


def test_receivers_whose_clocks_are_50_seconds_apart_accept_a_token_once(tmp_path: Path) -> None:
    wall, token = Wall(NOW - 10), sign()
    with sqlite(tmp_path, clock=wall.off_by(0)) as one, sqlite(tmp_path, clock=wall.off_by(0)) as other:
        fast, slow = receiver(one, clock=wall.off_by(25)), receiver(other, clock=wall.off_by(-25))
        wall.now = NOW
        assert fast.verify(token).data == 42
        # As long as the slow host takes the token for valid, its id is still known.
        ages = [*range(0, LIFETIME + LEEWAY + 25, 5), LIFETIME + LEEWAY + 24]
        for age in ages:
            wall.now = NOW + age
            assert replayed(slow.verify, token), age
        wall.now += 1
        with pytest.raises(VerificationError) as caught:
            slow.verify(token)
    assert caught.value.code == "expired"


def test_fast_host_refuses_as_expired_what_the_slow_one_still_knows(tmp_path: Path) -> None:
    token = sign()
    with sqlite(tmp_path) as cache:
        assert receiver(cache, clock=Clock(NOW + 64)).verify(token).data == 42
        assert replayed(receiver(cache, clock=Clock(NOW + 14)).verify, token)
        with pytest.raises(VerificationError) as caught:
            receiver(cache, clock=Clock(NOW + 100)).verify(token)
    assert caught.value.code == "expired"


def test_replay_after_a_restart_on_sqlite_is_refused(tmp_path: Path) -> None:
    token = sign()
    with sqlite(tmp_path) as cache:
        receiver(cache).verify(token)
    with sqlite(tmp_path) as cache:
        assert replayed(receiver(cache).verify, token)


def test_token_signed_before_a_restart_on_sqlite_and_not_yet_presented_is_accepted(tmp_path: Path) -> None:
    token = sign()
    with sqlite(tmp_path) as cache:
        receiver(cache).verify(sign())
    with sqlite(tmp_path) as cache:
        assert receiver(cache).verify(token).data == 42


@pytest.mark.parametrize("make", ["memory", "sqlite"])
def test_first_message_after_a_cache_was_made_is_accepted_at_once_on_real_clocks(make: str, tmp_path: Path) -> None:
    cache: Any = MemoryReplayCache() if make == "memory" else SQLiteReplayCache(tmp_path / "replay.db")
    try:
        assert receiver(cache, clock=time.time).verify(sign(clock=time.time)).data == 42
    finally:
        getattr(cache, "close", int)()


def test_replay_after_a_restart_with_a_memory_cache_in_the_same_second_is_refused_on_real_clocks() -> None:
    before = MemoryReplayCache()
    token = sign(clock=time.time)
    assert receiver(before, clock=time.time).verify(token).data == 42
    after = MemoryReplayCache()
    with pytest.raises(StoreError) as caught:
        receiver(after, clock=time.time).verify(token)
    assert caught.value.public_code == "unavailable"
    # An honest sender signs anew, and is not held up.
    assert receiver(after, clock=time.time).verify(sign(clock=time.time)).data == 42


@pytest.mark.parametrize("age", [0.001, 0.5, 10.0, 59.0])
def test_token_from_before_a_restart_is_refused_for_as_long_as_it_lives(age: float) -> None:
    token = sign()
    after = memory(clock=lambda: NOW + age)
    with pytest.raises(StoreError):
        receiver(after, clock=Clock(NOW + age)).verify(token)


REFUSED: dict[str, Callable[[str], Any]] = {
    "tampered-payload": lambda token: ".".join((token.split(".")[0], "e30", token.split(".")[2])),
    "tampered-signature": lambda token: token.rpartition(".")[0] + "." + "A" * 86,
    "cut-short": lambda token: token[:-1],
    "wrapped": lambda token: f" {token}",
}


@pytest.mark.parametrize("spoil", REFUSED.values(), ids=REFUSED)
def test_spoilt_copy_does_not_use_up_the_token(cache: Any, spoil: Callable[[str], Any]) -> None:
    face, token = receiver(cache), sign()
    with pytest.raises(VerificationError):
        face.verify(spoil(token))
    assert face.verify(token).data == 42


ELSEWHERE: dict[str, dict[str, Any]] = {
    "too-early": {"clock": Clock(NOW - 100)},
    "of-another-account": {"account": "acme"},
    "too-large": {"max_size": 300},
}


@pytest.mark.parametrize("options", ELSEWHERE.values(), ids=ELSEWHERE)
def test_token_refused_by_its_receivers_rules_is_not_used_up(cache: Any, options: dict[str, Any]) -> None:
    token = sign()
    with pytest.raises(VerificationError):
        receiver(cache, **options).verify(token)
    assert receiver(cache).verify(token).data == 42


def test_token_refused_for_its_data_is_accepted_once_the_model_is_mended(cache: Any) -> None:
    token = sign(42)
    with pytest.raises(VerificationError):
        receiver(cache).verify(token, dict[str, int])
    assert receiver(cache).verify(token, int).data == 42


def test_flood_of_one_issuer_refuses_that_issuer_alone() -> None:
    cache = memory(capacity=4, quota=2)
    face = receiver(cache)
    for _ in range(2):
        face.verify(sign())
    with pytest.raises(QuotaError) as caught:
        face.verify(sign())
    assert caught.value.retry_after > 0
    assert cache.add(b"1" * 16, 1, issuer="https://other.example", issued_at=NOW)


def test_two_attempts_of_one_message_are_two_tokens(cache: Any) -> None:
    face = receiver(cache)
    first, second = (face.verify(sign(id="m-1")) for _ in range(2))
    assert isinstance(first, Message)
    assert (first.id, second.id) == ("m-1", "m-1")
    assert first.jti != second.jti
