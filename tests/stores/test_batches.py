"""Questions that go to a server together: whoever is cancelled, everybody else gets an answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import anyio
import pytest

from signedmsg import QuotaError, StoreError
from signedmsg.stores._batches import Batches

if TYPE_CHECKING:
    from collections.abc import Sequence


class Slow:
    """Answers once it is let go; says how many it was asked at once."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.asked: list[int] = []
        self.fails: Exception | None = None

    async def ask(self, questions: Sequence[int]) -> list[bool | Exception]:
        self.asked.append(len(questions))
        await self.go.wait()
        if self.fails is not None:
            raise self.fails
        return [QuotaError("full") if question < 0 else question % 2 == 0 for question in questions]

    async def afterwards(self) -> None:
        raise StoreError("nobody waits for this")


def batch_task() -> asyncio.Task[object]:
    (task,) = (task for task in asyncio.all_tasks() if "_work" in repr(task.get_coro()))
    return task


async def ends(*tasks: asyncio.Task[bool]) -> list[bool | BaseException]:
    async with asyncio.timeout(10):
        return await asyncio.gather(*tasks, return_exceptions=True)


def test_what_gathers_while_one_batch_is_under_way_goes_together_in_order() -> None:
    async def work() -> None:
        server = Slow()
        batches = Batches(server, at_once=3)
        tasks = [asyncio.create_task(batches.answer(number)) for number in range(6)]
        await asyncio.sleep(0)
        server.go.set()
        assert await ends(*tasks) == [True, False, True, False, True, False]
        assert server.asked == [3, 3]

    asyncio.run(work())


@pytest.mark.parametrize("started", [False, True])
def test_nobody_hangs_when_the_batch_is_cancelled(*, started: bool) -> None:
    async def work() -> None:
        server = Slow()
        batches = Batches(server, at_once=8)
        task = asyncio.create_task(batches.answer(2))
        await asyncio.sleep(0)
        if started:
            await asyncio.sleep(0)
        batch_task().cancel()
        (end,) = await ends(task)
        assert isinstance(end, StoreError)
        server.go.set()
        assert await batches.answer(2)

    asyncio.run(work())


def test_caller_that_is_cancelled_takes_no_other_along() -> None:
    async def work() -> None:
        server = Slow()
        batches = Batches(server, at_once=8)
        first, other = asyncio.create_task(batches.answer(1)), asyncio.create_task(batches.answer(2))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        first.cancel()
        server.go.set()
        end, answer = await ends(first, other)
        assert isinstance(end, asyncio.CancelledError)
        assert answer is True

    asyncio.run(work())


def test_refusal_of_one_is_not_that_of_the_others() -> None:
    async def work() -> None:
        server = Slow()
        server.go.set()
        batches = Batches(server, at_once=8)
        ended = await ends(*(asyncio.create_task(batches.answer(number)) for number in (2, -1, 4)))
        assert [type(end) for end in ended] == [bool, QuotaError, bool]

    asyncio.run(work())


def test_outage_is_an_exception_of_its_own_for_each_caller() -> None:
    async def work() -> None:
        server = Slow()
        server.fails = OSError("no route")
        server.go.set()
        batches = Batches(server, at_once=8)
        ended = await ends(*(asyncio.create_task(batches.answer(number)) for number in range(3)))
        assert [type(end) for end in ended] == [StoreError] * 3
        assert len({id(end) for end in ended}) == 3

    asyncio.run(work())


def test_trio_is_refused() -> None:
    async def work() -> None:
        with pytest.raises(StoreError, match="asyncio only"):
            await Batches(None, at_once=8).answer(1)  # type: ignore[arg-type]

    anyio.run(work, backend="trio")
