"""Trying again: when, how often, after how long, and always as the same message."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from signedmsg import DeliveryError, Sender, SigningError, SigningKey
from signedmsg._core.answers import answer_code
from signedmsg._jose import base64url
from signedmsg.cli.delivery import Delivery, Tally, ends_the_run

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = SigningKey.generate()
ACCEPTED = httpx.Response(204)


def problem(code: str, *, retry_after: float | None = None) -> httpx.Response:
    answer = answer_code(code, retry_after=retry_after)
    return httpx.Response(answer.status, headers=list(answer.headers), content=answer.body)


class Run:
    """A delivery to a receiver that gives these answers, one after the other; a None is no answer."""

    def __init__(self, *answers: httpx.Response | None, retries: int = 3) -> None:
        self.claims: list[dict[str, Any]] = []
        self.waits: list[float] = []
        self.tally = Tally()
        left: Iterator[httpx.Response | None] = iter(answers)

        def receive(request: httpx.Request) -> httpx.Response:
            self.claims.append(json.loads(base64url.decode(request.content.decode().split(".")[1])))
            answer = next(left)
            if answer is None:
                raise httpx.ConnectError("refused")
            return answer

        client = httpx.Client(transport=httpx.MockTransport(receive), trust_env=False)
        sender = Sender("https://billing.example", KEY, client=client)
        self.delivery = Delivery(
            sender=sender,
            url="https://shop.example/inbox",
            retries=retries,
            tally=self.tally,
            sleep=self.waits.append,
        )

    def deliver(self, data: object = 1) -> SigningError | DeliveryError | None:
        return self.delivery.deliver(data, type="a")


def test_accepted_message_is_sent_once() -> None:
    run = Run(ACCEPTED)
    assert run.deliver() is None
    assert (len(run.claims), run.waits, run.tally) == (1, [], Tally(accepted=1))


def test_attempts_are_one_message_under_new_token_ids() -> None:
    run = Run(None, problem("unavailable"), problem("verification_failed"), ACCEPTED)
    assert run.deliver() is None
    assert len({json.dumps(claims["msg"]) for claims in run.claims}) == 1
    assert len({claims["jti"] for claims in run.claims}) == 4
    assert (run.tally.accepted, run.tally.refused, run.tally.retried) == (1, 0, 3)


def test_attempts_end_after_the_retries() -> None:
    run = Run(*[problem("unavailable")] * 4, retries=3)
    error = run.deliver()
    assert isinstance(error, DeliveryError)
    assert (len(run.claims), len(run.waits)) == (4, 3)
    assert (run.tally.refused, run.tally.reasons) == (1, {"503 unavailable": 1})


@pytest.mark.parametrize("code", ["malformed", "payload", "unknown_type", "too_late", "too_large"])
def test_verdict_on_the_message_itself_is_final(code: str) -> None:
    run = Run(problem(code))
    assert run.deliver() is not None
    assert (len(run.claims), run.waits) == (1, [])


def test_waits_grow_and_are_bounded() -> None:
    run = Run(*[None] * 12, ACCEPTED, retries=12)
    run.deliver()
    assert all(0 <= wait <= min(0.5 * 2**at, 30) for at, wait in enumerate(run.waits))
    assert max(run.waits) > 1


@pytest.mark.parametrize(("asked", "waited"), [(2, 2.0), (3000, 30.0)])
def test_receiver_may_ask_for_a_wait_up_to_a_cap(asked: float, waited: float) -> None:
    run = Run(problem("quota", retry_after=asked), ACCEPTED)
    run.deliver()
    assert run.waits == [waited]


def test_replayed_token_is_signed_anew_at_once() -> None:
    run = Run(problem("replayed"), ACCEPTED)
    assert run.deliver() is None
    assert run.waits == [0.0]


def test_duplicate_is_accepted_and_counted() -> None:
    run = Run(httpx.Response(200, headers={"SignedMsg-Duplicate": "1"}))
    assert run.deliver() is None
    assert run.tally == Tally(accepted=1, duplicates=1)


def test_message_that_cannot_be_signed_is_not_sent() -> None:
    run = Run()
    assert isinstance(run.deliver(float("nan")), SigningError)
    assert (run.claims, run.tally.reasons) == ([], {"cannot be signed": 1})


@pytest.mark.parametrize(
    ("answer", "reason", "ends"),
    [
        (problem("payload"), "422 payload", False),
        (problem("not_allowed"), "403 not_allowed", False),
        (problem("handler_error"), "500 handler_error", False),
        (problem("audience"), "401 audience", True),
        (problem("verification_failed"), "401 verification_failed", True),
        (problem("unavailable"), "503 unavailable", True),
        (httpx.Response(404), "404, and not from a signedmsg receiver", True),
        (None, "no answer", True),
    ],
)
def test_run_goes_on_only_after_a_refusal_of_the_one_message(
    answer: httpx.Response | None, reason: str, ends: bool
) -> None:
    run = Run(answer, retries=0)
    error = run.deliver()
    assert error is not None
    assert (run.tally.reasons, ends_the_run(error)) == ({reason: 1}, ends)
