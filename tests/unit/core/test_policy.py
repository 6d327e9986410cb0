"""Policies: every problem of a configuration is named when the object is made."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from signedmsg import NotAllowedError, PlainTokens
from signedmsg._core.policy import ReceivePolicy, SendPolicy, Trust

BAD_RECEIVE: dict[str, tuple[dict[str, Any], str]] = {
    "audience-with-query": ({"audience": "https://shop.example/?a"}, "audience"),
    "audience-none": ({"audience": None}, "audience"),
    "leeway-negative": ({"leeway": -1}, "leeway"),
    "leeway-above-60": ({"leeway": 60.1}, "leeway"),
    "leeway-nan": ({"leeway": float("nan")}, "leeway"),
    "leeway-true": ({"leeway": True}, "leeway"),
    "leeway-string": ({"leeway": "30"}, "leeway"),
    "lifetime-zero": ({"max_lifetime": 0}, "max_lifetime"),
    "lifetime-above-300": ({"max_lifetime": 301}, "max_lifetime"),
    "size-too-small": ({"max_size": 255}, "max_size"),
    "size-too-large": ({"max_size": 2**31}, "max_size"),
    "size-none": ({"max_size": None}, "max_size"),
    "account-empty": ({"account": ""}, "account"),
    "account-with-newline": ({"account": "a\n"}, "account"),
    "account-number": ({"account": 7}, "account"),
    "tokens-of-another-type": ({"tokens": "JWT"}, "tokens"),
}
BAD_SEND: dict[str, tuple[dict[str, Any], str]] = {
    "issuer-empty": ({"issuer": ""}, "issuer"),
    "issuer-with-space": ({"issuer": "https://billing example"}, "issuer"),
    "issuer-outside-ascii": ({"issuer": "https://bücher.example"}, "issuer"),
    "issuer-too-long": ({"issuer": "i" * 257}, "issuer"),
    "issuer-none": ({"issuer": None}, "issuer"),
    "lifetime-zero": ({"lifetime": 0}, "lifetime"),
    "lifetime-above-300": ({"lifetime": 301}, "lifetime"),
    "lifetime-fraction": ({"lifetime": 1.5}, "whole seconds"),
    "lifetime-true": ({"lifetime": True}, "lifetime"),
    "size-too-small": ({"max_size": 1}, "max_size"),
    "account-number": ({"account": 7}, "account"),
}
BAD_PLAIN: dict[str, tuple[dict[str, Any], str]] = {
    "typ-empty": ({"typ": ""}, "typ"),
    "typ-with-parameter": ({"typ": "JWT; a=1"}, "typ"),
    "typ-number": ({"typ": 1}, "typ"),
    "type-empty": ({"type": ""}, "type"),
    "type-with-nul": ({"type": "a\0"}, "type"),
    "required-empty-name": ({"required": [""]}, "required"),
    "required-number": ({"required": [1]}, "required"),
    "lifetime-above-an-hour": ({"max_lifetime": 3601}, "max_lifetime"),
    "lifetime-zero": ({"max_lifetime": 0}, "max_lifetime"),
}
BAD_TRUST: dict[str, tuple[dict[str, Any], str]] = {
    "issuer-empty": ({"issuer": ""}, "issuer"),
    "star-inside": ({"allow": ["inv*ice"]}, "allow"),
    "star-without-dot": ({"allow": ["invoice*"]}, "allow"),
    "star-first": ({"allow": ["*.paid"]}, "allow"),
    "two-stars": ({"allow": ["*.*"]}, "allow"),
    "pattern-empty": ({"allow": [""]}, "allow"),
    "pattern-number": ({"allow": [1]}, "allow"),
    "pattern-with-control": ({"allow": ["a\x7f"]}, "allow"),
    "algorithms-none-of-them": ({"algorithms": []}, "algorithms"),
    "algorithm-unknown": ({"algorithms": ["HS256"]}, "HS256"),
    "algorithm-in-another-case": ({"algorithms": ["es256"]}, "es256"),
}


@pytest.mark.parametrize(("options", "named"), BAD_RECEIVE.values(), ids=BAD_RECEIVE)
def test_receive_policy_refuses_what_it_could_not_keep(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        ReceivePolicy(**{"audience": "https://shop.example/", **options})


@pytest.mark.parametrize(("options", "named"), BAD_SEND.values(), ids=BAD_SEND)
def test_send_policy_refuses_what_it_could_not_keep(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        SendPolicy(**{"issuer": "https://billing.example", **options})


@pytest.mark.parametrize(("options", "named"), BAD_PLAIN.values(), ids=BAD_PLAIN)
def test_plain_tokens_policy_refuses_what_it_could_not_keep(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        PlainTokens(**{"typ": "JWT", "type": "payment", **options})


@pytest.mark.parametrize(("options", "named"), BAD_TRUST.values(), ids=BAD_TRUST)
def test_trust_refuses_what_it_could_not_keep(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Trust(**{"issuer": "https://billing.example", "allow": ["*"], **options})


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"audience.*leeway.*max_lifetime.*max_size.*account"):
        ReceivePolicy("", leeway=-1, max_lifetime=0, max_size=0, account="")


@pytest.mark.parametrize("name", ["allow", "algorithms"])
def test_one_str_where_a_collection_belongs_is_a_type_error(name: str) -> None:
    options: dict[str, Any] = {"issuer": "https://billing.example", "allow": ["*"], name: "ES256"}
    with pytest.raises(TypeError, match=name):
        Trust(**options)


def test_one_str_as_required_claims_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="required"):
        PlainTokens(typ=None, type="payment", required="sub")  # type: ignore[arg-type]


def test_plain_tokens_are_described_by_keyword_only() -> None:
    with pytest.raises(TypeError):
        PlainTokens("JWT", "payment")  # type: ignore[misc]


@pytest.mark.parametrize(
    "policy", [ReceivePolicy("a"), SendPolicy("a"), Trust("a", ("*",)), PlainTokens(typ=None, type="t")]
)
def test_policies_cannot_be_changed(policy: Any) -> None:
    for field in dataclasses.fields(policy):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(policy, field.name, None)


def test_list_that_made_a_policy_can_change_without_changing_it() -> None:
    allow = ["invoice.*"]
    trust = Trust("a", allow)  # type: ignore[arg-type]
    allow.append("*")
    assert trust.allow == ("invoice.*",)


@pytest.mark.parametrize(
    ("pattern", "type"),
    [
        ("*", "anything at all"),
        ("invoice.paid", "invoice.paid"),
        ("invoice.*", "invoice.a.b"),
        ("invoice.*", "invoice."),
    ],
)
def test_pattern_allows_the_type(pattern: str, type: str) -> None:
    assert Trust("a", (pattern,)).authorize(type) is None


@pytest.mark.parametrize(
    ("pattern", "type"),
    [("invoice.paid", "invoice"), ("invoice.*", "invoice"), ("invoice.*", "Invoice.paid"), ("paid", "*")],
)
def test_pattern_does_not_allow_the_type(pattern: str, type: str) -> None:
    with pytest.raises(NotAllowedError) as caught:
        Trust("a", (pattern,)).authorize(type)
    # The hint is for the operator's log; the text tells a peer nothing about what is allowed.
    assert pattern in str(caught.value.hint)
    assert pattern not in str(caught.value)


def test_plain_tokens_refuse_the_claims_of_other_protocols_unless_named() -> None:
    assert PlainTokens(typ=None, type="t").refused_claims == ("sub", "events", "scope", "client_id")
    assert PlainTokens(typ=None, type="t", required=["sub"]).refused_claims == ("events", "scope", "client_id")  # type: ignore[arg-type]
