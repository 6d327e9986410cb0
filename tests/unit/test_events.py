"""Events: one for each verdict, and an observer that cannot change any."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from pydantic import BaseModel

from signedmsg import (
    HandlerError,
    InvalidSignatureError,
    KeyDirectory,
    Message,
    Receiver,
    ReplayedError,
    Router,
    StoreError,
    VerificationError,
)
from signedmsg.observe import HandlerFailed, MessageAccepted, MessageRefused

from .peers import AUDIENCE, ISSUER, Clock, memory, receiver, sign, trusted


class Cache:
    """A replay cache that says of itself what a test wants, and answers or raises it."""

    def __init__(self, answer: object = True, *, waits: Any = "never", shared: bool = True) -> None:
        self.waits, self.shared, self.durable = waits, shared, False
        self.answer = answer
        self.calls: list[tuple[bytes, float, str, float]] = []

    def add(self, key: bytes, keep: float, *, issuer: str, issued_at: float) -> Any:
        self.calls.append((key, keep, issuer, issued_at))
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


class Invoice(BaseModel):
    number: int


def directory() -> KeyDirectory:
    return KeyDirectory(trusted())


def observed(present: Any, **options: Any) -> list[Any]:
    events: list[Any] = []
    face = receiver(observe=events.append, **options)
    try:
        present(face)
    except (VerificationError, StoreError, HandlerError):
        events.append("raised")
    return events


def test_accepted_message_is_one_event() -> None:
    token = sign(id="m-1")
    assert observed(lambda face: face.verify(token)) == [
        MessageAccepted(issuer=ISSUER, message_id="m-1", type="invoice.paid")
    ]


def test_refusal_of_junk_names_no_issuer() -> None:
    event, _ = observed(lambda face: face.verify("junk"))
    assert (type(event), event.error.code, event.issuer, event.proven) == (MessageRefused, "malformed", None, False)


def test_refusal_of_a_forgery_names_who_it_claims_to_be_as_unproven() -> None:
    forged = sign().rpartition(".")[0] + "." + "A" * 86
    event, _ = observed(lambda face: face.verify(forged))
    assert (event.error.code, event.issuer, event.proven) == ("invalid_signature", ISSUER, False)
    assert isinstance(event.error, InvalidSignatureError)


def test_refusal_of_a_genuine_token_names_its_issuer_as_proven() -> None:
    event, _ = observed(lambda face: face.verify(sign({"number": "x"}), Invoice))
    assert (event.error.code, event.issuer, event.proven) == ("payload", ISSUER, True)


def test_replay_and_outage_are_one_event_each() -> None:
    replay, _ = observed(lambda face: face.verify(sign()), cache=Cache(answer=False))
    outage, _ = observed(lambda face: face.verify(sign()), cache=Cache(StoreError("down")))
    assert [(one.error.code, one.proven) for one in (replay, outage)] == [
        ("replayed", True),
        ("store_unavailable", True),
    ]


def test_failed_handler_is_an_event_after_the_acceptance() -> None:
    router, failure = Router(), LookupError("inside")

    @router.on("invoice.paid")
    def fail(message: Message[Any]) -> None:
        raise failure

    accepted, failed, _ = observed(lambda face: face.handle(sign(id="m-1"), router))
    assert type(accepted) is MessageAccepted
    assert failed == HandlerFailed(issuer=ISSUER, message_id="m-1", type="invoice.paid", error=failure)


def explode(_: object) -> None:
    raise RuntimeError("the observer's own fault")


def test_observer_that_raises_changes_no_verdict_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    face = receiver(observe=explode)
    assert face.verify(sign()).data == 42
    with pytest.raises(VerificationError):
        face.verify("junk")
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.ERROR]


def test_events_are_logged_where_nobody_observes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "signedmsg")
    face = Receiver(AUDIENCE, directory(), memory(), clock=Clock())
    token = sign("hunter2", id="m-1")
    face.verify(token)
    with pytest.raises(ReplayedError):
        face.verify(token)
    with pytest.raises(StoreError):
        Receiver(AUDIENCE, directory(), Cache(StoreError("down")), clock=Clock()).verify(sign())
    assert [record.levelname for record in caplog.records] == ["DEBUG", "INFO", "ERROR"]
    assert "hunter2" not in caplog.text
    assert token.split(".")[2] not in caplog.text


def test_log_shows_a_claimed_issuer_without_its_control_characters(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "signedmsg")
    face = Receiver(AUDIENCE, directory(), memory(), clock=Clock())
    with pytest.raises(VerificationError):
        face.verify("a\nFAKE LOG LINE.b.c")
    assert "FAKE" not in caplog.text
