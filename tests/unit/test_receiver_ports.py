"""Whatever a directory, a cache or a clock of somebody's own does, a verification ends in a refusal or an outage."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest

from signedmsg import InvalidKeyError, KeyDirectory, KeyDirectoryError, SigningError, UnavailableError

from .peers import receiver, sign, trusted


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
