"""What cannot be signed faithfully is not sent, and a wrong configuration fails when it is built."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from signedmsg import Issuer, JWKSet, KeyDirectory, KeyRing, SigningError, SigningKey
from signedmsg.httpx import SignedAuth
from signedmsg.signed_answers import AnswerVerifier, AsyncAnswerVerifier

from .faces import iterate, iterate_async
from .server import ISSUER, KEY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from .faces import Face
    from .server import CallServer

URL = "https://shop.example/v1"
TYPED = {"headers": {"content-type": "text/plain"}}

# The request, options of the plugin, and what the error says.
REFUSED: dict[str, tuple[str, str, dict[str, Any], dict[str, Any], str]] = {
    "plain http": ("GET", "http://shop.example/", {}, {"dangerously_allow_http": False}, "expected https"),
    "plain http to loopback": ("GET", "http://127.0.0.1/", {}, {"dangerously_allow_http": False}, "expected https"),
    "another scheme": ("GET", "ftp://shop.example/", {}, {}, "https://"),
    "user in the url": ("GET", "https://ada:pw@shop.example/", {}, {}, "user name"),
    "escaped dot segment": ("GET", "https://shop.example/a/%2e%2E/b", {}, {}, r"'\.\.'"),
    "escaped slash and dots": ("GET", "https://shop.example/a%2f..%2fb", {}, {}, r"'\.\.'"),
    "empty segment": ("GET", "https://shop.example/a//b", {}, {}, "empty"),
    "unescaped octet": ("GET", "https://shop.example/a|b", {}, {}, "percent-encoded"),
    "token in the query": ("GET", URL + "?a=1&access%5Ftoken=x", {}, {}, "second credential"),
    "own credential": ("GET", URL, {"headers": {"Authorization": "Bearer x"}}, {}, "credential already"),
    "method override": ("POST", URL, {"headers": {"X-HTTP-Method-Override": "DELETE"}}, {}, "overrides"),
    "method override of wsgi": ("POST", URL, {"headers": {"X_Method_Override": "DELETE"}}, {}, "overrides"),
    "other target": ("GET", URL, {"extensions": {"target": b"/v2"}}, {}, "target"),
    "method with a space": ("GET /v2", URL, {}, {}, "method"),
    "body without a type": ("POST", URL, {"content": b"x"}, {}, "Content-Type"),
    "two types": ("POST", URL, {"content": b"x", "headers": [("content-type", "a/b")] * 2}, {}, "more than once"),
    "foreign letter": ("GET", URL, {"headers": {"if-match": "ä".encode()}}, {}, "visible ASCII"),
    "long url": ("GET", URL + "/" + "a" * 8000, {}, {}, "8192"),
    "large file": ("POST", URL, {"files": {"f": io.BytesIO(b"x" * 300)}}, {"max_body": 100}, "more than 100 bytes"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_request_that_cannot_be_signed_is_not_sent(face: Face, kind: str) -> None:
    method, url, options, auth, said = REFUSED[kind]
    with pytest.raises(SigningError, match=said):
        face.call(method, url, auth=face.auth(**auth), transport=face.transport(never), **options)


def never(_: object) -> Any:
    pytest.fail("it was sent")


def test_stream_is_read_no_further_than_the_cap(face: Face) -> None:
    given: list[int] = []

    def endless() -> Any:
        while True:
            given.append(1)
            yield b"x" * 1000

    with pytest.raises(SigningError, match="more than 5000 bytes") as caught:
        face.call(
            "POST",
            URL,
            auth=face.auth(max_body=5000),
            transport=face.transport(never),
            content=face.stream(endless()),
            **TYPED,
        )
    assert len(given) == 6
    assert "max_body" in str(caught.value.hint)


def test_stream_that_is_too_long_is_closed(face: Face) -> None:
    ended: list[bool] = []

    def chunks() -> Iterator[bytes]:
        yield b"x" * 200
        yield b"x" * 200

    class Body(face.library.SyncByteStream, face.library.AsyncByteStream):  # type: ignore[misc, name-defined]
        def __iter__(self) -> Iterator[bytes]:
            return chunks()

        async def __aiter__(self) -> AsyncIterator[bytes]:
            try:
                for chunk in chunks():
                    yield chunk
            finally:
                ended.append(True)

    request = face.library.Request("POST", URL, stream=Body(), **TYPED)

    # Before the event loop ends, which would close it as well.
    async def refused(client: Any) -> list[bool]:
        with pytest.raises(SigningError, match="more than 100 bytes"):
            await client.send(request)
        return ended.copy()

    def refused_blocking(client: Any) -> list[bool]:
        with pytest.raises(SigningError, match="more than 100 bytes"):
            client.send(request)
        return [True]

    work = refused_blocking if face.backend is None else refused
    assert face.run(work, face.auth(max_body=100), face.transport(never)) == [True]


def test_file_known_to_be_longer_than_the_cap_is_not_read_at_all(face: Face) -> None:
    file = io.BytesIO(b"x" * 200)
    auth, transport = face.auth(max_body=100), face.transport(never)
    with pytest.raises(SigningError, match="more than 100 bytes"):
        face.call("POST", URL, auth=auth, transport=transport, files={"f": file})
    assert file.tell() == 0


def test_stream_as_long_as_the_cap_is_sent(face: Face) -> None:
    seen: list[bytes] = []

    def answer(request: Any) -> Any:
        seen.append(request.read() if face.backend is None else request.content)
        return 204, {}, b""

    body = face.stream([b"x" * 50, b"y" * 50])
    face.call("POST", URL, auth=face.auth(max_body=100), transport=face.transport(answer), content=body, **TYPED)
    assert seen == [b"x" * 50 + b"y" * 50]


def test_body_in_memory_has_no_cap(face: Face) -> None:
    transport = face.transport(lambda _: (204, {}, b""))
    answer = face.call("POST", URL, auth=face.auth(max_body=0), transport=transport, content=b"x" * 1000, **TYPED)
    assert answer.status_code == 204


def test_stream_of_something_else_than_bytes_is_not_sent(face: Face) -> None:
    with pytest.raises(SigningError, match="gave str, not bytes"):
        face.call("POST", URL, auth=face.auth(), transport=face.transport(never), content=face.stream(["x"]), **TYPED)


def test_stream_of_the_other_colour_is_not_sent(face: Face) -> None:
    body = (iterate_async if face.backend is None else iterate)([b"x"])
    with pytest.raises(SigningError, match="stream, and this client is"):
        face.call("POST", URL, auth=face.auth(), transport=face.transport(never), content=body, **TYPED)


class Kms:
    """A signer that blocks, unless it says otherwise."""

    alg = "ES256"
    kid = KEY.kid

    def __init__(self, answer: bytes | None = None) -> None:
        self.answer = answer

    def sign(self, signing_input: bytes, /) -> bytes:
        return KEY.sign(signing_input) if self.answer is None else self.answer


class NeverWaits(Kms):
    waits = "never"


class AsyncKms(Kms):
    async def sign(self, signing_input: bytes, /) -> bytes:  # type: ignore[override]
        await anyio.lowlevel.checkpoint()
        return KEY.sign(signing_input) if self.answer is None else self.answer


def outcome(face: Face, key: Any) -> int | str:
    transport = face.transport(lambda _: (204, {}, b""))
    try:
        status: int = face.call("GET", URL, auth=face.auth(key), transport=transport).status_code
    except (TypeError, SigningError) as error:
        return str(error)
    return status


def test_async_signer_is_awaited_by_an_async_client_and_refused_by_a_blocking_one(face: Face) -> None:
    expected = "key: an async signer needs an AsyncClient" if face.backend is None else 204
    assert outcome(face, AsyncKms()) == expected


def test_blocking_signer_is_refused_by_an_async_client(face: Face) -> None:
    said = outcome(face, Kms())
    assert said == 204 if face.backend is None else "block the event loop" in str(said)


def test_signer_that_never_waits_fits_both(face: Face) -> None:
    assert outcome(face, NeverWaits()) == 204


def test_signature_of_the_wrong_form_is_not_sent(face: Face) -> None:
    key = (NeverWaits if face.backend is None else AsyncKms)(b"0" * 70)
    assert outcome(face, key) == "the signer returned 70 bytes; ES256 has 64"


def test_key_that_ends_before_the_token_is_not_used(face: Face) -> None:
    key = SigningKey.from_jwk({**KEY.dangerously_to_jwk(), "exp": 1000})
    transport = face.transport(lambda _: (204, {}, b""))
    auth = face.auth(key, clock=lambda: 911.0, lifetime=60)
    with pytest.raises(SigningError, match="ends before the token"):
        face.call("GET", URL, auth=auth, transport=transport)
    assert face.call("GET", URL, auth=face.auth(key, clock=lambda: 910.0), transport=transport).status_code == 204


def test_key_that_ends_before_the_token_by_the_receivers_clock_is_not_used(face: Face, server: CallServer) -> None:
    key = SigningKey.from_jwk({**KEY.dangerously_to_jwk(), "exp": 1150})
    server.reset(clock=lambda: 1100.0)
    with pytest.raises(SigningError, match="ends before the token"):
        face.call("GET", server.origin + "/v1", auth=face.auth(key, clock=lambda: 1000.0))
    assert len(server.arrived) == 1


def test_key_ring_is_asked_for_every_attempt(face: Face, tmp_path: Path) -> None:
    ring = KeyRing.create(tmp_path / "ring", ISSUER)
    one, other = ring.add(), ring.add()
    ring.activate(one.kid, dangerously_skip_wait=True)
    kids: list[str] = []

    def note(request: Any) -> Any:
        import jwt

        kids.append(jwt.get_unverified_header(request.headers["authorization"].removeprefix("Bearer "))["kid"])
        return 204, {}, b""

    auth = face.auth(ring)
    face.call("GET", URL, auth=auth, transport=face.transport(note))
    ring.activate(other.kid, dangerously_skip_wait=True)
    face.call("GET", URL, auth=auth, transport=face.transport(note))
    assert kids == [one.kid, other.kid]


def test_ring_without_an_active_key_signs_nothing(face: Face, tmp_path: Path) -> None:
    ring = KeyRing.create(tmp_path / "ring", ISSUER)
    assert "no key" in str(outcome(face, ring))


def test_every_wrong_option_is_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"issuer.*lifetime"):
        SignedAuth("", KEY, lifetime=0)
    with pytest.raises(ValueError, match=r"scheme.*max_body.*answers"):
        SignedAuth(ISSUER, KEY, scheme="a b", max_body=-1, require_signed_response=True)


@pytest.mark.parametrize("audience", ["shop.example/v1", "", "https://shop.example?a=1", "https://", "ä"])
def test_audience_that_no_receiver_has_is_refused(audience: str) -> None:
    with pytest.raises(ValueError, match="audience"):
        SignedAuth(ISSUER, KEY, audience=audience)


@pytest.mark.parametrize("key", [None, "secret", SigningKey, KEY.public])
def test_what_does_not_sign_is_no_key(key: Any) -> None:
    with pytest.raises(TypeError, match="key"):
        SignedAuth(ISSUER, key)


def test_verifier_of_answers_must_be_one() -> None:
    with pytest.raises(TypeError, match="answers"):
        SignedAuth(ISSUER, KEY, answers="https://shop.example")  # type: ignore[arg-type]


class Suspending(KeyDirectory):
    waits = "suspends"  # type: ignore[assignment]


class Blocking(KeyDirectory):
    waits = "blocks"  # type: ignore[assignment]


def verifies(face: Face, answers: Any) -> int | str:
    transport = face.transport(lambda _: (204, {}, b""))
    try:
        status: int = face.call("GET", URL, auth=face.auth(answers=answers), transport=transport).status_code
    except TypeError as error:
        return str(error)
    return status


def test_verifier_of_answers_must_wait_as_its_client_does(face: Face) -> None:
    shop = "https://shop.example"
    issuer = Issuer(shop, allow=[], keys=JWKSet(KEY.public))
    kinds: dict[str, Any] = {
        "never": AnswerVerifier(KeyDirectory(issuer), issuer=shop),
        "blocks": AnswerVerifier(Blocking(issuer), issuer=shop),
        "suspends": AsyncAnswerVerifier(Suspending(issuer), issuer=shop),
    }
    refused = {kind for kind, answers in kinds.items() if verifies(face, answers) != 204}
    assert refused == ({"suspends"} if face.backend is None else {"blocks"})


def test_representation_shows_issuer_algorithm_and_kid_alone() -> None:
    assert repr(SignedAuth(ISSUER, KEY)) == f"<SignedAuth '{ISSUER}' ES256 {KEY.kid}>"
    assert isinstance(SignedAuth(ISSUER, KEY), httpx.Auth)
