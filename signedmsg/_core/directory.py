"""One source's keys as a state machine: what is known now, and whether reading could change it.

What was read is immutable and replaced whole, so looking into it needs no lock; whoever
reads holds the source's lock, and there is one read in flight at most. A read that fails
changes nothing that is known.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from signedmsg._core.document import Document, parse_documents
from signedmsg._core.events import DirectoryFailed, DirectoryFetched, DirectoryNotModified
from signedmsg._core.freshness import Absent, Backoff, Budget, Freshness
from signedmsg._core.health import KeySnapshot
from signedmsg._core.known import Known, changes, grown_old, health_of
from signedmsg.errors import InvalidKeyError, KeyDirectoryError, UnknownKeyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from signedmsg._core.events import Event
    from signedmsg._core.health import IssuerHealth
    from signedmsg._core.known import Read, Validator
    from signedmsg._jose.jwk import PublicKey
    from signedmsg._jose.jwks import JWKSet


class IssuerKeys:
    """What is known of one source's keys, and when to look again.

    Times are `now` of one clock, in seconds. Whatever only looks may be called by anyone
    at any time; `begin`, and then `learn` or `failed` unless the reader is cancelled, only
    by the one caller that holds the source's lock.

    Args:
        issuer: whose keys they are.
        freshness: how long they serve.
        inline: the source is a local file: cheap enough to be read by whoever needs a
            key, and so looked at each `recheck` seconds.
        parse: makes one document of what was read.
    """

    def __init__(
        self,
        issuer: str,
        freshness: Freshness,
        *,
        inline: bool = False,
        parse: Callable[[tuple[bytes, ...]], Document] = parse_documents,
    ) -> None:
        self.issuer = issuer
        self.inline = inline
        self.revoked: frozenset[str] = frozenset()
        self._revoked_keys: frozenset[str] = frozenset()
        self._freshness = freshness
        self._parse = parse
        self._known: Known | None = None
        self._sequence: int | None = None
        self._names_itself = False
        self._backoff = Backoff()
        self._budget = Budget(freshness)
        self._absent = Absent()
        self._reads = 0
        self._began = -math.inf
        self._told: set[str] = set()

    @classmethod
    def fixed(cls, issuer: str, keys: JWKSet) -> IssuerKeys:
        """Return a machine that knows this set for good: it never grows old, and nothing is ever worth reading."""
        made = cls(issuer, Freshness(), inline=True)
        made._known = Known.for_good(keys)
        return made

    def known(self, kid: str, now: float) -> PublicKey | None:
        """Return the key if what is known may be used and has it."""
        known = self._known
        if known is None or now - known.read_at > known.usable or kid in self.revoked:
            return None
        return known.document.keys.get(kid)

    def at_hand(self, kid: str, now: float) -> PublicKey | None:
        """Return the key if it is known and nothing is due: no backoff, no age, no revocation to think about."""
        known = self._known
        if known is None or not 0 <= now - known.read_at < known.refresh_after or kid in self.revoked:
            return None
        return known.document.keys.get(kid)

    def due(self, _kid: str | None, now: float) -> bool:
        """Say whether it is time to read again what is known."""
        known = self._known
        # A clock that stepped back makes an age negative; then nobody knows how old the set is.
        return known is not None and not 0 <= now - known.read_at < known.refresh_after and not self._backoff.left(now)

    def outlived(self, _kid: str | None, now: float, *, busy: bool) -> bool:
        """Say whether the set outlived its soft lifetime because nobody asked, and not because a source fails.

        Then even a known key waits for one read: or else the first message after a quiet
        hour would be accepted though its key was revoked meanwhile. While reads fail, or
        one that began in time is still under way (`busy`), nobody waits.
        """
        known = self._known
        if known is None or now - known.read_at <= known.soft or self._backoff.failures:
            return False
        return not (busy and 0 <= self._began - known.read_at <= known.soft)

    def usable(self, now: float) -> bool:
        """Say whether what is known is not too old to be used."""
        known = self._known
        return known is not None and now - known.read_at <= known.usable

    def worth_reading(self, kid: str, now: float) -> bool:
        """Say whether a read could bring this unknown kid, and may be made now."""
        if self._backoff.left(now) or kid in self.revoked:
            return False
        if not self.usable(now):
            return True
        if self.inline:
            return self.due(kid, now)
        return not self._absent.has(kid, now) and self._budget.allows(now)

    def worth_waiting(self, kid: str, now: float) -> bool:
        """Say whether to wait for the read in flight; while the source fails nobody waits in vain."""
        return kid not in self.revoked and not (self._backoff.failures and self.usable(now))

    def suppresses(self, kid: str, now: float) -> bool:
        """Say whether this kid is the first since the last read that is not looked up for want of budget."""
        if not self.usable(now) or self.inline or self._absent.has(kid, now) or self._budget.allows(now):
            return False
        first = "flood" not in self._told
        self._told.add("flood")
        return first

    def why_not(self, kid: str, now: float) -> UnknownKeyError | KeyDirectoryError:
        """Return why this kid has no key: their fault where a usable set lacks it, else ours."""
        if kid in self.revoked:
            return UnknownKeyError("the key is revoked", code="key_not_valid")
        if self.usable(now):
            return UnknownKeyError("the issuer has no key of that kid")
        reason = f"the issuer's keys could not be read: {self._backoff.error or 'no read came to its end'}"
        return KeyDirectoryError(reason, retry_after=max(self._backoff.left(now), 1.0))

    def mark(self, _kid: str, _now: float) -> object:
        """Return something that, seen from one moment, changes with each read that came to its end after it."""
        return self._reads

    def validator(self, _kid: str | None) -> Validator | None:
        """Return what to ask with, so that a document that is known need not be sent."""
        return self._known.validator if self._known is not None else None

    def held(self) -> tuple[str | None, ...]:
        """Return what to read for a refresh: None, the whole source."""
        return () if self._known is not None and self._known.usable == math.inf else (None,)

    def begin(self, kid: str | None, now: float) -> None:
        """Note that a read begins, for this kid if for any."""
        self._began = now
        if kid is not None and self.usable(now):
            self._budget.spend(now)

    def failed(self, _kid: str | None, reason: str, now: float, jitter: float, *, asked: float = 0.0) -> list[Event]:
        """Note that the source could not be read; what is known stays. `asked` is how long it asks to wait."""
        self._reads += 1
        self._backoff.failed(reason, now, jitter, asked)
        if self.inline:
            self._backoff.wait(self._freshness.recheck, now)
        self._budget.block(now)
        return [DirectoryFailed(issuer=self.issuer, reason=reason), *self._grown_old(now)]

    def learn(self, kid: str | None, read: Read, now: float, jitter: float) -> list[Event]:
        """Take in what was just read; a malformed document keeps the old set and counts as a failed read."""
        known = self._known
        try:
            if known is not None and read.written in (None, known.written):
                document, written = known.document, known.written
            else:
                document, written = self._take(read)
        except InvalidKeyError as error:
            return self.failed(kid, str(error), now, jitter)
        self._settle(document, written, read, now, jitter)
        if kid is not None and kid not in document.keys:
            self._absent.add(kid, now)
            self._budget.block(now)
        if known is None or document is not known.document:
            change = changes(self.issuer, known, document)
            fetched = DirectoryFetched(issuer=self.issuer, keys=len(document.keys), sequence=document.sequence)
            return [change] if self.inline else [fetched, change]
        return [] if self.inline else [DirectoryNotModified(issuer=self.issuer)]

    def _take(self, read: Read) -> tuple[Document, tuple[bytes, ...]]:
        if read.written is None:
            raise InvalidKeyError("the source says that nothing changed, yet nothing is known")
        document = self._parse(read.written)
        self._check(document)
        return document, read.written

    def _settle(self, document: Document, written: tuple[bytes, ...], read: Read, now: float, jitter: float) -> None:
        freshness = self._freshness
        soft = freshness.recheck if self.inline else read.soft or freshness.soft
        after = soft if self.inline else freshness.refresh_after(soft, jitter)
        validator = read.validator or (self.validator(None) if read.written is None else None)
        # Remembered as long as the process lives: a document without the entry revives no key.
        # Set before the keys are, since others look at both while this runs.
        self._revoke(document)
        self._sequence, self._names_itself = document.sequence, document.issuer is not None
        self._known = Known(document, written, validator, now, soft, after, soft + freshness.hard)
        self._reads += 1
        self._backoff.worked()
        self._told.clear()

    def _revoke(self, document: Document) -> None:
        """Revoke the keys a document names, under whatever kid: whoever holds a stolen key can sign under any."""
        revoked = self.revoked | document.revoked
        before = () if self._known is None else self._known.document.keys
        named = {key.thumbprint for keys in (before, document.keys) for key in keys if key.kid in revoked}
        # A kid made here is the key's thumbprint.
        self._revoked_keys |= named | document.revoked
        self.revoked = revoked | {key.kid for key in document.keys if key.thumbprint in self._revoked_keys}

    def _check(self, document: Document) -> None:
        """Refuse a document of another issuer, or one older than the last (a rollback).

        Once a source has shown `issuer` or `sequence` it must go on doing so; else
        whoever can serve an old plain set could bring removed keys back.
        """
        if document.issuer is None and self._names_itself:
            raise InvalidKeyError("issuer: the document named it before and no longer does")
        if document.issuer is not None and document.issuer != self.issuer:
            raise InvalidKeyError(f"issuer: expected {self.issuer!r}, the document is of another issuer")
        if self._sequence is not None and (document.sequence is None or document.sequence < self._sequence):
            raise InvalidKeyError(f"sequence: it went down from {self._sequence}")

    def _grown_old(self, now: float) -> list[Event]:
        known = self._known
        state = "fresh" if known is None else known.state(now)
        if known is None or state == "fresh" or state in self._told:
            return []
        self._told.add(state)
        return [grown_old(self.issuer, state, now - known.read_at)]

    def health(self, now: float) -> IssuerHealth:
        """Return how well the keys are known."""
        return health_of(self._known, self._sequence, self._backoff, now)

    def snapshot(self, now: float) -> KeySnapshot:
        """Return the keys that may be used now."""
        known = self._known
        held = known.document.keys if known is not None and self.usable(now) else ()
        keys = tuple(key for key in held if key.kid not in self.revoked)
        age = None if known is None or known.usable == math.inf else max(now - known.read_at, 0.0)
        return KeySnapshot(issuer=self.issuer, keys=keys, revoked=self.revoked, sequence=self._sequence, age=age)

    def reset(self) -> None:
        """Forget which `sequence` and `issuer` the source has shown, so that the next read may bring an older one."""
        self._sequence, self._names_itself = None, False
        self._backoff.worked()
