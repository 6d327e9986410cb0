"""What a receiver must know to take calls: every problem of its configuration is named when it is built."""

from __future__ import annotations

from typing import Any

import pytest

from signedmsg import AsyncReceiver, NotAllowedError, PlainTokens, Receiver
from signedmsg._core.policy import Trust
from tests.unit.calls import directory
from tests.unit.peers import memory

FACES = pytest.mark.parametrize("face", [Receiver, AsyncReceiver])
ORIGIN = "https://shop.example"


def built(face: Any = Receiver, audience: str = ORIGIN, **options: Any) -> Any:
    return face(audience, directory(), memory(), **options)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "external-url-number": ({"external_url": 1}, "external_url"),
    "external-url-empty": ({"external_url": ""}, "external_url"),
    "external-url-without-scheme": ({"external_url": "shop.example"}, "external_url"),
    "external-url-ftp": ({"external_url": "ftp://shop.example"}, "external_url"),
    "external-url-with-query": ({"external_url": f"{ORIGIN}?a"}, "external_url"),
    "external-url-with-fragment": ({"external_url": f"{ORIGIN}/#a"}, "external_url"),
    "external-url-with-password": ({"external_url": "https://a:b@shop.example"}, "external_url"),
    "external-url-with-dots": ({"external_url": f"{ORIGIN}/a/../b"}, "external_url"),
    "external-url-with-escaped-dots": ({"external_url": f"{ORIGIN}/a/%2e%2e"}, "external_url"),
    "external-url-with-two-slashes": ({"external_url": f"{ORIGIN}/a//b"}, "external_url"),
    "external-url-with-two-slashes-at-its-end": ({"external_url": f"{ORIGIN}/a//"}, "external_url"),
    "external-url-not-escaped": ({"external_url": f"{ORIGIN}/é"}, "external_url"),
    "scheme-empty": ({"scheme": ""}, "scheme"),
    "scheme-with-space": ({"scheme": "Bearer x"}, "scheme"),
    "scheme-with-quote": ({"scheme": 'a"b'}, "scheme"),
    "scheme-with-line-break": ({"scheme": "Bearer\n"}, "scheme"),
    "scheme-none": ({"scheme": None}, "scheme"),
    "max-body-negative": ({"max_body": -1}, "max_body"),
    "max-body-true": ({"max_body": True}, "max_body"),
    "max-body-float": ({"max_body": 1.0}, "max_body"),
    "max-body-huge": ({"max_body": 2**31}, "max_body"),
    "account": ({"external_url": ORIGIN, "account": "acme"}, "account"),
    "tokens": ({"external_url": ORIGIN, "tokens": PlainTokens(typ=None, type="t")}, "tokens"),
}


@FACES
@pytest.mark.parametrize(("options", "name"), WRONG.values(), ids=WRONG)
def test_wrong_option_is_named_when_the_receiver_is_built(face: Any, options: dict[str, Any], name: str) -> None:
    with pytest.raises((TypeError, ValueError), match=name):
        built(face, **options)


NO_CALLS: dict[str, tuple[str, dict[str, Any], str]] = {
    "audience-is-an-endpoint": (f"{ORIGIN}/inbox", {}, "external_url"),
    "audience-is-a-name": ("urn:shop", {}, "external_url"),
    "account": (ORIGIN, {"account": "acme"}, "account"),
    "tokens": (ORIGIN, {"tokens": PlainTokens(typ=None, type="t")}, "tokens"),
}


@FACES
@pytest.mark.parametrize(("audience", "options", "name"), NO_CALLS.values(), ids=NO_CALLS)
def test_receiver_of_messages_is_built_and_says_why_it_takes_no_calls(
    face: Any, audience: str, options: dict[str, Any], name: str
) -> None:
    receiver = built(face, audience, **options)
    with pytest.raises(ValueError, match=name):
        receiver.require_calls()


def test_receiver_that_takes_no_calls_says_so_whatever_the_request() -> None:
    with pytest.raises(ValueError, match="external_url"):
        built(audience="urn:shop").verify_request("GET", "/", {}, b"")


