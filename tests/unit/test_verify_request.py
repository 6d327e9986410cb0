"""Verifying a call: in one step or in two, what its observer hears, and what is never used up."""

from __future__ import annotations

import logging
from typing import Any

import anyio
import pytest
from pydantic import BaseModel

from signedmsg import (
    BindingError,
    Call,
    ClaimError,
    KeyDirectoryError,
    MemoryReplayCache,
    ReplayedError,
    StoreError,
    TooLargeError,
    UnavailableError,
    UnsupportedTokenError,
    VerificationError,
)
from signedmsg.observe import CallAccepted, CallRefused
from tests.conformance.requests import BODY, JSON, ORIGIN, PATH, Arrival, bound, digest, got, posted
from tests.conformance.tokens import GONE, ISSUER, JTI, NOW, envelope

from .calls import async_receiver, directory, opened, receiver
from .peers import Clock


class Transfer(BaseModel):
    amount: int


class Cache:
    """A replay cache that remembers as long as it is told to, on a clock that the test sets."""

    waits, shared, durable = "never", True, True

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.ends: dict[bytes, float] = {}

    def add(self, key: bytes, keep: float, *, issuer: str, issued_at: float) -> bool:
        now = self.clock()
        first = self.ends.get(key, now) <= now
        self.ends[key] = max(self.ends.get(key, 0), now + keep)
        return first


def take(face: Any, arrival: Arrival, *model: Any) -> Any:
    return face.verify_request(arrival.method, arrival.target, arrival.all_headers, arrival.body, *model)


def test_call_is_accepted_once() -> None:
    face = receiver()
    assert isinstance(take(face, posted()), Call)
    with pytest.raises(ReplayedError):
        take(face, posted())


def test_call_is_accepted_once_by_the_async_face() -> None:
    async def work() -> None:
        face = async_receiver()
        assert isinstance(await take(face, posted()), Call)
        with pytest.raises(ReplayedError):
            await take(face, posted())

    anyio.run(work)


def test_message_and_call_of_one_jti_share_it() -> None:
    face = receiver(external_url=ORIGIN, audience=f"{ORIGIN}/inbox")
    face.verify(envelope())
    with pytest.raises(ReplayedError):
        take(face, posted({"aud": f"{ORIGIN}/inbox"}))


def test_token_of_a_call_is_no_message() -> None:
    with pytest.raises(UnsupportedTokenError):
        receiver().verify(bound())


def test_message_of_the_same_receiver_is_no_call() -> None:
    face = receiver()
    token = envelope({"aud": f"{ORIGIN}/"})
    with pytest.raises(UnsupportedTokenError):
        take(face, posted().but(token=token))
    assert face.verify(token).audience == f"{ORIGIN}/"


@pytest.mark.parametrize("wrong", [object(), [1], {"a": 1}], ids=["object", "list", "dict"])
def test_what_is_no_model_is_a_type_error_whatever_the_request(wrong: Any) -> None:
    with pytest.raises(TypeError):
        take(receiver(), Arrival(headers={}), wrong)
    with pytest.raises(TypeError):
        anyio.run(take, async_receiver(), Arrival(headers={}), wrong)


def test_open_request_says_who_calls_what() -> None:
    head = opened(posted())
    assert (head.issuer, head.method, head.path, head.has_body) == (ISSUER, "POST", PATH, True)
    assert head.max_body == 1_048_576
    assert repr(head) == f"<OpenRequest POST '{PATH}' from '{ISSUER}'>"


def test_open_request_without_a_body_reads_none() -> None:
    head = opened(got())
    assert (head.has_body, head.max_body) == (False, 0)
    assert head.finish(b"").body == b""


def test_open_request_records_nothing() -> None:
    face = receiver()
    one = posted()
    for _ in range(3):
        head = face.open_request(one.method, one.target, one.all_headers)
    assert head.finish(one.body, Transfer).data == Transfer(amount=42)


def test_two_opened_copies_of_a_request_have_one_winner() -> None:
    face = receiver()
    one = posted()
    first, second = (face.open_request(one.method, one.target, one.all_headers) for _ in range(2))
    second.finish(one.body)
    with pytest.raises(ReplayedError):
        first.finish(one.body)


