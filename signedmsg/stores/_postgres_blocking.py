"""Run plans over a `ConnectionPool`, in the caller's thread.

A connection is held for one statement at a time, and never while another is waited for.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import tuple_row

from signedmsg.errors import StoreError
from signedmsg.stores._postgres_calls import AGAIN, TRIES, Connections
from signedmsg.stores._postgres_watch import WATCH, has_news

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from signedmsg.stores._postgres_calls import Ask, Plan, PostgresPool, Rows, T


class Calls(Connections):
    """Runs plans in the caller's thread."""

    def __init__(self, pool: PostgresPool, schema: str, timeout: float) -> None:
        super().__init__(pool, schema, timeout, suspends=False)
        self._pool = pool

    def run(self, plan: Plan[T]) -> T:
        """Run a plan to its end, each statement as a transaction of its own, and return its outcome."""
        return _drive(plan, self._ask)

    def run_on(self, connection: psycopg.Connection[object], plan: Plan[T]) -> T:
        """Run a plan in the open transaction of a connection that is held."""
        return _drive(plan, partial(self._ask_on, connection))

    def _ask(self, ask: Ask) -> Rows:
        for _ in range(TRIES - 1):
            try:
                return self._ask_once(ask)
            except StoreError as error:
                if not isinstance(error.__cause__, AGAIN):
                    raise
        return self._ask_once(ask)

    def _ask_once(self, ask: Ask) -> Rows:
        with self.translating(), self._connection() as connection:
            before = connection.autocommit
            connection.autocommit = True
            try:
                return self._ask_on(connection, ask)
            finally:
                _restore(connection, before)

    def _ask_on(self, connection: psycopg.Connection[object], ask: Ask) -> Rows:
        kind = psycopg.ClientCursor[tuple[Any, ...]] if ask.whole else psycopg.Cursor[tuple[Any, ...]]
        with self.limit(connection), kind(connection, row_factory=tuple_row) as cursor:
            cursor.execute(ask.query, ask.parameters)
            while ask.whole and cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def limit(self, connection: psycopg.Connection[object]) -> Generator[None]:
        """Cut the connection when the block lasts too long, and turn what is raised into a `StoreError`."""
        if connection.closed:
            yield  # psycopg says so, or has nothing left to do
            return
        with self.translating(), WATCH.limit(connection.fileno(), self.timeout) as call, self.translating(call):
            yield

    @contextmanager
    def held(self) -> Generator[psycopg.Connection[object]]:
        """Hold a connection; what the block itself raises comes out as it is."""
        with ExitStack() as stack:
            with self.translating():
                connection = stack.enter_context(self._connection())
            yield connection

    @contextmanager
    def _connection(self) -> Generator[psycopg.Connection[object]]:
        """Hold a connection of the pool that is not known to be dead: a restart of the server leaves many such."""
        deadline = time.monotonic() + self.timeout
        while True:
            with self._pool.connection(timeout=max(0.001, deadline - time.monotonic())) as connection:
                if not self._is_dead(connection):
                    yield connection
                    return

    def _is_dead(self, connection: psycopg.Connection[object]) -> bool:
        if connection.closed or not has_news(connection.fileno()):
            return connection.closed
        before = connection.autocommit
        connection.autocommit = True
        try:
            with self.limit(connection):
                connection.execute(b"")
        except StoreError:
            return True
        finally:
            _restore(connection, before)
        return False


def _drive(plan: Plan[T], answer: Callable[[Ask], Rows]) -> T:
    try:
        ask = next(plan)
        while True:
            try:
                rows = answer(ask)
            except StoreError as error:
                ask = plan.throw(error)
            else:
                ask = plan.send(rows)
    except StopIteration as end:
        outcome: T = end.value
        return outcome


def _restore(connection: psycopg.Connection[object], autocommit: bool) -> None:
    # The application's own statements must find the connection as they left it, or not at all.
    try:
        if not connection.closed:
            connection.autocommit = autocommit
    except psycopg.Error:
        connection.close()
