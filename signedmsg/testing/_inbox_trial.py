"""An inbox under test and its clock, seen by the cases as a blocking inbox whichever way it waits."""

from __future__ import annotations

import threading
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from signedmsg._core.inbox import Arrival, Claim

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.from_thread import BlockingPortal

    from signedmsg._flows.inbox_ports import Inbox, QueuedInbox, TransactionalInbox
    from signedmsg.testing.clock import ManualClock

T = TypeVar("T")

COPIES: Final = 64
LEASE: Final = 300.0
KEEP: Final = 86_400.0
SLACK: Final = 30.0
"""Seconds that a server's own clock may go on during a case without changing its outcome."""

ONE, OTHER = "https://one.example", "https://other.example"


class Boom(Exception):  # noqa: N818 - what a handler raises
    """What the handlers of the cases raise."""


class Trial:
    """What the cases need, in a few words."""

    def __init__(
        self, clock: ManualClock, make: Callable[[str], object], advance: Callable[[ManualClock, float], None]
    ) -> None:
        self.clock = clock
        self._make, self._advance = make, advance

    def open(self, name: str = "default") -> Inbox:
        """Make an inbox over the store of this trial."""
        return cast("Inbox", self._make(name))

    def open_transactional(self) -> TransactionalInbox[object]:
        """Make an inbox with transactions."""
        return cast("TransactionalInbox[object]", self._make("default"))

    def open_queued(self, name: str = "default") -> QueuedInbox:
        """Make an inbox with a queue."""
        return cast("QueuedInbox", self._make(name))

    def advance(self, seconds: float) -> None:
        """Let time pass on the store's clock."""
        self._advance(self.clock, seconds)

    def message(self, number: int, *, issuer: str = ONE, content: str = "as sent", keep: float = KEEP) -> Arrival:
        """Return a message that stands for `number`, to be kept for `keep` seconds from now."""
        return self.named(f"msg_{number}", issuer=issuer, content=content, keep=keep)

    def named(self, message_id: str, *, issuer: str = ONE, content: str = "as sent", keep: float = KEEP) -> Arrival:
        """Return a message with that id."""
        digest = sha256(content.encode()).digest()
        return Arrival(issuer, message_id, digest, self.clock() + keep, "invoice.paid")


class Blocking:
    """An async inbox, or one of its transactions, as a blocking one: each call runs in the event loop to its end."""

    def __init__(self, target: object, portal: BlockingPortal) -> None:
        self._target, self._portal = target, portal

    def transaction(self) -> object:
        """Return the transaction as a context manager of this thread."""
        return _Entered(cast("Any", self._target).transaction(), self._portal)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        if name == "connection" or not callable(value):
            return value
        return partial(self._portal.call, value)


class _Entered:
    def __init__(self, manager: Any, portal: BlockingPortal) -> None:
        self._wrapped, self._portal = portal.wrap_async_context_manager(manager), portal

    def __enter__(self) -> object:
        return Blocking(self._wrapped.__enter__(), self._portal)

    def __exit__(self, *error: Any) -> object:
        return self._wrapped.__exit__(*error)


def at_once(count: int, work: Callable[[], T]) -> list[T]:
    """Call `work` in so many threads that start together; return the answers, or raise one of the errors."""
    answers: list[T] = []
    errors: list[BaseException] = []
    start = threading.Barrier(count)

    def one() -> None:
        start.wait()
        try:
            answers.append(work())
        except BaseException as error:  # noqa: BLE001 - raised below, in the thread of the test
            errors.append(error)

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return answers


def claimed(answer: object) -> Claim:
    """Return the claim that the store was to give."""
    check(isinstance(answer, Claim), f"expected a Claim, got {answer}")
    return cast("Claim", answer)


def refuses(kind: type[Exception], step: Callable[..., object], *arguments: object) -> None:
    """Check that the step raises `kind`."""
    try:
        answer = step(*arguments)
    except kind:
        return
    raise AssertionError(f"expected {kind.__name__}, got {answer}")


def check(holds: bool, otherwise: str) -> None:
    """Assert; not the statement, which python -O removes and which pytest explains in test modules only."""
    if not holds:
        raise AssertionError(otherwise)


def expect(answer: object, expected: object) -> None:
    """Check that the answer is of the same kind and equal: records of two kinds may be equal as tuples."""
    check(type(answer) is type(expected) and answer == expected, f"expected {expected}, got {answer}")


def expect_kind(answer: object, kind: type) -> None:
    """Check that the answer is of that kind."""
    check(isinstance(answer, kind), f"expected {kind.__name__}, got {answer}")
