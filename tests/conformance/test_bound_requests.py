"""The refusal table of calls: one row per way to be wrong, each with its exact code, at both faces."""

from __future__ import annotations

from typing import Final

import pytest

from signedmsg import BindingError, Call, errors
from signedmsg._core.answers import answer_call_error

from . import rows_bound_body, rows_bound_credential, rows_bound_fields, rows_bound_target, rows_bound_token
from .calls import FACES, CallRow, Result, at_once, in_steps
from .test_refusals import BY_THE_CACHE, CLASSES, STRANGERS
from .tokens import NOW

PARTS: Final = (rows_bound_credential, rows_bound_token, rows_bound_target, rows_bound_fields, rows_bound_body)
ROWS: Final = tuple(row for part in PARTS for row in part.ROWS)
ACCEPTED: Final = tuple(row for part in PARTS for row in part.ACCEPTED)
# What only the body decides; every other refusal comes before it is read.
BY_THE_BODY: Final = BY_THE_CACHE | {"payload", "unsupported_media_type", "body_too_large"}


def refused(row: CallRow, result: Result) -> None:
    error = result.outcome
    assert isinstance(error, errors.SignedMessageError), f"accepted: {error!r}"
    assert (error.code, type(error)) == (row.code, CLASSES[row.code]), error
    if isinstance(error, BindingError):
        assert error.component == row.component, error
    assert result.admitted == len(row.before)
    assert result.asked == len(row.before) + (row.code in BY_THE_CACHE)


@pytest.mark.parametrize("row", ROWS, ids=[row.id for row in ROWS])
def test_call_is_refused_with_its_code_by_both_faces_and_uses_up_no_jti(row: CallRow) -> None:
    for face in FACES:
        refused(row, face(row))


@pytest.mark.parametrize("row", ACCEPTED, ids=[row.id for row in ACCEPTED])
def test_call_just_inside_a_rule_is_accepted_by_both_faces(row: CallRow) -> None:
    for face in FACES:
        result = face(row)
        assert isinstance(result.outcome, Call), result.outcome
        assert result.asked == result.admitted == len(row.before) + 1


def test_body_is_asked_for_only_where_it_alone_decides() -> None:
    for row in ROWS:
        by_the_body = row.code in BY_THE_BODY or row.id.startswith(("f7-", "f11-", "c6-"))
        assert in_steps(row).opened is by_the_body, row.id


def test_there_are_at_least_300_rows_and_no_name_or_case_stands_twice() -> None:
    assert len(ROWS) >= 300
    assert len({row.id for row in ROWS + ACCEPTED}) == len(ROWS + ACCEPTED)


def test_every_rule_that_refuses_has_a_row_that_it_accepts() -> None:
    refusing = {row.id.partition("-")[0] for row in ROWS}
    # Order, cases of shape alone, and the methods have their counterparts under other numbers.
    without = {"c6", "t5", "t6", "t10", "u0", "u1", "f3", "f5", "f11"}
    assert sorted(refusing - {row.id.partition("-")[0] for row in ACCEPTED}) == sorted(without)


def test_stranger_gets_the_same_answer_whichever_proof_failed() -> None:
    answers = set()
    for row in ROWS:
        if row.code in STRANGERS:
            error = at_once(row).outcome
            assert isinstance(error, errors.VerificationError)
            answers.add(answer_call_error(error, NOW, "Bearer"))
    assert len(answers) == 1
    assert answers.pop().status == 401


def test_no_error_text_holds_a_token_a_body_or_a_header_field() -> None:
    for row in ROWS:
        error = at_once(row).outcome
        assert isinstance(error, errors.SignedMessageError)
        shown = f"{error} {error.hint} {error!r}"
        assert not [part for part in row.arrival.token.split(".") if part in shown], row.id
        assert "amount" not in shown or "duplicate member name 'amount'" in shown, row.id
        assert len(shown) < 1000, row.id
