"""Who signs answers, whose count where, and what becomes of them later."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from signedmsg import Issuer, KeyDirectory
from signedmsg.errors import SigningError, VerificationError
from signedmsg.signed_answers import AnswerSigner, AnswerVerifier
from tests.conformance.tokens import (
    AUDIENCE,
    GONE,
    JTI,
    NOW,
    b64,
    envelope,
    header_of,
    key,
    payload_of,
    signed,
)

from .keys.rings import ISSUER as RING_ISSUER
from .keys.rings import Rings
from .made_answers import ANSWERER, BODY, CALL, MESSAGE, OTHER, REQUEST, Handmade, check, public, receipt, verifier

if TYPE_CHECKING:
    from pathlib import Path


def test_issuer_is_pinned_for_each_audience() -> None:
    by = verifier(issuer={"https://SHOP.example:443/inbox": ANSWERER, "https://bank.example": OTHER})
    assert by.verify_receipt(receipt(), REQUEST).issuer == ANSWERER
    elsewhere = envelope({"aud": "https://bank.example/"}, {"id": "m-1"})
    s256 = b64(hashlib.sha256(elsewhere.rpartition(".")[0].encode()).digest())
    with pytest.raises(VerificationError, match="not the issuer whose answers are expected"):
        by.verify_receipt(receipt({"req": {"jti": JTI, "s256": s256}}), elsewhere)
    assert (by.answerer("https://bank.example"), by.answerer("https://bank.example/")) == (OTHER, OTHER)
    assert by.answerer("https://other.example/inbox") is None


def test_stored_receipt_is_judged_at_its_own_time() -> None:
    later = verifier(now=NOW + 10**8)
    assert later.verify_stored_receipt(receipt(), REQUEST).outcome == "accepted"
    with pytest.raises(VerificationError, match="ended"):
        later.verify_receipt(receipt(), REQUEST)


@pytest.mark.parametrize(("times", "accepted"), [({"exp": NOW + 10}, True), ({"exp": NOW - 31}, False)])
def test_key_of_a_stored_receipt_must_have_been_valid_when_it_signed(times: dict[str, int], accepted: bool) -> None:
    later = verifier(public(1, **times), now=NOW + 10**8)
    if accepted:
        assert later.verify_stored_receipt(receipt()).kid == key("ES256").kid
    else:
        with pytest.raises(VerificationError) as caught:
            later.verify_stored_receipt(receipt())
        assert caught.value.code == "key_not_valid"


def test_stored_receipt_from_the_future_is_refused() -> None:
    with pytest.raises(VerificationError, match="future"):
        verifier(now=NOW - 31).verify_stored_receipt(receipt())


def test_stored_receipt_of_another_request_is_refused() -> None:
    with pytest.raises(VerificationError, match="another request"):
        verifier().verify_stored_receipt(receipt(), envelope({"jti": "B" * 22}, {"id": "m-1"}))


def test_what_is_signed_is_what_is_read() -> None:
    key_pair, clock = key("ES256"), lambda: NOW + 0.75
    signer = AnswerSigner(ANSWERER, Handmade(key_pair), lifetime=60, clock=clock)
    name, token = signer.sign_response(CALL, 200, "application/json", BODY)
    assert name == "SignedMsg-Response"
    assert check(token).expires_at == NOW + 60
    found = verifier().verify_receipt(signer.sign_receipt(MESSAGE, "duplicate"), REQUEST)
    assert (found.outcome, found.issued_at) == ("duplicate", NOW)


def test_every_answer_is_signed_anew() -> None:
    signer = AnswerSigner(ANSWERER, Handmade(key("ES256")), clock=lambda: NOW)
    found = {verifier().verify_receipt(signer.sign_receipt(MESSAGE, "accepted"), REQUEST).jti for _ in range(3)}
    assert len(found) == 3


@pytest.mark.parametrize(
    ("status", "content_type", "body"),
    [
        *((status, None, b"") for status in (99, 100, 600, True, "200")),
        *((200, value, b"") for value in ("text/plain\r\nX: y", "", " text/plain", "Zoë")),
        *((200, None, body) for body in ("text", bytearray(b"x"))),
    ],
)
def test_answer_that_http_does_not_have_is_not_signed(status: Any, content_type: Any, body: Any) -> None:
    signer = AnswerSigner(ANSWERER, Handmade(key("ES256")), clock=lambda: NOW)
    with pytest.raises(SigningError):
        signer.sign_response(CALL, status, content_type, body)


def test_receipt_needs_a_message_and_an_outcome() -> None:
    signer = AnswerSigner(ANSWERER, Handmade(key("ES256")), clock=lambda: NOW)
    with pytest.raises(SigningError, match="this is a call"):
        signer.sign_receipt(CALL, "accepted")
    with pytest.raises(SigningError, match="outcome: expected one of"):
        signer.sign_receipt(MESSAGE, "lost")  # type: ignore[arg-type]


def test_only_what_was_verified_is_answered() -> None:
    signer = AnswerSigner(ANSWERER, Handmade(key("ES256")), clock=lambda: NOW)
    with pytest.raises(TypeError, match="verified Message or Call"):
        signer.sign_receipt(REQUEST, "accepted")  # type: ignore[arg-type]


def test_bound_request_refers_to_no_message() -> None:
    call = signed(header_of(key("ES256"), {"typ": "vnd.signedmsg.req+jwt"}), payload_of({"msg": GONE}), key("ES256"))
    with pytest.raises(VerificationError, match="another"):
        verifier().verify_receipt(receipt(), call)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"issuer": "https://nobody.example"}, ValueError, "no Issuer"),
        ({"issuer": {}}, TypeError, "mapping"),
        ({"issuer": None}, TypeError, "mapping"),
        ({"issuer": {AUDIENCE: "two words"}}, ValueError, "issuer: expected"),
        ({"issuer": {"https://shop.example/?a": ANSWERER}}, ValueError, "query"),
        ({"issuer": {"https://shop.example": ANSWERER, "https://SHOP.example/": OTHER}}, ValueError, "twice"),
        ({"leeway": 61}, ValueError, "leeway"),
    ],
)
def test_verifier_that_cannot_be_right_is_not_built(options: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        verifier(**options)


def test_answers_are_signed_with_the_active_key_of_a_ring(tmp_path: Path) -> None:
    rings = Rings(tmp_path / "ring")
    ring = rings.active()
    first = ring.current().kid
    signer = AnswerSigner(RING_ISSUER, ring, clock=rings.clock)
    assert signer.waits == "never"
    before = signer.sign_receipt(MESSAGE, "accepted")
    second = ring.add().kid
    ring.activate(second, dangerously_skip_wait=True)
    ring.export(tmp_path / "keys.json")
    directory = KeyDirectory(Issuer(RING_ISSUER, allow=[], keys=tmp_path / "keys.json"))
    by = AnswerVerifier(directory, issuer=RING_ISSUER, clock=rings.clock)
    tokens = (before, signer.sign_receipt(MESSAGE, "accepted"))
    assert [by.verify_receipt(one, MESSAGE).kid for one in tokens] == [first, second]


def test_ring_of_another_issuer_signs_no_answers(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the ring is that of"):
        AnswerSigner(ANSWERER, Rings(tmp_path / "ring").create())
