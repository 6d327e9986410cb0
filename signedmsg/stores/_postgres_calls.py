"""What is asked of PostgreSQL, and what its errors mean; the same for both faces.

What is to be asked is a *plan*: a generator that yields statements, is sent their rows, and
returns the outcome. It does no I/O, so both faces run the same ones.
"""

from __future__ import annotations

from contextlib import contextmanager
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeVar

import psycopg
from psycopg import errors

from signedmsg.errors import StoreError
from signedmsg.stores._limits import check_seconds
from signedmsg.stores._postgres_schema import check_schema, missing

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

    from signedmsg.stores._postgres_watch import Call

T = TypeVar("T")
Rows = list[tuple[Any, ...]]

# Both mean that nothing was done; a statement of ours comes to this only where the application
# has made `serializable` or `repeatable read` the default of its connections.
AGAIN: Final = (errors.SerializationFailure, errors.DeadlockDetected)
TRIES: Final = 5
_NO_TABLES: Final = (errors.UndefinedTable, errors.InvalidSchemaName, errors.UndefinedColumn)


class Ask(NamedTuple):
    """A statement and its parameters; `whole` sends several at once, of which the rows of the last one count."""

    query: bytes
    parameters: Mapping[str, object]
    whole: bool = False


if TYPE_CHECKING:
    Plan = Generator[Ask, Rows, T]


class LockedError(StoreError):
    """Another transaction held a row for longer than we wait."""


class PostgresPool(Protocol):
    """What is used of a `psycopg_pool.ConnectionPool`."""

    def connection(self, timeout: float | None = None) -> AbstractContextManager[psycopg.Connection[object]]: ...


class AsyncPostgresPool(Protocol):
    """What is used of a `psycopg_pool.AsyncConnectionPool`."""

    def connection(
        self, timeout: float | None = None
    ) -> AbstractAsyncContextManager[psycopg.AsyncConnection[object]]: ...


class Connections:
    """What both faces know: where the tables are, and how long to wait."""

    def __init__(self, pool: object, schema: str, timeout: float, *, suspends: bool) -> None:
        if not hasattr(pool, "connection") or iscoroutinefunction(getattr(pool, "close", None)) is not suspends:
            expected = "AsyncConnectionPool" if suspends else "ConnectionPool"
            raise TypeError(f"pool: expected a psycopg_pool.{expected}, got {type(pool).__name__}")
        check_schema(schema)
        most = getattr(pool, "max_size", None)
        # One is left for all else; None where the pool has no bound.
        self.transactions_at_once = max(1, most - 1) if isinstance(most, int) and most else None
        self.schema = schema
        self.timeout = check_seconds("timeout", timeout)
        if not self.timeout:
            raise ValueError("timeout: expected more than 0 seconds")

    @contextmanager
    def translating(self, call: Call | None = None) -> Generator[None]:
        """Turn what psycopg raises into a `StoreError`."""
        try:
            yield
        except psycopg.Error as error:
            raise self._unavailable(error, cut=call is not None and call.cut) from error

    def _unavailable(self, error: psycopg.Error, *, cut: bool) -> StoreError:
        if cut:
            return StoreError(f"the PostgreSQL server did not answer within {self.timeout:g} s", retry_after=1)
        if isinstance(error, _NO_TABLES):
            return missing(self.schema)
        if isinstance(error, errors.LockNotAvailable):
            return LockedError("another transaction holds this message", retry_after=1)
        hint = None
        if isinstance(error, errors.InsufficientPrivilege):
            hint = (
                "the user needs SELECT, INSERT, UPDATE, DELETE on the tables and USAGE on the schema and the sequence"
            )
        if type(error).__name__ == "PoolTimeout":
            hint = "the pool is too small, or cannot connect: the logger psycopg.pool says why"
        if isinstance(error, errors.ReadOnlySqlTransaction):
            hint = "the pool is connected to a standby: give it target_session_attrs=read-write"
        return StoreError(
            f"PostgreSQL cannot answer: {type(error).__name__}: {str(error)[:200]!r}", retry_after=1, hint=hint
        )
