"""How a connection to the application's database is opened, waits for its turn, and fails."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import contextmanager, suppress
from random import random
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from signedmsg.errors import StoreError
from signedmsg.stores import _sqlite_inbox_schema as schema
from signedmsg.stores._sqlite_file import check_path

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_T = TypeVar("_T")
Identity: TypeAlias = tuple[int, int] | None

_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


def check_file(path: str | os.PathLike[str]) -> str:
    """Return the absolute path of a file that can be made or opened, or raise ValueError."""
    if os.fspath(path) in ("", ":memory:"):
        raise ValueError("path: expected a file, in which the application's own tables are; or use MemoryInbox")
    return check_path(path)


def connect(path: str, timeout: float) -> tuple[sqlite3.Connection, int]:
    """Open a database so that each commit is on the disk when it returns; tell the version of its tables.

    Raises:
        ValueError: the file is no database, or a replay cache. Nothing in it was changed.
    """
    connection = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
    try:
        found = schema.version_of(connection)
        # The application may have chosen it long ago; else two processes may be at it at once.
        mode = insist(lambda: connection.execute("PRAGMA journal_mode = WAL").fetchone()[0], timeout)
        _check_mode(mode)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")  # on macOS, fsync alone does not reach the disk
    except BaseException:
        connection.close()
        raise
    return connection, found


def _check_mode(mode: str) -> None:
    if mode != "wal":
        raise StoreError(f"SQLite cannot use a write-ahead log here: journal mode {mode}")


def make_tables(path: str, timeout: float) -> int:
    """Make the file and the tables where they are missing, migrate older ones, and return the version there was."""
    if identity_of(path) is None:
        # Only this user may read or write it; SQLite gives its companions the same mode.
        with suppress(FileExistsError):  # another process was faster
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    connection, found = connect(path, timeout)
    try:
        if found == schema.VERSION:
            return found
        begin_immediate(connection, timeout)
        try:
            found = schema.migrate(connection)
            connection.execute("COMMIT")
        except BaseException:
            roll_back(connection)
            raise
        return found
    finally:
        connection.close()


def begin_immediate(connection: sqlite3.Connection, timeout: float) -> None:
    """Take the write lock, or raise the last refusal after so many seconds."""
    connection.execute("PRAGMA busy_timeout = 0")
    insist(lambda: connection.execute("BEGIN IMMEDIATE"), timeout)


def insist(work: Callable[[], _T], timeout: float) -> _T:
    """Try until nobody else writes. SQLite's own way to wait starves the unlucky for over a second."""
    pause, deadline = 0.0001, 0.0
    while True:
        try:
            return work()
        except sqlite3.OperationalError as error:
            now = time.monotonic()
            deadline = deadline or now + timeout
            if not is_busy(error) or now >= deadline:
                raise
        time.sleep(pause * random())  # noqa: S311 - only spreads the writers out
        pause = min(2 * pause, 0.004)


def roll_back(connection: sqlite3.Connection) -> None:
    """Undo what is not committed, where SQLite has not done so already."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


@contextmanager
def failing(path: str, timeout: float, *, wrong: bool = True) -> Generator[None]:
    """Turn what SQLite and the file system raise in the block into `StoreError`; `wrong`: a wrong file too."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise busy(timeout) if is_busy(error) else unusable(path, error) from error
    except ValueError as error:
        if not wrong:
            raise
        raise unusable(path, error) from error


def is_busy(error: Exception) -> bool:
    """Tell whether another connection was in the way, and waiting for it may help."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _BUSY and not is_stale(error)


def is_stale(error: Exception) -> bool:
    """Tell whether a connection looks at the past for good: a cursor of it was kept and not read to its end."""
    return getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_BUSY_SNAPSHOT


def busy(timeout: float) -> StoreError:
    """Return the refusal of a caller that waited long enough for others."""
    return StoreError(f"other transactions kept the inbox's database busy for {timeout} s", retry_after=1)


def unusable(path: str, error: Exception) -> StoreError:
    """Return the refusal of an inbox whose file fails."""
    return StoreError(f"the inbox {path} cannot be used: {error}")


def identity_of(path: str) -> Identity:
    """Return what tells one file from another at the same path, or None where there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116 - at each step, and Path costs twice as much
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
