"""What is particular to the inbox in PostgreSQL: open transactions that nobody waits for, and what handlers may do."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import psycopg
import pytest
from anyio import CancelScope
from psycopg_pool import AsyncConnectionPool, ConnectionPool
from sqlalchemy import text

from signedmsg import Message, Router, Worker
from signedmsg._core.arrival import store_message
from signedmsg._core.inbox import Claim, Done, InProgress, Rejected
from signedmsg._core.message import Content
from signedmsg.errors import HandlerError, LeaseLostError, QuotaError, StoreError
from signedmsg.stores._postgres_inbox_rows import InboxRows
from signedmsg.stores.postgres import AsyncPostgresInbox, PostgresInbox
from signedmsg.testing import ManualClock, make_message
from tests.stores.postgres_tables import execute, message
from tests.stores.sqlalchemy_session import session_on

if TYPE_CHECKING:
    from collections.abc import Callable

    from signedmsg._core.inbox import Settled
    from signedmsg.stores._postgres_transaction import PostgresTransaction

pytestmark = pytest.mark.real_server

LEASE = 300.0
COPIES = 100


@pytest.fixture
def inbox(postgres_pool: ConnectionPool, postgres_schema: str) -> PostgresInbox:
    return PostgresInbox(postgres_pool, schema=postgres_schema)


def words(dsn: str, schema: str) -> list[object]:
    return [word for (word,) in execute(dsn, f"SELECT word FROM {schema}.words ORDER BY number")]


def write(transaction: PostgresTransaction, schema: str, word: str) -> None:
    transaction.connection.execute(f"INSERT INTO {schema}.words (word) VALUES (%s)".encode(), (word,))


def handle(inbox: PostgresInbox, handler: Callable[[PostgresTransaction], object], number: int = 1) -> None:
    """Run a handler for a message in a transaction, as a router does."""
    with inbox.transaction() as transaction:
        assert transaction.begin(message(number)) is None
        handler(transaction)
        transaction.finish(204)


def fail(transaction: PostgresTransaction) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero):
        transaction.connection.execute(b"SELECT 1 / 0")


def expire(dsn: str, schema: str) -> None:
    execute(dsn, f"UPDATE {schema}.signedmsg_inbox SET due = due - 1000")


class Cutting(psycopg.AsyncConnection[object]):
    """A connection during whose statement of some number the scope is cancelled that runs it."""

    left = 0
    scope: CancelScope

    async def wait(self, *args: Any, **options: Any) -> Any:
        Cutting.left -= 1
        if Cutting.left == 0:
            asyncio.get_running_loop().call_soon(Cutting.scope.cancel)
        return await super().wait(*args, **options)


def test_scope_cancelled_at_any_statement_costs_no_connection_and_no_message(
    postgres_dsn: str, postgres_schema: str
) -> None:
    async def handle(inbox: AsyncPostgresInbox, number: int) -> Settled | None:
        async with inbox.transaction() as transaction:
            if (settled := await transaction.begin(message(number))) is None:
                await asyncio.sleep(0)
                await transaction.finish(204)
            return settled

    async def work() -> int:
        async with AsyncConnectionPool(
            postgres_dsn, min_size=1, max_size=1, open=False, connection_class=Cutting
        ) as pool:
            inbox = AsyncPostgresInbox(pool, schema=postgres_schema)
            await handle(inbox, 0)
            cancelled = 0
            for step in range(1, 9):
                with CancelScope() as Cutting.scope:
                    Cutting.left = step
                    await handle(inbox, step)
                cancelled += Cutting.scope.cancelled_caught
                Cutting.left = 0
                await handle(inbox, step)
                assert await handle(inbox, step) == Done(204)
            assert (pool.get_stats().get("returns_bad", 0), pool.get_stats()["connections_num"]) == (0, 1)
            return cancelled

    assert asyncio.run(work()) > 0


def test_issuer_at_its_quota_is_refused_for_a_second_without_another_count() -> None:
    clock = ManualClock(1_800_000_000)
    rows = InboxRows("default", schema="public", retention=1e6, quota=2, server_clock=clock)
    asked: list[str] = []

    def refused(number: int) -> float:
        plan, answer = rows.begin_done(message(number)), cast("Any", None)
        try:
            while True:
                ask = plan.send(answer)
                asked.append("count" if b"count(*)" in ask.query else "find")
                answer = [(2, 500.0)] if asked[-1] == "count" else []
        except QuotaError as refusal:
            return refusal.retry_after or 0.0

    assert [refused(1), refused(2), refused(3)] == [500.0, 500.0, 500.0]
    assert asked == ["count", "find", "find", "find"]
    clock.advance(1.1)
    refused(4)
    assert asked[4:] == ["count", "find"]


def test_issuer_at_its_quota_has_room_again_once_a_row_is_forgotten(
    postgres_pool: ConnectionPool, postgres_schema: str
) -> None:
    inbox = PostgresInbox(postgres_pool, schema=postgres_schema, quota=1)
    claim = inbox.begin(message(1), LEASE)
    assert isinstance(claim, Claim)
    inbox.commit(claim, 204)
    with pytest.raises(QuotaError):
        inbox.begin(message(2), LEASE)
    assert inbox.forget(claim.issuer, claim.message_id)
    assert isinstance(inbox.begin(message(2), LEASE), Claim)


def test_of_a_hundred_copies_of_a_slow_message_one_runs_and_no_other_waits(inbox: PostgresInbox) -> None:
    told: list[Settled | None] = []
    slowest: list[float] = []
    start = threading.Barrier(COPIES)

    def copy() -> None:
        start.wait()
        started = time.monotonic()
        with inbox.transaction() as transaction:
            told.append(transaction.begin(message(1)))
        slowest.append(time.monotonic() - started)

    with inbox.transaction() as transaction:
        assert transaction.begin(message(1)) is None
        threads = [threading.Thread(target=copy) for _ in range(COPIES)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()  # while the slow one is still under way
        transaction.finish(204)
    assert [type(answer) for answer in told] == [InProgress] * COPIES
    assert inbox.begin(message(1), LEASE) == Done(204)


def test_of_a_hundred_async_copies_of_a_slow_message_one_runs(postgres_dsn: str, postgres_schema: str) -> None:
    async def main() -> list[Settled | None]:
        # Three connections for a hundred copies: one is held by the slow handler.
        async with AsyncConnectionPool(postgres_dsn, min_size=3, max_size=3, open=False) as pool:
            inbox = AsyncPostgresInbox(pool, schema=postgres_schema)
            ended = asyncio.Event()

            async def copy() -> Settled | None:
                async with inbox.transaction() as transaction:
                    settled = await transaction.begin(message(1))
                    if settled is None:
                        await ended.wait()
                        await transaction.finish(204)
                return settled

            tasks = [asyncio.create_task(copy()) for _ in range(COPIES)]
            told = [await each for each in itertools.islice(asyncio.as_completed(tasks), COPIES - 1)]
            ended.set()
            return [*told, *(await asyncio.gather(*tasks))]

    told = asyncio.run(main())
    assert {type(answer) for answer in told[: COPIES - 1]} == {InProgress}
    assert told[COPIES - 1 :].count(None) == 1


def test_lease_and_queue_do_not_wait_for_an_open_transaction_either(inbox: PostgresInbox) -> None:
    with inbox.transaction() as transaction:
        transaction.begin(message(1))
        answers = [inbox.begin(message(1), LEASE), inbox.enqueue(message(1), b"body")]
        transaction.finish(204)
    assert [type(answer) for answer in answers] == [InProgress, InProgress]


def test_worker_whose_lease_is_over_keeps_its_message_while_its_transaction_is_open(
    inbox: PostgresInbox, postgres_dsn: str, postgres_schema: str
) -> None:
    inbox.enqueue(message(1), b"body")
    expire(postgres_dsn, postgres_schema)
    job = inbox.take(LEASE)
    assert job is not None
    expire(postgres_dsn, postgres_schema)
    with inbox.transaction() as transaction:
        transaction.resume(job.claim)
        assert inbox.take(LEASE) is None
        transaction.finish(202)
    assert inbox.begin(message(1), LEASE) == Done(202)


def test_worker_that_was_overtaken_does_not_wait_to_be_told(
    inbox: PostgresInbox, postgres_dsn: str, postgres_schema: str
) -> None:
    inbox.enqueue(message(1), b"body")
    old = inbox.take(LEASE)
    expire(postgres_dsn, postgres_schema)
    new = inbox.take(LEASE)
    assert old is not None
    assert new is not None
    with inbox.transaction() as transaction:
        transaction.resume(new.claim)
        with pytest.raises(LeaseLostError), inbox.transaction() as other:
            other.resume(old.claim)
        # The same claim, resumed twice at once: the first one has it.
        with pytest.raises(LeaseLostError), inbox.transaction() as other:
            other.resume(new.claim)
        transaction.finish(202)


@pytest.mark.slow
def test_holder_whose_message_an_open_transaction_took_over_is_told_before_that_ends(
    inbox: PostgresInbox, postgres_dsn: str, postgres_schema: str
) -> None:
    old = inbox.begin(message(1), LEASE)
    assert isinstance(old, Claim)
    expire(postgres_dsn, postgres_schema)
    with inbox.transaction() as transaction:
        assert transaction.begin(message(1)) is None
        with pytest.raises(LeaseLostError):
            inbox.commit(old, 200)
        inbox.release(old)
        transaction.finish(204)
    assert inbox.begin(message(1), LEASE) == Done(204)


def test_commit_and_rollback_by_the_handler_are_refused(inbox: PostgresInbox) -> None:
    with inbox.transaction() as transaction:
        transaction.begin(message(1))
        with pytest.raises(psycopg.ProgrammingError):
            transaction.connection.commit()
        with pytest.raises(psycopg.ProgrammingError):
            transaction.connection.rollback()
        transaction.finish(204)
    assert inbox.begin(message(1), LEASE) == Done(204)


@pytest.mark.parametrize("ending", ["COMMIT", "ROLLBACK", "COMMIT; BEGIN", "ROLLBACK; BEGIN"])
def test_transaction_that_was_ended_by_hand_is_found_out_and_poisons_no_connection(
    inbox: PostgresInbox, postgres_dsn: str, postgres_schema: str, ending: str
) -> None:
    def end(transaction: PostgresTransaction) -> None:
        write(transaction, postgres_schema, "written")
        transaction.connection.execute(ending.encode())

    def end_and_reject(transaction: PostgresTransaction) -> None:
        end(transaction)
        transaction.reject("no")

    for handler in (end, end_and_reject):
        with pytest.raises(HandlerError):
            handle(inbox, handler)
        execute(postgres_dsn, f"DELETE FROM {postgres_schema}.signedmsg_inbox")
    for number in range(10, 30):
        handle(inbox, lambda transaction: write(transaction, postgres_schema, "after"), number)
    assert words(postgres_dsn, postgres_schema).count("after") == 20


def test_savepoint_that_the_handler_left_open_is_found_out_and_poisons_no_connection(
    inbox: PostgresInbox, postgres_dsn: str, postgres_schema: str
) -> None:
    left: list[object] = []

    def leave_open(transaction: PostgresTransaction) -> None:
        savepoint = transaction.connection.transaction()
        savepoint.__enter__()
        left.append(savepoint)
        if len(left) % 2:
            transaction.connection.execute(b"ROLLBACK")

    for number in range(12):
        with pytest.raises(HandlerError):
            handle(inbox, leave_open, number)
    for number in range(30):
        handle(inbox, lambda transaction: write(transaction, postgres_schema, "after"), number)
    assert words(postgres_dsn, postgres_schema) == ["after"] * 30


def test_transaction_that_the_handler_left_failed_is_found_out(inbox: PostgresInbox) -> None:
    with pytest.raises(HandlerError):
        handle(inbox, fail)
    assert isinstance(inbox.begin(message(1), LEASE), Claim)


def test_handler_may_reject_after_a_statement_that_failed(
    inbox: PostgresInbox, postgres_dsn: str, postgres_schema: str
) -> None:
    with inbox.transaction() as transaction:
        transaction.begin(message(1))
        write(transaction, postgres_schema, "undone")
        fail(transaction)
        transaction.reject("no_such_account")
    assert inbox.begin(message(1), LEASE) == Rejected("no_such_account")
    assert words(postgres_dsn, postgres_schema) == []


def test_savepoints_are_the_handlers_to_use(inbox: PostgresInbox, postgres_dsn: str, postgres_schema: str) -> None:
    with inbox.transaction() as transaction:
        transaction.begin(message(1))
        write(transaction, postgres_schema, "kept")
        with transaction.connection.transaction(force_rollback=True):
            write(transaction, postgres_schema, "undone")
        transaction.finish(204)
    assert words(postgres_dsn, postgres_schema) == ["kept"]


def test_constraint_that_fails_at_the_commit_is_the_handlers_error(
    inbox: PostgresInbox, postgres_dsn: str, postgres_schema: str
) -> None:
    table = f"{postgres_schema}.deferred"
    execute(postgres_dsn, f"CREATE TABLE {table} (number int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    try:
        twice = f"INSERT INTO {table} VALUES (1), (1)".encode()
        with pytest.raises(HandlerError):
            handle(inbox, lambda transaction: transaction.connection.execute(twice))
        assert isinstance(inbox.begin(message(1), LEASE), Claim)
    finally:
        execute(postgres_dsn, f"DROP TABLE {table}")


def test_connection_that_is_lost_while_the_handler_runs_is_an_outage(inbox: PostgresInbox, postgres_dsn: str) -> None:
    def lose(transaction: PostgresTransaction) -> None:
        execute(postgres_dsn, "SELECT pg_terminate_backend(%s, 5000)", transaction.connection.info.backend_pid)

    with pytest.raises(StoreError):
        handle(inbox, lose)
    assert isinstance(inbox.begin(message(1), LEASE), Claim)


def test_status_of_the_handler_is_kept(inbox: PostgresInbox) -> None:
    with inbox.transaction() as transaction:
        transaction.begin(message(1))
        transaction.finish(201)
    assert inbox.begin(message(1), LEASE) == Done(201)


def test_commit_waits_for_the_disk_whatever_is_set_for_the_role(postgres_dsn: str, postgres_schema: str) -> None:
    def look(transaction: PostgresTransaction) -> None:
        cursor = transaction.connection.execute(b"SELECT current_setting('synchronous_commit')")
        assert cursor.fetchone() == ("on",)

    options = {"options": "-c synchronous_commit=off"}
    with ConnectionPool(postgres_dsn, kwargs=options, min_size=1, max_size=1, open=True) as pool:
        handle(PostgresInbox(pool, schema=postgres_schema), look)
        with pool.connection() as connection:
            assert connection.execute(b"SHOW synchronous_commit").fetchone() == ("off",)


def test_fence_does_not_repeat_after_the_row_was_removed(
    inbox: PostgresInbox, postgres_dsn: str, postgres_schema: str
) -> None:
    old = inbox.begin(message(1), LEASE)
    assert isinstance(old, Claim)
    execute(postgres_dsn, f"DELETE FROM {postgres_schema}.signedmsg_inbox")
    new = inbox.begin(message(1), LEASE)
    assert isinstance(new, Claim)
    assert new.fence > old.fence
    with pytest.raises(LeaseLostError):
        inbox.commit(old, 200)


def test_rows_past_their_time_are_removed_and_no_others(
    postgres_pool: ConnectionPool, postgres_dsn: str, postgres_schema: str
) -> None:
    clock = ManualClock()
    inbox = PostgresInbox(postgres_pool, schema=postgres_schema, _server_clock=clock)

    def at(number: int, keep: float = LEASE) -> object:
        return message(number)._replace(keep_until=clock() + keep)

    done = inbox.begin(at(1), LEASE)  # type: ignore[arg-type]
    assert isinstance(done, Claim)
    inbox.commit(done, 200)
    inbox.begin(at(2), 10 * LEASE)  # type: ignore[arg-type]
    inbox.enqueue(at(3), b"body")  # type: ignore[arg-type]
    clock.advance(2 * LEASE)
    for number in range(100, 170):
        inbox.begin(at(number), LEASE)  # type: ignore[arg-type]
    left = execute(postgres_dsn, f"SELECT message_id FROM {postgres_schema}.signedmsg_inbox WHERE message_id < 'msg_4'")
    assert {"msg_2", "msg_3"} <= {each for (each,) in left}
    assert ("msg_1",) not in left


def test_message_whose_row_was_removed_is_refused_after_the_clock_was_set_back(
    postgres_pool: ConnectionPool, postgres_schema: str
) -> None:
    clock = ManualClock()
    inbox = PostgresInbox(postgres_pool, schema=postgres_schema, _server_clock=clock)
    old = message(1)._replace(keep_until=clock() + LEASE)
    claim = inbox.begin(old, LEASE)
    assert isinstance(claim, Claim)
    inbox.commit(claim, 200)
    clock.advance(2 * LEASE)
    for number in range(100, 170):
        inbox.begin(message(number), LEASE)
    clock.step_back(2 * LEASE)
    with pytest.raises(StoreError, match="were removed"):
        inbox.begin(old, LEASE)


def test_message_that_is_over_for_the_server_alone_does_not_run_again(
    postgres_pool: ConnectionPool, postgres_schema: str
) -> None:
    clock = ManualClock()
    inbox = PostgresInbox(postgres_pool, schema=postgres_schema, _server_clock=clock)
    old = message(1)._replace(keep_until=clock() + LEASE)
    claim = inbox.begin(old, LEASE)
    assert isinstance(claim, Claim)
    inbox.commit(claim, 200)
    clock.advance(LEASE + 1)  # the receiver's own clock, a little behind, still takes it
    assert inbox.begin(old, LEASE) == Done(200)


def test_sqlalchemy_session_writes_in_the_transaction(
    inbox: PostgresInbox, postgres_dsn: str, postgres_schema: str
) -> None:
    add = text(f"INSERT INTO {postgres_schema}.words (word) VALUES (:word)")
    with inbox.transaction() as transaction:
        transaction.begin(message(1))
        with session_on(transaction.connection) as session:
            session.execute(add, {"word": "one"})
            session.commit()
            session.execute(add, {"word": "undone"})
            session.rollback()
            session.execute(add, {"word": "two"})
            session.commit()
        assert words(postgres_dsn, postgres_schema) == []
        transaction.finish(204)
    assert words(postgres_dsn, postgres_schema) == ["one", "two"]


def test_sqlalchemy_session_is_undone_with_the_transaction(
    inbox: PostgresInbox, postgres_dsn: str, postgres_schema: str
) -> None:
    add = text(f"INSERT INTO {postgres_schema}.words (word) VALUES (:word)")

    def add_and_fail(transaction: PostgresTransaction) -> None:
        with session_on(transaction.connection) as session:
            session.execute(add, {"word": "undone"})
            session.commit()
        raise KeyError

    with pytest.raises(KeyError):
        handle(inbox, add_and_fail)
    assert words(postgres_dsn, postgres_schema) == []
    assert isinstance(inbox.begin(message(1), LEASE), Claim)


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"name": ""}, ValueError, "name"),
        ({"name": "two words"}, ValueError, "name"),
        ({"name": 7}, TypeError, "name"),
        ({"retention": 0.0}, ValueError, "retention"),
        ({"quota": 0}, ValueError, "quota"),
        ({"quota": "9"}, TypeError, "quota"),
        ({"schema": "Public"}, ValueError, "schema"),
        ({"timeout": -1.0}, ValueError, "timeout"),
    ],
)
def test_wrong_option_is_refused_when_the_inbox_is_built(
    postgres_pool: ConnectionPool, options: dict[str, object], error: type[Exception], named: str
) -> None:
    with pytest.raises(error, match=named):
        PostgresInbox(postgres_pool, **options)  # type: ignore[arg-type]


def test_worker_takes_no_more_messages_than_its_pool_has_connections_for(
    postgres_dsn: str, postgres_schema: str
) -> None:
    with ConnectionPool(postgres_dsn, min_size=1, max_size=3, open=True) as pool:
        inbox = PostgresInbox(pool, schema=postgres_schema)
        router = Router(inbox, mode="transaction", queued=True)
        running: list[int] = []
        done = threading.Semaphore(0)

        @router.fallback
        def run(message: Message[object], connection: psycopg.Connection) -> None:
            running.append(inbox.depth().running)

        for number in range(20):
            content = Content(f"msg_{number}", "t", datetime.now(UTC), 1.0, None, None, {}, None, None)
            inbox.enqueue(message(number), store_message(make_message({}, id=f"msg_{number}"), content))
        with Worker(router, concurrency=8, poll=0.001, observe=lambda event: done.release()):
            for _ in range(20):
                assert done.acquire(timeout=30)
    assert max(running) <= 2
