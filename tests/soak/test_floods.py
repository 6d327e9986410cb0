"""A flood of forged tokens: none of them is ever written down, so it fills no cache and uses up no id."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from signedmsg import KeyDirectory, MemoryReplayCache, Receiver, SQLiteReplayCache, VerificationError
from tests.conformance.table import BILLING, Recording
from tests.conformance.tokens import AUDIENCE, ISSUER, NOW, b64, envelope, header_of, key, payload_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEED = 20_260_101
JTI = b"JTI-JTI-JTI-JTI-JTI-"


def quiet(_: object) -> None:
    """Observe nothing."""


def forged(count: int) -> Iterator[str]:
    """Yield tokens with ids of their own: of strangers, under wrong kids and algorithms, with made-up signatures."""
    random, signer = Random(SEED), key("ES256")
    genuine, unknown_kid, other_alg = (
        b64(header_of(signer, changes)) for changes in ({}, {"kid": "nobody"}, {"alg": "ES384"})
    )
    heads = [genuine] * 7 + [unknown_kid, unknown_kid, other_alg]
    template = payload_of({"jti": JTI.decode()})
    strange = template.replace(ISSUER.encode(), b"https://evil.example")
    for number in range(count):
        payload = (strange if number % 7 == 0 else template).replace(JTI, b"%020d" % number)
        yield f"{heads[number % 10]}.{b64(payload)}.{b64(random.randbytes(64))}"


def flood(count: int, cache: Any) -> Counter[str]:
    """Flood a receiver whose cache has room for one id; then one genuine token must still find that room."""
    recording = Recording(cache)
    face = Receiver(AUDIENCE, KeyDirectory(BILLING), recording, clock=lambda: NOW, observe=quiet)
    codes = Counter[str]()
    for token in forged(count):
        try:
            face.verify(token)
        except VerificationError as error:
            codes[error.code] += 1
    assert recording.asked == 0
    assert face.verify(envelope()).issuer == ISSUER
    assert (recording.asked, recording.admitted) == (1, 1)
    return codes


def memory_cache() -> MemoryReplayCache:
    return MemoryReplayCache(capacity=1, clock=lambda: NOW - 3600)


def sqlite_cache(folder: Path) -> SQLiteReplayCache:
    return SQLiteReplayCache(folder / "replay.db", capacity=1, clock=lambda: NOW - 3600)


def test_forged_tokens_leave_the_memory_cache_empty() -> None:
    codes = flood(10_000, memory_cache())
    assert codes.total() == 10_000
    assert codes.keys() == {"unknown_issuer", "unknown_key", "unsupported", "invalid_signature"}


def test_forged_tokens_leave_the_sqlite_cache_empty(tmp_path: Path) -> None:
    with sqlite_cache(tmp_path) as cache:
        assert flood(10_000, cache).total() == 10_000


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_million_forged_tokens_leave_the_memory_cache_empty() -> None:
    assert flood(1_000_000, memory_cache()).total() == 1_000_000


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_hundred_thousand_forged_tokens_leave_the_sqlite_cache_empty(tmp_path: Path) -> None:
    with sqlite_cache(tmp_path) as cache:
        assert flood(100_000, cache).total() == 100_000
