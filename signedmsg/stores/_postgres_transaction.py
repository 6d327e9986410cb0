"""One open transaction of an inbox in PostgreSQL, in which a handler writes; blocking and suspending."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import psycopg
from anyio import CancelScope
from psycopg.pq import TransactionStatus

from signedmsg._core.inbox import Claim
from signedmsg.errors import HandlerError, StoreError
from signedmsg.stores._postgres_inbox_rows import ACCEPTED, QUEUED

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

    from signedmsg._core.inbox import Arrival, Settled
    from signedmsg.stores._postgres_blocking import Calls
    from signedmsg.stores._postgres_inbox_rows import InboxRows
    from signedmsg.stores._postgres_suspending import AsyncCalls

_ENDED: Final = "the handler ended the transaction that it was given, or left it failed"


class PostgresTransaction:
    """Made by `PostgresInbox.transaction()`; used by one thread, for one message."""

    def __init__(self, calls: Calls, rows: InboxRows, connection: psycopg.Connection[object]) -> None:
        self._calls, self._rows, self._connection = calls, rows, connection
        self._claim: Claim | None = None
        self._status = ACCEPTED
        self._savepoint: AbstractContextManager[object] | None = None
        self._whole = connection.transaction()

    @property
    def connection(self) -> psycopg.Connection[Any]:
        """The connection, for the handler; its `commit` and `rollback` are refused by psycopg itself.

        What its rows are (`Any`) the application has chosen for its pool.
        """
        return self._connection

    def open(self) -> None:
        """Begin the transaction."""
        with self._calls.limit(self._connection):
            self._whole.__enter__()

    def commit(self) -> None:
        """Commit it."""
        with committing(), self._calls.limit(self._connection):
            self._whole.__exit__(None, None, None)

    def roll_back(self, error: BaseException) -> None:
        """Roll it back; whatever goes wrong with that, it is `error` that counts."""
        cause = (type(error), error, error.__traceback__)
        try:
            with self._calls.limit(self._connection):
                if self._savepoint is not None:
                    self._savepoint.__exit__(*cause)
                self._whole.__exit__(*cause)
        except StoreError:
            # psycopg has lost count of its transactions: the next one to be given this connection must not see that.
            self._connection.close()

    def begin(self, arrival: Arrival) -> Settled | None:
        """Mark the message done when this transaction commits; None means: run it. See `InboxTransaction.begin`."""
        answer = self._calls.run_on(self._connection, self._rows.begin_done(arrival))
        if not isinstance(answer, Claim):
            return answer
        self._enter(answer, ACCEPTED)
        return None

    def resume(self, claim: Claim) -> None:
        """Mark a queued message done when this transaction commits: see `InboxTransaction.resume`."""
        self._calls.run_on(self._connection, self._rows.resume(claim))
        self._enter(claim, QUEUED)

    def _enter(self, claim: Claim, status: int) -> None:
        self._claim, self._status = claim, status
        savepoint = self._connection.transaction()
        with self._calls.limit(self._connection):
            savepoint.__enter__()
        self._savepoint = savepoint

    def finish(self, status: int) -> None:
        """Keep the status: see `InboxTransaction.finish`."""
        claim = begun(self._claim)
        self._leave(None)
        if status != self._status:
            self._calls.run_on(self._connection, self._rows.set_status(claim, status))

    def reject(self, reason: str) -> None:
        """Undo what the handler did, and mark the message rejected: see `InboxTransaction.reject`."""
        claim = begun(self._claim)
        self._leave(psycopg.Rollback())
        self._calls.run_on(self._connection, self._rows.set_rejected(claim, reason))

    def _leave(self, rollback: psycopg.Rollback | None) -> None:
        """Release the savepoint, or roll back to it: neither can be done where the transaction is not as it was."""
        check_open(self._connection, rolls_back=rollback is not None)
        savepoint, self._savepoint = self._savepoint, None
        if savepoint is None:
            raise HandlerError(_ENDED)
        try:
            with self._calls.limit(self._connection):
                savepoint.__exit__(None if rollback is None else psycopg.Rollback, rollback, None)
        except (StoreError, psycopg.Rollback) as error:
            raise left_wrong(self._connection, error) from error
        check_open(self._connection, rolls_back=False)


class AsyncPostgresTransaction:
    """The async twin of `PostgresTransaction`."""

    def __init__(self, calls: AsyncCalls, rows: InboxRows, connection: psycopg.AsyncConnection[object]) -> None:
        self._calls, self._rows, self._connection = calls, rows, connection
        self._claim: Claim | None = None
        self._status = ACCEPTED
        self._savepoint: AbstractAsyncContextManager[object] | None = None
        self._whole = connection.transaction()

    @property
    def connection(self) -> psycopg.AsyncConnection[Any]:
        """See `PostgresTransaction.connection`."""
        return self._connection

    async def open(self) -> None:
        """See `PostgresTransaction.open`."""
        with self._calls.limit(self._connection):
            await self._whole.__aenter__()

    async def commit(self) -> None:
        """See `PostgresTransaction.commit`."""
        with CancelScope(shield=True), committing(), self._calls.limit(self._connection):
            await self._whole.__aexit__(None, None, None)

    async def roll_back(self, error: BaseException) -> None:
        """See `PostgresTransaction.roll_back`."""
        cause = (type(error), error, error.__traceback__)
        # Shielded: a request that was cancelled must not leave its transaction open.
        with CancelScope(shield=True):
            try:
                with self._calls.limit(self._connection):
                    if self._savepoint is not None:
                        await self._savepoint.__aexit__(*cause)
                    await self._whole.__aexit__(*cause)
            except StoreError:
                await self._connection.close()

    async def begin(self, arrival: Arrival) -> Settled | None:
        """See `PostgresTransaction.begin`."""
        answer = await self._calls.run_on(self._connection, self._rows.begin_done(arrival))
        if not isinstance(answer, Claim):
            return answer
        await self._enter(answer, ACCEPTED)
        return None

    async def resume(self, claim: Claim) -> None:
        """See `PostgresTransaction.resume`."""
        await self._calls.run_on(self._connection, self._rows.resume(claim))
        await self._enter(claim, QUEUED)

    async def _enter(self, claim: Claim, status: int) -> None:
        self._claim, self._status = claim, status
        savepoint = self._connection.transaction()
        with self._calls.limit(self._connection):
            await savepoint.__aenter__()
        self._savepoint = savepoint

    async def finish(self, status: int) -> None:
        """See `PostgresTransaction.finish`."""
        claim = begun(self._claim)
        await self._leave(None)
        if status != self._status:
            await self._calls.run_on(self._connection, self._rows.set_status(claim, status))

    async def reject(self, reason: str) -> None:
        """See `PostgresTransaction.reject`."""
        claim = begun(self._claim)
        await self._leave(psycopg.Rollback())
        await self._calls.run_on(self._connection, self._rows.set_rejected(claim, reason))

    async def _leave(self, rollback: psycopg.Rollback | None) -> None:
        """See `PostgresTransaction._leave`."""
        check_open(self._connection, rolls_back=rollback is not None)
        savepoint, self._savepoint = self._savepoint, None
        if savepoint is None:
            raise HandlerError(_ENDED)
        try:
            with self._calls.limit(self._connection):
                await savepoint.__aexit__(None if rollback is None else psycopg.Rollback, rollback, None)
        except (StoreError, psycopg.Rollback) as error:
            raise left_wrong(self._connection, error) from error
        check_open(self._connection, rolls_back=False)


@contextmanager
def committing() -> Generator[None]:
    """Turn a commit that the database refuses for what the handler wrote into its error: that one is no outage."""
    try:
        yield
    except StoreError as error:
        if isinstance(error.__cause__, psycopg.IntegrityError):
            raise HandlerError("the database refuses what the handler wrote, at the commit") from error.__cause__
        raise


def begun(claim: Claim | None) -> Claim:
    """Return the claim, or raise StoreError when there is none."""
    if claim is None:
        raise StoreError("no message was begun in this transaction")
    return claim


def check_open(connection: psycopg.Connection[object] | psycopg.AsyncConnection[object], *, rolls_back: bool) -> None:
    """Check that the transaction is as the handler was given it.

    Raises:
        StoreError: the connection is lost.
        HandlerError: the transaction is over, or failed and nothing is to be rolled back.
    """
    if connection.closed:
        raise StoreError("the connection was lost while the handler ran; the transaction is rolled back")
    state = connection.info.transaction_status
    if state != TransactionStatus.INTRANS and not (rolls_back and state == TransactionStatus.INERROR):
        raise HandlerError(_ENDED)


def left_wrong(connection: psycopg.Connection[object] | psycopg.AsyncConnection[object], error: Exception) -> Exception:
    """Return what it means that the savepoint cannot be left: it is gone, unless the connection is."""
    return error if connection.closed and isinstance(error, StoreError) else HandlerError(_ENDED)
