"""Real servers for the stores that need one: started once for all tests, or for one test to stop and kill."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from tests.servers import NoServerError, give_up, postgres, valkey

if TYPE_CHECKING:
    from collections.abc import Generator

    from psycopg_pool import ConnectionPool


@pytest.fixture(scope="session")
def redis_url() -> Generator[str]:
    """The URL of a Redis that all tests share, each with a prefix of its own."""
    if valkey.URL:
        yield valkey.URL
        return
    _need_valkey()
    with valkey.one() as server:
        yield server.url


@pytest.fixture(scope="session")
def redis_cluster_url() -> Generator[str]:
    """The URL of one node of a cluster of three primaries."""
    _need_valkey()
    with valkey.cluster() as nodes:
        yield nodes[0].url


@pytest.fixture
def redis_server() -> Generator[valkey.Valkey]:
    """A server for one test alone."""
    _need_valkey()
    with valkey.one() as server:
        yield server


@pytest.fixture
def redis_pair() -> Generator[tuple[valkey.Valkey, valkey.Valkey]]:
    """A primary and its replica, for one test alone."""
    _need_valkey()
    with valkey.pair() as servers:
        yield servers


@pytest.fixture
def prefix() -> str:
    """What the keys of one test begin with."""
    return f"test-{uuid.uuid4().hex}"


def _need_valkey() -> None:
    try:
        valkey.binary()
    except NoServerError as error:
        give_up(error)


@pytest.fixture(scope="session")
def postgres_dsn() -> Generator[str]:
    """How to connect to a PostgreSQL that all tests share, each in a schema of its own."""
    if postgres.DSN:
        yield postgres.DSN
        return
    _need_postgres()
    with postgres.one() as server:
        yield server.dsn


@pytest.fixture(scope="session")
def postgres_pool(postgres_dsn: str) -> Generator[ConnectionPool]:
    """A pool on that server."""
    from psycopg_pool import ConnectionPool

    with ConnectionPool(postgres_dsn, min_size=2, max_size=12, open=True) as pool:
        yield pool


@pytest.fixture(scope="session")
def postgres_tables(postgres_dsn: str) -> Generator[str]:
    """A schema with tables."""
    from tests.stores.postgres_tables import schema_of_its_own

    with schema_of_its_own(postgres_dsn) as schema:
        yield schema


@pytest.fixture
def postgres_schema(postgres_pool: ConnectionPool, postgres_tables: str) -> str:
    """A schema whose tables are as if they were new: to make them for each test would take longer than most tests."""
    from tests.stores.postgres_tables import empty

    empty(postgres_pool, postgres_tables)
    return postgres_tables


@pytest.fixture(scope="session")
def postgres_spare() -> Generator[postgres.Postgres]:
    """A server to be killed, which keeps what it has committed."""
    _need_postgres()
    with postgres.one(durable=True) as server:
        yield server


@pytest.fixture
def postgres_server(postgres_spare: postgres.Postgres) -> postgres.Postgres:
    """That server, running and with an empty database, for one test to stop and kill."""
    postgres_spare.renew()
    return postgres_spare


@pytest.fixture
def postgres_pair() -> Generator[tuple[postgres.Postgres, postgres.Postgres]]:
    """A primary and its standby, for one test alone."""
    _need_postgres()
    with postgres.pair() as servers:
        yield servers


def _need_postgres() -> None:
    try:
        postgres.programs()
    except NoServerError as error:
        give_up(error)
