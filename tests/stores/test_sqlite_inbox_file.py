"""The file of a SQLite inbox: whose it may be, what is made in it, and what happens when it goes."""

from __future__ import annotations

import sqlite3
import stat
import sys
from contextlib import closing
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from signedmsg._core.inbox import Claim, Done, InProgress
from signedmsg.errors import QuotaError, StoreError
from signedmsg.stores import _sqlite_inbox_schema as schema
from signedmsg.stores.sqlite import SQLiteReplayCache
from signedmsg.stores.sqlite_inbox import SQLiteInbox, SQLiteInboxStatus, init, status
from signedmsg.testing import ManualClock
from tests.stores.inbox_words import execute, held, message

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

DAY = 86_400.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.db"


@pytest.fixture
def inbox(path: Path, clock: ManualClock) -> Generator[SQLiteInbox]:
    with SQLiteInbox(path, clock=clock, timeout=0.05) as inbox:
        yield inbox


def handle(inbox: SQLiteInbox, number: int, **options: Any) -> None:
    claim = inbox.begin(message(number, **options), 30)
    assert isinstance(claim, Claim)
    inbox.commit(claim, 204)


def test_it_promises_all_processes_restarts_transactions_and_a_queue() -> None:
    kind = SQLiteInbox
    promises = (kind.waits, kind.shared, kind.durable, kind.transactional, kind.queues)
    assert promises == ("blocks", True, True, True, True)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"name": ""}, ValueError),
        ({"retention": -1}, ValueError),
        ({"timeout": float("nan")}, ValueError),
        ({"quota": 0}, ValueError),
        ({"quota": 1.5}, TypeError),
    ],
)
def test_wrong_option_is_refused_by_name(path: Path, options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(options))):
        SQLiteInbox(path, **options)


