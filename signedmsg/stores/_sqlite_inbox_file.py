"""The application's database file: opened by each process for itself, and watched for being replaced."""

from __future__ import annotations

import os
import threading
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from signedmsg.errors import StoreError
from signedmsg.stores import _sqlite_inbox_schema as schema
from signedmsg.stores._sqlite_inbox_open import begin_immediate, busy, connect, failing, identity_of, roll_back

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Generator

    from signedmsg.stores._sqlite_inbox_open import Identity

_T = TypeVar("_T")

_KEPT: Final = 8


class _Slot:
    """One connection, for one thread at a time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.connection: sqlite3.Connection | None = None
        self.identity: Identity = None
        self.log: Identity = None
        self.settings: tuple[Any, Any, Any] = (None, str, None)

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None


class InboxFile:
    """One process's connections to the file: one that reads, one that writes, and one for each transaction.

    A reader never waits for a writer (SQLite's write-ahead log). Those of transactions are
    used again, one transaction after the other. Never used in a process
    other than `pid`: a connection that is carried across a fork corrupts its database.
    """

    def __init__(self, path: str, *, timeout: float, prepare: Callable[[sqlite3.Connection], object] | None) -> None:
        self.path, self.timeout = path, timeout
        self.pid = os.getpid()
        self.writes = 0
        self._prepare = prepare
        self._closed = False
        self._reader, self._writer = _Slot(), _Slot()
        self._idle: list[_Slot] = []
        self._lent: dict[sqlite3.Connection, _Slot] = {}
        self._parent: InboxFile | None = None

    def in_this_process(self) -> InboxFile:
        """Return a twin for a forked child, with locks and connections of its own."""
        twin = InboxFile(self.path, timeout=self.timeout, prepare=self._prepare)
        twin._closed = self._closed
        # Kept for good: to close an inherited connection could meddle with the parent's.
        twin._parent = self
        return twin

    def read(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Return what `work` reads of what is committed."""
        with failing(self.path, self.timeout), self._use(self._reader) as connection:
            return work(connection)

    def write(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Return what `work` did in one transaction, which is on the disk by then; on any error nothing is done."""
        with failing(self.path, self.timeout), self._use(self._writer) as connection:
            self.writes += 1
            begin_immediate(connection, self.timeout)
            try:
                done = work(connection)
                connection.execute("COMMIT")
            except BaseException:
                roll_back(connection)
                raise
            return done

    def lend(self) -> sqlite3.Connection:
        """Return a connection for one transaction of a handler, to be given back to `take_back`.

        One that was lent before, where there is one: the first commit of each connection is
        twice as slow, since it makes sure of the log's entry in its directory as well.
        """
        with failing(self.path, self.timeout):
            # Which looks whether the files are still the same.
            with self._use(self._reader):
                identity, log = self._reader.identity, self._reader.log
            self.writes += 1
            while self._idle:
                slot = self._idle.pop()
                if slot.connection is not None and (slot.identity, slot.log) == (identity, log):
                    self._lent[slot.connection] = slot
                    return slot.connection
                slot.close()
            slot = _Slot()
            connection = self._fill(slot)
            try:
                if self._prepare is not None:
                    self._prepare(connection)
            except BaseException:
                connection.close()
                raise
            slot.settings = _settings(connection)
            self._lent[connection] = slot
            return connection

    def take_back(self, connection: sqlite3.Connection, *, clean: bool) -> None:
        """Keep a connection whose transaction ended as it should; close any other."""
        slot = self._lent.pop(connection)
        if not clean or self._closed or len(self._idle) >= _KEPT:
            connection.close()
            return
        connection.row_factory, connection.text_factory, connection.isolation_level = slot.settings
        self._idle.append(slot)

    def close(self) -> None:
        """Close the connections; whoever asks for one from now on is refused."""
        self._closed = True
        for slot in (self._writer, self._reader, *self._idle):
            with slot.lock:
                slot.close()

    @contextmanager
    def _use(self, slot: _Slot) -> Generator[sqlite3.Connection]:
        if not slot.lock.acquire(timeout=self.timeout):
            raise busy(self.timeout)
        try:
            self._check_open()
            connection = slot.connection
            if connection is None or identity_of(self.path) != slot.identity:
                connection = self._fill(slot)
            elif identity_of(self.path + "-wal") != slot.log:
                raise self._replaced("-wal")
            yield connection
        finally:
            slot.lock.release()

    def _fill(self, slot: _Slot) -> sqlite3.Connection:
        identity = identity_of(self.path)
        if identity is None:
            raise self._replaced()
        connection, version = connect(self.path, self.timeout)
        try:
            schema.check_version(version)
        except BaseException:
            connection.close()
            raise
        # Last, because an inode number is free for another file once nobody has its file open.
        slot.close()
        slot.connection, slot.identity, slot.log = connection, identity, identity_of(self.path + "-wal")
        # Most inboxes live as long as their process and nobody closes them, of which sqlite3 warns.
        weakref.finalize(slot, _close_in, self.pid, connection)
        return connection

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("this inbox was closed")

    def _replaced(self, suffix: str = "") -> StoreError:
        return StoreError(
            f"{self.path}{suffix} was removed or replaced while in use",
            hint="put it back, or stop all processes that use the database before anything is done to its files",
        )


def _settings(connection: sqlite3.Connection) -> tuple[Any, Any, Any]:
    return connection.row_factory, connection.text_factory, connection.isolation_level


def _close_in(pid: int, connection: sqlite3.Connection) -> None:
    # An inherited connection is the parent's to close.
    if pid == os.getpid():
        connection.close()
