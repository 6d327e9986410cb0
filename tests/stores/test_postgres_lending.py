"""Connections that are borrowed for a while come back, however their borrowers are cancelled."""

from __future__ import annotations

import asyncio
import random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from psycopg.pq import TransactionStatus
from psycopg_pool import AsyncConnectionPool

from signedmsg._core.inbox import Done
from signedmsg.stores._postgres_lending import Lent
from signedmsg.stores.postgres import AsyncPostgresInbox
from tests.stores.postgres_tables import message

if TYPE_CHECKING:
    from types import TracebackType

STATES = pytest.mark.parametrize("state", [TransactionStatus.IDLE, TransactionStatus.INTRANS])


class Lending:
    """What a pool's `connection()` returns; its lock may be held by another."""

    def __init__(self, state: TransactionStatus) -> None:
        self.connection: Any = SimpleNamespace(info=SimpleNamespace(transaction_status=state))
        self.lock = asyncio.Lock()
        self.left_with: list[BaseException | None] = []

    async def __aenter__(self) -> Any:
        return self.connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        async with self.lock:
            self.left_with.append(error)


async def borrow(lending: Lending) -> None:
    async with Lent(lending):
        pass


@STATES
def test_borrower_that_is_cancelled_while_it_waits_to_return_does_return_it(state: TransactionStatus) -> None:
    async def main() -> list[BaseException | None]:
        lending = Lending(state)
        await lending.lock.acquire()
        borrower = asyncio.create_task(borrow(lending))
        for _ in range(3):
            await asyncio.sleep(0)
            borrower.cancel()
        lending.lock.release()
        with pytest.raises(asyncio.CancelledError):
            await borrower
        return lending.left_with

    assert asyncio.run(main()) == [None]


@STATES
def test_borrower_in_a_scope_that_is_cancelled_does_return_it(state: TransactionStatus) -> None:
    async def main() -> list[BaseException | None]:
        lending = Lending(state)
        await lending.lock.acquire()
        asyncio.get_running_loop().call_later(0.01, lending.lock.release)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await borrow(lending)
        return lending.left_with

    assert asyncio.run(main()) == [None]


@STATES
def test_error_of_the_borrower_is_passed_on_and_comes_out(state: TransactionStatus) -> None:
    lending = Lending(state)

    async def main() -> None:
        async with Lent(lending):
            raise KeyError("the borrower's own")

    with pytest.raises(KeyError):
        asyncio.run(main())
    assert [type(error) for error in lending.left_with] == [KeyError]


@pytest.mark.real_server
def test_tasks_that_are_cancelled_at_any_moment_leave_the_pool_whole(postgres_dsn: str, postgres_schema: str) -> None:
    chance = random.Random(1)

    async def use(inbox: AsyncPostgresInbox, number: int) -> None:
        async with inbox.transaction() as transaction:
            if await transaction.begin(message(number)) is None:
                await transaction.finish(204)

    async def be_cancelled(inbox: AsyncPostgresInbox, first: int) -> None:
        for number in range(first, first + 25):
            task = asyncio.create_task(use(inbox, number))
            asyncio.get_running_loop().call_later(chance.random() * 0.02, task.cancel)
            await asyncio.wait({task})

    async def main() -> None:
        async with AsyncConnectionPool(postgres_dsn, min_size=4, max_size=4, open=False) as pool:
            inbox = AsyncPostgresInbox(pool, schema=postgres_schema, timeout=30)
            await inbox.depth()
            await asyncio.gather(*(be_cancelled(inbox, 100 * each) for each in range(40)))
            # All four at once: one that was lost would be waited for in vain.
            async with asyncio.timeout(20), asyncio.TaskGroup() as group:
                barrier = asyncio.Barrier(4)
                for _ in range(4):
                    group.create_task(meet(pool, barrier))
            await use(inbox, 1)
            assert isinstance(await inbox.begin(message(1), 300.0), Done)

    async def meet(pool: AsyncConnectionPool, barrier: asyncio.Barrier) -> None:
        async with pool.connection():
            await barrier.wait()

    asyncio.run(main())
