"""Cuts connections whose server does not answer in time, since libpq itself would wait for ever.

A server that hangs, or a host that is gone without a word, answers nothing and closes nothing. To
shut the socket down wakes whoever waits on it, in another thread or task, with an error.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Generator

_STEP: Final = 0.1
_IDLE_STEPS: Final = 50
_STARTING: Final = threading.Lock()


class Call:
    """One call that is under way: the socket, and whether it was cut."""

    __slots__ = ("cut", "deadline", "socket")

    def __init__(self, fileno: int, deadline: float) -> None:
        # A duplicate: the number of the connection's own may belong to another by the time it is cut.
        self.socket = socket.fromfd(fileno, socket.AF_INET, socket.SOCK_STREAM)
        self.deadline = deadline
        self.cut = False

    def shut(self) -> None:
        self.cut = True
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)


class Watch:
    """One thread that looks after the blocking calls of this process; it sleeps while there are none."""

    def __init__(self) -> None:
        self._pid = 0
        self._calls: set[Call] = set()
        self._wake = threading.Condition()
        self._awake = False

    @contextmanager
    def limit(self, fileno: int, seconds: float) -> Generator[Call]:
        """Cut that socket when the block lasts longer."""
        call = Call(fileno, time.monotonic() + seconds)
        self._enter(call)
        try:
            yield call
        finally:
            with self._wake:
                self._calls.discard(call)
            call.socket.close()

    def _enter(self, call: Call) -> None:
        if self._pid != os.getpid():
            with _STARTING:
                self._start_once()
        with self._wake:
            self._calls.add(call)
            if not self._awake:
                self._wake.notify()

    def _start_once(self) -> None:
        if self._pid != os.getpid():
            # In a forked child there is no such thread, and the lock may be held by one that is not there either.
            self._calls, self._wake, self._awake = set(), threading.Condition(), False
            threading.Thread(target=self._run, name="signedmsg-postgres-watch", daemon=True).start()
            self._pid = os.getpid()

    def _run(self) -> None:
        idle = 0
        while True:
            with self._wake:
                idle = 0 if self._calls else idle + 1
                if idle > _IDLE_STEPS:
                    self._awake = False
                    self._wake.wait_for(lambda: self._calls)
                self._awake = True
                now = time.monotonic()
                for call in [each for each in self._calls if each.deadline <= now]:
                    call.shut()
                    self._calls.discard(call)
            time.sleep(_STEP)


WATCH: Final = Watch()


@contextmanager
def limit_in(loop: asyncio.AbstractEventLoop, fileno: int, seconds: float) -> Generator[Call]:
    """Cut that socket when the block, in a task of this loop, lasts longer."""
    call = Call(fileno, 0.0)
    timer = loop.call_later(seconds, call.shut)
    try:
        yield call
    finally:
        timer.cancel()
        call.socket.close()


def has_news(fileno: int) -> bool:
    """Tell whether an idle connection has something to read: in most cases, that the server closed it."""
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(fileno, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([fileno], [], [], 0)[0])
