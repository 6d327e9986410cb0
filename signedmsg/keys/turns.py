"""How many reads of one directory may be under way in the background."""

from __future__ import annotations

import threading
from typing import Final

# A thread each. When all sources fall silent at once, up to two in five are being read at any moment, the first
# repetitions among them; so this is enough for eighty of them, before a look-up has to wait for a read of its own.
THREADS: Final = 32
# A task and a socket each: enough for ten thousand.
TASKS: Final = 4000


class Turns:
    """Turns to read ahead, shared by the sources of one directory: so many at once in a process, or an event loop."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._of: dict[object, threading.Semaphore] = {}

    def take(self, of: object) -> threading.Semaphore | None:
        """Return a turn, to be released when the read is over; None while all those of this process or loop are taken.

        Nobody may be left to release those of a parent process, or of an event loop that has ended.
        """
        turns = self._of.get(of)
        if turns is None:
            # Two threads that come first agree on one, since `setdefault` of a dict is atomic.
            turns = self._of.setdefault(of, threading.Semaphore(self._most))
            for other in set(self._of) - {of}:
                self._of.pop(other, None)
        return turns if turns.acquire(blocking=False) else None
