"""Send messages one after the other, try again a few times, and count what came of them."""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from signedmsg._ids import new_message_id
from signedmsg.errors import DeliveryError, SigningError

if TYPE_CHECKING:
    from collections.abc import Callable

    from signedmsg._flows.send import Sent
    from signedmsg.sender import Sender

MAX_WAIT: Final = 30.0
# Refusals of this one message; after any other, the next message would fare no better.
_ABOUT_THE_MESSAGE: Final = frozenset(
    {"handler_error", "malformed", "not_allowed", "payload", "replayed", "too_large", "too_late", "unknown_type"}
)


@dataclass(slots=True)
class Tally:
    """What a run of messages came to; `reasons` counts the failures by reason."""

    accepted: int = 0
    duplicates: int = 0
    refused: int = 0
    retried: int = 0
    reasons: Counter[str] = field(default_factory=Counter[str])

    @property
    def sent(self) -> int:
        """How many messages were tried."""
        return self.accepted + self.refused

    def fail(self, reason: str) -> None:
        """Count a message that was not accepted."""
        self.refused += 1
        self.reasons[reason] += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Delivers to one URL. A message keeps its id and time over all attempts, as a receiver expects.

    Args:
        sender: signs and posts.
        url: where to.
        retries: how often an attempt may be repeated, where that can help.
        sleep: waits so many seconds.
    """

    sender: Sender
    url: str
    retries: int
    tally: Tally
    sleep: Callable[[float], object] = time.sleep

    def deliver(
        self, data: object, *, type: str, id: str | None = None, subject: str | None = None
    ) -> SigningError | DeliveryError | None:
        """Deliver one message, and return why not when it was not accepted."""
        made = self.sender.clock()
        id = new_message_id(made) if id is None else id
        for attempt in range(self.retries + 1):
            try:
                sent = self.sender.send(self.url, data, type=type, id=id, time=made, subject=subject)
            except SigningError as error:
                self.tally.fail("cannot be signed")
                return error
            except DeliveryError as error:
                if attempt == self.retries or not error.retryable:
                    self.tally.fail(reason_of(error))
                    return error
                self.tally.retried += 1
                self.sleep(_pause(error, attempt))
            else:
                self._count(sent)
                break
        return None

    def _count(self, sent: Sent) -> None:
        self.tally.accepted += 1
        self.tally.duplicates += sent.duplicate


def reason_of(error: DeliveryError) -> str:
    """Return the reason as it is counted: the receiver's code, or what came instead of one."""
    if error.reply_code:
        return f"{error.status} {error.reply_code}"
    return "no answer" if error.status is None else f"{error.status}, and not from a signedmsg receiver"


def ends_the_run(error: SigningError | DeliveryError) -> bool:
    """Say whether the messages that follow would fail for the same reason."""
    return isinstance(error, DeliveryError) and error.reply_code not in _ABOUT_THE_MESSAGE


def _pause(error: DeliveryError, attempt: int) -> float:
    """Return how long to wait: exponential with full jitter, or what the receiver asks for."""
    if error.outcome == "sign_anew":
        return 0.0
    if error.retry_after is not None:
        return min(error.retry_after, MAX_WAIT)
    return random.uniform(0, min(0.5 * 2**attempt, MAX_WAIT))  # noqa: S311 - spreads load, hides nothing
