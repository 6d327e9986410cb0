"""Whatever arrives, `verify` answers with a message or one of the project's own errors; what is sent arrives equal."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from signedmsg import (
    AsyncReceiver,
    KeyDirectory,
    Message,
    Receiver,
    Sender,
    SigningError,
    SigningKey,
    UnavailableError,
    VerificationError,
)
from signedmsg._flows.run import run
from tests.conformance.table import BILLING, Seen
from tests.conformance.tokens import AUDIENCE, ISSUER, MESSAGE, NOW, b64, dump, envelope, header_of, key, signed

from .values import FLAWS, TREES, VALUES, Flaw, same

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY = key("ES256")
SENDER = Sender(
    ISSUER,
    SigningKey.from_jwk({**KEY.jwk(), "d": b64(KEY.private.private_numbers().private_value.to_bytes(32))}),
    clock=lambda: NOW,
)


class Memory(Seen):
    waits = "never"
    shared = True
    durable = True


def quiet(_: object) -> None:
    """Observe nothing."""


def faces() -> tuple[Receiver, AsyncReceiver]:
    directory = KeyDirectory(BILLING)
    options: dict[str, Any] = {"clock": lambda: NOW, "observe": quiet}
    return Receiver(AUDIENCE, directory, Memory(), **options), AsyncReceiver(AUDIENCE, directory, Memory(), **options)


Verdict = tuple[Any, ...]


def shown(message: Message[Any]) -> Verdict:
    names = ("id", "type", "time", "subject", "account", "data", "issuer", "audience", "jti", "issued_at", "expires_at")
    return (Message, *(getattr(message, name) for name in names), dict(message.claims))


def verdicts(token: Any, times: int = 1) -> list[Verdict]:
    """Return what both faces say, each once or several times in a row; any other exception is a bug and leaves."""
    blocking, suspending = faces()
    found: list[Verdict] = []
    for _ in range(times):
        for verify in (blocking.verify, lambda one: run(suspending.verify(one))):
            try:
                found.append(shown(verify(token)))
            except (VerificationError, UnavailableError) as error:
                found.append((type(error), error.code, error.explanation))
    return found


SEGMENTS = (
    st.text(alphabet="ABCabc019-_=+/ \n", max_size=24)
    | st.binary(max_size=60).map(b64)
    | TREES.map(dump).map(b64)
    | st.sampled_from(envelope().split("."))
)
# Right but for a few members, since what is wrong everywhere is refused for the first reason.
HEADERS = st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit"]), TREES, max_size=1)
CLAIMS = st.dictionaries(
    st.sampled_from(["iss", "aud", "iat", "exp", "nbf", "jti", "sub", "msg", "x", "https://a.example/x"]),
    TREES | st.integers(NOW - 400, NOW + 400) | st.text("abcdef:/.~0123456789", min_size=1),
    max_size=2,
)
MESSAGES = st.dictionaries(
    st.sampled_from(["v", "id", "type", "time", "until", "subject", "account", "data", "x"]),
    TREES | st.integers(NOW - 400, NOW + 400) | st.datetimes().map(lambda at: at.isoformat() + "Z"),
    max_size=2,
)


@given(st.text() | st.binary() | st.lists(SEGMENTS, max_size=5).map(".".join))
@example("\ud800.\ud800.\ud800")
def test_any_text_or_bytes_meet_the_same_refusal_of_the_project_at_both_faces(token: str | bytes) -> None:
    one, other = verdicts(token)
    assert one == other
    assert issubclass(one[0], VerificationError)


@given(
    st.none()
    | st.integers()
    | st.floats()
    | st.lists(st.text())
    | st.dictionaries(st.text(), st.text())
    | st.sets(st.text())
    | st.builds(object)
    | st.builds(bytearray, st.binary())
)
def test_any_object_is_refused_as_malformed(token: object) -> None:
    assert {verdict[1] for verdict in verdicts(token)} == {"malformed"}


@given(HEADERS, CLAIMS, st.none() | st.binary(max_size=70))
def test_any_header_meets_the_same_verdict_at_both_faces(
    header: Mapping[str, Any], claims: Mapping[str, Any], signature: bytes | None
) -> None:
    token = envelope(claims, header=header)
    one, other = verdicts(token if signature is None else f"{token.rpartition('.')[0]}.{b64(signature)}")
    assert one == other
    assert signature is None or issubclass(one[0], VerificationError)


@settings(max_examples=300)
@given(CLAIMS, MESSAGES)
def test_any_claims_set_that_was_really_signed_meets_the_same_verdict_at_both_faces(
    claims: Mapping[str, Any], message: Mapping[str, Any]
) -> None:
    one, other = verdicts(envelope(claims, message))
    assert one == other
    if one[0] is Message:
        assert {**MESSAGE, **message}["data"] == one[6]


@given(st.binary(max_size=200))
def test_any_octets_signed_as_claims_meet_the_same_refusal_at_both_faces(payload: bytes) -> None:
    one, other = verdicts(signed(header_of(KEY), payload or b"{}", KEY))
    assert one == other
    assert issubclass(one[0], VerificationError)


@settings(max_examples=300)
@given(VALUES)
def test_any_json_value_arrives_equal_and_once_at_both_faces(data: Any) -> None:
    token = SENDER.sign(data, type="t", audience=AUDIENCE)
    first, also_first, second, also_second = verdicts(token, times=2)
    assert first == also_first
    assert first[0] is Message
    assert same(first[6], data)
    assert second == also_second
    assert second[1] == "replayed"


@given(VALUES)
def test_signing_does_not_change_the_callers_object(data: Any) -> None:
    before = copy.deepcopy(data)
    SENDER.sign(data, type="t", audience=AUDIENCE)
    assert same(data, before)


@settings(max_examples=300)
@given(FLAWS)
def test_what_cannot_be_sent_faithfully_is_refused_with_its_path(flaw: Flaw) -> None:
    with pytest.raises(SigningError) as caught:
        SENDER.sign(flaw.value, type="t", audience=AUDIENCE)
    assert caught.value.path == flaw.path


class Order(BaseModel):
    number: int
    note: str | None
    lines: list[tuple[str, float]]


ORDERS = st.builds(
    Order,
    number=st.integers(-(2**53) + 1, 2**53 - 1),
    note=st.none() | st.text(),
    lines=st.lists(st.tuples(st.text(), st.floats(allow_nan=False, allow_infinity=False)), max_size=4),
)


@given(ORDERS)
def test_any_model_arrives_as_an_equal_model(order: Order) -> None:
    receiver, _ = faces()
    assert receiver.verify(SENDER.sign(order, type="t", audience=AUDIENCE), Order).data == order


@given(st.text(min_size=1), st.text(min_size=1))
def test_any_label_is_refused_at_signing_or_arrives_equal(type: str, subject: str) -> None:
    receiver, _ = faces()
    try:
        token = SENDER.sign({}, type=type, audience=AUDIENCE, subject=subject)
    except SigningError:
        return
    message = receiver.verify(token)
    assert (message.type, message.subject) == (type, subject)
