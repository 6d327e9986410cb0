"""An endpoint that signs answers: a receipt for what was verified, on request, and for nothing else."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from signedmsg import (
    AsyncReceiver,
    DeliveryError,
    Issuer,
    JWKSet,
    KeyDirectory,
    MemoryReplayCache,
    Message,
    Receiver,
    Router,
    Sender,
    SigningKey,
    asgi,
    wsgi,
)
from signedmsg.signed_answers import AnswerSigner, AnswerVerifier, AsyncAnswerSigner

from .stage import DIRECTORY, ISSUER, KEY, NOW, CountingCache, tampered, token

if TYPE_CHECKING:
    from .conftest import Door

SHOP = "https://shop.example"
SHOP_KEY = SigningKey.generate()
RECEIPT = "application/vnd.signedmsg.receipt+jwt"
ASKS = {"accept": f"text/html, {RECEIPT}; q=0.5"}
VERIFIER = AnswerVerifier(
    KeyDirectory(Issuer(SHOP, allow=[], keys=JWKSet(SHOP_KEY.public))), issuer=SHOP, clock=lambda: NOW
)


def router() -> Router:
    made = Router()

    @made.on("invoice.paid")
    def paid(message: Message[Any]) -> None:
        """Take it."""

    @made.on("invoice.crash")
    def crash(message: Message[Any]) -> None:
        raise RuntimeError("out of paper")

    return made


def opened(door: Door, answers: Any = None, **options: Any) -> CountingCache:
    """Serve an endpoint that signs receipts, and return its replay cache."""
    cache = CountingCache()
    options = {"audience": "https://shop.example/inbox", "clock": lambda: NOW, "observe": lambda _: None, **options}
    audience = options.pop("audience")
    signer = answers or AnswerSigner(SHOP, SHOP_KEY, clock=lambda: NOW)
    if door.kind == "asgi":
        door.serve(asgi.Endpoint(AsyncReceiver(audience, DIRECTORY, cache, **options), router(), answers=signer))
    else:
        door.serve(wsgi.Endpoint(Receiver(audience, DIRECTORY, cache, **options), router(), answers=signer))
    return cache


def test_message_that_was_handled_is_signed_for(door: Door) -> None:
    opened(door)
    request = token(msg={"id": "m-1"})
    response = door.post(request, headers=ASKS)
    assert (response.status_code, response.headers["content-type"]) == (200, RECEIPT)
    assert response.headers["cache-control"] == "no-store"
    receipt = VERIFIER.verify_receipt(response.text, request)
    assert (receipt.issuer, receipt.audience, receipt.outcome, receipt.message_id) == (SHOP, ISSUER, "accepted", "m-1")


def test_message_whose_handler_failed_is_signed_for_as_deferred(door: Door) -> None:
    opened(door)
    request = token(msg={"type": "invoice.crash"})
    response = door.post(request, headers=ASKS)
    assert response.status_code == 500
    assert VERIFIER.verify_receipt(response.text, request).outcome == "deferred"
    assert "paper" not in response.text


def test_nothing_is_signed_for_those_who_do_not_ask(door: Door) -> None:
    opened(door)
    for accept in ("*/*", "application/*", "application/problem+json", f"{RECEIPT};q=0", f"{RECEIPT}2"):
        response = door.post(token(), headers={"accept": accept})
        assert (response.status_code, response.content) == (204, b""), accept


REFUSED: dict[str, dict[str, Any]] = {
    "expired": {"iat": NOW - 200, "exp": NOW - 100},
    "audience": {"aud": "https://other.example/inbox"},
    "unknown issuer": {"iss": "https://mallory.example"},
    "not allowed": {"msg": {"type": "order.placed"}},
    "unknown type": {"msg": {"type": "invoice.unknown"}},
    "too late": {"msg": {"until": NOW - 100}},
}


@pytest.mark.parametrize("kind", REFUSED)
def test_nothing_that_was_refused_is_signed_for(door: Door, kind: str) -> None:
    opened(door)
    response = door.post(token(**REFUSED[kind]), headers=ASKS)
    assert 400 <= response.status_code < 500
    assert response.headers["content-type"] == "application/problem+json"


def test_neither_a_replay_nor_a_forgery_is_signed_for(door: Door) -> None:
    opened(door)
    request = token()
    assert door.post(tampered(request), headers=ASKS).headers["content-type"] == "application/problem+json"
    assert door.post(request, headers=ASKS).headers["content-type"] == RECEIPT
    again = door.post(request, headers=ASKS)
    assert (again.status_code, again.headers["content-type"]) == (409, "application/problem+json")


def test_message_is_not_signed_for_when_the_replay_cache_is_down(door: Door) -> None:
    cache = opened(door)
    cache.failure = RuntimeError("disk full")
    response = door.post(token(), headers=ASKS)
    assert (response.status_code, response.headers["content-type"]) == (503, "application/problem+json")


def test_message_that_was_handled_is_answered_even_when_nobody_can_sign(door: Door, caplog: Any) -> None:
    class Broken:
        alg, kid, waits = "ES256", "broken", "never"

        def sign(self, signing_input: bytes, /) -> bytes:
            raise OSError("the KMS is away")

    opened(door, AnswerSigner(SHOP, Broken(), clock=lambda: NOW))
    response = door.post(token(), headers=ASKS)
    assert (response.status_code, response.content) == (204, b"")
    assert "a receipt could not be signed" in caplog.text


class Suspending:
    """A KMS whose client is async."""

    alg, kid = SHOP_KEY.alg, SHOP_KEY.kid

    async def sign(self, signing_input: bytes, /) -> bytes:
        return SHOP_KEY.sign(signing_input)


class Blocking:
    """A KMS whose client blocks."""

    alg, kid = SHOP_KEY.alg, SHOP_KEY.kid

    def sign(self, signing_input: bytes, /) -> bytes:
        return SHOP_KEY.sign(signing_input)


def test_signer_that_suspends_is_awaited(door: Door) -> None:
    signer = AsyncAnswerSigner(SHOP, Suspending(), clock=lambda: NOW)
    if door.kind == "wsgi":
        with pytest.raises(TypeError, match="async endpoints alone"):
            opened(door, signer)
    else:
        opened(door, signer)
        request = token()
        assert VERIFIER.verify_receipt(door.post(request, headers=ASKS).text, request).outcome == "accepted"


def test_signer_that_blocks_fits_no_event_loop(door: Door) -> None:
    signer = AnswerSigner(SHOP, Blocking(), clock=lambda: NOW)
    if door.kind == "asgi":
        with pytest.raises(TypeError, match="may block the event loop"):
            opened(door, signer)
    else:
        opened(door, signer)
        request = token()
        assert VERIFIER.verify_receipt(door.post(request, headers=ASKS).text, request).outcome == "accepted"


def test_what_signs_no_answers_is_refused_when_the_endpoint_is_built(door: Door) -> None:
    with pytest.raises(TypeError, match="answers: expected an AnswerSigner"):
        opened(door, SHOP_KEY)


def test_sender_that_requires_receipts_gets_one_from_either_door(door: Door) -> None:
    live = AnswerSigner(SHOP, SHOP_KEY)
    cache = MemoryReplayCache(dangerously_accept_earlier=True)
    directory = KeyDirectory(Issuer(ISSUER, allow=["invoice.*"], keys=JWKSet(KEY.public)))
    if door.kind == "asgi":
        door.serve(asgi.Endpoint(AsyncReceiver(door.url, directory, cache), router(), answers=live))
    else:
        door.serve(wsgi.Endpoint(Receiver(door.url, directory, cache), router(), answers=live))
    shop = KeyDirectory(Issuer(SHOP, allow=[], keys=JWKSet(SHOP_KEY.public)))
    answers = AnswerVerifier(shop, issuer=SHOP, clock=time.time)
    with Sender(ISSUER, KEY, answers=answers, require_receipt=True, dangerously_allow_http=True) as sender:
        sent = sender.send(door.url, {"n": 1}, type="invoice.paid", id="m-9")
        with pytest.raises(DeliveryError) as caught:
            sender.send(door.url, {"n": 1}, type="invoice.crash")
    assert sent.receipt is not None
    assert (sent.status, sent.receipt.message_id, sent.receipt.outcome) == (200, "m-9", "accepted")
    assert (caught.value.outcome, caught.value.reply_code) == ("retry", "deferred")
