"""Inboxes with one mistake each about states, leases or quotas, and the case of the contract that finds it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from signedmsg._core.inbox import Arrival, Claim, Conflict, Done, Rejected, Settled
from signedmsg.errors import LeaseLostError, QuotaError
from tests.stores.naive_inbox import NaiveInbox, Row, Store

if TYPE_CHECKING:
    from signedmsg.testing import ManualClock


class Suspends(NaiveInbox):
    waits = "suspends"


class HasOneName(NaiveInbox):
    def __init__(self, store: Store, *, clock: ManualClock, name: str, quota: int = 10**6) -> None:
        super().__init__(store, clock=clock, name="default", quota=quota)


class CountsFromZero(NaiveInbox):
    def next_attempt(self, row: Row) -> int:
        return row.attempt


class CountsOnlyToOne(NaiveInbox):
    def next_attempt(self, row: Row) -> int:
        return 1


class ClaimsAlways(NaiveInbox):
    def settled(self, row: Row, arrival: Arrival) -> Settled | None:
        return None


class TellsTheWholeLease(NaiveInbox):
    def left(self, row: Row) -> float:
        return 300.0


class ForgetsTheStatus(NaiveInbox):
    def commit(self, claim: Claim, status: int) -> None:
        super().commit(claim, 200)


class DoneWhileLeased(NaiveInbox):
    def settled(self, row: Row, arrival: Arrival) -> Settled | None:
        settled = super().settled(row, arrival)
        return None if isinstance(settled, Done | Rejected) and self.over(row) else settled


class HoldsWhatWasReleased(NaiveInbox):
    def release(self, claim: Claim, delay: float = 0.0) -> None:
        return


class DelaysEveryRelease(NaiveInbox):
    def release(self, claim: Claim, delay: float = 0.0) -> None:
        if delay and self.current(claim).state == "running":
            self.renew(claim, delay)
        else:
            super().release(claim, delay)


class ComparesOnlyWhatIsDone(NaiveInbox):
    def settled(self, row: Row, arrival: Arrival) -> Settled | None:
        settled = super().settled(row, arrival)
        return None if isinstance(settled, Conflict) and row.state == "absent" else settled


class TakesTheLastContent(NaiveInbox):
    def settled(self, row: Row, arrival: Arrival) -> Settled | None:
        settled = super().settled(row, arrival)
        row.arrival = arrival
        return settled


class HasNoNames(NaiveInbox):
    def key(self, issuer: str, message_id: str) -> tuple[str, ...]:
        return (issuer, message_id)


class HasNoIssuers(NaiveInbox):
    def key(self, issuer: str, message_id: str) -> tuple[str, ...]:
        return (self.name, message_id)


class JoinsIds(NaiveInbox):
    def key(self, issuer: str, message_id: str) -> tuple[str, ...]:
        return (self.name, f"{issuer}:{message_id}")


class FoldsCase(NaiveInbox):
    def key(self, issuer: str, message_id: str) -> tuple[str, ...]:
        return (self.name, issuer, message_id.lower())


class SaysThatItIsShared(NaiveInbox):
    def __init__(self, store: Store, *, clock: ManualClock, name: str, quota: int = 10**6) -> None:
        super().__init__(Store(), clock=clock, name=name, quota=quota)


class LooksBeforeItWrites(NaiveInbox):
    """All copies look before any of them writes, as threads may; from the second message on for takeovers."""

    def __init__(self, store: Store, *, clock: ManualClock, name: str, quota: int = 10**6) -> None:
        super().__init__(store, clock=clock, name=name, quota=quota)
        self.looked = threading.Barrier(64)

    def begin(self, arrival: Arrival, lease: float) -> Claim | Settled:
        row = self.find(arrival)
        if threading.current_thread() is threading.main_thread():
            return super().begin(arrival, lease)
        settled = self.settled(row, arrival)
        self.looked.wait(timeout=10)
        return self.claim(row, "running", lease) if settled is None else settled


class ForgetsEarly(NaiveInbox):
    def may_go(self, row: Row) -> bool:
        return super().may_go(row) and row.arrival.keep_until < self.now() + 86_000

    def sweep(self) -> None:
        for key in [key for key, row in self.store.rows.items() if self.may_go(row)]:
            del self.store.rows[key]


class TrustsTheReceiversClock(NaiveInbox):
    def check_age(self, arrival: Arrival) -> None:
        pass


class NeverForgets(NaiveInbox):
    def sweep(self) -> None:
        pass


class ForgetsAll(NaiveInbox):
    def may_go(self, row: Row) -> bool:
        return True


class CannotForget(NaiveInbox):
    def forget(self, issuer: str, message_id: str) -> bool:
        return True


class ForgetsWhatRuns(NaiveInbox):
    def forget(self, issuer: str, message_id: str) -> bool:
        row = self.store.rows.pop(self.key(issuer, message_id), None)
        return row is not None


class ForgetsTheFence(NaiveInbox):
    def forget(self, issuer: str, message_id: str) -> bool:
        return super().forget(issuer, message_id) and bool(self.store.rows.pop(self.key(issuer, message_id)))


class EndsLeasesEarly(NaiveInbox):
    def over(self, row: Row) -> bool:
        return row.until <= self.now() + 60


class NeverEndsALease(NaiveInbox):
    def over(self, row: Row) -> bool:
        return False


class TakesOverForGood(NaiveInbox):
    def claim(self, row: Row, state: str, lease: float) -> Claim:
        taken_over, claim = row.state == "running", super().claim(row, state, lease)
        row.until -= lease if taken_over else 0
        return claim


class HasNoFence(NaiveInbox):
    def is_current(self, row: Row | None, claim: Claim) -> bool:
        return row is not None


class ChecksTheFenceAlone(NaiveInbox):
    def is_current(self, row: Row | None, claim: Claim) -> bool:
        return row is not None and row.fence == claim.fence


class ChecksTheStateAlone(NaiveInbox):
    def is_current(self, row: Row | None, claim: Claim) -> bool:
        return row is not None and row.state in ("running", "working")


class RefusesAfterTheLease(NaiveInbox):
    def is_current(self, row: Row | None, claim: Claim) -> bool:
        return super().is_current(row, claim) and row is not None and not self.over(row)


class CommitsAnything(NaiveInbox):
    def commit(self, claim: Claim, status: int) -> None:
        try:
            super().commit(claim, status)
        except LeaseLostError:
            return


class RenewsFromTheOldEnd(NaiveInbox):
    def renew(self, claim: Claim, lease: float) -> None:
        self.current(claim).until += lease


class RenewsWithANewFence(NaiveInbox):
    def renew(self, claim: Claim, lease: float) -> None:
        super().renew(claim, lease)
        self.current(claim).fence += 1


class EndsLeasesWhenTheClockGoesBack(NaiveInbox):
    def over(self, row: Row) -> bool:
        return super().over(row) or self.clock() < 1_700_000_000


class HasNoQuota(NaiveInbox):
    def check_room(self, issuer: str) -> None:
        pass


class RefusesCopiesToo(NaiveInbox):
    def find(self, arrival: Arrival) -> Row:
        self.sweep()
        self.check_room(arrival.issuer)
        return super().find(arrival)


class KeepsARowOfWhatItRefused(NaiveInbox):
    def check_room(self, issuer: str) -> None:
        try:
            super().check_room(issuer)
        except QuotaError:
            arrival = Arrival(issuer, "refused", b"x", self.now() + 1e9, "")
            self.store.rows[self.key(issuer, "refused")] = Row(arrival)
            raise


STATE_MISTAKES: list[tuple[type[NaiveInbox], str]] = [
    (Suspends, "test_inbox_says_how_it_waits"),
    (HasOneName, "test_inbox_says_its_name"),
    (CountsFromZero, "test_new_message_is_claimed_as_the_first_attempt"),
    (ClaimsAlways, "test_copy_of_a_running_message_is_in_progress"),
    (TellsTheWholeLease, "test_copy_is_told_what_is_left_of_the_lease"),
    (ForgetsTheStatus, "test_committed_message_is_done_with_its_status"),
    (DoneWhileLeased, "test_done_message_stays_done_after_its_lease"),
    (DoneWhileLeased, "test_rejected_message_keeps_its_reason"),
    (HoldsWhatWasReleased, "test_released_message_is_claimed_at_once_as_the_next_attempt"),
    (CountsOnlyToOne, "test_released_message_is_claimed_at_once_as_the_next_attempt"),
    (DelaysEveryRelease, "test_delay_of_a_release_holds_nobody_who_brings_the_message_again"),
    (ComparesOnlyWhatIsDone, "test_other_content_under_the_same_id_is_a_conflict_in_every_state"),
    (TakesTheLastContent, "test_conflict_changes_nothing"),
    (HasNoNames, "test_inboxes_of_other_names_are_apart"),
    (HasNoIssuers, "test_messages_of_other_issuers_are_apart"),
    (JoinsIds, "test_ids_that_look_alike_are_apart"),
    (FoldsCase, "test_ids_that_look_alike_are_apart"),
    (SaysThatItIsShared, "test_two_inboxes_of_one_name_meet_only_where_they_are_shared"),
    (LooksBeforeItWrites, "test_one_of_many_copies_at_once_is_claimed"),
    (ForgetsEarly, "test_row_is_kept_to_the_end"),
    (NeverForgets, "test_row_is_forgotten_after_its_end"),
    (TrustsTheReceiversClock, "test_message_whose_own_row_is_over_does_not_run_again"),
    (ForgetsAll, "test_running_message_is_never_forgotten"),
    (CannotForget, "test_done_or_rejected_message_is_new_after_forget"),
    (ForgetsWhatRuns, "test_forget_leaves_a_running_message_and_others_alone"),
    (EndsLeasesEarly, "test_lease_lasts_to_its_end"),
    (NeverEndsALease, "test_message_is_claimed_again_when_its_lease_is_over"),
    (TakesOverForGood, "test_takeover_starts_a_lease_of_its_own"),
    (LooksBeforeItWrites, "test_one_of_many_takes_over"),
    (ForgetsTheFence, "test_fence_grows_over_takeover_release_and_forget"),
    (HasNoFence, "test_commit_reject_and_renew_of_an_old_holder_are_refused"),
    (HasNoFence, "test_old_holder_harms_the_new_one_in_nothing"),
    (HasNoFence, "test_old_holder_changes_nothing_of_what_the_new_one_committed"),
    (ChecksTheFenceAlone, "test_claim_that_was_released_is_of_no_more_use"),
    (CommitsAnything, "test_claim_of_a_message_that_is_not_there_is_of_no_use"),
    (RefusesAfterTheLease, "test_lease_that_is_over_may_be_committed_while_nobody_took_over"),
    (RefusesAfterTheLease, "test_lease_that_is_over_may_be_rejected_while_nobody_took_over"),
    (RefusesAfterTheLease, "test_lease_that_is_over_may_be_renewed_while_nobody_took_over"),
    (RenewsFromTheOldEnd, "test_renewed_lease_counts_from_the_moment_it_was_renewed"),
    (RenewsWithANewFence, "test_renewed_claim_can_be_committed"),
    (EndsLeasesWhenTheClockGoesBack, "test_clock_that_steps_back_ends_no_lease"),
    (HasNoQuota, "test_quota_refuses_that_issuer_alone"),
    (RefusesCopiesToo, "test_issuer_beyond_its_quota_is_answered_for_what_it_sent_before"),
    (KeepsARowOfWhatItRefused, "test_rows_that_are_over_make_room_for_what_was_refused"),
]
