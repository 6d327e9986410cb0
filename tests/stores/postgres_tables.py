"""Tables in PostgreSQL for tests, and short words for what is asked of them."""

from __future__ import annotations

import time
import uuid
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING

import psycopg

from signedmsg._core.inbox import Arrival
from signedmsg.stores.postgres import init

if TYPE_CHECKING:
    from collections.abc import Generator

    from psycopg_pool import ConnectionPool

ISSUER = "https://billing.example"


@contextmanager
def schema_of_its_own(dsn: str) -> Generator[str]:
    """Make the tables in a new schema, and drop it at the end."""
    schema = f"test_{uuid.uuid4().hex}"
    init(dsn, schema=schema)
    execute(dsn, f"CREATE TABLE {schema}.words (number serial, word text)")
    yield schema
    execute(dsn, f"DROP SCHEMA {schema} CASCADE")


def empty(pool: ConnectionPool, schema: str) -> None:
    tables = ("signedmsg_replay", "signedmsg_replay_birth", "signedmsg_replay_share", "signedmsg_inbox", "words")
    statements = [f"DELETE FROM {schema}.{table}" for table in tables]
    statements += [f"UPDATE {schema}.signedmsg_schema SET forgot = '-infinity'"]
    with pool.connection() as connection:
        connection.execute("; ".join(statements).encode())


def execute(dsn: str, query: str, *parameters: object) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(query.encode(), parameters or None)
        return list(cursor.fetchall()) if cursor.description else []


def message(number: int, *, content: str = "as sent", keep: float = 86_400.0) -> Arrival:
    """Return a message as an inbox sees it, on the real clock."""
    return Arrival(ISSUER, f"msg_{number}", sha256(content.encode()).digest(), time.time() + keep, "invoice.paid")
