"""An inbox in memory, for tests and for a receiver that is one process and may forget at its end."""

from __future__ import annotations

import heapq
import time
from collections import Counter
from os import getpid
from threading import Lock
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from signedmsg._core.inbox import Claim, Conflict, Done, InProgress, Rejected, Settled
from signedmsg.errors import StoreError
from signedmsg.stores._inbox_limits import (
    ABANDONED,
    check_name,
    check_retention,
    forgotten,
    full,
    lease_lost,
    over_quota,
)
from signedmsg.stores._limits import check_limits, check_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from signedmsg._core.inbox import Arrival

_Key: TypeAlias = tuple[str, str]
_State: TypeAlias = Literal["released", "running", "done", "rejected"]

_DROPPED_AT_ONCE: Final = 8
_NOT_BOUND: Final = b""


class _Row:
    """What is known of one message; `until` is the end of its lease on the monotonic clock."""

    __slots__ = ("attempt", "digest", "fence", "keep_until", "reason", "state", "status", "until")

    def __init__(self) -> None:
        self.state: _State = "released"
        self.digest = _NOT_BOUND
        self.fence = self.attempt = self.status = 0
        self.until = self.keep_until = 0.0
        self.reason = ""

    def settled(self, digest: bytes, now: float) -> Settled | None:
        if digest != self.digest:
            return Conflict()
        if self.state == "done":
            return Done(self.status)
        if self.state == "rejected":
            return Rejected(self.reason)
        if self.state == "running" and now < self.until:
            return InProgress(self.until - now)
        return None

    def ends(self, now: float, wall: float) -> float:
        """Return the wall time from which the row may be dropped."""
        if self.state != "running":
            return self.keep_until
        return max(self.keep_until, wall + self.until - now + ABANDONED)


