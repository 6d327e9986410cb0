"""The inbox in an application's own SQLite database, for blocking programs."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final, Literal

from signedmsg._core.inbox import Claim
from signedmsg.stores import _sqlite_inbox_queue as queue
from signedmsg.stores._inbox_limits import check_name, check_quota, check_retention
from signedmsg.stores._limits import check_seconds
from signedmsg.stores._sqlite_inbox_file import InboxFile
from signedmsg.stores._sqlite_inbox_open import check_file, failing, make_tables
from signedmsg.stores._sqlite_inbox_rows import Change, Store, begin, forget, key_of, read_row, rebase, release, update
from signedmsg.stores._sqlite_inbox_transaction import SQLiteTransaction

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from signedmsg._core.inbox import Arrival, DeadLetter, Job, QueueDepth, Settled

_TIDY_EVERY: Final = 32


class SQLiteInbox:
    """Remembers in the application's own SQLite file which messages were processed, and queues messages there.

    All processes of one host share it, and each step is on the disk when it returns
    (`synchronous=FULL`). Tables named `signedmsg_…` are made in the file when they are missing.
    A path on a network file system, or one shared by several hosts, is not supported
    (SQLite's write-ahead log needs shared memory); nor is the file of a replay cache.

    SQLite runs one writing transaction at a time in a file. In `transaction` mode a
    handler is one, so other messages wait for it, up to `timeout`, and are then refused
    with `StoreError`; a copy of the same message is told *in progress* at once. The handler
    is given the `sqlite3.Connection` of the transaction, in autocommit mode: it must
    neither commit nor roll back, which is found out afterwards and is a `HandlerError`.

    Leases and delays are measured on `clock`, which all processes share. Where it stepped
    back they begin anew, so none ends early and none lasts for ever; where it stepped
    ahead one may end early, and then the fence keeps the old holder from marking the
    message. A message that may have been removed before the clock stepped back is
    refused with `StoreError`.

    A file that is removed or replaced while in use is a `StoreError` until it is back;
    another file with the tables, such as a restored backup, is used as it is.

    Safe for any number of threads; a forked child opens the file for itself. One that is
    forked while a transaction is open, in whichever thread, is refused with `StoreError`
    whenever it writes: SQLite's own record of who writes was copied into it.

    Args:
        path: the file, made with mode 0600 when it is missing; its directory must exist.
        name: which inbox of the file: 1 to 128 visible ASCII characters.
        retention: seconds after its `time` within which a message is taken; 7 days unless given.
        timeout: seconds to wait for another transaction before refusing.
        quota: how many rows one issuer may have, those of done messages included; no limit unless given.
        prepare: called with each connection that a handler is to be given, before its transaction
            begins: for `PRAGMA foreign_keys`, row factories, functions.
        clock: Unix seconds; the same clock in all processes.

    Raises:
        TypeError, ValueError: an argument is wrong, or the file is no database for an inbox.
        StoreError: the file cannot be opened now.
    """

    waits: Literal["blocks"] = "blocks"
    shared: bool = True
    durable: bool = True
    transactional: bool = True
    queues: bool = True
    # A worker need not try to have more.
    transactions_at_once: int = 1

    def __init__(
        self,
        path: str | os.PathLike[str],
        name: str = "default",
        *,
        retention: float = 7 * 86_400.0,
        timeout: float = 2.0,
        quota: int | None = None,
        prepare: Callable[[sqlite3.Connection], object] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._name, self._retention = check_name(name), check_retention(retention)
        self._quota = check_quota(quota)
        self._clock = clock
        self._takes = 0
        path = check_file(path)
        self._file = InboxFile(path, timeout=check_seconds("timeout", timeout), prepare=prepare)
        with failing(path, timeout, wrong=False):
            make_tables(path, timeout)

    @property
    def name(self) -> str:
        """Which inbox of the file this is."""
        return self._name

    @property
    def retention(self) -> float:
        """How long after its `time` a message is taken, in seconds."""
        return self._retention

    def begin(self, arrival: Arrival, lease: float) -> Claim | Settled:
        """Claim the message for `lease` seconds, or say why it is not to be run now: see `Inbox.begin`."""
        return self._begin(arrival, Change("running", check_seconds("lease", lease)))

    def commit(self, claim: Claim, status: int) -> None:
        """Mark the message done: see `Inbox.commit`."""
        self._update(claim, "state = 'done', status = :status, body = NULL", status=status)

    def release(self, claim: Claim, delay: float = 0.0) -> None:
        """Give the message back; if it is queued, to be taken after `delay` seconds: see `Inbox.release`."""
        span = check_seconds("delay", delay)
        self._own_file().write(lambda connection: release(connection, self._name, claim, self._clock(), span))

    def reject(self, claim: Claim, reason: str) -> None:
        """Mark the message rejected for good: see `Inbox.reject`."""
        self._update(claim, "state = 'rejected', reason = :reason, status = NULL, body = NULL", reason=reason)

    def renew(self, claim: Claim, lease: float) -> None:
        """Let the claim last `lease` seconds from now: see `Inbox.renew`."""
        self._update(claim, "due = :now + :span, span = :span", span=check_seconds("lease", lease))

    def forget(self, issuer: str, message_id: str) -> bool:
        """Let a message that is done or rejected run again: see `Inbox.forget`."""
        key = key_of(self._name, issuer, message_id)
        return self._own_file().write(lambda connection: forget(connection, key))

    def transaction(self) -> SQLiteTransaction:
        """Return a transaction for one message, to be used in a `with`: see `TransactionalInbox.transaction`."""
        return SQLiteTransaction(self._own_file(), self._store)

    def enqueue(self, arrival: Arrival, body: bytes) -> Settled | None:
        """Store the message to be run later; None when it was stored now: see `QueuedInbox.enqueue`."""
        begun = self._begin(arrival, Change("waiting", 0.0, body=body))
        return None if isinstance(begun, Claim) else begun

    def take(self, lease: float) -> Job | None:
        """Claim the queued message that has been due longest: see `QueuedInbox.take`."""
        check_seconds("lease", lease)
        file, name = self._own_file(), self._name
        self._takes += 1
        # Workers that find nothing do not keep others from writing; but now and then they look after clocks.
        if self._takes % _TIDY_EVERY == 0:
            file.write(lambda connection: rebase(connection, name, self._clock()))
        if not file.read(lambda connection: queue.any_due(connection, name, self._clock())):
            return None
        return file.write(lambda connection: queue.take(connection, name, self._clock(), lease))

    def bury(self, claim: Claim, reason: str) -> None:
        """Give a queued message up: see `QueuedInbox.bury`."""
        self._update(claim, "state = 'dead', reason = :reason, due = :now, span = 0", reason=reason)

    def dead(self, limit: int = 100) -> list[DeadLetter]:
        """Return messages that were given up, the latest first: see `QueuedInbox.dead`."""
        return self._own_file().read(lambda connection: queue.dead(connection, self._name, limit))

    def redrive(self, issuer: str, message_id: str) -> bool:
        """Queue a dead message again, due now: see `QueuedInbox.redrive`."""
        key = key_of(self._name, issuer, message_id)
        return self._own_file().write(lambda connection: queue.redrive(connection, key, self._clock()))

    def depth(self) -> QueueDepth:
        """Count the queued messages: see `QueuedInbox.depth`."""
        return self._own_file().read(lambda connection: queue.depth(connection, self._name))

    def close(self) -> None:
        """Close the file. Every later call is refused with `StoreError`."""
        self._own_file().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<SQLiteInbox {self._name} in {self._file.path}>"

    def _own_file(self) -> InboxFile:
        file = self._file
        # Asked for each time: servers written in C fork without running Python's hooks. Two
        # threads that come here at once get connections each, which does no harm.
        if file.pid != os.getpid():
            self._file = file = file.in_this_process()
        return file

    def _store(self) -> Store:
        return Store(self._name, self._clock(), self._quota, tidy=self._file.writes % _TIDY_EVERY == 1)

    def _begin(self, arrival: Arrival, change: Change) -> Claim | Settled:
        file, key = self._own_file(), key_of(self._name, arrival.issuer, arrival.message_id)
        # Asked with a read first, so that copies do not queue for the write lock.
        row = file.read(lambda connection: read_row(connection, key))
        if row is not None and (settled := row.for_good(arrival.digest, arrival.keep_until, self._clock())) is not None:
            return settled
        begun = file.write(lambda connection: begin(connection, self._store(), arrival, change))
        if isinstance(begun, Exception):
            raise begun
        return begun

    def _update(self, claim: Claim, change: str, **given: object) -> None:
        self._own_file().write(
            lambda connection: update(connection, self._name, claim, change, now=self._clock(), **given)
        )
