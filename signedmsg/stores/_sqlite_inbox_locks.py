"""Locks by message, among the threads and processes that use one SQLite file.

A transaction that is open cannot be seen by another connection, and to find out by
waiting for the write lock would take as long as its handler. So each holds a lock of one
byte, at an offset that stands for its message, in a file beside the database. The system
drops it when the process dies. Where there are no such locks (Windows) a copy in another
process waits for the write lock instead: slower, and as safe.
"""

from __future__ import annotations

import os
import threading
from typing import Final

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

SUFFIX: Final = "-signedmsg.lock"

# Kept for good, one for each file: when a process closes any descriptor of a file, POSIX drops
# all locks that it has on it, those of its other descriptors included.
_ALL: Final[dict[tuple[int, str], KeyLocks]] = {}


class KeyLocks:
    """The locks that this process holds on one file; safe for any number of threads."""

    def __init__(self, path: str) -> None:
        self._path = path + SUFFIX
        self._guard = threading.Lock()
        self._held: set[int] = set()
        self._descriptor: int | None = None

    def acquire(self, key: bytes) -> bool:
        """Lock the key unless another thread or process has it; never waits."""
        offset = _offset(key)
        with self._guard:
            # A process's own locks do not keep its other threads out.
            if offset in self._held:
                return False
            if fcntl is not None:
                try:
                    fcntl.lockf(self._open(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, offset)
                except (BlockingIOError, PermissionError):  # either, POSIX says
                    return False
            self._held.add(offset)
            return True

    def release(self, key: bytes) -> None:
        """Give back a key that was acquired."""
        offset = _offset(key)
        with self._guard:
            if fcntl is not None and self._descriptor is not None:
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, offset)
            self._held.discard(offset)

    def _open(self) -> int:
        if self._descriptor is None:
            self._descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
        return self._descriptor


def locks_of(path: str) -> KeyLocks:
    """Return the locks of a database file in this process; a forked child has none of its parent's."""
    # By setdefault and not under a lock, which a fork could copy while it is held.
    return _ALL.setdefault((os.getpid(), os.path.realpath(path)), KeyLocks(os.path.realpath(path)))


def _offset(key: bytes) -> int:
    # Two messages that meet here only wait for each other.
    return int.from_bytes(key[:8], "big") >> 2
