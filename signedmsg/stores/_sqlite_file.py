"""The file of a SQLite replay cache: made, opened, and watched for having lost its memory.

A file that was just made, that replaced another, or that may have lost its last commits
in a power cut has a *birth*: a token that may have been signed by then may have been here
before. Each time a new `birth_id` is drawn, by which every process notices.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import sys
import threading
import time
import weakref
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from signedmsg._jose.shown import is_secret
from signedmsg.errors import StoreError
from signedmsg.stores import _sqlite_schema as schema

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_LOG_EVERY: Final = 16
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str | None:
    """Return Linux's name for this run of the kernel, or None where nothing tells one run from another."""
    try:
        return _BOOT_ID.read_text("ascii").strip() or None
    except OSError:
        return None


def check_path(path: str | os.PathLike[str]) -> str:
    """Return the absolute path of a file that can be made or opened, or raise ValueError."""
    if os.fspath(path) in ("", ":memory:"):
        raise ValueError("path: expected a file that processes can share; for a cache in memory use MemoryReplayCache")
    if is_secret(os.fsdecode(path)):
        raise ValueError("path: expected the path of a file, got a text that looks like a key")
    absolute = Path(path).absolute()
    if not absolute.parent.is_dir():
        raise ValueError(f"path: there is no directory {absolute.parent}")
    if absolute.is_dir():
        raise ValueError(f"path: expected a file, but {absolute} is a directory")
    return str(absolute)


class ReplayFile:
    """One process's connection to the file, and what that process knows of losses.

    Guarded by `lock`. Never used in a process other than `pid`: a connection that is
    carried across a fork corrupts its database. `birth` is the moment after which a
    token must have been signed; `calls` counts how often the connection was asked for.
    """

    def __init__(
        self, path: str, *, timeout: float, leeway: float, clock: Callable[[], float], boot: str | None
    ) -> None:
        self.path = path
        self.pid = os.getpid()
        self.lock = threading.Lock()
        self.birth = float("inf")
        self.calls = 0
        self._timeout, self._leeway, self._clock, self._boot = timeout, leeway, clock, boot
        self._closed = False
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._log_identity: tuple[int, int] | None = None
        self._torn = False
        self._birth_ids: list[bytes] = []
        self._parent: ReplayFile | None = None
        self._last_resort: weakref.finalize[..., ReplayFile] | None = None

    def in_this_process(self) -> ReplayFile:
        """Return a twin for a forked child, with a lock and a connection of its own."""
        twin = ReplayFile(self.path, timeout=self._timeout, leeway=self._leeway, clock=self._clock, boot=self._boot)
        twin._closed, twin._birth_ids = self._closed, [*self._birth_ids]
        twin._identity, twin._log_identity = self._identity, self._log_identity
        # Kept for good: to close an inherited connection could meddle with the parent's.
        twin._parent = self
        return twin

    def connection(self) -> sqlite3.Connection:
        """Return the connection, opened anew when the file at the path is no longer the one it belongs to."""
        if self._closed:
            raise StoreError("this replay cache was closed")
        self.calls += 1
        if self._connection is None or _identity(self.path) != self._identity:
            return self._open()
        if self._torn or self.calls % _LOG_EVERY == 0:
            self._check_log()
        return self._connection

    def _check_log(self) -> None:
        """Refuse to go on when the write-ahead log was removed: other processes no longer see what is written."""
        self._torn = _identity(self.path + "-wal") != self._log_identity
        if self._torn:
            raise StoreError(
                f"{self.path}-wal was removed or replaced while in use",
                hint=f"remove {self.path} as well, and a new file is made; tokens signed before that are refused",
            )

    def close(self) -> None:
        """Close the connection; whoever asks for it from now on is refused."""
        self._closed = True
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        with _directory_lock(Path(self.path).parent, self._timeout):
            self._make_way()
            # Read before the file is opened: if another takes its place in between, the next call notices.
            identity = _identity(self.path)
            connection = sqlite3.connect(
                self.path, timeout=self._timeout, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare(connection, lost=self._identity not in (None, identity))
            except BaseException:
                connection.close()
                raise
        # Last, because an inode number is free for another file once nobody has its file open.
        if self._connection is not None:
            self._connection.close()
        self._connection, self._identity = connection, identity
        if self._last_resort is not None:
            self._last_resort.detach()
        # Most caches live as long as their process and nobody closes them, of which sqlite3 warns
        # from Python 3.13 on. Not `__del__`: in a cycle that runs after the connection's own.
        self._last_resort = weakref.finalize(self, _close_in, self.pid, connection)
        self._log_identity, self._torn = _identity(self.path + "-wal"), False
        return connection

    def _make_way(self) -> None:
        """Make the file when it is missing, and remove what SQLite would take for parts of it."""
        missing = _identity(self.path) is None
        log = _identity(self.path + "-wal")
        # The log of the file that was here before describes that one, but is found by its name.
        if missing or (log is not None and log == self._log_identity and self._identity != _identity(self.path)):
            for suffix in ("-wal", "-shm", "-journal"):
                Path(self.path + suffix).unlink(missing_ok=True)
        if missing:
            # Only this user may read or write it; SQLite gives its companions the same mode.
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))

    def _prepare(self, connection: sqlite3.Connection, *, lost: bool) -> None:
        _check_header(connection, self.path)
        _configure(connection, durable=self._boot is None)
        with schema.transaction(connection):
            schema.create(connection, secrets.token_bytes(16), self._clock(), self._boot)
            birth_id, birth, boot = schema.birth(connection)
            # A copy of the file put in its place has the birth id of the lost one, and older ids.
            # After a boot, commits that were not yet on the disk may be gone.
            if boot != self._boot or (lost and birth_id in self._birth_ids):
                birth_id, birth = secrets.token_bytes(16), self._clock()
                schema.renew(connection, birth_id, birth, self._boot)
        # From here on the cache itself waits for other writers, with shorter pauses.
        connection.execute("PRAGMA busy_timeout = 0")
        self._birth_ids.append(birth_id)
        # What this process saw get lost may hold tokens whose senders' clocks were fast.
        self.birth = birth if birth_id == self._birth_ids[0] else birth + self._leeway


