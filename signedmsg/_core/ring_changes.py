"""The changes of a key ring, each a function from one ring to the next whose `sequence` is one higher.

A receiver may know only what a document said some time ago, and a token may still be
on its way; so a key signs only once every receiver must have read of it, and leaves
the document only when the last token it signed has ended.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from signedmsg._core.ring import LIVE, Ring, RingKey, drained_at, is_ready, lasts, seen_since
from signedmsg._jose.jwks import MAX_KEYS
from signedmsg.errors import KeyRingError

if TYPE_CHECKING:
    from signedmsg._jose.jwk import PublicKey

# A clock that ran ahead for a while must not make a revocation be forgotten.
FORGET_AFTER: Final = 86400
_MAX_TOMBSTONES: Final = 64
_REASON: Final = re.compile(r"[\x20-\x7e]{1,256}")


def add(ring: Ring, public: PublicKey, now: float) -> Ring:
    """Publish a key."""
    if sum(key.stage in LIVE for key in ring.keys) >= MAX_KEYS:
        raise KeyRingError(f"a directory document holds at most {MAX_KEYS} keys", hint="remove retired keys first")
    if any(key.kid == public.kid or key.public.thumbprint == public.thumbprint for key in ring.keys):
        raise KeyRingError("the ring has, or had, this very key", hint="a key is published once; make a new one")
    key = RingKey(public, "published", _stamp(ring, now))
    if not lasts(ring, key, now):
        raise KeyRingError("expires: the key ends before a token it signs could", hint="leave it weeks, not minutes")
    return _changed(replace(ring, keys=(*ring.keys, key)), now)


def activate(ring: Ring, kid: str, now: float, *, skip_wait: bool = False) -> Ring:
    """Let a key sign from now on; the one that did so far is retired by the same change.

    A retired key may be activated again, at once if receivers have known it long enough.
    """
    key = ring.get(kid)
    if key.stage == "active":
        raise KeyRingError(f"{kid} is active already")
    if key.stage not in LIVE:
        raise KeyRingError(f"{kid} is {key.stage}", hint="add a new key")
    if not lasts(ring, key, now):
        raise KeyRingError(f"{kid} ends before a token it signs could", hint="add a new key")
    # A retired key too: it may have been retired before anybody knew it.
    if not skip_wait:
        _refuse_unseen(ring, key, now)
    return _changed(_hand_over(ring, key, now), now)


def _refuse_unseen(ring: Ring, key: RingKey, now: float) -> None:
    seen = seen_since(ring, key)
    if seen is None:
        raise KeyRingError(
            f"{key.kid} stands in no document that was exported, so no receiver can know it",
            hint="export the document first, and bring it to where receivers read it",
        )
    wait = seen + ring.publish_wait - now
    if wait > 0:
        raise KeyRingError(
            f"receivers may not have read of {key.kid} yet and would refuse what it signs: wait {_seconds(wait)}",
            code="key_ring_wait",
            wait=wait,
            hint=_clock_hint(ring, now)
            or "dangerously_skip_wait is for a ring that no receiver reads yet, and for a stolen key without successor",
        )


def _hand_over(ring: Ring, key: RingKey, now: float) -> Ring:
    """Make `key` the active one, and retire the one that was."""
    stamp = _stamp(ring, now)
    before = ring.active
    if before is not None:
        ring = _put(ring, replace(before, stage="retired", retired_at=stamp))
    return _put(ring, replace(key, stage="active", activated_at=stamp, retired_at=None))


def retire(ring: Ring, kid: str, now: float, *, stop_signing: bool = False) -> Ring:
    """Let a key sign no more; a published key that receivers know takes over, if there is one."""
    key = ring.get(kid)
    stamp = _stamp(ring, now)
    if key.stage == "published":
        return _changed(_put(ring, replace(key, stage="retired", retired_at=stamp)), now)
    if key.stage != "active":
        raise KeyRingError(f"{kid} is {key.stage}, and signs nothing")
    successor = _successor(ring, now)
    if successor is None and not stop_signing:
        raise KeyRingError(
            f"{kid} is the only key that may sign now",
            hint="add a key and activate it when its time has come: that retires this one",
        )
    if successor is not None:
        return _changed(_hand_over(ring, successor, now), now)
    return _changed(_put(ring, replace(key, stage="retired", retired_at=stamp)), now)


def _successor(ring: Ring, now: float) -> RingKey | None:
    """Return the ready key that was published first."""
    return next((key for key in ring.keys if is_ready(ring, key, now)), None)


def remove(ring: Ring, kid: str, now: float, *, skip_wait: bool = False) -> Ring:
    """Take a key out of the document."""
    key = ring.get(kid)
    if key.stage == "active":
        raise KeyRingError(f"{kid} is the key that signs", hint="activate another first: that retires this one")
    if key.stage not in LIVE:
        raise KeyRingError(f"{kid} is {key.stage} already")
    wait = drained_at(ring, key) - now
    if wait > 0 and not skip_wait:
        raise KeyRingError(
            f"tokens that {kid} signed may be on their way and would be refused: wait {_seconds(wait)}",
            code="key_ring_wait",
            wait=wait,
            hint=_clock_hint(ring, now) or "if the key was stolen, revoke it: that does not wait",
        )
    return _changed(_put(ring, replace(key, stage="removed", removed_at=_stamp(ring, now))), now)


def revoke(ring: Ring, kid: str, reason: str, now: float) -> Ring:
    """Withdraw a key at once, even one that was removed; if it was the active one, a ready key takes over."""
    if not isinstance(reason, str) or not _REASON.fullmatch(reason):
        raise KeyRingError("reason: expected 1 to 256 printable ASCII characters; everybody can read them")
    key = ring.get(kid)
    if key.stage == "revoked":
        raise KeyRingError(f"{kid} is revoked already")
    successor = _successor(ring, now) if key.stage == "active" else None
    ring = _put(ring, replace(key, stage="revoked", revoked_at=_stamp(ring, now), reason=reason))
    if successor is not None:
        ring = _hand_over(ring, successor, now)
    return _changed(ring, now)


def exported(ring: Ring, now: float) -> Ring:
    """Note that a static document was written; the document, and so its `sequence`, stays."""
    stamp = _stamp(ring, now)
    keys = tuple(
        replace(key, exported_at=stamp) if key.stage in LIVE and key.exported_at is None else key for key in ring.keys
    )
    return replace(ring, keys=keys, exported=ring.sequence, changed_at=stamp)


def _stamp(ring: Ring, now: float) -> int:
    """Return the time of a change, rounded to the safe side, and never before the last one.

    If the clock ran ahead and was set back, waits that begin now would otherwise end
    early should it run ahead again.
    """
    return max(math.ceil(now), ring.changed_at)


def _put(ring: Ring, key: RingKey) -> Ring:
    return replace(ring, keys=tuple(key if one.kid == key.kid else one for one in ring.keys))


def _changed(ring: Ring, now: float) -> Ring:
    """Close a change: count it, and forget what no receiver needs to be told any more."""
    kept = [key for key in ring.keys if not _forgotten(key, now)]
    removed = [key.kid for key in kept if key.stage == "removed"][:-_MAX_TOMBSTONES]
    keys = tuple(key for key in kept if key.kid not in removed)
    return replace(ring, keys=keys, sequence=ring.sequence + 1, changed_at=_stamp(ring, now))


def _forgotten(key: RingKey, now: float) -> bool:
    expires = key.public.expires
    return key.stage not in LIVE and expires is not None and now > expires + FORGET_AFTER


def _clock_hint(ring: Ring, now: float) -> str | None:
    back = ring.changed_at - now
    return f"this clock is {_seconds(back)} before the ring's last change: was it set back?" if back > 1 else None


def _seconds(wait: float) -> str:
    return f"{math.ceil(wait)} s"
