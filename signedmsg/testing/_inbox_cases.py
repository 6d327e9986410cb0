"""The cases of the inbox contract: states, what is apart from what, and how long a row is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from signedmsg._core.inbox import Claim, Conflict, Done, InProgress, Rejected
from signedmsg.errors import StoreError
from signedmsg.testing._inbox_trial import (
    COPIES,
    KEEP,
    LEASE,
    ONE,
    OTHER,
    SLACK,
    Trial,
    at_once,
    check,
    claimed,
    expect,
    expect_kind,
)

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from signedmsg._core.inbox import Arrival
    from signedmsg._flows.inbox_ports import Inbox

_PASSING: Final = 40

# Pairs that a text such as issuer:id, a folded case or a shortened id would take for one another.
ALIKE: Final = (
    ("https://a.example", "b:c"),
    ("https://a.example:b", "c"),
    ("https://a.example", "bc"),
    ("https://a.exampleb", "c"),
    ("https://a.example", "B:c"),
    ("https://a.example", "b:c "),
    ("https://a.example", "b%3Ac"),
    ("https://A.example", "b:c"),
    ("https://a.example", "007"),
    ("https://a.example", "7"),
    ("https://a.example", "7" * 128),
    ("https://a.example", "7" * 127 + "8"),
    ("https://a.example", "é"),
    ("https://a.example", "e\u0301"),
)


class StateCases:
    """One method a case; a subclass says how a trial is opened."""

    _may_wait: tuple[str, ...] = ()

    def _trial(self) -> AbstractContextManager[Trial]:
        raise NotImplementedError

    def test_inbox_says_how_it_waits(self) -> None:
        with self._trial() as trial:
            waits = trial.open().waits
            check(waits in self._may_wait, f"waits is {waits!r}, expected one of {self._may_wait}")

    def test_inbox_says_its_name(self) -> None:
        with self._trial() as trial:
            names = [trial.open(name).name for name in ("default", "other")]
            check(names == ["default", "other"], f"inboxes made as default and other say {names}")

    def test_new_message_is_claimed_as_the_first_attempt(self) -> None:
        with self._trial() as trial:
            message = trial.message(1)
            claim = claimed(trial.open().begin(message, LEASE))
            wanted = (message.issuer, message.message_id, 1)
            check((claim.issuer, claim.message_id, claim.attempt) == wanted, f"expected {wanted}, got {claim}")

    def test_copy_of_a_running_message_is_in_progress(self) -> None:
        with self._trial() as trial:
            inbox, message = trial.open(), trial.message(1)
            inbox.begin(message, LEASE)
            expect_kind(inbox.begin(message, LEASE), InProgress)

    def test_copy_is_told_what_is_left_of_the_lease(self) -> None:
        with self._trial() as trial:
            inbox, message = trial.open(), trial.message(1)
            inbox.begin(message, LEASE)
            trial.advance(LEASE / 3)
            answer = inbox.begin(message, 9 * LEASE)
            check(isinstance(answer, InProgress), f"expected InProgress, got {answer}")
            left = answer[0] if isinstance(answer, InProgress) else -1.0
            check(2 / 3 * LEASE - SLACK <= left <= 2 / 3 * LEASE, f"{left} s are said to be left of {2 / 3 * LEASE}")

    def test_committed_message_is_done_with_its_status(self) -> None:
        with self._trial() as trial:
            inbox = trial.open()
            for number, status in enumerate((200, 202, 204)):
                _commit(inbox, trial.message(number), status)
            answers = [inbox.begin(trial.message(number), LEASE) for number in range(3)]
            for answer, status in zip(answers, (200, 202, 204), strict=True):
                expect(answer, Done(status))

    def test_done_message_stays_done_after_its_lease(self) -> None:
        with self._trial() as trial:
            inbox = trial.open()
            _commit(inbox, trial.message(1), 200)
            trial.advance(3 * LEASE)
            expect(inbox.begin(trial.message(1), LEASE), Done(200))

    def test_rejected_message_keeps_its_reason(self) -> None:
        with self._trial() as trial:
            inbox = trial.open()
            inbox.reject(claimed(inbox.begin(trial.message(1), LEASE)), "no_such_account")
            trial.advance(3 * LEASE)
            expect(inbox.begin(trial.message(1), LEASE), Rejected("no_such_account"))

    def test_released_message_is_claimed_at_once_as_the_next_attempt(self) -> None:
        with self._trial() as trial:
            inbox = trial.open()
            inbox.release(claimed(inbox.begin(trial.message(1), LEASE)))
            claim = claimed(inbox.begin(trial.message(1), LEASE))
            check(claim.attempt == 2, f"the second claim is attempt {claim.attempt}")

    def test_delay_of_a_release_holds_nobody_who_brings_the_message_again(self) -> None:
        with self._trial() as trial:
            inbox = trial.open()
            inbox.release(claimed(inbox.begin(trial.message(1), LEASE)), LEASE)
            expect_kind(inbox.begin(trial.message(1), LEASE), Claim)

    def test_other_content_under_the_same_id_is_a_conflict_in_every_state(self) -> None:
        with self._trial() as trial:
            inbox = trial.open()
            _every_state(trial, inbox)
            for number in range(5):
                expect(inbox.begin(trial.message(number, content="another"), LEASE), Conflict())

    def test_conflict_changes_nothing(self) -> None:
        with self._trial() as trial:
            inbox = trial.open()
            _every_state(trial, inbox)
            for number in range(5):
                inbox.begin(trial.message(number, content="another"), LEASE)
            kinds = [type(inbox.begin(trial.message(number), LEASE)) for number in range(5)]
            wanted = [InProgress, Claim, Claim, Done, Rejected]
            check(kinds == wanted, f"after conflicts: {kinds}, expected {wanted}")

    def test_inboxes_of_other_names_are_apart(self) -> None:
        with self._trial() as trial:
            inbox, other = trial.open(), trial.open("other")
            _commit(inbox, trial.message(1), 200)
            other.reject(claimed(other.begin(trial.message(1), LEASE)), "no")
            expect(inbox.begin(trial.message(1), LEASE), Done(200))

    def test_messages_of_other_issuers_are_apart(self) -> None:
        with self._trial() as trial:
            inbox = trial.open()
            _commit(inbox, trial.message(1, issuer=ONE), 200)
            inbox.reject(claimed(inbox.begin(trial.message(1, issuer=OTHER), LEASE)), "no")
            expect(inbox.begin(trial.message(1, issuer=ONE), LEASE), Done(200))

    def test_ids_that_look_alike_are_apart(self) -> None:
        with self._trial() as trial:
            inbox = trial.open()
            for issuer, message_id in ALIKE:
                claim = claimed(inbox.begin(trial.named(message_id, issuer=issuer), LEASE))
                check(claim[:2] == (issuer, message_id), f"{claim} was given for {issuer} {message_id}")

    def test_two_inboxes_of_one_name_meet_only_where_they_are_shared(self) -> None:
        with self._trial() as trial:
            one, two = trial.open(), trial.open()
            one.begin(trial.message(1), LEASE)
            answer = two.begin(trial.message(1), LEASE)
            check(isinstance(answer, InProgress) == one.shared, f"shared is {one.shared}, the second was told {answer}")

    def test_one_of_many_copies_at_once_is_claimed(self) -> None:
        with self._trial() as trial:
            inbox, message = trial.open(), trial.message(1)
            kinds = [type(answer) for answer in at_once(COPIES, lambda: inbox.begin(message, LEASE))]
            check(kinds.count(Claim) == 1, f"of {COPIES} copies at once {kinds.count(Claim)} were claimed")
            check(kinds.count(InProgress) == COPIES - 1, f"the others were told {set(kinds)}")

    def test_row_is_kept_to_the_end(self) -> None:
        with self._trial() as trial:
            inbox, old = trial.open(), trial.message(1)
            _commit(inbox, old, 200)
            inbox.reject(claimed(inbox.begin(trial.message(2), LEASE)), "no")
            _pass(trial, inbox, KEEP - SLACK)
            expect(inbox.begin(old, LEASE), Done(200))
            expect(inbox.begin(trial.message(2), LEASE), Rejected("no"))

    def test_row_is_forgotten_after_its_end(self) -> None:
        with self._trial() as trial:
            inbox = trial.open()
            _commit(inbox, trial.message(1), 200)
            inbox.reject(claimed(inbox.begin(trial.message(2), LEASE)), "no")
            inbox.release(claimed(inbox.begin(trial.message(3), LEASE)))
            _pass(trial, inbox, KEEP + 1)
            for number in (1, 2, 3):
                expect_kind(inbox.begin(trial.message(number, content="another"), LEASE), Claim)

    def test_message_whose_own_row_is_over_does_not_run_again(self) -> None:
        # Its receiver's clock is behind the store's: else it would have been refused for its age.
        with self._trial() as trial:
            inbox, message = trial.open(), trial.message(1)
            _commit(inbox, message, 200)
            trial.advance(KEEP + 1)
            try:
                answer = inbox.begin(message, LEASE)
            except StoreError:
                return
            expect(answer, Done(200))

    def test_running_message_is_never_forgotten(self) -> None:
        with self._trial() as trial:
            inbox, message = trial.open(), trial.message(1, keep=LEASE)
            claim = claimed(inbox.begin(message, 9 * LEASE))
            _pass(trial, inbox, 6 * LEASE)
            expect_kind(inbox.begin(trial.message(1), LEASE), InProgress)
            inbox.commit(claim, 200)

    def test_done_or_rejected_message_is_new_after_forget(self) -> None:
        with self._trial() as trial:
            inbox = trial.open()
            _commit(inbox, trial.message(1), 200)
            inbox.reject(claimed(inbox.begin(trial.message(2), LEASE)), "no")
            for number in (1, 2):
                message = trial.message(number, content="mended")
                check(inbox.forget(message.issuer, message.message_id) is True, "forget did not return True")
                expect_kind(inbox.begin(message, LEASE), Claim)

    def test_forget_leaves_a_running_message_and_others_alone(self) -> None:
        with self._trial() as trial:
            inbox = trial.open()
            running, done = trial.message(1), trial.message(2)
            inbox.begin(running, LEASE)
            _commit(inbox, done, 200)
            asked = [(ONE, running.message_id), (OTHER, done.message_id), (ONE, "unknown")]
            answers = [inbox.forget(*each) for each in asked]
            check(answers == [False] * 3, f"forget said {answers}")
            expect_kind(inbox.begin(running, LEASE), InProgress)
            expect(inbox.begin(done, LEASE), Done(200))


def _commit(inbox: Inbox, message: Arrival, status: int) -> None:
    inbox.commit(claimed(inbox.begin(message, LEASE)), status)


def _every_state(trial: Trial, inbox: Inbox) -> None:
    """Bring messages 0 to 4 into the states running, released, lease over, done and rejected."""
    inbox.begin(trial.message(2), LEASE)
    trial.advance(LEASE + 1)
    inbox.begin(trial.message(0), LEASE)
    inbox.release(claimed(inbox.begin(trial.message(1), LEASE)))
    _commit(inbox, trial.message(3), 200)
    inbox.reject(claimed(inbox.begin(trial.message(4), LEASE)), "no")


def _pass(trial: Trial, inbox: Inbox, seconds: float) -> None:
    """Let time pass while other messages come and go, at which a store may forget what is over."""
    for number in range(_PASSING):
        trial.advance(seconds / _PASSING)
        _commit(inbox, trial.message(1000 + number), 200)
