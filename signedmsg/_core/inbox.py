"""What an inbox is told of a message, and what it answers: the records of its state machine.

```
absent   --begin-->   running(fence n, lease until t, content digest)
running  --commit-->  done(status)             only with the current fence
running  --release--> absent, with history     a retry may run it
running  --reject-->  rejected(reason)         permanent; answered the same way again
running, lease over   --begin--> running(fence n+1)      the old holder's commit is refused
begin on running      -> InProgress (retry after what is left of the lease)
begin on done         -> Done (duplicate)
begin on rejected     -> Rejected
begin, other digest   -> Conflict
queued   --take-->    running(fence n+1)       a worker's claim; release puts it back, bury ends it
```
"""

from __future__ import annotations

from typing import NamedTuple


class Arrival(NamedTuple):
    """A verified message as an inbox sees it.

    Attributes:
        issuer: who signed it; with `message_id` the key of its row, within the inbox's name.
        message_id: the same over all attempts to deliver it.
        digest: 32 bytes, SHA-256 over the message and its public claims in canonical JSON (RFC 8785).
        keep_until: Unix time to which the row must be kept: from then on the message is refused for its age.
        type: the message's type, for whoever looks at the table.
    """

    issuer: str
    message_id: str
    digest: bytes
    keep_until: float
    type: str


class Claim(NamedTuple):
    """The right to run one message now, until its lease is over.

    Attributes:
        issuer, message_id: which message.
        fence: grows with every claim of this message, also over releases; what is written with a lower one is stale.
        attempt: how many times this message was claimed, this one included.
    """

    issuer: str
    message_id: str
    fence: int
    attempt: int


class InProgress(NamedTuple):
    """Somebody runs this message now; `retry_after` is what is left of the lease, in seconds."""

    retry_after: float


class Done(NamedTuple):
    """This message was handled before, or is queued; `status` is the HTTP status it was answered with."""

    status: int


class Rejected(NamedTuple):
    """A handler rejected this message for good; `reason` is the word it gave."""

    reason: str


class Conflict(NamedTuple):
    """This message id stands for other content: the digest differs."""

    def __bool__(self) -> bool:
        """Return True: an empty tuple would look as if there were nothing to say."""
        return True


Settled = InProgress | Done | Rejected | Conflict
"""Why a message is not to be run now."""


class Job(NamedTuple):
    """A queued message that was taken to be run: the claim, and the bytes that were stored with it."""

    claim: Claim
    body: bytes


class DeadLetter(NamedTuple):
    """A queued message that no worker will run again unless it is redriven.

    Attributes:
        issuer, message_id, type: which message.
        attempts: how many times it was claimed.
        reason: why it was given up: the name of the last error, never its text.
        died_at: Unix time on the store's clock.
    """

    issuer: str
    message_id: str
    type: str
    attempts: int
    reason: str
    died_at: float


class QueueDepth(NamedTuple):
    """How many queued messages there are: waiting (due now or later), running, dead."""

    waiting: int
    running: int
    dead: int
