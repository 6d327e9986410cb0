"""What tests of signed messages need: a clock to move by hand, and contracts for one's own stores.

`ReplayCacheContract`, `InboxContract` and the others are classes of test cases: subclass
one or several, say how to make the store, and pytest runs them.
"""

from __future__ import annotations

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
from signedmsg.testing.replay_cache import AsyncReplayCacheContract, ReplayCacheContract

__all__ = [
    "AsyncBoundedInboxContract",
    "AsyncInboxContract",
    "AsyncQueuedInboxContract",
    "AsyncQueuedTransactionsContract",
    "AsyncReplayCacheContract",
    "AsyncTransactionalInboxContract",
    "BoundedInboxContract",
    "InboxContract",
    "ManualClock",
    "QueuedInboxContract",
    "QueuedTransactionsContract",
    "ReplayCacheContract",
    "TransactionalInboxContract",
]
