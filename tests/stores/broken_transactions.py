"""Inboxes with one mistake each about their transactions, and the case of the contract that finds it."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from signedmsg._core.inbox import Arrival, Claim, Conflict, Done, InProgress, Rejected, Settled
from signedmsg.errors import StoreError
from tests.stores.naive_inbox import NaiveInbox, NaiveTransaction, Store

if TYPE_CHECKING:
    from collections.abc import Generator

    from signedmsg.testing import ManualClock


class SaysItHasNone(NaiveInbox):
    transactional = False


def broken(*bases: type[NaiveTransaction]) -> type[NaiveInbox]:
    """Return an inbox with these transactions."""

    class Broken(NaiveInbox):
        def make_transaction(self) -> NaiveTransaction:
            return bases[0](self)

    Broken.__name__ = bases[0].__name__
    return Broken


class MarksOnly(NaiveTransaction):
    def commit(self) -> None:
        self.connection.clear()
        super().commit()


class WritesOnly(NaiveTransaction):
    def commit(self) -> None:
        self.store.words += self.connection


class WrapsErrors(NaiveInbox):
    @contextmanager
    def transaction(self) -> Generator[NaiveTransaction]:
        with super().transaction() as transaction:
            try:
                yield transaction
            except Exception as error:
                raise StoreError from error


class CommitsWhatRaised(NaiveInbox):
    @contextmanager
    def transaction(self) -> Generator[NaiveTransaction]:
        with super().transaction() as transaction:
            try:
                yield transaction
            except BaseException:
                transaction.commit()
                raise


class MarksWhatRaised(NaiveInbox):
    @contextmanager
    def transaction(self) -> Generator[NaiveTransaction]:
        with super().transaction() as transaction:
            try:
                yield transaction
            except BaseException:
                transaction.connection.clear()
                transaction.commit()
                raise


class StaysOpenAfterAnError(NaiveInbox):
    @contextmanager
    def transaction(self) -> Generator[NaiveTransaction]:
        transaction = NaiveTransaction(self)
        yield transaction
        transaction.commit()
        self.store.open.discard(transaction.key)


class KeepsWhatWasRejected(NaiveTransaction):
    def undo(self) -> None:
        pass


class ForgetsTheRejection(NaiveTransaction):
    def reject(self, reason: str) -> None:
        self.row = None


class DoesNotSeeOthers(NaiveTransaction):
    def is_open(self, key: tuple[str, ...]) -> bool:
        return False


class LooksBeforeItMarks(NaiveInbox):
    """All copies look before any of them is marked, as threads may."""

    def __init__(self, store: Store, *, clock: ManualClock, name: str, quota: int = 10**6) -> None:
        super().__init__(store, clock=clock, name=name, quota=quota)
        self.looked = threading.Barrier(8)

    def make_transaction(self) -> NaiveTransaction:
        looked = self.looked

        class Looks(DoesNotSeeOthers):
            def finish(self, status: int) -> None:
                looked.wait(timeout=10)
                super().finish(status)

        return Looks(self)


class EndsWithItsCopy(NaiveTransaction):
    def begin(self, arrival: Arrival) -> Settled | None:
        settled = super().begin(arrival)
        if isinstance(settled, InProgress):
            self.store.open.add(("a copy came",))
        return settled

    def commit(self) -> None:
        if ("a copy came",) not in self.store.open:
            super().commit()


class TrustsTheHandler(NaiveTransaction):
    def finish(self, status: int) -> None:
        self.connection.ended = False
        super().finish(status)


class IgnoresTheContent(NaiveTransaction):
    def begin(self, arrival: Arrival) -> Settled | None:
        settled = super().begin(arrival)
        return Done(204) if isinstance(settled, Conflict) else settled


class IgnoresRejections(NaiveTransaction):
    def begin(self, arrival: Arrival) -> Settled | None:
        settled = super().begin(arrival)
        return Done(204) if isinstance(settled, Rejected) else settled


class IgnoresLeases(NaiveInbox):
    def make_transaction(self) -> NaiveTransaction:
        for row in self.store.rows.values():
            row.until = 0.0
        return super().make_transaction()


class KeepsTheFence(NaiveTransaction):
    def begin(self, arrival: Arrival) -> Settled | None:
        settled = super().begin(arrival)
        if self.row is not None:
            self.row.state = "running"
        return settled


class MarksAtOnce(NaiveTransaction):
    def enter(self, key: tuple[str, ...]) -> None:
        super().enter(key)
        assert self.row is not None
        self.store.rows[key] = replace(self.row, status=204)


class LeavesItQueued(NaiveTransaction):
    def resume(self, claim: Claim) -> None:
        super().resume(claim)
        assert self.row is not None
        self.row.state = "working"


class ResumesAtOnce(NaiveTransaction):
    def resume(self, claim: Claim) -> None:
        super().resume(claim)
        self.inbox.commit(claim, 202)


class ResumesAnything(NaiveTransaction):
    def resume(self, claim: Claim) -> None:
        self.row = replace(self.store.rows[self.inbox.key(claim.issuer, claim.message_id)], state="done")


class RunsBesideTheQueue(NaiveTransaction):
    def begin(self, arrival: Arrival) -> Settled | None:
        settled = super().begin(arrival)
        return None if settled == Done(202) else settled


TRANSACTION_MISTAKES: list[tuple[type[NaiveInbox], str]] = [
    (SaysItHasNone, "test_inbox_says_that_it_has_transactions"),
    (broken(MarksOnly), "test_effect_and_mark_are_committed_together"),
    (broken(WritesOnly), "test_effect_and_mark_are_committed_together"),
    (WrapsErrors, "test_error_of_the_handler_comes_out_as_it_is"),
    (CommitsWhatRaised, "test_handler_that_raises_leaves_nothing"),
    (MarksWhatRaised, "test_handler_that_raises_leaves_nothing"),
    (StaysOpenAfterAnError, "test_message_runs_after_a_handler_that_raised"),
    (broken(KeepsWhatWasRejected), "test_reject_keeps_its_row_and_undoes_the_effect"),
    (broken(ForgetsTheRejection), "test_reject_keeps_its_row_and_undoes_the_effect"),
    (broken(DoesNotSeeOthers), "test_copy_is_told_in_progress_while_the_transaction_is_open"),
    (broken(EndsWithItsCopy), "test_copy_leaves_the_open_transaction_alone"),
    (LooksBeforeItMarks, "test_one_of_many_copies_at_once_has_an_effect"),
    (broken(TrustsTheHandler), "test_handler_that_ended_the_transaction_is_found_out"),
    (broken(IgnoresTheContent), "test_other_content_is_a_conflict"),
    (broken(IgnoresRejections), "test_message_marked_under_a_lease_is_known"),
    (IgnoresLeases, "test_message_that_runs_under_a_lease_is_in_progress"),
    (broken(KeepsTheFence), "test_message_whose_lease_is_over_is_taken_over"),
    (broken(MarksAtOnce), "test_takeover_is_undone_with_the_transaction"),
    (broken(LeavesItQueued), "test_queued_message_is_done_with_the_transaction"),
    (broken(ResumesAtOnce), "test_queued_message_whose_handler_raised_is_still_claimed"),
    (broken(KeepsWhatWasRejected), "test_queued_message_can_be_rejected_in_the_transaction"),
    (broken(ResumesAnything), "test_old_claim_cannot_be_resumed"),
    (broken(RunsBesideTheQueue), "test_queued_message_has_no_transaction_beside_the_queue"),
]
