"""Run handlers of either colour, and refuse what none of them could finish."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Coroutine, Generator
from typing import TYPE_CHECKING, Final, cast

from signedmsg._inboxes.leases import AsyncLease, Lease, ThreadLease

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

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


class AsyncCalls:
    """Awaits coroutine handlers; runs plain ones, which may block, beside the event loop (asyncio and trio)."""

    def __init__(self, notice: Callable[[Event], None]) -> None:
        self.notice = notice

    async def call(self, route: Handler, message: Message[object], *extra: object) -> None:
        """See `CallPorts.call`."""
        extra = extra[: route.takes]
        if route.suspends:
            with _LEAKING:
                await cast("Awaitable[object]", route.handler(message, *extra))
            return
        from anyio.to_thread import run_sync

        result = await run_sync(route.handler, message, *extra)
        if isinstance(result, Coroutine):
            with _LEAKING:
                await cast("Coroutine[object, object, object]", result)
        else:
            # A future was made in the worker thread, where no event loop runs to finish it.
            refuse_unfinished(result, "nobody would await")

    def lease(self, route: Handler, claim: Claim, how: Processing, /) -> AsyncLease | Lease:
        """See `CallPorts.lease`."""
        return (AsyncLease if route.suspends else ThreadLease)(claim, how.inbox, how.lease)


class _Leaking:
    """Turns a cancellation that nobody asked of this task into an error of the handler.

    A handler that awaits a task of its own which was cancelled lets that come out, as if it were
    cancelled itself; a worker's loop would end by it, and with it the application around the worker.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, asyncio.CancelledError):
            task = asyncio.current_task()
            if task is not None and not task.cancelling():
                raise RuntimeError("the handler let out the cancellation of a task of its own") from error


_LEAKING: Final = _Leaking()


def refuse_unfinished(result: object, who: str) -> None:
    """Refuse what a lambda around an async or a generator function returns: called done, the message would be lost."""
    kind = type(result).__name__
    if isinstance(result, Coroutine):
        cast("Coroutine[object, object, object]", result).close()
    if isinstance(result, (Awaitable, Generator, AsyncGenerator)):
        raise TypeError(f"the handler returned a {kind}, which {who}")
