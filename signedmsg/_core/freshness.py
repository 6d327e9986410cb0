"""How long keys stay fresh, how often a source may be asked, and what HTTP says about it (RFC 9111)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from signedmsg._core.policy import between, check

if TYPE_CHECKING:
    from collections.abc import Mapping

MIN_SOFT: Final = 60.0
MAX_SOFT: Final = 3600.0
MAX_HARD: Final = 86400.0
NEGATIVE: Final = 30.0
NEGATIVE_KIDS: Final = 1024
MAX_BACKOFF: Final = 60.0
MAX_RETRY_AFTER: Final = 300.0
# So many hosts that start together must not ask together for ever after.
_SPREAD: Final = 0.1
_BACKOFF_SPREAD: Final = 0.5

_DIRECTIVE = re.compile(r'([a-z-]+)(?:\s*=\s*"?(\d{1,18})"?)?')


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How long an issuer's keys are used, and how often its directory may be asked; all times in seconds.

    Args:
        soft: how long a set that was read over HTTP is fresh where the answer does not
            say (60 to 3600; what `Cache-Control` says is clamped to the same).
        hard: how much longer than `soft` it is used while its source cannot be read (0 to
            86400). After that every look-up of the issuer is an outage, HTTP 503.
        ahead: at which part of the soft lifetime it is read again, in the background.
        cooldown: how long after a read that failed, or that did not bring the kid asked
            for, no other unknown kid causes a read (1 to 3600).
        bucket: how many reads unknown kids may cause at once; one comes back each
            `cooldown` (1 to 64).
        recheck: how often a file or folder is looked at, at most (0.1 to 3600).

    Raises:
        ValueError: with every problem named.
    """

    soft: float = 300.0
    hard: float = 3600.0
    ahead: float = 0.8
    cooldown: float = 30.0
    bucket: int = 2
    recheck: float = 1.0

    def __post_init__(self) -> None:
        check(
            (
                between("soft", self.soft, MIN_SOFT, MAX_SOFT, "seconds"),
                between("hard", self.hard, 0, MAX_HARD, "seconds"),
                between("ahead", self.ahead, 0.1, 1, "of the soft lifetime"),
                between("cooldown", self.cooldown, 1, 3600, "seconds"),
                between("bucket", self.bucket, 1, 64, "reads"),
                None if type(self.bucket) is int else f"bucket: expected a whole number, got {self.bucket!r}",
                between("recheck", self.recheck, 0.1, 3600, "seconds"),
            )
        )

    def refresh_after(self, soft: float, jitter: float) -> float:
        """Return the age at which a set is read again: a little before `ahead` of its soft lifetime."""
        return soft * self.ahead * (1 - _SPREAD * jitter)


def soft_lifetime(headers: Mapping[str, str], default: float) -> float:
    """Return how long an answer is fresh (RFC 9111 §4.2), from 60 to 3600 seconds.

    `no-cache` and `no-store` mean the least: what must be asked for anew each time could
    not be answered while the source is down.
    """
    directives = dict(_DIRECTIVE.findall(headers.get("cache-control", "").lower()))
    if "no-cache" in directives or "no-store" in directives:
        return MIN_SOFT
    age = headers.get("age", "").strip()
    spent = int(age) if age.isascii() and age.isdigit() and len(age) < 19 else 0
    stated = directives.get("max-age") or ""
    lifetime = float(stated) if stated else _until_expiry(headers)
    return default if lifetime is None else min(max(lifetime - spent, MIN_SOFT), MAX_SOFT)


def _until_expiry(headers: Mapping[str, str]) -> float | None:
    if "expires" not in headers:
        return None
    try:
        ends, begins = (parsedate_to_datetime(headers[name]) for name in ("expires", "date"))
        return (ends - begins).total_seconds()
    except (KeyError, TypeError, ValueError):
        # A date that cannot be read, "0" above all, means already expired (RFC 9111 §5.3).
        return 0.0


