"""What every inbox of one host refuses in the same words: wrong arguments, too many rows, claims that are no more."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from signedmsg.errors import LeaseLostError, QuotaError, StoreError
from signedmsg.stores._limits import check_seconds

if TYPE_CHECKING:
    from signedmsg._core.inbox import Claim

ABANDONED: Final = 86_400.0
"""Seconds after its lease at which a running message that is past its end counts as nobody's."""

_NAME: Final = re.compile(r"[!-~]{1,128}", re.ASCII)


def check_name(name: str) -> str:
    """Return the name of an inbox, or say what is wrong with it.

    Raises:
        TypeError, ValueError: it is no text of 1 to 128 visible ASCII characters.
    """
    if not isinstance(name, str):
        raise TypeError(f"name: expected a str, got {type(name).__name__}")
    if not _NAME.fullmatch(name):
        raise ValueError("name: expected 1 to 128 visible ASCII characters")
    return name


def check_retention(retention: float) -> float:
    """Return `retention`, or raise ValueError when it is not a positive, finite number of seconds."""
    if not check_seconds("retention", retention):
        raise ValueError("retention: expected more than 0 seconds")
    return float(retention)


def check_quota(quota: int | None) -> int | None:
    """Return how many rows one issuer may have, None for any number, or say what is wrong with it.

    Raises:
        TypeError, ValueError: it is no int of 1 or more.
    """
    if quota is not None and (not isinstance(quota, int) or isinstance(quota, bool)):
        raise TypeError(f"quota: expected an int, got {type(quota).__name__}")
    if quota is not None and quota < 1:
        raise ValueError(f"quota: expected at least 1 message, got {quota}")
    return quota


def lease_lost(claim: Claim) -> LeaseLostError:
    """Return the refusal of a holder that was too slow."""
    return LeaseLostError(
        f"claim {claim.fence} of this message is no more: its lease was over, and another may have it",
        hint="let the lease last longer, or renew it while the handler works",
    )


def over_quota(issuer: str, quota: int, retry_after: float) -> QuotaError:
    """Return the refusal of one issuer that sent more than its share; the others go on."""
    return QuotaError(
        f"{issuer} has used its share of the inbox: {quota} messages are kept",
        retry_after=max(1.0, retry_after),
        hint="raise the quota, or let the inbox keep messages for a shorter time",
    )


def full(capacity: int, retry_after: float) -> StoreError:
    """Return the refusal of an inbox that has no room: to forget a message would be to run it again."""
    return StoreError(
        f"the inbox is full: {capacity} messages are kept, and none before its time is over",
        retry_after=max(1.0, retry_after),
        hint="raise its capacity, or let it keep messages for a shorter time",
    )


def forgotten(seconds: float) -> StoreError:
    """Return the refusal of a message that may have been handled, since rows as old as it were removed."""
    return StoreError(
        f"rows of messages that end up to {seconds:.0f} s after this one were removed: whether it was handled "
        "is not known",
        hint="the clock was set back since, or differs between the processes that use the inbox",
    )
