"""An explanation never reaches a peer, never fails, holds no token and no payload, and costs nothing unasked."""

from __future__ import annotations

import copy
import logging
import pickle
from typing import TYPE_CHECKING, Any, Final

import pytest

from signedmsg import KeyDirectory, Receiver, SignedMessageError, SigningKey
from signedmsg._core.answers import answer_call_error, answer_error
from signedmsg._core.explain_body import MAX_REWRITTEN
from signedmsg.observe import log_event
from tests.conformance.requests import BODY, digest, posted
from tests.conformance.table import Recording, Row
from tests.conformance.test_bound_requests import ROWS as CALL_ROWS
from tests.conformance.test_refusals import ROWS as MESSAGE_ROWS

from . import calls, peers

if TYPE_CHECKING:
    from tests.conformance.calls import CallRow


def error_of_message(row: Row, observe: Any = peers.ignore) -> SignedMessageError:
    setup = row.setup
    options = {"clock": lambda: setup.now, "observe": observe, **setup.options}
    face = Receiver(setup.audience, setup.directory_for(KeyDirectory), Recording(setup.store()), **options)
    model = () if setup.model is None else (setup.model,)
    take: Any = face.verify if setup.router is None else lambda token: face.handle(token, setup.router)
    for token in row.setup.before:
        take(token)
    with pytest.raises(SignedMessageError) as caught:
        take(row.token, *model)
    return caught.value


def error_of_call(row: CallRow, observe: Any = peers.ignore) -> SignedMessageError:
    setup = row.setup
    options = {"clock": lambda: setup.now, "observe": observe, **setup.options}
    face = Receiver(setup.audience, setup.directory_for(KeyDirectory), Recording(setup.store()), **options)
    model = () if setup.model is None else (setup.model,)
    for one in row.before:
        face.verify_request(one.method, one.target, one.all_headers, one.body, *model)
    one = row.arrival
    with pytest.raises(SignedMessageError) as caught:
        face.verify_request(one.method, one.target, one.all_headers, one.body, *model)
    return caught.value


def explained(events: list[str]) -> Any:
    return lambda event: events.append(event.error.explanation) if hasattr(event, "error") else None


def test_answer_to_a_message_is_the_same_whether_or_not_the_observer_asked_for_an_explanation() -> None:
    for row in MESSAGE_ROWS:
        plain = answer_error(error_of_message(row), 1.0)
        said: list[str] = []
        assert answer_error(error_of_message(row, explained(said)), 1.0) == plain, row.id
        assert said, row.id


def test_answer_to_a_call_is_the_same_whether_or_not_the_observer_asked_for_an_explanation() -> None:
    for row in CALL_ROWS:
        plain = answer_call_error(error_of_call(row), 1.0, "Bearer")
        said: list[str] = []
        assert answer_call_error(error_of_call(row, explained(said)), 1.0, "Bearer") == plain, row.id
        assert said, row.id


def test_no_explanation_breaks_a_line_of_a_log_or_goes_on_for_ever() -> None:
    for said in (*map(_said, MESSAGE_ROWS), *map(_said, CALL_ROWS)):
        assert said.isprintable(), said
        assert len(said) < 2000


def test_no_explanation_holds_a_piece_of_its_token() -> None:
    for row in (*MESSAGE_ROWS, *CALL_ROWS):
        token = row.token if isinstance(row, Row) else row.arrival.token
        text = token.decode("latin-1") if isinstance(token, bytes) else token
        pieces = [piece for piece in text.split(".") if len(piece) > 40] if isinstance(text, str) else []
        said = _said(row)
        assert not [piece for piece in pieces if piece[:40] in said], row.id


def _said(row: Row | CallRow) -> str:
    return (error_of_message(row) if isinstance(row, Row) else error_of_call(row)).explanation


SECRET: Final = "hunter2hunter2"


def digest_error(body: bytes) -> SignedMessageError:
    arrival = posted({}, {"content-digest": digest(b"something else")}, body=body)
    with pytest.raises(SignedMessageError) as caught:
        calls.verify(arrival)
    return caught.value


def test_error_takes_no_request_into_a_pickle_or_a_copy() -> None:
    error = digest_error(f'{{"password":"{SECRET}"}}'.encode())
    assert SECRET.encode() not in pickle.dumps(error)
    assert pickle.loads(pickle.dumps(error)).explanation == error.plainly()
    assert copy.copy(error).code == error.code
    assert SECRET not in repr(error) + repr(vars(error)) + error.explanation


def test_explanation_that_was_made_lets_go_of_the_request() -> None:
    error = digest_error(BODY)
    first = error.explanation
    assert isinstance(error._facts, str)
    assert error.explanation is first


class Watched:
    """A key directory that counts who asks it for what."""

    waits = "never"

    def __init__(self) -> None:
        self.inner = KeyDirectory(peers.trusted())
        self.asked: list[str] = []

    def trusted(self, issuer: str) -> Any:
        self.asked.append("trusted")
        return self.inner.trusted(issuer)

    def find(self, issuer: str, kid: str) -> Any:
        self.asked.append("find")
        return self.inner.find(issuer, kid)

    def snapshot(self, issuer: str) -> Any:
        self.asked.append("snapshot")
        return self.inner.snapshot(issuer)


def forged() -> str:
    return peers.sender(key=SigningKey.generate()).sign(1, type="t", audience=peers.AUDIENCE)


def test_nothing_is_worked_out_while_nobody_asks() -> None:
    watched = Watched()
    with pytest.raises(SignedMessageError) as caught:
        peers.receiver(directory=watched).verify(forged())
    assert watched.asked == ["trusted", "find"]
    assert caught.value.explanation
    assert watched.asked == ["trusted", "find", "snapshot"]


def test_log_that_takes_no_refusals_has_none_explained() -> None:
    watched = Watched()
    logger = logging.getLogger("signedmsg")
    before, level = logger.level, logging.WARNING
    logger.setLevel(level)
    try:
        with pytest.raises(SignedMessageError):
            peers.receiver(directory=watched, observe=log_event).verify(forged())
    finally:
        logger.setLevel(before)
    assert watched.asked == ["trusted", "find"]


def test_log_that_takes_refusals_explains_them(caplog: pytest.LogCaptureFixture) -> None:
    token = forged()
    with caplog.at_level(logging.INFO, "signedmsg"), pytest.raises(SignedMessageError):
        peers.receiver(observe=log_event).verify(token)
    assert "held of this issuer: " in caplog.text


def test_claims_of_a_token_that_nobody_has_proven_are_not_read() -> None:
    head, _, signature = peers.sign().split(".")
    with pytest.raises(SignedMessageError) as caught:
        peers.receiver().verify(f"{head}.{peers.sign(SECRET).split('.')[1]}.{signature}")
    facts: Any = caught.value._facts
    assert facts.claims() == {}


def test_directory_that_fails_when_asked_leaves_the_plain_text() -> None:
    watched = Watched()

    def fail(issuer: str) -> Any:
        raise OSError(issuer)

    watched.snapshot = fail  # type: ignore[method-assign]
    with pytest.raises(SignedMessageError) as caught:
        peers.receiver(directory=watched).verify(forged())
    assert caught.value.explanation == "the issuer has no key of that kid"


def test_body_too_large_to_be_written_anew_is_not() -> None:
    body = b"[" + b"1," * (MAX_REWRITTEN // 2) + b"1]"
    assert "must stand behind the verification" in digest_error(body).explanation
