"""A correct inbox over a plain dict, for the tests that break it: every small method is one rule."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from signedmsg._core.inbox import (
    Arrival,
    Claim,
    Conflict,
    DeadLetter,
    Done,
    InProgress,
    Job,
    QueueDepth,
    Rejected,
    Settled,
)
from signedmsg.errors import HandlerError, LeaseLostError, QuotaError, StoreError

if TYPE_CHECKING:
    from collections.abc import Generator

    from signedmsg.testing import ManualClock

QUEUE = ("waiting", "working", "dead")


@dataclass
class Row:
    arrival: Arrival
    state: str = "absent"
    fence: int = 0
    attempt: int = 0
    until: float = 0.0
    status: int = 0
    reason: str = ""
    body: bytes | None = None
    died_at: float = 0.0


class Store:
    """What the inboxes of one case share."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, ...], Row] = {}
        self.open: set[tuple[str, ...]] = set()
        self.words: list[str] = []
        self.lock = threading.RLock()


class NaiveInbox:
    waits: Literal["never", "blocks", "suspends"] = "never"
    shared, durable, transactional, queues = True, False, True, True
    retention = 86_400.0

    def __init__(self, store: Store, *, clock: ManualClock, name: str, quota: int = 1_000_000) -> None:
        self.store, self.clock, self.name, self.quota = store, clock, name, quota

    # The rules, each of which a test may break.

    def key(self, issuer: str, message_id: str) -> tuple[str, ...]:
        return (self.name, issuer, message_id)

    def now(self) -> float:
        return max(self.clock(), 1_700_000_000.0 + self.clock.monotonic())

    def sweep(self) -> None:
        old = [key for key, row in self.store.rows.items() if self.may_go(row) and row.arrival.keep_until <= self.now()]
        for key in old:
            del self.store.rows[key]

    def may_go(self, row: Row) -> bool:
        return row.state in ("absent", "done", "rejected")

    def check_age(self, arrival: Arrival) -> None:
        if arrival.keep_until <= self.now():
            raise StoreError("its row may be gone already")

    def binds(self, row: Row) -> bool:
        return row.arrival.digest != b""

    def over(self, row: Row) -> bool:
        return row.until <= self.now()

    def next_fence(self, row: Row) -> int:
        return row.fence + 1

    def next_attempt(self, row: Row) -> int:
        return row.attempt + 1

    def is_current(self, row: Row | None, claim: Claim) -> bool:
        return row is not None and row.state in ("running", "working") and row.fence == claim.fence

    def left(self, row: Row) -> float:
        return row.until - self.now()

    def check_room(self, issuer: str) -> None:
        if [row.arrival.issuer for row in self.store.rows.values()].count(issuer) >= self.quota:
            raise QuotaError

    # The inbox.

    def begin(self, arrival: Arrival, lease: float) -> Claim | Settled:
        with self.store.lock:
            row = self.find(arrival)
            if (settled := self.settled(row, arrival)) is not None:
                return settled
            return self.claim(row, "running", lease)

    def find(self, arrival: Arrival) -> Row:
        self.check_age(arrival)
        self.sweep()
        key = self.key(arrival.issuer, arrival.message_id)
        if key not in self.store.rows:
            self.check_room(arrival.issuer)
            self.store.rows[key] = Row(arrival)
        row = self.store.rows[key]
        if not self.binds(row):
            row.arrival = arrival
        return row

    def settled(self, row: Row, arrival: Arrival) -> Settled | None:
        if row.arrival.digest != arrival.digest:
            return Conflict()
        if row.state in QUEUE:
            return Done(202)
        if row.state == "done":
            return Done(row.status)
        if row.state == "rejected":
            return Rejected(row.reason)
        if row.state == "running" and not self.over(row):
            return InProgress(self.left(row))
        return None

    def claim(self, row: Row, state: str, lease: float) -> Claim:
        row.state, row.until = state, self.now() + lease
        row.fence, row.attempt = self.next_fence(row), self.next_attempt(row)
        return Claim(row.arrival.issuer, row.arrival.message_id, row.fence, row.attempt)

    def current(self, claim: Claim) -> Row:
        row = self.store.rows.get(self.key(claim.issuer, claim.message_id))
        if not self.is_current(row, claim):
            raise LeaseLostError
        assert row is not None
        return row

    def commit(self, claim: Claim, status: int) -> None:
        with self.store.lock:
            row = self.current(claim)
            row.state, row.status = "done", status

    def release(self, claim: Claim, delay: float = 0.0) -> None:
        with self.store.lock:
            try:
                row = self.current(claim)
            except LeaseLostError:
                return
            row.state = "waiting" if row.state == "working" else "absent"
            row.until = self.now() + delay

    def reject(self, claim: Claim, reason: str) -> None:
        with self.store.lock:
            row = self.current(claim)
            row.state, row.reason = "rejected", reason

    def renew(self, claim: Claim, lease: float) -> None:
        with self.store.lock:
            self.current(claim).until = self.now() + lease

    def forget(self, issuer: str, message_id: str) -> bool:
        with self.store.lock:
            row = self.store.rows.get(self.key(issuer, message_id))
            if row is None or row.state not in ("done", "rejected"):
                return False
            row.state, row.arrival = "absent", row.arrival._replace(digest=b"")
            return True

    # The queue.

    def enqueue(self, arrival: Arrival, body: bytes) -> Settled | None:
        with self.store.lock:
            row = self.find(arrival)
            if (settled := self.settled(row, arrival)) is not None:
                return settled
            row.state, row.body, row.until = "waiting", body, self.now()
            return None

    def take(self, lease: float) -> Job | None:
        with self.store.lock:
            due = sorted((row for row in self.mine() if self.is_due(row)), key=self.order)
            if not due:
                return None
            claim = self.claim(due[0], "working", lease)
            assert due[0].body is not None
            return Job(claim, due[0].body)

    def mine(self) -> list[Row]:
        return [row for key, row in self.store.rows.items() if key[0] == self.name]

    def is_due(self, row: Row) -> bool:
        return row.state in ("waiting", "working") and row.until <= self.now()

    def order(self, row: Row) -> float:
        return row.until

    def bury(self, claim: Claim, reason: str) -> None:
        with self.store.lock:
            row = self.current(claim)
            row.state, row.reason, row.died_at = "dead", reason, self.now()

    def dead(self, limit: int = 100) -> list[DeadLetter]:
        rows = sorted((row for row in self.mine() if row.state == "dead"), key=lambda row: -row.died_at)
        return [
            DeadLetter(
                row.arrival.issuer, row.arrival.message_id, row.arrival.type, row.attempt, row.reason, row.died_at
            )
            for row in rows[:limit]
        ]

    def redrive(self, issuer: str, message_id: str) -> bool:
        row = self.store.rows.get(self.key(issuer, message_id))
        if row is None or row.state != "dead":
            return False
        row.state, row.attempt, row.until = "waiting", 0, self.now()
        return True

    def depth(self) -> QueueDepth:
        states = [row.state for row in self.mine()]
        return QueueDepth(*map(states.count, ("waiting", "working", "dead")))

    # The transaction.

    @contextmanager
    def transaction(self) -> Generator[NaiveTransaction]:
        transaction = self.make_transaction()
        try:
            yield transaction
            transaction.commit()
        finally:
            self.store.open.discard(transaction.key)

    def make_transaction(self) -> NaiveTransaction:
        return NaiveTransaction(self)