@FACES
@pytest.mark.parametrize(
    ("audience", "external_url", "expected"),
    [
        (ORIGIN, None, (ORIGIN, ORIGIN, "")),
        (f"{ORIGIN}/", None, (ORIGIN, ORIGIN, "")),
        ("HTTPS://SHOP.example:443", None, (ORIGIN, ORIGIN, "")),
        ("http://127.0.0.1:8000", None, ("http://127.0.0.1:8000", "http://127.0.0.1:8000", "")),
        ("urn:shop", "HTTPS://API.example:443/%7Eshop/", ("urn:shop", "https://api.example", "/~shop")),
        (f"{ORIGIN}/inbox", ORIGIN, (f"{ORIGIN}/inbox", ORIGIN, "")),
        (f"{ORIGIN}/inbox/", ORIGIN, (f"{ORIGIN}/inbox/", ORIGIN, "")),
        ("https://bücher.example", None, ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example", "")),
    ],
)
def test_origin_prefix_and_audience_come_from_the_configuration(
    face: Any, audience: str, external_url: str | None, expected: tuple[str, str, str]
) -> None:
    policy = built(face, audience, external_url=external_url).require_calls()
    assert (policy.audience, policy.origin, policy.prefix) == expected


def test_policy_says_scheme_and_cap() -> None:
    policy = built(scheme="SignedMsg", max_body=7).require_calls()
    assert (policy.scheme, policy.max_body) == ("SignedMsg", 7)


PATTERNS = [
    ("*", "DELETE", "/anything/at/all"),
    ("* /*", "DELETE", "/"),
    ("GET /", "GET", "/"),
    ("POST /v1/transfers", "POST", "/v1/transfers"),
    ("GET /v1/*", "GET", "/v1/a/b"),
    ("GET /v1/*", "GET", "/v1/"),
    ("* /v1/x", "PROPFIND", "/v1/x"),
    ("GET /caf%C3%A9/*", "GET", "/caf%C3%A9/x"),
]


@pytest.mark.parametrize(("pattern", "method", "path"), PATTERNS)
def test_pattern_allows_the_call(pattern: str, method: str, path: str) -> None:
    assert Trust("a", (pattern,)).authorize_call(method, path) is None


@pytest.mark.parametrize(
    ("pattern", "method", "path"),
    [
        ("POST /v1/transfers", "GET", "/v1/transfers"),
        ("POST /v1/transfers", "post", "/v1/transfers"),
        ("POST /v1/transfers", "POST", "/v1/transfers/"),
        ("POST /v1/transfers", "POST", "/v1/transfers/1"),
        ("GET /v1/*", "GET", "/v1"),
        ("GET /v1/*", "GET", "/v10/x"),
        ("GET /v1/*", "GET", "/v1%2Fx"),
        ("GET /v1/*", "GET", "/V1/x"),
        ("GET /", "GET", "/x"),
        ("transfers", "POST", "transfers"),
        ("transfers.*", "POST", "/transfers.x"),
    ],
)
def test_pattern_does_not_allow_the_call(pattern: str, method: str, path: str) -> None:
    with pytest.raises(NotAllowedError) as caught:
        Trust("a", (pattern,)).authorize_call(method, path)
    assert pattern in str(caught.value.hint)
    assert pattern not in str(caught.value)


@pytest.mark.parametrize("type", ["POST /v1/transfers", "GET /v1/*", "* /*", "POST /v1/transfers.x"])
def test_pattern_of_a_call_never_allows_a_message(type: str) -> None:
    trust = Trust("a", ("POST /v1/transfers", "GET /v1/*", "* /*"))
    with pytest.raises(NotAllowedError):
        trust.authorize(type)


@pytest.mark.parametrize(
    "pattern",
    [
        "GET ",
        " /v1",
        "get /v1",
        "GET  /v1",
        "GET v1",
        "GET /v1?a=1",
        "GET /v1#a",
        "GET /v*",
        "GET /*/x",
        "GET /v1/**",
        "GET *",
        "GET https://shop.example/v1",
        "GET /a/../b",
        "GET /a//b",
        "GET //",
        "GET /%7euser",
        "GET /caf%c3%a9",
        "GET /café",
        "GET /a b",
        "GE* /v1",
        "G\u00cbT /v1",
    ],
)
def test_pattern_that_no_call_could_match_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="allow"):
        Trust("a", (pattern,))
