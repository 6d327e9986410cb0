"""The contract of an inbox as test cases, for ours and for other people's.

```python
class TestMyInbox(InboxContract, QueuedInboxContract):
    @pytest.fixture(autouse=True)
    def _store(self, tmp_path):
        self.path = tmp_path / "inbox.db"

    def make_inbox(self, *, clock, name):
        return MyInbox(self.path, name=name, clock=clock)
```

`InboxContract` is for every inbox; add `TransactionalInboxContract`, `QueuedInboxContract` and, for
one that is both, `QueuedTransactionsContract`; `BoundedInboxContract` where issuers have quotas.

**The store of a case.** pytest makes a new object of the class for each case, and a fixture gives
it a store that is empty: a file, a table or a prefix of its own. All inboxes that one case makes
are of that store, whatever their names. One that is not shared (`shared` is False) makes a store each.

**The clock.** A store that is told the time takes the `ManualClock` for it. One whose clock is a
server's, which no test can move, overrides two methods instead:

```python
    def make_clock(self):
        return ManualClock(time.time())  # the server's time, to within a few seconds

    def advance(self, clock, seconds):   # and leave `clock` as it is
        self.execute("UPDATE inbox SET lease_until = lease_until - %s, keep_until = keep_until - %s, …", …)
```

The cases leave 30 seconds for such a clock to go on by itself.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from signedmsg.testing._inbox_cases import StateCases
from signedmsg.testing._inbox_trial import Blocking, Trial
from signedmsg.testing._lease_cases import BoundCases, LeaseCases
from signedmsg.testing._queue_cases import QueueCases
from signedmsg.testing._transaction_cases import QueuedTransactionCases, TransactionCases
from signedmsg.testing.clock import ManualClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Sequence
    from contextlib import AbstractContextManager

    from anyio.from_thread import BlockingPortal

    from signedmsg._flows.inbox_ports import AsyncInbox, Inbox


class _Contract:
    """What all the contracts ask of a subclass."""

    def make_clock(self) -> ManualClock:
        """Return the clock of one case: Unix time on the store's clock."""
        return ManualClock()

    def advance(self, clock: ManualClock, seconds: float) -> None:
        """Let so many seconds pass on the store's clock. Called outside of any event loop."""
        clock.advance(seconds)


class _BlockingContract(_Contract):
    _may_wait: tuple[str, ...] = ("never", "blocks")

    def make_inbox(self, *, clock: ManualClock, name: str) -> Inbox:
        """Return an inbox of that name over the store of this case. It may be closed before others of the store."""
        raise NotImplementedError

    def close_inbox(self, inbox: Inbox) -> None:
        """Release what the inbox holds; calls its `close()` when it has one."""
        getattr(inbox, "close", lambda: None)()

    def _trial(self) -> AbstractContextManager[Trial]:
        return self._blocking_trial(self.make_inbox)

    @contextmanager
    def _blocking_trial(self, make_one: Callable[..., Inbox]) -> Generator[Trial]:
        clock = self.make_clock()
        with ExitStack() as stack:

            def make(name: str) -> Inbox:
                inbox = make_one(clock=clock, name=name)
                stack.callback(self.close_inbox, inbox)
                return inbox

            yield Trial(clock, make, self.advance)


class _AsyncContract(_Contract):
    backend = "asyncio"
    _may_wait: tuple[str, ...] = ("suspends",)
    _portal: BlockingPortal

    def make_inbox(self, *, clock: ManualClock, name: str) -> AsyncInbox | Awaitable[AsyncInbox]:
        """Return an inbox of that name over the store of this case. Called in the event loop; may be a coroutine."""
        raise NotImplementedError

    async def close_inbox(self, inbox: AsyncInbox) -> None:
        """Release what the inbox holds; awaits its `aclose()` when it has one."""
        if close := getattr(inbox, "aclose", None):
            await close()

    def _trial(self) -> AbstractContextManager[Trial]:
        return self._async_trial(self.make_inbox)

    @contextmanager
    def _async_trial(self, make_one: Callable[..., AsyncInbox | Awaitable[AsyncInbox]]) -> Generator[Trial]:
        from anyio.from_thread import start_blocking_portal

        clock = self.make_clock()
        with start_blocking_portal(self.backend) as portal, ExitStack() as stack:
            self._portal = portal

            def make(name: str) -> Blocking:
                inbox = cast("AsyncInbox", portal.call(cast("Any", partial(make_one, clock=clock, name=name))))
                stack.callback(portal.call, self.close_inbox, inbox)
                return Blocking(inbox, portal)

            yield Trial(clock, make, self.advance)


