"""Stages for the fault tests: each test has a store of its own, in a file, a database or a server."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from tests.faults.stage import Stage
from tests.servers import NoServerError, give_up, postgres, valkey

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from tests.servers.postgres import Postgres

CELLS = [
    ("sqlite", "transaction"),
    ("sqlite", "lease"),
    ("postgres", "transaction"),
    ("postgres", "lease"),
    ("redis", "lease"),
]


@pytest.fixture(scope="session")
def durable_postgres() -> Generator[Postgres]:
    """A server that keeps what it committed, whatever kills it."""
    try:
        postgres.programs()
    except NoServerError as error:
        give_up(error)
    with postgres.one(durable=True) as server:
        yield server


@pytest.fixture
def own_postgres() -> Generator[Postgres]:
    """A server for one test to stop and kill."""
    try:
        postgres.programs()
    except NoServerError as error:
        give_up(error)
    with postgres.one(durable=True) as server:
        yield server


@pytest.fixture
def own_valkey() -> Generator[valkey.Valkey]:
    """A server for one test to stop and kill."""
    try:
        valkey.binary()
    except NoServerError as error:
        give_up(error)
    with valkey.one() as server:
        yield server


def database(server: Postgres) -> str:
    """Make a database with the package's tables, and return where it is."""
    from signedmsg.stores.postgres import init

    name = f"faults_{uuid.uuid4().hex}"
    server.rows(f"create database {name}")
    dsn = server.dsn.replace("dbname=postgres", f"dbname={name}")
    init(dsn)
    return dsn


@pytest.fixture
def stage_of(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Callable[[str, str], Stage]]:
    """Open a stage: a store of this backend, in this mode."""
    opened: list[Stage] = []

    def make(backend: str, mode: str) -> Stage:
        if backend == "sqlite":
            store = str(tmp_path / "store.db")
        elif backend == "postgres":
            store = database(request.getfixturevalue("durable_postgres"))
        else:
            store = request.getfixturevalue("own_valkey").url
        stage = Stage(backend, store, mode, tmp_path)
        opened.append(stage)
        if backend != "sqlite":
            stage.warm_up()
        return stage

    yield make
    for stage in opened:
        stage.__exit__()
