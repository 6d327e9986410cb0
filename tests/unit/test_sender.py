"""Senders: what they are built of, with which keys they sign, and what they make of an answer."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import anyio
import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from signedmsg import AsyncSender, Sender, SigningError, SigningKey

from .peers import AUDIENCE, ISSUER, KEY, NOW, Clock, receiver, sender, sign

URL = AUDIENCE + "?tenant=1"
EC_KEY = ec.generate_private_key(ec.SECP256R1())


class Kms:
    """A blocking signer; `answer` is what it returns or raises instead of a signature."""

    alg = "ES256"

    def __init__(self, answer: object = None, **attributes: Any) -> None:
        self.kid = KEY.kid
        self.answer = answer
        self.signed: list[bytes] = []
        for name, value in attributes.items():
            setattr(self, name, value)

    def sign(self, signing_input: bytes, /) -> Any:
        self.signed.append(signing_input)
        if isinstance(self.answer, Exception):
            raise self.answer
        return KEY.sign(signing_input) if self.answer is None else self.answer


class AsyncKms:
    """An async signer."""

    alg = "ES256"

    def __init__(self, answer: object = None) -> None:
        self.kid = KEY.kid
        self.answer = answer

    async def sign(self, signing_input: bytes, /) -> Any:
        await anyio.lowlevel.checkpoint()
        if isinstance(self.answer, Exception):
            raise self.answer
        return KEY.sign(signing_input) if self.answer is None else self.answer


def async_sign(key: Any, backend: str = "asyncio") -> str:
    async def work() -> str:
        async with AsyncSender(ISSUER, key, clock=Clock()) as one:
            return await one.sign(42, type="invoice.paid", audience=AUDIENCE)

    return anyio.run(work, backend=backend)


def claims_of(token: str) -> dict[str, Any]:
    return dict(json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "==")))


def test_token_is_accepted_by_its_receiver() -> None:
    assert receiver().verify(sign({"a": [1, None]})).data == {"a": [1, None]}


def test_two_tokens_of_the_same_message_differ_in_their_jti() -> None:
    one, other = (claims_of(sign(id="m-1")) for _ in range(2))
    assert one.pop("jti") != other.pop("jti")
    assert one == other


def test_message_without_an_id_gets_one_of_its_own_that_tells_its_time() -> None:
    ids = [claims_of(sign())["msg"]["id"] for _ in range(3)]
    assert len(set(ids)) == 3
    # RFC 9562 §5.7: the first 48 bits of a UUIDv7 are milliseconds.
    assert {int(id.replace("-", "")[:12], 16) for id in ids} == {int(NOW * 1000)}


def test_callers_data_and_claims_stay_as_they_were() -> None:
    data, claims = {"a": [{"b": 1.5}]}, {"https://a.example/x": {"c": [1]}}
    before = copy.deepcopy((data, claims))
    sign(data, claims=claims)
    assert (data, claims) == before


def test_every_wrong_option_is_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"issuer.*lifetime.*max_size.*account"):
        Sender("", KEY, lifetime=0, max_size=1, account="")


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), 3601, None, True])
def test_wrong_timeout_is_refused(timeout: Any) -> None:
    with pytest.raises(ValueError, match="timeout"):
        Sender(ISSUER, KEY, timeout=timeout)


@pytest.mark.parametrize("face", [Sender, AsyncSender])
@pytest.mark.parametrize(
    "key",
    [None, "secret", b"secret", SigningKey, KEY.public, object()],
    ids=["none", "text", "bytes", "class", "public", "object"],
)
def test_what_does_not_sign_is_no_key(face: Any, key: Any) -> None:
    with pytest.raises(TypeError, match="key"):
        face(ISSUER, key)


@pytest.mark.parametrize(
    ("attributes", "named"),
    [
        ({"alg": "HS256"}, "HS256"),
        ({"alg": "none"}, "none"),
        ({"alg": None}, "None"),
        ({"kid": ""}, "kid"),
        ({"kid": "a b"}, "kid"),
        ({"kid": "k" * 129}, "kid"),
        ({"kid": None}, "kid"),
    ],
)
def test_signer_with_wrong_alg_or_kid_is_refused(attributes: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Sender(ISSUER, Kms(**attributes))


def test_blocking_sender_refuses_an_async_signer() -> None:
    with pytest.raises(TypeError, match="AsyncSender"):
        Sender(ISSUER, AsyncKms())  # type: ignore[arg-type]


def test_async_sender_refuses_a_signer_that_may_block() -> None:
    with pytest.raises(TypeError, match="block the event loop"):
        AsyncSender(ISSUER, Kms())


def test_async_sender_takes_a_plain_signer_that_says_it_never_waits() -> None:
    assert receiver().verify(async_sign(Kms(waits="never"))).data == 42


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("key", [KEY, AsyncKms()], ids=["key", "kms"])
def test_async_sender_signs_with_a_key_and_with_an_async_signer(key: Any, backend: str) -> None:
    assert receiver().verify(async_sign(key, backend)).data == 42


def test_blocking_signer_of_somebody_else_signs() -> None:
    kms = Kms()
    token = sender(key=kms).sign(42, type="t", audience=AUDIENCE)
    assert receiver().verify(token).data == 42
    assert kms.signed == [token.rpartition(".")[0].encode()]


DER = EC_KEY.sign(b"x", ec.ECDSA(hashes.SHA256()))
ANSWERS: dict[str, tuple[object, str]] = {
    "der": (DER, "r‖s"),
    "empty": (b"", "not a signature"),
    "text": ("A" * 64, "not a signature"),
    "none": ([], "not a signature"),
    "one-byte-short": (b"x" * 63, "63 bytes"),
    "one-byte-long": (b"x" * 65, "65 bytes"),
    "connection-lost": (ConnectionError("secret-host:8443"), "the signer failed: ConnectionError"),
    "timeout": (TimeoutError(), "the signer failed: TimeoutError"),
}


@pytest.mark.parametrize(("answer", "text"), ANSWERS.values(), ids=ANSWERS)
def test_whatever_a_signer_does_wrong_is_a_signing_error(answer: object, text: str) -> None:
    with pytest.raises(SigningError) as blocking:
        sender(key=Kms(answer)).sign(42, type="t", audience=AUDIENCE)
    with pytest.raises(SigningError) as suspending:
        async_sign(AsyncKms(answer))
    for caught in (blocking, suspending):
        assert text in f"{caught.value} {caught.value.hint}"
        assert "secret-host" not in str(caught.value)


@pytest.mark.parametrize(("alg", "size"), [("ES384", 96), ("ES512", 132), ("Ed25519", 64), ("EdDSA", 64)])
def test_signature_of_another_length_than_its_algorithms_is_refused(alg: str, size: int) -> None:
    with pytest.raises(SigningError, match=f"{alg} has {size}"):
        sender(key=Kms(b"x" * 70, alg=alg)).sign(42, type="t", audience=AUDIENCE)


def bounded(**times: int) -> SigningKey:
    return SigningKey.from_jwk({**KEY.dangerously_to_jwk(), **times})


def signs(key: Any, now: float) -> bool:
    try:
        sender(key=key, clock=Clock(now)).sign(1, type="t", audience=AUDIENCE, time=NOW, until=2_000_000_000)
    except SigningError:
        return False
    return True


def test_key_signs_from_its_first_second_on() -> None:
    key = bounded(nbf=1000)
    assert [signs(key, now) for now in (999, 999.999, 1000)] == [False, False, True]


def test_key_signs_only_while_the_token_and_the_leeway_end_before_it() -> None:
    key = bounded(exp=1090)
    assert [signs(key, now) for now in (999, 1000, 1000.001, 1001, 1090, 5000)] == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]


def test_times_of_another_signer_are_kept_as_well() -> None:
    assert not signs(Kms(not_before=1000), 999)
    assert not signs(Kms(expires=1090), 1001)
    assert signs(Kms(not_before=1000, expires=1090), 1000)


def test_key_that_may_not_sign_now_is_not_asked_to() -> None:
    kms = Kms(expires=1)
    assert not signs(kms, 5000)
    assert kms.signed == []


@pytest.mark.parametrize("said", [None, "1800000000", float("nan"), float("inf"), 1e300], ids=repr)
@pytest.mark.parametrize("options", [{}, {"id": "m-1", "time": NOW}], ids=["new", "again"])
def test_clock_that_does_not_say_the_time_signs_nothing(said: Any, options: dict[str, Any]) -> None:
    with pytest.raises(SigningError, match="clock"):
        sign(clock=lambda: said, **options)


def test_token_of_exactly_the_cap_is_made_and_one_byte_more_is_refused() -> None:
    size = len(sign("x" * 3000, id="m"))
    assert len(sender(max_size=size).sign("x" * 3000, type="invoice.paid", audience=AUDIENCE, id="m")) == size
    with pytest.raises(SigningError, match=f"{size} bytes"):
        sender(max_size=size - 1).sign("x" * 3000, type="invoice.paid", audience=AUDIENCE, id="m")


def test_representation_shows_issuer_algorithm_and_kid_alone() -> None:
    assert repr(sender()) == f"<Sender '{ISSUER}' ES256 {KEY.kid}>"


class Server:
    """Answers in memory, and keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(204)


