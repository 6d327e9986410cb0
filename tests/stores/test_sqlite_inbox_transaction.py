"""Transactions of the SQLite inbox: what a handler may do with its connection, and who waits for whom."""

from __future__ import annotations

import sqlite3
import threading
from typing import TYPE_CHECKING

import pytest

from signedmsg._core.inbox import Claim, Done, InProgress, Rejected
from signedmsg.errors import HandlerError, LeaseLostError, StoreError
from signedmsg.stores.sqlite_inbox import SQLiteInbox
from tests.stores.inbox_words import execute, handle, held, make_words, message, words

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    make_words(tmp_path / "app.db")
    return tmp_path / "app.db"


@pytest.fixture
def inbox(path: Path) -> Generator[SQLiteInbox]:
    with SQLiteInbox(path, timeout=0.05) as inbox:
        yield inbox


def run(inbox: SQLiteInbox, handler: Callable[[sqlite3.Connection], object], number: int = 1) -> None:
    with inbox.transaction() as transaction:
        assert transaction.begin(message(number)) is None
        handler(transaction.connection)
        transaction.finish(204)


def commits(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO words VALUES ('written')")
    connection.commit()


def commits_with_a_with(connection: sqlite3.Connection) -> None:
    with connection:
        connection.execute("INSERT INTO words VALUES ('written')")


def commits_with_a_script(connection: sqlite3.Connection) -> None:
    connection.executescript("INSERT INTO words VALUES ('written');")


def commits_and_begins_anew(connection: sqlite3.Connection) -> None:
    commits(connection)
    connection.execute("BEGIN")


def rolls_back(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO words VALUES ('undone')")
    connection.rollback()


def closes(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO words VALUES ('undone')")
    connection.close()


COMMITTING = [commits, commits_with_a_with, commits_with_a_script, commits_and_begins_anew]


@pytest.mark.parametrize("handler", [*COMMITTING, rolls_back, closes])
def test_handler_that_ends_the_transaction_is_an_error(
    inbox: SQLiteInbox, handler: Callable[[sqlite3.Connection], None]
) -> None:
    with pytest.raises(HandlerError, match="neither commit nor roll back"):
        run(inbox, handler)


@pytest.mark.parametrize("handler", COMMITTING)
def test_effect_that_the_handler_committed_has_its_mark(
    path: Path, inbox: SQLiteInbox, handler: Callable[[sqlite3.Connection], None]
) -> None:
    with pytest.raises(HandlerError):
        run(inbox, handler)
    assert (words(path), handle(inbox, message(1))) == (["written"], Done(204))


@pytest.mark.parametrize("handler", [rolls_back, closes])
def test_effect_that_the_handler_undid_has_no_mark(
    path: Path, inbox: SQLiteInbox, handler: Callable[[sqlite3.Connection], None]
) -> None:
    with pytest.raises(HandlerError):
        run(inbox, handler)
    assert (words(path), handle(inbox, message(1))) == ([], None)


def test_reject_of_a_handler_that_committed_is_an_error(inbox: SQLiteInbox) -> None:
    def reject() -> None:
        with inbox.transaction() as transaction:
            transaction.begin(message(1))
            commits(transaction.connection)
            transaction.reject("no")

    with pytest.raises(HandlerError):
        reject()


def test_handler_that_ended_the_transaction_is_found_out_without_finish(inbox: SQLiteInbox) -> None:
    def forgetful() -> None:
        with inbox.transaction() as transaction:
            transaction.begin(message(1))
            commits(transaction.connection)

    with pytest.raises(HandlerError):
        forgetful()


def test_handler_may_use_savepoints_of_its_own(path: Path, inbox: SQLiteInbox) -> None:
    def handler(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO words VALUES ('kept')")
        connection.execute("SAVEPOINT mine")
        connection.execute("INSERT INTO words VALUES ('undone')")
        connection.execute("ROLLBACK TO mine")

    run(inbox, handler)
    assert words(path) == ["kept"]


def test_error_of_the_database_in_a_handler_is_the_handlers(inbox: SQLiteInbox) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        run(inbox, lambda connection: connection.execute("INSERT INTO nowhere VALUES (1)"))


def test_constraint_that_fails_at_the_commit_is_the_handlers_error(path: Path) -> None:
    execute(
        path,
        "CREATE TABLE customers (id INTEGER PRIMARY KEY)",
        "CREATE TABLE orders (customer INTEGER REFERENCES customers DEFERRABLE INITIALLY DEFERRED)",
    )
    with SQLiteInbox(path, prepare=lambda connection: connection.execute("PRAGMA foreign_keys = ON")) as inbox:
        with pytest.raises(HandlerError, match="cannot be committed"):
            run(inbox, lambda connection: connection.execute("INSERT INTO orders VALUES (7)"))
        assert handle(inbox, message(1)) is None


def test_settings_of_one_handler_do_not_reach_the_next(inbox: SQLiteInbox) -> None:
    def sets(connection: sqlite3.Connection) -> None:
        connection.row_factory = sqlite3.Row
        connection.text_factory = bytes
        connection.isolation_level = "DEFERRED"

    found: list[object] = []
    run(inbox, sets, 1)
    run(inbox, lambda connection: found.append(connection.execute("SELECT 'text'").fetchone()), 2)
    run(inbox, lambda connection: found.append(connection.isolation_level), 3)
    assert found == [("text",), None]


def test_connection_is_used_again_by_the_next_transaction(inbox: SQLiteInbox) -> None:
    kept: list[sqlite3.Connection] = []
    for number in range(3):
        run(inbox, kept.append, number)
    assert kept[0] is kept[1] is kept[2]


def test_connection_of_a_handler_that_failed_is_not_used_again(inbox: SQLiteInbox) -> None:
    kept: list[sqlite3.Connection] = []

    def fails(connection: sqlite3.Connection) -> None:
        kept.append(connection)
        raise LookupError

    with pytest.raises(LookupError):
        run(inbox, fails)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        kept[0].execute("SELECT 1")


def test_cursor_that_a_handler_kept_open_does_not_bind_the_next_one_to_the_past(path: Path, inbox: SQLiteInbox) -> None:
    execute(path, "INSERT INTO words VALUES ('first'), ('second')")
    kept: list[object] = []

    def reads_one(connection: sqlite3.Connection) -> None:
        cursor = connection.execute("SELECT word FROM words")
        kept.extend([cursor, cursor.fetchone()])

    run(inbox, reads_one, 1)
    execute(path, "INSERT INTO words VALUES ('third')")
    assert handle(inbox, message(2)) is None
    assert words(path) == ["first", "second", "third", "msg_2"]


def test_statement_that_was_not_read_to_its_end_is_the_handlers_error(path: Path, inbox: SQLiteInbox) -> None:
    kept: list[object] = []

    def writes_two(connection: sqlite3.Connection) -> None:
        cursor = connection.execute("INSERT INTO words VALUES ('one'), ('two') RETURNING word")
        kept.extend([cursor, cursor.fetchone()])

    with pytest.raises(HandlerError, match="cannot be committed"):
        run(inbox, writes_two)
    assert words(path) == []


def test_connection_may_be_prepared_to_give_other_rows_and_texts(path: Path) -> None:
    def prepare(connection: sqlite3.Connection) -> None:
        connection.row_factory = lambda cursor, row: {"row": row}
        connection.text_factory = bytes

    with SQLiteInbox(path, prepare=prepare) as inbox:
        claim = inbox.begin(message(1), 30)
        assert isinstance(claim, Claim)
        inbox.release(claim)
        found: list[object] = []
        run(inbox, lambda connection: found.append(connection.execute("SELECT 'text'").fetchone()))
        assert found == [{"row": (b"text",)}]
        inbox.reject(claimed(inbox, 2), "no")
        assert handle(inbox, message(2)) == Rejected("no")


def claimed(inbox: SQLiteInbox, number: int) -> Claim:
    claim = inbox.begin(message(number), 30)
    assert isinstance(claim, Claim)
    return claim


def test_connection_cannot_be_had_before_a_message_is_begun(inbox: SQLiteInbox) -> None:
    with inbox.transaction() as transaction, pytest.raises(StoreError, match="no message"):
        assert transaction.connection


def test_transaction_is_for_one_message(inbox: SQLiteInbox) -> None:
    with inbox.transaction() as transaction:
        transaction.begin(message(1))
        with pytest.raises(StoreError, match="one message"):
            transaction.begin(message(2))


def test_transaction_that_is_only_opened_holds_nobody_up(path: Path, inbox: SQLiteInbox) -> None:
    with inbox.transaction():
        assert execute(path, "BEGIN IMMEDIATE", "COMMIT") == []


def test_other_message_waits_for_an_open_transaction_and_is_refused(inbox: SQLiteInbox) -> None:
    with inbox.transaction() as transaction:
        transaction.begin(message(1))
        with inbox.transaction() as second, pytest.raises(StoreError, match="busy"):
            second.begin(message(2))
    assert handle(inbox, message(2)) is None


def test_other_message_that_was_refused_may_come_again_in_the_same_thread(path: Path, inbox: SQLiteInbox) -> None:
    with held(path), pytest.raises(StoreError, match="busy"):
        handle(inbox, message(1))
    assert handle(inbox, message(1)) is None


def test_duplicate_is_answered_while_a_transaction_is_open(inbox: SQLiteInbox) -> None:
    handle(inbox, message(1))
    with inbox.transaction() as transaction:
        transaction.begin(message(2))
        assert handle(inbox, message(1)) == Done(204)


def test_hundred_copies_of_one_slow_message_are_answered_at_once(path: Path) -> None:
    started, go_on = threading.Event(), threading.Event()

    def slow(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO words VALUES ('once')")
        started.set()
        assert go_on.wait(30)

    with SQLiteInbox(path, timeout=30) as inbox:
        thread = threading.Thread(target=run, args=(inbox, slow))
        thread.start()
        assert started.wait(30)
        # If one of them waited for the handler, nobody would let the handler go on.
        answers = [handle(inbox, message(1)) for _ in range(100)]
        go_on.set()
        thread.join()
    assert ({type(answer) for answer in answers}, words(path)) == ({InProgress}, ["once"])


def test_message_that_is_in_a_transaction_cannot_be_resumed(path: Path, inbox: SQLiteInbox) -> None:
    inbox.enqueue(message(1), b"body")
    job = inbox.take(30)
    assert job is not None
    with inbox.transaction() as transaction:
        transaction.resume(job.claim)
        with inbox.transaction() as second, pytest.raises(LeaseLostError):
            second.resume(job.claim)


def test_body_goes_when_the_message_is_settled(path: Path, inbox: SQLiteInbox) -> None:
    for number in range(3):
        inbox.enqueue(message(number), b"a payload")
    claims = [job.claim for job in iter(lambda: inbox.take(30), None) if job]
    inbox.commit(claims[0], 202)
    inbox.reject(claims[1], "no")
    with inbox.transaction() as transaction:
        transaction.resume(claims[2])
        transaction.finish(202)
    assert execute(path, "SELECT count(*) FROM signedmsg_inbox WHERE body IS NOT NULL") == [(0,)]


def test_worker_waits_for_an_open_transaction_as_long_as_its_lease(inbox: SQLiteInbox, path: Path) -> None:
    inbox.enqueue(message(1), b"body")
    job = inbox.take(60)
    assert job is not None

    def work() -> None:
        with inbox.transaction() as transaction:
            transaction.resume(job.claim)
            transaction.finish(202)

    worker = threading.Thread(target=work)
    with held(path):
        worker.start()
        for _ in range(3):  # each of which waits for the inbox's whole timeout
            with pytest.raises(StoreError, match="busy"):
                inbox.begin(message(2), 60)
    worker.join()
    assert inbox.begin(message(1), 60) == Done(202)
