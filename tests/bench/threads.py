"""How much more two threads verify than one: the group `threads`; wall-clock time, the best round of each.

Beside it what bounds it: the bare signature, which gives a second thread only as much as `cryptography`
lets go of the interpreter's lock; and hashing a megabyte, which needs nothing of the interpreter. Where
that one is not near 2, the cores were busy and the figures say little.
"""

from __future__ import annotations

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from threading import Barrier
from typing import TYPE_CHECKING, Any, Final

from tests.bench import floors, ours, payloads
from tests.bench.peers.rules import Keys

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.bench.measure import Method

SCALING: Final = "two threads against one"
BARE: Final = "two threads against one, bare signature"
MACHINE: Final = "two threads against one, hashing alone"
ONE: Final = "verified a second, one thread"
TWO: Final = "verified a second, two threads"
CALLS: Final = 2_000
HASHES: Final = 60


def values(method: Method) -> dict[str, float]:
    """Return how many times the messages a second of one thread two threads verify."""
    keys, data, block = Keys("ES256"), payloads.order(200), bytes(1_000_000)
    verify, sign = ours.receiver(keys).verify, ours.signer(keys)
    bare, check = floors.take(sign(data), keys.alg), floors.verifying(keys, None)[floors.RAW]
    works: dict[str, tuple[Callable[[Any], object], Callable[[], list[Any]]]] = {
        SCALING: (lambda token: verify(token, payloads.Order), lambda: [sign(data) for _ in range(CALLS)]),
        BARE: (check, lambda: [bare] * CALLS),
        MACHINE: (lambda block: hashlib.sha256(block).digest(), lambda: [block] * HASHES),
    }
    rates: dict[tuple[str, int], float] = {}
    with ThreadPoolExecutor(2) as pool:
        for _, (name, (call, supply)), threads in product(range(method.rounds), works.items(), (1, 2)):
            rate = _rate(pool, call, [supply() for _ in range(threads)])
            rates[name, threads] = max(rate, rates.get((name, threads), 0.0))
    scaling = {name: rates[name, 2] / rates[name, 1] for name in works}
    return {**scaling, ONE: rates[SCALING, 1], TWO: rates[SCALING, 2]}


def _rate(pool: ThreadPoolExecutor, call: Callable[[Any], object], lots: Sequence[Sequence[object]]) -> float:
    """Return how many of all lots are done a second, when each has a thread and all start together."""
    start = Barrier(len(lots))

    def timed(lot: Sequence[object]) -> tuple[float, float]:
        start.wait()
        before = time.perf_counter()
        for each in lot:
            call(each)
        return before, time.perf_counter()

    spans = list(pool.map(timed, lots))
    return sum(map(len, lots)) / (max(end for _, end in spans) - min(begin for begin, _ in spans))
