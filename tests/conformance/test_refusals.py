"""The refusal table: one row per way to be wrong, each with its exact code, at both faces."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

import pytest

import signedmsg
from signedmsg import Message, errors
from signedmsg._core.answers import answer_error

from . import (
    rows_bound_body,
    rows_bound_credential,
    rows_bound_fields,
    rows_claims,
    rows_header,
    rows_keys,
    rows_message,
    rows_plain,
    rows_shape,
    rows_signatures,
    rows_times,
)
from .table import Result, Row, blocking, suspending
from .tokens import NOW

PARTS: Final = (rows_shape, rows_header, rows_keys, rows_signatures, rows_claims, rows_times, rows_message, rows_plain)
ROWS: Final = tuple(row for part in PARTS for row in part.ROWS)
ACCEPTED: Final = tuple(row for part in PARTS for row in part.ACCEPTED)

CLASSES: Final[dict[str, type[errors.SignedMessageError]]] = {
    "malformed": errors.MalformedTokenError,
    "too_large": errors.TooLargeError,
    "unsupported": errors.UnsupportedTokenError,
    "unknown_issuer": errors.UnknownIssuerError,
    "unknown_key": errors.UnknownKeyError,
    "key_not_valid": errors.UnknownKeyError,
    "invalid_signature": errors.InvalidSignatureError,
    "claim": errors.ClaimError,
    "expired": errors.ClaimError,
    "not_yet_valid": errors.ClaimError,
    "lifetime": errors.ClaimError,
    "audience": errors.ClaimError,
    "too_late": errors.ClaimError,
    "credentials_missing": errors.CredentialsMissingError,
    "binding": errors.BindingError,
    "body_too_large": errors.TooLargeError,
    "unsupported_media_type": errors.PayloadError,
    "not_allowed": errors.NotAllowedError,
    "unknown_type": errors.UnknownTypeError,
    "payload": errors.PayloadError,
    "quota": errors.QuotaError,
    "replayed": errors.ReplayedError,
    "key_unavailable": errors.KeyDirectoryError,
    "store_unavailable": errors.StoreError,
}
# Only these are decided by the replay cache; every other refusal comes before it is asked.
BY_THE_CACHE: Final = {"quota", "replayed", "store_unavailable"}
STRANGERS: Final = {"unknown_issuer", "unknown_key", "key_not_valid", "invalid_signature"}


def refused(row: Row, result: Result) -> None:
    error = result.outcome
    assert isinstance(error, errors.SignedMessageError), f"accepted: {error!r}"
    assert (error.code, type(error)) == (row.code, CLASSES[row.code]), error
    accepted_before = len(row.setup.before)
    assert result.admitted == accepted_before
    assert result.asked == accepted_before + (row.code in BY_THE_CACHE)


# A receiver that has accepted messages under a header takes the straight path; its verdicts are the same.
WARMED: Final = pytest.mark.parametrize("warmed", [False, True], ids=["first", "later"])


@WARMED
@pytest.mark.parametrize("row", ROWS, ids=[row.id for row in ROWS])
def test_row_is_refused_with_its_code_by_both_faces_and_uses_up_no_jti(row: Row, warmed: bool) -> None:
    refused(row, blocking(row, warmed=warmed))
    refused(row, suspending(row, warmed=warmed))


@WARMED
@pytest.mark.parametrize("row", ACCEPTED, ids=[row.id for row in ACCEPTED])
def test_what_lies_just_inside_a_rule_is_accepted_by_both_faces(row: Row, warmed: bool) -> None:
    for result in (blocking(row, warmed=warmed), suspending(row, warmed=warmed)):
        assert isinstance(result.outcome, Message), result.outcome
        assert result.asked == result.admitted == len(row.setup.before) + 1


def test_there_are_at_least_220_rows_and_no_name_or_case_stands_twice() -> None:
    assert len(ROWS) >= 220
    assert len({row.id for row in ROWS + ACCEPTED}) == len(ROWS + ACCEPTED)


def codes_a_receiver_can_raise() -> set[str]:
    """Collect them from the exception tree and from every `code=` in the source."""
    found = {
        each.code
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, (errors.VerificationError, errors.UnavailableError))
    }
    raised = {each.__name__ for each in CLASSES.values()}
    for path in Path(str(signedmsg.__file__)).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in raised:
                codes = [one.value for one in node.keywords if one.arg == "code"]
                found |= {str(one.value) for one in codes if isinstance(one, ast.Constant)}
    # The two bases are never raised themselves, and an inbox and its handlers speak behind a verification.
    behind = (errors.ConflictError, errors.RejectedError, errors.InProgressError, errors.DeferredError)
    others = {kind.code for kind in (*behind, errors.LeaseLostError)}
    return found - others - {errors.VerificationError.code, errors.UnavailableError.code}


def test_every_code_a_receiver_can_raise_is_reached_by_a_table() -> None:
    calls = rows_bound_credential.ROWS + rows_bound_fields.ROWS + rows_bound_body.ROWS
    assert {row.code for row in ROWS} | {row.code for row in calls} == codes_a_receiver_can_raise() == set(CLASSES)


def test_stranger_cannot_tell_unknown_issuer_unknown_key_and_bad_signature_apart() -> None:
    answers = set()
    for row in ROWS:
        if row.code in STRANGERS:
            error = blocking(row).outcome
            assert isinstance(error, errors.VerificationError)
            answers.add(answer_error(error, NOW))
    assert len(answers) == 1
    assert answers.pop().status == 401


def test_no_error_text_holds_the_token_its_payload_or_its_signature() -> None:
    for row in ROWS:
        error = blocking(row).outcome
        assert isinstance(error, errors.SignedMessageError)
        shown = f"{error} {error.hint} {error!r}"
        segments = [part for part in row.token.split(".") if len(part) > 40] if isinstance(row.token, str) else []
        assert not [part for part in segments if part in shown], row.id
        assert len(shown) < 1000, row.id
