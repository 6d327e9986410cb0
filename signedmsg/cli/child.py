"""The receiver process of the demo: started, listened to, killed, and never left behind."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import threading
from typing import IO, TYPE_CHECKING, Final, Self, cast

from signedmsg.cli.problems import UNAVAILABLE, CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from types import TracebackType

    from signedmsg.cli.watch import Record

# For a start on a busy machine, and for an end in good order.
_PATIENCE: Final = 20.0
_GRACE: Final = 5.0


def demo_command() -> list[str]:
    """Return the command that runs the demo's receiver from the very code that runs here."""
    start = f"import sys; sys.path[:] = {sys.path!r}; from signedmsg.cli.demo_receiver import main; main(sys.argv[1:])"
    return [sys.executable, "-c", start]


class Child:
    """A receiver process. Its refusals arrive in order, since it logs each before it answers.

    Args:
        command: what to run; a folder and a port are appended.
        folder: where it finds its keys and leaves what it handled.
    """

    url: str

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._command = command
        self._folder = folder
        self._port = 0
        self._start()

    @property
    def pid(self) -> int:
        """The id of the process that runs now."""
        return self._process.pid

    def restart(self) -> None:
        """Kill it as a power cut would, and start another one in its place."""
        self._kill()
        self._start()

    def refusal(self) -> Record:
        """Return the next refusal that it logged: call it once for each refusing answer."""
        while (record := self._next()).get("event") != "refused":
            pass
        return record

    def stop(self) -> None:
        """End it in good order; or, when it does not end, at all."""
        try:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                self._stdin.close()
                self._process.wait(_GRACE)
        finally:
            self._kill()

    def _kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join(_GRACE)
        for pipe in (self._stdin, self._stderr):
            with contextlib.suppress(OSError):
                pipe.close()

    def _start(self) -> None:
        # Its stdin is our hold on it: it ends when that closes, even if we are killed.
        self._process = process = subprocess.Popen(  # noqa: S603 - our own interpreter and code
            [*self._command, str(self._folder), str(self._port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        self._stdin, self._stderr = cast("IO[str]", process.stdin), cast("IO[str]", process.stderr)
        self._records: queue.SimpleQueue[Record | str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=_read, args=(self._stderr, self._records), daemon=True)
        self._reader.start()
        try:
            self.url = self._wait_until_ready()
        except BaseException:
            self._kill()
            raise
        self._port = int(self.url.rpartition(":")[2].partition("/")[0])

    def _wait_until_ready(self) -> str:
        while (record := self._next()).get("event") != "ready":
            pass
        return str(record["url"])

    def _next(self) -> Record:
        try:
            record = self._records.get(timeout=_PATIENCE)
        except queue.Empty:
            raise CommandError("the receiver process says nothing", exit_code=UNAVAILABLE) from None
        if isinstance(record, str):
            raise CommandError(f"the receiver process ended: {record.strip() or 'no word why'}", exit_code=UNAVAILABLE)
        return record

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _read(lines: Iterable[str], records: queue.SimpleQueue[Record | str]) -> None:
    """Pass on what the process logs, and, once it has ended, the last thing it said that is no record."""
    last = ""
    for line in lines:
        try:
            records.put(json.loads(line))
        except ValueError:
            last = line
    records.put(last)
