"""An inbox in PostgreSQL: the plan of each step of its state machine; without I/O, for both faces."""

from __future__ import annotations

import time
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, cast

from signedmsg._core.inbox import Claim, Conflict, DeadLetter, Done, InProgress, Job, QueueDepth, Rejected
from signedmsg.stores import _postgres_inbox_sql as statements
from signedmsg.stores._inbox_limits import check_name, check_quota, check_retention, forgotten, lease_lost, over_quota
from signedmsg.stores._postgres_calls import Ask, LockedError
from signedmsg.stores._postgres_replay import check_version
from signedmsg.stores._postgres_schema import check_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from signedmsg._core.inbox import Arrival, Settled
    from signedmsg.stores._postgres_calls import Plan

ACCEPTED: Final = 204
QUEUED: Final = 202
_SHORT_WAIT: Final = 1.0
_TRIES: Final = 3
_PURGE_EVERY: Final = 64
# A count reads as many rows as the quota allows, so that not each message of a flood may cause one.
_FULL_FOR: Final = 1.0


class InboxRows:
    """Plans the steps of one inbox."""

    def __init__(
        self,
        name: str,
        *,
        schema: str,
        retention: float,
        quota: int | None,
        server_clock: Callable[[], float] | None,
    ) -> None:
        self.name = check_name(name)
        self.retention = check_retention(retention)
        self._schema, self._qualifier, self._server_clock = schema, check_schema(schema), server_clock
        self._quota = check_quota(quota)
        self._ticks = server_clock or time.monotonic
        self._room: dict[str, int] = {}
        self._full: dict[str, tuple[float, float]] = {}
        self._begun = 0
        self._ready = False

    def check(self) -> Plan[None]:
        """Check the tables, once.

        Raises:
            StoreError: there are none, or of another version.
        """
        if not self._ready:
            yield from check_version(self._schema, self._qualifier)
            self._ready = True

    def begin(self, arrival: Arrival, lease: float) -> Plan[Claim | Settled]:
        """Claim a message for so many seconds."""
        yield from self._purge()
        return (yield from self._begin(statements.BEGIN, arrival, state="running", lease=lease))

    def begin_done(self, arrival: Arrival) -> Plan[Claim | Settled]:
        """Mark a message done, in an open transaction; the claim tells the mark from all others."""
        begin = self._begin(statements.BEGIN_FOR_HANDLER, arrival, state="done", status=ACCEPTED)
        return (yield from begin)

    def enqueue(self, arrival: Arrival, body: bytes) -> Plan[Settled | None]:
        """Store a message for a worker."""
        yield from self._purge()
        answer = yield from self._begin(statements.BEGIN, arrival, state="waiting", counts=0, body=body)
        return None if isinstance(answer, Claim) else answer

    def _begin(
        self,
        query: str,
        arrival: Arrival,
        *,
        state: str,
        lease: float = 0.0,
        counts: int = 1,
        status: int | None = None,
        body: bytes | None = None,
    ) -> Plan[Claim | Settled]:
        issuer, message_id, digest, keep_until, kind = arrival
        row = self._row(issuer, message_id)
        yield from self._check_room(arrival)
        ask = self._ask(
            query,
            **row,
            lock=self._lock(issuer, message_id),
            digest=digest,
            type=kind,
            keep_until=keep_until,
            state=state,
            lease=lease,
            counts=counts,
            status=status,
            body=body,
        )
        for _ in range(_TRIES):
            got, fence, attempt, forgot = (yield ask)[0]
            if fence is not None:
                if self._quota is not None and attempt == counts:
                    self._room[issuer] -= 1
                return Claim(issuer, message_id, fence, attempt)
            if got is False:
                break  # another transaction has it open
            if rows := (yield self._ask(statements.FIND, **row)):
                if (settled := _settled(rows[0], digest)) is not None:
                    return settled
            elif not keep_until > forgot:
                raise forgotten(forgot - keep_until)
        return InProgress(_SHORT_WAIT)

    def _check_room(self, arrival: Arrival) -> Plan[None]:
        """Count the issuer's rows, once for each 1024th of its quota; a message that has a row needs no room.

        Where there is none, that counts for a second.

        Raises:
            QuotaError: there is none.
        """
        quota, issuer = self._quota, arrival.issuer
        if quota is None or self._room.get(issuer, 0) > 0:
            return
        until, wait = self._full.get(issuer, (0.0, 0.0))
        if until <= self._ticks():
            kept, wait = (yield self._ask(statements.COUNT, inbox=self.name, issuer=issuer, quota=quota))[0]
            self._room[issuer] = min(max(1, quota // 1024), quota - kept)
            if kept < quota:
                return
            self._full[issuer] = (self._ticks() + _FULL_FOR, wait)
        if not (yield self._ask(statements.FIND, **self._row(issuer, arrival.message_id))):
            raise over_quota(issuer, quota, wait)

    def commit(self, claim: Claim, status: int) -> Plan[None]:
        """Mark a message done."""
        return self._held(statements.COMMIT, claim, status=status)

    def reject(self, claim: Claim, reason: str) -> Plan[None]:
        """Mark a message rejected."""
        return self._held(statements.REJECT, claim, reason=reason)

    def renew(self, claim: Claim, lease: float) -> Plan[None]:
        """Let a claim last longer."""
        return self._held(statements.RENEW, claim, lease=lease)

    def bury(self, claim: Claim, reason: str) -> Plan[None]:
        """Give a queued message up."""
        return self._held(statements.BURY, claim, reason=reason)

    def resume(self, claim: Claim) -> Plan[None]:
        """Mark a queued message done, in an open transaction."""
        return self._held(statements.RESUME, claim, status=QUEUED)

    def set_status(self, claim: Claim, status: int) -> Plan[None]:
        """Change the status of the mark that this transaction has made."""
        return self._held(statements.SET_STATUS, claim, status=status)

    def set_rejected(self, claim: Claim, reason: str) -> Plan[None]:
        """Make the mark of this transaction a rejection."""
        return self._held(statements.SET_REJECTED, claim, reason=reason)

    def release(self, claim: Claim, delay: float) -> Plan[None]:
        """Give a message back."""
        try:
            yield self._ask(
                statements.RELEASE, **self._row(claim.issuer, claim.message_id), fence=claim.fence, delay=delay
            )
        except LockedError:
            return  # who holds it has taken over

    def forget(self, issuer: str, message_id: str) -> Plan[bool]:
        """Remove the row of a message that is done or rejected."""
        self._full.pop(issuer, None)
        return bool((yield self._ask(statements.FORGET, **self._row(issuer, message_id))))

    def take(self, lease: float) -> Plan[Job | None]:
        """Claim the queued message that has been due longest."""
        yield from self.check()
        for issuer, message_id, fence, attempt, body in (
            yield self._ask(statements.TAKE, inbox=self.name, lease=lease)
        ):
            return Job(Claim(issuer, message_id, fence, attempt), bytes(body))
        return None

    def dead(self, limit: int) -> Plan[list[DeadLetter]]:
        """Return messages that were given up."""
        rows = yield self._ask(statements.DEAD, inbox=self.name, limit=limit)
        return [DeadLetter(*row) for row in rows]

    def redrive(self, issuer: str, message_id: str) -> Plan[bool]:
        """Queue a dead message again."""
        return bool((yield self._ask(statements.REDRIVE, **self._row(issuer, message_id))))

    def depth(self) -> Plan[QueueDepth]:
        """Count the queued messages."""
        rows = yield self._ask(statements.DEPTH, inbox=self.name)
        return QueueDepth(*rows[0])

    def _held(self, query: str, claim: Claim, **parameters: object) -> Plan[None]:
        row = self._row(claim.issuer, claim.message_id)
        try:
            rows = yield self._ask(query, **row, fence=claim.fence, **parameters)
        except LockedError as error:
            # A transaction that took over when the lease was over, and is still open.
            raise lease_lost(claim) from error
        if not rows:
            raise lease_lost(claim)

    def _purge(self) -> Plan[None]:
        yield from self.check()
        self._begun += 1
        if self._begun % _PURGE_EVERY == 0:
            yield self._ask(statements.PURGE)

    def _row(self, issuer: str, message_id: str) -> dict[str, object]:
        return {"inbox": self.name, "issuer": issuer, "message_id": message_id}

    def _lock(self, issuer: str, message_id: str) -> int:
        # All are visible ASCII, so that no two rows meet around a NUL. Of other schemas and other
        # uses of such locks it is as far apart as 64 bits allow.
        text = f"signedmsg_inbox\0{self._schema}\0{self.name}\0{issuer}\0{message_id}"
        return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)

    def _ask(self, query: str, **parameters: object) -> Ask:
        now = None if self._server_clock is None else self._server_clock()
        return Ask(query.format(s=self._qualifier).encode(), {"now": now} | parameters)


def _settled(row: tuple[Any, ...], digest: bytes) -> Settled | None:
    """Return why the message is not to be run, or None when it is free by now."""
    known, state, left, status, reason = cast("tuple[bytes, str, float, int, str]", row)
    if known != digest:
        return Conflict()
    if state in ("waiting", "working", "dead"):
        return Done(QUEUED)
    if state == "done":
        return Done(status)
    if state == "rejected":
        return Rejected(reason)
    return InProgress(left) if state == "running" and left > 0 else None
