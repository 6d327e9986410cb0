"""Sender and AsyncSender against the doors: what is sent arrives, and what is refused says what to do next."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from signedmsg import (
    AsyncSender,
    DeliveryError,
    Issuer,
    JWKSet,
    KeyDirectory,
    MemoryReplayCache,
    Sender,
    SigningError,
    SigningKey,
    StoreError,
)

from .stage import ISSUER, KEY, CountingCache, Invoice, Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from signedmsg import Sent

    from .conftest import Door

DATED = KeyDirectory(Issuer(ISSUER, allow=["invoice.*"], keys=JWKSet(KEY.public)))


def open_now(door: Door, **options: Any) -> Stage:
    """Open the door for its own URL and the real time; tokens older than this moment are let in."""
    store = CountingCache(MemoryReplayCache(dangerously_accept_earlier=True), options.pop("failure", None))
    return door.open(**{"audience": door.url, "directory": DATED, "cache": store, "clock": time.time, **options})


def send_blocking(url: str, data: object, type: str, key: SigningKey = KEY, **options: Any) -> Sent:
    with Sender(ISSUER, key, dangerously_allow_http=True) as sender:
        return sender.send(url, data, type=type, **options)


def send_in(backend: str) -> Callable[..., Sent]:
    def send(url: str, data: object, type: str, key: SigningKey = KEY, **options: Any) -> Sent:
        async def work() -> Sent:
            async with AsyncSender(ISSUER, key, dangerously_allow_http=True) as sender:
                return await sender.send(url, data, type=type, **options)

        return anyio.run(work, backend=backend)

    return send


SENDERS = {"blocking": send_blocking, "asyncio": send_in("asyncio"), "trio": send_in("trio")}


@pytest.fixture(params=SENDERS)
def send(request: pytest.FixtureRequest) -> Callable[..., Sent]:
    return SENDERS[request.param]


def test_message_arrives_as_it_was_sent(door: Door, send: Callable[..., Sent]) -> None:
    stage = open_now(door)
    sent = send(door.url + "?region=1", Invoice(number=7), "invoice.paid", id="m-1", subject="Ünïcode", account="ann")
    assert sent == ("m-1", 204, False, None)
    (message,) = stage.handled
    assert (message.id, message.type, message.subject, message.account) == ("m-1", "invoice.paid", "Ünïcode", "ann")
    assert (message.data, message.issuer, message.audience) == (Invoice(number=7), ISSUER, door.url)


def test_message_sent_twice_has_two_tokens_and_arrives_twice(door: Door, send: Callable[..., Sent]) -> None:
    stage = open_now(door)
    send(door.url, {"number": 1}, "invoice.paid", id="m-1")
    send(door.url, {"number": 1}, "invoice.paid", id="m-1")
    first, second = stage.handled
    assert first.id == second.id
    assert first.jti != second.jti


@pytest.mark.parametrize(
    ("sending", "options", "expected"),
    [
        ({"type": "refund.made"}, {}, ("refused", 403, "not_allowed", None)),
        ({"key": SigningKey.generate()}, {}, ("refused", 401, "verification_failed", None)),
        ({}, {"audience": "https://shop.example/inbox"}, ("refused", 401, "audience", None)),
        ({"type": "invoice.voided"}, {}, ("dead", 422, "unknown_type", None)),
        ({"data": {"number": "x"}}, {}, ("dead", 422, "payload", None)),
        ({"data": {"number": 1, "pad": "x" * 16384}}, {}, ("dead", 413, "too_large", None)),
        (
            {"until": lambda: int(time.time()) + 15},
            {"clock": lambda: time.time() + 60},
            ("dead", 422, "too_late", None),
        ),
        ({"type": "invoice.crash"}, {}, ("retry", 500, "handler_error", None)),
        ({}, {"failure": StoreError("down", retry_after=7)}, ("retry", 503, "unavailable", 7.0)),
        ({}, {"clock": lambda: time.time() + 3600}, ("sign_anew", 401, "expired", None)),
        ({}, {"clock": lambda: time.time() - 3600}, ("sign_anew", 401, "not_yet_valid", None)),
    ],
    ids=lambda value: value[2] if isinstance(value, tuple) else "",
)
def test_refusal_tells_the_sender_what_to_do_next(
    door: Door,
    send: Callable[..., Sent],
    sending: dict[str, Any],
    options: dict[str, Any],
    expected: tuple[str, int, str, float | None],
) -> None:
    open_now(door, **options)
    sending = {name: value() if callable(value) else value for name, value in sending.items()}
    with pytest.raises(DeliveryError) as caught:
        send(door.url, **{"data": {"number": 1}, "type": "invoice.paid", **sending})
    error = caught.value
    assert (error.outcome, error.status, error.reply_code, error.retry_after) == expected


def test_sender_without_the_option_sends_nothing_over_plain_http(door: Door) -> None:
    stage = open_now(door)
    with Sender(ISSUER, KEY) as sender, pytest.raises(SigningError, match="https://"):
        sender.send(door.url, {"number": 1}, type="invoice.paid")
    assert stage.events == []


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_one_async_sender_delivers_many_messages_at_once(door: Door, backend: str) -> None:
    stage = open_now(door)

    async def work() -> None:
        async with (
            AsyncSender(ISSUER, KEY, dangerously_allow_http=True) as sender,
            anyio.create_task_group() as group,
        ):
            for number in range(32):
                group.start_soon(lambda n=number: sender.send(door.url, {"number": n}, type="invoice.paid"))

    anyio.run(work, backend=backend)
    assert sorted(message.data.number for message in stage.handled) == list(range(32))
