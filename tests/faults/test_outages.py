"""The store goes away: every message is answered 503, nothing of the store is told, and no restart is needed."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers.valkey import Valkey

from .conftest import database
from .stage import Stage, is_duplicate

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from tests.servers.postgres import Postgres

pytestmark = pytest.mark.slow
CELLS = [("postgres", "transaction"), ("postgres", "lease"), ("redis", "lease")]
ALL = pytest.mark.parametrize(("backend", "mode"), CELLS)


class Server:
    """A server of either kind, to be stopped in either way."""

    def __init__(self, server: Postgres | Valkey) -> None:
        self._server = server

    def goes_away(self, how: str) -> None:
        if how == "killed":
            self._server.kill()
        else:
            self._server.pause()

    def comes_back(self, how: str) -> None:
        if how == "paused":
            self._server.resume()
        elif isinstance(self._server, Valkey):
            self._server.start()
        else:
            (self._server.data / "postmaster.pid").unlink(missing_ok=True)
            self._server.start()


@pytest.fixture
def stage_and_server(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str, str], tuple[Stage, Server]]:
    """Open a stage whose server is its own, for the inbox alone.

    A replay cache in a server that was killed refuses what was signed up to 30 s after that; it has tests of its own.
    """

    def make(backend: str, mode: str) -> tuple[Stage, Server]:
        if backend == "postgres":
            postgres = request.getfixturevalue("own_postgres")
            stage, server = Stage(backend, database(postgres), mode, tmp_path, replays_in_a_file=True), Server(postgres)
        else:
            valkey = request.getfixturevalue("own_valkey")
            stage, server = Stage(backend, valkey.url, mode, tmp_path, replays_in_a_file=True), Server(valkey)
        request.addfinalizer(stage.__exit__)
        stage.warm_up()
        return stage, server

    return make


def is_silent(answer: dict[str, Any]) -> bool:
    """Tell whether the answer says that it is an outage, and nothing about the store."""
    told = answer["body"].lower()
    names = ("postgres", "redis", "valkey", "sqlite", "connection", "127.0.0.1", "timeout", "host=")
    return (answer["status"], answer["code"]) == (503, "unavailable") and not any(name in told for name in names)


@ALL
@pytest.mark.parametrize("how", ["killed", "paused"])
def test_store_that_is_down_at_begin_is_503_and_the_handler_does_not_run(
    stage_and_server: Callable[[str, str], tuple[Stage, Server]], backend: str, mode: str, how: str
) -> None:
    stage, server = stage_and_server(backend, mode)
    child = stage.child()
    assert stage.delivers(child, "m-0")["status"] == 204
    server.goes_away(how)
    answer = child.asks(stage.token())
    assert is_silent(answer), answer
    assert int(answer["headers"]["Retry-After"]) >= 1
    server.comes_back(how)
    if how == "paused" or backend == "postgres":
        assert stage.effects()["m-1"] == 0
        assert stage.delivers(child)["status"] == 204
        assert stage.effects()["m-1"] == 1


@ALL
def test_store_that_goes_down_before_the_commit_rolls_back_or_leaves_the_effect_unmarked(
    stage_and_server: Callable[[str, str], tuple[Stage, Server]], backend: str, mode: str
) -> None:
    stage, server = stage_and_server(backend, mode)
    child = stage.child(stop="commit")
    assert child.asks(stage.token()) == {"at": "commit"}
    server.goes_away("killed")
    answer = child.goes_on()
    assert is_silent(answer), answer
    server.comes_back("killed")
    assert stage.delivers(child)["status"] == 204
    assert stage.effects() == {"m-1": 1 if mode == "transaction" else 2}


def test_backend_that_is_killed_in_the_handlers_transaction_takes_its_effects_along(
    own_postgres: Postgres, tmp_path: Path
) -> None:
    with Stage("postgres", database(own_postgres), "transaction", tmp_path, replays_in_a_file=True) as stage:
        stage.warm_up()
        child = stage.child(stop="effect")
        assert child.asks(stage.token()) == {"at": "effect"}
        own_postgres.rows("select pg_terminate_backend(pid) from pg_stat_activity where state = 'idle in transaction'")
        assert is_silent(child.goes_on())
        assert stage.delivers(child)["status"] == 204
        assert stage.effects() == {"m-1": 1}


_HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("begin exclusive")
print("held", flush=True)
sys.stdin.readline()
"""


@contextmanager
def held(path: str) -> Generator[None]:
    """Hold the write lock of a SQLite file in another process."""
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    try:
        yield
    finally:
        holder.communicate("\n")


@pytest.mark.parametrize("mode", ["transaction", "lease"])
def test_sqlite_file_that_is_locked_at_begin_is_503_and_the_handler_does_not_run(tmp_path: Path, mode: str) -> None:
    with Stage("sqlite", str(tmp_path / "store.db"), mode, tmp_path) as stage:
        child = stage.child(timeout=0.2)
        with held(stage.store):
            assert is_silent(child.asks(stage.token()))
        assert stage.effects() == {}
        assert stage.delivers(child)["status"] == 204
        assert stage.effects() == {"m-1": 1}


def test_sqlite_file_that_is_locked_at_commit_leaves_the_effect_unmarked(tmp_path: Path) -> None:
    with Stage("sqlite", str(tmp_path / "store.db"), "lease", tmp_path) as stage:
        child = stage.child(timeout=0.2, stop="commit")
        assert child.asks(stage.token()) == {"at": "commit"}
        with held(stage.store):
            assert is_silent(child.goes_on())
        assert stage.delivers(child)["status"] == 204
        assert stage.effects() == {"m-1": 2}


def test_worker_rides_out_an_outage_of_its_store(own_postgres: Postgres, tmp_path: Path) -> None:
    with Stage("postgres", database(own_postgres), "transaction", tmp_path, replays_in_a_file=True) as stage:
        stage.warm_up()
        receiver, worker = stage.child(queued=True), stage.child("work", queued=True)
        server = Server(own_postgres)
        server.goes_away("killed")
        assert worker.hears()["failed"] == "store_unavailable"
        server.comes_back("killed")
        assert stage.delivers(receiver)["status"] == 202
        heard = worker.hears()
        while "failed" in heard:
            heard = worker.hears()
        assert heard == {"handled": "m-1"}
        assert stage.effects() == {"m-1": 1}


def test_sqlite_store_that_was_killed_mid_write_is_whole(tmp_path: Path) -> None:
    with Stage("sqlite", str(tmp_path / "store.db"), "transaction", tmp_path) as stage:
        for step in ("begun", "effect", "commit"):
            child = stage.child(stop=step)
            child.asks(stage.token(step))
            child.kill()
        assert is_duplicate(stage.delivers(stage.child(), "begun")) is False
        connection = sqlite3.connect(stage.store)
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
        connection.close()
        assert stage.effects() == {"begun": 1}
