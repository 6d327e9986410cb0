"""Whatever a directory, a cache or a clock of somebody's own does, a verification ends in a refusal or an outage."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NoReturn

import pytest

from signedmsg import (
    InvalidKeyError,
    KeyDirectory,
    KeyDirectoryError,
    MemoryInbox,
    Router,
    SigningError,
    UnavailableError,
)

from .peers import Clock, receiver, sign, trusted


class OwnDirectory:
    """Answers as it is told to, and otherwise as a good one."""

    waits = "never"

    def __init__(self, **answers: Any) -> None:
        good = KeyDirectory(trusted())
        self.trusted = answers.get("trusted", good.trusted)
        self.find = answers.get("find", good.find)


def failing(error: Exception) -> Any:
    def fail(*_: object) -> NoReturn:
        raise error

    return fail


@pytest.mark.parametrize("method", ["trusted", "find"])
@pytest.mark.parametrize(
    "answer",
    [failing(KeyError("x")), failing(InvalidKeyError("x")), failing(SigningError("x")), lambda *_: None],
    ids=["key-error", "invalid-key", "signing", "none"],
)
def test_directory_that_fails_is_an_outage(method: str, answer: Any) -> None:
    with pytest.raises(KeyDirectoryError):
        receiver(directory=OwnDirectory(**{method: answer})).verify(sign())


@pytest.mark.parametrize("time", [float("nan"), float("inf"), float("-inf"), 1e300], ids=repr)
def test_clock_that_does_not_say_the_time_is_an_outage(time: float) -> None:
    with pytest.raises(UnavailableError):
        receiver(clock=lambda: time).verify(sign())


# The first token goes through the steps, and the second takes the straight path.
@pytest.mark.parametrize(
    "said", [None, "1800000000", 1j, [], 10**400, Decimal(1_800_000_000)], ids=lambda it: repr(it)[:9]
)
def test_clock_that_says_no_number_is_an_outage_however_the_token_is_proven(said: Any) -> None:
    clock = Clock()
    times: list[Any] = [clock()]
    face = receiver(clock=lambda: times[-1])
    face.verify(sign())
    times.append(said)
    for _ in range(2):
        with pytest.raises(UnavailableError, match="clock"):
            face.verify(sign())


def test_clock_that_says_no_number_leaves_a_stored_message_to_be_taken_later() -> None:
    router = Router(MemoryInbox(), mode="lease")
    with pytest.raises(UnavailableError, match="clock"):
        receiver(clock=lambda: None).handle(sign(), router, received_at=1.0)
