"""The async contracts, held against the naive inbox as coroutines: that they ask the same of both faces."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from signedmsg.testing import (
    AsyncBoundedInboxContract,
    AsyncInboxContract,
    AsyncQueuedInboxContract,
    AsyncQueuedTransactionsContract,
    AsyncTransactionalInboxContract,
    ManualClock,
)
from tests.stores.naive_inbox import NaiveInbox, Store, Words

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


class Coroutines:
    """Something whose methods are to be awaited."""

    waits = "suspends"

    def __init__(self, target: Any) -> None:
        self.target = target

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.target, name)
        if name == "connection" or not callable(value):
            return value

        async def call(*given: Any) -> Any:
            return value(*given)

        return call

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Coroutines]:
        with self.target.transaction() as transaction:
            yield Coroutines(transaction)


class TestCoroutinesOnAsyncio(
    AsyncInboxContract,
    AsyncBoundedInboxContract,
    AsyncTransactionalInboxContract,
    AsyncQueuedInboxContract,
    AsyncQueuedTransactionsContract,
):
    def setup_method(self) -> None:
        self.store = Store()

    async def make_inbox(self, *, clock: ManualClock, name: str) -> Any:
        return Coroutines(NaiveInbox(self.store, clock=clock, name=name))

    def make_bounded_inbox(self, *, clock: ManualClock, name: str, quota: int) -> Any:
        return Coroutines(NaiveInbox(self.store, clock=clock, name=name, quota=quota))

    async def close_inbox(self, inbox: Any) -> None:
        assert isinstance(inbox, Coroutines)

    async def write(self, connection: Words, word: str) -> None:
        connection.append(word)

    async def end_transaction(self, connection: Words) -> None:
        connection.commit()

    def written(self) -> list[str]:
        return self.store.words


class TestCoroutinesOnTrio(TestCoroutinesOnAsyncio):
    backend = "trio"