class Words(list[str]):
    """What a handler of these tests is given: it adds words, which become visible at the commit."""

    ended = False

    def commit(self) -> None:
        self.ended = True


class NaiveTransaction:
    def __init__(self, inbox: NaiveInbox) -> None:
        self.inbox, self.store = inbox, inbox.store
        self.connection = Words()
        self.key: tuple[str, ...] = ()
        self.row: Row | None = None

    def begin(self, arrival: Arrival) -> Settled | None:
        with self.store.lock:
            key = self.inbox.key(arrival.issuer, arrival.message_id)
            if self.is_open(key):
                return InProgress(1.0)
            row = replace(self.store.rows.get(key, Row(arrival)))
            if row.arrival.digest == arrival.digest and row.state == "working":
                return Done(202)
            if (settled := self.inbox.settled(row, arrival)) is not None:
                return settled
            self.inbox.claim(row, "done", 0.0)
            self.row = row
            self.enter(key)
        return None

    def is_open(self, key: tuple[str, ...]) -> bool:
        return key in self.store.open

    def enter(self, key: tuple[str, ...]) -> None:
        self.key = key
        self.store.open.add(key)

    def resume(self, claim: Claim) -> None:
        self.row = replace(self.inbox.current(claim), state="done")
        self.key = self.inbox.key(claim.issuer, claim.message_id)

    def finish(self, status: int) -> None:
        if self.connection.ended:
            raise HandlerError
        assert self.row is not None
        self.row.status = status

    def reject(self, reason: str) -> None:
        assert self.row is not None
        self.undo()
        self.row.state, self.row.reason = "rejected", reason

    def undo(self) -> None:
        self.connection.clear()

    def commit(self) -> None:
        with self.store.lock:
            if self.row is not None:
                self.store.rows[self.key] = self.row
                self.store.words += self.connection
