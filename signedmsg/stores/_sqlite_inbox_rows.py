"""The rows of a SQLite inbox: what is known of one message, and the steps that change it.

Each function is called in a transaction that holds the write lock, but for `read_row`
and `Row.settled`, which serve readers too.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from signedmsg._core.inbox import Claim, Conflict, Done, InProgress, Rejected
from signedmsg.stores._inbox_limits import ABANDONED, forgotten, lease_lost, over_quota

if TYPE_CHECKING:
    import sqlite3

    from signedmsg._core.inbox import Arrival, Settled
    from signedmsg.errors import QuotaError, StoreError

QUEUED_STATUS: Final = 202
_QUEUED: Final = frozenset({"waiting", "working", "dead"})
_OPEN: Final = frozenset({"released", "running"})
_PURGED_AT_ONCE: Final = 64

_READ: Final = """SELECT digest, state, fence, attempt, due, span, keep_until, status, reason
    FROM signedmsg_inbox WHERE key = ?"""

_PUT: Final = """INSERT INTO signedmsg_inbox
    (key, inbox, issuer, message_id, type, digest, state, fence, attempt, due, span, keep_until, status, body)
    VALUES (:key, :inbox, :issuer, :message_id, :type, :digest, :state, :fence, :attempt, :due, :span, :keep_until,
            :status, :body)
    ON CONFLICT (key) DO UPDATE SET type = :type, digest = :digest, state = :state, fence = :fence, attempt = :attempt,
        due = :due, span = :span, keep_until = max(keep_until, :keep_until), status = :status, reason = NULL,
        body = :body"""

_HELD: Final = "WHERE key = :key AND fence = :fence AND state IN ('running', 'working')"

_OVER: Final = f"""keep_until <= :now AND (state IN ('released', 'done', 'rejected')
    OR (state = 'running' AND due <= :now - {ABANDONED}))"""

_PURGE: Final = f"""DELETE FROM signedmsg_inbox WHERE rowid IN (
    SELECT rowid FROM signedmsg_inbox WHERE {_OVER} ORDER BY keep_until LIMIT {_PURGED_AT_ONCE})"""  # noqa: S608

_PURGE_ISSUER: Final = f"DELETE FROM signedmsg_inbox WHERE inbox = :inbox AND issuer = :issuer AND {_OVER}"  # noqa: S608

_REBASE: Final = """UPDATE signedmsg_inbox SET due = :now + span
    WHERE inbox = :inbox AND state IN ('waiting', 'working') AND due - span > :now"""


class Row(NamedTuple):
    """What is known of a message."""

    digest: bytes | None
    state: str
    fence: int
    attempt: int
    due: float
    span: float
    keep_until: float
    status: int | None
    reason: str | None

    def settled(self, digest: bytes, keep_until: float, now: float) -> Settled | None:
        """Say why the message is not to be run now; None when it is.

        A row that is over counts as absent, but not for the message that it is of: where the store's
        clock is ahead of the receiver's, that one would run again.
        """
        if self.digest is None or (self._is_over(now) and keep_until > now):
            return None
        if self.digest != digest:
            return Conflict()
        if self.state in _OPEN:
            left = min(self.due - now, self.span)
            return InProgress(left) if self.state == "running" and left > 0 else None
        if self.state == "rejected":
            return Rejected(self.reason or "rejected")
        # Queued ones, dead ones included, were answered so when they were stored.
        return Done(self.status or 0 if self.state == "done" else QUEUED_STATUS)

    def for_good(self, digest: bytes, keep_until: float, now: float) -> Settled | None:
        """Say the same, but None where the answer takes a write: a lease that is to begin anew."""
        return None if self.stepped_back(now) else self.settled(digest, keep_until, now)

    def stepped_back(self, now: float) -> bool:
        """Tell whether the lease was given in the future: the clock stepped back since."""
        return self.state == "running" and now < self.due - self.span

    def _is_over(self, now: float) -> bool:
        if self.keep_until > now or self.state in _QUEUED:
            return False
        return self.state != "running" or self.due <= now - ABANDONED


class Change(NamedTuple):
    """What a message is to become: its state, and how long from now its lease or its delay lasts."""

    state: str
    span: float
    status: int | None = None
    body: bytes | None = None


class Store(NamedTuple):
    """Which inbox of the file, the time, how many rows one issuer may have, and whether to tidy up."""

    inbox: str
    now: float
    quota: int | None
    tidy: bool


def key_of(inbox: str, issuer: str, message_id: str) -> bytes:
    """Return 16 bytes that stand for a message; each part is given with its length, so that no two triples meet."""
    digest = blake2b(digest_size=16, person=b"signedmsg-inbox")
    for part in (inbox, issuer, message_id):
        text = part.encode()
        digest.update(len(text).to_bytes(8, "big"))
        digest.update(text)
    return digest.digest()


def read_row(connection: sqlite3.Connection, key: bytes) -> Row | None:
    """Return the row of a message, or None."""
    found = _first(connection, _READ, key)
    return Row(*found) if found else None


def begin(
    connection: sqlite3.Connection, store: Store, arrival: Arrival, change: Change
) -> Claim | Settled | StoreError | QuotaError:
    """Change the state of a message that may run now, or say why it may not; an error is returned, not raised.

    Returned so that what was tidied up is committed all the same.
    """
    if store.tidy:
        tidy(connection, store)
    key = key_of(store.inbox, arrival.issuer, arrival.message_id)
    row = read_row(connection, key)
    settled = None if row is None else row.settled(arrival.digest, arrival.keep_until, store.now)
    if settled is not None:
        if row is not None and row.stepped_back(store.now):
            connection.execute("UPDATE signedmsg_inbox SET due = ? + span WHERE key = ?", (store.now, key))
        return settled
    if row is None and (refusal := _no_room(connection, store, arrival)) is not None:
        return refusal
    # A message that is only stored is claimed later.
    grow = 0 if change.state == "waiting" else 1
    fence, attempt = (row.fence + grow, row.attempt + grow) if row else (grow, grow)
    given = {**arrival._asdict(), **change._asdict(), "key": key, "inbox": store.inbox}
    connection.execute(_PUT, {**given, "fence": fence, "attempt": attempt, "due": store.now + change.span})
    return Claim(arrival.issuer, arrival.message_id, fence, attempt)


def update(connection: sqlite3.Connection, inbox: str, claim: Claim, change: str, **given: object) -> None:
    """Change what the claim holds.

    Raises:
        LeaseLostError: it holds nothing any more.
    """
    key = key_of(inbox, claim.issuer, claim.message_id)
    done = connection.execute(
        f"UPDATE signedmsg_inbox SET {change} {_HELD}",  # noqa: S608 - constants of this package
        {"key": key, "fence": claim.fence, **given},
    )
    if done.rowcount != 1:
        raise lease_lost(claim)


def release(connection: sqlite3.Connection, inbox: str, claim: Claim, now: float, delay: float) -> None:
    """Give back what the claim holds, if it still does."""
    connection.execute(
        "UPDATE signedmsg_inbox SET state = CASE state WHEN 'working' THEN 'waiting' ELSE 'released' END, "  # noqa: S608
        f"due = :now + :delay, span = :delay {_HELD}",
        {"key": key_of(inbox, claim.issuer, claim.message_id), "fence": claim.fence, "now": now, "delay": delay},
    )


def forget(connection: sqlite3.Connection, key: bytes) -> bool:
    """Let a message that is done or rejected run again.

    The row stays for its fence: what the next run writes must not look older than what this one wrote.
    """
    done = connection.execute(
        "UPDATE signedmsg_inbox SET state = 'released', digest = NULL, status = NULL, reason = NULL "
        "WHERE key = ? AND state IN ('done', 'rejected')",
        (key,),
    )
    return done.rowcount == 1


def tidy(connection: sqlite3.Connection, store: Store) -> None:
    """Remove a few rows that are over, and note the time if there were any."""
    _note(connection, store, connection.execute(_PURGE, {"now": store.now}).rowcount)


def rebase(connection: sqlite3.Connection, inbox: str, now: float) -> None:
    """Let the leases and delays of the queue begin anew that were set in the future: the clock stepped back."""
    connection.execute(_REBASE, {"now": now, "inbox": inbox})


def _no_room(connection: sqlite3.Connection, store: Store, arrival: Arrival) -> StoreError | QuotaError | None:
    (forgot_at,) = _first(connection, "SELECT at FROM signedmsg_inbox_forgot")
    if arrival.keep_until <= forgot_at:
        return forgotten(forgot_at - arrival.keep_until)
    if store.quota is None or _kept(connection, store, arrival.issuer) < store.quota:
        return None
    given = {"now": store.now, "inbox": store.inbox, "issuer": arrival.issuer}
    _note(connection, store, connection.execute(_PURGE_ISSUER, given).rowcount)
    if _kept(connection, store, arrival.issuer) < store.quota:
        return None
    return over_quota(arrival.issuer, store.quota, 60.0)


def _kept(connection: sqlite3.Connection, store: Store, issuer: str) -> int:
    query = "SELECT ifnull(sum(kept), 0) FROM signedmsg_inbox_issuers WHERE inbox = ? AND issuer = ?"
    return int(_first(connection, query, store.inbox, issuer)[0])


def _note(connection: sqlite3.Connection, store: Store, removed: int) -> None:
    if removed:
        connection.execute("UPDATE signedmsg_inbox_forgot SET at = max(at, ?)", (store.now,))


def _first(connection: sqlite3.Connection, query: str, *given: object) -> Any:
    cursor = connection.cursor()
    # How rows and texts look on a connection of a handler is the application's choice.
    cursor.row_factory = None
    chosen, connection.text_factory = connection.text_factory, str
    try:
        return cursor.execute(query, given).fetchone()
    finally:
        connection.text_factory = chosen
