"""The tables in PostgreSQL: made by an explicit call alone, versioned, and missed with a clear word."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from signedmsg.errors import StoreError
from signedmsg.stores import _postgres_schema
from signedmsg.stores.postgres import PostgresInbox, PostgresReplayCache, PostgresStatus, ddl, init, status
from tests.stores.helpers import add
from tests.stores.postgres_tables import execute, message

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from psycopg_pool import ConnectionPool

pytestmark = pytest.mark.real_server

COLUMNS = """SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns
WHERE table_schema = %s ORDER BY 1, 2"""
RELATIONS = """SELECT c.relname, c.relkind::text, c.relpersistence::text FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s ORDER BY 1"""

USES: dict[str, Callable[[Any, str], object]] = {
    "add": lambda pool, schema: add(PostgresReplayCache(pool, schema=schema), 1, 2e10),
    "prepare": lambda pool, schema: PostgresReplayCache(pool, schema=schema).prepare(),
    "begin": lambda pool, schema: PostgresInbox(pool, schema=schema).begin(message(1), 300.0),
    "enqueue": lambda pool, schema: PostgresInbox(pool, schema=schema).enqueue(message(1), b"body"),
    "take": lambda pool, schema: PostgresInbox(pool, schema=schema).take(300.0),
    "transaction": lambda pool, schema: PostgresInbox(pool, schema=schema).transaction().__enter__(),
}


@pytest.fixture
def schema(postgres_dsn: str) -> Generator[str]:
    """The name of a schema that is not there."""
    name = f"test_{uuid.uuid4().hex}"
    yield name
    execute(postgres_dsn, f"DROP SCHEMA IF EXISTS {name} CASCADE")


def layout(dsn: str, schema: str) -> list[object]:
    return [*execute(dsn, COLUMNS, schema), *execute(dsn, RELATIONS, schema)]


def test_connection_string_that_cannot_be_read_is_said_to_be_none_and_not_shown() -> None:
    with pytest.raises(StoreError, match="connection string cannot be read") as refusal:
        init("postgres:hunter2@db.example shop")
    assert "hunter2" not in str(refusal.value)


def test_init_says_what_there_was(postgres_dsn: str, schema: str) -> None:
    assert [init(postgres_dsn, schema=schema) for _ in range(2)] == [0, 1]


def test_status_counts(postgres_dsn: str, postgres_pool: ConnectionPool, schema: str) -> None:
    assert status(postgres_dsn, schema=schema) == PostgresStatus(0, 1, 0, 0)
    init(postgres_dsn, schema=schema)
    for number in range(3):
        add(PostgresReplayCache(postgres_pool, schema=schema), number, 2e10)
    PostgresInbox(postgres_pool, schema=schema).begin(message(1), 300.0)
    assert status(postgres_dsn, schema=schema) == PostgresStatus(version=1, newest=1, ids=3, messages=1)


def test_init_is_part_of_the_transaction_of_a_connection(postgres_dsn: str, schema: str) -> None:
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute("SELECT 1")
        assert init(connection, schema=schema) == 0
        assert status(connection, schema=schema).version == 1
        connection.rollback()
        assert status(connection, schema=schema).version == 0


def test_ddl_makes_the_same_tables(postgres_dsn: str, schema: str) -> None:
    execute(postgres_dsn, ddl(schema))
    made = layout(postgres_dsn, schema)
    execute(postgres_dsn, f"DROP SCHEMA {schema} CASCADE")
    init(postgres_dsn, schema=schema)
    assert made == layout(postgres_dsn, schema)
    assert made


def test_every_table_is_documented() -> None:
    tables = set(re.findall(r"(?:TABLE|SEQUENCE) \"public\"\.(\w+)", ddl()))
    documented = set(re.findall(r"^`(\w+)`$", str(_postgres_schema.__doc__), re.MULTILINE))
    assert tables == documented


@pytest.mark.parametrize("use", USES)
def test_missing_tables_are_missed_with_the_command_that_makes_them(
    postgres_pool: ConnectionPool, schema: str, use: str
) -> None:
    with pytest.raises(StoreError, match="no tables of signedmsg") as refusal:
        USES[use](postgres_pool, schema)
    assert "signedmsg store init" in str(refusal.value.hint)


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(("version", "hint"), [(0, "signedmsg store init"), (2, "newer version of signedmsg")])
def test_tables_of_another_version_are_refused(
    postgres_dsn: str, postgres_pool: ConnectionPool, schema: str, use: str, version: int, hint: str
) -> None:
    init(postgres_dsn, schema=schema)
    execute(postgres_dsn, f"UPDATE {schema}.signedmsg_schema SET version = %s", version)
    with pytest.raises(StoreError, match=f"have version {version}") as refusal:
        USES[use](postgres_pool, schema)
    assert hint in str(refusal.value.hint)


def test_init_leaves_tables_of_a_later_version_alone(postgres_dsn: str, schema: str) -> None:
    init(postgres_dsn, schema=schema)
    execute(postgres_dsn, f"UPDATE {schema}.signedmsg_schema SET version = 2")
    with pytest.raises(StoreError, match="have version 2"):
        init(postgres_dsn, schema=schema)


def test_nothing_is_made_behind_the_users_back(postgres_dsn: str, postgres_pool: ConnectionPool, schema: str) -> None:
    for use in USES.values():
        with pytest.raises(StoreError):
            use(postgres_pool, schema)
    assert layout(postgres_dsn, schema) == []


def test_database_that_cannot_be_reached_is_an_outage() -> None:
    with pytest.raises(StoreError, match="cannot be made"):
        init("host=127.0.0.1 port=1 user=nobody dbname=nothing connect_timeout=1")


def test_user_without_rights_is_told_which(postgres_dsn: str, schema: str) -> None:
    from psycopg_pool import ConnectionPool

    init(postgres_dsn, schema=schema)
    user = f"{schema}_user"
    execute(postgres_dsn, f"CREATE ROLE {user}")
    execute(postgres_dsn, f"GRANT USAGE ON SCHEMA {schema} TO {user}")
    try:
        with (
            ConnectionPool(postgres_dsn, kwargs={"options": f"-c role={user}"}, min_size=1, open=True) as pool,
            pytest.raises(StoreError, match="permission denied") as refusal,
        ):
            PostgresInbox(pool, schema=schema).begin(message(1), 300.0)
        assert "USAGE" in str(refusal.value.hint)
    finally:
        execute(postgres_dsn, f"DROP OWNED BY {user}")
        execute(postgres_dsn, f"DROP ROLE {user}")


def test_connection_string_that_cannot_be_read_is_not_quoted() -> None:
    with pytest.raises(StoreError) as caught:
        init("postgresql://shop:a secret@db.example/shop")
    assert "secret" not in str(caught.value)
