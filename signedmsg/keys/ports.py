"""How one source is locked, read and read ahead, by blocking callers and by async ones."""

from __future__ import annotations

import os
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from signedmsg._flows.run import run
from signedmsg.errors import KeyDirectoryError
from signedmsg.keys.files import read_documents
from signedmsg.observe import logger

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine
    from pathlib import Path

    import anyio

    from signedmsg._core.known import Read, Validator
    from signedmsg._fetch import AsyncFetcher, Fetcher
    from signedmsg._flows.read import Web
    from signedmsg.keys.place import Place, World
    from signedmsg.keys.turns import Turns

    Work = Callable[[], Coroutine[object, object, None]]


class _Ports:
    def __init__(self, place: Place) -> None:
        self._place = place
        self.now = place.now
        self.jitter = place.jitter
        self.notice = place.notice
        self._closed = False

    async def _read(self, world: World, kid: str | None, validator: Validator | None) -> Read:
        if self._closed:
            raise KeyDirectoryError("the key directory is closed")
        return await self._place.read(world, kid, validator)


class BlockingPorts(_Ports):
    """Ports that answer at once. What is read ahead is read in a daemon thread: one a source, 32 a directory.

    Locks and threads of another process are of no use after a fork: a thread that held one
    is not there to let it go. So each process has its own, made when they are needed.
    """

    def __init__(self, place: Place, fetcher: Fetcher | None, turns: Turns) -> None:
        super().__init__(place)
        self._fetcher = fetcher
        self._turns = turns
        self._locks: dict[int, threading.Lock] = {}
        self._slots: dict[int, threading.Lock] = {}
        self._thread: threading.Thread | None = None

    def busy(self) -> bool:
        return self._mine(self._locks).locked()

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[None]:
        with self._mine(self._locks):
            yield

    async def read(self, kid: str | None, validator: Validator | None) -> Read:
        return await self._read(self, kid, validator)

    def web(self) -> Web:
        if self._fetcher is None:
            raise KeyDirectoryError("this directory has no HTTP client")
        return self._fetcher.web()

    async def files(self, path: Path) -> tuple[bytes, ...]:
        return read_documents(path)

    def start(self, work: Work) -> None:
        slot = self._mine(self._slots)
        if not slot.acquire(blocking=False):
            return
        turn = None if self._closed else self._turns.take(os.getpid())
        if turn is None:
            slot.release()
            return
        self._thread = threading.Thread(target=self._work, args=(work, slot, turn), name="signedmsg-keys", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            # No more threads, or the interpreter is about to end: the next caller tries again.
            self._thread = None
            turn.release()
            slot.release()

    def _work(self, work: Work, slot: threading.Lock, turn: threading.Semaphore) -> None:
        try:
            run(work())
        except Exception:  # noqa: BLE001 - it must not be silent, and nobody waits for it
            logger.exception("reading keys of %s ahead failed", self._place.issuer)
        finally:
            turn.release()
            slot.release()

    def close(self) -> None:
        self._closed = True
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            # After a fork this is the other process's thread, which counts as ended here.
            thread.join()

    @staticmethod
    def _mine(locks: dict[int, threading.Lock]) -> threading.Lock:
        # Two threads that come first agree on one lock, since `setdefault` of a dict is atomic.
        return locks.get(os.getpid()) or locks.setdefault(os.getpid(), threading.Lock())


class _Here:
    """The lock of one event loop in one process, and the task in it that reads ahead."""

    def __init__(self, loop: object) -> None:
        import anyio

        self.loop = loop
        self.process = os.getpid()
        self.lock = anyio.Lock()
        self.scope: anyio.CancelScope | None = None
        self.ended = anyio.Event()
        self.task: object = None


class AsyncPorts(_Ports):
    """Ports that suspend, on asyncio and trio. What is read ahead is read in a task: one a source, 4000 a directory."""

    def __init__(self, place: Place, fetcher: AsyncFetcher | None, turns: Turns) -> None:
        super().__init__(place)
        self._fetcher = fetcher
        self._turns = turns
        self._last: _Here | None = None

    def busy(self) -> bool:
        return self._here().lock.locked()

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[None]:
        async with self._here().lock:
            yield

    async def read(self, kid: str | None, validator: Validator | None) -> Read:
        return await self._read(self, kid, validator)

    def web(self) -> Web:
        if self._fetcher is None:
            raise KeyDirectoryError("this directory has no HTTP client")
        return self._fetcher.web()

    async def files(self, path: Path) -> tuple[bytes, ...]:
        from anyio.to_thread import run_sync

        return await run_sync(read_documents, path)

    def start(self, work: Work) -> None:
        import anyio

        here = self._here()
        if self._closed or here.scope is not None:
            return
        turn = self._turns.take((here.loop, here.process))
        if turn is None:
            return
        scope = here.scope = anyio.CancelScope()
        here.ended = anyio.Event()

        async def job() -> None:
            try:
                with scope:
                    await work()
            except Exception:  # noqa: BLE001 - it must not be silent, and nobody waits for it
                logger.exception("reading keys of %s ahead failed", self._place.issuer)
            finally:
                here.scope = here.task = None
                here.ended.set()
                turn.release()

        here.task = _spawn(job)

    async def aclose(self) -> None:
        self._closed = True
        here = self._last
        if here is None or here.scope is None or here is not self._here():
            return
        here.scope.cancel()
        await here.ended.wait()

    def _here(self) -> _Here:
        """Return what belongs to the loop that runs now; that of an earlier one, or of a parent process, is let go."""
        loop = _loop()
        here = self._last
        if here is None or here.loop is not loop or here.process != os.getpid():
            here = self._last = _Here(loop)
        return here


def _trio() -> Any:
    """Return trio's own names if this is a task of trio."""
    import sys

    trio = sys.modules.get("trio")
    # While another thread imports trio, it is there and has no names yet.
    lowlevel = getattr(trio, "lowlevel", None)
    return lowlevel if lowlevel is not None and lowlevel.in_trio_task() else None


def _loop() -> object:
    lowlevel = _trio()
    if lowlevel is not None:
        return lowlevel.current_trio_token()
    import asyncio

    return asyncio.get_running_loop()


def _spawn(job: Callable[[], Coroutine[Any, Any, None]]) -> object:
    """Begin a task that belongs to no caller; the loop itself ends it at the latest."""
    lowlevel = _trio()
    if lowlevel is not None:
        return lowlevel.spawn_system_task(job)
    import asyncio

    return asyncio.get_running_loop().create_task(job())
