"""The memory replay cache at a million live ids: the group `memory`.

One add by thread CPU time, then each of a million by itself, for the rare slow ones. By itself an
add is timed together with reading a clock twice and moving another. `python -m tests.bench.memory`
prints the bytes an id at ten million: a process of its own, so that it gives them back.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from functools import partial
from typing import Final

from signedmsg import MemoryReplayCache
from signedmsg.testing import ManualClock
from tests.bench.measure import Candidate, Figure, Method, measure
from tests.bench.peers.rules import ISSUER
from tests.bench.replay_cache import latencies, resident

MEAN: Final = "replay add µs"
MIDDLE: Final = "replay add p50 µs"
RARE: Final = "replay add p99.9 µs"
LONGEST: Final = "replay longest add ms"
ROOM: Final = "replay bytes an id"
KEEP: Final = 300.0
LIVE: Final = 1_000_000
FAR: Final = 2e10


def values(method: Method, *, room: bool, rounds: int = 3) -> dict[str, float]:
    """Return µs an add by CPU time, and of the best of some rounds by the clock the middle, 99.9 % and longest one."""
    half, rare, longest = (min(column) for column in zip(*(_turning() for _ in range(rounds)), strict=True))
    found = {MEAN: add(method).best / 1e3, MIDDLE: half * 1e6, RARE: rare * 1e6, LONGEST: longest * 1e3}
    return {**found, ROOM: _room()} if room else found


def add(method: Method) -> Figure:
    """Measure one add while a million ids are live."""
    cache = MemoryReplayCache(capacity=4 * LIVE, quota=4 * LIVE)
    call = partial(cache.add, keep=KEEP, issuer=ISSUER, issued_at=FAR)
    for _ in range(LIVE):
        call(os.urandom(16))
    candidate = Candidate("add", call, lambda count: [os.urandom(16) for _ in range(count)])
    return measure([candidate], method)["add"]


def _turning() -> tuple[float, float, float]:
    """Time a million adds while about as many ids are live and generations turn."""
    clock = ManualClock()
    cache = MemoryReplayCache(capacity=10 * LIVE, clock=clock, monotonic=clock.monotonic)
    keys = [os.urandom(16) for _ in range(2 * LIVE)]
    call = partial(cache.add, keep=1.0, issuer=ISSUER, issued_at=FAR)

    def step(key: bytes) -> None:
        call(key)
        clock.advance(1.5e-6)

    for key in keys[:LIVE]:
        step(key)
    taken = latencies(step, keys[LIVE:])
    return taken[len(taken) // 2], taken[int(len(taken) * 0.999)], taken[-1]


def _room() -> float:
    """Return the bytes an id at ten million."""
    done = subprocess.run([sys.executable, "-m", __name__], capture_output=True, text=True, check=True)
    return float(done.stdout)


def _fill(count: int = 10 * LIVE) -> float:
    cache = MemoryReplayCache(capacity=2 * count, quota=2 * count)
    before, now = resident(), time.time() + 1
    for _ in range(count):
        cache.add(os.urandom(16), KEEP, issuer=ISSUER, issued_at=now)
    return (resident() - before) / count


if __name__ == "__main__":
    print(_fill())
