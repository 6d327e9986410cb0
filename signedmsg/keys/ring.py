"""A key ring on disk: a sender's keys in stages, changed by one process and picked up by all without a restart."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from signedmsg._core import ring_changes as changes
from signedmsg._core.policy import MAX_LIFETIME
from signedmsg._core.ring import SOFT_LIFETIME, Ring, RingKey, Step, next_step
from signedmsg._core.ring_file import check_ring
from signedmsg._jose.algorithms import DEFAULT_ALGORITHM
from signedmsg.keys._ring_files import Disk, RingFolder
from signedmsg.keys._ring_make import make_key
from signedmsg.keys._ring_reader import RingReader, check_target, document_of

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from datetime import timedelta
    from pathlib import Path

    from signedmsg.keys.publish import DirectoryDocument
    from signedmsg.keys.signing import SigningKey

__all__ = ["KeyRing", "RingKey", "Step"]

_DISK: Final = Disk()


class KeyRing:
    """A folder with a sender's keys, each in one of the stages published → active → retired → removed.

    Give it to a `Sender` in place of a key: each token is signed with the key that is
    active then, and a change made by any process is picked up within a second. Exactly
    one key signs at a time. A key signs only once receivers must have read of it, and is
    removed only when the last token it signed has ended; see `publish_wait` and
    `drain_wait`. Every change raises `sequence` by one.

    Safe to share between threads and tasks, and across a fork. Changes take a lock on the
    folder, and are on the disk when they return; a crash leaves the ring as it was before
    the change or after it.

    Attributes:
        waits: how `sign` waits. It reads one small file at most once a second, and a key's
            PEM after a rotation; keep the folder on a local disk.
    """

    waits: ClassVar[Literal["never"]] = "never"

    def __init__(
        self,
        folder: RingFolder,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Not for direct use: a ring comes from `create` or `open`."""
        if not isinstance(folder, RingFolder):
            raise TypeError("open a ring by KeyRing.open(path), and make a new one by KeyRing.create(path, issuer)")
        self._folder = folder
        self._clock = clock
        self._reader = RingReader(folder, monotonic)

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        issuer: str,
        *,
        soft_lifetime: int = SOFT_LIFETIME,
        max_lifetime: int = MAX_LIFETIME,
        sequence: int = 0,
        password_env: str | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        disk: Disk = _DISK,
    ) -> KeyRing:
        """Make an empty ring in a folder that is new, or has none.

        Args:
            path: the folder; made with mode 0700 when it is missing.
            issuer: the `iss` whose keys these are.
            soft_lifetime: for how long a receiver, or a cache before it, may go on with the
                document it has, in whole seconds (60 to 3600).
            max_lifetime: the longest lifetime of the tokens, in whole seconds (1 to 300).
            sequence: that of the document published so far, if there is one; the first
                change writes the next.
            password_env: the environment variable whose value encrypts the private keys.
            clock: the time in Unix seconds.
            monotonic: seconds that no clock setting moves.
            disk: what changes files; tests replace it.

        Raises:
            ValueError: the configuration is wrong; every problem is named.
            KeyRingError: there is a ring already, or the folder cannot be written.
        """
        ring = Ring(issuer, sequence, soft_lifetime, max_lifetime, password_env, math.ceil(clock()))
        folder = RingFolder(path, disk)
        folder.create(check_ring(ring))
        return cls(folder, clock=clock, monotonic=monotonic)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        disk: Disk = _DISK,
    ) -> KeyRing:
        """Open a ring that is there. No private key is read before one is needed.

        Raises:
            KeyRingError: there is none, or it is damaged.
        """
        return cls(RingFolder(path, disk), clock=clock, monotonic=monotonic)

    @property
    def path(self) -> Path:
        """The folder."""
        return self._folder.path

    @property
    def issuer(self) -> str:
        """Whose keys these are."""
        return self._reader.state.ring.issuer

    @property
    def sequence(self) -> int:
        """The number of the document; one higher with every change."""
        return self._reader.fresh().ring.sequence

    @property
    def max_lifetime(self) -> int:
        """The longest lifetime of a token that may be signed, in seconds."""
        return self._reader.state.ring.max_lifetime

    @property
    def publish_wait(self) -> int:
        """How long after its publication a key may sign, in seconds."""
        return self._reader.state.ring.publish_wait

    @property
    def drain_wait(self) -> int:
        """How long after its retirement a key may be removed, in seconds."""
        return self._reader.state.ring.drain_wait

    @property
    def keys(self) -> tuple[RingKey, ...]:
        """Every key of the ring, without secrets; those removed and revoked among them."""
        return self._reader.fresh().ring.keys

    @property
    def exported(self) -> int | None:
        """The sequence of the document last written by `export`, or None."""
        return self._reader.fresh().ring.exported

    @property
    def leftovers(self) -> list[str]:
        """The names of PEM files that the ring knows nothing of, such as a crash may leave."""
        return self._folder.leftovers(self._reader.fresh().ring)

    def next_step(self, kid: str) -> Step:
        """Return what may be done next with a key, and from when on.

        Raises:
            KeyRingError: the ring has no such key.
        """
        ring = self._reader.fresh().ring
        return next_step(ring, ring.get(kid))

    def current(self) -> SigningKey:
        """Return the key that signs now: ask anew for each token, and take alg, kid and signature from one answer.

        Raises:
            KeyRingError: no key is active, or its PEM cannot be read.
        """
        return self._reader.current(self._clock)

    @property
    def alg(self) -> str:
        """The algorithm of the current key."""
        return self.current().alg

    @property
    def kid(self) -> str:
        """The id of the current key."""
        return self.current().kid

    def sign(self, signing_input: bytes, /) -> bytes:
        """Return the current key's signature over `signing_input`."""
        return self.current().sign(signing_input)

    def add(
        self,
        alg: str = DEFAULT_ALGORITHM,
        *,
        expires: int | timedelta | None = None,
        key: SigningKey | None = None,
    ) -> RingKey:
        """Publish a new key, which signs nothing until it is activated.

        Args:
            alg: the algorithm to make a key for.
            expires: when receivers stop taking it: a NumericDate, or a time from now. None for never.
            key: a key to take into the ring instead of a new one; `alg` then does not count.

        Raises:
            InvalidKeyError: no such algorithm.
            KeyRingError: the ring cannot take it, or cannot be written.
        """
        now = self._clock()
        made = make_key(alg, expires, key, now)
        return self._change(lambda ring: changes.add(ring, made.public, now), made).get(made.kid)

    def activate(self, kid: str, *, dangerously_skip_wait: bool = False) -> None:
        """Sign with this key from now on; the one that was active is retired by the same change.

        Args:
            kid: of a published key, or of a retired one, to go back to it.
            dangerously_skip_wait: do it though receivers may not know the key yet. Those
                refuse its tokens until they have read the document again.

        Raises:
            KeyRingError: with `code` `key_ring_wait` and `wait`, when it is too early.
        """
        now = self._clock()
        self._change(lambda ring: changes.activate(ring, kid, now, skip_wait=dangerously_skip_wait))

    def retire(self, kid: str, *, dangerously_stop_signing: bool = False) -> None:
        """Sign with this key no more. A published key that receivers know takes over.

        `activate` of a successor does this too; `retire` is for when it does not matter which.

        Args:
            kid: of the active key, or of a published one that shall never sign.
            dangerously_stop_signing: do it though no other key may sign now.

        Raises:
            KeyRingError: nothing could take over, or the key signs nothing.
        """
        now = self._clock()
        self._change(lambda ring: changes.retire(ring, kid, now, stop_signing=dangerously_stop_signing))

    def remove(self, kid: str, *, dangerously_skip_wait: bool = False) -> None:
        """Take a key out of the document, and delete its private half.

        Args:
            kid: of a retired key, or of a published one.
            dangerously_skip_wait: do it though its tokens may be on their way; those are refused.

        Raises:
            KeyRingError: with `code` `key_ring_wait` and `wait`, when it is too early.
        """
        now = self._clock()
        self._change(lambda ring: changes.remove(ring, kid, now, skip_wait=dangerously_skip_wait))

    def revoke(self, kid: str, reason: str) -> None:
        """Withdraw a key at once, whatever its stage, and delete its private half.

        Receivers refuse it as soon as they have read the document, and go on refusing it.
        If it was active, the published key that receivers have known longest takes over;
        if there is none, nothing can be signed until another key is activated.

        Args:
            kid: of any key of the ring, a removed one included.
            reason: a text that everybody can read, such as `compromised`.

        Raises:
            KeyRingError: no such key, or the ring cannot be written.
        """
        now = self._clock()
        self._change(lambda ring: changes.revoke(ring, kid, reason, now))

    def document(self) -> DirectoryDocument:
        """Return the document that receivers should read now: published, active and retired keys, and what is revoked.

        Raises:
            KeyRingError: receivers would refuse it.
        """
        return self._reader.document()

    def export(self, path: str | os.PathLike[str]) -> DirectoryDocument:
        """Write the document to a file, atomically, and note that receivers can see it.

        From the first export on, a key counts as published when it was first exported.

        Raises:
            KeyRingError: the file there is of a later sequence or another issuer.
            OSError: it cannot be written.
        """
        folder = self._folder
        with folder.locked():
            before = folder.parse(folder.read())
            document = document_of(before)
            check_target(path, document)
            document.write(path)
            after = changes.exported(before, self._clock())
            if after.exported != before.exported:
                folder.commit(before, after)
            self._reader.adopt()
        return document

    def _change(self, change: Callable[[Ring], Ring], new: SigningKey | None = None) -> Ring:
        """Change what is on the disk now, not what was last read."""
        folder = self._folder
        with folder.locked():
            before = folder.parse(folder.read())
            after = change(before)
            # What receivers would refuse must not be written.
            document_of(after)
            folder.commit(before, after, new)
            self._reader.adopt()
        return after

    def __repr__(self) -> str:
        return f"KeyRing({str(self.path)!r}, {self.issuer!r})"
