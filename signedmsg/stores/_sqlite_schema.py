"""The tables of a SQLite replay cache and the transactions on them: add, rotate, purge.

Ids live in two generations, as in the memory cache: new ones join the young one, and
when every keep in the old one has run out the young one takes its place. What is left
of older generations is deleted a few rows at a time, next to each other on disk, so
that no `add` waits for a long sweep and no index over expiry times is needed.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypedDict

from signedmsg.stores._limits import CLOCK_TOLERANCE, clock_went_back, full, over_quota

if TYPE_CHECKING:
    from collections.abc import Generator

    from signedmsg.errors import QuotaError, StoreError

APPLICATION_ID: Final = 0x736D7263  # "smrc"
VERSION: Final = 1

_REMEDY: Final = "remove the file"
# `memory.turn` is when the old generation is over, `memory.clock` the latest time at
# which ids were dropped. Row 0 of `account` counts all issuers together and knows until
# when the young generation must be kept. It shares a page with the other rows, so that
# an `add` writes two pages and no more.
TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS memory (
        id INTEGER PRIMARY KEY CHECK (id = 1), birth_id BLOB NOT NULL, birth REAL NOT NULL, boot_id TEXT,
        generation INTEGER NOT NULL, turn REAL NOT NULL, clock REAL NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS account (
        id INTEGER PRIMARY KEY, issuer TEXT UNIQUE,
        young INTEGER NOT NULL, old INTEGER NOT NULL, until REAL NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS seen (
        generation INTEGER NOT NULL, key BLOB NOT NULL, account INTEGER NOT NULL, expires REAL NOT NULL,
        PRIMARY KEY (generation, key) ON CONFLICT IGNORE) WITHOUT ROWID""",
    """CREATE TRIGGER IF NOT EXISTS counted AFTER INSERT ON seen BEGIN
        UPDATE account SET young = young + 1, until = max(until, NEW.expires) WHERE id = 0;
        UPDATE account SET young = young + 1 WHERE id = NEW.account; END""",
    "INSERT OR IGNORE INTO account VALUES (0, NULL, 0, 0, 0)",
)

# This statement only accepts. Where a condition fails the generation is NULL, which the
# column does not take; `_settle` then finds out why.
_ADD: Final = f"""INSERT INTO seen VALUES (
    (SELECT m.generation FROM memory m, account total, account a
     WHERE m.id = 1 AND total.id = 0 AND a.issuer = :issuer AND m.turn > :now AND m.clock <= :now + {CLOCK_TOLERANCE}
     AND total.young + total.old < :capacity AND a.young + a.old < :quota
     AND NOT EXISTS (SELECT 1 FROM seen s WHERE s.generation = m.generation - 1 AND s.key = :key)),
    :key, (SELECT id FROM account WHERE issuer = :issuer), :now + :keep)"""  # noqa: S608 - a constant is put in

_SEEN: Final = """SELECT 1 FROM memory m, seen s
    WHERE m.id = 1 AND s.generation IN (m.generation, m.generation - 1) AND s.key = ?"""

_ANY_DEAD: Final = "SELECT 1 FROM seen WHERE generation < (SELECT generation - 1 FROM memory WHERE id = 1) LIMIT 1"

_PURGE: Final = """DELETE FROM seen WHERE (generation, key) IN (
    SELECT generation, key FROM seen WHERE generation < (SELECT generation - 1 FROM memory WHERE id = 1)
    ORDER BY generation, key LIMIT 64)"""


def create(connection: sqlite3.Connection, birth_id: bytes, birth: float, boot_id: str | None) -> None:
    """Lay out a new file; one that is laid out already stays as it is."""
    for table in TABLES:
        connection.execute(table)
    connection.execute(
        "INSERT OR IGNORE INTO memory VALUES (1, ?, ?, ?, 1, ?, 0)",
        (birth_id, birth, boot_id, birth),
    )
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def birth(connection: sqlite3.Connection) -> tuple[bytes, float, str | None]:
    """Return the birth id, the birth, and the run of the kernel that wrote last."""
    row: tuple[bytes, float, str | None] = connection.execute("SELECT birth_id, birth, boot_id FROM memory").fetchone()
    return row


