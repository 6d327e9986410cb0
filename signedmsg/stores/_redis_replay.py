"""What a replay cache in Redis asks, and what it makes of the answer; without I/O, for both faces.

Ids are spread over 64 shards by their first byte, so that a cluster shares the work. The
number is part of the layout: two receivers with different ones would not see each
other's ids, so it cannot be chosen.
"""

from __future__ import annotations

from hashlib import blake2b
from secrets import token_bytes
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from signedmsg.errors import StoreError
from signedmsg.stores import _redis_replay_script as script
from signedmsg.stores._batches import Entry
from signedmsg.stores._limits import (
    check_limits,
    check_seconds,
    clock_went_back,
    full,
    not_positive,
    over_quota,
    too_early,
)
from signedmsg.stores._redis_client import Call, check_word, unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

SHARDS: Final = 64
# Below this the spread of ids over the shards would refuse an issuer far before its quota.
LEAST_QUOTA: Final = 16 * SHARDS
_MICRO: Final = 1_000_000
_LONGEST: Final = 10**9  # seconds; more would leave the numbers that a double holds exactly
_PATIENCE: Final = 1.0


class Ask(NamedTuple):
    """One question to one shard, and what is needed to judge its answer."""

    call: Call
    shard: int
    entry: Entry
    asked_at: float


_NOTHING: Final = Entry(b"", 1.0, "", 0.0)


class Options(NamedTuple):
    """The options of a replay cache in Redis, checked."""

    prefix: str
    capacity: int
    quota: int
    leeway: float
    any_birth: bool
    checks_eviction: bool
    clock: Callable[[], float]
    server_clock: Callable[[], float] | None
    shards: int


def check_options(
    prefix: str,
    capacity: int,
    quota: int | None,
    leeway: float,
    *,
    any_birth: bool,
    checks_eviction: bool,
    clock: Callable[[], float],
    server_clock: Callable[[], float] | None,
    shards: int,
) -> Options:
    """Return the options, or raise TypeError or ValueError with the name of the one that is wrong."""
    capacity, quota = check_limits(capacity, quota)
    if shards == SHARDS and quota < LEAST_QUOTA:
        raise ValueError(f"quota: expected at least {LEAST_QUOTA} ids, since it is shared by {SHARDS} shards")
    leeway = check_seconds("leeway", leeway)
    prefix = check_word("prefix", prefix)
    return Options(prefix, capacity, quota, leeway, any_birth, checks_eviction, clock, server_clock, shards)


def check_entry(key: bytes, keep: float, issuer: str, issued_at: float) -> Entry:
    """Return the arguments of an `add`, or raise ValueError."""
    if len(key) != 16:
        raise ValueError(f"key: expected 16 bytes, got {len(key)}")
    if not keep > 0:
        raise not_positive(keep)
    return Entry(key, keep, issuer, issued_at)


