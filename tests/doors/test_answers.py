"""Every answer that an envelope can get, from every server: status, header fields, code, and nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import pytest

from signedmsg import StoreError
from signedmsg._core.answers import PROBLEM_BASE, PROBLEMS

from .rows import OTHER_CODES, ROWS, SECRETS, Row
from .stage import (
    NOW,
    CountingCache,
    tampered,
    token,
)

if TYPE_CHECKING:
    import httpx

    from .conftest import Door
    from .stage import Stage


class Played(NamedTuple):
    """What a row came to behind one door."""

    row: Row
    stage: Stage
    answer: httpx.Response


def play(door: Door, row: Row) -> Played:
    stage = door.open(**row.options())
    return Played(row, stage, door.post(row.body(), **(row.request or {})))


def shown(answer: httpx.Response) -> tuple[int, dict[str, str], bytes]:
    """What a client sees of an answer, but for what the server adds to each."""
    headers = {name.lower(): value for name, value in answer.headers.items()}
    for name in ("date", "server", "connection", "via"):
        headers.pop(name, None)
    return answer.status_code, headers, answer.content


@pytest.fixture(scope="module", params=ROWS)
def played(running: Door, request: pytest.FixtureRequest) -> Played:
    return play(running, ROWS[request.param])


def test_every_code_of_the_table_is_reached_by_a_row() -> None:
    assert {row.code for row in ROWS.values()} | OTHER_CODES == set(PROBLEMS)


def test_refusal_is_a_problem_document_with_its_code_and_header_fields(played: Played) -> None:
    row, _, answer = played
    status, headers, body = shown(answer)
    problem = json.loads(body)
    expected = {"content-type": "application/problem+json", "cache-control": "no-store"}
    if row.status == 401:
        expected["www-authenticate"] = "SignedMsg"
    if row.status in (429, 503):
        expected["retry-after"] = headers.get("retry-after", "")
    assert headers == {**expected, "content-length": str(len(body))}
    assert (status, problem["status"], problem["code"]) == (row.status, row.status, row.code)
    assert problem["type"] == PROBLEM_BASE + row.code


def test_refusal_has_the_reason_meant(played: Played) -> None:
    assert played.stage.refusals == ([] if played.row.inner is None else [played.row.inner])


def test_refused_message_reaches_no_handler(played: Played) -> None:
    assert played.stage.handled == []


def test_refusal_that_no_store_decided_asked_none(played: Played) -> None:
    row = played.row
    asked = row.code in ("quota", "handler_error") or row.inner == "store_unavailable"
    assert played.stage.cache.calls == (1 if asked else 0)


def test_answer_holds_nothing_of_the_token_the_keys_or_the_configuration(played: Played) -> None:
    said = f"{played.answer.headers.multi_items()} {played.answer.text}".replace(PROBLEM_BASE, "")
    assert [secret for secret in SECRETS if secret in said] == []


def test_only_refusals_for_time_tell_the_time(played: Played) -> None:
    timed = played.row.code in ("expired", "not_yet_valid", "lifetime")
    assert ("now" in played.answer.json()) is timed


def test_whatever_fails_in_the_proof_of_identity_the_answer_is_the_same_to_the_byte(door: Door) -> None:
    rows = [row for row in ROWS.values() if row.code == "verification_failed"]
    answers = {str(shown(play(door, row).answer)) for row in rows}
    assert {row.inner for row in rows} == {"unknown_issuer", "unknown_key", "key_not_valid", "invalid_signature"}
    assert len(answers) == 1


@pytest.mark.parametrize("name", ["expired", "not yet valid", "lives too long"])
def test_refusal_for_time_tells_the_time(door: Door, name: str) -> None:
    problem = play(door, ROWS[name]).answer.json()
    assert problem["now"] == NOW
    assert type(problem["now"]) is int


def test_payload_refusal_points_at_the_fault_without_its_value(door: Door) -> None:
    problem = play(door, ROWS["data of another shape"]).answer.json()
    (fault,) = problem["errors"]
    assert fault["pointer"] == "/number"
    assert "integer" in fault["detail"]


def test_retry_after_is_whole_seconds_of_at_least_one(door: Door) -> None:
    door.open(cache=CountingCache(failure=StoreError("down", retry_after=0.2)))
    assert door.post(token()).headers["retry-after"] == "1"
    door.open(cache=CountingCache(failure=StoreError("down", retry_after=12.1)))
    assert door.post(token()).headers["retry-after"] == "13"


def test_accepted_message_is_answered_204_without_a_body_and_not_stored(door: Door) -> None:
    stage = door.open()
    answer = door.post(token())
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["cache-control"] == "no-store"
    assert [message.data.number for message in stage.handled] == [42]


def test_token_posted_twice_is_answered_409_and_handled_once(door: Door) -> None:
    stage = door.open()
    good = token()
    assert door.post(good).status_code == 204
    again = door.post(good)
    assert (again.status_code, again.json()["code"]) == (409, "replayed")
    assert len(stage.handled) == 1


def test_tampered_copy_does_not_use_up_the_genuine_token(door: Door) -> None:
    stage = door.open()
    good = token()
    assert door.post(tampered(good)).status_code == 401
    assert door.post(good).status_code == 204
    assert len(stage.handled) == 1


def test_message_whose_handler_failed_can_be_sent_again_signed_anew(door: Door) -> None:
    stage = door.open()
    assert door.post(token(msg={"type": "invoice.crash", "id": "m-1"})).status_code == 500
    assert door.post(token(msg={"id": "m-1"})).status_code == 204
    assert [message.id for message in stage.handled] == ["m-1"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"])
def test_any_method_but_post_is_answered_405_with_allow(door: Door, method: str) -> None:
    stage = door.open()
    answer = door.post(token(), method=method)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.headers["cache-control"] == "no-store"
    assert stage.cache.calls == 0


def test_head_is_answered_without_a_body(door: Door) -> None:
    door.open()
    assert door.post(b"", method="HEAD").content == b""
