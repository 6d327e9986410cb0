"""What can be asked about an issuer's keys without reading anything: their health, and the keys themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from signedmsg._jose.jwk import PublicKey

State = Literal["fresh", "stale", "unavailable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerHealth:
    """How well an issuer's keys are known now.

    Attributes:
        state: `fresh`; `stale`, past the soft lifetime and still used; `unavailable`,
            nothing usable is known, and messages of the issuer are answered 503.
        age: seconds since the last read that worked; None before the first, and for a
            fixed set.
        failures: how many reads have failed since.
        last_error: why the last of them failed, or None.
        next_attempt: seconds until the source may be read again; 0 when it may be now.
        keys: how many keys are held.
        sequence: the `sequence` of the document, or None.
    """

    state: State
    age: float | None = None
    failures: int = 0
    last_error: str | None = None
    next_attempt: float = 0.0
    keys: int = 0
    sequence: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySnapshot:
    """An issuer's keys as they are held now. Immutable.

    Attributes:
        issuer: whose they are.
        keys: those that may be used; the snapshot may be iterated over directly.
        revoked: every kid that was ever seen revoked, for the life of the process.
        sequence: the `sequence` of the document, or None.
        age: seconds since the last read that worked; None before the first, and for a fixed set.
    """

    issuer: str
    keys: tuple[PublicKey, ...]
    revoked: frozenset[str]
    sequence: int | None
    age: float | None = None

    def get(self, kid: str) -> PublicKey | None:
        """Return the key of this kid, or None."""
        return next((key for key in self.keys if key.kid == kid), None)

    def __iter__(self) -> Iterator[PublicKey]:
        return iter(self.keys)

    def __len__(self) -> int:
        return len(self.keys)

    def __contains__(self, kid: object) -> bool:
        return any(key.kid == kid for key in self.keys)


def worst(parts: list[IssuerHealth]) -> IssuerHealth:
    """Return the health of an issuer that has several sources: that of the worst one, over the keys of all."""
    order: tuple[State, ...] = ("fresh", "stale", "unavailable")
    one = max(parts, key=lambda part: order.index(part.state))
    return IssuerHealth(
        state=one.state,
        age=one.age,
        failures=one.failures,
        last_error=one.last_error,
        next_attempt=one.next_attempt,
        keys=sum(part.keys for part in parts),
        sequence=one.sequence,
    )
