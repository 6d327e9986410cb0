"""What type checkers must say of `signedmsg.testing`: run by mypy and pyright, never imported."""

# pyright: reportUnnecessaryTypeIgnoreComment=true
from __future__ import annotations

from typing import TYPE_CHECKING, assert_type

import httpx
import httpx2
from pydantic import BaseModel

from signedmsg import Call, JSONValue, Message, Receiver
from signedmsg.testing import Bad, CapturingTransport, Peer, make_call, make_message
from signedmsg.testing.httpx2 import CapturingTransport as CapturingTransport2

if TYPE_CHECKING:
    from starlette.testclient import TestClient


class Order(BaseModel):
    number: int


def made() -> None:
    assert_type(make_message(Order(number=1)), Message[Order])
    assert_type(make_call(), Call[None])
    assert_type(make_call("POST", "/v1/orders", Order(number=1), bound={"if-match": "x"}), Call[Order])


def captured(peer: Peer) -> None:
    transport = CapturingTransport(peer, 503, httpx.Response(200), httpx.ConnectError("refused"))
    httpx.Client(transport=transport, auth=peer.auth())
    httpx.AsyncClient(transport=transport)
    httpx2.Client(transport=CapturingTransport2(peer, httpx2.Response(200)))
    assert_type(transport.messages, list[Message[JSONValue]])
    assert_type(transport.requests[0].message(Order), Message[Order])
    assert_type(transport.requests[0].call(Order), Call[Order])
    assert_type(transport.requests[0].call(), Call[JSONValue])


def signed(peer: Peer, receiver: Receiver, client: httpx.Client, test_client: TestClient) -> None:
    request = peer.call("POST", "https://shop.example/v1/orders", json=Order(number=1), bad=Bad.EXPIRED)
    client.request(**request.for_httpx())
    test_client.request(**request.for_httpx())
    assert_type(receiver.verify_request(*request.for_receiver(), Order), Call[Order])
    peer.message("https://shop.example/inbox", 1, type="t", id="m-1", account="a")
    request.but(path="/x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    peer.call("GET", "https://shop.example", bad="expired")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
