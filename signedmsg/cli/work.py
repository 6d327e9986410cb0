"""`signedmsg work`: run the handlers of queued messages."""

from __future__ import annotations

import importlib
import inspect
import os
import signal
import sys
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, ExitStack
from typing import TYPE_CHECKING, Final, TypedDict, cast

from signedmsg.cli.output import note
from signedmsg.cli.problems import OK, CommandError, configuring
from signedmsg.observe import Event, MessageBuried, MessageHandled, WorkerFailed, log_event
from signedmsg.router import Router
from signedmsg.worker import AsyncWorker, Worker

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable

EXAMPLES: Final = """\
examples:
  signedmsg work shop.inbox:router
  signedmsg work shop.inbox:router --concurrency 16 --attempts 20
  signedmsg work shop.inbox:open_router --drain
ROUTER names a Router with queued=True, or a function that returns one, or a context manager that yields one
(a plain or an async one: open the connection pool there). Ctrl-C lets handlers that run come to their end.
"""


class _Options(TypedDict):
    concurrency: int
    attempts: int
    first_delay: float
    max_delay: float
    poll: float
    observe: Callable[[Event], None]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("router", metavar="ROUTER", help="module:name of the router, or of what makes it")
    parser.add_argument(
        "--concurrency", type=int, default=4, metavar="N", help="handlers at once (default %(default)s)"
    )
    parser.add_argument(
        "--attempts", type=int, default=10, metavar="N", help="tries a message has (default %(default)s)"
    )
    parser.add_argument(
        "--first-delay", type=float, default=1.0, metavar="S", help="longest wait before the second try"
    )
    parser.add_argument("--max-delay", type=float, default=600.0, metavar="S", help="most between two tries")
    parser.add_argument("--poll", type=float, default=0.5, metavar="S", help="wait between looks when idle")
    parser.add_argument("--drain", action="store_true", help="stop when no message is due")


def run(arguments: argparse.Namespace) -> int:
    """Run handlers until interrupted, or until no message is due."""
    made = _made(arguments.router)
    tally = _Tally()
    options: _Options = {
        "concurrency": arguments.concurrency,
        "attempts": arguments.attempts,
        "first_delay": arguments.first_delay,
        "max_delay": arguments.max_delay,
        "poll": arguments.poll,
        "observe": tally.observe,
    }
    if _is_async(made):
        import anyio

        anyio.run(_run_async, made, options, arguments.drain)
    else:
        _run_blocking(made, options, drain=arguments.drain)
    note(f"stopped: handled {tally.handled}, given up {tally.buried}")
    return OK


class _Tally:
    """Counts what became of messages, and logs."""

    def __init__(self) -> None:
        self.handled = self.buried = 0

    def observe(self, event: Event) -> None:
        self.handled += isinstance(event, MessageHandled)
        self.buried += isinstance(event, MessageBuried)
        if isinstance(event, WorkerFailed):
            note(f"{event.error}", label="store:", style="yellow")
        else:
            log_event(event)


def _made(name: str) -> object:
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        raise CommandError("ROUTER: expected module:name, such as shop.inbox:router")
    # As `python -m` does: what stands in the working directory can be named.
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - sys.path holds strings
    try:
        found: object = importlib.import_module(module)
        for step in attribute.split("."):
            found = getattr(found, step)
    except (ImportError, AttributeError) as error:
        raise CommandError(f"ROUTER {name}: {error}") from error
    make = cast("Callable[[], object]", found)
    if _is_router(found) or not callable(make):
        return found
    with configuring(f"ROUTER {name}"):
        return make()


def _is_router(made: object) -> bool:
    return isinstance(made, Router)


def _is_async(made: object) -> bool:
    """Tell whether it is an async router, or whether it must be awaited or entered to give one."""
    if _is_router(made):
        return cast("Router", made).waits == "suspends"
    return inspect.isawaitable(made) or isinstance(made, AbstractAsyncContextManager)


def _checked(made: object) -> Router:
    if not _is_router(made):
        raise CommandError(f"ROUTER: expected a Router, got {type(made).__name__}")
    return cast("Router", made)


def _run_blocking(made: object, options: _Options, *, drain: bool) -> None:
    with ExitStack() as opened:
        if isinstance(made, AbstractContextManager):
            made = opened.enter_context(cast("AbstractContextManager[object]", made))
        router = _checked(made)
        with configuring():
            worker = Worker(router, **options)

        def stop(*_: object) -> None:
            worker.stop()

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        worker.run(drain=drain)


async def _run_async(made: object, options: _Options, drain: bool) -> None:
    import anyio

    async with AsyncExitStack() as opened:
        if inspect.isawaitable(made):
            made = await cast("Awaitable[object]", made)
        if isinstance(made, AbstractAsyncContextManager):
            made = await opened.enter_async_context(cast("AbstractAsyncContextManager[object]", made))
        router = _checked(made)
        with configuring():
            worker = AsyncWorker(router, **options)
        async with anyio.create_task_group() as group:
            group.start_soon(_stop_on_signals, worker)
            await worker.run(drain=drain)
            group.cancel_scope.cancel()


async def _stop_on_signals(worker: AsyncWorker) -> None:
    import anyio

    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            worker.stop()
            return
