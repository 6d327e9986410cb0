"""A call whose signed answer was swapped, changed, stripped or made by somebody else is refused by either library."""

from __future__ import annotations

import gzip
import time
from typing import TYPE_CHECKING, Any

import pytest

from signedmsg import AsyncKeyDirectory, Issuer, JWKSet, KeyDirectory, SigningKey
from signedmsg._core.answer_token import reference_to
from signedmsg._core.answers import Answer
from signedmsg.errors import AnswerError, SigningError
from signedmsg.signed_answers import AnswerSigner, AnswerVerifier, AsyncAnswerVerifier, RequestRef

from .server import ISSUER, KEY, told

if TYPE_CHECKING:
    from collections.abc import Callable

    from signedmsg import Call

    from .faces import Face
    from .server import Arrived, CallServer

SHOP = "https://shop.example"
BANK = "https://bank.example"
SHOP_KEY, BANK_KEY, STRANGER = (SigningKey.generate() for _ in range(3))
SIGNER = AnswerSigner(SHOP, SHOP_KEY)
DIRECTORY = KeyDirectory(
    Issuer(SHOP, allow=[], keys=JWKSet(SHOP_KEY.public)),
    Issuer(BANK, allow=["*"], keys=JWKSet(BANK_KEY.public)),
    Issuer(ISSUER, allow=["*"], keys=JWKSet(KEY.public)),
)


def signed(call: Call[Any] | RequestRef, plain: Answer, by: AnswerSigner = SIGNER) -> Answer:
    """Sign an answer as a door does."""
    return plain._replace(headers=(*plain.headers, field(call, plain, by)))


def field(call: Call[Any] | RequestRef, plain: Answer, by: AnswerSigner = SIGNER) -> tuple[str, str]:
    return by.sign_response(call, plain.status, dict(plain.headers).get("Content-Type"), plain.body)


def replaced(answer: Answer, name: str, value: str | None) -> Answer:
    """Change or strip one header field."""
    kept = tuple(pair for pair in answer.headers if pair[0].lower() != name.lower())
    return answer._replace(headers=kept if value is None else ((name, value), *kept))


def call_it(face: Face, server: CallServer, path: str = "/v1/transfers", **options: Any) -> Any:
    options = {"answers": AnswerVerifier(DIRECTORY, issuer=SHOP), "require_signed_response": True, **options}
    return face.call("POST", server.origin + path, auth=face.auth(**options), json={"amount": 42})


def refused(
    face: Face, server: CallServer, make: Callable[[Call[Any], Arrived], Answer], **options: Any
) -> AnswerError:
    """Return the error of a call that was made, once, and whose answer does not count."""
    server.after = make
    with pytest.raises(AnswerError) as caught:
        call_it(face, server)
    assert len(server.arrived) == 1
    return caught.value


def test_signed_answer_is_accepted_and_its_proof_kept(face: Face, server: CallServer) -> None:
    server.after = lambda call, request: signed(call, told(call, request))
    answer = call_it(face, server)
    proof = answer.extensions["signedmsg"]
    request = reference_to(server.arrived[0].token)
    assert (proof.issuer, proof.request_jti, proof.request_s256) == (SHOP, request.jti, request.s256)
    assert proof.token == answer.headers["signedmsg-response"]


@pytest.mark.parametrize("status", [200, 204, 404, 422, 500, 503])
def test_answer_of_every_status_is_bound(face: Face, server: CallServer, status: int) -> None:
    server.after = lambda call, request: signed(call, Answer(status, (), b"" if status == 204 else b"x"))
    assert call_it(face, server).status_code == status


def test_answer_whose_status_was_flipped_is_refused(face: Face, server: CallServer) -> None:
    error = refused(face, server, lambda call, request: signed(call, told(call, request))._replace(status=500))
    assert (error.code, error.status) == ("wrong_answer", 500)
    assert "@status" in str(error)


@pytest.mark.parametrize("value", ["text/html", "application/json; charset=utf-7", None])
def test_answer_whose_content_type_was_changed_is_refused(face: Face, server: CallServer, value: str | None) -> None:
    error = refused(face, server, lambda call, _: replaced(signed(call, told(call, _)), "Content-Type", value))
    assert "content-type" in str(error)


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "one byte": lambda body: body[:-1] + b"]",
    "one more": lambda body: body + b"\n",
    "one less": lambda body: body[:-1],
    "nothing left": lambda _: b"",
}


@pytest.mark.parametrize("change", CHANGES)
def test_answer_whose_body_was_changed_is_refused(face: Face, server: CallServer, change: str) -> None:
    def make(call: Call[Any], request: Arrived) -> Answer:
        answer = signed(call, told(call, request))
        return answer._replace(body=CHANGES[change](answer.body))

    assert "content-digest" in str(refused(face, server, make))


def test_answer_whose_signature_was_stripped_is_refused(face: Face, server: CallServer) -> None:
    error = refused(face, server, lambda call, _: replaced(signed(call, told(call, _)), "SignedMsg-Response", None))
    assert error.code == "unsigned_answer"


def test_answer_to_another_call_is_refused(face: Face, server: CallServer) -> None:
    kept: list[Answer] = []

    def make(call: Call[Any], request: Arrived) -> Answer:
        kept.append(signed(call, Answer(200, (("Content-Type", "text/plain"),), b"done")))
        return kept[0]

    server.after = make
    assert call_it(face, server).status_code == 200
    with pytest.raises(AnswerError, match="another request"):
        call_it(face, server)


