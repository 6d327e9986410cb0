"""A sender's keys and their stages: published, active, retired, removed, revoked; and what may come next when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from signedmsg._core.policy import MAX_LEEWAY
from signedmsg.errors import KeyRingError

if TYPE_CHECKING:
    from signedmsg._jose.jwk import PublicKey

Stage = Literal["published", "active", "retired", "removed", "revoked"]
STAGES: Final = ("published", "active", "retired", "removed", "revoked")
# Those whose private key is kept, and whose public half stands in the document.
LIVE: Final = frozenset({"published", "active", "retired"})

SOFT_LIFETIME: Final = 300
MIN_SOFT_LIFETIME: Final = 60
MAX_SOFT_LIFETIME: Final = 3600
# How far the clocks of two machines may be apart.
CLOCK_SKEW: Final = 60
# How long a running sender, or an application that serves the document, goes on with what it read before.
PICK_UP: Final = 1


@dataclass(frozen=True, slots=True)
class RingKey:
    """One key of a ring, without its secret.

    Attributes:
        public: the public half.
        stage: `published` (receivers may learn of it), `active` (it signs), `retired` (its
            tokens may be on their way), `removed` or `revoked`.
        published_at, exported_at, activated_at, retired_at, removed_at, revoked_at: Unix
            seconds, or None; `exported_at` is when a static document first held it.
        reason: why it was revoked, or None.
    """

    public: PublicKey
    stage: Stage
    published_at: int
    exported_at: int | None = None
    activated_at: int | None = None
    retired_at: int | None = None
    removed_at: int | None = None
    revoked_at: int | None = None
    reason: str | None = None

    @property
    def kid(self) -> str:
        """Its id in the document."""
        return self.public.kid


@dataclass(frozen=True, slots=True)
class Ring:
    """A sender's keys and the times its receivers need. `sequence` is that of the published document."""

    issuer: str
    sequence: int
    soft_lifetime: int
    max_lifetime: int
    password_env: str | None
    changed_at: int
    exported: int | None = None
    keys: tuple[RingKey, ...] = ()

    @property
    def active(self) -> RingKey | None:
        """The one key that signs, if there is one."""
        return next((key for key in self.keys if key.stage == "active"), None)

    @property
    def publish_wait(self) -> int:
        """How long after its publication every receiver knows a key, in seconds."""
        return self.soft_lifetime + CLOCK_SKEW + PICK_UP

    @property
    def drain_wait(self) -> int:
        """How long after its retirement the last token of a key has ended everywhere, in seconds."""
        return self.max_lifetime + int(MAX_LEEWAY) + CLOCK_SKEW + PICK_UP

    def get(self, kid: str) -> RingKey:
        """Return the key of this kid, or raise `KeyRingError`."""
        for key in self.keys:
            if key.kid == kid:
                return key
        raise KeyRingError(f"the ring has no key {kid}")


class Step(NamedTuple):
    """What comes next for a key: `at` is when it is safe, in Unix seconds; None when waiting does not help."""

    action: Literal["activate", "export", "remove", "replace", "none"]
    at: int | None


def next_step(ring: Ring, key: RingKey) -> Step:
    """Return what may be done next with a key, and from when on."""
    if key.stage == "published":
        seen = seen_since(ring, key)
        return Step("export", None) if seen is None else Step("activate", seen + ring.publish_wait)
    if key.stage == "active":
        return Step("replace", key.public.expires)
    if key.stage == "retired":
        return Step("remove", drained_at(ring, key))
    return Step("none", None)


def seen_since(ring: Ring, key: RingKey) -> int | None:
    """Return since when receivers can have read of a key: once a ring is exported, only what was exported counts."""
    return key.published_at if ring.exported is None else key.exported_at


def drained_at(ring: Ring, key: RingKey) -> int:
    """Return when the last token of a retired key has ended everywhere."""
    # What never signed has nothing on its way.
    return (key.retired_at or 0) + ring.drain_wait if key.activated_at is not None else 0


def is_ready(ring: Ring, key: RingKey, now: float) -> bool:
    """Say whether a published key may sign now."""
    seen = seen_since(ring, key)
    return key.stage == "published" and seen is not None and now - seen >= ring.publish_wait and lasts(ring, key, now)


def lasts(ring: Ring, key: RingKey, now: float) -> bool:
    """Say whether a key lives as long as a token made now, with the most leeway that a receiver may give."""
    expires = key.public.expires
    return expires is None or now + ring.max_lifetime + MAX_LEEWAY <= expires
