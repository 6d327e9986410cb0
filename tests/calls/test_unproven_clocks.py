"""A time that nobody signed serves one attempt of a client that requires signed answers, and is forgotten."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from signedmsg import Issuer, JWKSet, KeyDirectory, SigningKey
from signedmsg._core.answer_token import reference_to
from signedmsg._core.answers import Answer, answer_call_error
from signedmsg.errors import AnswerError, ClaimError
from signedmsg.signed_answers import AnswerSigner, AnswerVerifier

from .server import ISSUER, KEY, told

if TYPE_CHECKING:
    from collections.abc import Callable

    from signedmsg import Call

    from .faces import Face
    from .server import Arrived, CallServer

SHOP = "https://shop.example"
SHOP_KEY = SigningKey.generate()
NOW = 1_800_000_000.0
DIRECTORY = KeyDirectory(
    Issuer(SHOP, allow=[], keys=JWKSet(SHOP_KEY.public)), Issuer(ISSUER, allow=["*"], keys=JWKSet(KEY.public))
)


def auth_of(face: Face, *, ahead: float = 0, required: bool = True) -> Any:
    """A client whose clock says NOW; it judges answers, which are signed at its server's time, by that one."""
    answers = AnswerVerifier(DIRECTORY, issuer=SHOP, clock=lambda: NOW + ahead)
    return face.auth(answers=answers, require_signed_response=required, clock=lambda: NOW)


def expired(now: float, *, signed: bool = False) -> Callable[[Arrived], Answer]:
    def answer(request: Arrived) -> Answer:
        plain = answer_call_error(ClaimError(claim="exp", reason="over", code="expired"), now, "Bearer")
        return sign(reference_to(request.token), plain, NOW) if signed else plain

    return answer


def sign(call: Any, plain: Answer, now: float) -> Answer:
    signer = AnswerSigner(SHOP, SHOP_KEY, clock=lambda: now)
    field = signer.sign_response(call, plain.status, dict(plain.headers)["Content-Type"], plain.body)
    return plain._replace(headers=(*plain.headers, field))


def signed_at(now: float) -> Callable[[Call[Any], Arrived], Answer]:
    return lambda call, request: sign(call, told(call, request), now)


def shifts(server: CallServer) -> list[float]:
    """By how much each request was signed ahead of the client's clock."""
    payloads = [request.token.split(".")[1] for request in server.arrived]
    return [json.loads(base64.urlsafe_b64decode(payload + "=="))["iat"] - NOW for payload in payloads]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_time_that_nobody_signed_shifts_no_later_call(face: Face, server: CallServer, method: str) -> None:
    auth = auth_of(face)
    server.scripts = [expired(NOW + 290)] * (2 if method == "GET" else 1)
    with pytest.raises(AnswerError):
        face.call(method, server.origin + "/v1", auth=auth)
    server.reset(clock=lambda: NOW)
    server.after = signed_at(NOW)
    assert face.call(method, server.origin + "/v1", auth=auth).status_code == 200
    assert shifts(server) == [0]


def test_time_that_nobody_signed_serves_the_one_retry(face: Face, server: CallServer) -> None:
    server.scripts = [expired(NOW + 290)] * 2
    with pytest.raises(AnswerError):
        face.call("GET", server.origin + "/v1", auth=auth_of(face))
    assert shifts(server) == [0, 290]


def test_time_by_which_a_signed_answer_came_is_remembered(face: Face, server: CallServer) -> None:
    server.reset(clock=lambda: NOW + 100)
    server.after = signed_at(NOW + 100)
    auth = auth_of(face, ahead=100)
    for _ in range(2):
        assert face.call("GET", server.origin + "/v1", auth=auth).status_code == 200
    assert shifts(server) == [0, 100, 100]


def test_time_in_a_signed_refusal_is_remembered(face: Face, server: CallServer) -> None:
    auth = auth_of(face)
    server.scripts = [expired(NOW + 100, signed=True), expired(NOW + 100), expired(NOW + 290)]
    for _ in range(2):
        with pytest.raises(AnswerError):
            face.call("POST", server.origin + "/v1", auth=auth)
    assert shifts(server) == [0, 100, 100]


def test_time_that_a_signed_refusal_takes_back_is_not_remembered(face: Face, server: CallServer) -> None:
    auth = auth_of(face)
    server.scripts = [expired(NOW + 290), expired(NOW + 9000, signed=True)]
    assert face.call("GET", server.origin + "/v1", auth=auth).status_code == 401
    server.scripts = [expired(NOW + 9000, signed=True)]
    assert face.call("GET", server.origin + "/v1", auth=auth).status_code == 401
    assert shifts(server) == [0, 290, 0]


def test_time_that_nobody_signed_is_remembered_where_no_signature_is_required(face: Face, server: CallServer) -> None:
    auth = auth_of(face, required=False)
    server.scripts = [expired(NOW + 290)] * 2
    for _ in range(2):
        face.call("POST", server.origin + "/v1", auth=auth)
    assert shifts(server) == [0, 290]
