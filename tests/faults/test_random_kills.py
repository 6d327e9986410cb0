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


def deliver_all(stage: Stage, hosts: list[Host], messages: list[str]) -> Counter[str]:
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


def run(stage: Stage, count: int, kills_a_second: float) -> tuple[Counter[str], int]:
    """Deliver messages while a random host is killed at random moments."""
    hosts = [Host(stage) for _ in range(RECEIVERS)]
    done = threading.Event()
    chance = random.Random(SEED)

    def killer() -> None:
        while not done.wait(chance.expovariate(kills_a_second)):
            chance.choice(hosts).kill()

    thread = threading.Thread(target=killer)
    thread.start()
    try:
        met = deliver_all(stage, hosts, [f"m-{number}" for number in range(count)])
    finally:
        done.set()
        thread.join(PATIENCE)
    return met, sum(host.kills for host in hosts)


@pytest.mark.parametrize("backend", ["sqlite", "postgres"])
@pytest.mark.parametrize(
    ("count", "kills_a_second"),
    [
        pytest.param(200, 4.0, marks=pytest.mark.slow),
        pytest.param(2000, 1.0, marks=[pytest.mark.soak, pytest.mark.timeout(900)]),
    ],
)
def test_effects_of_messages_under_random_kills_happen_exactly_once(
    stage_of: Callable[[str, str], Stage], backend: str, count: int, kills_a_second: float
) -> None:
    stage = stage_of(backend, "transaction")
    met, kills = run(stage, count, kills_a_second)
    effects = stage.effects()
    assert len(effects) == count, "a message was lost"
    assert set(effects.values()) == {1}, "an effect happened twice"
    assert met["204"] == count
    assert kills > 0
    assert met["died"] > 0 or count < 1000, "no kill ever met a message"
