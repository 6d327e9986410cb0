"""Short words for the tests of the SQLite inbox: a message, a handler that writes a word, what is committed."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from signedmsg._core.inbox import Arrival

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from signedmsg._core.inbox import Settled
    from signedmsg.stores.sqlite_inbox import SQLiteInbox

ISSUER, OTHER = "https://billing.example", "https://orders.example"
FAR = 2e10


def message(number: int, *, keep_until: float = FAR, issuer: str = ISSUER, content: bytes = b"d") -> Arrival:
    return Arrival(issuer, f"msg_{number}", content * 32, keep_until, "invoice.paid")


def make_words(path: Path) -> None:
    execute(path, "CREATE TABLE words (word TEXT)")


def execute(path: Path, *statements: str) -> list[tuple[object, ...]]:
    """Run statements as another program would, and return the rows of the last one."""
    rows: list[tuple[object, ...]] = []
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            rows = connection.execute(statement).fetchall()
    return rows


def words(path: Path) -> list[object]:
    return [word for (word,) in execute(path, "SELECT word FROM words ORDER BY rowid")]


def handle(inbox: SQLiteInbox, arrival: Arrival, status: int = 204) -> Settled | None:
    """Run a handler that writes the message's id."""
    with inbox.transaction() as transaction:
        settled = transaction.begin(arrival)
        if settled is None:
            transaction.connection.execute("INSERT INTO words VALUES (?)", (arrival.message_id,))
            transaction.finish(status)
    return settled


@contextmanager
def held(path: Path) -> Generator[None]:
    """Hold the write lock, as another process might."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
