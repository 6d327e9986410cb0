"""The queue of a SQLite inbox: the rows that wait for a worker, are with one, or were given up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from signedmsg._core.inbox import Claim, DeadLetter, Job, QueueDepth

if TYPE_CHECKING:
    import sqlite3

_NEXT: Final = """SELECT rowid, issuer, message_id, fence, attempt, body FROM signedmsg_inbox
    WHERE inbox = ? AND state IN ('waiting', 'working') AND due <= ? ORDER BY due, rowid LIMIT 1"""

_DEAD: Final = """SELECT issuer, message_id, type, attempt, reason, due FROM signedmsg_inbox
    WHERE inbox = ? AND state = 'dead' ORDER BY due DESC, rowid DESC LIMIT ?"""

_DEPTH: Final = """SELECT count(*) FILTER (WHERE state = 'waiting'), count(*) FILTER (WHERE state = 'working')
    FROM signedmsg_inbox WHERE inbox = ? AND state IN ('waiting', 'working')"""


def any_due(connection: sqlite3.Connection, inbox: str, now: float) -> bool:
    """Tell whether a worker would find something. Only reads."""
    return connection.execute(_NEXT, (inbox, now)).fetchone() is not None


def take(connection: sqlite3.Connection, inbox: str, now: float, lease: float) -> Job | None:
    """Claim the message that has been due longest, or return None."""
    found = connection.execute(_NEXT, (inbox, now)).fetchone()
    if found is None:
        return None
    rowid, issuer, message_id, fence, attempt, body = found
    connection.execute(
        "UPDATE signedmsg_inbox SET state = 'working', fence = ?, attempt = ?, due = ?, span = ? WHERE rowid = ?",
        (fence + 1, attempt + 1, now + lease, lease, rowid),
    )
    return Job(Claim(issuer, message_id, fence + 1, attempt + 1), bytes(body))


def dead(connection: sqlite3.Connection, inbox: str, limit: int) -> list[DeadLetter]:
    """Return messages that were given up, the latest first."""
    return [DeadLetter(*row) for row in connection.execute(_DEAD, (inbox, limit))]


def redrive(connection: sqlite3.Connection, key: bytes, now: float) -> bool:
    """Queue a dead message again, due now."""
    done = connection.execute(
        "UPDATE signedmsg_inbox SET state = 'waiting', attempt = 0, due = ?, span = 0, reason = NULL "
        "WHERE key = ? AND state = 'dead'",
        (now, key),
    )
    return done.rowcount == 1


def depth(connection: sqlite3.Connection, inbox: str) -> QueueDepth:
    """Count the messages of the queue."""
    waiting, running = connection.execute(_DEPTH, (inbox,)).fetchone()
    (buried,) = connection.execute(
        "SELECT count(*) FROM signedmsg_inbox WHERE inbox = ? AND state = 'dead'", (inbox,)
    ).fetchone()
    return QueueDepth(waiting, running, buried)
