"""Lease and AsyncLease: a handler's right to its message, for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signedmsg._flows.run import run

if TYPE_CHECKING:
    from signedmsg._core.inbox import Claim
    from signedmsg._flows.process import InboxPort


class _Lease:
    """What both leases tell."""

    __slots__ = ("_claim", "_inbox", "_seconds")

    def __init__(self, claim: Claim, inbox: InboxPort, seconds: float) -> None:
        self._claim, self._inbox, self._seconds = claim, inbox, seconds

    @property
    def fence(self) -> int:
        """A number that grows with every claim of this message: what you write to can refuse lower ones."""
        return self._claim.fence

    @property
    def attempt(self) -> int:
        """How many times this message was begun, this time included: 1 at first."""
        return self._claim.attempt

    def __repr__(self) -> str:
        return f"<{type(self).__name__} fence {self.fence}, attempt {self.attempt}>"


class Lease(_Lease):
    """A handler's right to its message, for a while; nothing renews it behind the handler's back."""

    __slots__ = ()

    def renew(self, seconds: float | None = None) -> None:
        """Let the lease last so many seconds from now; as long as at first unless given.

        Raises:
            LeaseLostError: another holder has the message, or had it since: stop, and undo what you can.
            StoreError: the store cannot answer.
        """
        run(self._inbox.renew(self._claim, check_lease(self._seconds if seconds is None else seconds)))


class ThreadLease(Lease):
    """The lease of a plain function that runs in a worker thread of an event loop."""

    __slots__ = ()

    def renew(self, seconds: float | None = None) -> None:
        """See `Lease.renew`."""
        from anyio.from_thread import run as run_in_loop

        run_in_loop(self._inbox.renew, self._claim, check_lease(self._seconds if seconds is None else seconds))


class AsyncLease(_Lease):
    """The async twin of `Lease`, for coroutine functions."""

    __slots__ = ()

    async def renew(self, seconds: float | None = None) -> None:
        """See `Lease.renew`."""
        await self._inbox.renew(self._claim, check_lease(self._seconds if seconds is None else seconds))


def check_lease(seconds: float) -> float:
    """Return the length of a lease in seconds, or raise ValueError: 1 second to a day."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 1 <= seconds <= 86_400:
        raise ValueError("lease: expected 1 to 86400 seconds")
    return float(seconds)
