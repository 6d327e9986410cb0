"""The cases of the contract on transactions: effects and mark happen together or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signedmsg._core.inbox import Claim, Conflict, Done, InProgress, Rejected
from signedmsg.errors import HandlerError, LeaseLostError
from signedmsg.testing._inbox_trial import (
    LEASE,
    Boom,
    Trial,
    at_once,
    check,
    claimed,
    expect,
    expect_kind,
    refuses,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from signedmsg._core.inbox import Arrival, Settled
    from signedmsg._flows.inbox_ports import TransactionalInbox

_COPIES = 8


class TransactionCases:
    """One method a case; a subclass says how a trial is opened and how a handler writes."""

    def _trial(self) -> AbstractContextManager[Trial]:
        raise NotImplementedError

    def _write(self, connection: object, word: str) -> None:
        raise NotImplementedError

    def _end_transaction(self, connection: object) -> None:
        raise NotImplementedError

    def written(self) -> Sequence[str]:
        raise NotImplementedError

    def _handle(
        self, inbox: TransactionalInbox[object], message: Arrival, then: Callable[[], object] | None = None
    ) -> Settled | None:
        """Run a handler that writes its message's id, and then does one more thing."""
        with inbox.transaction() as transaction:
            settled = transaction.begin(message)
            if settled is None:
                self._write(transaction.connection, message.message_id)
                if then is not None:
                    then()
                transaction.finish(204)
        return settled

    def test_inbox_says_that_it_has_transactions(self) -> None:
        with self._trial() as trial:
            check(trial.open().transactional is True, "transactional is not True")

    def test_effect_and_mark_are_committed_together(self) -> None:
        with self._trial() as trial:
            inbox = trial.open_transactional()
            self._handle(inbox, trial.message(1))
            expect(self._handle(inbox, trial.message(1)), Done(204))
            check(list(self.written()) == ["msg_1"], f"written: {self.written()}")

    def test_error_of_the_handler_comes_out_as_it_is(self) -> None:
        with self._trial() as trial:
            refuses(Boom, self._handle, trial.open_transactional(), trial.message(1), _fail)

    def test_handler_that_raises_leaves_nothing(self) -> None:
        with self._trial() as trial:
            inbox = trial.open_transactional()
            refuses(Boom, self._handle, inbox, trial.message(1), _fail)
            check(list(self.written()) == [], f"written: {self.written()}")
            check(claimed(inbox.begin(trial.message(1, content="another"), LEASE)).attempt == 1, "a row was left")

    def test_message_runs_after_a_handler_that_raised(self) -> None:
        with self._trial() as trial:
            inbox = trial.open_transactional()
            refuses(Boom, self._handle, inbox, trial.message(1), _fail)
            self._handle(inbox, trial.message(1))
            check(list(self.written()) == ["msg_1"], f"written: {self.written()}")

    def test_reject_keeps_its_row_and_undoes_the_effect(self) -> None:
        with self._trial() as trial:
            inbox = trial.open_transactional()
            with inbox.transaction() as transaction:
                transaction.begin(trial.message(1))
                self._write(transaction.connection, "undone")
                transaction.reject("no_such_account")
            expect(self._handle(inbox, trial.message(1)), Rejected("no_such_account"))
            check(list(self.written()) == [], f"written: {self.written()}")

    def test_copy_is_told_in_progress_while_the_transaction_is_open(self) -> None:
        with self._trial() as trial:
            inbox, message = trial.open_transactional(), trial.message(1)
            told: list[object] = []
            # In the same thread: an inbox that waits for the open transaction never comes back from this.
            self._handle(inbox, message, lambda: told.append(self._handle(inbox, message)))
            check([type(answer) for answer in told] == [InProgress], f"the copy was told {told}")
            check(list(self.written()) == ["msg_1"], f"written: {self.written()}")

    def test_copy_leaves_the_open_transaction_alone(self) -> None:
        with self._trial() as trial:
            inbox, message = trial.open_transactional(), trial.message(1)
            self._handle(inbox, message, lambda: self._handle(inbox, message))
            expect(self._handle(inbox, message), Done(204))

    def test_one_of_many_copies_at_once_has_an_effect(self) -> None:
        with self._trial() as trial:
            inbox, message = trial.open_transactional(), trial.message(1)
            told = at_once(_COPIES, lambda: self._handle(inbox, message))
            check(told.count(None) == 1, f"{told.count(None)} of {_COPIES} copies ran")
            check(list(self.written()) == ["msg_1"], f"written: {self.written()}")

    def test_handler_that_ended_the_transaction_is_found_out(self) -> None:
        with self._trial() as trial:
            inbox = trial.open_transactional()

            def handle() -> None:
                with inbox.transaction() as transaction:
                    transaction.begin(trial.message(1))
                    self._end_transaction(transaction.connection)
                    transaction.finish(204)

            refuses(HandlerError, handle)

    def test_other_content_is_a_conflict(self) -> None:
        with self._trial() as trial:
            inbox = trial.open_transactional()
            self._handle(inbox, trial.message(1))
            expect(self._handle(inbox, trial.message(1, content="another")), Conflict())

    def test_message_marked_under_a_lease_is_known(self) -> None:
        with self._trial() as trial:
            inbox = trial.open_transactional()
            inbox.commit(claimed(inbox.begin(trial.message(1), LEASE)), 200)
            inbox.reject(claimed(inbox.begin(trial.message(2), LEASE)), "no")
            expect(self._handle(inbox, trial.message(1)), Done(200))
            expect(self._handle(inbox, trial.message(2)), Rejected("no"))

    def test_message_that_runs_under_a_lease_is_in_progress(self) -> None:
        with self._trial() as trial:
            inbox = trial.open_transactional()
            inbox.begin(trial.message(1), LEASE)
            expect_kind(self._handle(inbox, trial.message(1)), InProgress)

    def test_message_whose_lease_is_over_is_taken_over(self) -> None:
        with self._trial() as trial:
            inbox = trial.open_transactional()
            old = claimed(inbox.begin(trial.message(1), LEASE))
            trial.advance(LEASE + 1)
            self._handle(inbox, trial.message(1))
            refuses(LeaseLostError, inbox.commit, old, 200)
            expect(inbox.begin(trial.message(1), LEASE), Done(204))

    def test_takeover_is_undone_with_the_transaction(self) -> None:
        with self._trial() as trial:
            inbox = trial.open_transactional()
            inbox.release(claimed(inbox.begin(trial.message(1), LEASE)))
            refuses(Boom, self._handle, inbox, trial.message(1), _fail)
            expect_kind(inbox.begin(trial.message(1), LEASE), Claim)


