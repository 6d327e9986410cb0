"""Receivers: what they are built of, and what they tell an observer; a cache of the wrong colour admits nothing."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from pydantic import BaseModel

from signedmsg import (
    AsyncKeyDirectory,
    AsyncReceiver,
    AsyncSQLiteReplayCache,
    JWKSet,
    KeyDirectory,
    KeyDirectoryError,
    MemoryReplayCache,
    PayloadError,
    Receiver,
    ReplayedError,
    SQLiteReplayCache,
    StoreError,
    VerificationError,
)

from .peers import AUDIENCE, ISSUER, KEY, Clock, async_receiver, ignore, memory, receiver, sign, trusted


class Cache:
    """A replay cache that says of itself what a test wants, and answers or raises it."""

    def __init__(self, answer: object = True, *, waits: Any = "never", shared: bool = True) -> None:
        self.waits, self.shared, self.durable = waits, shared, False
        self.answer = answer
        self.calls: list[tuple[bytes, float, str, float]] = []

    def add(self, key: bytes, keep: float, *, issuer: str, issued_at: float) -> Any:
        self.calls.append((key, keep, issuer, issued_at))
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


async def true() -> bool:
    return True


FACES = pytest.mark.parametrize("face", [Receiver, AsyncReceiver])


def directory() -> KeyDirectory:
    return KeyDirectory(trusted())


@FACES
def test_receiver_has_no_default_for_what_security_depends_on(face: Any) -> None:
    for parts in ((), (AUDIENCE,), (AUDIENCE, directory())):
        with pytest.raises(TypeError):
            face(*parts)


@FACES
def test_every_wrong_option_is_named_at_once(face: Any) -> None:
    with pytest.raises(ValueError, match=r"audience.*leeway.*max_lifetime.*max_size.*account"):
        face("", directory(), memory(), leeway=-1, max_lifetime=301, max_size=0, account="\n")


@FACES
@pytest.mark.parametrize(
    "wrong", [None, {}, KeyDirectory, JWKSet(KEY.public), trusted()], ids=["none", "dict", "class", "set", "issuer"]
)
def test_what_finds_no_keys_is_no_directory(face: Any, wrong: Any) -> None:
    with pytest.raises(TypeError, match="directory"):
        face(AUDIENCE, wrong, memory())


@FACES
@pytest.mark.parametrize("wrong", [None, {}, MemoryReplayCache, object()], ids=["none", "dict", "class", "object"])
def test_what_remembers_nothing_is_no_replay_cache(face: Any, wrong: Any) -> None:
    with pytest.raises(TypeError, match="replay"):
        face(AUDIENCE, directory(), wrong)


@FACES
def test_set_as_replay_cache_is_refused_for_it_cannot_say_how_it_waits(face: Any) -> None:
    with pytest.raises(TypeError, match="how it waits"):
        face(AUDIENCE, directory(), set())


def test_blocking_receiver_refuses_a_cache_and_a_directory_that_suspend(tmp_path: Any) -> None:
    with pytest.raises(TypeError, match="suspends"):
        Receiver(AUDIENCE, directory(), Cache(waits="suspends"))
    with pytest.raises(TypeError, match="suspends"):
        Receiver(AUDIENCE, AsyncKeyDirectory(trusted()), memory())  # type: ignore[arg-type]


def test_async_receiver_refuses_what_would_block_its_loop(tmp_path: Any) -> None:
    file = tmp_path / "keys.json"
    file.write_text(JWKSet(KEY.public).to_json())
    with SQLiteReplayCache(tmp_path / "replay.db") as cache, pytest.raises(TypeError, match="AsyncSQLiteReplayCache"):
        AsyncReceiver(AUDIENCE, directory(), cache)
    with pytest.raises(TypeError, match="blocks"):
        AsyncReceiver(AUDIENCE, KeyDirectory(trusted(keys=file)), memory())


def test_async_receiver_takes_what_never_waits_and_what_suspends(tmp_path: Any) -> None:
    async def work() -> None:
        async with AsyncSQLiteReplayCache(tmp_path / "replay.db") as suspending:
            for cache in (memory(), suspending):
                for one in (directory(), AsyncKeyDirectory(trusted())):
                    assert AUDIENCE in repr(AsyncReceiver(AUDIENCE, one, cache))

    anyio.run(work)


@FACES
def test_process_local_cache_is_refused_where_several_processes_share_the_audience(face: Any) -> None:
    with pytest.raises(ValueError, match=r"each of 2 processes.*SQLiteReplayCache"):
        face(AUDIENCE, directory(), memory(), processes=2)
    assert face(AUDIENCE, directory(), memory(), processes=1)


def test_shared_cache_serves_several_processes(tmp_path: Any) -> None:
    with SQLiteReplayCache(tmp_path / "replay.db") as cache:
        assert Receiver(AUDIENCE, directory(), cache, processes=8)


@pytest.mark.parametrize("shared", [1, "yes", None])
def test_cache_that_does_not_plainly_say_it_is_shared_counts_as_process_local(shared: Any) -> None:
    with pytest.raises(ValueError, match="processes"):
        Receiver(AUDIENCE, directory(), Cache(shared=shared), processes=2)


@FACES
@pytest.mark.parametrize("processes", [0, -1, 1.0, True, "2", None])
def test_number_of_processes_is_a_whole_number(face: Any, processes: Any) -> None:
    with pytest.raises(ValueError, match="processes"):
        face(AUDIENCE, directory(), Cache(), processes=processes)


@pytest.mark.parametrize("answer", [False, None, 1, "true", object()], ids=repr)
def test_cache_that_answers_anything_but_true_admits_nothing(answer: object) -> None:
    with pytest.raises(ReplayedError):
        receiver(Cache(answer)).verify(sign())
    with pytest.raises(ReplayedError):
        anyio.run(async_receiver(Cache(answer)).verify, sign())


@pytest.mark.parametrize("waits", ["never", "blocks"])
def test_coroutine_that_a_cache_returns_to_a_blocking_receiver_admits_nothing(waits: str) -> None:
    answer = true()
    with pytest.raises(ReplayedError):
        receiver(Cache(answer, waits=waits)).verify(sign())
    answer.close()


FAILURES = [ConnectionError("redis-7.internal.example"), KeyError("x"), OSError(5, "x"), RuntimeError()]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda one: type(one).__name__)
def test_cache_that_fails_in_its_own_way_is_an_outage_at_both_faces(failure: Exception) -> None:
    for verify in (
        receiver(Cache(failure)).verify,
        lambda token: anyio.run(async_receiver(Cache(failure)).verify, token),
    ):
        with pytest.raises(StoreError) as caught:
            verify(sign())
        assert caught.value.__cause__ is failure
        assert "internal" not in str(caught.value)


class FailingDirectory(KeyDirectory):
    def find(self, issuer: str, kid: str) -> Any:
        raise LookupError("ldap-3.internal.example")


def test_directory_that_fails_in_its_own_way_is_an_outage() -> None:
    with pytest.raises(KeyDirectoryError) as caught:
        receiver(directory=FailingDirectory(trusted())).verify(sign())
    assert "internal" not in str(caught.value)


def test_interruption_in_a_cache_is_not_turned_into_an_error() -> None:
    with pytest.raises(KeyboardInterrupt):
        receiver(Cache(KeyboardInterrupt())).verify(sign())


def test_cache_is_asked_once_with_issuer_keep_and_the_moment_of_signing() -> None:
    cache = Cache()
    receiver(cache).verify(sign())
    ((key, keep, issuer, issued_at),) = cache.calls
    assert (len(key), keep, issuer, issued_at) == (16, 240, ISSUER, 1_800_000_000.25)


class Invoice(BaseModel):
    number: int


def test_model_makes_the_data_and_is_checked_before_the_cache_is_asked() -> None:
    cache = Cache()
    assert receiver(cache).verify(sign({"number": 1}), Invoice).data == Invoice(number=1)
    with pytest.raises(PayloadError):
        receiver(cache).verify(sign({"number": "x"}), Invoice)
    assert len(cache.calls) == 1


@pytest.mark.parametrize("wrong", [object(), [1], {"a": 1}], ids=["object", "list", "dict"])
def test_what_is_no_model_is_a_type_error_whatever_the_token(wrong: Any) -> None:
    with pytest.raises(TypeError):
        receiver().verify("junk", wrong)


def test_audience_of_the_configuration_is_brought_to_normal_form() -> None:
    face = Receiver("HTTPS://SHOP.example:443/inbox", directory(), memory(), clock=Clock(), observe=ignore)
    assert face.verify(sign()).audience == AUDIENCE
    assert repr(face) == f"<Receiver '{AUDIENCE}'>"


def test_audience_error_says_what_was_expected_and_not_what_was_seen() -> None:
    with pytest.raises(VerificationError) as caught:
        receiver().verify(sign(audience="https://evil.example/"))
    assert AUDIENCE in str(caught.value)
    assert "evil" not in str(caught.value)