class MemoryInbox:
    """Remembers in this process only which messages were processed; safe for any number of threads and tasks.

    Nothing survives a restart: a message that is sent again after it runs again. For
    handlers that may run twice, and for tests. An inbox that finds itself in another
    process than the one that made it refuses everything, because forked workers with a
    memory each would run each message once per worker.

    Leases are measured on the monotonic clock. A message is kept to its end on the wall
    clock; one that may have been dropped before that clock stepped back is refused
    with `StoreError`. A full inbox refuses: forgetting a message is running it again.

    Args:
        name: which inbox this is, as a label; each object has a memory of its own.
        retention: seconds after its `time` within which a message is taken; 7 days unless given.
        capacity: how many messages to remember at most; about 600 bytes each.
        quota: how many of them one issuer may have; half of `capacity` unless given.
        clock: Unix seconds.
        monotonic: seconds that never step; where only `clock` is given, as in a test, that one.

    Raises:
        TypeError, ValueError: an argument is wrong.
    """

    waits: Literal["never"] = "never"
    shared: bool = False
    durable: bool = False
    transactional: bool = False
    queues: bool = False

    def __init__(
        self,
        name: str = "default",
        *,
        retention: float = 7 * 86_400.0,
        capacity: int = 100_000,
        quota: int | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] | None = None,
    ) -> None:
        self._name, self._retention = check_name(name), check_retention(retention)
        self._capacity, self._quota = check_limits(capacity, quota)
        if monotonic is None:
            monotonic = time.monotonic if clock is time.time else clock
        self._clock, self._monotonic = clock, monotonic
        self._pid = getpid()
        self._lock = Lock()
        self._rows: dict[_Key, _Row] = {}
        # One entry a row, with a moment before which it need not be looked at.
        self._ends: list[tuple[float, _Key]] = []
        self._live: Counter[str] = Counter()
        self._forgot_at = float("-inf")

    @property
    def name(self) -> str:
        """Which inbox this is."""
        return self._name

    @property
    def retention(self) -> float:
        """How long after its `time` a message is taken, in seconds."""
        return self._retention

    def begin(self, arrival: Arrival, lease: float) -> Claim | Settled:
        """Claim the message for `lease` seconds, or say why it is not to be run now: see `Inbox.begin`."""
        check_seconds("lease", lease)
        self._check_process()
        with self._lock:
            now, wall = self._monotonic(), self._clock()
            self._drop(now, wall, _DROPPED_AT_ONCE)
            row = self._find(arrival, now, wall)
            settled = row.settled(arrival.digest, now)
            if settled is not None:
                return settled
            row.keep_until = max(row.keep_until, arrival.keep_until)
            row.state, row.until = "running", now + lease
            row.fence += 1
            row.attempt += 1
            return Claim(arrival.issuer, arrival.message_id, row.fence, row.attempt)

    def commit(self, claim: Claim, status: int) -> None:
        """Mark the message done: see `Inbox.commit`."""
        self._check_process()
        with self._lock:
            row = self._held(claim)
            row.state, row.status = "done", status

    def release(self, claim: Claim, delay: float = 0.0) -> None:  # noqa: ARG002 - nothing is queued here
        """Give the message back, so that a retry may run it: see `Inbox.release`."""
        self._check_process()
        with self._lock:
            row = self._rows.get(claim[:2])
            if row is not None and row.state == "running" and row.fence == claim.fence:
                row.state = "released"

    def reject(self, claim: Claim, reason: str) -> None:
        """Mark the message rejected for good: see `Inbox.reject`."""
        self._check_process()
        with self._lock:
            row = self._held(claim)
            row.state, row.reason = "rejected", reason

    def renew(self, claim: Claim, lease: float) -> None:
        """Let the claim last `lease` seconds from now: see `Inbox.renew`."""
        check_seconds("lease", lease)
        self._check_process()
        with self._lock:
            self._held(claim).until = self._monotonic() + lease

    def forget(self, issuer: str, message_id: str) -> bool:
        """Let a message that is done or rejected run again: see `Inbox.forget`."""
        self._check_process()
        with self._lock:
            row = self._rows.get((issuer, message_id))
            if row is None or row.state not in ("done", "rejected"):
                return False
            # The row stays for its fence: what the next run writes must not look older than what was written.
            row.state, row.digest = "released", _NOT_BOUND
            return True

    def __len__(self) -> int:
        """Return how many messages are remembered."""
        return len(self._rows)

    def __bool__(self) -> bool:
        return True  # also while it is empty: `inbox or another` must not choose another

    def __repr__(self) -> str:
        return f"<MemoryInbox {self._name}: {len(self._rows)} of {self._capacity} messages, {self._quota} an issuer>"

    def _check_process(self) -> None:
        # Asked for each time: servers written in C fork without running Python's hooks.
        if getpid() != self._pid:
            raise _forked(self._pid)

    def _find(self, arrival: Arrival, now: float, wall: float) -> _Row:
        """Return the row of the message, a new one where there is none."""
        key = (arrival.issuer, arrival.message_id)
        row = self._rows.get(key)
        if row is None:
            self._check_room(arrival, now, wall)
            row = self._rows[key] = _Row()
            self._live[arrival.issuer] += 1
            heapq.heappush(self._ends, (arrival.keep_until, key))
        elif row.ends(now, wall) <= wall < arrival.keep_until:
            row.state, row.digest = "released", _NOT_BOUND
        if row.digest == _NOT_BOUND:
            row.digest = arrival.digest
        return row

    def _held(self, claim: Claim) -> _Row:
        row = self._rows.get(claim[:2])
        if row is None or row.state != "running" or row.fence != claim.fence:
            raise lease_lost(claim)
        return row

    def _check_room(self, arrival: Arrival, now: float, wall: float) -> None:
        if arrival.keep_until <= self._forgot_at:
            raise forgotten(self._forgot_at - arrival.keep_until)
        if self._live[arrival.issuer] >= self._quota or len(self._rows) >= self._capacity:
            self._drop(now, wall, self._capacity)
        wait = self._ends[0][0] - wall if self._ends else 1.0
        if self._live[arrival.issuer] >= self._quota:
            raise over_quota(arrival.issuer, self._quota, wait)
        if len(self._rows) >= self._capacity:
            raise full(self._capacity, wait)

    def _drop(self, now: float, wall: float, limit: int) -> None:
        """Drop rows that are over, at most `limit` of them, so that no caller waits for a sweep over all."""
        for _ in range(limit):
            if not self._ends or self._ends[0][0] > wall:
                return
            key = self._ends[0][1]
            end = self._rows[key].ends(now, wall)
            if end > wall:
                heapq.heapreplace(self._ends, (end, key))
                continue
            heapq.heappop(self._ends)
            del self._rows[key]
            self._forgot_at = max(self._forgot_at, wall)
            self._live[key[0]] -= 1
            if not self._live[key[0]]:
                del self._live[key[0]]


def _forked(pid: int) -> StoreError:
    return StoreError(
        f"this MemoryInbox was made in process {pid} and is used in process {getpid()}: "
        "with one memory a worker, each message would be run once per worker",
        hint="use SQLiteInbox, which all processes of a host share",
    )
