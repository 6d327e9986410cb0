"""What each answer means to a sender, by the table of the protocol; the socket's side is in `test_http`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from signedmsg import DeliveryError
from signedmsg._core.answers import PROBLEMS, answer_code
from signedmsg._core.delivery import Reply, Verdict, judge

# The table in full, so that no code changes its meaning unnoticed.
MEANING = {
    "credentials_missing": "dead",
    "malformed": "dead",
    "too_large": "dead",
    "unsupported_media_type": "dead",
    "unsupported": "dead",
    "verification_failed": "refused",
    "expired": "sign_anew",
    "not_yet_valid": "sign_anew",
    "lifetime": "refused",
    "claim": "refused",
    "audience": "refused",
    "not_allowed": "refused",
    "method_not_allowed": "retry",
    "replayed": "sign_anew",
    "payload": "dead",
    "unknown_type": "dead",
    "too_late": "dead",
    "quota": "retry",
    "handler_error": "retry",
    "unavailable": "retry",
    "in_progress": "retry",
    "deferred": "retry",
    "message_id_conflict": "dead",
    "rejected": "dead",
}
BASE = "https://signedmsg.example/errors#"
PROBLEM = {"content-type": "application/problem+json"}


def reply(status: int, body: object = b"", **headers: str) -> Reply:
    written = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, {**PROBLEM, **{name.replace("_", "-"): value for name, value in headers.items()}}, written)


def problem(code: object = "payload", **members: Any) -> dict[str, Any]:
    return {"type": f"{BASE}{code}", "code": code, **members}


@pytest.mark.parametrize("code", PROBLEMS)
def test_own_problem_has_the_meaning_of_its_code(code: str) -> None:
    written = answer_code(code)
    headers = {name.lower(): value for name, value in written.headers}
    verdict = judge(Reply(written.status, headers, written.body))
    assert (verdict.outcome, verdict.status, verdict.code) == (MEANING[code], written.status, code)


def test_every_code_has_a_meaning() -> None:
    assert set(MEANING) == set(PROBLEMS)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_is_delivered(status: int) -> None:
    assert judge(reply(status)) == Verdict(None, status)


@pytest.mark.parametrize(("value", "duplicate"), [("1", True), ("0", False), ("", False), ("1, 1", False)])
def test_2xx_says_whether_it_is_a_duplicate(value: str, duplicate: bool) -> None:
    assert judge(reply(204, signedmsg_duplicate=value)) == Verdict(None, 204, duplicate=duplicate)


def test_problem_document_with_2xx_is_delivered_all_the_same() -> None:
    assert judge(reply(200, problem("payload"))).outcome is None


@pytest.mark.parametrize(
    "status", [100, 199, 300, 302, 304, 308, 400, 401, 403, 404, 409, 410, 422, 429, 500, 502, 599]
)
def test_status_alone_ends_no_message(status: int) -> None:
    assert judge(reply(status)) == Verdict("retry", status)


FOREIGN: dict[str, object] = {
    "another host": {"type": "https://proxy.example/errors#payload", "code": "payload"},
    "no type": {"code": "payload"},
    "about:blank": {"type": "about:blank", "code": "payload"},
    "type of another code": {"type": f"{BASE}malformed", "code": "payload"},
    "type in other case": {"type": f"{BASE}payload".upper(), "code": "payload"},
    "no code": {"type": f"{BASE}payload"},
    "unknown code": problem("in_orbit"),
    "code a number": problem(422),
    "code null": problem(None),
    "code a list": problem(["payload"]),
    "no object": [problem()],
    "a string": "payload",
    "no JSON": b"<html>",
    "duplicate members": b'{"type":"' + BASE.encode() + b'payload","code":"malformed","code":"payload"}',
    "UTF-16": json.dumps(problem()).encode("utf-16"),
    "BOM": b"\xef\xbb\xbf" + json.dumps(problem()).encode(),
    "cut off": json.dumps(problem()).encode()[:-1],
    "too deep": b'{"a":' * 100 + b"1" + b"}" * 100,
    "empty": b"",
}


@pytest.mark.parametrize("document", FOREIGN)
def test_problem_that_is_not_our_own_ends_no_message(document: str) -> None:
    assert judge(reply(422, FOREIGN[document])) == Verdict("retry", 422)


@pytest.mark.parametrize("content_type", ["", "text/html", "application/json", "application/problem+xml", "x, y"])
def test_own_problem_under_another_media_type_ends_no_message(content_type: str) -> None:
    assert judge(reply(422, problem(), content_type=content_type)).outcome == "retry"


@pytest.mark.parametrize("content_type", ["Application/Problem+JSON", "application/problem+json; charset=utf-8"])
def test_media_type_of_a_problem_is_read_without_case_and_parameters(content_type: str) -> None:
    assert judge(reply(422, problem(), content_type=content_type)).outcome == "dead"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1", 1.0),
        ("0", 1.0),
        ("120", 120.0),
        ("3600", 3600.0),
        ("3601", 3600.0),
        ("999999999", 3600.0),
        ("9999999999", None),
        ("-1", None),
        ("1.5", None),
        ("1e3", None),
        ("٣", None),
        ("", None),
        ("1, 2", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
    ],
)
def test_retry_after_is_kept_between_a_second_and_an_hour(value: str, seconds: float | None) -> None:
    assert judge(reply(503, retry_after=value)).retry_after == seconds


@pytest.mark.parametrize("outcome", ["sign_anew", "retry", "refused", "dead", "unknown"])
def test_only_a_dead_message_is_not_worth_another_try(outcome: Any) -> None:
    assert DeliveryError(outcome=outcome).retryable is (outcome != "dead")
