"""The cases of the contract on queues: each stored message is given to one worker at a time, until it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from signedmsg._core.inbox import Conflict, Done, InProgress, Job, QueueDepth, Rejected
from signedmsg.errors import LeaseLostError
from signedmsg.testing._inbox_trial import (
    LEASE,
    ONE,
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
    from contextlib import AbstractContextManager

    from signedmsg._flows.inbox_ports import QueuedInbox

_TAKERS = 8


class QueueCases:
    """One method a case; a subclass says how a trial is opened."""

    def _trial(self) -> AbstractContextManager[Trial]:
        raise NotImplementedError

    def test_inbox_says_that_it_queues(self) -> None:
        with self._trial() as trial:
            check(trial.open().queues is True, "queues is not True")

    def test_empty_queue_gives_nothing(self) -> None:
        with self._trial() as trial:
            check(trial.open_queued().take(LEASE) is None, "an empty queue gave a message")

    def test_stored_message_is_taken_with_its_bytes(self) -> None:
        with self._trial() as trial:
            queue, body = trial.open_queued(), b"\x00\xff any bytes \r\n" * 3000
            check(queue.enqueue(trial.message(1), body) is None, "a new message was not stored")
            job = _take(queue)
            check(job.body == body, "the bytes are not those that were stored")
            check(job.claim[:2] == (ONE, "msg_1") and job.claim.attempt == 1, f"taken as {job.claim}")

    def test_message_is_stored_once(self) -> None:
        with self._trial() as trial:
            queue = trial.open_queued()
            queue.enqueue(trial.message(1), b"first")
            expect(queue.enqueue(trial.message(1), b"second"), Done(202))
            check(_take(queue).body == b"first", "the bytes were replaced")
            expect(queue.enqueue(trial.message(1), b"third"), Done(202))
            check(queue.take(LEASE) is None, "one message was taken twice")

    def test_one_of_many_copies_at_once_is_stored(self) -> None:
        with self._trial() as trial:
            queue, message = trial.open_queued(), trial.message(1)
            told = at_once(_TAKERS, lambda: queue.enqueue(message, b"body"))
            check(told.count(None) == 1, f"{told.count(None)} of {_TAKERS} copies were stored")

    def test_queued_message_is_not_run_beside_the_queue(self) -> None:
        with self._trial() as trial:
            queue = trial.open_queued()
            queue.enqueue(trial.message(1), b"body")
            expect(queue.begin(trial.message(1), LEASE), Done(202))

    def test_other_content_under_the_same_id_is_a_conflict(self) -> None:
        with self._trial() as trial:
            queue = trial.open_queued()
            queue.enqueue(trial.message(1), b"body")
            expect(queue.enqueue(trial.message(1, content="another"), b"body"), Conflict())

    def test_message_that_was_settled_is_not_stored(self) -> None:
        with self._trial() as trial:
            queue = trial.open_queued()
            queue.commit(claimed(queue.begin(trial.message(1), LEASE)), 204)
            queue.reject(claimed(queue.begin(trial.message(2), LEASE)), "no")
            queue.begin(trial.message(3), LEASE)
            expect(queue.enqueue(trial.message(1), b"body"), Done(204))
            expect(queue.enqueue(trial.message(2), b"body"), Rejected("no"))
            expect_kind(queue.enqueue(trial.message(3), b"body"), InProgress)
            check(queue.take(LEASE) is None, "a message that was not stored was taken")

    def test_message_that_is_done_or_rejected_leaves_the_queue(self) -> None:
        with self._trial() as trial:
            queue = _stored(trial, 2)
            queue.commit(_take(queue).claim, 202)
            queue.reject(_take(queue).claim, "no")
            trial.advance(LEASE + 1)
            check(queue.take(LEASE) is None, "a settled message was taken")
            expect(queue.enqueue(trial.message(0), b"body"), Done(202))
            expect(queue.enqueue(trial.message(1), b"body"), Rejected("no"))

    def test_released_message_is_taken_again_as_the_next_attempt(self) -> None:
        with self._trial() as trial:
            queue = _stored(trial, 1)
            queue.release(first := _take(queue).claim)
            second = _take(queue).claim
            check(second.attempt == 2 and second.fence > first.fence, f"after {first} came {second}")

    def test_message_released_with_a_delay_is_due_after_it(self) -> None:
        with self._trial() as trial:
            queue = _stored(trial, 1)
            queue.release(_take(queue).claim, 10 * LEASE)
            trial.advance(10 * LEASE - SLACK)
            check(queue.take(LEASE) is None, "a message was taken before its delay was over")
            trial.advance(SLACK + 1)
            _take(queue)

    def test_message_is_taken_over_when_its_lease_is_over(self) -> None:
        with self._trial() as trial:
            queue = _stored(trial, 1)
            old = _take(queue).claim
            trial.advance(LEASE - SLACK)
            check(queue.take(LEASE) is None, "a running message was taken")
            trial.advance(SLACK + 1)
            new = _take(queue)
            check(new.claim.fence > old.fence and new.body == b"body 0", f"after {old} came {new}")

    def test_worker_that_lost_its_lease_is_refused(self) -> None:
        with self._trial() as trial:
            queue = _stored(trial, 1)
            old = _take(queue).claim
            trial.advance(LEASE + 1)
            new = _take(queue).claim
            refuses(LeaseLostError, queue.commit, old, 202)
            refuses(LeaseLostError, queue.bury, old, "TooLate")
            queue.release(old)
            check(queue.take(LEASE) is None, "a stale release gave the message to a second worker")
            queue.commit(new, 202)

    def test_renewed_message_is_not_taken_over(self) -> None:
        with self._trial() as trial:
            queue = _stored(trial, 1)
            claim = _take(queue).claim
            queue.renew(claim, 10 * LEASE)
            trial.advance(9 * LEASE)
            check(queue.take(LEASE) is None, "a renewed message was taken")

    def test_message_that_has_been_due_longest_comes_first(self) -> None:
        with self._trial() as trial:
            queue = _stored(trial, 3)
            # Due again after the second and the third, and before the fourth.
            queue.release(_take(queue).claim, LEASE)
            trial.advance(2 * LEASE)
            queue.enqueue(trial.message(3), b"body 3")
            taken = [_take(queue).body for _ in range(4)]
            check(taken == [b"body 1", b"body 2", b"body 0", b"body 3"], f"taken in the order {taken}")

    def test_each_message_is_given_to_one_of_many_takers(self) -> None:
        with self._trial() as trial:
            queue = _stored(trial, 3 * _TAKERS)

            def take_all() -> list[str]:
                jobs = iter(lambda: queue.take(LEASE), None)
                return [job.claim.message_id for job in jobs if job]

            taken = [each for part in at_once(_TAKERS, take_all) for each in part]
            check(len(taken) == len(set(taken)) == 3 * _TAKERS, f"{3 * _TAKERS} messages were taken as {sorted(taken)}")

    def test_queues_of_other_names_are_apart(self) -> None:
        with self._trial() as trial:
            _stored(trial, 1)
            other = trial.open_queued("other")
            check(other.take(LEASE) is None, "a message of another name was taken")
            check(other.depth() == QueueDepth(0, 0, 0), f"depth of an empty queue: {other.depth()}")

    def test_waiting_message_is_never_forgotten(self) -> None:
        with self._trial() as trial:
            queue = trial.open_queued()
            queue.enqueue(trial.message(1, keep=LEASE), b"body")
            for number in range(100, 140):
                trial.advance(LEASE / 4)
                queue.commit(claimed(queue.begin(trial.message(number, keep=LEASE), LEASE)), 200)
            check(_take(queue).body == b"body", "the message is not the one that waited")

    def test_forget_leaves_a_queued_message_alone(self) -> None:
        with self._trial() as trial:
            queue = _stored(trial, 1)
            check(queue.forget(ONE, "msg_0") is False, "a waiting message was forgotten")
            _take(queue)
            check(queue.forget(ONE, "msg_0") is False, "a running message was forgotten")

    def test_message_given_up_is_a_dead_letter(self) -> None:
        with self._trial() as trial:
            queue = _stored(trial, 1)
            queue.release(_take(queue).claim)
            queue.bury(_take(queue).claim, "ValueError")
            trial.advance(LEASE + 1)
            check(queue.take(LEASE) is None, "a dead message was taken")
            letters = queue.dead()
            check([each[:5] for each in letters] == [(ONE, "msg_0", "invoice.paid", 2, "ValueError")], f"{letters}")
            expect(queue.enqueue(trial.message(0), b"body"), Done(202))

    def test_dead_letters_come_latest_first(self) -> None:
        with self._trial() as trial:
            queue, begun = _stored(trial, 3), trial.clock()
            for _ in range(3):
                trial.advance(1)
                queue.bury(_take(queue).claim, "ValueError")
            letters = queue.dead(2)
            check([each.message_id for each in letters] == ["msg_2", "msg_1"], f"{letters}")
            check(all(abs(each.died_at - begun) < 3 + SLACK for each in letters), f"after {begun}: {letters}")

    def test_dead_message_runs_again_after_redrive(self) -> None:
        with self._trial() as trial:
            queue = _stored(trial, 1)
            old = _take(queue).claim
            queue.bury(old, "ValueError")
            check(queue.redrive(ONE, "msg_0") is True, "redrive did not return True")
            job = _take(queue)
            check(job.claim.attempt == 1 and job.claim.fence > old.fence, f"after {old} came {job.claim}")
            check(job.body == b"body 0" and queue.dead() == [], "the message is not as it was")

    def test_only_a_dead_message_is_driven_again(self) -> None:
        with self._trial() as trial:
            queue = _stored(trial, 1)
            check(queue.redrive(ONE, "msg_0") is False, "a waiting message was driven again")
            check(queue.redrive(ONE, "unknown") is False, "an unknown message was driven again")

    def test_depth_counts_waiting_running_and_dead(self) -> None:
        with self._trial() as trial:
            queue = _stored(trial, 6)
            queue.begin(trial.message(9), LEASE)
            queue.bury(_take(queue).claim, "ValueError")
            queue.release(_take(queue).claim, LEASE)
            queue.commit(_take(queue).claim, 202)
            _take(queue)
            expect(queue.depth(), QueueDepth(waiting=3, running=1, dead=1))


def _stored(trial: Trial, count: int) -> QueuedInbox:
    """Queue so many messages, one second after the other."""
    queue = trial.open_queued()
    for number in range(count):
        queue.enqueue(trial.message(number), b"body %d" % number)
        trial.advance(1)
    return queue


def _take(queue: QueuedInbox) -> Job:
    job = queue.take(LEASE)
    check(job is not None, "no message was due")
    return cast("Job", job)
