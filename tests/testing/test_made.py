"""make_message and make_call: what a handler gets, without a signature, for unit tests of handlers."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from signedmsg import Call, Message, Router, SigningError
from signedmsg.testing import Peer, make_call, make_message


class Order(BaseModel):
    number: int


def test_made_message_is_what_a_handler_takes() -> None:
    seen: list[int] = []

    def place(message: Message[Order]) -> None:
        seen.append(message.data.number)

    Router().on("order.placed", Order)(place)
    place(make_message(Order(number=42)))
    assert seen == [42]


def test_made_message_has_what_it_was_given_and_sense_for_the_rest() -> None:
    when = datetime(2026, 1, 1, tzinfo=UTC)
    message = make_message(1, type="t", id="m-1", time=when, subject="s", account="a", claims={"x:y": 1})
    assert (message.type, message.id, message.time, message.subject, message.account) == ("t", "m-1", when, "s", "a")
    assert (message.claims, message.expires_at - message.issued_at) == ({"x:y": 1}, 60)
    assert len({make_message(1).id, make_message(1).id, make_message(1).jti, make_message(1).jti}) == 4


def test_made_call_is_like_the_verified_one() -> None:
    peer = Peer()
    request = peer.call("POST", "https://service.example/v1/orders?a=%20", json={"number": 42})
    verified = peer.receiver("https://service.example").verify_request(*request.for_receiver(), Order)
    made = make_call("POST", "/v1/orders?a=%20", Order(number=42))
    alike = ("issuer", "audience", "method", "target", "path", "query", "data", "body", "content_type", "bound")
    assert {name: getattr(made, name) for name in alike} == {name: getattr(verified, name) for name in alike}


def test_made_call_without_data_has_no_body() -> None:
    call = make_call()
    assert (call.method, call.target, call.data, call.body, call.content_type) == ("GET", "/", None, b"", None)


def test_made_call_may_have_any_body_and_fields() -> None:
    call = make_call("PUT", "/x", None, body=b"x", content_type="text/plain", bound={"if-match": '"1"'})
    assert (call.body, call.content_type, call.bound["if-match"]) == (b"x", "text/plain", '"1"')


def test_call_of_an_impossible_target_or_body_is_not_made() -> None:
    with pytest.raises(ValueError, match="slash"):
        make_call("GET", "x")
    with pytest.raises(SigningError):
        make_call("POST", "/x", object())


@pytest.mark.parametrize("made", [make_message(1), make_call()])
def test_made_ones_are_as_closed_as_verified_ones(made: Any) -> None:
    assert isinstance(made, Message | Call)
    with pytest.raises(AttributeError):
        made.issuer = "x"
    with pytest.raises(TypeError):
        pickle.dumps(made)
