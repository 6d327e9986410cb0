"""How a handler uses a SQLAlchemy session on the connection that its inbox gives it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

if TYPE_CHECKING:
    import psycopg

_lent: ContextVar[psycopg.Connection] = ContextVar("lent")


class Lent:
    """A connection whose transaction is the inbox's to end."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def commit(self) -> None:
        """Leave it open."""

    rollback = close = commit


_engine = create_engine(
    "postgresql+psycopg://", creator=lambda: Lent(_lent.get()), poolclass=NullPool, use_native_hstore=False
)


def session_on(connection: psycopg.Connection) -> Session:
    """Return a session whose `commit` and `rollback` end a savepoint, and never the transaction."""
    _lent.set(connection)
    outer = _engine.connect()
    outer.begin()
    return Session(outer, join_transaction_mode="create_savepoint")
