"""Every interleaving of callers that present one message, in each mode, and of workers that take it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from signedmsg import Message, Outcome
from signedmsg._core.arrival import Stored, arrival
from signedmsg._core.message import Content
from signedmsg._flows.handle import handle
from signedmsg._flows.process import Processing, Task, process
from signedmsg._flows.work import Retries, work
from signedmsg.errors import (
    ConflictError,
    DeferredError,
    HandlerError,
    Reject,
    RejectedError,
    RetryLater,
    StoreError,
)

from .explore import World, explore, step
from .inboxes import ModelInbox, Row
from .test_receive import NOW, POLICY, SENDER
from .test_receive import Ports as ReceivePorts

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from signedmsg import JSONValue
    from signedmsg._core.inbox import Claim

RETENTION = 7 * 86_400.0
RETRIES = Retries(attempts=3, first=1.0, most=60.0)


def token(data: object = None) -> str:
    return SENDER.sign(data or {"n": 1}, type="t", id="m-1", time=NOW, audience="https://b.example/inbox")


class Ports(ReceivePorts):
    """Ports whose handler suspends before its effect and after it."""

    def __init__(self, inbox: ModelInbox, raises: Callable[[int], Exception | None] = lambda _: None) -> None:
        super().__init__()
        self.inbox, self.raises = inbox, raises
        self.runs = 0

    async def call(self, route: object, message: Message[object], *extra: object) -> None:
        self.runs += 1
        error = self.raises(self.runs)
        await step()
        target = extra[0]
        (target if isinstance(target, list) else self.inbox.log).append("effect")
        await step()
        if error is not None:
            raise error

    def lease(self, route: object, claim: Claim, how: Processing, /) -> Claim:
        return claim

    def jitter(self) -> float:
        return 1.0


class Routes:
    """One route for every type."""

    suspends, takes = True, 1

    def __init__(self, inbox: ModelInbox, *, transaction: bool, queued: bool = False) -> None:
        self.processing = Processing(inbox, RETENTION, transaction, queued, 60.0)  # type: ignore[arg-type]

    def find(self, type: str, /) -> Routes:
        return self

    def handler(self, *_: object) -> None:
        raise AssertionError("the ports call it")

    def fit(self, data: JSONValue, written: bytes | None = None, /) -> object:
        return data


def present(ports: Ports, routes: Routes, data: object = None) -> Coroutine[object, object, object]:
    """Bring a verified message to the inbox: the steps of its verification have interleavings of their own."""
    source: JSONValue = [data or {"n": 1}]
    content = Content(
        id="m-1",
        type="t",
        time=datetime.fromtimestamp(NOW, UTC),
        resolution=1.0,
        subject=None,
        account=None,
        data=None,
        until=None,
        source=source,
    )
    message = Stored(
        "https://a.example", POLICY.audience, "j" * 22, int(NOW), int(NOW) + 60, content, {}, "s" * 43
    ).message({})
    arrived = arrival(message, content, RETENTION, 30.0)
    return process(ports, routes.processing, Task(routes, message), arrived)


def kinds(results: list[object]) -> Counter[str]:
    """Count the ends of callers; a duplicate is told from a message that was handled."""
    return Counter(
        "handled" if result is None else "duplicate" if isinstance(result, int) else type(result).__name__
        for result in results
    )


@pytest.mark.parametrize("transaction", [False, True])
@pytest.mark.parametrize(("callers", "preemptions"), [(2, None), (3, 2)])
def test_one_message_presented_at_once_runs_once(callers: int, preemptions: int | None, *, transaction: bool) -> None:
    ends: set[tuple[tuple[str, int], ...]] = set()

    def make() -> World:
        inbox = ModelInbox()
        ports, routes = Ports(inbox), Routes(inbox, transaction=transaction)

        def check(results: list[object]) -> None:
            found = kinds(results)
            assert found["handled"] == 1
            assert found["handled"] + found["duplicate"] + found["InProgressError"] == callers
            assert inbox.log.count("effect") == 1
            ends.add(tuple(sorted(found.items())))

        return World([present(ports, routes) for _ in range(callers)], check)

    assert explore(make, preemptions=preemptions) > callers
    assert len(ends) > 1, "a copy was never told both answers"


@pytest.mark.parametrize("transaction", [False, True])
def test_caller_that_dies_anywhere_loses_nothing(*, transaction: bool) -> None:
    ends: Counter[int] = Counter()

    def make() -> World:
        # A lease that is over at once stands for the time that passes before the retry.
        inbox = ModelInbox(leases_end_at_once=True)
        ports, routes = Ports(inbox), Routes(inbox, transaction=transaction)

        def check(results: list[object]) -> None:
            effects = inbox.log.count("effect")
            ends[effects] += 1
            assert effects or not isinstance(results[1], int | None)
            assert not transaction or effects <= 1
            assert inbox.row is None or inbox.row.state in ("done", "running")

        return World([present(ports, routes), present(ports, routes)], check, cancel=0)

    explore(make, preemptions=3)
    assert ends[1]
    assert transaction or ends[2], "a crash between effect and commit was never tried"


def test_old_holder_cannot_mark_what_another_took_over() -> None:
    ends: set[str] = set()

    def make() -> World:
        inbox = ModelInbox(leases_end_at_once=True)
        ports, routes = Ports(inbox), Routes(inbox, transaction=False)

        def check(results: list[object]) -> None:
            found = kinds(results)
            assert found["handled"] == 1
            ends.update(found)
            assert inbox.row is not None
            assert inbox.row.state == "done"

        return World([present(ports, routes), present(ports, routes)], check)

    explore(make)
    assert {"LeaseLostError", "duplicate"} <= ends


@pytest.mark.parametrize("transaction", [False, True])
@pytest.mark.parametrize(
    ("raised", "answered", "state"),
    [
        (ValueError("no"), HandlerError, "absent"),
        (RetryLater(90), DeferredError, "absent"),
        (Reject("no_such_account"), RejectedError, "rejected"),
    ],
)
def test_what_a_handler_raises_decides_what_becomes_of_the_message(
    raised: Exception, answered: type[Exception], state: str, *, transaction: bool
) -> None:
    first = token()

    def make() -> World:
        inbox = ModelInbox()
        ports = Ports(inbox, raises=lambda _: raised)

        def check(results: list[object]) -> None:
            assert isinstance(results[0], answered)
            assert (inbox.row.state if inbox.row else "absent") == state
            assert not transaction or inbox.log.count("effect") == 0

        return World([handle(ports, POLICY, Routes(inbox, transaction=transaction), first)], check)

    assert explore(make) == 1


@pytest.mark.parametrize(
    ("step_down", "transaction", "runs"),
    [("begin", False, 0), ("commit", False, 1), ("open", True, 0), ("end", True, 1), ("enqueue", None, 0)],
)
def test_store_that_is_down_at_a_step_is_an_outage(step_down: str, runs: int, *, transaction: bool | None) -> None:
    one = token()

    def make() -> World:
        inbox = ModelInbox(fails=frozenset({step_down}))
        ports = Ports(inbox)
        routes = Routes(inbox, transaction=bool(transaction), queued=transaction is None)

        def check(results: list[object]) -> None:
            assert isinstance(results[0], StoreError)
            assert ports.runs == runs
            assert inbox.row is None or inbox.row.state != "done"

        return World([handle(ports, POLICY, routes, one)], check)

    explore(make)


def test_message_id_with_other_content_is_a_conflict_in_every_order() -> None:
    def make() -> World:
        inbox = ModelInbox()
        ports, routes = Ports(inbox), Routes(inbox, transaction=False)

        def check(results: list[object]) -> None:
            found = kinds(results)
            assert found == {"handled": 1, ConflictError.__name__: 1}

        return World([present(ports, routes, {"n": 1}), present(ports, routes, {"n": 2})], check)

    assert explore(make) > 2


def test_two_deliveries_of_one_message_are_verified_and_run_once() -> None:
    tokens = [token(), token()]

    def make() -> World:
        inbox = ModelInbox()
        ports, routes = Ports(inbox), Routes(inbox, transaction=False)

        def check(results: list[object]) -> None:
            assert sum(isinstance(result, Outcome) and not result.duplicate for result in results) == 1
            assert inbox.log.count("effect") == 1
            assert len(ports.seen) == 2

        return World([handle(ports, POLICY, routes, one) for one in tokens], check)

    assert explore(make, preemptions=2) > 10


def queued(*, ends_at_once: bool = False) -> ModelInbox:
    """Return an inbox in which one message waits."""
    inbox = ModelInbox(leases_end_at_once=ends_at_once)
    with_message = handle(Ports(inbox), POLICY, Routes(inbox, transaction=False, queued=True), token())
    for _ in with_message.__await__():
        pass
    assert inbox.row is not None
    assert inbox.row.state == "queued"
    return inbox


@pytest.mark.parametrize("transaction", [False, True])
def test_two_workers_that_meet_one_message_run_it_once(*, transaction: bool) -> None:
    def make() -> World:
        inbox = queued()
        ports, routes = Ports(inbox), Routes(inbox, transaction=transaction, queued=True)

        def check(results: list[object]) -> None:
            assert sorted(map(bool, results)) == [False, True]
            assert inbox.log.count("effect") == 1
            assert inbox.row is not None
            assert inbox.row.state == "done"

        return World([work(ports, routes.processing, routes, RETRIES) for _ in range(2)], check)

    assert explore(make) > 2


@pytest.mark.parametrize("transaction", [False, True])
def test_worker_that_dies_leaves_the_message_to_the_next(*, transaction: bool) -> None:
    effects: set[int] = set()

    def make() -> World:
        inbox = queued(ends_at_once=True)
        ports, routes = Ports(inbox), Routes(inbox, transaction=transaction, queued=True)

        async def again() -> object:
            while await work(ports, routes.processing, routes, RETRIES):
                await step()
            return inbox.row

        def check(results: list[object]) -> None:
            row = results[1]
            assert isinstance(row, Row)
            effects.add(inbox.log.count("effect"))
            assert row.state in ("done", "dead", "running")
            assert not transaction or inbox.log.count("effect") <= 1

        first = work(ports, routes.processing, routes, RETRIES)
        return World([first, again()], check, cancel=0)

    explore(make, preemptions=2)
    assert 1 in effects


def test_message_whose_handler_keeps_failing_is_tried_so_often_and_then_dead() -> None:
    def make() -> World:
        inbox = queued()
        ports = Ports(inbox, raises=lambda _: ValueError("no"))
        routes = Routes(inbox, transaction=False, queued=True)
        pauses: list[float] = []

        async def worker() -> None:
            while await work(ports, routes.processing, routes, RETRIES):
                assert inbox.row is not None
                pauses.append(inbox.row.delay)

        def check(_: list[object]) -> None:
            assert inbox.row is not None
            assert (inbox.row.state, inbox.row.reason, ports.runs) == ("dead", "ValueError", 3)
            assert pauses[:2] == [1.0, 2.0]

        return World([worker()], check)

    assert explore(make) == 1


def test_message_that_takes_its_process_down_each_time_is_given_up() -> None:
    def make() -> World:
        inbox = queued(ends_at_once=True)
        assert inbox.row is not None
        inbox.row.attempt = RETRIES.attempts
        ports, routes = Ports(inbox), Routes(inbox, transaction=False, queued=True)

        def check(results: list[object]) -> None:
            assert results == [True]
            assert inbox.row is not None
            assert (inbox.row.state, inbox.row.reason, ports.runs) == ("dead", "crashed", 0)

        return World([work(ports, routes.processing, routes, RETRIES)], check)

    assert explore(make) == 1


def test_deferred_message_waits_as_long_as_its_handler_said() -> None:
    def make() -> World:
        inbox = queued()
        ports = Ports(inbox, raises=lambda _: RetryLater(90))
        routes = Routes(inbox, transaction=False, queued=True)

        def check(results: list[object]) -> None:
            assert results == [True]
            assert inbox.row is not None
            assert (inbox.row.state, inbox.row.delay) == ("queued", 90.0)

        return World([work(ports, routes.processing, routes, RETRIES)], check)

    assert explore(make) == 1
