"""Workers: what is queued is answered 202 and run later, in either mode and on either face."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import threading
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from signedmsg import (
    AsyncSQLiteInbox,
    AsyncWorker,
    HandlerError,
    MemoryInbox,
    Message,
    Reject,
    RetryLater,
    Router,
    SQLiteInbox,
    StoreError,
    Worker,
)
from signedmsg.observe import (
    Event,
    HandlerFailed,
    HandlerRejected,
    MessageBuried,
    MessageHandled,
    MessageQueued,
    WorkerFailed,
)

from .peers import NOW, async_receiver, receiver, shared_receiver, sign

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from signedmsg import Lease


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    database = sqlite3.connect(path)
    database.execute("create table paid (id text)")
    database.close()
    return path


@pytest.fixture
def inbox(path: Path) -> Iterator[SQLiteInbox]:
    with SQLiteInbox(path) as inbox:
        yield inbox


def paid(path: Path) -> Counter[str]:
    database = sqlite3.connect(path)
    try:
        return Counter(name for (name,) in database.execute("select id from paid"))
    finally:
        database.close()


def in_transaction(inbox: SQLiteInbox, raises: Callable[[Message[Any]], None] = lambda _: None) -> Router:
    router = Router(inbox, mode="transaction", queued=True)

    @router.fallback
    def pay(message: Message[Any], db: sqlite3.Connection) -> None:
        db.execute("insert into paid values (?)", (message.id,))
        raises(message)

    return router


def queue(router: Router, *ids: str) -> list[tuple[bool, int]]:
    into = receiver()
    outcomes = [into.handle(sign({"n": 1}, id=one, time=NOW), router) for one in ids]
    return [(outcome.duplicate, outcome.status) for outcome in outcomes]


def test_queued_message_is_answered_202_and_its_retry_is_a_duplicate(inbox: SQLiteInbox, path: Path) -> None:
    router = in_transaction(inbox)
    assert queue(router, "m-1", "m-1") == [(False, 202), (True, 202)]
    assert paid(path) == {}
    Worker(router).run(drain=True)
    assert queue(router, "m-1") == [(True, 202)]
    Worker(router).run(drain=True)
    assert paid(path) == {"m-1": 1}


def test_worker_gives_the_handler_the_very_message(inbox: SQLiteInbox) -> None:
    router = Router(inbox, mode="lease", queued=True)
    seen: list[tuple[Message[Any], int]] = []

    @router.on("invoice.paid")
    def run(message: Message[dict[str, Any]], lease: Lease) -> None:
        lease.renew()
        seen.append((message, lease.attempt))

    outcome = receiver().handle(sign({"n": [1.5, None]}, subject="s"), router)
    Worker(router).run(drain=True)
    ((message, attempt),) = seen
    assert attempt == 1
    for name in Message.__slots__:
        assert getattr(message, name) == getattr(outcome.message, name), name


def test_effects_of_a_failed_attempt_are_rolled_back_and_the_message_is_tried_again(
    inbox: SQLiteInbox, path: Path
) -> None:
    left = [ValueError("no"), KeyError("no")]

    def raises(_: Message[Any]) -> None:
        if left:
            raise left.pop()

    router = in_transaction(inbox, raises)
    events: list[Event] = []
    queue(router, "m-1")
    worker = Worker(router, first_delay=0, observe=events.append)
    worker.run(drain=True)
    assert paid(path) == {"m-1": 1}
    assert [type(event) for event in events] == [HandlerFailed, HandlerFailed, MessageHandled]
    assert isinstance(events[-1], MessageHandled)
    assert events[-1].attempt == 3


def test_message_tried_in_vain_is_a_dead_letter_and_runs_when_redriven(inbox: SQLiteInbox, path: Path) -> None:
    broken = True

    def raises(_: Message[Any]) -> None:
        if broken:
            raise ValueError("secret of the handler")

    router = in_transaction(inbox, raises)
    events: list[Event] = []
    queue(router, "m-1")
    Worker(router, attempts=2, first_delay=0, observe=events.append).run(drain=True)
    (letter,) = inbox.dead()
    assert (letter.message_id, letter.attempts, letter.reason) == ("m-1", 2, "ValueError")
    assert isinstance(events[-1], MessageBuried)
    assert queue(router, "m-1") == [(True, 202)]
    broken = False
    assert inbox.redrive(letter.issuer, letter.message_id)
    Worker(router).run(drain=True)
    assert paid(path) == {"m-1": 1}
    assert inbox.dead() == []


def test_rejected_message_keeps_no_effect_and_is_not_run_again(inbox: SQLiteInbox, path: Path) -> None:
    def raises(_: Message[Any]) -> None:
        raise Reject("never")

    router = in_transaction(inbox, raises)
    events: list[Event] = []
    queue(router, "m-1")
    Worker(router, observe=events.append).run(drain=True)
    assert paid(path) == {}
    assert [type(event) for event in events] == [HandlerRejected]
    assert inbox.depth() == (0, 0, 0)


def test_deferred_message_is_not_due_before_its_time(inbox: SQLiteInbox, path: Path) -> None:
    def raises(_: Message[Any]) -> None:
        raise RetryLater(60)

    router = in_transaction(inbox, raises)
    queue(router, "m-1")
    Worker(router, observe=lambda _: None).run(drain=True)
    assert inbox.depth() == (1, 0, 0)
    assert paid(path) == {}


def test_message_deferred_too_often_is_a_dead_letter_that_says_so(inbox: SQLiteInbox) -> None:
    router = Router(inbox, mode="lease", queued=True)

    @router.fallback
    def run(message: Message[Any]) -> None:
        raise RetryLater(60)

    queue(router, "m-1")
    Worker(router, attempts=1).run(drain=True)
    assert [(letter.attempts, letter.reason) for letter in inbox.dead()] == [(1, "deferred")]


def test_type_without_handler_and_data_that_fits_no_more_become_dead_letters(inbox: SQLiteInbox) -> None:
    before = in_transaction(inbox)
    queue(before, "m-1")
    now = Router(inbox, mode="transaction", queued=True)
    Worker(now, attempts=1, observe=lambda _: None).run(drain=True)
    queue(before, "m-2")
    typed = Router(inbox, mode="transaction", queued=True)

    @typed.on("invoice.paid", model=int)
    def run(message: Message[int], db: sqlite3.Connection) -> None:
        raise AssertionError("the data does not fit")

    Worker(typed, attempts=1, observe=lambda _: None).run(drain=True)
    assert {letter.message_id: letter.reason for letter in inbox.dead()} == {"m-1": "unknown_type", "m-2": "payload"}


def test_workers_side_by_side_run_every_message_once(inbox: SQLiteInbox, path: Path) -> None:
    names = [f"m-{number}" for number in range(60)]
    done = threading.Semaphore(0)

    def observe(event: Event) -> None:
        if isinstance(event, MessageHandled):
            done.release()

    router = in_transaction(inbox)
    queue(router, *names)
    with Worker(router, poll=0.01, observe=observe), Worker(router, poll=0.01, observe=observe):
        for _ in names:
            assert done.acquire(timeout=30)
    assert paid(path) == Counter(names)


def test_worker_takes_one_message_at_a_time_where_transactions_run_one_after_another(inbox: SQLiteInbox) -> None:
    threads: set[int] = set()
    done = threading.Semaphore(0)
    router = in_transaction(inbox, lambda _: threads.add(threading.get_ident()))
    queue(router, *(f"m-{number}" for number in range(20)))
    with Worker(router, concurrency=8, poll=0.001, observe=lambda event: done.release()):
        for _ in range(20):
            assert done.acquire(timeout=30)
    assert len(threads) == 1


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("mode", ["transaction", "lease"])
def test_async_worker_runs_every_message_once(path: Path, backend: str, mode: str) -> None:
    names = [f"m-{number}" for number in range(20)]

    async def work() -> None:
        handled = anyio.Semaphore(0)
        async with AsyncSQLiteInbox(path) as inbox:
            router: Router = Router(inbox, mode=mode, queued=True)  # type: ignore[call-overload]

            @router.fallback
            def pay(message: Message[Any], extra: Any) -> None:
                if mode == "transaction":
                    extra.execute("insert into paid values (?)", (message.id,))
                else:
                    database = sqlite3.connect(path, timeout=10)
                    with database:
                        database.execute("insert into paid values (?)", (message.id,))
                    database.close()

            into = async_receiver()
            for one in names:
                await into.handle(sign({"n": 1}, id=one), router)

            def observe(event: Event) -> None:
                if isinstance(event, MessageHandled):
                    handled.release()

            async with AsyncWorker(router, concurrency=3, poll=0.01, observe=observe):
                for _ in names:
                    with anyio.fail_after(30):
                        await handled.acquire()

    anyio.run(work, backend=backend)
    assert paid(path) == Counter(names)


def test_error_of_the_application_leaves_an_async_worker_as_it_is(path: Path) -> None:
    async def work() -> None:
        async with (
            AsyncSQLiteInbox(path) as inbox,
            AsyncWorker(Router(inbox, mode="lease", queued=True), poll=0.01),
        ):
            raise KeyError("the application's own")

    with pytest.raises(KeyError, match="own"):
        anyio.run(work)


class Down(MemoryInbox):
    """A store that answers from the third time on."""

    durable = queues = True
    asked = 0

    def take(self, lease: float) -> None:
        self.asked += 1
        if self.asked < 3:
            raise OSError("no route to db.example")


def test_handler_that_exits_ends_no_thread_of_its_worker(inbox: SQLiteInbox) -> None:
    router = Router(inbox, mode="lease", queued=True)
    ran = threading.Event()

    @router.fallback
    def run(message: Message[Any]) -> None:
        if message.id != "good":
            sys.exit("gone")
        ran.set()

    queue(router, "m-1", "m-2", "good")
    events: list[Event] = []
    with Worker(router, concurrency=1, attempts=1, poll=0.001, observe=events.append):
        assert ran.wait(20)
    assert [event.reason for event in events if isinstance(event, MessageBuried)] == ["RuntimeError"] * 2


class Panic(BaseException):
    """As an extension module raises it: PyO3's `PanicException` is no `Exception` either."""


