"""Peer: signs what receivers take, and each bad token so that exactly its own rule refuses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from signedmsg import Issuer, JWKSet, NotAllowedError, SigningError, SigningKey, VerificationError
from signedmsg.testing import Bad, ManualClock, Peer

if TYPE_CHECKING:
    from collections.abc import Callable

SHOP = "https://shop.example"
INBOX = f"{SHOP}/inbox"


def code_of(times: int, take: Callable[[], Any]) -> str:
    """Take it so often that the last time it is refused, and return why."""
    for _ in range(times - 1):
        take()
    with pytest.raises(VerificationError) as caught:
        take()
    return caught.value.code


@pytest.fixture
def peer() -> Peer:
    return Peer("https://billing.example", clock=ManualClock())


@pytest.mark.parametrize("bad", Bad)
def test_bad_message_is_refused_with_its_own_code(peer: Peer, bad: Bad) -> None:
    receiver = peer.receiver(INBOX)
    token = peer.sign({"number": 42}, type="t", audience=INBOX, bad=bad)
    assert code_of(bad.times, lambda: receiver.verify(token)) == bad.code


@pytest.mark.parametrize("bad", Bad)
def test_bad_call_is_refused_with_its_own_code(peer: Peer, bad: Bad) -> None:
    receiver = peer.receiver(SHOP)
    request = peer.call("POST", f"{SHOP}/v1/orders?a=1", json=1, bad=bad)
    assert code_of(bad.times, lambda: receiver.verify_request(*request.for_receiver())) == bad.code


def test_good_message_and_call_are_accepted_by_both_faces(peer: Peer) -> None:
    receiver, suspending = peer.receiver(INBOX), peer.async_receiver(SHOP)
    assert receiver.verify(peer.sign(1, type="t", audience=INBOX)).issuer == "https://billing.example"
    call = anyio.run(suspending.verify_request, *peer.call("DELETE", f"{SHOP}/v1/orders/7").for_receiver())
    assert (call.method, call.path, call.body) == ("DELETE", "/v1/orders/7", b"")


def test_peer_may_do_what_it_is_allowed_alone(peer: Peer) -> None:
    receiver = peer.receiver(INBOX, allow=["invoice.*"])
    assert receiver.verify(peer.sign(1, type="invoice.paid", audience=INBOX)).data == 1
    with pytest.raises(NotAllowedError):
        receiver.verify(peer.sign(1, type="order.placed", audience=INBOX))


def test_directory_may_trust_others_as_well(peer: Peer) -> None:
    other = SigningKey.generate()
    directory = peer.directory(Issuer("https://other.example", allow=["*"], keys=JWKSet(other.public)))
    assert directory.find("https://other.example", other.kid).kid == other.kid
    assert directory.find(peer.issuer, peer.key.kid).kid == peer.key.kid


def test_key_may_be_given(peer: Peer) -> None:
    assert Peer(key=peer.key).key is peer.key


def test_real_clock_is_the_default() -> None:
    peer = Peer()
    assert peer.receiver(INBOX).verify(peer.sign(1, type="t", audience=INBOX)).data == 1


@pytest.mark.parametrize(
    ("target", "expected"), [("", "/"), ("/", "/"), ("?a=1", "/?a=1"), ("/x#part", "/x"), ("/x?", "/x")]
)
def test_call_is_signed_for_the_target_that_a_client_would_send(peer: Peer, target: str, expected: str) -> None:
    request = peer.call("GET", SHOP + target)
    assert request.target == expected
    assert peer.receiver(SHOP).verify_request(*request.for_receiver()).target == expected


def test_call_may_be_for_a_named_audience_in_another_scheme(peer: Peer) -> None:
    receiver = peer.receiver("orders", external_url=SHOP, scheme="SignedMsg")
    request = peer.call("GET", f"{SHOP}/x", audience="orders", scheme="SignedMsg")
    assert receiver.verify_request(*request.for_receiver()).audience == "orders"


def test_call_that_nobody_could_sign_is_an_error(peer: Peer) -> None:
    with pytest.raises(SigningError):
        peer.call("POST", f"{SHOP}/x", content=b"no type")


def test_request_does_not_show_its_token(peer: Peer) -> None:
    request = peer.call("POST", f"{SHOP}/x", json={"a": "secret"})
    assert request.token not in repr(request)
    assert "secret" not in repr(request)


def test_sender_and_auth_sign_as_the_peer(peer: Peer) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(202)

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        peer.sender(client=client).send(INBOX, 1, type="t")
        client.get(f"{SHOP}/x", auth=peer.auth())
    assert peer.receiver(INBOX).verify(seen[0].content).issuer == peer.issuer
    verified = peer.receiver(SHOP).verify_request("GET", "/x", seen[1].headers.multi_items(), b"")
    assert verified.issuer == peer.issuer
