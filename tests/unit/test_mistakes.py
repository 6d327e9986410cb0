"""Common mistakes: each is told, in the place where it was made, what it is and what to write instead."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from signedmsg import (
    AsyncReceiver,
    AsyncSender,
    InvalidKeyError,
    Issuer,
    JWKSet,
    KeyDirectory,
    KeyRing,
    MemoryReplayCache,
    NotAllowedError,
    Receiver,
    Router,
    Sender,
    SignedMessageError,
    SigningKey,
)
from signedmsg.httpx import SignedAuth
from signedmsg.signed_answers import AnswerSigner

from .peers import AUDIENCE, ISSUER, KEY, memory, receiver, sign, trusted

if TYPE_CHECKING:
    from collections.abc import Callable


class Invoice(BaseModel):
    number: int


class Frozen(BaseModel, frozen=True):
    number: int


RECEIVERS = pytest.mark.parametrize("face", [Receiver, AsyncReceiver])

NO_CLOCKS: dict[str, Callable[[Any], object]] = {
    "Receiver": lambda clock: Receiver(AUDIENCE, KeyDirectory(trusted()), memory(), clock=clock),
    "AsyncReceiver": lambda clock: AsyncReceiver(AUDIENCE, KeyDirectory(trusted()), memory(), clock=clock),
    "MemoryReplayCache": lambda clock: MemoryReplayCache(clock=clock, dangerously_accept_earlier=True),
    "Sender": lambda clock: Sender(ISSUER, KEY, clock=clock),
    "AsyncSender": lambda clock: AsyncSender(ISSUER, KEY, clock=clock),
    "SignedAuth": lambda clock: SignedAuth(ISSUER, KEY, clock=clock),
    "AnswerSigner": lambda clock: AnswerSigner(ISSUER, KEY, clock=clock),
}


@pytest.mark.parametrize("build", NO_CLOCKS.values(), ids=NO_CLOCKS)
@pytest.mark.parametrize("clock", [1.0, None, "now"])
def test_what_is_no_clock_is_named_when_the_object_is_built(build: Callable[[Any], object], clock: Any) -> None:
    with pytest.raises(TypeError, match=r"^clock: expected a function"):
        build(clock)


def test_what_is_no_monotonic_clock_is_named_when_the_cache_is_built() -> None:
    with pytest.raises(TypeError, match=r"^monotonic: expected a function"):
        MemoryReplayCache(monotonic=1.0, dangerously_accept_earlier=True)  # type: ignore[arg-type]


@RECEIVERS
def test_what_does_not_observe_is_named_when_the_receiver_is_built(face: Any) -> None:
    with pytest.raises(TypeError, match=r"^observe: expected a function.*got 'x'"):
        face(AUDIENCE, KeyDirectory(trusted()), memory(), observe="x")


@pytest.mark.parametrize("model", [Invoice(number=1), Frozen(number=1)], ids=["unhashable", "hashable"])
def test_object_in_place_of_its_class_is_no_model(model: Any) -> None:
    with pytest.raises(
        TypeError, match=rf"^model: expected a class.*got an object of the class {type(model).__name__}"
    ):
        receiver().verify(sign({"number": 1}), model)


def private_jwk() -> str:
    return json.dumps(KEY.dangerously_to_jwk())


@pytest.mark.parametrize("text", [KEY.to_pem(), KEY.to_pem("hunter2"), private_jwk()], ids=["pem", "encrypted", "jwk"])
def test_private_key_in_place_of_a_key_document_is_called_one(tmp_path: Path, text: str) -> None:
    path = tmp_path / "private.pem"
    path.write_text(text)
    with pytest.raises(ValueError, match="this is a private key; receivers need only its public half"):
        KeyDirectory(trusted(keys=str(path)))


@pytest.mark.parametrize("keys", [KEY, KEY.public, [KEY.public], (KEY,)], ids=["private", "public", "list", "tuple"])
def test_keys_without_a_set_around_them_are_told_of_the_set(keys: Any) -> None:
    with pytest.raises(TypeError, match=r"JWKSet\(key\.public\)"):
        Issuer(ISSUER, allow=["*"], keys=keys)


@pytest.mark.parametrize("folder", ["ring", Path("ring"), None], ids=["text", "path", "none"])
@pytest.mark.parametrize("options", [{}, {"clock": lambda: 0.0, "monotonic": lambda: 0.0}], ids=["bare", "clocks"])
def test_ring_that_is_made_by_its_class_is_told_of_open(folder: Any, options: Any) -> None:
    with pytest.raises(TypeError, match=r"KeyRing\.open"):
        KeyRing(folder, **options)


@pytest.mark.parametrize(
    "document", [JWKSet(KEY.public).to_json(), '{"issuer": "x", "keys": []}'], ids=["set", "empty"]
)
def test_key_document_in_place_of_a_private_key_is_called_one(tmp_path: Path, document: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(document)
    path.chmod(0o600)
    with pytest.raises(InvalidKeyError, match="this is a set of public keys"):
        SigningKey.load(path)


@pytest.mark.parametrize("face", [Sender, AsyncSender])
@pytest.mark.parametrize(
    "key", ["billing.pem", Path("billing.pem"), KEY.to_pem().encode()], ids=["text", "path", "pem"]
)
def test_path_in_place_of_a_key_is_told_of_load(face: Any, key: Any) -> None:
    with pytest.raises(TypeError, match=r"SigningKey\.load\(path\)"):
        face(ISSUER, key)


@pytest.mark.parametrize(("named", "text"), [(None, "the message names no account"), ("other", "of another account")])
def test_message_of_the_wrong_account_is_told_from_one_without(named: str | None, text: str) -> None:
    with pytest.raises(NotAllowedError, match=text) as caught:
        receiver(account="acme").verify(sign(account=named))
    assert caught.value.code == "not_allowed"


@pytest.mark.parametrize("token", ["", b"", "\n", " "], ids=repr)
def test_token_with_nothing_in_it_is_called_empty(token: Any) -> None:
    with pytest.raises(SignedMessageError, match="the token is empty") as caught:
        receiver().handle(token, Router())
    assert caught.value.code == "malformed"
