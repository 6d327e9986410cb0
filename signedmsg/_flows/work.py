"""Run one queued message: take, handler, commit — or give it back for later, or up."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from signedmsg._core.arrival import Stored, restore_message
from signedmsg._core.events import MessageBuried, MessageHandled, WorkerFailed
from signedmsg._flows.process import QUEUED_STATUS, CallPorts, Task, run_in_transaction, run_leased, tell
from signedmsg.errors import DeferredError, HandlerError, LeaseLostError, PayloadError, RejectedError, UnknownTypeError

if TYPE_CHECKING:
    from signedmsg._core.inbox import Claim, Job
    from signedmsg._flows.handle import Routes
    from signedmsg._flows.process import InboxPort, Processing


class Retries(NamedTuple):
    """How often a message is tried, and how long to wait in between.

    Attributes:
        attempts: after so many it is given up.
        first: seconds before the second attempt; doubled before each further one.
        most: the longest wait, in seconds.
    """

    attempts: int
    first: float
    most: float

    def pause(self, attempt: int, jitter: float) -> float:
        """Return the seconds to wait after an attempt: full jitter keeps a crowd from coming back at once."""
        longest = min(self.most, self.first * 2.0 ** min(attempt - 1, 64))
        return longest * jitter


class WorkPorts(CallPorts, Protocol):
    """What a worker needs from the world."""

    def jitter(self) -> float:
        """Return a random number in [0, 1)."""
        ...


class _FailedError(Exception):
    """The message did not run to its end: one word for why, and how long it asked to be left alone, if it did."""

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.pause = reason, pause


async def work(ports: WorkPorts, how: Processing, routes: Routes, retries: Retries) -> bool:
    """Run the message that has been due longest, and return whether there was one.

    Raises:
        StoreError: the store cannot answer; a message that was taken comes back when its lease is over.
    """
    job = await how.inbox.take(how.lease)
    if job is None:
        return False
    try:
        await _run(ports, how, routes, job, retries)
    except RejectedError:
        # Marked so already, and the observer was told.
        return True
    except DeferredError as later:
        await _failed(ports, how, job.claim, retries, _FailedError(later.code, later.retry_after))
    except LeaseLostError as error:
        # Another worker has it: whatever it comes to there counts.
        ports.notice(WorkerFailed(error=error))
    except _FailedError as failure:
        await _failed(ports, how, job.claim, retries, failure)
    return True


async def _run(ports: WorkPorts, how: Processing, routes: Routes, job: Job, retries: Retries) -> None:
    claim = job.claim
    if claim.attempt > retries.attempts:
        # Nobody recorded how the last attempt ended: it took its process with it.
        raise _FailedError("crashed")
    task = _task(routes, job)
    try:
        if how.transaction:
            await how.inbox.in_thread(ports, lambda calls, inbox: _in_transaction(calls, inbox, task, claim))
        else:
            await run_leased(ports, how, task, claim)
    except HandlerError as error:
        tell(ports, task.message, error)
        raise _FailedError(type(error.__cause__).__name__ if error.__cause__ else error.code) from error
    message = task.message
    ports.notice(MessageHandled(issuer=message.issuer, message_id=message.id, type=message.type, attempt=claim.attempt))


def _task(routes: Routes, job: Job) -> Task:
    """Read a stored message, find its handler and fit its data: what was deployed may have changed since."""
    try:
        stored: Stored = restore_message(job.body)
        route = routes.find(stored.content.type)
        return Task(route, stored.message(route.fit(stored.content.data)))
    except ValueError as error:
        raise _FailedError("unreadable") from error
    except (UnknownTypeError, PayloadError) as error:
        raise _FailedError(error.code) from error


async def _in_transaction(ports: CallPorts, inbox: InboxPort, task: Task, claim: Claim) -> None:
    async with inbox.transaction() as transaction:
        await transaction.resume(claim)
        rejection = await run_in_transaction(ports, transaction, task, QUEUED_STATUS)
    if rejection is not None:
        raise rejection


async def _failed(ports: WorkPorts, how: Processing, claim: Claim, retries: Retries, failure: _FailedError) -> None:
    """Give the message back to be tried again, after the pause that was asked for; or up, where that was the last."""
    try:
        if claim.attempt < retries.attempts:
            pause = failure.pause
            await how.inbox.release(claim, retries.pause(claim.attempt, ports.jitter()) if pause is None else pause)
            return
        await how.inbox.bury(claim, reason := failure.reason)
    except LeaseLostError as error:
        ports.notice(WorkerFailed(error=error))
        return
    ports.notice(MessageBuried(issuer=claim.issuer, message_id=claim.message_id, attempts=claim.attempt, reason=reason))