def panics(message: Message[Any], *_: object) -> None:
    if message.id != "good":
        raise Panic("called unwrap() on a None value")


async def panics_later(message: Message[Any]) -> None:
    panics(message)


def exits(message: Message[Any], *_: object) -> None:
    if message.id != "good":
        sys.exit("gone")


def cancels(message: Message[Any], *_: object) -> None:
    if message.id != "good":
        raise asyncio.CancelledError


@pytest.mark.parametrize("mode", ["lease", "transaction"])
def test_handler_that_panics_ends_no_thread_of_its_worker(inbox: SQLiteInbox, mode: Any) -> None:
    router = Router(inbox, mode=mode, queued=True)
    router.fallback(panics)
    queue(router, "m-1", "m-2", "good")
    events, done = [], threading.Event()

    def observe(event: Event) -> None:
        events.append(event)
        if isinstance(event, MessageHandled):
            done.set()

    with Worker(router, concurrency=1, attempts=1, poll=0.001, observe=observe):
        assert done.wait(20)
    assert [event.reason for event in events if isinstance(event, MessageBuried)] == ["RuntimeError"] * 2


@pytest.mark.parametrize(
    ("mode", "handler"),
    [
        ("lease", panics),
        ("lease", panics_later),
        ("lease", exits),
        ("lease", cancels),
        ("transaction", panics),
        ("transaction", exits),
        ("transaction", cancels),
    ],
)
def test_handler_that_panics_or_exits_in_a_thread_ends_no_async_worker(path: Path, mode: Any, handler: Any) -> None:
    async def main() -> list[str]:
        async with AsyncSQLiteInbox(path) as inbox:
            router, done = Router(inbox, mode=mode, queued=True), anyio.Event()
            router.fallback(handler)
            for one in ("m-1", "good"):
                await async_receiver().handle(sign({}, id=one, time=NOW), router)
            events: list[Event] = []

            def observe(event: Event) -> None:
                events.append(event)
                if isinstance(event, MessageHandled):
                    done.set()

            async with AsyncWorker(router, concurrency=1, attempts=1, poll=0.001, observe=observe):
                with anyio.fail_after(20):
                    await done.wait()
        return [event.reason for event in events if isinstance(event, MessageBuried)]

    assert anyio.run(main) == ["RuntimeError"]


