"""The tables of a SQLite inbox inside an application's own database, versioned and migrated forward.

Their names begin with `signedmsg_`. One row of `signedmsg_schema` says which version of them
the file has; a migration is a list of statements from one version to the next.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final

from signedmsg.stores._sqlite_schema import APPLICATION_ID as REPLAY_CACHE

if TYPE_CHECKING:
    from collections.abc import Sequence

PART: Final = "inbox"

# `key` is 16 bytes of a digest over inbox, issuer and message id, which makes the index on it
# a third as large. `due` is when the lease is over, when a waiting message is due, or when
# it died; `span` is how long before that it was set, by which a clock that stepped back
# is noticed. A digest that is NULL binds nothing: the message was forgotten.
_FIRST: Final = (
    """CREATE TABLE signedmsg_inbox (
        key BLOB NOT NULL PRIMARY KEY, inbox TEXT NOT NULL, issuer TEXT NOT NULL, message_id TEXT NOT NULL,
        type TEXT NOT NULL, digest BLOB, state TEXT NOT NULL CHECK (state IN
            ('released', 'running', 'done', 'rejected', 'waiting', 'working', 'dead')),
        fence INTEGER NOT NULL, attempt INTEGER NOT NULL, due REAL NOT NULL, span REAL NOT NULL,
        keep_until REAL NOT NULL, status INTEGER, reason TEXT, body BLOB)""",
    """CREATE INDEX signedmsg_inbox_due ON signedmsg_inbox (inbox, due)
        WHERE state IN ('waiting', 'working')""",
    "CREATE INDEX signedmsg_inbox_dead ON signedmsg_inbox (inbox, due) WHERE state = 'dead'",
    """CREATE INDEX signedmsg_inbox_end ON signedmsg_inbox (keep_until)
        WHERE state IN ('released', 'running', 'done', 'rejected')""",
    """CREATE TABLE signedmsg_inbox_issuers (
        inbox TEXT NOT NULL, issuer TEXT NOT NULL, kept INTEGER NOT NULL, PRIMARY KEY (inbox, issuer)) WITHOUT ROWID""",
    """CREATE TRIGGER signedmsg_inbox_added AFTER INSERT ON signedmsg_inbox BEGIN
        INSERT INTO signedmsg_inbox_issuers VALUES (NEW.inbox, NEW.issuer, 1)
        ON CONFLICT (inbox, issuer) DO UPDATE SET kept = kept + 1; END""",
    """CREATE TRIGGER signedmsg_inbox_removed AFTER DELETE ON signedmsg_inbox BEGIN
        UPDATE signedmsg_inbox_issuers SET kept = kept - 1 WHERE inbox = OLD.inbox AND issuer = OLD.issuer;
        DELETE FROM signedmsg_inbox_issuers WHERE inbox = OLD.inbox AND issuer = OLD.issuer AND kept <= 0; END""",
    "CREATE TABLE signedmsg_inbox_forgot (id INTEGER PRIMARY KEY CHECK (id = 1), at REAL NOT NULL)",
    "INSERT INTO signedmsg_inbox_forgot VALUES (1, 0)",
)
MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (_FIRST,)
VERSION: Final = len(MIGRATIONS)


def version_of(connection: sqlite3.Connection) -> int:
    """Return the version of the tables in a database; 0 where there are none.

    Raises:
        ValueError: the file is no database, or a replay cache.
    """
    try:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_NOTADB:
            raise ValueError("path: the file is not a SQLite database") from error
        raise
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application == REPLAY_CACHE:
        raise ValueError(
            "path: the file is a replay cache, which needs one of its own: a database has one writer at a time"
        )
    if "signedmsg_schema" not in tables:
        return 0
    found = connection.execute("SELECT version FROM signedmsg_schema WHERE part = ?", (PART,)).fetchone()
    return int(found[0]) if found else 0


def check_version(found: int) -> None:
    """Refuse tables that this version of the package would misread.

    Raises:
        ValueError: they are of a later version, of an earlier one, or not there.
    """
    if found > VERSION:
        raise ValueError(f"path: the inbox has layout {found}; this version of signedmsg knows those up to {VERSION}")
    if found < VERSION:
        raise ValueError(f"path: the inbox has layout {found}, and {VERSION} is needed: initialise the store first")


def migrate(connection: sqlite3.Connection, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> int:
    """Bring the tables to the newest version, and return the version that was there before.

    Called in a transaction, so that all of it happens or nothing.

    Raises:
        ValueError: they are of a later version.
    """
    found = version_of(connection)
    if found > len(migrations):
        check_version(found)
    if found < len(migrations):
        connection.execute(
            "CREATE TABLE IF NOT EXISTS signedmsg_schema (part TEXT PRIMARY KEY, version INTEGER NOT NULL)"
        )
        for statements in migrations[found:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute("INSERT OR REPLACE INTO signedmsg_schema VALUES (?, ?)", (PART, len(migrations)))
    return found
