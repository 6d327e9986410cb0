"""A Message is proof: only a verification makes one, and nobody changes or carries it away."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime

import pytest

from signedmsg import Message
from tests.unit.peers import AUDIENCE, ISSUER, NOW, receiver, sign


def verified() -> Message[object]:
    token = sign({"n": [1]}, id="m-1", subject="s", account="acme", claims={"https://a.example/x": [1]})
    return receiver().verify(token)


def test_message_says_what_was_signed() -> None:
    message = verified()
    assert (message.id, message.type, message.subject, message.account) == ("m-1", "invoice.paid", "s", "acme")
    assert (message.issuer, message.audience, message.data) == (ISSUER, AUDIENCE, {"n": [1]})
    assert (message.issued_at, message.expires_at) == (int(NOW), int(NOW) + 60)
    assert message.time == datetime.fromtimestamp(NOW, UTC)
    assert len(message.jti) == 22
    assert dict(message.claims) == {"https://a.example/x": [1]}


def test_message_without_options_has_none_in_their_place() -> None:
    message = receiver().verify(sign())
    assert (message.subject, message.account, dict(message.claims)) == (None, None, {})


def test_message_cannot_be_made_by_hand() -> None:
    with pytest.raises(TypeError, match=r"Receiver\.verify"):
        Message()


@pytest.mark.parametrize("name", ["data", "issuer", "type", "anything"])
def test_message_cannot_be_changed(name: str) -> None:
    message = verified()
    with pytest.raises(AttributeError, match=name):
        setattr(message, name, "x")
    with pytest.raises(AttributeError, match=name):
        delattr(message, name)


def test_public_claims_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        verified().claims["https://a.example/x"] = 1  # type: ignore[index]


@pytest.mark.parametrize("carry", [pickle.dumps, copy.copy, copy.deepcopy])
def test_message_is_neither_pickled_nor_copied(carry: object) -> None:
    with pytest.raises(TypeError, match="not pickled"):
        carry(verified())  # type: ignore[operator]


def test_message_shows_neither_its_data_nor_its_jti() -> None:
    message = receiver().verify(sign({"secret": "hunter2"}, id="m-1"))
    assert repr(message) == f"<Message 'invoice.paid' 'm-1' from '{ISSUER}'>"
    assert message.jti not in repr(message)


def test_two_messages_are_equal_only_if_they_are_the_same_object() -> None:
    message = verified()
    assert message == message
    assert message != verified()
