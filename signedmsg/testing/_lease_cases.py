"""The cases of the inbox contract on leases and fences: of several holders one may mark the message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signedmsg._core.inbox import Claim, Done, InProgress, Rejected
from signedmsg.errors import LeaseLostError, QuotaError
from signedmsg.testing._inbox_trial import (
    COPIES,
    KEEP,
    LEASE,
    OTHER,
    SLACK,
    Trial,
    at_once,
    check,
    claimed,
    expect,
    expect_kind,
    refuses,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from signedmsg._flows.inbox_ports import Inbox


class LeaseCases:
    """One method a case; a subclass says how a trial is opened."""

    def _trial(self) -> AbstractContextManager[Trial]:
        raise NotImplementedError

    def test_lease_lasts_to_its_end(self) -> None:
        with self._trial() as trial:
            inbox = trial.open()
            inbox.begin(trial.message(1), LEASE)
            trial.advance(LEASE - SLACK)
            expect_kind(inbox.begin(trial.message(1), LEASE), InProgress)

    def test_message_is_claimed_again_when_its_lease_is_over(self) -> None:
        with self._trial() as trial:
            claim = _taken_over(trial, trial.open())[1]
            check(claim.attempt == 2, f"the second claim is attempt {claim.attempt}")

    def test_takeover_starts_a_lease_of_its_own(self) -> None:
        with self._trial() as trial:
            inbox = trial.open()
            _taken_over(trial, inbox)
            trial.advance(LEASE - SLACK)
            expect_kind(inbox.begin(trial.message(1), LEASE), InProgress)

    def test_one_of_many_takes_over(self) -> None:
        with self._trial() as trial:
            inbox, message = trial.open(), trial.message(1)
            inbox.begin(message, LEASE)
            trial.advance(LEASE + 1)
            kinds = [type(answer) for answer in at_once(COPIES, lambda: inbox.begin(message, LEASE))]
            check(kinds.count(Claim) == 1, f"of {COPIES} copies at once {kinds.count(Claim)} took over")

    def test_fence_grows_over_takeover_release_and_forget(self) -> None:
        with self._trial() as trial:
            inbox, message = trial.open(), trial.message(1)
            claims = [*_taken_over(trial, inbox)]
            inbox.release(claims[-1])
            claims.append(claimed(inbox.begin(message, LEASE)))
            inbox.commit(claims[-1], 200)
            inbox.forget(message.issuer, message.message_id)
            claims.append(claimed(inbox.begin(message, LEASE)))
            fences = [claim.fence for claim in claims]
            check(fences == sorted(set(fences)), f"the fences of one message, one claim after the other: {fences}")

    def test_commit_reject_and_renew_of_an_old_holder_are_refused(self) -> None:
        with self._trial() as trial:
            inbox = trial.open()
            old, _ = _taken_over(trial, inbox)
            refuses(LeaseLostError, inbox.commit, old, 200)
            refuses(LeaseLostError, inbox.reject, old, "no")
            refuses(LeaseLostError, inbox.renew, old, LEASE)

    def test_old_holder_harms_the_new_one_in_nothing(self) -> None:
        with self._trial() as trial:
            inbox = trial.open()
            old, new = _taken_over(trial, inbox)
            _ignoring(inbox.commit, old, 599)
            _ignoring(inbox.reject, old, "no")
            _ignoring(inbox.renew, old, 1.0)
            inbox.release(old)
            expect_kind(inbox.begin(trial.message(1), LEASE), InProgress)
            inbox.commit(new, 204)
            expect(inbox.begin(trial.message(1), LEASE), Done(204))

    def test_old_holder_changes_nothing_of_what_the_new_one_committed(self) -> None:
        with self._trial() as trial:
            inbox = trial.open()
            old, new = _taken_over(trial, inbox)
            inbox.commit(new, 204)
            refuses(LeaseLostError, inbox.commit, old, 200)
            refuses(LeaseLostError, inbox.reject, old, "no")
            inbox.release(old)
            expect(inbox.begin(trial.message(1), LEASE), Done(204))

    def test_claim_that_was_released_is_of_no_more_use(self) -> None:
        with self._trial() as trial:
            inbox = trial.open()
            claim = claimed(inbox.begin(trial.message(1), LEASE))
            inbox.release(claim)
            refuses(LeaseLostError, inbox.commit, claim, 200)
            refuses(LeaseLostError, inbox.renew, claim, LEASE)
            expect_kind(inbox.begin(trial.message(1), LEASE), Claim)

    def test_claim_of_a_message_that_is_not_there_is_of_no_use(self) -> None:
        with self._trial() as trial:
            inbox = trial.open()
            claim = claimed(inbox.begin(trial.message(1), LEASE))
            for stranger in (claim._replace(message_id="unknown"), claim._replace(issuer=OTHER)):
                refuses(LeaseLostError, inbox.commit, stranger, 200)
            expect_kind(inbox.begin(trial.message(1), LEASE), InProgress)

    def test_lease_that_is_over_may_be_committed_while_nobody_took_over(self) -> None:
        with self._trial() as trial:
            inbox = trial.open()
            claim = claimed(inbox.begin(trial.message(1), LEASE))
            trial.advance(LEASE + 1)
            inbox.commit(claim, 204)
            expect(inbox.begin(trial.message(1), LEASE), Done(204))

    def test_lease_that_is_over_may_be_rejected_while_nobody_took_over(self) -> None:
        with self._trial() as trial:
            inbox = trial.open()
            claim = claimed(inbox.begin(trial.message(1), LEASE))
            trial.advance(LEASE + 1)
            inbox.reject(claim, "no")
            expect(inbox.begin(trial.message(1), LEASE), Rejected("no"))

    def test_lease_that_is_over_may_be_renewed_while_nobody_took_over(self) -> None:
        with self._trial() as trial:
            inbox = trial.open()
            claim = claimed(inbox.begin(trial.message(1), LEASE))
            trial.advance(LEASE + 1)
            inbox.renew(claim, LEASE)
            expect_kind(inbox.begin(trial.message(1), LEASE), InProgress)

    def test_renewed_lease_counts_from_the_moment_it_was_renewed(self) -> None:
        with self._trial() as trial:
            inbox = trial.open()
            claim = claimed(inbox.begin(trial.message(1), LEASE))
            trial.advance(LEASE / 2)
            inbox.renew(claim, LEASE)
            trial.advance(LEASE - SLACK)
            expect_kind(inbox.begin(trial.message(1), LEASE), InProgress)
            trial.advance(SLACK + 1)
            expect_kind(inbox.begin(trial.message(1), LEASE), Claim)

    def test_renewed_claim_can_be_committed(self) -> None:
        with self._trial() as trial:
            inbox = trial.open()
            claim = claimed(inbox.begin(trial.message(1), LEASE))
            inbox.renew(claim, LEASE)
            inbox.commit(claim, 204)
            expect(inbox.begin(trial.message(1), LEASE), Done(204))

    def test_clock_that_steps_back_ends_no_lease(self) -> None:
        with self._trial() as trial:
            inbox, message = trial.open(), trial.message(1)
            inbox.begin(message, LEASE)
            trial.clock.step_back(10 * LEASE)
            expect_kind(inbox.begin(message, LEASE), InProgress)


class BoundCases:
    """One method a case; a subclass says how a trial of an inbox with a quota of three is opened."""

    def _bounded_trial(self, quota: int) -> AbstractContextManager[Trial]:
        raise NotImplementedError

    def test_quota_refuses_that_issuer_alone(self) -> None:
        with self._bounded_trial(3) as trial:
            inbox = _filled(trial)
            refuses(QuotaError, inbox.begin, trial.message(9), LEASE)
            expect_kind(inbox.begin(trial.message(9, issuer=OTHER), LEASE), Claim)

    def test_issuer_beyond_its_quota_is_answered_for_what_it_sent_before(self) -> None:
        with self._bounded_trial(3) as trial:
            inbox = _filled(trial)
            expect(inbox.begin(trial.message(1), LEASE), Done(200))

    def test_rows_that_are_over_make_room_for_what_was_refused(self) -> None:
        with self._bounded_trial(3) as trial:
            inbox = _filled(trial)
            refuses(QuotaError, inbox.begin, trial.message(9), LEASE)
            trial.advance(KEEP + 1)
            for number in (9, 10, 11):
                expect_kind(inbox.begin(trial.message(number), LEASE), Claim)


def _filled(trial: Trial) -> Inbox:
    """Use up the quota of three."""
    inbox = trial.open()
    for number in range(3):
        inbox.commit(claimed(inbox.begin(trial.message(number), LEASE)), 200)
    return inbox


def _taken_over(trial: Trial, inbox: Inbox) -> tuple[Claim, Claim]:
    """Claim message 1, let the lease run out, claim it again."""
    old = claimed(inbox.begin(trial.message(1), LEASE))
    trial.advance(LEASE + 1)
    return old, claimed(inbox.begin(trial.message(1), LEASE))


def _ignoring(step: Callable[..., object], *arguments: object) -> None:
    try:
        step(*arguments)
    except LeaseLostError:
        return
