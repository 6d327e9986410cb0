"""What a running process knows of a key ring: read again at most once a second, and used without a lock."""

from __future__ import annotations

import logging
import math
import os
import threading
from typing import TYPE_CHECKING, NamedTuple, cast

from signedmsg._core.document import parse_document
from signedmsg._core.publish import MAX_AGE, Revocation
from signedmsg._core.ring import LIVE, PICK_UP, Ring, RingKey, next_step
from signedmsg._jose.jwks import JWKSet
from signedmsg.errors import InvalidKeyError, KeyRingError
from signedmsg.keys.publish import DirectoryDocument

if TYPE_CHECKING:
    from collections.abc import Callable

    from signedmsg.keys._ring_files import RingFolder
    from signedmsg.keys.signing import SigningKey

logger = logging.getLogger("signedmsg")


class State(NamedTuple):
    """What was last read: replaced whole, so that using it needs no lock."""

    written: bytes
    ring: Ring
    active: RingKey | None


class RingReader:
    """The last good state of a folder's ring, and the key and the document that follow from it."""

    def __init__(self, folder: RingFolder, monotonic: Callable[[], float]) -> None:
        self._folder = folder
        self._monotonic = monotonic
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._signer: SigningKey | None = None
        self._document: tuple[Ring, DirectoryDocument] | None = None
        self._complaint: str | None = None
        self._due = monotonic() + PICK_UP
        self.state = self._parsed(folder.read(), None)

    def fresh(self) -> State:
        """Return what `ring.json` held within the last second, or when it was last good."""
        return self.state if self._monotonic() < self._due else self._look()

    def _look(self) -> State:
        """Read `ring.json` again, one caller at a time; the others go on with what is known."""
        lock = self._lock_here()
        if not lock.acquire(blocking=False):
            return self.state
        try:
            self._due = self._monotonic() + PICK_UP
            written = self._folder.read()
            if written != self.state.written:
                self.state = self._parsed(written, self.state.ring)
            self._complaint = None
        except KeyRingError as error:
            self._complain(str(error))
        finally:
            lock.release()
        return self.state

    def _complain(self, what: str) -> None:
        # The last good state stays in use: the keys that receivers know go on being good.
        if what != self._complaint:
            logger.warning("%s; going on with sequence %d", what, self.state.ring.sequence)
        self._complaint = what

    def adopt(self) -> None:
        """Read at once what this process has just written."""
        with self._lock_here():
            self.state = self._parsed(self._folder.read(), self.state.ring)
            self._due = self._monotonic() + PICK_UP

    def _parsed(self, written: bytes, known: Ring | None) -> State:
        ring = self._folder.parse(written)
        if known is not None and ring.issuer != known.issuer:
            raise KeyRingError(f"{self._folder.ring_file} became the ring of another issuer")
        if known is not None and ring.sequence < known.sequence:
            logger.error("%s: its sequence went down; receivers ignore its document", self._folder.ring_file)
        return State(written, ring, ring.active)

    def _lock_here(self) -> threading.Lock:
        # After a fork the lock may be held by a thread that this process does not have.
        if self._pid != os.getpid():
            self._pid, self._lock = os.getpid(), threading.Lock()
        return self._lock

    def current(self, now: Callable[[], float]) -> SigningKey:
        """Return the active key's private half, or raise `KeyRingError`."""
        state = self.fresh()
        active, signer = state.active, self._signer
        if active is None:
            raise _none_active(state.ring, now())
        if signer is not None and signer.kid == active.kid:
            return signer
        return self._load(state.ring, active)

    def _load(self, ring: Ring, active: RingKey) -> SigningKey:
        try:
            signer = self._folder.load(ring, active)
        except KeyRingError:
            # Another process may just have revoked it, and deleted its PEM.
            state = self._look()
            if state.active is None or state.active.kid == active.kid:
                raise
            signer = self._folder.load(state.ring, state.active)
        self._signer = signer
        return signer

    def document(self) -> DirectoryDocument:
        """Return the ring's document, made once for each state."""
        ring, known = self.fresh().ring, self._document
        if known is None or known[0] is not ring:
            known = self._document = ring, document_of(ring)
        return known[1]


def document_of(ring: Ring) -> DirectoryDocument:
    """Return the document that a ring publishes: published, active and retired keys, and what is revoked."""
    try:
        return DirectoryDocument(
            JWKSet(*(key.public for key in ring.keys if key.stage in LIVE)),
            issuer=ring.issuer,
            sequence=ring.sequence,
            revoked=[
                Revocation(key.kid, cast("int", key.revoked_at), key.reason)
                for key in ring.keys
                if key.stage == "revoked"
            ],
            # Caches must not keep it for longer than a rotation waits.
            max_age=min(MAX_AGE, ring.soft_lifetime),
        )
    except InvalidKeyError as error:
        raise KeyRingError(f"receivers would refuse the document: {error}") from None


def _none_active(ring: Ring, now: float) -> KeyRingError:
    steps = [(key.kid, next_step(ring, key)) for key in ring.keys if key.stage == "published"]
    known = [(step.at, kid) for kid, step in steps if step.at is not None]
    if known:
        at, kid = min(known)
        when = "now" if at <= now else f"in {math.ceil(at - now)} s"
        hint = f"{kid} may be activated {when}"
    elif steps:
        hint = "export the document, so that receivers can know the key that was added"
    else:
        hint = "add a key, and activate it once receivers know it"
    return KeyRingError("no key of the ring is active, so nothing can be signed", hint=hint)


def check_target(path: str | os.PathLike[str], document: DirectoryDocument) -> None:
    """Refuse to take the place of a document that receivers may know and this one would be ignored after."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - takes whatever names a file
            there = parse_document(file.read(256 * 1024))
    except (OSError, InvalidKeyError):
        return
    if there.issuer is not None and there.issuer != document.issuer:
        raise KeyRingError(f"{os.fspath(path)} is the document of another issuer: {there.issuer}")
    if there.sequence is not None and there.sequence > document.sequence:
        raise KeyRingError(
            f"{os.fspath(path)} has sequence {there.sequence}, the ring only {document.sequence}: receivers ignore it",
            hint="was an old copy of the ring restored? each change raises its sequence by one",
        )
