"""A store, the processes that share it, and a sender: what the fault tests play on."""

from __future__ import annotations

import json
import os
import select
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signedmsg import JWKSet, Sender, SigningKey
from tests.faults.child import AUDIENCE, ISSUER

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Self

KEYS = SigningKey.generate(), SigningKey.generate()
PATIENCE = 30.0
_WARM = "warm-up"
_ROOT = str(Path(__file__).parent.parent.parent)
_CHILD = f"import sys; sys.path.append({_ROOT!r}); from tests.faults.child import main; main()"


class Child:
    """One process; whatever becomes of the test, it does not outlive it."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._process = subprocess.Popen(
            # Not -m, which would put the clone before the package that is installed.
            [sys.executable, "-P", "-c", _CHILD, json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        self._read = b""
        assert self.hears() == {"ready": True}

    def hears(self, patience: float = PATIENCE) -> dict[str, Any]:
        """Return the next line that the process writes; an empty dict when it has ended."""
        assert self._process.stdout is not None
        end = time.monotonic() + patience
        while b"\n" not in self._read:
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, end - time.monotonic()))
            assert ready, "the process says nothing"
            chunk = os.read(self._process.stdout.fileno(), 65_536)
            if not chunk:
                return {}
            self._read += chunk
        line, _, self._read = self._read.partition(b"\n")
        heard: dict[str, Any] = json.loads(line)
        return heard

    def writes(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def asks(self, token: str) -> dict[str, Any]:
        """Present a token, and return the answer, or the step at which the process waits."""
        self.writes(token)
        return self.hears()

    def goes_on(self) -> dict[str, Any]:
        self.writes("go")
        return self.hears()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        if self.alive:
            self._process.send_signal(signal.SIGCONT)
            self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()


class Stage:
    """One store in one mode. `payments` is where the handlers' effects are, counted apart from any inbox."""

    def __init__(self, backend: str, store: str, mode: str, folder: Path, **options: Any) -> None:
        self.backend, self.store, self.mode = backend, store, mode
        self._folder = folder
        self._opened = ExitStack()
        self._made: dict[str, float] = {}
        keys = folder / "keys.json"
        keys.write_text(json.dumps(JWKSet(*(key.public for key in KEYS)).to_jwks()))
        self._options: dict[str, Any] = {
            "backend": backend,
            "store": store,
            "mode": mode,
            "keys": str(keys),
            "replay": str(folder / "replay.db"),
            "effects": str(folder / "effects.db"),
        } | options
        with self._database() as execute:
            execute("create table payments (id text)")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    @contextmanager
    def _database(self) -> Generator[Callable[..., list[Any]]]:
        if self.mode == "transaction" and self.backend == "postgres":
            import psycopg

            with psycopg.connect(self.store, autocommit=True) as connection:
                yield lambda query: _fetched(connection.execute(query))  # type: ignore[arg-type]
            return
        path = self.store if self.mode == "transaction" else self._options["effects"]
        connection = sqlite3.connect(path, timeout=30)
        try:
            with connection:
                yield lambda query: connection.execute(query).fetchall()
        finally:
            connection.close()

    def effects(self) -> Counter[str]:
        """Count the effects of each message, in the database."""
        with self._database() as execute:
            return Counter(name for (name,) in execute("select id from payments") if name != _WARM)

    def warm_up(self) -> None:
        """Have a server's replay cache be born: tokens signed before its first use are refused."""
        child = self.child()
        assert self.delivers(child, _WARM)["status"] == 204
        child.kill()

    def child(self, role: str = "receive", **options: Any) -> Child:
        child = Child(self._options | {"role": role} | options)
        self._opened.callback(child.close)
        return child

    def token(self, message: str = "m-1", *, key: int = 0) -> str:
        """Sign one attempt to deliver a message: the message is the same each time."""
        made = self._made.setdefault(message, time.time())
        sender = Sender(ISSUER, KEYS[key])
        return sender.sign({"n": 1}, type="paid", audience=AUDIENCE, id=message, time=made)

    def delivers(self, child: Child, message: str = "m-1", *, key: int = 0) -> dict[str, Any]:
        """Send a message as a sender does, until the answer is its last word."""
        end = time.monotonic() + PATIENCE
        while True:
            answer = child.asks(self.token(message, key=key))
            if answer.get("status") in (202, 204) or time.monotonic() > end:
                return answer
            assert answer.get("code") in ("in_progress", "unavailable", "handler_error"), answer
            time.sleep(0.1)


def _fetched(cursor: Any) -> list[Any]:
    return list(cursor.fetchall()) if cursor.description else []


def is_duplicate(answer: dict[str, Any]) -> bool:
    return bool(answer["headers"].get("SignedMsg-Duplicate") == "1")