class ReplayShards:
    """Makes the calls, judges the replies, and knows the latest epoch that this process has seen of each shard.

    `ready` is False until all shards were looked at, and again once one was born in a
    call of ours: the others may be lost too, and had better be born now than one by one.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._known = [0] * options.shards
        self.ready = False

    def __repr__(self) -> str:
        options = self._options
        return f"{options.prefix}: {options.capacity} ids, {options.quota} an issuer"

    def add(self, entry: Entry) -> Ask:
        """Return the question whether an id is new, to be asked at once."""
        return self._ask(entry.key[0] % self._options.shards, entry)

    def looks(self) -> list[Ask]:
        """Return the questions that make every shard that is missing, and learn the births of the others."""
        return [self._ask(shard, _NOTHING) for shard in range(self._options.shards)]

    def _ask(self, shard: int, entry: Entry) -> Ask:
        options = self._options
        now = options.clock()
        arguments = (
            entry.key,
            # Tells a call that the client library sends again from another one with the same id.
            token_bytes(8),
            b"i" + blake2b(entry.issuer.encode(), digest_size=16).digest(),
            int(min(entry.keep, _LONGEST) * _MICRO) + 1,
            -_LONGEST * _MICRO if options.any_birth else _micro(now - entry.issued_at),
            self._known[shard],
            int(options.leeway * _MICRO),
            -(-options.capacity // options.shards),
            options.quota // options.shards,
            int(now * _MICRO),
            int(options.checks_eviction),
            "" if options.server_clock is None else int(options.server_clock() * _MICRO),
        )
        keys = (f"{options.prefix}:{{{shard}}}:young", f"{options.prefix}:{{{shard}}}:old")
        return Ask(Call(script.ADD, keys, arguments), shard, entry, now)

    def looked(self, looks: list[Ask], replies: list[object]) -> None:
        """Note what all shards replied, or raise what one of them means."""
        for look, reply in zip(looks, replies, strict=True):
            self.judge(look, reply)
        self.ready = True

    def judge(self, ask: Ask, reply: object) -> bool:
        """Return whether the id is new, or raise what the reply means."""
        if isinstance(reply, Exception):
            raise unavailable(reply) from reply
        status, server_now, epoch, reborn, number = map(int, cast("list[int]", reply))
        self._known[ask.shard] = max(self._known[ask.shard], epoch)
        if reborn:
            self.ready = False
        if status == script.SEEN:
            return False
        if status == script.NEW:
            self._check_delay(ask, server_now, number)
            return True
        raise self._refusal(ask, status, number / _MICRO)

    def _check_delay(self, ask: Ask, server_now: int, since: int) -> None:
        """Refuse a token that only seems young enough because the call was long under way.

        Its age was measured when the call was made, that of the shard when it was run: a
        call that waited for seconds would make the shard look older than it is.
        """
        now = self._options.clock()
        if now - ask.asked_at <= _PATIENCE or self._options.any_birth or not ask.entry.key:
            return
        birth = now - (server_now - since) / _MICRO
        if not ask.entry.issued_at >= birth:
            raise too_early(birth, ask.entry.issued_at)

    def _refusal(self, ask: Ask, status: int, number: float) -> Exception:
        options = self._options
        wait = max(1.0, number)
        if status == script.EARLY:
            return too_early(number, ask.entry.issued_at)
        if status == script.QUOTA:
            return over_quota(ask.entry.issuer, options.quota, wait)
        if status == script.FULL:
            return full(options.capacity, wait)
        if status == script.WENT_BACK:
            return clock_went_back(number, f"delete the keys {options.prefix}:*")
        if status == script.CLOCK:
            return _clocks_differ(number)
        return misconfigured(status)


def misconfigured(status: int) -> StoreError:
    """Return the refusal of a server that evicts, or that does not say whether it does, or which one it is."""
    if status == script.EVICTS:
        return StoreError(
            "the Redis server may evict live keys: its maxmemory-policy is not noeviction",
            retry_after=10,
            hint="set maxmemory-policy to noeviction: a full server then refuses, and forgets nothing",
        )
    if status == script.HIDDEN:
        return StoreError(
            "the Redis server does not tell its maxmemory-policy, which must be noeviction",
            retry_after=10,
            hint="make sure of it, and then pass dangerously_skip_eviction_check=True",
        )
    return StoreError(
        "the Redis server does not tell its run_id and master_replid, without which a failover cannot be noticed",
        retry_after=10,
        hint="let this user call INFO in scripts",
    )


def _clocks_differ(seconds: float) -> StoreError:
    where = "ahead of" if seconds > 0 else "behind"
    return StoreError(
        f"the Redis server's clock is {abs(seconds):.0f} s {where} this receiver's: "
        "more than 60 s apart, a token may outlive the memory of it",
        retry_after=10,
        hint="synchronise both clocks (NTP)",
    )


def _micro(seconds: float) -> int:
    """Return microseconds, within what the script can hold; no number at all counts as very old."""
    if not seconds < _LONGEST:
        return _LONGEST * _MICRO
    return int(max(seconds, -_LONGEST) * _MICRO)
