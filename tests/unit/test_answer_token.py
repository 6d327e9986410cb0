"""What a signed answer must be to count: one row for each way to be wrong, on tokens made by hand."""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Final

import pytest

from signedmsg.errors import AnswerError, VerificationError
from tests.conformance.tokens import (
    AUDIENCE,
    GONE,
    ISSUER,
    JTI,
    NOW,
    b64,
    changed,
    key,
    unb64,
)

from .made_answers import (
    ANSWERER,
    BODY,
    DIGEST,
    HTTP,
    MESSAGE,
    OTHER,
    REQUEST,
    S256,
    check,
    receipt,
    response,
    verifier,
)


def test_receipt_made_by_hand_is_accepted() -> None:
    found = verifier().verify_receipt(receipt(), REQUEST)
    assert (found.issuer, found.audience, found.outcome, found.message_id) == (ANSWERER, ISSUER, "accepted", "m-1")
    assert (found.request_jti, found.request_s256, found.jti, found.kid) == (JTI, S256, "A" * 22, key("ES256").kid)
    assert (found.issued_at, found.expires_at) == (NOW, NOW + 60)


def test_verified_receipt_keeps_its_token_and_does_not_show_it() -> None:
    token = receipt()
    found = verifier().verify_receipt(token.encode(), REQUEST)
    assert found.token == token
    assert token not in repr(found)


def test_response_made_by_hand_is_accepted() -> None:
    found = check(response())
    assert (found.issuer, found.status, found.content_type) == (ANSWERER, 200, "application/json")
    assert (found.content_digest, found.request_jti, found.audience) == (DIGEST, JTI, ISSUER)


# How a token is wrong, whatever its kind: the changes to its claims and header, and the code.
WRONG: Final[dict[str, tuple[dict[str, object], dict[str, object], str]]] = {
    "another of the trusted issuers": ({"iss": OTHER}, {"kid": key("ES256", 2).kid}, "unknown_issuer"),
    "the sender itself": ({"iss": ISSUER}, {"kid": key("ES256", 3).kid}, "unknown_issuer"),
    "an issuer nobody knows": ({"iss": "https://mallory.example"}, {}, "unknown_issuer"),
    "a key nobody knows": ({}, {"kid": "another"}, "unknown_key"),
    "another algorithm": ({}, {"alg": "ES384"}, "unsupported"),
    "no algorithm": ({}, {"alg": "none"}, "unsupported"),
    "a header member of its own": ({}, {"crit": ["exp"]}, "unsupported"),
    "an envelope": ({}, {"typ": "vnd.signedmsg+jwt"}, "unsupported"),
    "a bound request": ({}, {"typ": "vnd.signedmsg.req+jwt"}, "unsupported"),
    "a JWT": ({}, {"typ": "JWT"}, "unsupported"),
    "no kind": ({}, {"typ": GONE}, "unsupported"),
    "for somebody else": ({"aud": "https://other.example"}, {}, "audience"),
    "for several": ({"aud": [ISSUER]}, {}, "claim"),
    "for nobody": ({"aud": GONE}, {}, "claim"),
    "expired": ({"iat": NOW - 91, "exp": NOW - 30}, {}, "expired"),
    "from the future": ({"iat": NOW + 31, "exp": NOW + 60}, {}, "not_yet_valid"),
    "not valid yet": ({"nbf": NOW + 31}, {}, "not_yet_valid"),
    "valid for too long": ({"exp": NOW + 301}, {}, "lifetime"),
    "no end": ({"exp": GONE}, {}, "claim"),
    "no time": ({"iat": GONE}, {}, "claim"),
    "a time with a fraction": ({"iat": NOW + 0.5}, {}, "claim"),
    "no id": ({"jti": GONE}, {}, "claim"),
    "no request": ({"req": GONE}, {}, "claim"),
    "a request that is a text": ({"req": JTI}, {}, "claim"),
    "another request": ({"req": {"jti": "B" * 22, "s256": S256}}, {}, "claim"),
    "a request of other content": ({"req": {"jti": JTI, "s256": "A" * 43}}, {}, "claim"),
    "half a request": ({"req": {"jti": JTI}}, {}, "claim"),
    "more than a request": ({"req": {"jti": JTI, "s256": S256, "aud": AUDIENCE}}, {}, "claim"),
    "a digest in another spelling": ({"req": {"jti": JTI, "s256": S256 + "="}}, {}, "claim"),
    "a claim of OAuth": ({"scope": "all"}, {}, "claim"),
}


@pytest.mark.parametrize("name", WRONG)
def test_receipt_that_is_wrong_is_refused(name: str) -> None:
    claims, header, code = WRONG[name]
    number = {OTHER: 2, ISSUER: 3}.get(str(claims.get("iss")), 1)
    with pytest.raises(VerificationError) as caught:
        verifier().verify_receipt(receipt(claims, header, number), MESSAGE)
    assert caught.value.code == code


