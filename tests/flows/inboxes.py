"""An inbox whose every step may be interrupted: the state machine as a model, for the explorer."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from signedmsg._core.inbox import Arrival, Claim, Conflict, Done, InProgress, Job, Rejected, Settled
from signedmsg.errors import LeaseLostError, StoreError

from .explore import step

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine


T = TypeVar("T")


@dataclass
class Row:
    digest: bytes
    state: str = "absent"
    fence: int = 0
    attempt: int = 0
    lease_over: bool = False
    status: int = 0
    reason: str = ""
    body: bytes = b""
    delay: float = 0.0


@dataclass
class ModelInbox:
    """One row at most; `fails` names the steps at which the store is down."""

    fails: frozenset[str] = frozenset()
    leases_end_at_once: bool = False
    row: Row | None = None
    locked: bool = False
    log: list[str] = field(default_factory=list)

    async def _at(self, name: str) -> None:
        await step()
        if name in self.fails:
            raise StoreError("down")
        self.log.append(name)

    async def begin(self, arrival: Arrival, lease: float) -> Claim | Settled:
        await self._at("begin")
        row = self.row = self.row or Row(arrival.digest)
        settled = self._settled(row, arrival)
        if settled is not None:
            return settled
        return self._claim(row, arrival.issuer, arrival.message_id)

    def _settled(self, row: Row, arrival: Arrival) -> Settled | None:
        if row.digest != arrival.digest:
            return Conflict()
        if row.state == "done":
            return Done(row.status)
        if row.state == "rejected":
            return Rejected(row.reason)
        return InProgress(30.0) if row.state == "running" and not row.lease_over else None

    def _claim(self, row: Row, issuer: str, message_id: str) -> Claim:
        row.state, row.fence, row.attempt = "running", row.fence + 1, row.attempt + 1
        row.lease_over = self.leases_end_at_once
        return Claim(issuer, message_id, row.fence, row.attempt)

    def _held(self, claim: Claim) -> Row:
        row = self.row
        if row is None or row.state != "running" or row.fence != claim.fence:
            raise LeaseLostError("stale")
        return row

    async def commit(self, claim: Claim, status: int) -> None:
        await self._at("commit")
        row = self._held(claim)
        row.state, row.status = "done", status
        await step()

    async def release(self, claim: Claim, delay: float = 0.0) -> None:
        await self._at("release")
        row = self.row
        if row is not None and row.state == "running" and row.fence == claim.fence:
            row.state, row.delay = "queued" if row.body else "absent", delay

    async def reject(self, claim: Claim, reason: str) -> None:
        await self._at("reject")
        row = self._held(claim)
        row.state, row.reason = "rejected", reason

    async def renew(self, claim: Claim, lease: float) -> None:
        await self._at("renew")
        self._held(claim).lease_over = False

    async def enqueue(self, arrival: Arrival, body: bytes) -> Settled | None:
        await self._at("enqueue")
        if self.row is not None:
            return Conflict() if self.row.digest != arrival.digest else Done(202)
        self.row = Row(arrival.digest, "queued", body=body)
        return None

    async def take(self, lease: float) -> Job | None:
        await self._at("take")
        row = self.row
        if row is None or not (row.state == "queued" or (row.state == "running" and row.lease_over)):
            return None
        return Job(self._claim(row, "https://a.example", "m-1"), row.body)

    async def bury(self, claim: Claim, reason: str) -> None:
        await self._at("bury")
        row = self._held(claim)
        row.state, row.reason = "dead", reason

    async def in_thread(self, ports: object, work: Callable[[object, object], Coroutine[object, object, T]]) -> T:
        return await work(ports, self)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[ModelTransaction]:
        await self._at("open")
        transaction = ModelTransaction(self)
        try:
            yield transaction
            await self._at("end")
        except BaseException:
            transaction.close()
            raise
        transaction.apply()
        await step()


class ModelTransaction:
    """What is written here shows in the inbox, and its effects count, when it is committed."""

    def __init__(self, inbox: ModelInbox) -> None:
        self._inbox = inbox
        self._row: Row | None = None
        self._holds = False
        self.connection: list[str] = []

    async def begin(self, arrival: Arrival) -> Settled | None:
        await step()
        if self._inbox.locked:
            return InProgress(1.0)
        if self._inbox.row is not None:
            return self._inbox._settled(self._inbox.row, arrival)
        self._inbox.locked = self._holds = True
        self._row = Row(arrival.digest, "done")
        return None

    async def resume(self, claim: Claim) -> None:
        await step()
        if self._inbox.locked:
            raise LeaseLostError("held")
        row = self._inbox._held(claim)
        self._inbox.locked = self._holds = True
        self._row = Row(row.digest, "done", row.fence, row.attempt, body=row.body)

    async def finish(self, status: int) -> None:
        await step()
        assert self._row is not None
        self._row.status = status

    async def reject(self, reason: str) -> None:
        await step()
        assert self._row is not None
        self._row.state, self._row.reason = "rejected", reason
        self.connection.clear()

    def apply(self) -> None:
        if self._row is not None:
            self._inbox.row = self._row
            self._inbox.log += self.connection
        self.close()

    def close(self) -> None:
        if self._holds:
            self._inbox.locked = self._holds = False