def test_opened_request_is_finished_once() -> None:
    head = opened(posted())
    head.finish(BODY)
    with pytest.raises(ReplayedError):
        head.finish(BODY)


def test_wrong_body_leaves_the_opened_request_as_it_was() -> None:
    head = opened(posted())
    with pytest.raises(BindingError):
        head.finish(b"{}")
    assert head.finish(BODY).data == {"amount": 42}


def test_opened_request_of_the_async_face_is_finished_once() -> None:
    async def work() -> None:
        one = posted()
        head = await async_receiver().open_request(one.method, one.target, one.all_headers)
        assert (head.issuer, head.has_body, head.max_body) == (ISSUER, True, 1_048_576)
        assert (await head.finish(one.body, Transfer)).data == Transfer(amount=42)
        with pytest.raises(ReplayedError):
            await head.finish(one.body)

    anyio.run(work)


def test_body_that_trickles_in_until_its_token_has_ended_is_refused() -> None:
    clock = Clock(NOW)
    head = opened(posted(), clock=clock)
    clock.now = NOW + 89.9
    assert isinstance(opened(posted(), clock=clock).finish(BODY), Call)
    clock.now = NOW + 90
    with pytest.raises(ClaimError) as caught:
        head.finish(BODY)
    assert caught.value.code == "expired"


def test_copy_held_open_until_its_id_is_forgotten_is_never_the_first() -> None:
    # Without a second look at the time, a copy whose body is held back for longer than ids are kept
    # would find the cache empty again.
    clock = Clock(NOW)
    face = receiver(cache=Cache(clock), clock=clock)
    one = posted()
    copy = face.open_request(one.method, one.target, one.all_headers)
    take(face, one)
    for later in range(0, 2000, 10):
        clock.now = NOW + later
        with pytest.raises(VerificationError):
            copy.finish(one.body)


def test_too_large_tells_the_observer() -> None:
    events: list[Any] = []
    error = opened(posted(), observe=events.append, max_body=5).too_large()
    assert isinstance(error, TooLargeError)
    assert (error.code, error.public_code) == ("body_too_large", "too_large")
    assert events == [CallRefused(error=error, issuer=ISSUER, proven=True)]


def test_body_where_none_was_signed_is_a_binding_error_and_not_one_of_size() -> None:
    error = opened(got()).too_large()
    assert isinstance(error, BindingError)
    assert error.component == "content-digest"


def test_tampered_copy_does_not_use_up_the_jti() -> None:
    face = receiver()
    one = posted()
    for changed in (one.but(body=b"{}"), one.but(method="PUT"), one.but(target="/v1/x"), one.but(fields=())):
        with pytest.raises(BindingError):
            take(face, changed)
    with pytest.raises(VerificationError):
        take(face, posted({}, {"content-digest": digest(b"[]")}, body=b"[]"), Transfer)
    assert take(face, one, Transfer).data.amount == 42


def test_data_that_does_not_fit_can_be_sent_again_once_the_receiver_is_mended() -> None:
    face = receiver()
    with pytest.raises(VerificationError):
        take(face, posted(), list[int])
    assert take(face, posted(), Transfer).data.amount == 42


def observed(arrival: Arrival, *model: Any, **options: Any) -> list[Any]:
    events: list[Any] = []
    try:
        take(receiver(observe=events.append, **options), arrival, *model)
    except (VerificationError, UnavailableError) as error:
        events.append(error)
    return events


def test_accepted_call_is_one_event() -> None:
    assert observed(posted()) == [CallAccepted(issuer=ISSUER, jti=JTI, method="POST", path=PATH)]


def test_refused_head_is_one_event_that_names_nobody() -> None:
    event, error = observed(Arrival(headers={}))
    assert event == CallRefused(error=error, issuer=None, proven=False)


def test_refusal_of_a_token_that_names_no_issuer_proves_nothing() -> None:
    event, error = observed(posted({"iss": GONE}))
    assert event == CallRefused(error=error, issuer=None, proven=False)


