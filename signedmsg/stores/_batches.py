"""Concurrent questions of one event loop go to the server together: one batch is under way at a time.

While it is, others gather for the next. The batch runs in a task of its own, so no
caller that is cancelled takes the answers of the others with it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from contextvars import Context
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar
from weakref import WeakKeyDictionary

from signedmsg.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

Q = TypeVar("Q")
Q_contra = TypeVar("Q_contra", contravariant=True)


class Entry(NamedTuple):
    """The arguments of an `add`."""

    key: bytes
    keep: float
    issuer: str
    issued_at: float


class Server(Protocol[Q_contra]):
    """Who answers many questions at once."""

    async def ask(self, questions: Sequence[Q_contra], /) -> Sequence[bool | Exception]:
        """Return an answer to each; what it raises is the answer to all."""
        ...

    async def afterwards(self) -> None:
        """Do what nobody waits for; if it fails, the next batch tries again."""
        ...


class Batches(Generic[Q]):
    """Collects what the tasks of each event loop ask, at most `at_once` for one batch."""

    def __init__(self, server: Server[Q], at_once: int) -> None:
        self._server, self._at_once = server, at_once
        # By loop, since a future must be answered in its own: a client may be shared, its callers not.
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Batch[Q]] = WeakKeyDictionary()

    async def answer(self, question: Q) -> bool:
        """Return the answer.

        Raises:
            StoreError: there is none, or this is no asyncio event loop.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError as error:
            raise StoreError("the async clients of this store work on asyncio only, not on trio") from error
        batch = self._loops.get(loop)
        if batch is None:
            batch = self._loops[loop] = _Batch(self._server, self._at_once)
        return await batch.put(question, loop)


class _Batch(Generic[Q]):
    """What waits in one event loop, and the task that works it off; it ends when nothing waits."""

    def __init__(self, server: Server[Q], at_once: int) -> None:
        self._server, self._at_once = server, at_once
        self._waiting: list[tuple[Q, asyncio.Future[bool]]] = []
        self._taken: list[tuple[Q, asyncio.Future[bool]]] = []
        self._task: asyncio.Task[None] | None = None

    def put(self, question: Q, loop: asyncio.AbstractEventLoop) -> asyncio.Future[bool]:
        """Let a question wait, and return what will have its answer."""
        future: asyncio.Future[bool] = loop.create_future()
        self._waiting.append((question, future))
        if self._task is None:
            self._start()
        return future

    def _start(self) -> None:
        # An empty context: what serves many callers is not part of the first one's trace.
        self._task = asyncio.get_running_loop().create_task(self._work(), context=Context())
        # Not `finally` in the task: one that is cancelled before its first step has none.
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        # None also because a task holds its loop, which could not be forgotten then.
        self._task = None
        if not task.cancelled() and task.exception() is None:
            if self._waiting:
                self._start()
            return
        # As at the end of `asyncio.run`.
        for _, future in (*self._taken, *self._waiting):
            _settle(future, StoreError("the task that asks the replay cache was cancelled"))
        self._taken, self._waiting = [], []

    async def _work(self) -> None:
        while self._waiting:
            taken, self._waiting = self._waiting[: self._at_once], self._waiting[self._at_once :]
            # Those whose callers were cancelled meanwhile are left out: they did nothing.
            self._taken = [one for one in taken if not one[1].done()]
            await self._serve(self._taken)
            self._taken = []
            with suppress(StoreError):
                await self._server.afterwards()

    async def _serve(self, taken: list[tuple[Q, asyncio.Future[bool]]]) -> None:
        answers: Sequence[bool | Exception]
        try:
            answers = await self._server.ask([question for question, _ in taken])
        except Exception as error:  # noqa: BLE001 - each caller must get an answer, whatever went wrong
            answers = [error] * len(taken)
        for (_, future), answer in zip(taken, answers, strict=True):
            _settle(future, answer)


def _settle(future: asyncio.Future[bool], answer: bool | Exception) -> None:
    if future.done():
        # Its caller was cancelled, as if it had died after the add.
        return
    if isinstance(answer, Exception):
        # One for each: an exception that is raised in many tasks would gather the frames of all of them.
        future.set_exception(_copied(answer))
    else:
        future.set_result(answer)


def _copied(error: Exception) -> Exception:
    if not isinstance(error, StoreError):
        if type(error).__module__.startswith("signedmsg."):
            return error
        unexpected = StoreError(f"the replay cache failed: {type(error).__name__}")
        unexpected.__cause__ = error
        return unexpected
    copy = type(error)(str(error), retry_after=error.retry_after, code=error.code, hint=error.hint)
    copy.__cause__ = error.__cause__
    return copy
