"""The inbox in memory: the contract, clocks that step, bounds, and forks."""

from __future__ import annotations

import os
from typing import Any

import pytest

from signedmsg._core.inbox import Arrival, Claim, Done, InProgress
from signedmsg.errors import QuotaError, StoreError
from signedmsg.stores.memory_inbox import MemoryInbox
from signedmsg.testing import BoundedInboxContract, InboxContract, ManualClock
from tests.stores.helpers import run_python

ISSUER, OTHER = "https://billing.example", "https://orders.example"
DAY = 86_400.0


class TestMemoryInbox(InboxContract, BoundedInboxContract):
    def make_inbox(self, *, clock: ManualClock, name: str) -> MemoryInbox:
        return MemoryInbox(name, clock=clock, monotonic=clock.monotonic)

    def make_bounded_inbox(self, *, clock: ManualClock, name: str, quota: int) -> MemoryInbox:
        return MemoryInbox(name, clock=clock, monotonic=clock.monotonic, quota=quota)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def inbox(clock: ManualClock) -> MemoryInbox:
    return MemoryInbox(clock=clock, monotonic=clock.monotonic)


def message(clock: ManualClock, number: int, *, keep: float = DAY, issuer: str = ISSUER) -> Arrival:
    return Arrival(issuer, f"msg_{number}", b"d" * 32, clock() + keep, "invoice.paid")


def handle(inbox: MemoryInbox, arrival: Arrival) -> None:
    claim = inbox.begin(arrival, 30)
    assert isinstance(claim, Claim)
    inbox.commit(claim, 204)


def test_it_promises_one_process_and_no_restart() -> None:
    kind = MemoryInbox
    assert (kind.waits, kind.shared, kind.durable, kind.transactional, kind.queues) == (
        "never",
        False,
        False,
        False,
        False,
    )


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"name": ""}, ValueError),
        ({"name": "with space"}, ValueError),
        ({"name": "x" * 129}, ValueError),
        ({"name": 7}, TypeError),
        ({"retention": 0}, ValueError),
        ({"retention": float("nan")}, ValueError),
        ({"capacity": 0}, ValueError),
        ({"capacity": 10, "quota": 11}, ValueError),
        ({"quota": "many"}, TypeError),
    ],
)
def test_wrong_option_is_refused_by_name(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(reversed(options))):
        MemoryInbox(**options)


def test_retention_is_seven_days_unless_given() -> None:
    assert (MemoryInbox().retention, MemoryInbox(retention=60).retention) == (7 * DAY, 60.0)


def test_lease_is_measured_on_the_monotonic_clock(inbox: MemoryInbox, clock: ManualClock) -> None:
    arrival = message(clock, 1)
    inbox.begin(arrival, 30)
    clock.set(clock() + 3600)
    assert isinstance(inbox.begin(arrival, 30), InProgress)
    clock.advance(31)
    assert isinstance(inbox.begin(arrival, 30), Claim)


def test_message_that_may_have_been_dropped_is_refused_when_the_clock_steps_back(
    inbox: MemoryInbox, clock: ManualClock
) -> None:
    first = message(clock, 1)
    handle(inbox, first)
    clock.set(clock() + 2 * DAY)
    handle(inbox, message(clock, 2))
    clock.step_back(2 * DAY)
    with pytest.raises(StoreError, match="whether it was handled"):
        inbox.begin(first, 30)


def test_message_that_cannot_have_been_dropped_is_taken_when_the_clock_steps_back(
    inbox: MemoryInbox, clock: ManualClock
) -> None:
    handle(inbox, message(clock, 1))
    clock.set(clock() + 2 * DAY)
    handle(inbox, message(clock, 2))
    clock.step_back(2 * DAY)
    assert isinstance(inbox.begin(message(clock, 3, keep=3 * DAY), 30), Claim)


def test_full_inbox_refuses_and_forgets_nothing(clock: ManualClock) -> None:
    inbox = MemoryInbox(clock=clock, capacity=2, quota=1)
    handle(inbox, message(clock, 1))
    handle(inbox, message(clock, 1, issuer=OTHER))
    with pytest.raises(StoreError, match="full"):
        inbox.begin(message(clock, 1, issuer="https://third.example"), 30)
    assert inbox.begin(message(clock, 1), 30) == Done(204)


def test_quota_is_half_of_the_capacity_unless_given(clock: ManualClock) -> None:
    inbox = MemoryInbox(clock=clock, capacity=4)
    handle(inbox, message(clock, 1))
    handle(inbox, message(clock, 2))
    with pytest.raises(QuotaError) as caught:
        inbox.begin(message(clock, 3), 30)
    assert caught.value.retry_after == DAY


def test_rows_that_are_over_go_a_few_at_each_call(clock: ManualClock) -> None:
    inbox = MemoryInbox(clock=clock, capacity=1000, quota=1000)
    for number in range(100):
        handle(inbox, message(clock, number))
    clock.advance(DAY)
    sizes = []
    for number in range(100, 120):
        handle(inbox, message(clock, number))
        sizes.append(len(inbox))
    assert sizes[0] == 100 - 8 + 1
    assert sizes[-1] == 20


def test_message_that_nobody_finished_goes_a_day_after_its_lease(inbox: MemoryInbox, clock: ManualClock) -> None:
    inbox.begin(message(clock, 1, keep=60), 30)
    clock.advance(30 + DAY - 1)
    handle(inbox, message(clock, 2, keep=60))
    assert len(inbox) == 2
    clock.advance(60)
    handle(inbox, message(clock, 3))
    assert len(inbox) == 1


def test_row_is_kept_to_the_end_of_the_copy_that_was_claimed_last(inbox: MemoryInbox, clock: ManualClock) -> None:
    claim = inbox.begin(message(clock, 1), 30)
    assert isinstance(claim, Claim)
    inbox.release(claim)
    handle(inbox, message(clock, 1, keep=2 * DAY))
    clock.advance(2 * DAY - 1)
    handle(inbox, message(clock, 2))
    assert inbox.begin(message(clock, 1), 30) == Done(204)


@pytest.mark.parametrize("lease", [-1.0, float("nan"), float("inf")])
def test_lease_that_is_no_length_is_refused(inbox: MemoryInbox, clock: ManualClock, lease: float) -> None:
    with pytest.raises(ValueError, match="lease"):
        inbox.begin(message(clock, 1), lease)


def test_empty_inbox_is_true(inbox: MemoryInbox) -> None:
    assert inbox
    assert len(inbox) == 0


def test_representation_tells_the_bounds(inbox: MemoryInbox) -> None:
    assert repr(inbox) == "<MemoryInbox default: 0 of 100000 messages, 50000 an issuer>"


FORK = """
import os
from signedmsg._core.inbox import Arrival, Claim
from signedmsg.errors import StoreError
from signedmsg.stores.memory_inbox import MemoryInbox
inbox = MemoryInbox()
steps = [
    lambda: inbox.begin(Arrival("https://billing.example", "msg_1", bytes(32), 2e10, "t"), 30.0),
    lambda: inbox.commit(Claim("https://billing.example", "msg_1", 1, 1), 204),
    lambda: inbox.forget("https://billing.example", "msg_1"),
]
if os.fork() == 0:
    for step in steps:
        try:
            print(step(), flush=True)
        except StoreError as error:
            print("refused" if "once per worker" in str(error) else error, flush=True)
    os._exit(0)
os.wait()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")
def test_forked_child_is_refused() -> None:
    assert run_python(FORK) == ["refused"] * 3
