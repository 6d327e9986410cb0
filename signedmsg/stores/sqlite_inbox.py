"""An inbox in an application's own SQLite database: the two faces, and what makes its tables.

`SQLiteInbox` and `AsyncSQLiteInbox` make their tables when they are built; `init` does so
apart from them, for a deployment that wants it done by another user or beforehand.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, NamedTuple

from signedmsg.stores import _sqlite_inbox_schema as schema
from signedmsg.stores._sqlite_inbox_async import AsyncSQLiteInbox
from signedmsg.stores._sqlite_inbox_blocking import SQLiteInbox
from signedmsg.stores._sqlite_inbox_open import check_file, failing, identity_of, make_tables

if TYPE_CHECKING:
    import os

__all__ = ["AsyncSQLiteInbox", "SQLiteInbox", "SQLiteInboxStatus", "init", "status"]

_TIMEOUT = 10.0


class SQLiteInboxStatus(NamedTuple):
    """What tables a file has.

    Attributes:
        version: the version of the inbox's tables; 0 where there are none, or no file.
        newest: the version that this package makes.
        messages: how many messages the tables hold, of all inboxes.
    """

    version: int
    newest: int
    messages: int


def init(path: str | os.PathLike[str]) -> int:
    """Make the tables of an inbox where they are missing, migrate older ones, and return the version there was.

    A file that is missing is made with mode 0600.

    Raises:
        ValueError: the file is no database, a replay cache, or has tables of a later version.
        StoreError: it cannot be opened or written now.
    """
    path = check_file(path)
    with failing(path, _TIMEOUT, wrong=False):
        return make_tables(path, _TIMEOUT)


def status(path: str | os.PathLike[str]) -> SQLiteInboxStatus:
    """Tell which version of the tables a file has. Changes nothing.

    Raises:
        ValueError: the file is no database, or a replay cache.
        StoreError: it cannot be read now.
    """
    path = check_file(path)
    if identity_of(path) is None:
        return SQLiteInboxStatus(0, schema.VERSION, 0)
    with failing(path, _TIMEOUT, wrong=False):
        connection = sqlite3.connect(path, timeout=_TIMEOUT, isolation_level=None)
        try:
            version, messages = schema.version_of(connection), 0
            if version:
                (messages,) = connection.execute("SELECT count(*) FROM signedmsg_inbox").fetchone()
        finally:
            connection.close()
    return SQLiteInboxStatus(version, schema.VERSION, messages)
