"""How fast the replay caches are: `python -m tests.bench.replay_cache [memory|room|sqlite|processes|async]…`.

Prints figures and asserts nothing, since they depend on the machine and on what else it does.
"""

from __future__ import annotations

import gc
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from signedmsg.stores.memory import MemoryReplayCache
from signedmsg.stores.sqlite import AsyncSQLiteReplayCache, SQLiteReplayCache
from signedmsg.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ISSUER = "https://billing.example"
FAR = 2e10
PROCESSES = 8


def latencies(call: Callable[[bytes], object], keys: Sequence[bytes]) -> list[float]:
    """Return the sorted seconds of each call."""
    clock = time.perf_counter
    taken = []
    for key in keys:
        before = clock()
        call(key)
        taken.append(clock() - before)
    return sorted(taken)


def show(what: str, taken: list[float]) -> None:
    count = len(taken)
    mean, half, rare = sum(taken) / count, taken[count // 2], taken[int(count * 0.999)]
    longest = " ".join(f"{seconds * 1e3:.2f}" for seconds in taken[-3:])
    print(f"{what:<46} mean {mean * 1e6:7.2f} µs  p50 {half * 1e6:6.2f}  p99.9 {rare * 1e6:7.1f}  longest {longest} ms")


def memory() -> None:
    """A million live ids, held for many turns: keeps of 1 s over which two million ids come."""
    clock = ManualClock()
    cache = MemoryReplayCache(capacity=10_000_000, clock=clock, monotonic=clock.monotonic)
    keys = [os.urandom(16) for _ in range(2_000_000)]

    def add(key: bytes) -> None:
        cache.add(key, 1.0, issuer=ISSUER, issued_at=FAR)
        clock.advance(1.5e-6)

    for key in keys[:1_000_000]:
        add(key)
    show(f"memory, {len(cache):,} ids (clock moved in the call)", latencies(add, keys[1_000_000:]))


def room() -> None:
    """Bytes an id at ten million."""
    cache = MemoryReplayCache(capacity=20_000_000)
    before = resident()
    for number in range(10_000_000):
        cache.add(number.to_bytes(8, "little") * 2, 300.0, issuer=ISSUER, issued_at=FAR)
    print(f"memory, {len(cache):,} ids: {(resident() - before) / len(cache):.0f} bytes an id")
    started = time.perf_counter()
    gc.collect()
    print(f"memory, {len(cache):,} ids: a full garbage collection takes {(time.perf_counter() - started) * 1e3:.1f} ms")


def resident() -> int:
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def sqlite() -> None:
    with tempfile.TemporaryDirectory() as folder, SQLiteReplayCache(Path(folder) / "replay.db") as cache:
        add = partial(cache.add, keep=300.0, issuer=ISSUER, issued_at=FAR)
        keys = [os.urandom(16) for _ in range(100_000)]
        show("SQLite, one process, new ids", latencies(add, keys))
        show("SQLite, one process, replays", latencies(add, keys[:20_000]))


def worker(path: str, mode: str, count: int) -> None:
    """Add ids when told to; every process the same ones (`same`), or each its own (`own`)."""
    salt = b"" if mode == "same" else str(os.getpid()).encode()
    keys = [hashlib.sha256(b"%d" % number + salt).digest()[:16] for number in range(count)]
    with SQLiteReplayCache(path) as cache:
        print("ready", flush=True)
        sys.stdin.readline()
        started = time.perf_counter()
        taken = latencies(partial(cache.add, keep=300.0, issuer=ISSUER, issued_at=FAR), keys)
        elapsed = time.perf_counter() - started
    print(elapsed, taken[count // 2], taken[int(count * 0.99)], taken[-1])


def processes(count: int = 10_000) -> None:
    for mode in ("same", "own"):
        with tempfile.TemporaryDirectory() as folder:
            command = [
                sys.executable,
                "-m",
                "tests.bench.replay_cache",
                "worker",
                f"{folder}/replay.db",
                mode,
                str(count),
            ]
            workers = [
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
                for _ in range(PROCESSES)
            ]
            for process in workers:
                assert process.stdout is not None
                process.stdout.readline()
            for process in workers:
                assert process.stdin is not None
                process.stdin.write("go\n")
                process.stdin.flush()
            rows = [[float(word) for word in process.communicate()[0].split()] for process in workers]
        rate = PROCESSES * count / max(row[0] for row in rows)
        _, half, rare, longest = (sorted(column)[PROCESSES // 2] for column in zip(*rows, strict=True))
        print(
            f"SQLite, {PROCESSES} processes, {mode:<4} ids{'':<16} {rate:9,.0f} presentations/s  "
            f"p50 {half * 1e6:.1f} µs  p99 {rare * 1e6:.0f}  longest {longest * 1e3:.1f} ms (median of the processes)"
        )


def in_event_loops() -> None:
    import anyio

    async def main(count: int = 5000, tasks: int = 64) -> float:
        async with AsyncSQLiteReplayCache(Path(folder) / f"{backend}.db") as cache:
            numbers = iter(range(count))

            async def adding() -> None:
                for _ in numbers:
                    await cache.add(os.urandom(16), 300.0, issuer=ISSUER, issued_at=FAR)

            started = time.perf_counter()
            async with anyio.create_task_group() as group:
                for _ in range(tasks):
                    group.start_soon(adding)
            return count / (time.perf_counter() - started)

    for backend in ("asyncio", "trio"):
        with tempfile.TemporaryDirectory() as folder:
            print(f"SQLite, async, {backend}, 64 tasks: {anyio.run(main, backend=backend):,.0f} adds/s")


PARTS: dict[str, Callable[[], None]] = {
    "memory": memory,
    "room": room,
    "sqlite": sqlite,
    "processes": processes,
    "async": in_event_loops,
}

if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        worker(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        for name in sys.argv[1:] or PARTS:
            PARTS[name]()