def _close_in(pid: int, connection: sqlite3.Connection) -> None:
    # An inherited connection is the parent's to close.
    if pid == os.getpid():
        connection.close()


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - at each add, and Path costs twice as much
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _check_header(connection: sqlite3.Connection, path: str) -> None:
    """Refuse a database that is not a replay cache, before anything in it is changed."""
    try:
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
            raise ValueError(f"{path} is not a SQLite database") from error
        raise
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if (tables, application, version) == (0, 0, 0):
        return
    if application != schema.APPLICATION_ID:
        raise ValueError(f"{path} is a SQLite database, but not a replay cache")
    if version != schema.VERSION:
        raise ValueError(f"{path} has layout {version}; this version of signedmsg knows {schema.VERSION} only")


def _configure(connection: sqlite3.Connection, *, durable: bool) -> None:
    """Set what SQLite does not keep in the file; `durable` makes each commit outlive a power cut."""
    connection.execute("PRAGMA page_size = 1024")  # an id dirties one page, so small ones mean less to write
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise StoreError(f"SQLite cannot use a write-ahead log here: journal mode {mode}")
    connection.execute("PRAGMA wal_autocheckpoint = 8000")
    connection.execute("PRAGMA fullfsync = ON")  # on macOS, fsync alone does not reach the disk
    connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")


@contextmanager
def _directory_lock(directory: Path, timeout: float) -> Generator[None]:
    """Let one process at a time make or open the file.

    The lock is on the directory, since a lock file may be deleted along with the rest. On
    Windows there is none: a database that is in use cannot be deleted there.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    descriptor = os.open(directory, os.O_RDONLY)
    try:
        _wait_for(lambda: fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB), timeout)
        yield
    finally:
        # Unlocked by name, because a child that was forked meanwhile shares the descriptor.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _wait_for(lock: Callable[[], object], timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while True:
        try:
            lock()
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise StoreError("another process keeps opening the replay cache") from None
            time.sleep(0.005)
        else:
            return
