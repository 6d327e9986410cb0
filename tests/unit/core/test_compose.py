"""What a sender writes, octet for octet, and what it refuses to write."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from signedmsg import SigningError
from signedmsg._core.compose import Attempt, compose, freeze
from signedmsg._core.policy import SendPolicy

POLICY = SendPolicy("https://billing.example")
NOW = 1_800_000_000.25


def frozen(data: object = 42, **options: Any) -> Any:
    required = {"type": "invoice.paid", "audience": "https://shop.example/inbox", "id": "m-1", "time": NOW}
    return freeze(options.pop("policy", POLICY), data, **{**required, **options})


def payload(message: Any, policy: SendPolicy = POLICY, jti: str = "j" * 22, now: float = NOW) -> bytes:
    signing_input = compose(policy, message, Attempt(jti, now), alg="ES256", kid="k")
    return base64.urlsafe_b64decode(signing_input.split(b".")[1] + b"==")


def message_of(frozen: Any) -> dict[str, Any]:
    return dict(json.loads(frozen.message))


def test_claims_stand_in_a_fixed_order() -> None:
    message = frozen({"n": 1}, subject="s", account="acme", claims={"https://a.example/x": [True]})
    assert payload(message) == (
        b'{"iss":"https://billing.example","aud":"https://shop.example/inbox","iat":1800000000,"exp":1800000060,'
        b'"jti":"jjjjjjjjjjjjjjjjjjjjjj","https://a.example/x":[true],"msg":{"v":1,"id":"m-1","type":"invoice.paid",'
        b'"time":"2027-01-15T08:00:00.250000Z","until":1800259200,"subject":"s","account":"acme","data":{"n":1}}}'
    )


def test_attempts_differ_in_jti_and_times_alone() -> None:
    message = frozen()
    one, other = (
        json.loads(payload(message, jti=jti, now=now)) for jti, now in (("a" * 22, NOW), ("b" * 22, NOW + 90))
    )
    assert {name for name in one if one[name] != other[name]} == {"jti", "iat", "exp"}


def test_data_changed_after_freezing_is_not_sent() -> None:
    data = {"n": 1}
    message = frozen(data)
    data["n"] = 2
    assert message_of(message)["data"] == {"n": 1}


def test_lifetime_is_the_policys() -> None:
    claims = json.loads(payload(frozen(), SendPolicy("a", lifetime=300)))
    assert claims["exp"] - claims["iat"] == 300


def test_time_of_the_call_is_cut_to_whole_seconds_and_never_rounded_up() -> None:
    assert json.loads(payload(frozen(), now=1_800_000_000.999))["iat"] == 1_800_000_000


def test_account_of_the_policy_is_used_unless_the_call_names_one() -> None:
    policy = SendPolicy("a", account="acme")
    assert message_of(frozen(policy=policy))["account"] == "acme"
    assert message_of(frozen(policy=policy, account="evil"))["account"] == "evil"
    assert "account" not in message_of(frozen())


@pytest.mark.parametrize(
    "time",
    [NOW, datetime.fromtimestamp(NOW, UTC), datetime.fromtimestamp(NOW, timezone(timedelta(hours=5, minutes=45)))],
)
def test_time_is_written_in_utc_with_microseconds(time: Any) -> None:
    assert message_of(frozen(time=time))["time"] == "2027-01-15T08:00:00.250000Z"


def test_audience_is_brought_to_normal_form() -> None:
    assert frozen(audience="HTTPS://Shop.example:443").audience == "https://shop.example/"


def test_deadline_is_three_days_after_the_message_was_made_unless_given() -> None:
    assert message_of(frozen(time=NOW - 1000))["until"] == int(NOW) - 1000 + 3 * 86400
    assert message_of(frozen(until=1_900_000_000))["until"] == 1_900_000_000


@pytest.mark.parametrize("late", [0.0, 0.5, 1000.0])
def test_message_past_its_deadline_is_not_signed(late: float) -> None:
    message = frozen(until=int(NOW))
    with pytest.raises(SigningError, match="deadline has passed"):
        payload(message, now=int(NOW) + late)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "id-empty": ({"id": ""}, "id"),
    "id-with-space": ({"id": "a b"}, "id"),
    "id-too-long": ({"id": "i" * 129}, "id"),
    "id-number": ({"id": 1}, "id"),
    "type-empty": ({"type": ""}, "type"),
    "type-with-newline": ({"type": "a\n"}, "type"),
    "type-with-c1-control": ({"type": "a\x9b"}, "type"),
    "type-too-long": ({"type": "t" * 257}, "type"),
    "type-with-lone-surrogate": ({"type": "\ud800"}, "type"),
    "type-none": ({"type": None}, "type"),
    "subject-empty": ({"subject": ""}, "subject"),
    "subject-with-nul": ({"subject": "a\0"}, "subject"),
    "account-number": ({"account": 7}, "account"),
    "audience-with-query": ({"audience": "https://shop.example/?a=1"}, "audience"),
    "audience-list": ({"audience": ["https://shop.example/"]}, "audience"),
    "audience-outside-ascii": ({"audience": "ä"}, "audience"),
    "time-without-zone": ({"time": datetime.fromisoformat("2027-01-01T00:00:00")}, "time zone"),
    "time-text": ({"time": "2027-01-01"}, "time"),
    "time-nan": ({"time": float("nan")}, "time"),
    "time-beyond-the-calendar": ({"time": 1e18}, "time"),
    "time-that-utc-cannot-say": ({"time": datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))}, "time"),
    "until-fraction": ({"until": NOW}, "until"),
    "until-true": ({"until": True}, "until"),
    "until-zero": ({"until": 0}, "until"),
    "until-huge": ({"until": 2**53}, "until"),
    "claim-of-the-sdk": ({"claims": {"iss": "x"}}, "'iss'"),
    "claim-forbidden": ({"claims": {"sub": "x"}}, "'sub'"),
    "claim-that-is-no-uri": ({"claims": {"colour": "x"}}, "'colour'"),
    "claim-with-space": ({"claims": {"https://a.example/ x": 1}}, "URI"),
    "claim-number": ({"claims": {1: "x"}}, "URI"),
    "data-nan": ({"data": {"a": float("nan")}}, "data/a"),
}


@pytest.mark.parametrize(("options", "named"), BAD.values(), ids=BAD)
def test_what_breaks_a_rule_of_the_format_is_refused_and_named(options: dict[str, Any], named: str) -> None:
    with pytest.raises(SigningError, match=named):
        frozen(**options)


def test_claim_that_cannot_be_sent_is_named_with_its_path() -> None:
    with pytest.raises(SigningError, match=r"^https://a\.example/x/b/0: ") as caught:
        frozen(claims={"https://a.example/x": {"b": [float("inf")]}})
    assert caught.value.path == "/b/0"


@example(1_799_999_999.9999998)
@example(0.9999999)
@example(0.0)
@given(st.floats(0, 95_617_583_999, allow_nan=False))
def test_time_in_seconds_is_written_as_the_standard_library_would(moment: float) -> None:
    written = message_of(frozen(time=moment))["time"]
    assert written == f"{datetime.fromtimestamp(moment, UTC).isoformat(timespec='microseconds')[:26]}Z"


@pytest.mark.parametrize("moment", [float("nan"), float("inf"), -float("inf"), 1e18, "now", None, datetime(2026, 1, 1)])  # noqa: DTZ001
def test_time_that_is_none_is_refused(moment: Any) -> None:
    with pytest.raises(SigningError, match="time: expected"):
        frozen(time=moment)


class Shouting(str):
    """A str of another making, equal to none but itself."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


def test_text_of_another_class_is_checked_each_time_and_written_as_it_is() -> None:
    for _ in range(2):
        assert message_of(frozen(type=Shouting("invoice.paid")))["type"] == "invoice.paid"
        with pytest.raises(SigningError, match="type: expected"):
            frozen(type=Shouting("a\nb"))


@pytest.mark.parametrize("name", ["type", "account", "audience", "subject", "id"])
@pytest.mark.parametrize("wrong", [["x"], {}, 7, b"x", "", "a\x00"])
def test_member_that_is_no_text_is_refused_by_its_name(name: str, wrong: Any) -> None:
    with pytest.raises(SigningError, match=name):
        frozen(**{name: wrong})
