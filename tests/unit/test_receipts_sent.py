"""What a sender makes of receipts, and of answers that have none: either face, over a real socket."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from signedmsg import AsyncKeyDirectory, DeliveryError, Issuer, JWKSet, KeyDirectory, Sender, SigningError, SigningKey
from signedmsg._core.answer_token import RequestRef, reference_to
from signedmsg.signed_answers import AnswerSigner, AnswerVerifier, AsyncAnswerVerifier

from .faces import FACES, ISSUER, KEY, Face
from .faults import FaultServer, Script, answer, problem, silence

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

SHOP = "https://shop.example"
BANK = "https://bank.example"
SHOP_KEY, BANK_KEY, STRANGER = (SigningKey.generate() for _ in range(3))
DIRECTORY = KeyDirectory(
    Issuer(SHOP, allow=[], keys=JWKSet(SHOP_KEY.public)),
    Issuer(BANK, allow=["*"], keys=JWKSet(BANK_KEY.public)),
    Issuer(ISSUER, allow=["*"], keys=JWKSet(KEY.public)),
)
VERIFIER = AnswerVerifier(DIRECTORY, issuer=SHOP)
RECEIPT = "application/vnd.signedmsg.receipt+jwt"


@pytest.fixture(params=FACES)
def face(request: pytest.FixtureRequest) -> Face:
    return FACES[request.param]


def signed(outcome: str, by: AnswerSigner | None = None) -> Callable[[RequestRef, str], str]:
    signer = by or AnswerSigner(SHOP, SHOP_KEY)
    return lambda request, token: signer.sign_receipt(request, outcome)  # type: ignore[arg-type]


@contextlib.contextmanager
def receiving(mint: Callable[[RequestRef, str], str], status: int = 200, **headers: str) -> Any:
    """Run a server that answers with the receipt that `mint` makes of the request and its token."""
    servers: list[FaultServer] = []

    def script(connection: socket.socket) -> None:
        token = servers[0].requests[-1].body.decode()
        body = mint(reference_to(token), token).encode()
        fields = {"content_type": RECEIPT, **headers}
        answer(status, body, **fields)(connection)

    with FaultServer(script) as server:
        servers.append(server)
        yield server


def failed(face: Face, server: FaultServer, **options: Any) -> DeliveryError:
    options = {"answers": VERIFIER, "require_receipt": True, **options}
    with pytest.raises(DeliveryError) as caught:
        face.send(server.url, **options)
    return caught.value


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize(("outcome", "duplicate"), [("accepted", False), ("duplicate", True)])
def test_receipt_is_verified_and_handed_over(face: Face, outcome: str, duplicate: bool, required: bool) -> None:
    with receiving(signed(outcome)) as server:
        (sent,) = face.send(server.url, answers=VERIFIER, require_receipt=required)
        token = server.requests[0].body.decode()
    assert (sent.message_id, sent.status, sent.duplicate) == ("m", 200, duplicate)
    receipt = sent.receipt
    assert receipt is not None
    assert (receipt.issuer, receipt.outcome, receipt.message_id) == (SHOP, outcome, "m")
    assert receipt.request_token == token
    assert VERIFIER.verify_stored_receipt(receipt.token, token) == receipt


def test_what_was_sent_shows_neither_token() -> None:
    with receiving(signed("accepted")) as server:
        (sent,) = FACES["blocking"].send(server.url, answers=VERIFIER)
    assert sent.receipt is not None
    assert sent.receipt.token not in repr(sent)
    assert str(sent.receipt.request_token) not in repr(sent)


def test_receipt_is_asked_for_by_its_media_type(face: Face) -> None:
    with receiving(signed("accepted")) as server:
        face.send(server.url, answers=VERIFIER)
    assert server.requests[0].headers["accept"] == f"{RECEIPT}, application/problem+json"


def test_receipt_of_somebody_who_asks_for_none_is_not_looked_at(face: Face) -> None:
    with receiving(lambda request, token: "nonsense") as server:
        (sent,) = face.send(server.url)
    assert sent.receipt is None


def test_receipt_that_says_accepted_counts_whatever_the_status(face: Face) -> None:
    with receiving(signed("accepted"), 500) as server:
        (sent,) = face.send(server.url, answers=VERIFIER, require_receipt=True)
    assert sent.status == 500


@pytest.mark.parametrize(("outcome", "means"), [("rejected", "dead"), ("deferred", "retry")])
def test_receipt_that_says_otherwise_counts_whatever_the_status(face: Face, outcome: str, means: str) -> None:
    with receiving(signed(outcome), retry_after="7") as server:
        error = failed(face, server)
    assert (error.outcome, error.reply_code, error.retry_after, error.code) == (means, outcome, 7.0, "delivery")


# Somebody who says what is not so, or says it of something else.
WRONG: dict[str, Callable[[RequestRef, str], str]] = {
    "another trusted issuer": signed("accepted", AnswerSigner(BANK, BANK_KEY)),
    "the sender itself": signed("accepted", AnswerSigner(ISSUER, KEY)),
    "a key of nobody": signed("accepted", AnswerSigner(SHOP, STRANGER)),
    "expired": signed("accepted", AnswerSigner(SHOP, SHOP_KEY, clock=lambda: 1e9)),
    "about another request": lambda request, _: signed("accepted")(request._replace(jti="B" * 22), _),
    "about other content": lambda request, _: signed("accepted")(request._replace(s256="A" * 43), _),
    "about another message": lambda request, _: signed("accepted")(request._replace(message_id="m-2"), _),
    "for somebody else": lambda request, _: signed("accepted")(request._replace(issuer=BANK), _),
    "a bound response": lambda request, _: AnswerSigner(SHOP, SHOP_KEY).sign_response(request, 200, None, b"")[1],
    "the request token": lambda _, token: token,
    "nothing": lambda *_: "",
    "nonsense": lambda *_: "a.b.c",
    "endless": lambda *_: "e30" * 30_000,
}


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_receipt_is_a_failure_even_where_none_is_required(wrong: str, required: bool) -> None:
    with receiving(WRONG[wrong]) as server:
        error = failed(FACES["blocking"], server, require_receipt=required)
    assert (error.outcome, error.status, error.code) == ("unknown", 200, "wrong_answer")
    assert error.__cause__ is not None


def test_wrong_receipt_is_a_failure_on_every_face(face: Face) -> None:
    with receiving(WRONG["another trusted issuer"]) as server:
        assert failed(face, server).code == "wrong_answer"


@pytest.mark.parametrize("status", [200, 202, 204])
def test_success_that_nobody_signed_is_unknown_where_a_receipt_is_required(face: Face, status: int) -> None:
    with FaultServer(answer(status)) as server:
        error = failed(face, server)
        (sent,) = face.send(server.url, answers=VERIFIER)
    assert (error.outcome, error.status, error.code) == ("unknown", status, "unsigned_answer")
    assert sent.receipt is None


@pytest.mark.parametrize(
    ("script", "means", "code"),
    [
        (problem(422, "payload"), "retry", "unsigned_answer"),
        (problem(400, "malformed"), "retry", "unsigned_answer"),
        (problem(403, "not_allowed"), "retry", "unsigned_answer"),
        (problem(401, "verification_failed"), "retry", "unsigned_answer"),
        (problem(401, "expired"), "sign_anew", "delivery"),
        (problem(503, "unavailable"), "retry", "delivery"),
        (answer(410), "retry", "delivery"),
    ],
    ids=["payload", "malformed", "not_allowed", "verification_failed", "expired", "unavailable", "gone"],
)
def test_refusal_that_nobody_signed_ends_no_message(script: Script, means: str, code: str) -> None:
    with FaultServer(script) as server:
        error = failed(FACES["blocking"], server)
    assert (error.outcome, error.code) == (means, code)


def test_refusal_that_nobody_signed_still_ends_a_message_where_no_receipt_is_required() -> None:
    with FaultServer(problem(422, "payload")) as server:
        assert failed(FACES["blocking"], server, require_receipt=False).outcome == "dead"


def test_no_answer_is_unknown_as_ever(face: Face) -> None:
    with FaultServer(silence) as server:
        error = failed(face, server, timeout=0.2)
    assert (error.outcome, error.status, error.code) == ("unknown", None, "delivery")


def test_receipt_that_cannot_be_verified_now_leaves_the_outcome_unknown() -> None:
    class Failing:
        waits = "never"
        trusted = DIRECTORY.trusted

        def find(self, issuer: str, kid: str) -> Any:
            raise OSError("no route to the directory")

    down: Any = Failing()
    with receiving(signed("accepted")) as server:
        error = failed(FACES["blocking"], server, answers=AnswerVerifier(down, issuer=SHOP))
    assert (error.outcome, error.code) == ("unknown", "unverified_answer")


def test_issuer_is_pinned_for_each_endpoint(face: Face) -> None:
    with receiving(signed("accepted")) as server:
        pinned = AnswerVerifier(DIRECTORY, issuer={server.url: SHOP, "https://bank.example/inbox": BANK})
        (sent,) = face.send(server.url + "?a=b", answers=pinned, require_receipt=True)
    assert sent.receipt is not None


def test_endpoint_without_a_pinned_issuer_is_asked_for_no_receipt_that_would_count(face: Face) -> None:
    elsewhere = AnswerVerifier(DIRECTORY, issuer={"https://bank.example/inbox": BANK})
    with receiving(signed("accepted")) as server:
        (sent,) = face.send(server.url, answers=elsewhere)
        assert sent.receipt is None
        with pytest.raises(SigningError, match="no issuer is named"):
            face.send(server.url, answers=elsewhere, require_receipt=True)
    assert len(server.requests) == 1


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_receipt_is_verified_with_a_directory_that_suspends(backend: str) -> None:
    issuer = Issuer(SHOP, allow=[], keys=JWKSet(SHOP_KEY.public))
    suspending = AsyncAnswerVerifier(AsyncKeyDirectory(issuer), issuer=SHOP)
    with receiving(signed("accepted")) as server:
        (sent,) = FACES[backend].send(server.url, answers=suspending, require_receipt=True)
    assert sent.receipt is not None


def test_verifier_of_the_wrong_face_is_refused_when_the_sender_is_built() -> None:
    suspending: Any = AsyncAnswerVerifier(
        AsyncKeyDirectory(Issuer(SHOP, allow=[], keys=JWKSet(SHOP_KEY.public))), issuer=SHOP
    )
    with pytest.raises(TypeError, match="answers"):
        Sender(ISSUER, KEY, answers=suspending)
    with pytest.raises(TypeError, match="answers: expected an AnswerVerifier"):
        Sender(ISSUER, KEY, answers="https://shop.example")  # type: ignore[arg-type]


def test_receipts_can_only_be_required_of_somebody() -> None:
    with pytest.raises(ValueError, match="say whose"):
        Sender(ISSUER, KEY, require_receipt=True)
