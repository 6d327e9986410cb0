"""Run handlers of either colour, and refuse what none of them could finish."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Awaitable, Coroutine, Generator
from typing import TYPE_CHECKING, cast

from signedmsg._inboxes.leases import AsyncLease, Lease, ThreadLease

if TYPE_CHECKING:
    from collections.abc import Callable

    from signedmsg._core.events import Event
    from signedmsg._core.inbox import Claim
    from signedmsg._core.message import Message
    from signedmsg._flows.process import Handler, Processing


class BlockingCalls:
    """Runs plain handlers where it stands."""

    def __init__(self, notice: Callable[[Event], None]) -> None:
        self.notice = notice

    async def call(self, route: Handler, message: Message[object], *extra: object) -> None:
        """See `CallPorts.call`."""
        refuse_unfinished(route.handler(message, *extra[: route.takes]), "a blocking receiver cannot await")

    def lease(self, route: Handler, claim: Claim, how: Processing, /) -> Lease:
        """See `CallPorts.lease`."""
        del route
        return Lease(claim, how.inbox, how.lease)


class ThreadCalls(BlockingCalls):
    """Runs plain handlers in a thread that others wait for, which no handler may end.

    What is raised there ends that thread alone, and without a word, or the event loop that waits for it. It may
    be `sys.exit`, or the panic of an extension module, which is no `Exception` either (PyO3).
    """

    async def call(self, route: Handler, message: Message[object], *extra: object) -> None:
        """See `CallPorts.call`."""
        try:
            await super().call(route, message, *extra)
        except Exception:
            raise
        except BaseException as error:
            # The others, such as the exit of a program or the cancellation of its task, are for the main thread.
            if not _is_panic(error) and threading.current_thread() is threading.main_thread():
                raise
            raise let_out(error) from error


class AsyncCalls:
    """Awaits coroutine handlers; runs plain ones, which may block, beside the event loop (asyncio and trio)."""

    def __init__(self, notice: Callable[[Event], None]) -> None:
        self.notice = notice

    async def call(self, route: Handler, message: Message[object], *extra: object) -> None:
        """See `CallPorts.call`."""
        if route.suspends:
            try:
                await cast("Awaitable[object]", route.handler(message, *extra[: route.takes]))
            except BaseException as error:
                _refuse_leaked(error)
                raise
            return
        extra = extra[: route.takes]
        from anyio.to_thread import run_sync

        try:
            result = await run_sync(route.handler, message, *extra)
            if isinstance(result, Coroutine):
                await cast("Coroutine[object, object, object]", result)
                return
        except BaseException as error:
            _refuse_leaked(error)
            raise
        # A future was made in the worker thread, where no event loop runs to finish it.
        refuse_unfinished(result, "nobody would await")

    def lease(self, route: Handler, claim: Claim, how: Processing, /) -> AsyncLease | Lease:
        """See `CallPorts.lease`."""
        return (AsyncLease if route.suspends else ThreadLease)(claim, how.inbox, how.lease)


def _is_panic(error: BaseException) -> bool:
    # Loaded by whoever runs an event loop of it: the doors that block do without.
    import asyncio

    return not isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError))


def let_out(error: BaseException) -> RuntimeError:
    """Return what a handler is said to have raised in place of what is no `Exception`."""
    return RuntimeError(f"the handler raised {type(error).__name__}")


def _refuse_leaked(error: BaseException) -> None:
    """Turn a cancellation that nobody asked of this task into an error of the handler.

    A handler that awaits a task of its own which was cancelled lets that come out, as if it were
    cancelled itself; a worker's loop would end by it, and with it the application around the worker.
    """
    # Loaded by whoever runs an event loop of it: the doors that block do without.
    import asyncio

    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        if task is not None and not task.cancelling():
            raise RuntimeError("the handler let out the cancellation of a task of its own") from error


def refuse_unfinished(result: object, who: str) -> None:
    """Refuse what a lambda around an async or a generator function returns: called done, the message would be lost."""
    kind = type(result).__name__
    if isinstance(result, Coroutine):
        cast("Coroutine[object, object, object]", result).close()
    if isinstance(result, (Awaitable, Generator, AsyncGenerator)):
        raise TypeError(f"the handler returned a {kind}, which {who}")
