"""Worker and AsyncWorker: run the handlers of queued messages, a bounded number at a time."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from signedmsg._core.events import WorkerFailed
from signedmsg._core.policy import between, check
from signedmsg._flows.run import run
from signedmsg._flows.work import Retries, work
from signedmsg._inboxes import AsyncCalls, ThreadCalls, let_out
from signedmsg.observe import Event, log_event, quietly
from signedmsg.router import Router

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from anyio.abc import TaskGroup

    from signedmsg._core.message import Message
    from signedmsg._flows.process import Handler

_MOST_POLLS_SKIPPED: Final = 30.0
P = TypeVar("P", bound="ThreadCalls | AsyncCalls")


class _Worker(Generic[P]):
    """What both faces share: the configuration, and how long to wait between two looks."""

    def __init__(
        self,
        router: Router,
        *,
        concurrency: int = 4,
        attempts: int = 10,
        first_delay: float = 1.0,
        max_delay: float = 600.0,
        poll: float = 0.5,
        observe: Callable[[Event], None] | None = None,
    ) -> None:
        if not isinstance(router, Router):
            raise TypeError(f"router: expected a Router, got {type(router).__name__}")
        processing = router.processing
        if processing is None or not processing.queued:
            raise ValueError("router: a worker needs one with an inbox and queued=True")
        check(
            (
                _whole("concurrency", concurrency, 1000),
                _whole("attempts", attempts, 1000),
                between("first_delay", first_delay, 0, 86_400, "seconds"),
                between("max_delay", max_delay, 0, 86_400, "seconds"),
                between("poll", poll, 0.001, 60, "seconds"),
            )
        )
        self.router = router
        self._how = processing
        self._retries = Retries(attempts, first_delay, max_delay)
        # Messages taken beyond that would only wait, until their leases are over: and each such attempt counts.
        most: int = getattr(router.inbox, "transactions_at_once", None) or concurrency
        self._concurrency = min(concurrency, most) if processing.transaction else concurrency
        self._poll = poll
        self._ports = self._connect(quietly(observe or log_event))

    def _connect(self, notice: Callable[[Event], None]) -> P:
        raise NotImplementedError

    def _pause(self, failures: int) -> float:
        """Return how long to wait, at random so that workers do not look in step; longer while the store is down."""
        longest = min(_MOST_POLLS_SKIPPED, self._poll * 2.0 ** min(failures, 16))
        return longest * (0.5 + random.random())  # noqa: S311 - spreads load, guards nothing


def _whole(name: str, value: object, most: int) -> str | None:
    if type(value) is int and 1 <= value <= most:
        return None
    return f"{name}: expected a whole number from 1 to {most}"


class _BlockingPorts(ThreadCalls):
    jitter = staticmethod(random.random)


class _AsyncPorts(AsyncCalls):
    jitter = staticmethod(random.random)

    async def call(self, route: Handler, message: Message[object], *extra: object) -> None:
        """See `CallPorts.call`; what a plain function raises in its thread is not to end the application."""
        from anyio import get_cancelled_exc_class

        try:
            await super().call(route, message, *extra)
        except (Exception, BaseExceptionGroup, KeyboardInterrupt, GeneratorExit, get_cancelled_exc_class()):
            raise
        except BaseException as error:
            if isinstance(error, SystemExit) and route.suspends:
                raise
            raise let_out(error) from error


class Worker(_Worker[_BlockingPorts]):
    """Runs the handlers of a router whose messages are queued, in threads.

    Any number of workers, in any number of processes, may share a store. Start one with
    `signedmsg work module:router`, in a process of your own with `run()`, or beside an
    application:

    ```python
    with Worker(router):
        serve()
    ```

    A message whose handler raises is tried again after a growing, random delay; after
    `attempts` it becomes a dead letter, which stays in the store until it is redriven.
    One whose worker died is taken by another when its lease (see `Router`) is over.

    Args:
        router: one with an inbox and `queued=True`.
        concurrency: how many handlers run at once in this worker; in `transaction` mode no more than the store can
            have open: one on SQLite, on PostgreSQL one less than the pool may have connections.
        attempts: how often a message is tried, crashes included.
        first_delay: the longest wait before the second attempt, in seconds; doubled each time.
        max_delay: the longest wait between two attempts, in seconds.
        poll: about how long an idle worker waits before it looks again, in seconds.
        observe: called with each event; they are logged by default.

    Raises:
        TypeError, ValueError: the configuration is wrong.
    """

    def _connect(self, notice: Callable[[Event], None]) -> _BlockingPorts:
        self.router.require_blocking()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        return _BlockingPorts(notice)

    def run(self, *, drain: bool = False) -> None:
        """Run handlers until `stop()` is called; with `drain`, until no message is due.

        Raises:
            StoreError: with `drain`, the store cannot answer.
        """
        if not drain:
            # Not `start`: a signal to stop that comes just before this is one to stop.
            self._launch()
            self._join()
            return
        while not self._stopping.is_set() and run(work(self._ports, self._how, self.router, self._retries)):
            pass
        self._stopping.clear()

    def start(self) -> None:
        """Start the threads, and return.

        Raises:
            RuntimeError: it runs already.
        """
        if self._threads and self._stopping.is_set():
            self._join()
        self._stopping.clear()
        self._launch()

    def _launch(self) -> None:
        if self._threads:
            raise RuntimeError("this worker runs already")
        self._threads = [
            threading.Thread(target=self._loop, name=f"signedmsg worker {number}", daemon=True)
            for number in range(self._concurrency)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Take no further message; handlers that run are left to end. Safe to call from a signal handler."""
        self._stopping.set()

    def _join(self) -> None:
        for thread in self._threads:
            # In slices, so that the main thread goes on hearing of signals.
            while thread.is_alive():
                thread.join(0.5)
        self._threads = []
        # It was meant for what has ended now, and not for what is run next.
        self._stopping.clear()

    def _loop(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                busy = run(work(self._ports, self._how, self.router, self._retries))
                failures = 0
            except Exception as error:  # noqa: BLE001 - whatever it is, a worker goes on
                self._ports.notice(WorkerFailed(error=error))
                busy, failures = False, failures + 1
            if not busy:
                self._stopping.wait(self._pause(failures))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._join()


class AsyncWorker(_Worker[_AsyncPorts]):
    """The async twin of `Worker`, for asyncio and trio; see there for the arguments.

    In an application's lifespan:

    ```python
    async with AsyncWorker(router):
        yield
    ```
    """

    def _connect(self, notice: Callable[[Event], None]) -> _AsyncPorts:
        self.router.require_async()
        self._stopping = False
        self._wake: Callable[[], None] = lambda: None
        self._group: TaskGroup | None = None
        return _AsyncPorts(notice)

    async def run(self, *, drain: bool = False) -> None:
        """See `Worker.run`."""
        if drain:
            while not self._stopping and await work(self._ports, self._how, self.router, self._retries):
                pass
        elif not self._stopping:
            async with self:
                await self._idle.wait()
        self._stopping = False

    def stop(self) -> None:
        """See `Worker.stop`. Call it in the event loop."""
        self._stopping = True
        self._wake()

    async def _loop(self) -> None:
        from anyio import move_on_after

        failures = 0
        while not self._stopping:
            try:
                busy = await work(self._ports, self._how, self.router, self._retries)
                failures = 0
            except Exception as error:  # noqa: BLE001 - whatever it is, a worker goes on
                self._ports.notice(WorkerFailed(error=error))
                busy, failures = False, failures + 1
            if not busy:
                with move_on_after(self._pause(failures)):
                    await self._idle.wait()

    async def __aenter__(self) -> Self:
        from anyio import Event as Signal
        from anyio import create_task_group

        if self._group is not None:
            raise RuntimeError("this worker runs already")
        self._stopping, self._idle = False, Signal()
        self._wake = self._idle.set
        self._group = create_task_group()
        await self._group.__aenter__()
        for _ in range(self._concurrency):
            self._group.start_soon(self._loop)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from anyio import get_cancelled_exc_class

        self.stop()
        group = self._group
        if group is not None:
            # Handlers that run are left to end, unless the application itself is being cancelled;
            # an error of the application's own would come out wrapped in a group.
            cancelled = isinstance(error, get_cancelled_exc_class())
            try:
                await group.__aexit__(*((kind, error, trace) if cancelled else (None, None, None)))
            finally:
                self._group, self._stopping = None, False
