"""One transaction of a SQLite inbox, in which a handler writes: its effects and the mark are committed together."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from signedmsg._core.inbox import Claim, InProgress
from signedmsg.errors import HandlerError, StoreError
from signedmsg.stores._inbox_limits import lease_lost
from signedmsg.stores._sqlite_inbox_locks import locks_of
from signedmsg.stores._sqlite_inbox_open import begin_immediate, failing, is_busy, is_stale, roll_back
from signedmsg.stores._sqlite_inbox_rows import Change, Store, begin, key_of, read_row, update

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from types import TracebackType
    from typing import Self

    from signedmsg._core.inbox import Arrival, Settled
    from signedmsg.stores._sqlite_inbox_file import InboxFile

_STATUS: Final = 204
_SHORT_WAIT: Final = 1.0


class SQLiteTransaction:
    """Made by `SQLiteInbox.transaction()`; used by one thread at a time, for one message.

    The write lock is taken by `begin` or `resume`, and not before: until then nobody waits.
    """

    def __init__(self, file: InboxFile, store: Callable[[], Store]) -> None:
        self._file, self._store = file, store
        self._key: bytes | None = None
        self._connection: sqlite3.Connection | None = None
        self._used = self._runs = self._clean = False

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection of the open transaction, in autocommit mode (`isolation_level` is None), for the handler.

        Raises:
            StoreError: neither `begin` nor `resume` was called.
        """
        if self._connection is None:
            raise StoreError("no message was begun in this transaction")
        return self._connection

    def begin(self, arrival: Arrival) -> Settled | None:
        """Mark the message done when this transaction commits; None means: run it. See `InboxTransaction.begin`."""
        with self._failing():
            inbox, now, _, _ = self._store()
            key = key_of(inbox, arrival.issuer, arrival.message_id)
            row = self._file.read(lambda connection: read_row(connection, key))
            if row is not None and (settled := row.for_good(arrival.digest, arrival.keep_until, now)) is not None:
                return settled
            if not self._lock(key):
                return InProgress(_SHORT_WAIT)
            connection = self._open()
            begun = begin(connection, self._store(), arrival, Change("done", 0.0, _STATUS))
            if isinstance(begun, Exception):
                raise begun
            if not isinstance(begun, Claim):
                return begun
            self._run()
            return None

    def resume(self, claim: Claim) -> None:
        """Mark a message that was claimed done when this transaction commits. Raises `LeaseLostError`."""
        with self._failing():
            inbox, now, _, _ = self._store()
            key = key_of(inbox, claim.issuer, claim.message_id)
            row = self._file.read(lambda connection: read_row(connection, key))
            if row is None or not self._lock(key):
                raise lease_lost(claim)
            # As long as it holds the message it may as well wait: what has no turn before that is an attempt in vain.
            connection = self._open(patience=min(row.due - now, row.span))
            update(connection, inbox, claim, "state = 'done', status = :status, body = NULL", status=_STATUS)
            self._run()

    def finish(self, status: int) -> None:
        """Keep the status that the message was answered with.

        Raises:
            HandlerError: the handler ended the transaction.
        """
        with self._failing():
            self._undo("RELEASE signedmsg_message")
            self.connection.execute("UPDATE signedmsg_inbox SET status = ? WHERE key = ?", (status, self._key))

    def reject(self, reason: str) -> None:
        """Undo what the handler wrote, and mark the message rejected when this transaction commits.

        Raises:
            HandlerError: the handler ended the transaction.
        """
        with self._failing():
            self._undo("ROLLBACK TO signedmsg_message")
            self.connection.execute(
                "UPDATE signedmsg_inbox SET state = 'rejected', reason = ?, status = NULL WHERE key = ?",
                (reason, self._key),
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._connection is not None:
                with self._failing():
                    self._end(self._connection, commit=error is None)
                self._clean = error is None
        finally:
            self._close()

    def _end(self, connection: sqlite3.Connection, *, commit: bool) -> None:
        if not commit:
            # Closing undoes the transaction as well, and what ended the block is what must be heard of.
            with suppress(sqlite3.Error):
                roll_back(connection)
        elif connection.in_transaction:
            _commit(connection)
        elif self._runs:
            raise _ended()

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        try:
            if connection is not None:
                self._file.take_back(connection, clean=self._clean)
        finally:
            if self._key is not None:
                locks_of(self._file.path).release(self._key)
                self._key = None

    def _lock(self, key: bytes) -> bool:
        if self._used:
            raise StoreError("one transaction is for one message")
        if not locks_of(self._file.path).acquire(key):
            return False
        self._key, self._used = key, True
        return True

    def _open(self, patience: float = 0.0) -> sqlite3.Connection:
        while True:
            self._connection = connection = self._file.lend()
            try:
                begin_immediate(connection, max(self._file.timeout, patience))
            except sqlite3.OperationalError as error:
                if not is_stale(error):
                    raise
                self._file.take_back(connection, clean=False)
                self._connection = None
            else:
                return connection

    def _run(self) -> None:
        # What the handler does from here on can be undone without the mark. It is also how
        # `finish` knows this transaction from one that the handler began after ending it.
        self.connection.execute("SAVEPOINT signedmsg_message")
        self._runs = True

    def _undo(self, statement: str) -> None:
        try:
            self.connection.execute(statement)
        except (sqlite3.OperationalError, sqlite3.ProgrammingError) as error:  # no such savepoint, or closed
            raise _unfinished(error) if is_busy(error) else _ended() from error

    def _failing(self) -> AbstractContextManager[None]:
        return failing(self._file.path, self._file.timeout)


def _commit(connection: sqlite3.Connection) -> None:
    try:
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        # A foreign key that is checked no earlier than now, or a writing statement (`RETURNING`) whose
        # rows were not read to the end. Nobody else can be in the way: the write lock is held.
        if isinstance(error, sqlite3.IntegrityError) or is_busy(error):
            raise _unfinished(error) from error
        raise


def _unfinished(error: Exception) -> HandlerError:
    return HandlerError(f"what the handler did cannot be committed: {error}")


def _ended() -> HandlerError:
    return HandlerError(
        "the handler ended the transaction that it was given: it must neither commit nor roll back, "
        "nor use the connection in a `with`"
    )