@pytest.mark.parametrize(
    ("arrival", "proven"),
    [
        (posted({"iss": "https://evil.example"}), False),
        (posted(header={"kid": "x"}), False),
        (posted({"sub": "x"}), True),
        (posted({"iat": NOW - 99, "exp": NOW - 39}), True),
        (posted(method="PUT"), True),
        (posted(body=b"{}"), True),
    ],
    ids=["issuer", "key", "claim", "expired", "method", "body"],
)
def test_refusal_says_whether_its_issuer_is_proven(arrival: Arrival, proven: bool) -> None:
    event, error = observed(arrival)
    assert (event.error, event.proven) == (error, proven)
    assert event.issuer in (ISSUER, "https://evil.example")


def test_payload_that_does_not_fit_is_told_with_its_pointer(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "signedmsg"), pytest.raises(VerificationError):
        take(
            receiver(observe=None),
            posted({}, {"content-digest": digest(b'{"amount":"x"}')}, body=b'{"amount":"x"}'),
            Transfer,
        )
    (record,) = caplog.records
    assert (record.levelname, "'/amount'" in record.message) == ("INFO", True)
    assert f"refused (payload) from {ISSUER}" in record.message


def test_accepted_call_is_logged_at_debug_without_its_query(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "signedmsg"):
        take(receiver(observe=None), got({}, {"@query": "?secret=1"}, target=f"{PATH}?secret=1"))
    assert [record.message for record in caplog.records] == [f"accepted GET '{PATH}' from {ISSUER}"]


def test_call_that_could_not_be_decided_is_logged_as_an_error(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "signedmsg"), pytest.raises(StoreError):
        take(receiver(observe=None, cache=MemoryReplayCache(clock=lambda: NOW + 5)), posted())
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_name_of_an_unknown_component_cannot_forge_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "signedmsg"), pytest.raises(BindingError):
        take(receiver(observe=None), posted({}, {"x\naccepted": "y"}))
    assert "\n" not in caplog.records[0].message


@pytest.mark.parametrize("answer", [False, None, 1, "true", object()], ids=repr)
def test_cache_that_answers_anything_but_true_admits_nothing(answer: object) -> None:
    class Odd(Cache):
        def add(self, *_: object, **__: object) -> Any:
            return answer

    cache = Odd(Clock())
    with pytest.raises(ReplayedError):
        take(receiver(cache=cache), posted())
    with pytest.raises(ReplayedError):
        anyio.run(take, async_receiver(cache=cache), posted())


def test_cache_is_asked_once_with_issuer_keep_and_the_end_of_the_second() -> None:
    calls: list[Any] = []

    class Noting(Cache):
        def add(self, key: bytes, keep: float, *, issuer: str, issued_at: float) -> bool:
            calls.append((len(key), keep, issuer, issued_at))
            return True

    take(receiver(cache=Noting(Clock())), posted())
    assert calls == [(16, 240, ISSUER, NOW + 1.0)]


def test_key_that_the_directory_cannot_read_is_an_outage_before_the_body_is_asked_for() -> None:
    class Failing:
        waits = "never"
        trusted = staticmethod(directory().trusted)

        def find(self, issuer: str, kid: str) -> Any:
            raise LookupError("ldap-3.internal.example")

    with pytest.raises(KeyDirectoryError) as caught:
        opened(posted(), directory=Failing())
    assert "internal" not in str(caught.value)


def test_header_fields_may_come_as_an_iterator() -> None:
    one = posted()
    pairs = iter([("Authorization", f"Bearer {one.token}"), ("Content-Type", JSON)])
    assert receiver().verify_request("POST", PATH, pairs, BODY).data == {"amount": 42}


def test_two_audiences_on_one_server_do_not_take_each_others_calls() -> None:
    shop, pay = receiver(), receiver(audience="https://pay.example")
    with pytest.raises(ClaimError) as caught:
        take(pay, posted())
    assert caught.value.code == "audience"
    assert isinstance(take(shop, posted()), Call)


@pytest.mark.parametrize("members", [{"content-digest": "md5=:1B2M2Y8AsgTpgAmY7PhCfg==:"}, {"No Field": "1"}])
def test_member_that_the_caller_should_not_have_signed_is_not_blamed_on_a_proxy(members: dict[str, str]) -> None:
    with pytest.raises(BindingError) as caught:
        take(receiver(), posted(http=members))
    assert "proxy" not in caught.value.explanation
