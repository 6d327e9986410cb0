"""A Call is proof: only a verification makes one, and nobody changes or carries it away."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from pydantic import BaseModel

from signedmsg import Call, DecodedTarget
from tests.conformance.requests import BODY, HTTP, JSON, ORIGIN, PATH, digest, got, posted, to
from tests.conformance.tokens import ISSUER, JTI, NOW
from tests.unit.calls import verify

REGION = "https://billing.example/region"


class Transfer(BaseModel):
    amount: int


def test_call_says_what_was_signed() -> None:
    call = verify(posted({REGION: ["eu"]}))
    assert (call.issuer, call.audience, call.jti) == (ISSUER, ORIGIN, JTI)
    assert (call.method, call.target, call.path, call.query) == ("POST", PATH, PATH, "")
    assert (call.issued_at, call.expires_at) == (NOW, NOW + 60)
    assert (call.body, call.content_type, dict(call.bound)) == (BODY, JSON, HTTP)
    assert dict(call.claims) == {REGION: ["eu"]}


def test_data_without_a_model_is_the_json_value() -> None:
    assert verify(posted()).data == {"amount": 42}


def test_data_with_a_model_is_an_instance_of_it() -> None:
    assert verify(posted(), Transfer).data == Transfer(amount=42)


def test_model_none_is_no_model() -> None:
    assert verify(posted(), None).data == {"amount": 42}


def test_data_of_any_type_that_pydantic_understands() -> None:
    body = b"[1,2]"
    arrival = posted({}, {"content-digest": digest(body)}, body=body)
    assert verify(arrival, list[int]).data == [1, 2]


def test_body_that_is_no_json_is_there_as_octets_alone() -> None:
    arrival = posted(
        {}, {"content-type": "text/plain", "content-digest": digest(b"\xff")}, fields=(("content-type", "text/plain"),)
    ).but(body=b"\xff")
    call = verify(arrival)
    assert (call.data, call.body, call.content_type) == (None, b"\xff", "text/plain")


def test_call_without_a_body_has_neither_data_nor_a_type() -> None:
    call = verify(got(fields=(("Content-Type", JSON),)))
    assert (call.data, call.body, call.content_type, dict(call.bound)) == (None, b"", None, {})


def test_target_is_path_and_query_as_they_were_signed() -> None:
    call = verify(to("/caf%c3%a9/%7Euser", "/caf%C3%A9/~user?b=%7e&a", "?b=%7e&a"))
    assert (call.path, call.query) == ("/caf%C3%A9/~user", "b=%7e&a")
    assert call.target == "/caf%C3%A9/~user?b=%7e&a"


def test_target_of_a_decoded_request_is_the_one_that_was_signed() -> None:
    call = verify(to("/caf%C3%A9", DecodedTarget("/café".encode(), b"a=1"), "?a=1"))
    assert call.target == "/caf%C3%A9?a=1"


def test_path_has_the_prefix_that_a_proxy_stripped() -> None:
    assert verify(to(f"/shop{PATH}", PATH), external_url=f"{ORIGIN}/shop").path == f"/shop{PATH}"


def test_call_cannot_be_made_by_hand() -> None:
    with pytest.raises(TypeError, match=r"Receiver\.verify_request"):
        Call()


@pytest.mark.parametrize("name", ["data", "issuer", "body", "anything"])
def test_call_cannot_be_changed(name: str) -> None:
    call = verify(posted())
    with pytest.raises(AttributeError, match=name):
        setattr(call, name, "x")
    with pytest.raises(AttributeError, match=name):
        delattr(call, name)


@pytest.mark.parametrize("name", ["claims", "bound"])
def test_mappings_of_a_call_cannot_be_changed(name: str) -> None:
    mapping: Any = getattr(verify(posted()), name)
    with pytest.raises(TypeError):
        mapping["x"] = "y"


@pytest.mark.parametrize("carry", [pickle.dumps, copy.copy, copy.deepcopy])
def test_call_is_neither_pickled_nor_copied(carry: Any) -> None:
    call = verify(posted())
    with pytest.raises(TypeError, match="not pickled"):
        carry(call)


def test_call_shows_neither_its_body_nor_its_query_nor_its_jti() -> None:
    call = verify(to(PATH, f"{PATH}?secret=hunter2", "?secret=hunter2"))
    assert repr(call) == f"<Call GET '{PATH}' from '{ISSUER}'>"
