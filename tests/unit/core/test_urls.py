"""The normal form of URLs, and what is refused rather than brought to it."""

from __future__ import annotations

import pytest

from signedmsg._core.urls import normal_audience, parse_url

NORMAL = {
    "https://shop.example/inbox": "https://shop.example/inbox",
    "HTTPS://SHOP.Example/Inbox": "https://shop.example/Inbox",
    "https://shop.example": "https://shop.example/",
    "https://shop.example:443/inbox": "https://shop.example/inbox",
    "https://shop.example:0443/inbox": "https://shop.example/inbox",
    "https://shop.example:/inbox": "https://shop.example/inbox",
    "https://shop.example:8443/inbox": "https://shop.example:8443/inbox",
    "http://shop.example:80/": "http://shop.example/",
    "http://shop.example:443/": "http://shop.example:443/",
    "https://bücher.example/ä".replace("ä", "%C3%A4"): "https://xn--bcher-kva.example/%C3%A4",
    "https://BÜCHER.example/": "https://xn--bcher-kva.example/",
    "https://[2001:DB8::1]:443/x": "https://[2001:db8::1]/x",
    "https://127.0.0.1:8000/a//b;c=1": "https://127.0.0.1:8000/a//b;c=1",
    "https://shop.example/a/...": "https://shop.example/a/...",
    "https://shop.example/.well-known/x": "https://shop.example/.well-known/x",
}
REFUSED = [
    "",
    "shop.example/inbox",
    "//shop.example/inbox",
    "ftp://shop.example/",
    "https:///inbox",
    "https://",
    "https://user@shop.example/",
    "https://user:secret@shop.example/",
    "https://@shop.example/",
    "https://shop.example:99999/",
    "https://shop.example:x/",
    "https://shop example/",
    "https://shop.example/in box",
    "https://shop.example/in\tbox",
    "https://shop.example/in\nbox",
    "https://shop.example\\@evil.example/",
    "https://shop.example/\x00",
    "https://shop.example/ä",
    'https://shop.example/"',
    "https://shop.example/%",
    "https://shop.example/%4",
    "https://shop.example/%zz",
    "https://shop.example/a/../b",
    "https://shop.example/./b",
    "https://shop.example/a/..",
    "https://shop.example/a/%2e%2E/b",
    "https://shop.example/%2e",
    "https://[::1/",
    "https://[fe80::1%25eth0]/",
    "https://-shop.example/",
    "https://shop,example/",
    "https://" + "a" * 256 + "/",
    "https://" + "a" * 64 + ".example/",
    "https://shop..example/",
    "https://shop-.example/",
    "https://xn--\u0301.example/",
]


@pytest.mark.parametrize(("url", "normal"), NORMAL.items())
def test_url_is_brought_to_one_form(url: str, normal: str) -> None:
    assert parse_url(url).endpoint == normal
    assert normal_audience(url) == normal


@pytest.mark.parametrize("url", sorted(set(NORMAL.values())))
def test_normal_form_stays_as_it_is(url: str) -> None:
    assert parse_url(url).full == url


@pytest.mark.parametrize("url", REFUSED)
def test_url_of_doubtful_meaning_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_url(url)


def test_query_is_kept_for_contacting_and_left_out_of_the_audience() -> None:
    url = parse_url("https://shop.example/inbox?tenant=1&x=%20")
    assert (url.endpoint, url.full) == (
        "https://shop.example/inbox",
        "https://shop.example/inbox?tenant=1&x=%20",
    )


@pytest.mark.parametrize("audience", ["https://shop.example/?a=1", "https://shop.example/#a", "https://shop.example/?"])
def test_audience_with_query_or_fragment_is_refused(audience: str) -> None:
    with pytest.raises(ValueError, match="query and fragment"):
        normal_audience(audience)


@pytest.mark.parametrize(
    "audience", ["queue:orders", "urn:example:shop", "shop", "orders/eu", "shop.example", "a" * 1024, "httpsx://A"]
)
def test_audience_that_is_no_web_url_stands_for_itself(audience: str) -> None:
    assert normal_audience(audience) == audience


@pytest.mark.parametrize(
    "audience", ["/inbox", "shop.example/inbox", "localhost/x", "shop.example:8443/", "localhost:8000/x"]
)
def test_audience_that_lacks_its_scheme_is_refused(audience: str) -> None:
    with pytest.raises(ValueError, match="begins with https://"):
        normal_audience(audience)


@pytest.mark.parametrize("audience", ["", " ", "a b", "é", "a" * 1025, "a\n"])
def test_audience_outside_visible_ascii_is_refused(audience: str) -> None:
    with pytest.raises(ValueError, match="audience"):
        normal_audience(audience)


@pytest.mark.parametrize("audience", [None, 1, b"https://shop.example/", ["https://shop.example/"]])
def test_audience_of_another_type_is_a_type_error(audience: object) -> None:
    with pytest.raises(TypeError, match="audience"):
        normal_audience(audience)  # type: ignore[arg-type]