def post(server: Server, **options: Any) -> Any:
    with httpx.Client(transport=httpx.MockTransport(server)) as client:
        return sender(client=client).send(URL, {"n": 1}, type="invoice.paid", **options)


def async_post(server: Server, **options: Any) -> Any:
    async def work() -> Any:
        async with httpx.AsyncClient(transport=httpx.MockTransport(server)) as client:
            one = AsyncSender(ISSUER, KEY, client=client, clock=Clock())
            return await one.send(URL, {"n": 1}, type="invoice.paid", **options)

    return anyio.run(work)


FACES = pytest.mark.parametrize("send", [post, async_post], ids=["blocking", "async"])


@FACES
def test_audience_is_the_url_contacted_without_its_query(send: Any) -> None:
    server = Server()
    sent = send(server, id="m-1")
    assert (sent.message_id, sent.status, sent.duplicate) == ("m-1", 204, False)
    (request,) = server.requests
    assert str(request.url) == URL
    assert receiver().verify(request.content).audience == AUDIENCE


@FACES
def test_caller_cannot_choose_another_audience_than_the_url_contacted(send: Any) -> None:
    with pytest.raises(TypeError, match="audience"):
        send(Server(), audience="https://evil.example/")


@FACES
def test_what_cannot_be_signed_is_not_sent(send: Any) -> None:
    server = Server()
    with pytest.raises(SigningError):
        send(server, subject="a\n")
    assert server.requests == []