def test_answer_to_the_same_id_and_other_content_is_refused(face: Face, server: CallServer) -> None:
    def make(call: Call[Any], request: Arrived) -> Answer:
        other = reference_to(request.token)._replace(s256="A" * 43)
        return signed(other, told(call, request))

    assert "another request" in str(refused(face, server, make))


def test_signature_of_another_trusted_issuer_is_no_answer(face: Face, server: CallServer) -> None:
    bank = AnswerSigner(BANK, BANK_KEY)
    error = refused(face, server, lambda call, request: signed(call, told(call, request), bank))
    assert "not the issuer whose answers are expected" in str(error)


def test_signature_of_the_caller_itself_is_no_answer(face: Face, server: CallServer) -> None:
    own = AnswerSigner(ISSUER, KEY)
    assert refused(face, server, lambda call, request: signed(call, told(call, request), own)).code == "wrong_answer"


def test_signature_of_a_key_that_is_not_the_answerers_is_refused(face: Face, server: CallServer) -> None:
    forger = AnswerSigner(SHOP, STRANGER)
    error = refused(face, server, lambda call, request: signed(call, told(call, request), forger))
    assert getattr(error.__cause__, "code", None) == "unknown_key"


def test_answer_that_is_expired_is_refused(face: Face, server: CallServer) -> None:
    late = AnswerSigner(SHOP, SHOP_KEY, clock=lambda: time.time() - 3600)
    error = refused(face, server, lambda call, request: signed(call, told(call, request), late))
    assert getattr(error.__cause__, "code", None) == "expired"


def test_receipt_is_no_answer_to_a_call(face: Face, server: CallServer) -> None:
    def make(call: Call[Any], request: Arrived) -> Answer:
        receipt = SIGNER.sign_receipt(reference_to(request.token)._replace(message_id="m-1"), "accepted")
        return replaced(told(call, request), "SignedMsg-Response", receipt)

    assert "typ: expected" in str(refused(face, server, make))


def test_request_token_is_no_answer(face: Face, server: CallServer) -> None:
    error = refused(
        face, server, lambda call, request: replaced(told(call, request), "SignedMsg-Response", request.token)
    )
    assert "typ: expected" in str(error)


def test_second_signature_beside_the_right_one_is_refused(face: Face, server: CallServer) -> None:
    def make(call: Call[Any], request: Arrived) -> Answer:
        plain = told(call, request)
        return plain._replace(headers=(*plain.headers, field(call, plain), field(call, plain)))

    assert "stands twice" in str(refused(face, server, make))


def test_answer_that_was_compressed_on_its_way_is_refused(face: Face, server: CallServer) -> None:
    def make(call: Call[Any], request: Arrived) -> Answer:
        answer = replaced(signed(call, told(call, request)), "Content-Encoding", "gzip")
        return answer._replace(body=gzip.compress(answer.body))

    assert refused(face, server, make).code == "wrong_answer"


def test_answer_is_asked_for_as_it_is(face: Face, server: CallServer) -> None:
    server.after = lambda call, request: signed(call, told(call, request))
    call_it(face, server)
    assert dict(server.arrived[0].headers)["accept-encoding"] == "identity"


def test_refusal_that_nobody_signed_is_no_answer_where_signed_ones_are_required(face: Face, server: CallServer) -> None:
    server.reset(audience="https://elsewhere.example")
    with pytest.raises(AnswerError) as caught:
        call_it(face, server)
    assert (caught.value.code, caught.value.status) == ("unsigned_answer", 401)


def test_issuer_is_looked_up_by_the_origin_of_the_call(face: Face, server: CallServer) -> None:
    server.after = lambda call, request: signed(call, told(call, request))
    pinned = AnswerVerifier(DIRECTORY, issuer={server.origin: SHOP, "https://bank.example": BANK})
    assert call_it(face, server, answers=pinned).status_code == 200


def test_call_to_an_origin_without_a_pinned_issuer_is_not_made(face: Face, server: CallServer) -> None:
    elsewhere = AnswerVerifier(DIRECTORY, issuer={"https://bank.example": BANK})
    with pytest.raises(SigningError, match="no issuer is named"):
        call_it(face, server, answers=elsewhere)
    assert server.arrived == []


def test_answer_that_cannot_be_verified_now_is_refused(face: Face, server: CallServer) -> None:
    class Failing:
        waits = "never"
        trusted = DIRECTORY.trusted

        def find(self, issuer: str, kid: str) -> Any:
            raise OSError("no route to the directory")

    down: Any = Failing()
    server.after = lambda call, request: signed(call, told(call, request))
    with pytest.raises(AnswerError) as caught:
        call_it(face, server, answers=AnswerVerifier(down, issuer=SHOP))
    assert caught.value.code == "unverified_answer"


def test_answer_is_verified_with_a_directory_that_suspends(face: Face, server: CallServer) -> None:
    server.after = lambda call, request: signed(call, told(call, request))
    issuer = Issuer(SHOP, allow=[], keys=JWKSet(SHOP_KEY.public))
    suspending = AsyncAnswerVerifier(AsyncKeyDirectory(issuer), issuer=SHOP)
    if face.backend is None:
        with pytest.raises(TypeError, match="AsyncClient"):
            call_it(face, server, answers=suspending)
    else:
        assert call_it(face, server, answers=suspending).extensions["signedmsg"].issuer == SHOP
