"""Targets and components: one form in which two are compared, and nothing resolved."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from signedmsg._core.components import (
    content_digest,
    field_value,
    matches,
    parse_content_digest,
    query_component,
)
from signedmsg._core.target import (
    MAX_TARGET,
    DecodedTarget,
    is_ambiguous,
    names_access_token,
    normal_path,
    normal_url,
    parse_target,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def test_digest_is_that_of_rfc_9530() -> None:
    # RFC 9530, appendix B.1 and B.2.
    assert content_digest(b'{"hello": "world"}\n') == "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
    assert content_digest(b"") == "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"


def test_sha_512_digest_is_that_of_rfc_9530() -> None:
    # RFC 9530, section 2 and appendix B.4: the octets of the response there.
    value = "sha-512=:YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/WkppmM44T3qg==:"
    assert matches(parse_content_digest(value), b'{"hello": "world"}\n')


def test_no_digest_matches_nothing() -> None:
    assert not matches({}, b"")


def test_repeated_fields_are_joined_as_in_rfc_9421() -> None:
    # RFC 9421 §2.1: `Cache-Control: max-age=60` and `   must-revalidate`.
    assert field_value(["max-age=60", "   must-revalidate\t"]) == "max-age=60, must-revalidate"


def test_query_component_is_that_of_rfc_9421() -> None:
    # RFC 9421 §2.2.7; there an absent query and an empty one are both `?`.
    assert query_component("param=value&foo=bar&baz=bat%2Dman") == "?param=value&foo=bar&baz=bat%2Dman"
    assert query_component("") == "?"


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("HTTPS://H.example:443/%7ea/b", "https://h.example/~a/b"),
        ("http://h.example:80", "http://h.example/"),
        ("https://h.example:8443/%c3%a9", "https://h.example:8443/%C3%A9"),
        ("https://[::1]/", "https://[::1]/"),
        ("https://h.example/%2f%2F", "https://h.example/%2F%2F"),
    ],
)
def test_url_is_normalised_as_rfc_3986_allows(url: str, normal: str) -> None:
    assert normal_url(url) == normal


@pytest.mark.parametrize(
    "url", ["", "https", "https:", "https://", "https:///a", "://h.example/", "/a", "https://h.example?a", "https://é/"]
)
def test_what_is_no_absolute_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        normal_url(url)


@pytest.mark.parametrize(
    "target",
    ["/" + "a" * (MAX_TARGET - 1), "/?" + "a" * (MAX_TARGET - 2), DecodedTarget(b"/a", b"a" * (MAX_TARGET - 2))],
    ids=["path", "query", "decoded"],
)
def test_target_may_be_as_long_as_a_token(target: Any) -> None:
    assert parse_target(target)[0][0].startswith(target[0][:1])


def test_normalising_resolves_nothing() -> None:
    assert normal_path("/a/./%2E%2E/b//c") == "/a/./../b//c"


def test_normalising_twice_changes_nothing() -> None:
    once = normal_path("/%7e%61%2f%25%32%35")
    assert once == "/~a%2F%2525"
    assert normal_path(once) == once


def test_doubly_escaped_dots_stay_escaped() -> None:
    assert normal_path("/%252e%252e/") == "/%252e%252e/"
    assert not is_ambiguous("/%252e%252e/")


@pytest.mark.parametrize(
    "work",
    [
        lambda: names_access_token("access_toke&" * 700),
        lambda: names_access_token("%61" * 2700),
        lambda: is_ambiguous("/." * 4096 + "x"),
        lambda: is_ambiguous("/%2F." * 1600),
        lambda: normal_path("/" + "%41" * 2700),
        lambda: parse_target("/" + "a" * 2**20),
        lambda: parse_target("/" * 8191 + "\n"),
    ],
    ids=range(7),
)
def test_hostile_target_costs_little(work: Callable[[], object]) -> None:
    started = time.process_time()
    for _ in range(10):
        try:
            work()
        except ValueError:
            continue
    assert time.process_time() - started < 0.25
