"""Whatever comes as a signed answer, only errors of this package are raised, and nothing but the right one passes."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signedmsg.errors import AnswerError, VerificationError
from tests.conformance.tokens import b64
from tests.unit.made_answers import BODY, CALL, MESSAGE, receipt, response, verifier

VERIFIER = verifier()
RECEIPT, RESPONSE = receipt(), response()
TEXT = st.text(max_size=200) | st.binary(max_size=200)
SEGMENTS = st.lists(st.binary(max_size=120).map(b64), min_size=1, max_size=4).map(".".join)


def changed(token: str) -> st.SearchStrategy[str]:
    """Return the token with one character replaced, cut off or put in."""
    where = st.integers(0, len(token) - 1)
    character = st.characters(codec="ascii")
    return st.tuples(where, where, character).map(lambda cut: token[: cut[0]] + cut[2] + token[max(cut[0], cut[1]) :])


@settings(max_examples=150)
@given(TEXT | SEGMENTS | changed(RECEIPT))
def test_anything_but_the_receipt_is_refused(token: str | bytes) -> None:
    for verify in (VERIFIER.verify_receipt, VERIFIER.verify_stored_receipt):
        with contextlib.nullcontext() if token == RECEIPT else pytest.raises(VerificationError):
            verify(token, MESSAGE)


@settings(max_examples=150)
@given(st.text(max_size=200) | SEGMENTS | changed(RESPONSE))
def test_anything_but_the_response_is_no_answer(token: str) -> None:
    headers = [("content-type", "application/json"), ("signedmsg-response", token)]
    with contextlib.nullcontext() if token.strip(" \t") == RESPONSE else pytest.raises(AnswerError):
        VERIFIER.verify_response(CALL, 200, headers, BODY)


@settings(max_examples=150)
@given(st.integers(-1, 999), st.lists(st.tuples(st.text(max_size=20), st.text(max_size=40)), max_size=4), st.binary())
def test_any_other_answer_is_refused(status: int, headers: list[tuple[str, str]], body: bytes) -> None:
    with pytest.raises(AnswerError):
        VERIFIER.verify_response(CALL, status, [*headers, ("signedmsg-response", RESPONSE)], body)
