"""The keys of a ring as a table: stage, ages, and what may be done next."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, TypedDict

from signedmsg._core.ring import LIVE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from signedmsg.keys.ring import KeyRing, RingKey

_HEAD: Final = ("KID", "ALG", "STAGE", "FOR", "NEXT")
_SHORT: Final = 12
_UNITS: Final = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


class Described(TypedDict):
    """One key as `--json` prints it; times are Unix seconds."""

    kid: str
    alg: str
    stage: str
    since: int
    published_at: int
    expires: int | None
    reason: str | None
    next: str
    at: int | None
    when: str
    age: str


def describe(ring: KeyRing, key: RingKey, now: float) -> Described:
    """Return a key with its ages and its next step in words."""
    step = ring.next_step(key.kid)
    stamps = {"published": key.published_at, "active": key.activated_at, "retired": key.retired_at}
    stamps |= {"removed": key.removed_at, "revoked": key.revoked_at}
    since = stamps[key.stage] or key.published_at
    return {
        "kid": key.kid,
        "alg": key.public.alg,
        "stage": key.stage,
        "since": since,
        "published_at": key.published_at,
        "expires": key.public.expires,
        "reason": key.reason,
        "next": step.action,
        "at": step.at,
        "when": _when(step.action, step.at, now),
        "age": duration(now - since),
    }


def _when(action: str, at: int | None, now: float) -> str:
    if action == "replace":
        return "at any time" if at is None else f"before it ends in {duration(at - now)}"
    if at is None:
        return "" if action == "none" else "now"
    return "now" if at <= now else f"in {duration(at - now)}"


def duration(seconds: float) -> str:
    """Return a time in its largest whole unit, rounded up; a clock that was set back shows as 0 s."""
    whole = max(0, math.ceil(seconds))
    for unit, size in _UNITS:
        # Minutes up to two hours, hours up to two days: so that nothing is rounded by half.
        if whole >= 2 * size or size == 1:
            return f"{math.ceil(whole / size)} {unit}"
    return "0 s"


def shorten(kid: str) -> str:
    """Return the beginning of a kid, to be read and typed."""
    return kid if len(kid) <= _SHORT else kid[:_SHORT]


def table(keys: Sequence[Described]) -> Iterator[str]:
    """Yield the lines of the table; live keys first."""
    rows: list[tuple[str, ...]] = [_HEAD]
    for key in sorted(keys, key=lambda one: one["stage"] not in LIVE):
        reason = f" ({key['reason']})" if key["reason"] else ""
        step = "" if key["next"] == "none" else f"{key['next']} {key['when']}".strip()
        rows.append((key["kid"], key["alg"], key["stage"] + reason, key["age"], step))
    widths = [max(len(row[at]) for row in rows) for at in range(len(_HEAD))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
