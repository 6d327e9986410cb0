"""The contract of a replay cache as test cases, for ours and for other people's.

```python
class TestMyReplayCache(ReplayCacheContract):
    def make_cache(self, *, clock, capacity, quota):
        return MyReplayCache(clock=clock, capacity=capacity, quota=quota)
```

The clock is a `ManualClock`: a cache that measures keeps on a clock of its own must let
the test move that one (`monotonic=clock.monotonic`).
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from signedmsg.testing._replay_cases import COPIES, KEEP, ONE, Cases, Trial, key_of
from signedmsg.testing.clock import ManualClock

if TYPE_CHECKING:
    from collections.abc import Generator

    from signedmsg._flows.ports import AsyncReplayCache, ReplayCache


class ReplayCacheContract(Cases):
    """What a blocking replay cache must do. Each case makes a cache of its own."""

    _may_wait = ("never", "blocks")

    def make_cache(self, *, clock: ManualClock, capacity: int, quota: int) -> ReplayCache:
        """Return a new, empty cache."""
        raise NotImplementedError

    def close_cache(self, cache: ReplayCache) -> None:
        """Release what the cache holds; calls its `close()` when it has one."""
        getattr(cache, "close", lambda: None)()

    @contextmanager
    def _trial(self, *, capacity: int = 1000, quota: int = 1000) -> Generator[Trial]:
        clock = ManualClock()
        cache = self.make_cache(clock=clock, capacity=capacity, quota=quota)
        clock.advance(1)
        try:
            yield Trial(clock, cache.waits, cache.add, partial(_race_threads, cache, clock))
        finally:
            self.close_cache(cache)


class AsyncReplayCacheContract(Cases):
    """What an async replay cache must do, on the event loop of `backend`: `asyncio` or `trio`."""

    backend = "asyncio"
    _may_wait = ("suspends",)

    def make_cache(self, *, clock: ManualClock, capacity: int, quota: int) -> AsyncReplayCache:
        """Return a new, empty cache. Called in the event loop."""
        raise NotImplementedError

    async def close_cache(self, cache: AsyncReplayCache) -> None:
        """Release what the cache holds; awaits its `aclose()` when it has one."""
        if close := getattr(cache, "aclose", None):
            await close()

    @contextmanager
    def _trial(self, *, capacity: int = 1000, quota: int = 1000) -> Generator[Trial]:
        from anyio import create_task_group
        from anyio.from_thread import start_blocking_portal

        clock = ManualClock()
        with start_blocking_portal(self.backend) as portal:
            cache = portal.call(partial(self.make_cache, clock=clock, capacity=capacity, quota=quota))
            clock.advance(1)

            def add(key: bytes, keep: float, *, issuer: str, issued_at: float) -> bool:
                return portal.call(partial(cache.add, key, keep, issuer=issuer, issued_at=issued_at))

            async def copies() -> list[bool]:
                answers: list[bool] = []

                async def one() -> None:
                    answers.append(await cache.add(key_of(1), KEEP, issuer=ONE, issued_at=clock()))

                async with create_task_group() as group:
                    for _ in range(COPIES):
                        group.start_soon(one)
                return answers

            try:
                yield Trial(clock, cache.waits, add, partial(portal.call, copies))
            finally:
                portal.call(self.close_cache, cache)


def _race_threads(cache: ReplayCache, clock: ManualClock) -> list[bool]:
    """Present one id in many threads that start together."""
    answers: list[bool] = []
    start = threading.Barrier(COPIES)

    def one() -> None:
        start.wait()
        answers.append(cache.add(key_of(1), KEEP, issuer=ONE, issued_at=clock()))

    threads = [threading.Thread(target=one) for _ in range(COPIES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers
