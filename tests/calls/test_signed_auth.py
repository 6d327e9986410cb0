"""What httpx and httpx2 send is what their plugin signed: every kind of request, end to end over loopback."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from signedmsg import Issuer, JWKSet, KeyDirectory, MemoryReplayCache, Receiver

from .faces import read_async
from .server import ISSUER, KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from .faces import Face
    from .server import CallServer

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
MIB = bytes(range(256)) * 4096


class Given(NamedTuple):
    """A face, and a file: opened, and as a body for this face."""

    face: Face
    opened: Any
    body: Any


@pytest.fixture
def given(face: Face, tmp_path: Path) -> Iterator[Given]:
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    with path.open("rb") as opened:
        yield Given(face, opened, opened if face.backend is None else read_async(path))


# What is called, and with which body.
REQUESTS: dict[str, tuple[str, str, Callable[[Given], dict[str, Any]]]] = {
    "get": ("GET", "/v1/items/7", lambda _: {}),
    "head": ("HEAD", "/v1/items/7", lambda _: {}),
    "delete": ("DELETE", "/v1/items/7", lambda _: {}),
    "lower-case method": ("get", "/v1", lambda _: {}),
    "root": ("GET", "", lambda _: {}),
    "json": ("POST", "/v1/transfers", lambda _: {"json": {"amount": 42, "name": "Zoë"}}),
    "form": ("POST", "/v1/form", lambda _: {"data": {"a": "1 2", "b": ["ü", "&="]}}),
    "multipart": ("POST", "/v1/upload", lambda _: {"files": {"f": ("a.png", PNG, "image/png")}, "data": {"x": "1"}}),
    "multipart file": ("PUT", "/v1/upload", lambda given: {"files": {"f": given.opened}}),
    "file": ("PUT", "/v1/file", lambda given: binary(given.body)),
    "bytes": ("PATCH", "/v1/bytes", lambda _: binary(PNG)),
    "text": ("POST", "/v1/text", lambda _: {"content": "Zoë", "headers": {"content-type": "text/plain"}}),
    "empty": ("POST", "/v1/empty", lambda _: {}),
    "empty with a type": ("POST", "/v1/empty", lambda _: binary(b"")),
    "empty stream": ("POST", "/v1/empty", lambda given: binary(given.face.stream([]))),
    "a mebibyte": ("POST", "/v1/large", lambda _: binary(MIB)),
    "streamed mebibyte": ("POST", "/v1/large", lambda given: binary(given.face.stream([MIB[:1000], b"", MIB[1000:]]))),
    "query": ("GET", "/v1?b=2&a=1&b=%32&a", lambda _: {}),
    "odd query": ("GET", "/v1?q=%c3%A4+x%2Bä|[]&&=&é=%", lambda _: {}),
    "parameters": ("GET", "/v1", lambda _: {"params": [("b", "ü &="), ("a", "/?#"), ("b", "")]}),
    "empty query": ("GET", "/v1?", lambda _: {}),
    "fragment": ("GET", "/v1?a=1#part", lambda _: {}),
    "unicode path": ("GET", "/v1/Zoë/日本", lambda _: {}),
    "escaped path": ("GET", "/v1/a%2Fb%20c/%7euser/%c3%ab", lambda _: {}),
    "odd path": ("GET", "/v1/a;b=c,d/(e)/@f:g!$'*+", lambda _: {}),
    "trailing slash": ("GET", "/v1/items/", lambda _: {}),
}


def binary(content: Any) -> dict[str, Any]:
    return {"content": content, "headers": {"content-type": "application/octet-stream"}}


@pytest.mark.parametrize("kind", REQUESTS)
def test_request_is_accepted_as_it_arrives(given: Given, kind: str, server: CallServer) -> None:
    method, target, options = REQUESTS[kind]
    answer = given.face.call(method, server.origin + target, auth=given.face.auth(), **options(given))
    assert (answer.status_code, len(server.arrived)) == (200, 1), answer.text
    arrived = server.arrived[0]
    if method != "HEAD":
        told = answer.json()
        assert told["sha256"] == hashlib.sha256(arrived.body).hexdigest()
        assert ("content-digest" in told["bound"]) is bool(arrived.body)
        assert told["query"] == arrived.target.partition("?")[2]


@pytest.mark.parametrize(("kind", "body"), [("file", PNG), ("streamed mebibyte", MIB), ("empty stream", b"")])
def test_streamed_body_arrives_whole_and_with_its_length(
    given: Given, kind: str, body: bytes, server: CallServer
) -> None:
    method, target, options = REQUESTS[kind]
    given.face.call(method, server.origin + target, auth=given.face.auth(), **options(given))
    (arrived,) = server.arrived
    fields = {name.lower(): value for name, value in arrived.headers}
    assert arrived.body == body
    assert (fields["content-length"], "transfer-encoding" in fields) == (str(len(body)), False)


def test_fields_that_change_a_request_are_covered(face: Face, server: CallServer) -> None:
    headers = [
        ("Idempotency-Key", "k-1"),
        ("Range", "bytes=0-1"),
        ("Content-Range", "bytes 0-0/2"),
        ("If-Match", '"a"'),
        ("If-Match", '"b"'),
        ("if_none_match", "*"),
        ("Content-Encoding", "identity"),
        ("Accept-Language", "de"),
        ("Content-Type", "text/plain; charset=utf-8"),
    ]
    answer = face.call("POST", server.origin + "/v1", auth=face.auth(), headers=headers, content=b"x")
    assert answer.json()["bound"] == sorted(
        [
            "content-digest",
            "content-encoding",
            "content-range",
            "content-type",
            "idempotency-key",
            "if-match",
            "if_none_match",
            "range",
        ]
    )


def test_audience_is_the_origin_unless_one_is_given(face: Face, server: CallServer) -> None:
    assert face.call("GET", server.origin + "/v1", auth=face.auth()).json()["audience"] == server.origin
    server.reset(audience="urn:shop", external_url=server.origin)
    assert face.call("GET", server.origin + "/v1", auth=face.auth(audience="urn:shop")).json()["audience"] == "urn:shop"


@pytest.mark.parametrize("audience", ["https://Shop.Example:443", "https://shop.example/"])
def test_audience_that_is_an_origin_is_written_in_one_form(face: Face, audience: str) -> None:
    assert claims(sent(face, audience=audience)[0])["aud"] == "https://shop.example"


def test_default_port_and_upper_case_are_not_signed(face: Face) -> None:
    told = claims(sent(face, "HTTPS://Shop.Example:443/v1")[0])
    assert (told["aud"], told["htu"]) == ("https://shop.example", "https://shop.example/v1")


def test_address_with_a_port_is_an_origin(face: Face) -> None:
    assert claims(sent(face, "https://[::1]:8443/v1")[0])["htu"] == "https://[::1]:8443/v1"


def test_flow_that_somebody_drives_himself_signs_as_well(face: Face) -> None:
    request = face.library.Request("GET", "https://shop.example/v1")
    assert "authorization" in next(face.auth().auth_flow(request)).headers


def test_host_is_signed_as_dns_sees_it(face: Face) -> None:
    assert claims(sent(face, "https://bücher.example/v1")[0])["aud"] == "https://xn--bcher-kva.example"


def test_every_request_has_a_token_of_its_own(face: Face, server: CallServer) -> None:
    auth = face.auth()
    for _ in range(3):
        assert face.call("GET", server.origin + "/v1", auth=auth).status_code == 200
    assert len({arrived.token for arrived in server.arrived}) == 3


def test_request_that_was_sent_before_is_signed_anew(face: Face, server: CallServer) -> None:
    def work(client: Any) -> Any:
        request = client.build_request("POST", server.origin + "/v1", json=1)
        if face.backend is None:
            return [client.send(request), client.send(request)]
        return twice(client, request)

    first, second = face.run(work, face.auth())
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json()["jti"] != second.json()["jti"]


async def twice(client: Any, request: Any) -> Any:
    return [await client.send(request), await client.send(request)]


def test_scheme_is_the_one_that_is_configured(face: Face, server: CallServer) -> None:
    server.reset(scheme="SignedMsg")
    assert face.call("GET", server.origin + "/v1", auth=face.auth(scheme="SignedMsg")).status_code == 200
    assert face.call("GET", server.origin + "/v1", auth=face.auth()).status_code == 401


def test_token_of_another_library_s_eyes_has_the_claims_of_the_profile(face: Face) -> None:
    import jwt

    seen = sent(face, "https://shop.example/v1?a=1", method="POST", json={}, lifetime=42)[0]
    token = seen.headers["authorization"].removeprefix("Bearer ")
    key = jwt.PyJWK({**KEY.public.to_jwk()})
    told = jwt.decode(token, key, algorithms=["ES256"], audience="https://shop.example", issuer=ISSUER)
    assert jwt.get_unverified_header(token) == {"alg": "ES256", "kid": KEY.kid, "typ": "vnd.signedmsg.req+jwt"}
    assert set(told) == {"iss", "aud", "iat", "exp", "jti", "htm", "htu", "http"}
    assert (told["exp"] - told["iat"], len(told["jti"])) == (42, 22)
    assert told["http"]["content-digest"] == "sha-256=:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=:"


def test_plugin_of_one_library_is_refused_by_the_other() -> None:
    import httpx
    import httpx2

    import signedmsg.httpx
    import signedmsg.httpx2

    with pytest.raises(TypeError):
        httpx.Client(auth=signedmsg.httpx2.SignedAuth(ISSUER, KEY))  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        httpx2.Client(auth=signedmsg.httpx.SignedAuth(ISSUER, KEY))  # type: ignore[arg-type]


CHANGES: dict[
    str, Callable[[str, str, list[tuple[str, str]], bytes], tuple[str, str, list[tuple[str, str]], bytes]]
] = {
    "method": lambda method, target, headers, body: ("PUT", target, headers, body),
    "path": lambda method, target, headers, body: (method, target.replace("/v1", "/v2"), headers, body),
    "query": lambda method, target, headers, body: (method, target + "&c=3", headers, body),
    "order": lambda method, target, headers, body: (method, target.replace("a=1&b=2", "b=2&a=1"), headers, body),
    "body": lambda method, target, headers, body: (method, target, headers, body + b" "),
    "type": lambda method, target, headers, body: (method, target, [*headers[1:], ("content-type", "a/b")], body),
    "override": lambda method, target, headers, body: (
        method,
        target,
        [*headers, ("x-http-method-override", "DELETE")],
        body,
    ),
    "condition": lambda method, target, headers, body: (method, target, [*headers, ("if-match", "*")], body),
}


@pytest.mark.parametrize("change", CHANGES)
def test_request_that_is_changed_on_the_way_is_refused(face: Face, change: str) -> None:
    (seen,) = sent(face, "https://shop.example/v1?a=1&b=2", method="POST", json={"n": 1})
    headers = sorted(seen.headers.items(), key=lambda field: field[0] != "content-type")
    request = (seen.method, seen.url.raw_path.decode(), headers, seen.content)
    directory = KeyDirectory(Issuer(ISSUER, allow=["* /*"], keys=JWKSet(KEY.public)))
    receiver = Receiver("https://shop.example", directory, MemoryReplayCache(clock=lambda: 0.0), observe=lambda _: None)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - its code is what counts
        receiver.verify_request(*CHANGES[change](*request))
    assert getattr(caught.value, "code", None) == "binding"
    assert receiver.verify_request(*request).data == {"n": 1}


def sent(
    face: Face, url: str = "https://shop.example/v1", *, method: str = "GET", json: Any = None, **auth: Any
) -> Any:
    """Return the requests that go out for one call."""
    seen: list[Any] = []

    def answer(request: Any) -> Any:
        seen.append(request)
        return 204, {}, b""

    options = {} if json is None else {"json": json}
    face.call(method, url, auth=face.auth(**auth), transport=face.transport(answer), **options)
    return seen


def claims(request: Any) -> dict[str, Any]:
    import base64

    payload = request.headers["authorization"].split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(payload + "==")))
