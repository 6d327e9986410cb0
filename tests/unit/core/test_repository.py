"""The keys of a repository: a state machine a kid, one budget for all that are not known."""

from __future__ import annotations

from typing import Any

import pytest

from signedmsg import Freshness, KeyDirectoryError, SigningKey, UnknownKeyError
from signedmsg._core.events import DirectoryChanged, DirectoryFailed
from signedmsg._core.known import Read
from signedmsg._core.repository import RepositoryKeys
from signedmsg._jose.jwks import MAX_KEYS

ISSUER = "billing"
A, B = SigningKey.generate(), SigningKey.generate()
NONE = Read(())


def repository(*kids: str, prefix: str = "") -> RepositoryKeys:
    keys = RepositoryKeys(ISSUER, Freshness(), rsa="RS256", prefix=prefix)
    for kid in kids:
        learn(keys, kid, A, 0.0)
    return keys


def learn(keys: RepositoryKeys, kid: str, key: SigningKey | None, now: float) -> list[Any]:
    keys.begin(kid, now)
    return keys.learn(kid, NONE if key is None else Read((key.public.to_pem().encode(),)), now, 0.0)


def test_key_is_known_under_the_kid_it_was_asked_for_alone() -> None:
    keys = repository("billing/1")
    found = keys.known("billing/1", 1.0)
    assert found is not None
    assert (found.kid, found.thumbprint) == ("billing/1", A.public.thumbprint)
    assert keys.known("billing/2", 1.0) is None


def test_missing_key_is_unknown_and_not_looked_for_again_for_30_seconds() -> None:
    keys = repository()
    learn(keys, "x", None, 0.0)
    assert isinstance(keys.why_not("x", 1.0), UnknownKeyError)
    assert not keys.worth_reading("x", 29.0)
    assert keys.worth_reading("x", 30.0)


def test_more_keys_than_the_bucket_holds_are_found_one_after_the_other() -> None:
    keys = repository()
    for number in range(10):
        assert keys.worth_reading(f"k{number}", 0.0)
        learn(keys, f"k{number}", A, 0.0)
    assert len(keys.snapshot(0.0)) == 10


def test_flood_of_missing_kids_is_bounded_by_the_bucket_and_says_it_could_not_look() -> None:
    keys, reads = repository("good"), 0
    for number in range(200):
        if keys.worth_reading(f"x{number}", 60.0 * number / 200):
            reads += 1
            learn(keys, f"x{number}", None, 60.0 * number / 200)
    assert reads <= 4
    assert isinstance(keys.why_not("x199", 60.0), KeyDirectoryError)
    assert [keys.suppresses(f"y{number}", 60.0) for number in range(3)][1:] == [False, False]
    assert keys.known("good", 60.0) is not None


def test_flood_while_the_repository_fails_is_bounded_by_the_backoff() -> None:
    keys, reads = repository(), 0
    for number in range(200):
        now = 60.0 * number / 200
        if keys.worth_reading(f"x{number}", now):
            reads += 1
            keys.begin(f"x{number}", now)
            keys.failed(f"x{number}", "down", now, 0.0)
    assert reads <= 6
    assert isinstance(keys.why_not("x", 60.0), KeyDirectoryError)


@pytest.mark.parametrize(
    "kid", ["", "..", "a/../b", "a//b", "/a", "a/", "./a", "a b", "a?b", "a#b", "a%2fb", "ä", "a\\b"]
)
def test_kid_that_could_lead_elsewhere_is_unknown_without_a_read(kid: str) -> None:
    keys = repository()
    assert not keys.worth_reading(kid, 0.0)
    assert isinstance(keys.why_not(kid, 0.0), UnknownKeyError)


def test_kid_without_the_prefix_of_the_issuer_is_unknown_without_a_read() -> None:
    keys = repository(prefix="billing/")
    assert keys.worth_reading("billing/1", 0.0)
    assert not keys.worth_reading("shop/1", 0.0)
    assert isinstance(keys.why_not("shop/1", 0.0), UnknownKeyError)


def test_key_that_is_gone_at_its_next_read_is_removed() -> None:
    keys = repository("k")
    assert keys.due("k", 250.0)
    events = learn(keys, "k", None, 250.0)
    assert DirectoryChanged(issuer=ISSUER, added=(), removed=("k",), revoked=(), refused=()) in events
    assert keys.known("k", 250.0) is None
    assert isinstance(keys.why_not("k", 250.0), UnknownKeyError)


def test_key_that_was_replaced_under_its_kid_is_reported_and_used() -> None:
    keys = repository("k")
    (_, event) = learn(keys, "k", B, 250.0)
    assert event.changed == ("k",)
    found = keys.known("k", 250.0)
    assert found is not None
    assert found.thumbprint == B.public.thumbprint


def test_known_key_is_used_while_the_repository_fails() -> None:
    keys = repository("k")
    keys.failed("k", "down", 250.0, 0.0)
    assert keys.known("k", 3900.0) is not None
    assert keys.known("k", 3901.0) is None
    assert isinstance(keys.why_not("k", 3901.0), KeyDirectoryError)


def test_what_is_no_pem_is_a_failure_and_no_key() -> None:
    keys = repository()
    keys.begin("k", 0.0)
    events = keys.learn("k", Read((b"<html>",)), 0.0, 0.0)
    assert DirectoryFailed in map(type, events)
    assert isinstance(keys.why_not("k", 0.0), KeyDirectoryError)


def test_number_of_keys_held_is_bounded() -> None:
    keys = repository(*(f"k{number}" for number in range(MAX_KEYS + 1)))
    assert len(keys.held()) == MAX_KEYS
    assert keys.known("k0", 0.0) is None


def test_health_is_that_of_the_keys_held() -> None:
    assert repository().health(0.0).state == "fresh"
    keys = repository("k")
    assert [keys.health(now).state for now in (300.0, 301.0, 3901.0)] == ["fresh", "stale", "unavailable"]
    empty = repository()
    empty.failed("k", "down", 0.0, 0.0)
    assert (empty.health(0.0).state, empty.health(0.0).last_error) == ("unavailable", "down")
