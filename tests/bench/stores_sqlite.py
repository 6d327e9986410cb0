"""How fast the SQLite inbox is: `python -m tests.bench.stores_sqlite [steps|processes|size|async]…`.

Prints figures and asserts nothing, since they depend on the machine, its disk and what else it does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from signedmsg._core.inbox import Arrival, Claim
from signedmsg.stores.memory_inbox import MemoryInbox
from signedmsg.stores.sqlite_inbox import AsyncSQLiteInbox, SQLiteInbox, status
from signedmsg.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ISSUER: Final = "https://billing.example"
DAY: Final = 86_400.0
PROCESSES: Final = 8


def message(number: int, until: float = 2e10) -> Arrival:
    return Arrival(ISSUER, f"msg_{number:032x}", b"d" * 32, until, "invoice.paid")


def show(what: str, taken: Iterable[float], elapsed: float) -> None:
    times = sorted(taken)
    half, rare = times[len(times) // 2], times[int(len(times) * 0.99)]
    print(
        f"{what:<52} {len(times) / elapsed:9,.0f} /s   p50 {half * 1e3:7.3f} ms   p99 {rare * 1e3:7.3f}"
        f"   longest {times[-1] * 1e3:.1f}",
        flush=True,
    )


def measure(what: str, call: Callable[[int], object], count: int) -> None:
    taken = []
    started = time.perf_counter()
    for number in range(count):
        before = time.perf_counter()
        call(number)
        taken.append(time.perf_counter() - before)
    show(what, taken, time.perf_counter() - started)


def lease(inbox: SQLiteInbox | MemoryInbox, number: int) -> None:
    claim = inbox.begin(message(number), 30.0)
    if isinstance(claim, Claim):
        inbox.commit(claim, 204)


def transaction(inbox: SQLiteInbox, number: int) -> None:
    with inbox.transaction() as opened:
        if opened.begin(message(number)) is None:
            opened.connection.execute("INSERT INTO orders VALUES (?)", (number,))
            opened.finish(204)


def queue(inbox: SQLiteInbox, number: int) -> None:
    inbox.enqueue(message(number), b"x" * 1000)
    job = inbox.take(30.0)
    if job is not None:
        inbox.commit(job.claim, 202)


def prepared(folder: str) -> Path:
    path = Path(folder) / "app.db"
    with SQLiteInbox(path) as inbox, inbox.transaction() as opened:
        opened.begin(message(1 << 100))
        opened.connection.execute("CREATE TABLE orders (number INTEGER)")
        opened.finish(204)
    return path


def steps(count: int = 2000) -> None:
    memory = MemoryInbox(capacity=10**6)
    measure("memory, begin + commit", lambda number: lease(memory, number), 50_000)
    with tempfile.TemporaryDirectory() as folder, SQLiteInbox(prepared(folder), timeout=20.0) as inbox:
        measure("fsync of one page on this disk, for comparison", fsync(folder), 500)
        measure("SQLite, begin + commit (two transactions)", lambda number: lease(inbox, number), count)
        measure(
            "SQLite, one transaction with a handler's insert", lambda number: transaction(inbox, number + 10**6), count
        )
        measure("SQLite, enqueue + take + commit (three)", lambda number: queue(inbox, number + 2 * 10**6), count)
        measure("SQLite, duplicate by begin", lambda number: lease(inbox, number % count), 5 * count)
        measure("SQLite, duplicate by a transaction", lambda number: transaction(inbox, number % count), 5 * count)


def fsync(folder: str) -> Callable[[int], object]:
    descriptor = os.open(Path(folder) / "plain", os.O_CREAT | os.O_RDWR)

    def write(_: int) -> None:
        os.write(descriptor, bytes(4096))
        os.fdatasync(descriptor)

    return write


def worker(path: str, mode: str, count: int) -> None:
    """Handle messages of its own when told to; print how long each took."""
    call = {"lease": lease, "transaction": transaction}[mode]
    own = os.getpid() << 40
    with SQLiteInbox(path, timeout=60.0) as inbox:
        call(inbox, own)
        print("ready", flush=True)
        sys.stdin.readline()
        taken = []
        started = time.perf_counter()
        for number in range(1, count):
            before = time.perf_counter()
            call(inbox, own + number)
            taken.append(time.perf_counter() - before)
        print(time.perf_counter() - started, *taken)


def processes(count: int = 300) -> None:
    for mode in ("lease", "transaction"):
        with tempfile.TemporaryDirectory() as folder:
            command = [
                sys.executable,
                "-m",
                "tests.bench.stores_sqlite",
                "worker",
                str(prepared(folder)),
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
        show(
            f"SQLite, {PROCESSES} processes, {mode}",
            [each for row in rows for each in row[1:]],
            max(row[0] for row in rows),
        )


def size(count: int = 100_000, day: int = 1_000_000) -> None:
    """A day of messages that are kept for a day, then a second day: the file must not grow on."""
    clock = ManualClock()
    with tempfile.TemporaryDirectory() as folder, SQLiteInbox(prepared(folder), clock=clock) as inbox:
        path = Path(folder) / "app.db"
        for turn in (1, 2, 3):
            for number in range(count):
                clock.advance(DAY / count)
                claim = inbox.begin(message(turn * count + number, clock() + DAY), 30.0)
                assert isinstance(claim, Claim)
                inbox.commit(claim, 204)
            rows, bytes_used = status(path).messages, path.stat().st_size
            print(
                f"after day {turn}: {rows:,} rows kept of {count:,} a day, {bytes_used / 1e6:.1f} MB, "
                f"{bytes_used / rows:.0f} bytes a row; {day:,} are {bytes_used / rows * day / 1e6:.0f} MB",
                flush=True,
            )


def in_event_loops(count: int = 1000, tasks: int = 64) -> None:
    import anyio

    async def main() -> None:
        taken = []
        async with AsyncSQLiteInbox(prepared(folder), timeout=60.0) as inbox:
            numbers = iter(range(count))

            async def handling() -> None:
                for number in numbers:
                    before = time.perf_counter()
                    await inbox.in_thread(lambda blocking, number=number: transaction(blocking, number))  # type: ignore[misc,arg-type]
                    taken.append(time.perf_counter() - before)

            started = time.perf_counter()
            async with anyio.create_task_group() as group:
                for _ in range(tasks):
                    group.start_soon(handling)
            show(f"SQLite, {backend}, transactions by {tasks} tasks", taken, time.perf_counter() - started)

    for backend in ("asyncio", "trio"):
        with tempfile.TemporaryDirectory() as folder:
            anyio.run(main, backend=backend)


PARTS: Final = {"steps": steps, "processes": processes, "async": in_event_loops, "size": size}


def main(arguments: list[str] | None = None) -> None:
    """Run the parts that are named, or all."""
    chosen = sys.argv[1:] if arguments is None else arguments
    if chosen[:1] == ["worker"]:
        worker(chosen[1], chosen[2], int(chosen[3]))
        return
    for name in chosen or PARTS:
        PARTS[name]()


if __name__ == "__main__":
    main()
