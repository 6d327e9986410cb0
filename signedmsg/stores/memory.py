"""A replay cache in memory, for a receiver that is one process.

Ids live in two generations: new ones go into the young one, and when every keep in
the old one has run out it is dropped whole and the young one takes its place. Each
of 256 shards does so on its own, so forgetting a million ids never stops the process
the way one heap, queue or sweep over all of them does. The dicts hold only bytes and
strings, so the garbage collector need not visit them.
"""

from __future__ import annotations

import time
from collections import Counter
from os import getpid
from threading import Lock
from typing import TYPE_CHECKING, Final, Literal

from signedmsg._core.clock import check_clock
from signedmsg.errors import StoreError
from signedmsg.stores._limits import (
    CLOCK_TOLERANCE,
    check_limits,
    clock_went_back,
    full,
    not_positive,
    over_quota,
    too_early,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_SHARDS: Final = 256
_NEVER: Final = float("-inf")


class _Account:
    """How many ids of one issuer are remembered, and the one string that they all share."""

    __slots__ = ("issuer", "live")

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.live = 0


class _Shard:
    """Two generations of ids, each a dict of key -> issuer.

    `until` is the latest moment to which an id in `young` must be kept, and `turn` the
    same for `old`, each on the monotonic and on the wall clock. An id therefore lives at
    least as long as its keep by either clock, whatever the mix of keeps, and no longer
    than twice the longest of them while no clock steps.
    """

    __slots__ = ("old", "stagger", "turn", "until", "wall_turn", "wall_until", "young")

    def __init__(self, stagger: float) -> None:
        self.young: dict[bytes, str] = {}
        self.old: dict[bytes, str] = {}
        self.until = self.turn = _NEVER
        self.wall_until = self.wall_turn = _NEVER
        self.stagger = stagger

    def rotate(self, now: float, wall: float, keep: float) -> Counter[str]:
        """Drop the generations that are over, and return how many ids of each issuer went with them."""
        dropped = Counter(self.old.values())
        self.old, self.young = self.young, {}
        if now >= self.until and wall >= self.wall_until:
            dropped.update(self.old.values())
            self.old = {}
        # With nothing to keep, the next turn is put off by this shard's own part of one
        # keep. Or else a burst would make all shards turn in the same moment, for ever.
        self.turn = self.until if self.old else now + keep * self.stagger
        self.wall_turn = self.wall_until
        self.until = self.wall_until = _NEVER
        return dropped


class MemoryReplayCache:
    """Remembers token ids in this process only; safe for any number of threads and tasks.

    Nothing survives a restart: tokens that may have been signed before the cache was
    made are refused with `StoreError`, and honest senders sign anew. A cache that finds
    itself in another process than the one that made it refuses everything, because
    forked workers with a memory each would accept each token once per worker.

    An id is kept for its time on the monotonic clock and on the wall clock, so that a wall
    clock set ahead forgets nothing; and while the wall clock is more than 60 s behind
    the moment at which ids were last dropped, everything is refused, since a token that
    was over then may be fresh again. An id counts against `capacity` and `quota` until its
    generation is dropped: up to twice its keep. Live ids are never evicted, since
    forgetting is accepting: a full cache refuses.

    Args:
        capacity: how many ids to remember at most; about 130 bytes each.
        quota: how many of them one issuer may have; half of `capacity` unless given.
        clock: Unix seconds, compared with the moments at which tokens were signed.
        monotonic: seconds that never step; where only `clock` is given, as in a test, that one.
        dangerously_accept_earlier: accept tokens signed before this cache was made. Each
            token that is alive at a restart can then be replayed once after it.

    Raises:
        TypeError, ValueError: `capacity` or `quota` is not a number of ids, or a clock is none.
    """

    waits: Literal["never"] = "never"
    shared: bool = False
    durable: bool = False

    def __init__(
        self,
        *,
        capacity: int = 1_000_000,
        quota: int | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] | None = None,
        dangerously_accept_earlier: bool = False,
    ) -> None:
        self._capacity, self._quota = check_limits(capacity, quota)
        if monotonic is None:
            monotonic = time.monotonic if clock is time.time else clock
        check_clock(clock)
        check_clock(monotonic, "monotonic")
        self._clock, self._monotonic = clock, monotonic
        self._birth, self._born = (_NEVER, _NEVER) if dangerously_accept_earlier else (clock(), monotonic())
        self._pid = getpid()
        self._lock = Lock()
        self._shards = [_Shard((number + 1) / _SHARDS) for number in range(_SHARDS)]
        self._hand = 0
        self._forgot_at = _NEVER
        self._accounts: dict[str, _Account] = {}
        self._size = 0

    def add(self, key: bytes, keep: float, *, issuer: str, issued_at: float) -> bool:
        """Record `key` and return True the first time only: see `ReplayCache.add`."""
        # The process id is asked for each time: servers written in C fork without running Python's hooks.
        if getpid() != self._pid:
            raise _forked(self._pid)
        now, wall = self._monotonic(), self._clock()
        # The token's age on the wall clock must not be above the cache's own on the monotonic
        # one too: the wall clock may have been slow at the birth, and put right since.
        # Conditions are written so that NaN, which compares as false, is refused.
        if not (issued_at >= self._birth and wall - issued_at <= now - self._born):
            raise too_early(self._birth, issued_at)
        if not keep > 0:
            raise not_positive(keep)
        shard = self._shards[key[0]]
        with self._lock:
            # One other shard a call, in turn, so that shards which nobody asks free their memory too.
            self._hand = hand = (self._hand + 1) % _SHARDS
            self._rotate_if_over(self._shards[hand], now, wall, keep)
            self._rotate_if_over(shard, now, wall, keep)
            if wall < self._forgot_at - CLOCK_TOLERANCE:
                raise clock_went_back(self._forgot_at - wall, "restart the process")
            if key in shard.young or key in shard.old:
                return False
            account = self._accounts.get(issuer)
            if account is None or account.live >= self._quota or self._size >= self._capacity:
                account = self._admit(issuer, now, wall, keep)
            if (until := now + keep) > shard.until:
                shard.until = until
            if (until := wall + keep) > shard.wall_until:
                shard.wall_until = until
            # Counted before it is written: an interrupt in between leaves a count too high, never too low.
            self._size += 1
            account.live += 1
            shard.young[key] = account.issuer
        return True

    def __bool__(self) -> bool:
        """Return True, also while it is empty: `cache or another` must not choose another."""
        return True

    def __len__(self) -> int:
        """Return how many ids are remembered, those included whose keep is over but which were not dropped yet."""
        return self._size

    def __repr__(self) -> str:
        return f"<MemoryReplayCache {self._size} of {self._capacity} ids, {self._quota} an issuer>"

    def _admit(self, issuer: str, now: float, wall: float, keep: float) -> _Account:
        """Return the account of an issuer that may have one more id, dropping what is over to make room for it."""
        for shard in self._shards:
            if self._size < self._capacity and self._live(issuer) < self._quota:
                break
            self._rotate_if_over(shard, now, wall, keep)
        turn = min((shard.turn for shard in self._shards if shard.old), default=now + keep)
        if self._live(issuer) >= self._quota:
            raise over_quota(issuer, self._quota, max(1.0, turn - now))
        if self._size >= self._capacity:
            raise full(self._capacity, max(1.0, turn - now))
        return self._accounts.setdefault(issuer, _Account(issuer))

    def _live(self, issuer: str) -> int:
        account = self._accounts.get(issuer)
        return account.live if account else 0

    def _rotate_if_over(self, shard: _Shard, now: float, wall: float, keep: float) -> None:
        if now < shard.turn or wall < shard.wall_turn:
            return
        for issuer, dropped in shard.rotate(now, wall, keep).items():
            self._forgot_at = max(self._forgot_at, wall)
            self._size -= dropped
            account = self._accounts[issuer]
            account.live -= dropped
            if not account.live:
                del self._accounts[issuer]


def _forked(pid: int) -> StoreError:
    return StoreError(
        f"this MemoryReplayCache was made in process {pid} and is used in process {getpid()}: "
        "with one memory a worker, each token would be accepted once per worker",
        hint="use SQLiteReplayCache, which all processes of a host share",
    )
