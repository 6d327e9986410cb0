"""Answers to calls: the column `bound`, its challenge, and nothing of the request."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from signedmsg import errors
from signedmsg._core.answers import CALL_PROBLEMS, Answer, answer_call_error

NOW = 1_800_000_000.75
ANSWERS: dict[str, tuple[errors.SignedMessageError, int]] = {
    "credentials_missing": (errors.CredentialsMissingError("x"), 401),
    "malformed": (errors.MalformedTokenError("x"), 400),
    "too_large": (errors.TooLargeError("x"), 431),
    "body_too_large": (errors.TooLargeError("x", code="body_too_large"), 413),
    "unsupported_media_type": (errors.PayloadError("x", code="unsupported_media_type"), 415),
    "unsupported": (errors.UnsupportedTokenError("x"), 401),
    "unknown_issuer": (errors.UnknownIssuerError("x"), 401),
    "unknown_key": (errors.UnknownKeyError("x"), 401),
    "key_not_valid": (errors.UnknownKeyError("x", code="key_not_valid"), 401),
    "invalid_signature": (errors.InvalidSignatureError("x"), 401),
    "expired": (errors.ClaimError("x", code="expired"), 401),
    "not_yet_valid": (errors.ClaimError("x", code="not_yet_valid"), 401),
    "lifetime": (errors.ClaimError("x", code="lifetime"), 401),
    "claim": (errors.ClaimError("x", claim="sub"), 401),
    "audience": (errors.ClaimError("x", code="audience"), 401),
    "binding": (errors.BindingError(component='"\r\n', reason="x"), 401),
    "not_allowed": (errors.NotAllowedError("x"), 403),
    "replayed": (errors.ReplayedError("x"), 409),
    "payload": (errors.PayloadError("x", errors=[("/a", "b")]), 422),
    "quota": (errors.QuotaError("x", retry_after=7.2), 429),
    "key_unavailable": (errors.KeyDirectoryError("x", retry_after=3), 503),
    "store_unavailable": (errors.StoreError("x"), 503),
    "unavailable": (errors.UnavailableError("x"), 503),
}
EACH = pytest.mark.parametrize("code", ANSWERS)


def answer(code: str, scheme: str = "Bearer") -> Answer:
    return answer_call_error(ANSWERS[code][0], NOW, scheme)


def fields(one: Answer) -> dict[str, str]:
    assert len({name.lower() for name, _ in one.headers}) == len(one.headers)
    return dict(one.headers)


@EACH
def test_answer_is_a_problem_document_with_the_status_of_its_code(code: str) -> None:
    error, status = ANSWERS[code]
    made = answer(code)
    problem = json.loads(made.body)
    assert made.status == problem["status"] == status
    assert problem["code"] == error.public_code
    assert problem["type"].endswith(f"#{problem['code']}")
    assert fields(made)["Content-Type"] == "application/problem+json"
    assert fields(made)["Cache-Control"] == "no-store"


@EACH
def test_challenge_stands_on_every_401_and_on_nothing_else(code: str) -> None:
    made = answer(code, "SignedMsg")
    challenge = fields(made).get("WWW-Authenticate")
    assert (challenge is not None) is (made.status == 401)
    if challenge is not None and code != "credentials_missing":
        assert re.fullmatch(
            r'SignedMsg error="invalid_token", error_description="[\x20\x21\x23-\x5b\x5d-\x7e]+"', challenge
        )


def test_challenge_without_credentials_names_no_error() -> None:
    # RFC 6750 §3.1: who gave no credential has made no error.
    assert fields(answer("credentials_missing"))["WWW-Authenticate"] == "Bearer"


def test_failures_of_authentication_get_the_same_bytes() -> None:
    codes = ("unknown_issuer", "unknown_key", "key_not_valid", "invalid_signature")
    assert len({answer(code) for code in codes}) == 1


@EACH
def test_answer_has_only_what_is_documented(code: str) -> None:
    problem: dict[str, Any] = json.loads(answer(code).body)
    extra = problem.keys() - {"type", "title", "status", "code"}
    expected = {"payload": {"errors"}, "expired": {"now"}, "not_yet_valid": {"now"}, "lifetime": {"now"}}
    assert extra == expected.get(code, set())


def test_answer_tells_the_time_in_whole_seconds() -> None:
    assert json.loads(answer("expired").body)["now"] == 1_800_000_000


@pytest.mark.parametrize(("code", "seconds"), [("quota", "8"), ("key_unavailable", "3"), ("store_unavailable", "1")])
def test_answer_says_when_to_try_again(code: str, seconds: str) -> None:
    assert fields(answer(code))["Retry-After"] == seconds


def test_nothing_of_an_error_but_its_code_and_pointers_is_in_an_answer() -> None:
    error = errors.BindingError(component="x-secret", reason="hunter2", hint="hunter2")
    made = answer_call_error(error, NOW, "Bearer")
    assert "hunter2" not in repr(made)
    assert "x-secret" not in repr(made)


def test_error_of_somebodys_own_is_an_outage() -> None:
    class Mine(errors.VerificationError):
        code = "mine"

    assert answer_call_error(Mine("x"), NOW, "Bearer").status == 503


def test_titles_can_stand_in_a_challenge() -> None:
    # RFC 6750 §3: %x20-21 / %x23-5B / %x5D-7E.
    for _, title in CALL_PROBLEMS.values():
        assert re.fullmatch(r"[\x20\x21\x23-\x5b\x5d-\x7e]+", title)