class InboxContract(_BlockingContract, StateCases, LeaseCases):
    """What every blocking inbox must do. Each case makes inboxes of its own."""


class AsyncInboxContract(_AsyncContract, StateCases, LeaseCases):
    """What every async inbox must do, on the event loop of `backend`: `asyncio` or `trio`."""


class BoundedInboxContract(_BlockingContract, BoundCases):
    """What a blocking inbox with quotas must do."""

    def make_bounded_inbox(self, *, clock: ManualClock, name: str, quota: int) -> Inbox:
        """Return an inbox in which each issuer may have `quota` rows."""
        raise NotImplementedError

    def _bounded_trial(self, quota: int) -> AbstractContextManager[Trial]:
        return self._blocking_trial(partial(self.make_bounded_inbox, quota=quota))


class AsyncBoundedInboxContract(_AsyncContract, BoundCases):
    """What an async inbox with quotas must do, on the event loop of `backend`."""

    def make_bounded_inbox(self, *, clock: ManualClock, name: str, quota: int) -> AsyncInbox | Awaitable[AsyncInbox]:
        """Return an inbox in which each issuer may have `quota` rows."""
        raise NotImplementedError

    def _bounded_trial(self, quota: int) -> AbstractContextManager[Trial]:
        return self._async_trial(partial(self.make_bounded_inbox, quota=quota))


class _BlockingEffects(_BlockingContract):
    def write(self, connection: Any, word: str) -> None:
        """Write a word as a handler would, over the connection that it is given."""
        raise NotImplementedError

    def written(self) -> Sequence[str]:
        """Return the words that are committed, read over another connection, outside of any event loop."""
        raise NotImplementedError

    def end_transaction(self, connection: Any) -> None:
        """End the transaction behind the inbox's back, as a handler must not; calls `connection.commit()`."""
        connection.commit()

    def _write(self, connection: object, word: str) -> None:
        self.write(connection, word)

    def _end_transaction(self, connection: object) -> None:
        self.end_transaction(connection)


class _AsyncEffects(_AsyncContract):
    async def write(self, connection: Any, word: str) -> None:
        """Write a word as a handler would, over the connection that it is given."""
        raise NotImplementedError

    def written(self) -> Sequence[str]:
        """Return the words that are committed, read over another connection, outside of any event loop."""
        raise NotImplementedError

    async def end_transaction(self, connection: Any) -> None:
        """End the transaction behind the inbox's back, as a handler must not; awaits `connection.commit()`."""
        await connection.commit()

    def _write(self, connection: object, word: str) -> None:
        self._portal.call(self.write, connection, word)

    def _end_transaction(self, connection: object) -> None:
        self._portal.call(self.end_transaction, connection)


class TransactionalInboxContract(_BlockingEffects, TransactionCases):
    """What a blocking inbox must do in whose transactions handlers write."""


class AsyncTransactionalInboxContract(_AsyncEffects, TransactionCases):
    """What an async inbox must do in whose transactions coroutines write, on the event loop of `backend`."""


class QueuedInboxContract(_BlockingContract, QueueCases):
    """What a blocking inbox must do that stores messages for workers."""


class AsyncQueuedInboxContract(_AsyncContract, QueueCases):
    """What an async inbox must do that stores messages for workers, on the event loop of `backend`."""


class QueuedTransactionsContract(_BlockingEffects, QueuedTransactionCases):
    """What a blocking inbox must do that has both a queue and transactions."""


class AsyncQueuedTransactionsContract(_AsyncEffects, QueuedTransactionCases):
    """What an async inbox must do that has both a queue and transactions, on the event loop of `backend`."""
