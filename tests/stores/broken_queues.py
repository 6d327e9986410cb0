"""Inboxes with one mistake each about their queue, and the case of the contract that finds it."""

from __future__ import annotations

import time

from signedmsg._core.inbox import Arrival, Claim, DeadLetter, Done, Job, QueueDepth, Settled
from signedmsg.errors import LeaseLostError
from tests.stores.broken_inboxes import HasNoFence, HoldsWhatWasReleased
from tests.stores.naive_inbox import NaiveInbox, Row


class SaysItDoesNotQueue(NaiveInbox):
    queues = False


class MakesWorkUp(NaiveInbox):
    def take(self, lease: float) -> Job | None:
        return super().take(lease) or Job(Claim("", "", 1, 1), b"")


class StoresText(NaiveInbox):
    def enqueue(self, arrival: Arrival, body: bytes) -> Settled | None:
        return super().enqueue(arrival, body.replace(b"\0", b""))


class StoresAgain(NaiveInbox):
    def settled(self, row: Row, arrival: Arrival) -> Settled | None:
        return None if row.state in ("waiting", "working") else super().settled(row, arrival)


class StoresWithoutALock(NaiveInbox):
    def enqueue(self, arrival: Arrival, body: bytes) -> Settled | None:
        row = self.find(arrival)
        settled = self.settled(row, arrival)
        time.sleep(0.05)
        row.state, row.body = "waiting", body
        return settled


class RunsBesideTheQueue(NaiveInbox):
    def settled(self, row: Row, arrival: Arrival) -> Settled | None:
        return None if row.state == "waiting" else super().settled(row, arrival)


class IgnoresTheContent(NaiveInbox):
    def settled(self, row: Row, arrival: Arrival) -> Settled | None:
        return super().settled(row, row.arrival)


class StoresWhatIsDone(NaiveInbox):
    def enqueue(self, arrival: Arrival, body: bytes) -> Settled | None:
        settled = super().enqueue(arrival, body)
        if isinstance(settled, Done) and settled.status == 204:
            row = self.find(arrival)
            row.state, row.body, row.until = "waiting", body, 0.0
        return settled


class KeepsWhatIsDone(NaiveInbox):
    def commit(self, claim: Claim, status: int) -> None:
        self.current(claim)


class ForgetsAttempts(NaiveInbox):
    def next_attempt(self, row: Row) -> int:
        return 1


class IgnoresTheDelay(NaiveInbox):
    def release(self, claim: Claim, delay: float = 0.0) -> None:
        super().release(claim)


class TakesWhatRuns(NaiveInbox):
    def is_due(self, row: Row) -> bool:
        return row.state == "working" or super().is_due(row)


class ReleasesForAnybody(NaiveInbox):
    def release(self, claim: Claim, delay: float = 0.0) -> None:
        super().release(claim._replace(fence=self.store.rows[self.key(claim.issuer, claim.message_id)].fence), delay)


class DoesNotRenew(NaiveInbox):
    def renew(self, claim: Claim, lease: float) -> None:
        self.current(claim)


class OrdersByArrival(NaiveInbox):
    def order(self, row: Row) -> float:
        return 0.0


class TakesWithoutALock(NaiveInbox):
    def take(self, lease: float) -> Job | None:
        due = sorted((row for row in self.mine() if self.is_due(row)), key=self.order)
        time.sleep(0.01)
        return Job(self.claim(due[0], "working", lease), due[0].body or b"") if due else None


class TakesFromEveryName(NaiveInbox):
    def mine(self) -> list[Row]:
        return list(self.store.rows.values())


class ForgetsWhatWaits(NaiveInbox):
    def may_go(self, row: Row) -> bool:
        return super().may_go(row) or row.state == "waiting"


class ForgetsQueued(NaiveInbox):
    def forget(self, issuer: str, message_id: str) -> bool:
        return self.store.rows.pop(self.key(issuer, message_id), None) is not None


class BuriesNothing(NaiveInbox):
    def bury(self, claim: Claim, reason: str) -> None:
        self.release(claim)


class BuriesForAnybody(NaiveInbox):
    def bury(self, claim: Claim, reason: str) -> None:
        try:
            super().bury(claim, reason)
        except LeaseLostError:
            return


class ShowsTheOldestFirst(NaiveInbox):
    def dead(self, limit: int = 100) -> list[DeadLetter]:
        return super().dead()[::-1][:limit]


class KeepsAttemptsOfTheDead(NaiveInbox):
    def redrive(self, issuer: str, message_id: str) -> bool:
        attempt = self.store.rows[self.key(issuer, message_id)].attempt
        driven = super().redrive(issuer, message_id)
        self.store.rows[self.key(issuer, message_id)].attempt = attempt
        return driven


class DrivesAnything(NaiveInbox):
    def redrive(self, issuer: str, message_id: str) -> bool:
        return super().redrive(issuer, message_id) or True


class CountsWhatRunsBeside(NaiveInbox):
    def depth(self) -> QueueDepth:
        waiting, running, dead = super().depth()
        return QueueDepth(waiting, running + [row.state for row in self.mine()].count("running"), dead)


QUEUE_MISTAKES: list[tuple[type[NaiveInbox], str]] = [
    (SaysItDoesNotQueue, "test_inbox_says_that_it_queues"),
    (MakesWorkUp, "test_empty_queue_gives_nothing"),
    (StoresText, "test_stored_message_is_taken_with_its_bytes"),
    (StoresAgain, "test_message_is_stored_once"),
    (StoresWithoutALock, "test_one_of_many_copies_at_once_is_stored"),
    (RunsBesideTheQueue, "test_queued_message_is_not_run_beside_the_queue"),
    (IgnoresTheContent, "test_other_content_under_the_same_id_is_a_conflict"),
    (StoresWhatIsDone, "test_message_that_was_settled_is_not_stored"),
    (KeepsWhatIsDone, "test_message_that_is_done_or_rejected_leaves_the_queue"),
    (ForgetsAttempts, "test_released_message_is_taken_again_as_the_next_attempt"),
    (HoldsWhatWasReleased, "test_released_message_is_taken_again_as_the_next_attempt"),
    (IgnoresTheDelay, "test_message_released_with_a_delay_is_due_after_it"),
    (TakesWhatRuns, "test_message_is_taken_over_when_its_lease_is_over"),
    (HasNoFence, "test_worker_that_lost_its_lease_is_refused"),
    (ReleasesForAnybody, "test_worker_that_lost_its_lease_is_refused"),
    (BuriesForAnybody, "test_worker_that_lost_its_lease_is_refused"),
    (DoesNotRenew, "test_renewed_message_is_not_taken_over"),
    (OrdersByArrival, "test_message_that_has_been_due_longest_comes_first"),
    (TakesWithoutALock, "test_each_message_is_given_to_one_of_many_takers"),
    (TakesFromEveryName, "test_queues_of_other_names_are_apart"),
    (ForgetsWhatWaits, "test_waiting_message_is_never_forgotten"),
    (ForgetsQueued, "test_forget_leaves_a_queued_message_alone"),
    (BuriesNothing, "test_message_given_up_is_a_dead_letter"),
    (ShowsTheOldestFirst, "test_dead_letters_come_latest_first"),
    (KeepsAttemptsOfTheDead, "test_dead_message_runs_again_after_redrive"),
    (DrivesAnything, "test_only_a_dead_message_is_driven_again"),
    (CountsWhatRunsBeside, "test_depth_counts_waiting_running_and_dead"),
]