@pytest.mark.parametrize("name", WRONG)
def test_response_that_is_wrong_is_no_answer(name: str) -> None:
    claims, header, code = WRONG[name]
    number = {OTHER: 2, ISSUER: 3}.get(str(claims.get("iss")), 1)
    with pytest.raises(AnswerError) as caught:
        check(response(claims, header, number))
    assert isinstance(caught.value.__cause__, VerificationError)
    assert (caught.value.code, caught.value.__cause__.code) == ("wrong_answer", code)


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"msg": {"v": 1, "id": "m-2"}}, "claim"),
        ({"msg": {"v": 2, "id": "m-1"}}, "unsupported"),
        ({"msg": {"v": True, "id": "m-1"}}, "claim"),
        ({"msg": {"v": 1, "id": "m-1", "data": 1}}, "claim"),
        ({"msg": {"v": 1, "id": 1}}, "claim"),
        ({"msg": GONE}, "claim"),
        ({"outcome": "perhaps"}, "claim"),
        ({"outcome": ["accepted"]}, "claim"),
        ({"outcome": GONE}, "claim"),
    ],
)
def test_receipt_about_another_message_is_refused(claims: dict[str, object], code: str) -> None:
    with pytest.raises(VerificationError) as caught:
        verifier().verify_receipt(receipt(claims), MESSAGE)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("@status", 200),
        ("@status", "201"),
        ("@status", GONE),
        ("content-type", "application/json; charset=utf-8"),
        ("content-type", None),
        ("content-type", GONE),
        ("content-digest", DIGEST.replace("=:", "=:A", 1)),
        ("content-digest", DIGEST.replace("sha-256", "md5")),
        ("content-digest", "sha-256=:AAAA:"),
        ("content-digest", None),
        ("content-digest", GONE),
        ("location", "/elsewhere"),
    ],
)
def test_response_that_covers_another_answer_is_refused(member: str, value: object) -> None:
    with pytest.raises(AnswerError) as caught:
        check(response({"http": changed(HTTP, {member: value})}))
    assert getattr(caught.value.__cause__, "component", None) == member


@pytest.mark.parametrize(
    ("changes", "component"),
    [
        ({"status": 201}, "@status"),
        ({"content_type": "application/problem+json"}, "content-type"),
        ({"content_type": "Application/JSON"}, "content-type"),
        ({"body": BODY[:-1] + b"]"}, "content-digest"),
        ({"body": BODY + b" "}, "content-digest"),
        ({"body": b""}, "content-digest"),
    ],
)
def test_answer_that_was_changed_is_refused(changes: dict[str, Any], component: str) -> None:
    with pytest.raises(AnswerError) as caught:
        check(response(), **changes)
    assert getattr(caught.value.__cause__, "component", None) == component


def test_answer_without_a_signature_is_refused_as_unsigned() -> None:
    with pytest.raises(AnswerError) as caught:
        check(None)
    assert (caught.value.code, caught.value.status) == ("unsigned_answer", 200)


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ([("SignedMsg-Response", response())], "stands twice"),
        ([("Content-Type", "application/json")], "content-type"),
        ([("Content-Encoding", "gzip")], "content-encoding"),
    ],
)
def test_answer_with_a_second_field_is_refused(extra: list[tuple[str, str]], said: str) -> None:
    headers = [("Content-Type", "application/json"), ("SignedMsg-Response", response()), *extra]
    with pytest.raises(AnswerError, match=said):
        check(None, headers=headers)


def test_answer_without_content_is_bound_as_such() -> None:
    token = response({"http": {"@status": "204"}})
    assert check(token, status=204, headers={"SignedMsg-Response": token}, body=b"").content_digest is None
    with pytest.raises(AnswerError, match="content-type"):
        check(token, status=204, body=b"")


EMPTY = f"sha-256=:{base64.b64encode(hashlib.sha256(b'').digest()).decode()}:"


@pytest.mark.parametrize("digest", [None, "", EMPTY])
def test_digest_of_nothing_is_no_digest(digest: str | None) -> None:
    token = response({"http": {"@status": "204", "content-digest": digest}})
    with pytest.raises(AnswerError, match="content-digest"):
        check(token, status=204, headers={"SignedMsg-Response": token}, body=b"")


def test_receipt_is_no_response_and_a_response_no_receipt() -> None:
    with pytest.raises(AnswerError, match="typ: expected"):
        check(receipt({"http": HTTP}))
    with pytest.raises(VerificationError, match="typ: expected"):
        verifier().verify_receipt(response({"msg": {"v": 1, "id": "m-1"}, "outcome": "accepted"}), MESSAGE)


def test_request_token_is_no_receipt() -> None:
    with pytest.raises(VerificationError, match="typ: expected"):
        verifier(issuer=ISSUER).verify_receipt(REQUEST, REQUEST)


def test_answer_that_is_larger_than_eight_kibibytes_is_refused_unread() -> None:
    with pytest.raises(VerificationError) as caught:
        verifier().verify_receipt(receipt({"https://shop.example/x": "x" * 8192}), MESSAGE)
    assert caught.value.code == "too_large"


def test_signature_of_the_request_does_not_matter() -> None:
    # An ES256 signature has a twin: (r, n - s) verifies just as well as (r, s).
    head, _, signature = REQUEST.rpartition(".")
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    s = int.from_bytes(unb64(signature)[32:])
    twin = f"{head}.{b64(unb64(signature)[:32] + (order - s).to_bytes(32))}"
    assert twin != REQUEST
    assert verifier().verify_receipt(receipt(), twin).request_s256 == S256
