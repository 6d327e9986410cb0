"""Where an issuer's keys may be: what a source may name, and what is refused before anything is contacted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from signedmsg import ASAPRepository, AsyncKeyDirectory, Chain, Issuer, JWKSet, KeyDirectory, Metadata, SigningKey
from signedmsg.keys.sources import KeySetURL, singles

ISSUER = "https://billing.example"
KEYS = JWKSet(SigningKey.generate().public)
URL = "https://billing.example/keys.json"

NO_PLACES = [
    "http://billing.example/keys.json",
    "http://127.0.0.1.evil.example/keys.json",
    "http://localhost.evil.example/keys.json",
    "ftp://billing.example/keys.json",
    "file:///etc/keys.json",
    "https://user@billing.example/keys.json",
    "https://billing.example/../keys.json",
    "https://billing.example/keys.json#x",
    "https:///keys.json",
    "https://billing.example/ke ys.json",
]


def issuer(keys: Any, id: str = ISSUER) -> Issuer:
    return Issuer(id, allow=["*"], keys=keys)


def test_url_is_a_key_set_and_text_without_a_scheme_is_a_path() -> None:
    assert issuer(URL).keys == KeySetURL(URL)
    assert issuer("keys.json").keys == Path("keys.json")


def test_url_is_brought_to_normal_form() -> None:
    assert issuer("HTTPS://Billing.Example:443/keys.json?v=1").keys == KeySetURL(
        "https://billing.example/keys.json?v=1"
    )


@pytest.mark.parametrize(
    ("id", "url"),
    [
        ("https://billing.example", "https://billing.example/.well-known/signedmsg/keys.json"),
        ("https://billing.example/", "https://billing.example/.well-known/signedmsg/keys.json"),
        ("https://billing.example:8443/eu", "https://billing.example:8443/eu/.well-known/signedmsg/keys.json"),
    ],
)
def test_issuer_without_keys_has_them_at_its_well_known_place(id: str, url: str) -> None:
    assert Issuer(id, allow=["*"]).keys == KeySetURL(url)


@pytest.mark.parametrize(
    "id", ["billing", "urn:billing", "http://billing.example", "https://billing.example?x", "https://billing.example#x"]
)
def test_issuer_that_is_no_https_url_must_say_where_its_keys_are(id: str) -> None:
    with pytest.raises(ValueError, match="keys"):
        Issuer(id, allow=["*"])


@pytest.mark.parametrize("url", NO_PLACES)
@pytest.mark.parametrize("source", [issuer, Metadata, ASAPRepository, Chain], ids=lambda one: one.__name__)
def test_place_that_is_no_plain_https_url_is_refused(source: Any, url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|path"):
        source(url)


@pytest.mark.parametrize("source", [Metadata, ASAPRepository], ids=lambda one: one.__name__)
def test_place_that_is_no_text_is_a_type_error(source: Any) -> None:
    for wrong in (None, 1, b"https://billing.example"):
        with pytest.raises(TypeError):
            source(wrong)


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]:8000", "127.9.9.9"])
@pytest.mark.parametrize("kind", [KeyDirectory, AsyncKeyDirectory])
def test_loopback_over_http_needs_the_option_that_says_so(kind: type[Any], host: str) -> None:
    for keys in (
        f"http://{host}/keys.json",
        Chain(KEYS, Metadata(f"http://{host}/m")),
        ASAPRepository(f"http://{host}"),
    ):
        with pytest.raises(ValueError, match="dangerously_allow_loopback_http"):
            kind(issuer(keys))
        assert kind(issuer(keys), dangerously_allow_loopback_http=True).health()[ISSUER].state is not None


@pytest.mark.parametrize("hosts", ["keys.example", ["https://keys.example"], ["keys.example/x"], [""], [1]])
def test_hosts_of_metadata_are_a_list_of_names(hosts: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="hosts"):
        Metadata("https://login.example/m", hosts=hosts)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"rsa": "ES256"}, "rsa"),
        ({"rsa": "none"}, "rsa"),
        ({"prefix": "a b"}, "prefix"),
        ({"base_url": "https://keys.example/?x=1"}, "base_url"),
    ],
)
def test_repository_names_what_is_wrong_with_it(options: dict[str, str], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        ASAPRepository(**{"base_url": "https://keys.example", **options})


def test_chain_takes_whatever_an_issuer_takes_and_other_chains() -> None:
    inner = Chain(KEYS, Path("a.json"))
    metadata = Metadata("https://login.example/m")
    assert singles(Chain("keys.json", URL, inner, metadata)) == (
        Path("keys.json"),
        KeySetURL(URL),
        KEYS,
        Path("a.json"),
        metadata,
    )


@pytest.mark.parametrize("wrong", [(), (1,), (None,), ("",), (KEYS, object())])
def test_chain_of_nothing_or_of_no_sources_is_refused(wrong: tuple[Any, ...]) -> None:
    with pytest.raises((TypeError, ValueError)):
        Chain(*wrong)


def test_sources_cannot_be_changed_and_are_equal_by_what_they_name() -> None:
    assert Metadata(URL) == Metadata(URL)
    assert ASAPRepository(URL) != ASAPRepository(URL, prefix="a/")
    with pytest.raises(AttributeError):
        Metadata(URL).url = URL  # type: ignore[misc]


@pytest.mark.parametrize("kind", [KeyDirectory, AsyncKeyDirectory])
@pytest.mark.parametrize(
    ("options", "name"),
    [({"freshness": 300}, "freshness"), ({"client": object()}, "client"), ({"recheck": 1}, "recheck")],
)
def test_option_of_another_kind_is_a_type_error(kind: type[Any], options: dict[str, Any], name: str) -> None:
    with pytest.raises(TypeError, match=name):
        kind(issuer(URL), **options)


def test_client_of_the_other_colour_is_refused() -> None:
    import httpx

    with httpx.Client() as client, pytest.raises(TypeError, match="AsyncClient"):
        AsyncKeyDirectory(issuer(URL), client=client)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"httpx\.Client"):
        KeyDirectory(issuer(URL), client=httpx.AsyncClient())  # type: ignore[arg-type]
