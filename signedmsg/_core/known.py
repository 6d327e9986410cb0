"""What a read brought, and for how long what was learnt from it serves. Immutable, so that many may look at once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from signedmsg._core.document import Document
from signedmsg._core.events import DirectoryChanged, DirectoryExpired, DirectoryStale
from signedmsg._core.health import IssuerHealth, State

if TYPE_CHECKING:
    from signedmsg._core.freshness import Backoff
    from signedmsg._jose.jwks import JWKSet


class Validator(NamedTuple):
    """The `ETag` of a document and the URL it is of (RFC 9110 §8.8.3)."""

    url: str
    etag: str


class Read(NamedTuple):
    """What a read brought.

    Attributes:
        written: the documents; None when the source says that nothing changed.
        soft: how long they are fresh, if the source says so.
        validator: what to ask with the next time.
    """

    written: tuple[bytes, ...] | None
    soft: float | None = None
    validator: Validator | None = None


class Known(NamedTuple):
    """What the last good read brought, and until which age it is fresh, due and usable, in seconds."""

    document: Document
    written: tuple[bytes, ...]
    validator: Validator | None
    read_at: float
    soft: float
    refresh_after: float
    usable: float

    @classmethod
    def for_good(cls, keys: JWKSet) -> Known:
        """Return a set that never grows old."""
        document = Document(keys, (), frozenset(), None, None)
        return cls(document, (), None, 0.0, math.inf, math.inf, math.inf)

    def state(self, now: float) -> State:
        """Return how old it is, as a word."""
        age = now - self.read_at
        return "fresh" if age <= self.soft else "stale" if age <= self.usable else "unavailable"


def health_of(known: Known | None, sequence: int | None, backoff: Backoff, now: float) -> IssuerHealth:
    """Return how well the keys are known, for those who operate the receiver."""
    left = backoff.left(now)
    if known is None:
        return IssuerHealth(state="unavailable", failures=backoff.failures, last_error=backoff.error, next_attempt=left)
    if known.usable == math.inf:
        return IssuerHealth(state="fresh", keys=len(known.document.keys))
    return IssuerHealth(
        state=known.state(now),
        age=max(now - known.read_at, 0.0),
        failures=backoff.failures,
        last_error=backoff.error,
        next_attempt=max(left, known.read_at + known.refresh_after - now, 0.0),
        keys=len(known.document.keys),
        sequence=sequence,
    )


def changes(issuer: str, before: Known | None, document: Document) -> DirectoryChanged:
    """Return what a new document says otherwise than the one before."""
    old = {key.kid: (key.thumbprint, key.alg) for key in before.document.keys} if before is not None else {}
    new = {key.kid: (key.thumbprint, key.alg) for key in document.keys}
    return DirectoryChanged(
        issuer=issuer,
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        changed=tuple(sorted(kid for kid in new.keys() & old.keys() if new[kid] != old[kid])),
        revoked=tuple(sorted(document.revoked)),
        refused=tuple(f"{one.kid or one.index}: {one.reason}" for one in document.refused),
    )


def grown_old(issuer: str, state: State, age: float) -> DirectoryStale | DirectoryExpired:
    """Return the event that says so."""
    return DirectoryStale(issuer=issuer, age=age) if state == "stale" else DirectoryExpired(issuer=issuer, age=age)