def retry_after(headers: Mapping[str, str]) -> float:
    """Return how many seconds an answer asks to wait (RFC 9110 §10.2.3), at most 300; 0 when it does not say."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), MAX_RETRY_AFTER)
    try:
        wait = (parsedate_to_datetime(text) - parsedate_to_datetime(headers["date"])).total_seconds()
    except (KeyError, TypeError, ValueError):
        return 0.0
    return min(max(wait, 0.0), MAX_RETRY_AFTER)


class Backoff:
    """When a source that fails may be asked again: after 1 s, then twice as long each time, up to 40 to 60 s."""

    __slots__ = ("_delay", "_ended", "error", "failures")

    def __init__(self) -> None:
        self.failures = 0
        self.error: str | None = None
        self._ended = -math.inf
        self._delay = 0.0

    def left(self, now: float) -> float:
        """Return how long to wait still; 0 when it may be asked."""
        # A clock that stepped back must not put off the next read for as long as it stepped.
        since = now - self._ended
        return self._delay - since if 0 <= since < self._delay else 0.0

    def failed(self, error: str, now: float, jitter: float, asked: float) -> None:
        """Note a failure; `asked` is how long the source itself asked to wait."""
        self.failures += 1
        self.error = error
        # Spread after the bound: one inside it would keep in step for good those that fail together.
        spread = 1 + _BACKOFF_SPREAD * jitter
        delay = min(2.0 ** min(self.failures - 1, 10), MAX_BACKOFF / (1 + _BACKOFF_SPREAD)) * spread
        self.wait(max(delay, min(asked, MAX_RETRY_AFTER)), now)

    def worked(self) -> None:
        """Note a success."""
        self.failures, self.error, self._delay = 0, None, 0.0

    def wait(self, delay: float, now: float) -> None:
        """Ask no more before so many seconds have passed."""
        self._delay, self._ended = delay, now


class Budget:
    """How often unknown kids may cause a read of one issuer: a bucket that fills by one each cooldown."""

    __slots__ = ("_blocked", "_cooldown", "_filled", "_size", "_tokens")

    def __init__(self, freshness: Freshness) -> None:
        self._cooldown = freshness.cooldown
        self._size = self._tokens = float(freshness.bucket)
        self._filled = self._blocked = -math.inf

    def allows(self, now: float) -> bool:
        """Say whether another read may be made."""
        return not 0 <= now - self._blocked < self._cooldown and self._level(now) >= 1

    def spend(self, now: float) -> None:
        """Pay for a read that is about to begin; one that is cancelled stays paid for."""
        self._tokens, self._filled = max(self._level(now) - 1, 0.0), now

    def refund(self) -> None:
        """Give a read back that brought what was asked for."""
        self._tokens = min(self._tokens + 1, self._size)

    def block(self, now: float) -> None:
        """Begin a cooldown: a read just ended that failed, or that was in vain."""
        self._blocked = now

    def _level(self, now: float) -> float:
        since = now - self._filled
        return self._size if since < 0 else min(self._tokens + since / self._cooldown, self._size)


class Absent:
    """Kids that a read did not bring: at most 1024, each for 30 seconds and until the next is added."""

    __slots__ = ("_since",)

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def add(self, kid: str, now: float) -> None:
        """Note that the source has no such key, and forget those that count no more.

        A stranger chooses the kids, up to 128 characters each: kept for good, a flood of a few
        hours would hold hundreds of kilobytes an issuer.
        """
        self._since.pop(kid, None)
        while self._since:
            # In order of their insertion: the oldest goes.
            oldest = next(iter(self._since))
            if len(self._since) < NEGATIVE_KIDS and now - self._since[oldest] < NEGATIVE:
                break
            del self._since[oldest]
        self._since[kid] = now

    def since(self, kid: str, now: float) -> float | None:
        """Return when it was last found missing, also after `now`; None where that counts no more then, kept or not."""
        since = self._since.get(kid)
        return since if since is not None and now - since < NEGATIVE else None

    def has(self, kid: str, now: float) -> bool:
        """Say whether it was found missing a short while ago."""
        since = self._since.get(kid)
        return since is not None and 0 <= now - since < NEGATIVE