def renew(connection: sqlite3.Connection, birth_id: bytes, birth: float, boot_id: str | None) -> None:
    """Record that ids may have been lost.

    Raises:
        StoreError: the clock is behind what the file has seen, so the moment is not known.
    """
    (clock,) = connection.execute("SELECT clock FROM memory").fetchone()
    if clock > birth + CLOCK_TOLERANCE:
        raise clock_went_back(clock - birth, _REMEDY)
    connection.execute("UPDATE memory SET birth_id = ?, birth = ?, boot_id = ?", (birth_id, birth, boot_id))


class Entry(TypedDict):
    """One id on its way into the table, and the limits of the table."""

    key: bytes
    keep: float
    issuer: str
    now: float
    capacity: int
    quota: int


def add(connection: sqlite3.Connection, entry: Entry) -> bool:
    """Record the id and return True the first time only; refuse it with an error when there is no room.

    One transaction each way: the id and its count are written together or not at all.
    """
    if (new := _insert(connection, entry)) is not None:
        return new
    # Asked again with a read, so that a flood of copies does not queue for the write lock.
    if seen(connection, entry["key"]):
        return False
    with transaction(connection):
        outcome = _settle(connection, entry)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def seen(connection: sqlite3.Connection, key: bytes) -> bool:
    """Tell whether the id was here before. Only reads, so it does not wait for whoever writes."""
    return connection.execute(_SEEN, (key,)).fetchone() is not None


def purge(connection: sqlite3.Connection) -> None:
    """Delete a few rows of generations that are over, where there are any."""
    if connection.execute(_ANY_DEAD).fetchone():
        connection.execute(_PURGE)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Generator[None]:
    """Hold the write lock for the block; commit what it did, or on any exception nothing of it."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _insert(connection: sqlite3.Connection, entry: Entry) -> bool | None:
    """Return True for an id that was recorded, False for one that the young generation has, None otherwise."""
    try:
        return connection.execute(_ADD, entry).rowcount == 1
    except sqlite3.IntegrityError:
        return None


def _settle(connection: sqlite3.Connection, entry: Entry) -> bool | StoreError | QuotaError:
    """Do what `_ADD` leaves undone — drop a generation, open an account — and try again, or return why not."""
    issuer, now = entry["issuer"], entry["now"]
    turn, clock = connection.execute("SELECT turn, clock FROM memory").fetchone()
    if clock > now + CLOCK_TOLERANCE:
        return clock_went_back(clock - now, _REMEDY)
    if turn <= now:
        turn = _rotate(connection, now, entry["keep"])
    connection.execute("INSERT OR IGNORE INTO account VALUES (NULL, ?, 0, 0, 0)", (issuer,))
    if (new := _insert(connection, entry)) is not None:
        return new
    if seen(connection, entry["key"]):
        return False
    retry_after = max(1.0, turn - now)
    (used,) = connection.execute("SELECT young + old FROM account WHERE issuer = ?", (issuer,)).fetchone()
    if used >= entry["quota"]:
        return over_quota(issuer, entry["quota"], retry_after)
    return full(entry["capacity"], retry_after)


def _rotate(connection: sqlite3.Connection, now: float, keep: float) -> float:
    """Drop the generations that are over, note the time if ids went with them, and return the next turn."""
    query = "SELECT young, old, until FROM account WHERE id = 0"
    young, old, until = connection.execute(query).fetchone()
    over = until <= now  # also when there is no young id at all
    turn: float = now + keep if over else until
    dropped = old + young if over else old
    connection.execute(
        "UPDATE memory SET generation = generation + ?, turn = ?, clock = max(clock, ?)",
        (2 if over else 1, turn, now if dropped else 0),
    )
    connection.execute("UPDATE account SET old = ? * young, young = 0, until = 0", (0 if over else 1,))
    connection.execute("DELETE FROM account WHERE id > 0 AND old = 0")
    return turn
