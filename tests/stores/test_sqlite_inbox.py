"""The contracts, held against the inbox in a SQLite file: blocking, and on asyncio and trio."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from signedmsg.stores.sqlite_inbox import AsyncSQLiteInbox, SQLiteInbox
from signedmsg.testing import (
    AsyncBoundedInboxContract,
    AsyncInboxContract,
    AsyncQueuedInboxContract,
    BoundedInboxContract,
    InboxContract,
    ManualClock,
    QueuedInboxContract,
    QueuedTransactionsContract,
    TransactionalInboxContract,
)

if TYPE_CHECKING:
    from pathlib import Path


class TestSQLiteInbox(
    InboxContract, BoundedInboxContract, TransactionalInboxContract, QueuedInboxContract, QueuedTransactionsContract
):
    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self.path = tmp_path / "app.db"
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("CREATE TABLE words (word TEXT)")

    def make_inbox(self, *, clock: ManualClock, name: str) -> SQLiteInbox:
        return SQLiteInbox(self.path, name, clock=clock, timeout=20.0)

    def make_bounded_inbox(self, *, clock: ManualClock, name: str, quota: int) -> SQLiteInbox:
        return SQLiteInbox(self.path, name, clock=clock, quota=quota)

    def write(self, connection: sqlite3.Connection, word: str) -> None:
        connection.execute("INSERT INTO words VALUES (?)", (word,))

    def written(self) -> list[str]:
        with closing(sqlite3.connect(self.path)) as connection:
            return [word for (word,) in connection.execute("SELECT word FROM words")]


class TestAsyncSQLiteInboxOnAsyncio(AsyncInboxContract, AsyncBoundedInboxContract, AsyncQueuedInboxContract):
    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self.path = tmp_path / "app.db"

    def make_inbox(self, *, clock: ManualClock, name: str) -> AsyncSQLiteInbox:
        return AsyncSQLiteInbox(self.path, name, clock=clock, timeout=20.0)

    def make_bounded_inbox(self, *, clock: ManualClock, name: str, quota: int) -> AsyncSQLiteInbox:
        return AsyncSQLiteInbox(self.path, name, clock=clock, quota=quota)


class TestAsyncSQLiteInboxOnTrio(TestAsyncSQLiteInboxOnAsyncio):
    backend = "trio"
