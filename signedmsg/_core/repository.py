"""The keys of a repository that has one document a kid (ASAP), as a state machine."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from signedmsg._core.directory import IssuerKeys
from signedmsg._core.document import parse_key
from signedmsg._core.events import DirectoryFailed
from signedmsg._core.freshness import Absent, Backoff, Budget, Freshness
from signedmsg._core.health import IssuerHealth, KeySnapshot, worst
from signedmsg._jose.jwk import KID
from signedmsg._jose.jwks import MAX_KEYS
from signedmsg.errors import KeyDirectoryError, UnknownKeyError

if TYPE_CHECKING:
    from signedmsg._core.events import Event
    from signedmsg._core.known import Read, Validator
    from signedmsg._jose.jwk import PublicKey

_NONE: Final[frozenset[str]] = frozenset()


class RepositoryKeys:
    """What is known of the keys of a repository: a state machine for each kid that has a key.

    A kid that is not known costs a read of its own, so a flood of them is bounded by the
    bucket alone; a read that brings a key is given back to it.
    """

    inline = False
    revoked = _NONE

    def __init__(self, issuer: str, freshness: Freshness, *, rsa: str, prefix: str) -> None:
        self.issuer = issuer
        self._freshness = freshness
        self._rsa = rsa
        self._prefix = prefix
        self._held: dict[str, IssuerKeys] = {}
        self._budget = Budget(freshness)
        self._absent = Absent()
        self._backoff = Backoff()
        self._told = False

    def known(self, kid: str, now: float) -> PublicKey | None:
        """See `IssuerKeys.known`."""
        keys = self._held.get(kid)
        return None if keys is None else keys.known(kid, now)

    def at_hand(self, kid: str, now: float) -> PublicKey | None:
        """See `IssuerKeys.at_hand`."""
        keys = self._held.get(kid)
        return None if keys is None else keys.at_hand(kid, now)

    def due(self, kid: str | None, now: float) -> bool:
        """See `IssuerKeys.due`."""
        keys = self._held.get(kid or "")
        return keys is not None and keys.due(kid, now)

    def outlived(self, kid: str | None, now: float, *, busy: bool) -> bool:
        """See `IssuerKeys.outlived`."""
        keys = self._held.get(kid or "")
        return keys is not None and keys.outlived(kid, now, busy=busy)

    def usable(self, now: float) -> bool:
        """See `IssuerKeys.usable`."""
        return any(keys.usable(now) for keys in self._held.values())

    def worth_reading(self, kid: str, now: float) -> bool:
        """See `IssuerKeys.worth_reading`."""
        keys = self._held.get(kid)
        if keys is not None:
            return keys.worth_reading(kid, now)
        if self._backoff.left(now) or self._is_absent(kid, now):
            return False
        return self._budget.allows(now)

    def _is_absent(self, kid: str, now: float) -> bool:
        """Say whether no read is needed to know that there is no such key.

        A kid comes from a token that nobody has verified, and would become part of a path.
        """
        if not KID.fullmatch(kid) or not kid.startswith(self._prefix):
            return True
        return any(part in ("", ".", "..") for part in kid.split("/")) or self._absent.has(kid, now)

    def worth_waiting(self, kid: str, now: float) -> bool:
        """See `IssuerKeys.worth_waiting`; a read in flight may be of another kid."""
        return not self._backoff.failures and not self._is_absent(kid, now)

    def suppresses(self, kid: str, now: float) -> bool:
        """See `IssuerKeys.suppresses`."""
        if kid in self._held or self._is_absent(kid, now) or self._budget.allows(now):
            return False
        first, self._told = not self._told, True
        return first

    def why_not(self, kid: str, now: float) -> UnknownKeyError | KeyDirectoryError:
        """Return why this kid has no key; of one that could not be looked up nothing is known."""
        if self._is_absent(kid, now):
            return UnknownKeyError("the issuer has no key of that kid")
        reason = self._backoff.error or "too many unknown kids were looked up"
        left = max(self._backoff.left(now), 1.0)
        return KeyDirectoryError(f"the issuer's key could not be read: {reason}", retry_after=left)

    def mark(self, kid: str, now: float) -> object:
        """See `IssuerKeys.mark`: of this kid, or of a repository that fails."""
        keys = self._held.get(kid)
        return self._backoff.failures, self._absent.since(kid, now), None if keys is None else keys.mark(kid, now)

    def validator(self, kid: str | None) -> Validator | None:
        """See `IssuerKeys.validator`."""
        keys = self._held.get(kid or "")
        return None if keys is None else keys.validator(kid)

    def held(self) -> tuple[str | None, ...]:
        """Return the kids that a refresh reads."""
        return tuple(self._held)

    def begin(self, kid: str | None, now: float) -> None:
        """See `IssuerKeys.begin`."""
        keys = self._held.get(kid or "")
        if keys is not None:
            keys.begin(None, now)
        if kid not in self._held:
            self._budget.spend(now)

    def failed(self, kid: str | None, reason: str, now: float, jitter: float, *, asked: float = 0.0) -> list[Event]:
        """See `IssuerKeys.failed`."""
        self._backoff.failed(reason, now, jitter, asked)
        keys = self._held.get(kid or "")
        if keys is not None:
            return keys.failed(None, reason, now, jitter, asked=asked)
        return [DirectoryFailed(issuer=self.issuer, reason=reason)]

    def learn(self, kid: str | None, read: Read, now: float, jitter: float) -> list[Event]:
        """Take in the PEM of one kid, or that there is none."""
        kid = kid or ""
        before = self._held.get(kid)
        parse = partial(parse_key, kid=kid, rsa=self._rsa)
        keys = before or IssuerKeys(self.issuer, self._freshness, parse=parse)
        events = keys.learn(None, read, now, jitter)
        failure = next((event for event in events if isinstance(event, DirectoryFailed)), None)
        if failure is not None:
            self._backoff.failed(failure.reason, now, jitter, 0.0)
            return events
        self._backoff.worked()
        self._told = False
        if keys.known(kid, now) is None:
            self._held.pop(kid, None)
            self._absent.add(kid, now)
            return events if before is not None else events[:1]
        if before is None:
            self._budget.refund()
            self._keep(kid, keys)
        return events

    def _keep(self, kid: str, keys: IssuerKeys) -> None:
        while len(self._held) >= MAX_KEYS:
            del self._held[next(iter(self._held))]
        self._held[kid] = keys

    def health(self, now: float) -> IssuerHealth:
        """See `IssuerKeys.health`: that of the worst kid. One that holds no key is unavailable only once it failed."""
        parts = [keys.health(now) for keys in list(self._held.values())]
        if parts:
            return worst(parts)
        return IssuerHealth(
            state="unavailable" if self._backoff.failures else "fresh",
            failures=self._backoff.failures,
            last_error=self._backoff.error,
            next_attempt=self._backoff.left(now),
        )

    def snapshot(self, now: float) -> KeySnapshot:
        """See `IssuerKeys.snapshot`."""
        held = list(self._held.items())
        found = (keys.known(kid, now) for kid, keys in held)
        keys = tuple(key for key in found if key is not None)
        return KeySnapshot(issuer=self.issuer, keys=keys, revoked=_NONE, sequence=None)

    def reset(self) -> None:
        """A repository has no sequence: only let it be asked again at once."""
        self._backoff.worked()