def _fail() -> None:
    raise Boom


class QueuedTransactionCases:
    """One method a case, for an inbox that has both a queue and transactions."""

    def _trial(self) -> AbstractContextManager[Trial]:
        raise NotImplementedError

    def _write(self, connection: object, word: str) -> None:
        raise NotImplementedError

    def written(self) -> Sequence[str]:
        raise NotImplementedError

    def _taken(self, trial: Trial) -> Claim:
        queue = trial.open_queued()
        queue.enqueue(trial.message(1), b"body")
        job = queue.take(LEASE)
        check(job is not None, "a queued message could not be taken")
        return claimed(job and job.claim)

    def test_queued_message_is_done_with_the_transaction(self) -> None:
        with self._trial() as trial:
            inbox, claim = trial.open_transactional(), self._taken(trial)
            with inbox.transaction() as transaction:
                transaction.resume(claim)
                self._write(transaction.connection, "once")
                transaction.finish(202)
            trial.advance(LEASE + 1)
            check(trial.open_queued().take(LEASE) is None, "the message was taken again")
            expect(inbox.begin(trial.message(1), LEASE), Done(202))
            check(list(self.written()) == ["once"], f"written: {self.written()}")

    def test_queued_message_whose_handler_raised_is_still_claimed(self) -> None:
        with self._trial() as trial:
            inbox, claim = trial.open_transactional(), self._taken(trial)

            def handle() -> None:
                with inbox.transaction() as transaction:
                    transaction.resume(claim)
                    self._write(transaction.connection, "undone")
                    raise Boom

            refuses(Boom, handle)
            check(list(self.written()) == [], f"written: {self.written()}")
            inbox.release(claim)
            check(trial.open_queued().take(LEASE) is not None, "the message cannot be taken again")

    def test_queued_message_can_be_rejected_in_the_transaction(self) -> None:
        with self._trial() as trial:
            inbox, claim = trial.open_transactional(), self._taken(trial)
            with inbox.transaction() as transaction:
                transaction.resume(claim)
                self._write(transaction.connection, "undone")
                transaction.reject("no")
            expect(inbox.begin(trial.message(1), LEASE), Rejected("no"))
            check(list(self.written()) == [], f"written: {self.written()}")

    def test_old_claim_cannot_be_resumed(self) -> None:
        with self._trial() as trial:
            inbox, old = trial.open_transactional(), self._taken(trial)
            trial.advance(LEASE + 1)
            trial.open_queued().take(LEASE)

            def handle() -> None:
                with inbox.transaction() as transaction:
                    transaction.resume(old)

            refuses(LeaseLostError, handle)

    def test_queued_message_has_no_transaction_beside_the_queue(self) -> None:
        with self._trial() as trial:
            inbox = trial.open_transactional()
            trial.open_queued().enqueue(trial.message(1), b"body")
            with inbox.transaction() as transaction:
                expect(transaction.begin(trial.message(1)), Done(202))
