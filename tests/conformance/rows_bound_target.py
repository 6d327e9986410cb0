"""Wrong about where a call goes: its method, its URL and its query against those that were signed."""

from __future__ import annotations

from typing import Any, Final

from signedmsg import DecodedTarget

from .calls import CallRow
from .requests import ORIGIN, PATH, got, posted, to
from .table import Setup

LONG: Final = "/" + "a" * 8192


def decoded(path: bytes, query: bytes = b"") -> DecodedTarget:
    return DecodedTarget(path, query)


def at(url: str | None, audience: str = ORIGIN) -> Setup:
    return Setup(audience=audience, options={"external_url": url})


MALFORMED: Final[dict[str, Any]] = {
    "u1-empty": "",
    "u1-asterisk": "*",
    "u1-absolute-form": f"{ORIGIN}{PATH}",
    "u1-authority-form": "shop.example:443",
    "u1-no-slash": "v1/transfers",
    "u1-query-alone": "?a=1",
    "u1-fragment": f"{PATH}#a",
    "u1-fragment-in-the-query": f"{PATH}?a#b",
    "u1-space": "/v1/trans fers",
    "u1-space-in-the-query": f"{PATH}?a b",
    "u1-line-break": f"{PATH}\r\nX: y",
    "u1-line-break-at-its-end": f"{PATH}\n",
    "u1-nul": f"{PATH}\x00",
    "u1-delete": f"{PATH}\x7f",
    "u1-backslash": "/v1\\transfers",
    "u1-not-ascii": "/é",
    "u1-not-ascii-as-bytes": "/é".encode(),
    "u1-not-ascii-in-the-query": f"{PATH}?é",
    "u1-lone-surrogate": "/\udce9",
    "u1-escape-cut-short": "/a%4",
    "u1-escape-of-no-digits": "/a%zz",
    "u1-percent-alone": "/100%",
    "u1-quotation-mark": '/a"b',
    "u1-angle": "/a<b",
    "u1-pipe": "/a|b",
    "u1-bracket": "/a[b]",
    "u1-too-long": LONG,
    "u1-none": None,
    "u1-number": 1,
    "u1-plain-pair": (PATH.encode(), b""),
    "u1-decoded-empty": decoded(b""),
    "u1-decoded-without-a-slash": decoded(b"v1"),
    "u1-decoded-path-as-text": DecodedTarget(PATH, b""),  # type: ignore[arg-type]
    "u1-decoded-query-as-text": DecodedTarget(PATH.encode(), "a"),  # type: ignore[arg-type]
    "u1-decoded-query-not-ascii": decoded(PATH.encode(), b"\xe9"),
    "u1-decoded-query-with-a-line-break": decoded(PATH.encode(), b"a\nb"),
    "u1-decoded-too-long": decoded(LONG.encode()),
}
# The path that was signed, and the target at which the request arrives.
PATHS: Final[dict[str, tuple[str, Any]]] = {
    "u3-another-path": (PATH, "/v1/refunds"),
    "u3-trailing-slash-added": (PATH, f"{PATH}/"),
    "u3-trailing-slash-removed": (f"{PATH}/", PATH),
    "u3-other-case": (PATH, "/v1/Transfers"),
    "u3-longer": (PATH, f"{PATH}/1"),
    "u3-parameter-added": (PATH, f"{PATH};x"),
    "u3-escaped-slash-unescaped": ("/a%2Fb", "/a/b"),
    "u3-slash-escaped": ("/a/b", "/a%2Fb"),
    "u3-reserved-character-escaped": ("/a;b", "/a%3Bb"),
    "u3-plus-is-no-space": ("/a+b", "/a%20b"),
    "u3-doubly-escaped": ("/a%20b", "/a%2520b"),
    "u3-composed-otherwise": ("/caf%C3%A9", "/cafe%CC%81"),
    "u3-latin-1": ("/caf%C3%A9", "/caf%E9"),
    "u3-prefix-that-nobody-configured": (f"/shop{PATH}", PATH),
    "u4-dot-dot": ("/admin/../public/x", "/admin/../public/x"),
    "u4-dot-dot-resolved-on-the-way": ("/admin/../public/x", "/public/x"),
    "u4-dot-dot-added-on-the-way": ("/public/x", "/admin/../public/x"),
    "u4-dot": ("/./x", "/./x"),
    "u4-dot-at-the-end": ("/x/.", "/x/."),
    "u4-dot-dot-at-the-end": ("/x/..", "/x/.."),
    "u4-dot-dot-alone": ("/..", "/.."),
    "u4-escaped-dots": ("/a/%2e%2e/b", "/a/%2e%2e/b"),
    "u4-escaped-dots-in-capitals": ("/a/%2E%2E/b", "/a/%2E%2E/b"),
    "u4-one-dot-escaped": ("/a/.%2e/b", "/a/.%2e/b"),
    "u4-other-dot-escaped": ("/a/%2E./b", "/a/%2E./b"),
    "u4-one-escaped-dot": ("/a/%2e/b", "/a/%2e/b"),
    "u4-dots-behind-an-escaped-slash": ("/a/..%2Fb", "/a/..%2Fb"),
    "u4-dots-before-an-escaped-slash": ("/a%2f..", "/a%2f.."),
    "u4-dots-behind-an-escaped-backslash": ("/a%5c..%5cb", "/a%5c..%5cb"),
    "u4-dots-with-a-parameter": ("/a/..;x/b", "/a/..;x/b"),
    "u4-two-slashes-first": ("//evil.example/x", "//evil.example/x"),
    "u4-two-slashes-inside": ("/a//b", "/a//b"),
    "u4-two-slashes-last": ("/a//", "/a//"),
    "u4-two-slashes-merged-on-the-way": ("/a//b", "/a/b"),
    "u4-two-slashes-one-escaped": ("/a/%2fb", "/a/%2fb"),
    "u5-decoded-another": (PATH, decoded(b"/v1/refunds")),
    "u5-decoded-escaped-slash": ("/a%2Fb", decoded(b"/a/b")),
    "u5-decoded-escaped-slash-in-small-letters": ("/a%2fb", decoded(b"/a/b")),
    "u5-decoded-escaped-backslash": ("/a%5Cb", decoded(b"/a\\b")),
    "u5-decoded-escaped-backslash-in-small-letters": ("/a%5cb", decoded(b"/a\\b")),
    "u5-decoded-dot-dot": ("/a/%2e%2e/b", decoded(b"/a/../b")),
    "u5-decoded-two-slashes": ("/a//b", decoded(b"/a//b")),
    "u5-decoded-trailing-slash": (PATH, decoded(f"{PATH}/".encode())),
    "u5-decoded-twice": ("/a%252Fb", decoded(b"/a/b")),
    "u5-decoded-still-escaped": ("/a%20b", decoded(b"/a%20b")),
    "u5-decoded-latin-1": ("/caf%C3%A9", decoded(b"/caf\xe9")),
}
URLS: Final = {
    "u2-http": f"http://shop.example{PATH}",
    "u2-host-of-the-same-length": f"https://evil.example{PATH}",
    "u2-other-host": f"https://other.example{PATH}",
    "u2-host-that-begins-like-it": f"https://shop.example.evil.example{PATH}",
    "u2-host-that-ends-like-it": f"https://evilshop.example{PATH}",
    "u2-other-port": f"https://shop.example:8443{PATH}",
    "u2-dot-behind-the-host": f"https://shop.example.{PATH}",
    "u2-user-name": f"https://shop.example@evil.example{PATH}",
    "u2-user-name-for-the-right-host": f"https://x@shop.example{PATH}",
    "u2-path-alone": PATH,
    "u2-without-scheme": f"//shop.example{PATH}",
    "u2-other-scheme": f"ftp://shop.example{PATH}",
    "u2-one-slash": f"https:/shop.example{PATH}",
    "u2-no-url": "urn:shop",
    "u2-backslash": "https://shop.example\\v1\\transfers",
    "u2-port-no-number": f"https://shop.example:x{PATH}",
    "u2-port-too-large": f"https://shop.example:99999{PATH}",
    "u2-bracket": f"https://[shop.example{PATH}",
    "u2-with-a-query": f"{ORIGIN}{PATH}?a",
    "u2-with-an-empty-query": f"{ORIGIN}{PATH}?",
    "u2-with-a-fragment": f"{ORIGIN}{PATH}#a",
    "u2-escape-cut-short": f"{ORIGIN}/a%4",
    "u2-pipe": f"{ORIGIN}/a|b",
    "u2-query-in-another-spelling-of-the-origin": f"HTTPS://shop.example{PATH}?a",
}
# The bound @query, or none, and the query that arrives.
QUERIES: Final[dict[str, tuple[str | None, str]]] = {
    "u6-added-where-none-was": (None, "?admin=1"),
    "u6-appended": ("?a=1", "?a=1&admin=1"),
    "u6-removed": ("?a=1", ""),
    "u6-emptied": ("?a=1", "?"),
    "u6-value-changed": ("?a=1", "?a=2"),
    "u6-order-changed": ("?a=1&b=2", "?b=2&a=1"),
    "u6-escaped-otherwise": ("?a=%7e", "?a=~"),
    "u6-escape-in-other-case": ("?a=%2f", "?a=%2F"),
    "u6-plus-for-a-space": ("?a=b%20c", "?a=b+c"),
    "u6-separator-added": ("?a=1", "?a=1&"),
    "u6-question-mark-added": ("?a=1", "??a=1"),
    "u6-question-mark-missing": ("a=1", "?a=1"),
    "u6-bound-empty-text": ("", ""),
    "u6-bound-none-arrives-one-question-mark-more": ("?", "??"),
}
FORGED: Final = (
    ("Host", "evil.example"),
    ("X-Forwarded-Host", "evil.example"),
    ("X-Forwarded-Proto", "http"),
    ("X-Forwarded-Port", "81"),
    ("X-Forwarded-Prefix", "/evil"),
    ("X-Original-URL", "/admin"),
    ("Forwarded", "host=evil.example;proto=http"),
)
ROWS: Final = (
    *(CallRow(id, "malformed", got(target=target)) for id, target in MALFORMED.items()),
    *(CallRow(id, "binding", to(path, target), "htu") for id, (path, target) in PATHS.items()),
    *(CallRow(id, "binding", got({"htu": url}), "htu") for id, url in URLS.items()),
    *(
        CallRow(id, "binding", to(PATH, f"{PATH}{query}", component), "@query")
        for id, (component, query) in QUERIES.items()
    ),
    CallRow("u2-query-behind-the-authority", "binding", got({"htu": f"{ORIGIN}?a"}, target="/"), "htu"),
    CallRow("u2-fragment-behind-the-authority", "binding", got({"htu": f"{ORIGIN}#a"}, target="/"), "htu"),
    CallRow("u0-other-method", "binding", posted(method="PUT"), "htm"),
    CallRow("u0-method-in-small-letters", "binding", posted(method="post"), "htm"),
    CallRow("u0-signed-in-small-letters", "binding", posted({"htm": "post"}), "htm"),
    CallRow("u0-head-for-get", "binding", got(method="HEAD"), "htm"),
    CallRow("u0-get-for-head", "binding", got({"htm": "HEAD"}), "htm"),
    CallRow("u6-decoded-query-added", "binding", to(PATH, decoded(PATH.encode(), b"admin=1")), "@query"),
    CallRow(
        "u7-forged-fields-do-not-make-another-origin-right",
        "binding",
        got({"htu": f"http://evil.example{PATH}"}, fields=FORGED),
        "htu",
    ),
    CallRow(
        "u7-forged-prefix-does-not-make-another-path-right", "binding", to(f"/evil{PATH}", PATH, fields=FORGED), "htu"
    ),
    CallRow("u8-prefix-missing", "binding", got(), "htu", at(f"{ORIGIN}/shop")),
    CallRow("u8-prefix-of-another", "binding", to(f"/shopping{PATH}", PATH), "htu", at(f"{ORIGIN}/shop")),
    CallRow("u8-prefix-that-the-proxy-did-not-strip", "binding", to(f"/shop{PATH}"), "htu", at(f"{ORIGIN}/shop")),
    CallRow("u8-prefix-decoded-otherwise", "binding", to(f"/sh%C3%B6p{PATH}", PATH), "htu", at(f"{ORIGIN}/shop")),
    CallRow("u9-external-url-of-another-port", "binding", got(), "htu", at("https://shop.example:8443")),
    CallRow("u9-external-url-http", "binding", got(), "htu", at("http://shop.example")),
)
SAME: Final[dict[str, tuple[str, Any]]] = {
    "u3-root": ("/", "/"),
    "u3-as-bytes": (PATH, PATH.encode()),
    "u3-trailing-slash": (f"{PATH}/", f"{PATH}/"),
    "u3-tilde-escaped-by-the-caller": ("/%7euser", "/~user"),
    "u3-tilde-escaped-on-the-way": ("/~user", "/%7Euser"),
    "u3-letter-escaped": ("/%61b", "/ab"),
    "u3-escapes-in-other-case": ("/caf%c3%a9", "/caf%C3%A9"),
    "u3-escaped-slash": ("/a%2Fb", "/a%2fb"),
    "u3-escaped-backslash": ("/a%5Cb", "/a%5Cb"),
    "u3-escaped-percent": ("/a%252Fb", "/a%252Fb"),
    "u3-sub-delimiters": ("/!$&'()*+,;=:@", "/!$&'()*+,;=:@"),
    "u3-parameters": ("/a;x=1/b", "/a;x=1/b"),
    "u4-three-dots": ("/a/.../b", "/a/.../b"),
    "u4-hidden-file": ("/.well-known/x", "/.well-known/x"),
    "u4-dots-inside": ("/a..b/c.", "/a..b/c."),
    "u5-decoded": ("/v1/caf%C3%A9", decoded("/v1/café".encode())),
    "u5-decoded-space": ("/a%20b", decoded(b"/a b")),
    "u5-decoded-percent": ("/a%252Fb", decoded(b"/a%2Fb")),
    "u5-decoded-root": ("/", decoded(b"/")),
    "u5-decoded-octets-that-are-no-text": ("/%FF%FE", decoded(b"/\xff\xfe")),
}
SAME_URLS: Final = {
    "u2-scheme-and-host-in-capitals": f"HTTPS://SHOP.example{PATH}",
    "u2-default-port": f"https://shop.example:443{PATH}",
    "u2-empty-port": f"https://shop.example:{PATH}",
    "u2-normalised-after-another-spelling-of-the-origin": "https://SHOP.example/v1/%74ransfers",
}
SAME_QUERIES: Final[dict[str, tuple[str | None, str]]] = {
    "u6-none": (None, ""),
    "u6-question-mark-alone": (None, "?"),
    "u6-bound-as-empty-and-none-arrives": ("?", ""),
    "u6-bound-as-empty-and-arrives-so": ("?", "?"),
    "u6-same": ("?dry_run=1", "?dry_run=1"),
    "u6-unusual": ('?a[]=%7E&b=%zz|"{}\\^`<>&&;=+?/', '?a[]=%7E&b=%zz|"{}\\^`<>&&;=+?/'),
}
ACCEPTED: Final = (
    *(CallRow(id, "", to(path, target)) for id, (path, target) in SAME.items()),
    *(CallRow(id, "", got({"htu": url})) for id, url in SAME_URLS.items()),
    *(CallRow(id, "", to(PATH, f"{PATH}{query}", component)) for id, (component, query) in SAME_QUERIES.items()),
    CallRow("u3-root-without-its-slash", "", got({"htu": ORIGIN}, target="/")),
    CallRow("u6-decoded-query", "", to(PATH, decoded(PATH.encode(), b"a=%20&b"), "?a=%20&b")),
    CallRow("u7-forged-fields-change-nothing", "", got(fields=FORGED)),
    CallRow("u8-prefix", "", to(f"/shop{PATH}", PATH), setup=at(f"{ORIGIN}/shop")),
    CallRow("u8-prefix-with-a-slash-behind", "", to(f"/shop{PATH}", PATH), setup=at(f"{ORIGIN}/shop/")),
    CallRow(
        "u8-prefix-and-a-decoded-path", "", to("/sh%C3%B6p/a%20b", decoded(b"/a b")), setup=at(f"{ORIGIN}/sh%c3%b6p")
    ),
    CallRow(
        "u9-external-url-of-another-origin-than-the-audience",
        "",
        got({"htu": f"https://api.example:8443{PATH}"}),
        setup=at("https://API.example:8443"),
    ),
    CallRow(
        "u9-external-url-of-this-host",
        "",
        got({"htu": f"http://127.0.0.1:8000{PATH}"}),
        setup=at("http://127.0.0.1:8000"),
    ),
)