@pytest.mark.parametrize("wrapped", [False, True])
def test_cancellation_that_a_handler_lets_out_stops_neither_worker_nor_application(path: Path, wrapped: bool) -> None:
    async def main() -> list[str]:
        async with AsyncSQLiteInbox(path) as inbox:
            router, ran = Router(inbox, mode="lease", queued=True), anyio.Event()

            async def run(message: Message[Any]) -> None:
                if message.id == "good":
                    ran.set()
                    return
                own = asyncio.create_task(anyio.sleep(60))
                own.cancel()
                await own

            router.fallback((lambda message: run(message)) if wrapped else run)  # noqa: PLW0108 - no coroutine function
            for one in ("m-1", "good"):
                await async_receiver().handle(sign({}, id=one, time=NOW), router)
            events: list[Event] = []
            async with AsyncWorker(router, concurrency=1, attempts=1, poll=0.001, observe=events.append):
                with anyio.fail_after(20):
                    await ran.wait()
        return [event.reason for event in events if isinstance(event, MessageBuried)]

    assert anyio.run(main) == ["RuntimeError"]


def test_worker_that_ended_can_be_run_again(inbox: SQLiteInbox, path: Path) -> None:
    worker = Worker(in_transaction(inbox))
    for number in (1, 2, 3):
        with worker:
            pass
        queue(worker.router, f"m-{number}")
        worker.run(drain=True)
    assert paid(path) == {"m-1": 1, "m-2": 1, "m-3": 1}


