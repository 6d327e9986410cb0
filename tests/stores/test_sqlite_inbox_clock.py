"""The clock of a host under a SQLite inbox: it may step, and no message runs twice for it or waits for ever."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from signedmsg._core.inbox import Claim, Done, InProgress
from signedmsg.errors import LeaseLostError, StoreError
from signedmsg.stores.sqlite_inbox import SQLiteInbox
from signedmsg.testing import ManualClock
from tests.stores.inbox_words import handle, make_words, message, words

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

LEASE, DAY = 30.0, 86_400.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    make_words(tmp_path / "app.db")
    return tmp_path / "app.db"


@pytest.fixture
def inbox(path: Path, clock: ManualClock) -> Generator[SQLiteInbox]:
    with SQLiteInbox(path, clock=clock) as inbox:
        yield inbox


def test_lease_begins_anew_when_the_clock_stepped_back(inbox: SQLiteInbox, clock: ManualClock) -> None:
    inbox.begin(message(1), LEASE)
    clock.step_back(DAY)
    assert inbox.begin(message(1), LEASE) == InProgress(LEASE)
    clock.advance(LEASE - 1)
    assert isinstance(inbox.begin(message(1), LEASE), InProgress)
    clock.advance(1)
    assert isinstance(inbox.begin(message(1), LEASE), Claim)


def test_lease_begins_anew_for_a_transaction_too(inbox: SQLiteInbox, clock: ManualClock) -> None:
    inbox.begin(message(1), LEASE)
    clock.step_back(DAY)
    assert handle(inbox, message(1)) == InProgress(LEASE)
    clock.advance(LEASE)
    assert handle(inbox, message(1)) is None


def test_queued_messages_do_not_wait_for_a_clock_that_stepped_back(inbox: SQLiteInbox, clock: ManualClock) -> None:
    inbox.enqueue(message(1), b"with a worker")
    inbox.enqueue(message(2), b"for later")
    inbox.take(LEASE)
    job = inbox.take(LEASE)
    assert job is not None
    inbox.release(job.claim, 2 * LEASE)
    clock.step_back(DAY)
    assert [inbox.take(LEASE) for _ in range(40)] == [None] * 40
    clock.advance(LEASE)
    first = inbox.take(9 * LEASE)
    clock.advance(LEASE)
    second = inbox.take(9 * LEASE)
    assert [each and each.body for each in (first, second)] == [b"with a worker", b"for later"]


def test_clock_that_steps_ahead_ends_a_lease_and_the_old_holder_is_refused(
    inbox: SQLiteInbox, clock: ManualClock
) -> None:
    old = inbox.begin(message(1), LEASE)
    assert isinstance(old, Claim)
    clock.set(clock() + DAY)
    new = inbox.begin(message(1), LEASE)
    assert isinstance(new, Claim)
    with pytest.raises(LeaseLostError):
        inbox.commit(old, 200)
    inbox.commit(new, 204)
    assert inbox.begin(message(1), LEASE) == Done(204)


def test_message_that_may_have_been_removed_is_refused_when_the_clock_steps_back(
    path: Path, inbox: SQLiteInbox, clock: ManualClock
) -> None:
    first = message(1, keep_until=clock() + DAY)
    handle(inbox, first)
    clock.set(clock() + 2 * DAY)
    for number in range(100, 140):
        handle(inbox, message(number))
    clock.step_back(2 * DAY)
    with pytest.raises(StoreError, match="whether it was handled"):
        handle(inbox, first)
    with pytest.raises(StoreError, match="whether it was handled"):
        inbox.begin(first, LEASE)
    assert words(path).count("msg_1") == 1


def test_message_that_cannot_have_been_removed_is_taken_when_the_clock_steps_back(
    inbox: SQLiteInbox, clock: ManualClock
) -> None:
    handle(inbox, message(1, keep_until=clock() + DAY))
    clock.set(clock() + 2 * DAY)
    for number in range(100, 140):
        handle(inbox, message(number))
    clock.step_back(2 * DAY)
    assert handle(inbox, message(2, keep_until=clock() + 3 * DAY)) is None


@pytest.mark.parametrize("seed", range(8))
def test_however_the_clock_steps_one_holder_marks_the_message(
    inbox: SQLiteInbox, clock: ManualClock, seed: int
) -> None:
    steps = random.Random(seed)
    committed, holders = 0, []
    for _ in range(60):
        clock.set(clock() + steps.choice([-DAY, -LEASE, -1.0, 0.0, 1.0, LEASE, DAY]))
        answer = inbox.begin(message(1), LEASE)
        if isinstance(answer, Claim):
            holders.append(answer)
        if steps.random() < 0.2:
            try:
                inbox.commit(steps.choice(holders), 204)
                committed += 1
            except LeaseLostError:
                continue
    inbox_knows = inbox.begin(message(1), LEASE) == Done(204)
    assert (committed, inbox_knows) in ((0, False), (1, True))
    assert [claim.fence for claim in holders] == list(range(1, len(holders) + 1))
