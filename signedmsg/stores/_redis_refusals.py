"""What a store in Redis refuses, by the status with which its script answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signedmsg.errors import StoreError
from signedmsg.stores import _redis_replay_script as script
from signedmsg.stores._limits import clock_went_back, full, over_quota, too_early

if TYPE_CHECKING:
    from signedmsg.stores._batches import Entry
    from signedmsg.stores._redis_replay import Options


def refusal(options: Options, entry: Entry, status: int, seconds: float) -> Exception:
    """Return the refusal of an add; the seconds are those that its status came with."""
    wait = max(1.0, seconds)
    if status == script.EARLY:
        return too_early(seconds, entry.issued_at)
    if status == script.QUOTA:
        return over_quota(entry.issuer, options.quota, wait)
    if status == script.FULL:
        return full(options.capacity, wait)
    if status == script.WENT_BACK:
        return clock_went_back(seconds, f"delete the keys {options.prefix}:*")
    if status == script.CLOCK:
        return _clocks_differ(seconds)
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
