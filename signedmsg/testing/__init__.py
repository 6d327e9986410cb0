"""What tests of signed messages need: a peer to sign as, bad tokens, a clock to move by hand, contracts for stores.

`Peer` is somebody a service talks with, its key already trusted; `Bad` lists the tokens that it must
refuse; `CapturingTransport` shows what a service would have sent. `make_message` and `make_call`
make what a handler gets, for unit tests without any signature. `ReplayCacheContract`, `InboxContract`
and the others are classes of test cases: subclass one or several, say how to make the
store, and pytest runs them. The fixtures of the pytest plugin begin with `signedmsg_`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from signedmsg.testing.bad import Bad
from signedmsg.testing.clock import ManualClock
from signedmsg.testing.inbox import (
    AsyncBoundedInboxContract,
    AsyncInboxContract,
    AsyncQueuedInboxContract,
    AsyncQueuedTransactionsContract,
    AsyncTransactionalInboxContract,
    BoundedInboxContract,
    InboxContract,
    QueuedInboxContract,
    QueuedTransactionsContract,
    TransactionalInboxContract,
)
from signedmsg.testing.made import make_call, make_message
from signedmsg.testing.peer import Peer
from signedmsg.testing.replay_cache import AsyncReplayCacheContract, ReplayCacheContract
from signedmsg.testing.requests import SignedRequest

if TYPE_CHECKING:
    from signedmsg.testing.httpx import CapturingTransport

__all__ = [
    "AsyncBoundedInboxContract",
    "AsyncInboxContract",
    "AsyncQueuedInboxContract",
    "AsyncQueuedTransactionsContract",
    "AsyncReplayCacheContract",
    "AsyncTransactionalInboxContract",
    "Bad",
    "BoundedInboxContract",
    "CapturingTransport",
    "InboxContract",
    "ManualClock",
    "Peer",
    "QueuedInboxContract",
    "QueuedTransactionsContract",
    "ReplayCacheContract",
    "SignedRequest",
    "TransactionalInboxContract",
    "make_call",
    "make_message",
]


def __getattr__(name: str) -> object:
    # httpx is loaded only by those who send.
    if name == "CapturingTransport":
        from signedmsg.testing.httpx import CapturingTransport

        return CapturingTransport
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
