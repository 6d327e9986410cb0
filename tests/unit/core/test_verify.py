"""The pieces of a verification that the replay cache depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from signedmsg import PlainTokens, ReplayedError
from signedmsg._core.policy import ReceivePolicy, Trust
from signedmsg._core.verify import admit, authenticate, parse, replay_key
from tests.conformance.table import keys_of
from tests.conformance.tokens import AUDIENCE, GONE, ISSUER, JTI, NOW, envelope, key, plain

if TYPE_CHECKING:
    from signedmsg._core.message import Authentic

PUBLIC = keys_of(key("ES256").jwk()).get(key("ES256").kid)


def authentic(token: str, **options: object) -> Authentic:
    policy = ReceivePolicy(AUDIENCE, **options)  # type: ignore[arg-type]
    assert PUBLIC is not None
    return authenticate(parse(token, policy), PUBLIC, policy, Trust(ISSUER, ("*",)), NOW)


def test_replay_key_has_sixteen_bytes_and_is_always_the_same() -> None:
    # Pinned: a cache that outlives an update of the package must know its ids again.
    assert replay_key(ISSUER, JTI).hex() == "f666d37d0e82fea24f658f429327e552"


@pytest.mark.parametrize(
    ("one", "other"),
    [(("a", "bc"), ("ab", "c")), (("a:b", "c"), ("a", "b:c")), (("a", "b"), ("b", "a")), (("a", "j"), ("a", "J"))],
)
def test_no_two_pairs_share_a_replay_key(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert replay_key(*one) != replay_key(*other)


def test_replay_key_depends_on_issuer_and_jti_alone() -> None:
    first = authentic(envelope())
    assert authentic(envelope({"exp": NOW + 9}, {"id": "other", "data": None})).replay_key == first.replay_key
    assert authentic(envelope({"jti": "A" * 22})).replay_key != first.replay_key


@pytest.mark.parametrize(("leeway", "lifetime", "keep"), [(30, 60, 240), (0, 1, 121), (60, 300, 540)])
def test_id_is_kept_for_the_lifetime_two_leeways_and_two_minutes(leeway: int, lifetime: int, keep: int) -> None:
    assert authentic(envelope({"exp": NOW + lifetime}), leeway=leeway).keep == keep


def test_token_whose_message_was_made_in_the_same_second_counts_as_signed_then() -> None:
    assert authentic(envelope(message={"time": "2027-01-15T08:00:00.250000Z"})).signed_by == NOW + 0.25


def test_message_time_in_milliseconds_stands_for_the_whole_millisecond() -> None:
    assert authentic(envelope(message={"time": "2027-01-15T08:00:00.250Z"})).signed_by == pytest.approx(NOW + 0.251)


# The third has whole seconds, as many senders write: it says nothing about the moment within them.
@pytest.mark.parametrize(
    "time", ["2027-01-15T07:59:59.999Z", "2027-01-15T08:00:01.5Z", "2027-01-15T08:00:00Z", "2020-01-01T00:00:00Z"]
)
def test_token_of_an_older_message_was_signed_by_the_end_of_its_second(time: str) -> None:
    assert authentic(envelope(message={"time": time})).signed_by == NOW + 1


def test_plain_token_was_signed_by_the_end_of_its_second() -> None:
    assert authentic(plain(), tokens=PlainTokens(typ="JWT", type="t")).signed_by == NOW + 1


def test_plain_token_becomes_a_message_named_by_its_jti_and_made_at_iat() -> None:
    content = authentic(plain({"https://a.example/x": 1}), tokens=PlainTokens(typ="JWT", type="payment")).content
    assert (content.id, content.type, content.time.timestamp()) == (JTI, "payment", NOW)
    assert content.data == {"amount": 42, "https://a.example/x": 1}
    assert (content.subject, content.account, content.until) == (None, None, None)


def test_only_claims_named_by_a_uri_are_public() -> None:
    claims = {"https://a.example/x": 1, "urn:a:b": 2, "colour": 3, "nbf": NOW, ":": 4, "1a:b": 5}
    assert dict(authentic(envelope(claims)).public_claims) == {"https://a.example/x": 1, "urn:a:b": 2}


@pytest.mark.parametrize("answer", [False, None, 1, "yes", object()], ids=repr)
def test_cache_that_does_not_answer_true_admits_nothing(answer: object) -> None:
    with pytest.raises(ReplayedError):
        admit(authentic(envelope()), None, first_use=answer)  # type: ignore[arg-type]


def test_nothing_but_the_issuer_is_read_before_the_signature() -> None:
    token = envelope({"iat": "?", "exp": GONE, "aud": 7, "msg": []})
    assert parse(token, ReceivePolicy(AUDIENCE)).issuer == ISSUER
