"""A process is killed at each step of begin → handler → effect → commit → answer, and the sender sends again.

Each test is a cell of the table of faults on the page about replay and retries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .conftest import CELLS
from .stage import is_duplicate

if TYPE_CHECKING:
    from collections.abc import Callable

    from .stage import Stage

    Stages = Callable[[str, str], Stage]

pytestmark = pytest.mark.slow
ALL = pytest.mark.parametrize(("backend", "mode"), CELLS)
QUEUES = pytest.mark.parametrize(("backend", "mode"), CELLS[:4])


@ALL
@pytest.mark.parametrize("step", ["begin", "begun", "handler"])
def test_death_before_the_effect_leaves_one_effect_on_retry(
    stage_of: Stages, backend: str, mode: str, step: str
) -> None:
    stage = stage_of(backend, mode)
    first = stage.child(stop=step)
    assert first.asks(stage.token()) == {"at": step}
    first.kill()
    answer = stage.delivers(stage.child())
    assert (answer["status"], is_duplicate(answer)) == (204, False)
    assert stage.effects() == {"m-1": 1}


@ALL
@pytest.mark.parametrize("step", ["effect", "commit"])
def test_death_between_effect_and_commit_rolls_back_or_repeats_once(
    stage_of: Stages, backend: str, mode: str, step: str
) -> None:
    stage = stage_of(backend, mode)
    first = stage.child(stop=step)
    assert first.asks(stage.token()) == {"at": step}
    first.kill()
    answer = stage.delivers(stage.child())
    assert (answer["status"], is_duplicate(answer)) == (204, False)
    # Under a lease the effect is not the store's to take back: once more for each crash, and no more.
    assert stage.effects() == {"m-1": 1 if mode == "transaction" else 2}


@ALL
def test_death_after_commit_is_answered_as_a_duplicate(stage_of: Stages, backend: str, mode: str) -> None:
    stage = stage_of(backend, mode)
    first = stage.child(stop="committed")
    assert first.asks(stage.token()) == {"at": "committed"}
    first.kill()
    answer = stage.delivers(stage.child())
    assert (answer["status"], is_duplicate(answer)) == (204, True)
    assert stage.effects() == {"m-1": 1}


@ALL
def test_retry_meets_a_slow_handler_and_is_told_in_progress_then_duplicate(
    stage_of: Stages, backend: str, mode: str
) -> None:
    stage = stage_of(backend, mode)
    slow, other = stage.child(stop="effect", lease=60), stage.child(lease=60)
    assert slow.asks(stage.token()) == {"at": "effect"}
    meanwhile = other.asks(stage.token())
    assert (meanwhile["status"], meanwhile["code"]) == (409, "in_progress")
    assert 1 <= int(meanwhile["headers"]["Retry-After"]) <= 60
    assert slow.goes_on()["status"] == 204
    answer = other.asks(stage.token())
    assert (answer["status"], is_duplicate(answer)) == (204, True)
    assert stage.effects() == {"m-1": 1}


@pytest.mark.parametrize(("backend", "mode"), [cell for cell in CELLS if cell[1] == "lease"])
def test_process_that_was_stopped_beyond_its_lease_cannot_mark_what_another_did(
    stage_of: Stages, backend: str, mode: str
) -> None:
    stage = stage_of(backend, mode)
    stopped, other = stage.child(stop="commit"), stage.child()
    assert stopped.asks(stage.token()) == {"at": "commit"}
    stopped.freeze()
    answer = stage.delivers(other)
    assert (answer["status"], is_duplicate(answer)) == (204, False)
    stopped.thaw()
    late = stopped.goes_on()
    assert (late["status"], late["code"]) == (409, "in_progress")
    assert stage.effects() == {"m-1": 2}
    assert is_duplicate(stage.delivers(stopped))


def test_transaction_of_a_process_that_was_stopped_is_the_one_that_wins(stage_of: Stages) -> None:
    stage = stage_of("postgres", "transaction")
    stopped, other = stage.child(stop="effect"), stage.child()
    assert stopped.asks(stage.token()) == {"at": "effect"}
    stopped.freeze()
    assert other.asks(stage.token())["code"] == "in_progress"
    stopped.thaw()
    assert stopped.goes_on()["status"] == 204
    assert is_duplicate(stage.delivers(other))
    assert stage.effects() == {"m-1": 1}


@ALL
def test_captured_request_that_is_replayed_has_no_effect(stage_of: Stages, backend: str, mode: str) -> None:
    stage = stage_of(backend, mode)
    first, other = stage.child(), stage.child()
    token = stage.token()
    assert first.asks(token)["status"] == 204
    first.kill()
    for child in (other, stage.child()):
        answer = child.asks(token)
        assert (answer["status"], answer["code"]) == (409, "replayed")
    assert stage.effects() == {"m-1": 1}


@ALL
def test_sender_whose_key_was_rotated_between_attempts_is_known(stage_of: Stages, backend: str, mode: str) -> None:
    stage = stage_of(backend, mode)
    first = stage.child(stop="begun")
    assert first.asks(stage.token(key=0)) == {"at": "begun"}
    first.kill()
    child = stage.child()
    assert stage.delivers(child, key=1)["status"] == 204
    assert is_duplicate(stage.delivers(child, key=0))
    assert stage.effects() == {"m-1": 1}


@pytest.mark.parametrize("mode", ["transaction", "lease"])
def test_host_whose_clock_steps_back_runs_nothing_twice(stage_of: Stages, mode: str) -> None:
    # PostgreSQL and Redis measure on their own clock; the file's clock is that of its host.
    stage = stage_of("sqlite", mode)
    assert stage.delivers(stage.child())["status"] == 204
    back = stage.child(clock=-3600.0)
    answer = back.asks(stage.token())
    assert is_duplicate(answer) if answer["status"] == 204 else answer["code"] == "unavailable"
    assert stage.effects() == {"m-1": 1}


@QUEUES
@pytest.mark.parametrize(("step", "duplicate"), [("enqueue", False), ("enqueued", True)])
def test_death_while_queueing_loses_nothing_that_was_answered(
    stage_of: Stages, backend: str, mode: str, step: str, *, duplicate: bool
) -> None:
    stage = stage_of(backend, mode)
    first = stage.child(queued=True, stop=step)
    assert first.asks(stage.token()) == {"at": step}
    first.kill()
    answer = stage.delivers(stage.child(queued=True))
    assert (answer["status"], is_duplicate(answer)) == (202, duplicate)
    assert stage.child("work", queued=True).hears() == {"handled": "m-1"}
    assert stage.effects() == {"m-1": 1}


@QUEUES
@pytest.mark.parametrize("step", ["taken", "handler", "effect", "commit"])
def test_message_of_a_worker_that_died_is_run_by_the_next(stage_of: Stages, backend: str, mode: str, step: str) -> None:
    stage = stage_of(backend, mode)
    assert stage.delivers(stage.child(queued=True))["status"] == 202
    first = stage.child("work", queued=True, stop=step)
    assert first.hears() == {"at": step}
    first.kill()
    assert stage.child("work", queued=True).hears() == {"handled": "m-1"}
    repeats = mode == "lease" and step in ("effect", "commit")
    assert stage.effects() == {"m-1": 2 if repeats else 1}


@QUEUES
def test_worker_that_died_after_the_commit_leaves_nothing_to_do(stage_of: Stages, backend: str, mode: str) -> None:
    stage = stage_of(backend, mode)
    receiver = stage.child(queued=True)
    assert stage.delivers(receiver)["status"] == 202
    first = stage.child("work", queued=True, stop="committed")
    assert first.hears() == {"at": "committed"}
    first.kill()
    other = stage.child("work", queued=True)
    assert stage.delivers(receiver, "m-2")["status"] == 202
    assert other.hears() == {"handled": "m-2"}
    assert stage.effects() == {"m-1": 1, "m-2": 1}


@QUEUES
def test_worker_that_outlived_its_lease_gives_way(stage_of: Stages, backend: str, mode: str) -> None:
    stage = stage_of(backend, mode)
    assert stage.delivers(stage.child(queued=True))["status"] == 202
    # In a transaction the fence is checked when it is opened, so it must be overtaken before that.
    step = "commit" if mode == "lease" else "taken"
    stopped = stage.child("work", queued=True, stop=step)
    assert stopped.hears() == {"at": step}
    stopped.freeze()
    assert stage.child("work", queued=True).hears() == {"handled": "m-1"}
    stopped.thaw()
    assert stopped.goes_on() == {"failed": "lease_lost"}
    assert stage.effects() == {"m-1": 2 if mode == "lease" else 1}


@QUEUES
def test_handler_that_takes_its_worker_down_each_time_is_given_up(stage_of: Stages, backend: str, mode: str) -> None:
    stage = stage_of(backend, mode)
    assert stage.delivers(stage.child(queued=True))["status"] == 202
    for _ in range(2):
        worker = stage.child("work", queued=True, stop="handler", attempts=2)
        assert worker.hears() == {"at": "handler"}
        worker.kill()
    assert stage.child("work", queued=True, attempts=2).hears() == {"buried": "m-1"}
    assert stage.effects() == {}
