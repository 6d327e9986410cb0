"""Messages under random kills: in `transaction` mode each has its effect exactly once, and none is lost.

The short form runs with the slow tests; `-m soak` runs 2,000 messages a backend.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from .stage import PATIENCE, Stage

if TYPE_CHECKING:
    from collections.abc import Callable

SEED = 20_261_125
RECEIVERS = 3


class Host:
    """A receiver process that is started anew whenever it was killed."""

    def __init__(self, stage: Stage) -> None:
        self._stage, self._lock = stage, threading.Lock()
        self._child = stage.child()
        self.kills = 0

    def kill(self) -> None:
        self._child.kill()
        self.kills += 1

    def asks(self, token: str) -> dict[str, Any]:
        """Present a token; an empty answer is what a sender sees when the process dies."""
        with self._lock:
            try:
                if not self._child.alive:
                    self._child.close()
                    self._child = self._stage.child()
                return self._child.asks(token)
            except (BrokenPipeError, AssertionError):
                # Killed while it started, or while it was asked.
                return {}


class Pace:
    """Counts the tokens that were presented, and lets the killer wait for a number of them."""

    def __init__(self) -> None:
        self._presented, self._changed = 0, threading.Condition()
        self._over = False

    def step(self) -> None:
        with self._changed:
            self._presented += 1
            self._changed.notify_all()

    def end(self) -> None:
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def reaches(self, number: int) -> bool:
        """Wait until so many tokens were presented; False when all has been delivered before."""
        with self._changed:
            self._changed.wait_for(lambda: self._over or self._presented >= number)
            return not self._over


def deliver_all(stage: Stage, hosts: list[Host], messages: list[str], pace: Pace) -> Counter[str]:
    """Send every message until it is answered with 204, over whichever host is free; count what was met."""
    todo: queue.SimpleQueue[str] = queue.SimpleQueue()
    for message in messages:
        todo.put(message)
    met: Counter[str] = Counter()
    failures: list[str] = []

    def send(host: Host) -> None:
        while True:
            try:
                message = todo.get_nowait()
            except queue.Empty:
                return
            pace.step()
            answer = host.asks(stage.token(message))
            met[str(answer.get("status", "died"))] += 1
            if answer.get("status") != 204:
                if answer and answer.get("code") not in ("in_progress", "unavailable", "replayed"):
                    failures.append(f"{message}: {answer}")
                    return
                todo.put(message)
                if answer.get("code") == "in_progress":
                    time.sleep(0.05)

    threads = [threading.Thread(target=send, args=(host,)) for host in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    return met


def run(stage: Stage, count: int, kills: int) -> Counter[str]:
    """Deliver messages while a random host is killed, each time that a random number of them was presented."""
    hosts = [Host(stage) for _ in range(RECEIVERS)]
    pace, chance = Pace(), random.Random(SEED)
    moments = sorted(chance.sample(range(1, count), kills))

    def killer() -> None:
        for moment in moments:
            if pace.reaches(moment):
                chance.choice(hosts).kill()

    thread = threading.Thread(target=killer)
    thread.start()
    try:
        met = deliver_all(stage, hosts, [f"m-{number}" for number in range(count)], pace)
    finally:
        pace.end()
        thread.join(PATIENCE)
    assert sum(host.kills for host in hosts) == kills
    return met


@pytest.mark.parametrize("backend", ["sqlite", "postgres"])
@pytest.mark.parametrize(
    ("count", "kills"),
    [
        pytest.param(200, 10, marks=pytest.mark.slow),
        pytest.param(2000, 100, marks=[pytest.mark.soak, pytest.mark.timeout(900)]),
    ],
)
def test_effects_of_messages_under_random_kills_happen_exactly_once(
    stage_of: Callable[[str, str], Stage], backend: str, count: int, kills: int
) -> None:
    stage = stage_of(backend, "transaction")
    met = run(stage, count, kills)
    effects = stage.effects()
    assert len(effects) == count, "a message was lost"
    assert set(effects.values()) == {1}, "an effect happened twice"
    assert met["204"] == count
    assert met["died"] > 0 or count < 1000, "no kill ever met a message"