def test_worker_is_not_started_twice_at_once(inbox: SQLiteInbox) -> None:
    worker = Worker(in_transaction(inbox))
    with worker, pytest.raises(RuntimeError, match="runs already"):
        worker.start()


def test_stop_that_comes_before_the_run_ends_it(inbox: SQLiteInbox, path: Path) -> None:
    worker = Worker(in_transaction(inbox))
    worker.stop()
    worker.run()
    queue(worker.router, "m-1")
    worker.run(drain=True)
    assert paid(path) == {"m-1": 1}


def test_async_worker_is_run_again_stopped_beforehand_and_not_started_twice(path: Path) -> None:
    async def main() -> None:
        async with AsyncSQLiteInbox(path) as inbox:
            router = Router(inbox, mode="lease", queued=True)
            ran: list[str] = []
            router.fallback(lambda message: ran.append(message.id))
            worker = AsyncWorker(router)
            worker.stop()
            with anyio.fail_after(20):
                await worker.run()
            async with worker:
                with pytest.raises(RuntimeError, match="runs already"):
                    await worker.__aenter__()
            await async_receiver().handle(sign({}, id="m-1", time=NOW), router)
            await worker.run(drain=True)
            assert ran == ["m-1"]

    anyio.run(main)


def test_worker_goes_on_when_its_store_comes_back() -> None:
    inbox = Down()
    events: list[Event] = []
    up = threading.Event()

    class Watched(Down):
        def take(self, lease: float) -> None:
            super().take(lease)
            up.set()

    inbox = Watched()
    with Worker(Router(inbox, mode="lease", queued=True), concurrency=1, poll=0.001, observe=events.append):
        assert up.wait(30)
    failures = [event for event in events if isinstance(event, WorkerFailed)]
    assert [type(event.error) for event in failures] == [StoreError, StoreError]
    assert "db.example" not in str(failures[0].error)


def test_drain_says_that_the_store_is_down() -> None:
    with pytest.raises(StoreError):
        Worker(Router(Down(), mode="lease", queued=True)).run(drain=True)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"concurrency": 0}, "concurrency"),
    ({"concurrency": True}, "concurrency"),
    ({"attempts": 0}, "attempts"),
    ({"first_delay": -1}, "first_delay"),
    ({"max_delay": float("nan")}, "max_delay"),
    ({"poll": 0}, "poll"),
    ({"concurrency": 0, "poll": 0}, "concurrency.*poll"),
]


@pytest.mark.parametrize(("options", "names"), WRONG, ids=range(len(WRONG)))
def test_wrong_options_are_named_when_the_worker_is_built(options: dict[str, Any], names: str) -> None:
    with pytest.raises(ValueError, match=names):
        Worker(Router(Down(), mode="lease", queued=True), **options)


def test_worker_needs_a_queued_router_of_its_own_face(inbox: SQLiteInbox, path: Path) -> None:
    for router in (Router(), Router(inbox, mode="lease")):
        with pytest.raises(ValueError, match="queued"):
            Worker(router)
    with pytest.raises(TypeError, match="router"):
        Worker(inbox)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="blocks"):
        AsyncWorker(in_transaction(inbox))


@pytest.mark.parametrize("queued", [False, True])
def test_observer_is_told_of_a_handler_that_committed(inbox: SQLiteInbox, queued: bool) -> None:
    router = Router(inbox, mode="transaction", queued=queued)
    router.fallback(lambda message, db: db.commit())
    events: list[Event] = []
    with suppress(HandlerError):
        receiver(observe=events.append).handle(sign({}, id="m-1", time=NOW), router)
    if queued:
        Worker(router, observe=events.append).run(drain=True)
    (failed,) = [event for event in events if isinstance(event, HandlerFailed)]
    assert "neither commit nor roll back" in str(failed.error)


def test_observer_is_told_what_is_queued(inbox: SQLiteInbox) -> None:
    events: list[Event] = []
    shared_receiver(observe=events.append).handle(sign({"n": 1}), in_transaction(inbox))
    assert [type(event) for event in events][1:] == [MessageQueued]
