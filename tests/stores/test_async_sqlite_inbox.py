"""The async face of the SQLite inbox: the event loop goes on, handlers run in threads, copies are told at once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.lowlevel import checkpoint

from signedmsg._core.inbox import Claim, Done, InProgress
from signedmsg.errors import StoreError
from signedmsg.stores.sqlite_inbox import AsyncSQLiteInbox, SQLiteInbox
from tests.stores.inbox_words import handle, held, make_words, message, words

if TYPE_CHECKING:
    from pathlib import Path

    from signedmsg._core.inbox import Settled


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    make_words(tmp_path / "app.db")
    return tmp_path / "app.db"


def test_it_suspends_and_promises_what_the_blocking_one_does() -> None:
    kind = AsyncSQLiteInbox
    promises = (kind.waits, kind.shared, kind.durable, kind.transactional, kind.queues)
    assert promises == ("suspends", True, True, True, True)


def test_event_loop_goes_on_while_another_process_holds_the_file(path: Path, backend: str) -> None:
    async def main() -> list[object]:
        answers: list[object] = []

        async def one() -> None:
            answers.append(type(await inbox.begin(message(1), 30)))

        async with AsyncSQLiteInbox(path, timeout=20) as inbox, anyio.create_task_group() as group:
            # If `begin` blocked the loop, the lock would be released only after its time-out.
            with held(path):
                group.start_soon(one)
                for _ in range(100):
                    await checkpoint()
        return answers

    assert anyio.run(main, backend=backend) == [Claim]


def test_loop_is_never_held_up_by_a_handler(path: Path, backend: str) -> None:
    go_on = threading.Event()

    def slow(inbox: SQLiteInbox) -> None:
        with inbox.transaction() as transaction:
            transaction.begin(message(1))
            assert go_on.wait(30)
            transaction.finish(204)

    async def main() -> object:
        async with AsyncSQLiteInbox(path, timeout=20) as inbox, anyio.create_task_group() as group:
            group.start_soon(inbox.in_thread, slow)
            for _ in range(100):
                await checkpoint()
            # Only a loop that goes on comes here.
            go_on.set()
        return "went on"

    assert anyio.run(main, backend=backend) == "went on"


def test_copies_are_told_in_progress_while_the_handler_runs(path: Path, backend: str) -> None:
    started, go_on = threading.Event(), threading.Event()

    def slow(inbox: SQLiteInbox) -> None:
        with inbox.transaction() as transaction:
            transaction.begin(message(1))
            started.set()
            assert go_on.wait(30)
            transaction.connection.execute("INSERT INTO words VALUES ('once')")
            transaction.finish(204)

    async def main() -> list[Settled | None]:
        told: list[Settled | None] = []

        async def copy() -> None:
            told.append(await inbox.in_thread(lambda blocking: handle(blocking, message(1))))

        async with AsyncSQLiteInbox(path, timeout=20) as inbox, anyio.create_task_group() as group:
            group.start_soon(inbox.in_thread, slow)
            await anyio.to_thread.run_sync(started.wait)
            async with anyio.create_task_group() as copies:
                for _ in range(100):
                    copies.start_soon(copy)
            go_on.set()
        return told

    answers = anyio.run(main, backend=backend)
    assert ({type(answer) for answer in answers}, len(answers), words(path)) == ({InProgress}, 100, ["once"])


def test_handlers_of_different_messages_run_one_after_the_other(path: Path, backend: str) -> None:
    inside: list[int] = []
    most = 0

    def work(blocking: SQLiteInbox, number: int) -> None:
        nonlocal most
        with blocking.transaction() as transaction:
            transaction.begin(message(number))
            inside.append(number)
            most = max(most, len(inside))
            transaction.connection.execute("INSERT INTO words VALUES (?)", (number,))
            inside.remove(number)
            transaction.finish(204)

    async def main() -> None:
        async with AsyncSQLiteInbox(path, timeout=20) as inbox, anyio.create_task_group() as group:
            for number in range(40):
                group.start_soon(inbox.in_thread, lambda blocking, number=number: work(blocking, number))

    anyio.run(main, backend=backend)
    assert (most, len(words(path))) == (1, 40)


def test_call_cancelled_before_its_turn_did_nothing(path: Path, backend: str) -> None:
    async def main() -> object:
        async with AsyncSQLiteInbox(path, timeout=20) as inbox:
            async with anyio.create_task_group() as group:
                with held(path):
                    group.start_soon(inbox.begin, message(1), 30)
                    for _ in range(20):
                        await checkpoint()
                    async with anyio.create_task_group() as second:
                        second.start_soon(inbox.begin, message(2), 30)
                        for _ in range(20):
                            await checkpoint()
                        second.cancel_scope.cancel()
            return type(await inbox.begin(message(2), 30))

    assert anyio.run(main, backend=backend) is Claim


def test_it_can_be_used_in_one_event_loop_after_the_other(path: Path) -> None:
    inbox = AsyncSQLiteInbox(path)

    async def work() -> Settled | None:
        return await inbox.in_thread(lambda blocking: handle(blocking, message(1)))

    answers = [anyio.run(work, backend=backend) for backend in ("asyncio", "trio", "asyncio")]
    anyio.run(inbox.aclose)
    assert answers == [None, Done(204), Done(204)]


def test_it_shares_the_file_with_a_blocking_one(path: Path, backend: str) -> None:
    with SQLiteInbox(path) as blocking:
        handle(blocking, message(1))

    async def main() -> object:
        async with AsyncSQLiteInbox(path) as inbox:
            return await inbox.begin(message(1), 30)

    assert anyio.run(main, backend=backend) == Done(204)


def test_name_retention_and_quota_are_those_of_the_blocking_one(path: Path) -> None:
    inbox = AsyncSQLiteInbox(path, "other", retention=60)
    anyio.run(inbox.aclose)
    assert (inbox.name, inbox.retention, repr(inbox)) == ("other", 60.0, f"<AsyncSQLiteInbox other in {path}>")


def test_closed_inbox_refuses(path: Path, backend: str) -> None:
    async def main() -> None:
        inbox = AsyncSQLiteInbox(path)
        await inbox.aclose()
        with pytest.raises(StoreError, match="closed"):
            await inbox.begin(message(1), 30)

    anyio.run(main, backend=backend)
