"""One source's keys as a state machine: what it knows, when it reads again, and what it says about it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from signedmsg import Freshness, JWKSet, KeyDirectoryError, SigningKey, UnknownKeyError
from signedmsg._core.directory import IssuerKeys
from signedmsg._core.document import parse_document
from signedmsg._core.events import (
    DirectoryChanged,
    DirectoryExpired,
    DirectoryFailed,
    DirectoryFetched,
    DirectoryNotModified,
    DirectoryStale,
)
from signedmsg._core.known import Read, Validator

ISSUER = "https://billing.example"
A, B = SigningKey.generate(), SigningKey.generate()
START = 1_800_000_000.0


def document(*keys: SigningKey, **more: Any) -> bytes:
    return json.dumps({"keys": [key.public.to_jwk() for key in keys], **more}).encode()


def known(*written: bytes, at: float = 0.0, soft: float | None = None, **options: Any) -> IssuerKeys:
    """Return a machine that has read these documents at this time after the start."""
    keys = IssuerKeys(ISSUER, options.pop("freshness", Freshness()), **options)
    events = reread(keys, *written, at=at, soft=soft)
    assert DirectoryFailed not in map(type, events)
    return keys


def reread(
    keys: IssuerKeys, *written: bytes, at: float, kid: str | None = None, soft: float | None = None
) -> list[Any]:
    keys.begin(kid, START + at)
    return keys.learn(kid, Read(written, soft), START + at, 0.0)


def fail(keys: IssuerKeys, at: float, asked: float = 0.0, jitter: float = 0.0) -> list[Any]:
    keys.begin(None, START + at)
    return keys.failed(None, "down", START + at, jitter, asked=asked)


def has(keys: IssuerKeys, key: SigningKey, at: float) -> bool:
    return keys.known(key.kid, START + at) is not None


def code(keys: IssuerKeys, kid: str, at: float) -> str:
    return keys.why_not(kid, START + at).code


@pytest.mark.parametrize(
    "written", [b"<html>", b'{"keys":{}}', b'{"keys":[],"sequence":-1}', b'{"keys":[],"revoked":[{}]}']
)
def test_malformed_document_keeps_the_old_set_and_counts_as_a_failed_read(written: bytes) -> None:
    keys = known(document(A))
    assert [type(event) for event in reread(keys, written, at=100)] == [DirectoryFailed]
    assert has(keys, A, 100)
    assert keys.health(START + 100).failures == 1


def test_bad_member_is_refused_alone_and_reported_without_its_secret() -> None:
    secret = B.dangerously_to_jwk()
    written = json.dumps({"keys": [A.public.to_jwk(), secret, {"kty": "NEW"}]}).encode()
    parsed = parse_document(written)
    assert [key.kid for key in parsed.keys] == [A.kid]
    assert [(one.index, one.kid, one.code) for one in parsed.refused] == [(1, B.kid, "private_key")]
    (_, event) = reread(IssuerKeys(ISSUER, Freshness()), written, at=1)
    assert B.kid in repr(event.refused)
    assert str(secret["d"]) not in repr(event)


def test_change_is_reported_by_kid() -> None:
    keys = known(document(A))
    assert reread(keys, document(B, revoked=[{"kid": A.kid}], sequence=4), at=100) == [
        DirectoryFetched(issuer=ISSUER, keys=1, sequence=4),
        DirectoryChanged(issuer=ISSUER, added=(B.kid,), removed=(A.kid,), revoked=(A.kid,), refused=()),
    ]


def test_other_key_under_the_same_kid_is_reported_as_changed_and_used() -> None:
    keys = known(json.dumps({"keys": [{**A.public.to_jwk(), "kid": "k"}]}).encode())
    replaced = json.dumps({"keys": [{**B.public.to_jwk(), "kid": "k"}]}).encode()
    (_, event) = reread(keys, replaced, at=100)
    assert (event.changed, event.added, event.removed) == (("k",), (), ())
    found = keys.known("k", START + 100)
    assert found is not None
    assert found.thumbprint == B.public.thumbprint


def test_document_that_did_not_change_is_not_modified() -> None:
    assert reread(known(document(A)), document(A), at=100) == [DirectoryNotModified(issuer=ISSUER)]


def test_file_that_did_not_change_is_no_event() -> None:
    assert reread(known(document(A), inline=True), document(A), at=100) == []


def test_answer_that_nothing_changed_makes_the_set_fresh_and_keeps_its_validator() -> None:
    keys = IssuerKeys(ISSUER, Freshness())
    tag = Validator("https://billing.example/keys.json", '"1"')
    keys.learn(None, Read((document(A),), None, tag), START, 0.0)
    assert keys.learn(None, Read(None, 600.0), START + 250, 0.0) == [DirectoryNotModified(issuer=ISSUER)]
    assert keys.health(START + 250 + 599).state == "fresh"
    assert keys.validator(None) == tag


def test_answer_that_nothing_changed_before_anything_was_known_is_a_failure() -> None:
    events = IssuerKeys(ISSUER, Freshness()).learn(None, Read(None), START, 0.0)
    assert [type(event) for event in events] == [DirectoryFailed]


def test_validator_of_a_refused_document_is_not_kept() -> None:
    keys = IssuerKeys(ISSUER, Freshness())
    keys.learn(None, Read((document(A, sequence=5),), None, Validator("u", '"5"')), START, 0.0)
    keys.learn(None, Read((document(A, sequence=4),), None, Validator("u", '"4"')), START + 250, 0.0)
    assert keys.validator(None) == Validator("u", '"5"')


@pytest.mark.parametrize(
    ("soft", "jitter", "before", "due"),
    [(None, 0.0, 239, 240), (None, 0.999, 215, 217), (600, 0.0, 479, 480), (60, 0.0, 47, 48)],
)
def test_set_is_read_ahead_at_80_percent_of_its_soft_lifetime_less_the_jitter(
    soft: float | None, jitter: float, before: float, due: float
) -> None:
    keys = IssuerKeys(ISSUER, Freshness())
    keys.learn(None, Read((document(A),), soft), START, jitter)
    assert not keys.due(A.kid, START + before)
    assert keys.due(A.kid, START + due)


def test_set_is_used_for_its_soft_and_hard_lifetime_and_not_after() -> None:
    keys = known(document(A))
    fail(keys, 3899)
    assert has(keys, A, 3900)
    assert not has(keys, A, 3900.5)
    assert code(keys, A.kid, 3900.5) == "key_unavailable"


def test_hard_lifetime_of_zero_uses_a_set_only_while_it_is_fresh() -> None:
    keys = known(document(A), freshness=Freshness(hard=0))
    assert has(keys, A, 300)
    assert not has(keys, A, 300.5)


def test_first_read_that_failed_is_an_outage_with_the_time_of_the_next_try() -> None:
    keys = IssuerKeys(ISSUER, Freshness())
    assert keys.worth_reading(A.kid, START)
    fail(keys, 0, asked=20)
    error = keys.why_not(A.kid, START + 5)
    assert isinstance(error, KeyDirectoryError)
    assert error.retry_after == 15
    assert "down" in str(error)


def test_failures_are_repeated_after_1_to_60_seconds() -> None:
    keys, now = IssuerKeys(ISSUER, Freshness()), 0.0
    waits = []
    for _ in range(9):
        fail(keys, now)
        waits.append(keys.health(START + now).next_attempt)
        now += waits[-1]
        assert keys.worth_reading(A.kid, START + now)
        assert not keys.worth_reading(A.kid, START + now - 0.01)
    assert waits == [1, 2, 4, 8, 16, 32, 40, 40, 40]


def test_jitter_makes_the_wait_longer_never_shorter_nor_beyond_a_minute() -> None:
    for failures, least in ((1, 1), (3, 4), (9, 40)):
        keys = IssuerKeys(ISSUER, Freshness())
        for _ in range(failures):
            fail(keys, 0, jitter=0.999)
        assert least < keys.health(START).next_attempt <= least * 1.5 <= 60


@pytest.mark.parametrize(("asked", "waits"), [(0, 1), (120, 120), (300, 300), (86400, 300)])
def test_source_that_asks_to_wait_is_obeyed_up_to_five_minutes(asked: float, waits: float) -> None:
    keys = known(document(A))
    fail(keys, 250, asked=asked)
    assert not keys.due(A.kid, START + 250 + waits - 0.1)
    assert keys.due(A.kid, START + 250 + waits)


def test_unknown_kid_is_worth_one_read_and_then_none_for_the_cooldown() -> None:
    keys = known(document(A))
    assert keys.worth_reading("x", START + 10)
    reread(keys, document(A), at=10, kid="x")
    assert not keys.worth_reading("y", START + 39.9)
    assert keys.worth_reading("y", START + 40)
    assert code(keys, "y", 20) == "unknown_key"


def test_cooldown_counts_from_the_end_of_a_failed_read() -> None:
    keys = known(document(A))
    keys.begin("x", START + 10)
    keys.failed("x", "slow", START + 15, 0.0)
    assert not keys.worth_reading("y", START + 44.9)
    assert keys.worth_reading("y", START + 45)


def test_unknown_kid_of_a_source_that_fails_is_refused_as_unknown_while_the_set_is_usable() -> None:
    keys = known(document(A))
    fail(keys, 3000)
    assert code(keys, "nobody", 3000) == "unknown_key"


def test_new_kid_that_was_found_leaves_another_read_for_the_next() -> None:
    keys = known(document(A))
    reread(keys, document(A, B), at=10, kid=B.kid)
    assert keys.worth_reading("x", START + 10)


def test_bucket_bounds_the_reads_that_are_cancelled() -> None:
    keys = known(document(A))
    for _ in range(2):
        assert keys.worth_reading("x", START + 10)
        keys.begin("x", START + 10)
    assert not keys.worth_reading("x", START + 39)
    assert keys.worth_reading("x", START + 40)


def test_kid_that_a_read_did_not_bring_is_remembered_as_absent_for_30_seconds() -> None:
    keys = known(document(A), freshness=Freshness(cooldown=1))
    reread(keys, document(A), at=10, kid="x")
    assert not keys.worth_reading("x", START + 39.9)
    assert keys.worth_reading("x", START + 40)
    assert keys.worth_reading("y", START + 11)


def test_flood_is_told_once_until_the_next_read() -> None:
    keys = known(document(A))
    reread(keys, document(A), at=10, kid="x")
    told = [keys.suppresses(f"y{number}", START + 11) for number in range(5)]
    assert told == [True, False, False, False, False]
    reread(keys, document(A), at=50, kid="z")
    assert keys.suppresses("y", START + 51)


def test_clock_that_steps_back_makes_a_read_due_and_keeps_the_keys() -> None:
    keys = known(document(A), at=1000)
    assert keys.due(A.kid, START)
    assert has(keys, A, 0)
    fail(keys, 1000)
    assert keys.due(A.kid, START)


def test_becoming_stale_and_then_expired_is_told_once_each_and_again_after_a_recovery() -> None:
    keys = known(document(A))
    told = [type(event) for at in (250, 299, 301, 600, 3901, 5000) for event in fail(keys, at)]
    assert [kind for kind in told if kind is not DirectoryFailed] == [DirectoryStale, DirectoryExpired]
    reread(keys, document(A), at=6000)
    assert DirectoryStale in map(type, fail(keys, 6301))


def test_health_follows_the_set_from_fresh_to_stale_to_unavailable() -> None:
    keys = IssuerKeys(ISSUER, Freshness())
    assert (keys.health(START).state, keys.health(START).age) == ("unavailable", None)
    reread(keys, document(A, sequence=3), at=0)
    assert [keys.health(START + at).state for at in (0, 300, 301, 3900, 3901)] == [
        "fresh",
        "fresh",
        "stale",
        "stale",
        "unavailable",
    ]
    fail(keys, 301)
    health = keys.health(START + 301)
    assert (health.age, health.failures, health.last_error, health.next_attempt) == (301, 1, "down", 1)
    assert (health.keys, health.sequence) == (1, 3)


def test_empty_set_takes_every_key_away() -> None:
    keys = known(document(A))
    reread(keys, document(), at=100)
    assert not has(keys, A, 100)
    assert code(keys, A.kid, 100) == "unknown_key"


def test_revocation_beats_the_keys() -> None:
    keys = known(document(A, revoked=[{"kid": A.kid, "revoked_at": 1, "reason": "superseded"}]))
    assert not has(keys, A, 0)
    assert code(keys, A.kid, 0) == "key_not_valid"
    assert not keys.worth_reading(A.kid, START + 1000)


def test_revocation_is_remembered_though_a_later_document_has_it_no_more() -> None:
    keys = known(document(A, B, revoked=[{"kid": A.kid}]))
    reread(keys, document(A, B), at=100)
    assert not has(keys, A, 100)
    assert has(keys, B, 100)
    assert keys.snapshot(START + 100).revoked == {A.kid}


ROLLBACKS = {
    "lower": ({"sequence": 5}, {"sequence": 4}),
    "dropped": ({"sequence": 5}, {}),
    "dropped-zero": ({"sequence": 0}, {}),
    "issuer-dropped": ({"issuer": ISSUER}, {}),
    "issuer-changed": ({"issuer": ISSUER}, {"issuer": "https://evil.example"}),
    "issuer-of-another-spelling": ({}, {"issuer": ISSUER + "/"}),
}


@pytest.mark.parametrize(("first", "second"), ROLLBACKS.values(), ids=ROLLBACKS)
def test_rollback_keeps_the_set_and_counts_as_failed(first: dict[str, Any], second: dict[str, Any]) -> None:
    keys = known(document(A, **first))
    assert [type(event) for event in reread(keys, document(B, **second), at=100)] == [DirectoryFailed]
    assert has(keys, A, 100)
    assert not has(keys, B, 100)


@pytest.mark.parametrize("name", ["lower", "dropped", "issuer-dropped"])
def test_operator_may_reset_what_the_source_has_shown(name: str) -> None:
    first, second = ROLLBACKS[name]
    keys = known(document(A, revoked=[{"kid": "r"}], **first))
    reread(keys, document(B, **second), at=100)
    keys.reset()
    assert has(keys, A, 100)
    assert DirectoryFailed not in map(type, reread(keys, document(B, **second), at=100))
    assert has(keys, B, 100)
    assert keys.revoked == {"r"}


@pytest.mark.parametrize(
    ("first", "second"), [({"sequence": 5}, {"sequence": 5}), ({}, {"sequence": 0, "issuer": ISSUER})]
)
def test_sequence_that_stays_or_appears_is_taken(first: dict[str, Any], second: dict[str, Any]) -> None:
    keys = known(document(A, **first))
    reread(keys, document(B, **second), at=100)
    assert has(keys, B, 100)


def test_first_document_of_another_issuer_is_refused() -> None:
    events = reread(IssuerKeys(ISSUER, Freshness()), document(A, issuer="https://evil.example"), at=1)
    assert [type(event) for event in events] == [DirectoryFailed]


def test_file_is_due_each_recheck_whether_or_not_it_could_be_read() -> None:
    keys = known(document(A), inline=True)
    assert not keys.due(A.kid, START + 0.9)
    assert keys.due(A.kid, START + 1)
    for at in range(1, 10):
        fail(keys, at)
        assert not keys.due(A.kid, START + at + 0.9)
        assert keys.due(A.kid, START + at + 1)


def test_fixed_set_is_never_old_and_never_read() -> None:
    keys = IssuerKeys.fixed(ISSUER, JWKSet(A.public))
    assert keys.held() == ()
    for at in (-START, 0.0, 1e9):
        assert has(keys, A, at)
        assert not keys.due(A.kid, START + at)
        assert not keys.worth_reading("x", START + at)
        assert isinstance(keys.why_not("x", START + at), UnknownKeyError)
    assert (keys.health(START).state, keys.health(START).age) == ("fresh", None)


def test_snapshot_has_the_keys_that_may_be_used_and_none_once_they_are_too_old() -> None:
    keys = known(document(A, B, revoked=[{"kid": A.kid}], sequence=2))
    snapshot = keys.snapshot(START)
    assert [key.kid for key in snapshot] == [B.kid]
    assert (len(snapshot), B.kid in snapshot, A.kid in snapshot, snapshot.sequence) == (1, True, False, 2)
    assert snapshot.get(B.kid) == B.public
    assert len(keys.snapshot(START + 3901)) == 0
