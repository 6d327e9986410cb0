"""CapturingTransport: what a service would have sent, verified, and answers as told; for both libraries."""

from __future__ import annotations

from typing import Any

import anyio
import httpx
import httpx2
import pytest
from pydantic import BaseModel

import signedmsg.httpx2
from signedmsg import DeliveryError, InvalidSignatureError, SigningKey, UnknownKeyError
from signedmsg.testing import CapturingTransport, ManualClock, Peer
from signedmsg.testing.httpx2 import CapturingTransport as CapturingTransport2

SHOP = "https://shop.example"
INBOX = f"{SHOP}/inbox"


class Order(BaseModel):
    number: int


@pytest.fixture
def peer() -> Peer:
    return Peer("https://billing.example", clock=ManualClock())


def send(peer: Peer, transport: CapturingTransport) -> Any:
    with httpx.Client(transport=transport) as client, peer.sender(client=client) as sender:
        return sender.send(INBOX, {"number": 42}, type="order.placed")


def test_message_that_was_sent_is_there_and_verified(peer: Peer) -> None:
    transport = CapturingTransport(peer)
    assert send(peer, transport).status == 202
    assert [(one.type, one.data) for one in transport.messages] == [("order.placed", {"number": 42})]
    assert transport.requests[0].message(Order).data == Order(number=42)


def test_message_is_there_however_late_a_test_looks(peer: Peer, signedmsg_clock: ManualClock) -> None:
    late = Peer(clock=signedmsg_clock)
    transport = CapturingTransport(late)
    send(late, transport)
    signedmsg_clock.advance(3600)
    assert len(transport.messages) == 1


def test_calls_that_were_made_are_there_and_verified(peer: Peer) -> None:
    transport = CapturingTransport(peer)
    with httpx.Client(transport=transport, auth=peer.auth()) as client:
        client.post(f"{SHOP}/v1/orders?a=%20", json={"number": 42})
        client.get(f"{SHOP}/v1/orders")
    assert [(one.method, one.target, one.data) for one in transport.calls] == [
        ("POST", "/v1/orders?a=%20", {"number": 42}),
        ("GET", "/v1/orders", None),
    ]
    assert transport.requests[0].call(Order).data == Order(number=42)


def test_async_clients_are_captured_too(peer: Peer) -> None:
    transport = CapturingTransport(peer)

    async def work() -> None:
        async with httpx.AsyncClient(transport=transport, auth=peer.auth()) as client:
            await client.put(f"{SHOP}/x", content=b"x", headers={"content-type": "text/plain"})

    anyio.run(work)
    assert transport.calls[0].body == b"x"


def test_httpx2_has_its_own(peer: Peer) -> None:
    transport = CapturingTransport2(peer, httpx2.Response(200, json={"done": True}))
    auth = signedmsg.httpx2.SignedAuth(peer.issuer, peer.key, clock=peer.clock)

    async def work() -> None:
        async with httpx2.AsyncClient(transport=transport, auth=auth) as client:
            await client.get(f"{SHOP}/y")

    with httpx2.Client(transport=transport, auth=auth) as client:
        assert client.get(f"{SHOP}/x").json() == {"done": True}
    anyio.run(work)
    assert [one.path for one in transport.calls] == ["/x", "/y"]


def test_answers_come_in_turn_and_the_last_for_good(peer: Peer) -> None:
    transport = CapturingTransport(peer, 503, httpx.ConnectError("refused"), httpx.Response(200, text="ok"))
    with httpx.Client(transport=transport) as client:
        assert client.get(SHOP).status_code == 503
        with pytest.raises(httpx.ConnectError):
            client.get(SHOP)
        assert [client.get(SHOP).text for _ in range(3)] == ["ok"] * 3
    assert len(transport.requests) == 5


def test_refusal_is_what_the_sender_makes_of_it(peer: Peer) -> None:
    with pytest.raises(DeliveryError) as caught:
        send(peer, CapturingTransport(peer, 410))
    assert caught.value.status == 410


def test_message_of_another_key_is_not_taken_for_the_peers(peer: Peer) -> None:
    transport = CapturingTransport(peer)
    send(Peer(peer.issuer, key=SigningKey.generate(), clock=peer.clock), transport)
    with pytest.raises((UnknownKeyError, InvalidSignatureError)):
        assert transport.messages


def test_repr_shows_no_token(peer: Peer) -> None:
    transport = CapturingTransport(peer)
    send(peer, transport)
    assert transport.requests[0].body.decode() not in repr(transport) + repr(transport.requests)