@pytest.mark.parametrize("wrong", ["", ":memory:", "missing/app.db", "."])
def test_path_that_is_no_file_is_refused(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(ValueError, match="path"):
        SQLiteInbox(tmp_path / wrong if wrong in ("missing/app.db", ".") else wrong)


def test_database_of_the_application_is_used_as_it_is(path: Path) -> None:
    execute(path, "CREATE TABLE orders (id INTEGER)", "PRAGMA application_id = 7", "PRAGMA user_version = 9")
    SQLiteInbox(path).close()
    assert execute(path, "PRAGMA application_id") + execute(path, "PRAGMA user_version") == [(7,), (9,)]
    assert execute(path, "SELECT count(*) FROM orders") == [(0,)]


def test_tables_of_the_inbox_have_names_of_their_own(path: Path, inbox: SQLiteInbox) -> None:
    names = [name for (name,) in execute(path, "SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")]
    assert names
    assert all(str(name).startswith("signedmsg_") for name in names)


def test_file_of_a_replay_cache_is_refused(path: Path) -> None:
    SQLiteReplayCache(path).close()
    with pytest.raises(ValueError, match="one of its own"):
        SQLiteInbox(path)


def test_replay_cache_refuses_the_file_of_an_inbox(path: Path, inbox: SQLiteInbox) -> None:
    with pytest.raises(ValueError, match="not a replay cache"):
        SQLiteReplayCache(path)


def test_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_text("a diary\n" * 1000)
    with pytest.raises(ValueError, match="not a SQLite database"):
        SQLiteInbox(path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_files_that_it_makes_are_for_their_owner_only(path: Path, inbox: SQLiteInbox) -> None:
    with inbox.transaction() as transaction:
        transaction.begin(message(1))
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    names = ("app.db", "app.db-wal", "app.db-shm", "app.db-signedmsg.lock")
    assert modes == dict.fromkeys(names, 0o600)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_mode_of_a_file_that_was_there_stays(path: Path) -> None:
    execute(path, "CREATE TABLE orders (id INTEGER)")
    path.chmod(0o660)
    SQLiteInbox(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


def test_commits_are_forced_to_the_disk(path: Path, inbox: SQLiteInbox) -> None:
    with inbox.transaction() as transaction:
        transaction.begin(message(1))
        found = [
            transaction.connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "fullfsync")
        ]
    assert found == [2, 1]
    assert inbox._file.write(lambda connection: connection.execute("PRAGMA synchronous").fetchone()[0]) == 2


def test_status_tells_the_version_and_makes_nothing(path: Path) -> None:
    assert status(path) == SQLiteInboxStatus(0, schema.VERSION, 0)
    assert not path.exists()


def test_status_of_a_database_without_an_inbox(path: Path) -> None:
    execute(path, "CREATE TABLE orders (id INTEGER)")
    assert status(path) == SQLiteInboxStatus(0, schema.VERSION, 0)
    assert execute(path, "PRAGMA journal_mode") == [("delete",)]


def test_status_counts_the_messages(path: Path, inbox: SQLiteInbox) -> None:
    handle(inbox, 1)
    assert status(path) == SQLiteInboxStatus(schema.VERSION, schema.VERSION, 1)


def test_init_makes_the_tables_once(path: Path) -> None:
    assert [init(path), init(path)] == [0, schema.VERSION]


def test_init_refuses_a_replay_cache(path: Path) -> None:
    SQLiteReplayCache(path).close()
    with pytest.raises(ValueError, match="replay cache"):
        init(path)


def test_init_that_cannot_write_is_unavailable(path: Path) -> None:
    execute(path, "PRAGMA journal_mode = WAL", "CREATE TABLE orders (id INTEGER)")
    with held(path), pytest.raises(StoreError, match="busy"):
        SQLiteInbox(path, timeout=0.05)


def test_later_layout_is_refused(path: Path, inbox: SQLiteInbox) -> None:
    execute(path, f"UPDATE signedmsg_schema SET version = {schema.VERSION + 1}")
    with pytest.raises(ValueError, match=f"layout {schema.VERSION + 1}"):
        SQLiteInbox(path)


def test_layout_that_became_later_while_in_use_is_unavailable_for_new_connections(
    path: Path, inbox: SQLiteInbox
) -> None:
    execute(path, f"UPDATE signedmsg_schema SET version = {schema.VERSION + 1}")
    with inbox.transaction() as transaction, pytest.raises(StoreError, match="layout"):
        transaction.begin(message(1))


def test_migration_runs_the_later_steps_only(path: Path) -> None:
    steps = [["CREATE TABLE one (x)"], ["CREATE TABLE two (x)"], ["CREATE TABLE three (x)"]]
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert schema.migrate(connection, steps[:1]) == 0
        assert schema.migrate(connection, steps) == 1
        assert schema.migrate(connection, steps) == 3
        assert schema.version_of(connection) == 3


def test_removed_file_is_unavailable_and_not_made_again(path: Path, inbox: SQLiteInbox) -> None:
    handle(inbox, 1)
    path.unlink()
    with pytest.raises(StoreError, match="removed or replaced"):
        inbox.begin(message(1), 30)
    with inbox.transaction() as transaction, pytest.raises(StoreError, match="removed or replaced"):
        transaction.begin(message(1))
    assert not path.exists()


def test_file_that_is_put_back_is_used_again(path: Path, inbox: SQLiteInbox) -> None:
    handle(inbox, 1)
    path.rename(path.with_name("away"))
    with pytest.raises(StoreError):
        inbox.begin(message(1), 30)
    path.with_name("away").rename(path)
    assert inbox.begin(message(1), 30) == Done(204)


def test_restored_backup_is_used_as_it_is(path: Path, inbox: SQLiteInbox) -> None:
    handle(inbox, 1)
    with closing(sqlite3.connect(path)) as connection, closing(sqlite3.connect(path.with_name("backup"))) as backup:
        connection.backup(backup)
    handle(inbox, 2)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink()
    path.with_name("backup").replace(path)
    assert inbox.begin(message(1), 30) == Done(204)
    assert isinstance(inbox.begin(message(2), 30), Claim)


def test_database_without_the_tables_put_in_place_is_unavailable(path: Path, inbox: SQLiteInbox) -> None:
    handle(inbox, 1)
    other = path.with_name("other")
    execute(other, "CREATE TABLE orders (id INTEGER)")
    other.replace(path)
    with pytest.raises(StoreError, match="layout 0"):
        inbox.begin(message(1), 30)


def test_removed_log_is_unavailable(path: Path, inbox: SQLiteInbox) -> None:
    handle(inbox, 1)
    path.with_name(path.name + "-wal").unlink()
    with pytest.raises(StoreError, match="wal was removed or replaced"):
        inbox.begin(message(2), 30)


def test_removed_lock_file_costs_only_waiting(path: Path, inbox: SQLiteInbox) -> None:
    with inbox.transaction() as transaction:
        transaction.begin(message(1))
    path.with_name(path.name + "-signedmsg.lock").unlink()
    with inbox.transaction() as transaction:
        assert transaction.begin(message(1)) == Done(204)


def test_busy_file_is_unavailable_after_the_timeout(path: Path, inbox: SQLiteInbox) -> None:
    with held(path), pytest.raises(StoreError, match=r"busy for 0\.05 s"):
        inbox.begin(message(1), 30)
    assert isinstance(inbox.begin(message(1), 30), Claim)


def test_copies_and_questions_are_answered_while_another_writes(path: Path, inbox: SQLiteInbox) -> None:
    handle(inbox, 1)
    inbox.begin(message(2), 30)
    with held(path):
        assert inbox.begin(message(1), 30) == Done(204)
        assert isinstance(inbox.begin(message(2), 30), InProgress)
        assert inbox.take(30) is None
        assert inbox.depth() == (0, 0, 0)


def test_full_disk_is_unavailable_and_leaves_the_message_new(path: Path, inbox: SQLiteInbox) -> None:
    handle(inbox, 1)
    inbox._file.write(lambda connection: None)
    limit = inbox._file.read(lambda connection: connection.execute("PRAGMA page_count").fetchone()[0])
    writer = inbox._file._writer.connection
    assert writer is not None
    writer.execute(f"PRAGMA max_page_count = {limit}")
    with pytest.raises(StoreError, match="full"):
        inbox.enqueue(message(2), bytes(100_000))
    writer.execute("PRAGMA max_page_count = 100000")
    assert inbox.enqueue(message(2), b"") is None


def test_closed_inbox_refuses(inbox: SQLiteInbox) -> None:
    inbox.close()
    with pytest.raises(StoreError, match="closed"):
        inbox.begin(message(1), 30)
    with inbox.transaction() as transaction, pytest.raises(StoreError, match="closed"):
        transaction.begin(message(1))


def test_rows_that_are_over_are_removed_a_few_at_a_time(path: Path, clock: ManualClock) -> None:
    with SQLiteInbox(path, clock=clock) as inbox:
        for number in range(100):
            handle(inbox, number, keep_until=clock() + DAY)
        clock.advance(DAY)
        counts = []
        for number in range(100, 140):
            handle(inbox, number, keep_until=clock() + DAY)
            counts.append(status(path).messages - (number - 99))
    drops = {before - after for before, after in pairwise(counts)}
    assert drops == {0, 64, 100 % 64}
    assert counts[-1] == 0


def test_row_is_kept_to_the_end_of_the_copy_that_was_claimed_last(path: Path, clock: ManualClock) -> None:
    with SQLiteInbox(path, clock=clock) as inbox:
        claim = inbox.begin(message(1, keep_until=clock() + DAY), 30)
        assert isinstance(claim, Claim)
        inbox.release(claim)
        handle(inbox, 1, keep_until=clock() + 2 * DAY)
        clock.advance(2 * DAY - 1)
        assert inbox.begin(message(1), 30) == Done(204)


def test_quota_counts_what_is_kept_and_not_what_was_removed(path: Path, clock: ManualClock) -> None:
    with SQLiteInbox(path, clock=clock, quota=2) as inbox:
        for _ in range(3):
            handle(inbox, 1, keep_until=clock() + DAY)
            handle(inbox, 2, keep_until=clock() + DAY)
            with pytest.raises(QuotaError):
                inbox.begin(message(3, keep_until=clock() + DAY), 30)
            clock.advance(DAY)
            handle(inbox, 9, keep_until=clock() + 1)
            clock.advance(DAY)
    assert execute(path, "SELECT inbox, kept FROM signedmsg_inbox_issuers") == [("default", 1)]


def test_representation_names_the_inbox_and_the_file(path: Path, inbox: SQLiteInbox) -> None:
    assert repr(inbox) == f"<SQLiteInbox default in {path}>"
