"""The pytest plugin of signedmsg: fixtures that begin with `signedmsg_`, and explanations where a test fails.

A module of its own beside the package: pytest loads it in every run of every project of the
environment, and it must cost those nothing. So the package is imported by whoever asks for a fixture.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import pluggy

    from signedmsg.observe import Event
    from signedmsg.testing import ManualClock, Peer
    from signedmsg.testing.httpx import CapturingTransport

_MOST = 16


class Events(list["Event"]):
    """What receivers said, when it is their `observe`: a list that can be called."""

    def __call__(self, event: Event) -> None:
        self.append(event)


@pytest.fixture
def signedmsg_clock() -> ManualClock:
    """A clock that begins now and stands still until the test moves it: `.advance(90)`."""
    from signedmsg.testing import ManualClock

    # Not some day of the past: a receiver that cannot be given a clock still takes what is signed by this one.
    return ManualClock(time.time())


@pytest.fixture
def signedmsg_peer(signedmsg_clock: ManualClock) -> Peer:
    """Somebody whose key is trusted, `https://peer.example`; it signs by `signedmsg_clock`."""
    from signedmsg.testing import Peer

    return Peer(clock=signedmsg_clock)


@pytest.fixture
def signedmsg_transport(signedmsg_peer: Peer) -> CapturingTransport:
    """An httpx transport that keeps what `signedmsg_peer` sends, and answers 202."""
    from signedmsg.testing.httpx import CapturingTransport

    return CapturingTransport(signedmsg_peer)


@pytest.fixture
def signedmsg_events() -> Events:
    """A list for `Receiver(observe=...)`: the events, whose refusals are explained when the test fails."""
    return Events()


def pytest_configure() -> None:
    """Let the reasons of refusals, which are logged as INFO, stand among the captured log of a test that fails."""
    logger = logging.getLogger("signedmsg")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)


# Not the newer kind of wrapper, which an older pytest does not know: then no test of the environment would run.
@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pluggy.Result[pytest.TestReport], None]:
    """Say below a test that failed why what it was about was refused."""
    outcome = yield
    report = outcome.get_result()
    # Where nothing has imported the errors, none of them was raised.
    if report.failed and "signedmsg.errors" in sys.modules:
        said = dict.fromkeys(_explanations(item, call))
        if said:
            report.sections.append(("signedmsg: why it was refused", "\n".join(said)))


def _explanations(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[str]:
    from signedmsg.errors import SignedMessageError

    if call.excinfo is not None:
        for error in _chain(call.excinfo.value):
            if isinstance(error, SignedMessageError):
                yield f"{error.code}: {error.explanation}"
    arguments: dict[str, Any] = getattr(item, "funcargs", {})
    for event in arguments.get("signedmsg_events", ()):
        refused = getattr(event, "error", None)
        if isinstance(refused, SignedMessageError):
            yield f"{refused.code}: {refused.explanation}"


def _chain(error: BaseException) -> list[BaseException]:
    """Return an error, and what caused it."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting and len(found) < _MOST:
        one = waiting.pop(0)
        if one is None or any(one is each for each in found):
            continue
        found.append(one)
        if isinstance(one, BaseExceptionGroup):
            waiting.extend(cast("BaseExceptionGroup[BaseException]", one).exceptions)
        waiting += [one.__cause__, one.__context__]
    return found
