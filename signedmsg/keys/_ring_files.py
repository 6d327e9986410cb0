"""A key ring's folder: `ring.json` and one PEM a key, written so that a crash at any moment loses nothing.

A change writes a new key's PEM first, then `ring.json` in one step, and deletes the PEM
of a removed key last. So `ring.json` never names a key whose PEM is not there; what a
crash leaves behind is a draft or a PEM that nothing names.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from signedmsg._core.ring import LIVE
from signedmsg._core.ring_file import MAX_RING_SIZE, dump_ring, parse_ring
from signedmsg._jose import pem
from signedmsg._jose.jwk import PublicKey
from signedmsg.errors import InvalidKeyError, KeyRingError
from signedmsg.keys.publish import sync_folder
from signedmsg.keys.signing import SigningKey

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from signedmsg._core.ring import Ring, RingKey

RING: Final = "ring.json"
_MAX_PEM: Final = 64 * 1024
_LOCK_TIMEOUT: Final = 10.0


class Disk:
    """The steps that change a folder, one system call each, so that a test can end a process before any of them."""

    def create(self, path: Path, content: bytes, mode: int) -> None:
        """Make a file that is not there yet, and bring it to the disk."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            # Whatever the umask.
            path.chmod(mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def replace(self, draft: Path, path: Path) -> None:
        """Put a file in the place of another, at once."""
        draft.replace(path)

    def unlink(self, path: Path) -> None:
        """Delete a file, if it is there."""
        path.unlink(missing_ok=True)

    def sync(self, folder: Path) -> None:
        """Bring a folder's names to the disk."""
        sync_folder(folder)


class RingFolder:
    """Reads and writes one ring's folder. Reading needs no lock; `change` takes it."""

    def __init__(self, path: str | os.PathLike[str], disk: Disk) -> None:
        self.path = Path(path).absolute()
        self.ring_file = self.path / RING
        self._disk = disk

    def create(self, ring: Ring) -> None:
        """Make the folder, where it is missing, and the ring in it."""
        try:
            self.path.mkdir(mode=0o700, exist_ok=True)
            self._disk.sync(self.path.parent)
            with self.locked():
                if self.ring_file.exists():
                    raise KeyRingError(f"{self.ring_file}: there is a ring already, and it is never overwritten")
                self._write_ring(ring)
        except OSError as error:
            raise _failed(self.path, error) from error

    def read(self) -> bytes:
        """Return `ring.json`, whole: it is only ever replaced.

        Raises:
            KeyRingError: it cannot be read.
        """
        try:
            with self.ring_file.open("rb") as file:
                return file.read(MAX_RING_SIZE + 1)
        except FileNotFoundError:
            raise KeyRingError(
                f"{self.path} is no key ring: it has no {RING}", hint="`signedmsg keys init` makes one"
            ) from None
        except OSError as error:
            raise _failed(self.ring_file, error) from error

    def parse(self, written: bytes) -> Ring:
        """Return the ring that a file holds, or raise `KeyRingError` with the file's name."""
        try:
            return parse_ring(written)
        except KeyRingError as error:
            raise KeyRingError(
                f"{self.ring_file} is damaged: {error}",
                hint="nothing was changed; restore it from a copy, with a sequence higher than any published",
            ) from None

    @contextmanager
    def locked(self) -> Generator[None]:
        """Let one process, and one thread, at a time change the ring."""
        with _lock(self.path):
            yield

    def commit(self, before: Ring, after: Ring, new: SigningKey | None = None) -> None:
        """Write a change, the lock being held: the new key, the ring, and then what is no longer needed."""
        try:
            self._clear(before)
            if new is not None:
                self._write_pem(new, _password(after))
            self._write_ring(after)
            self._clear(after)
        except OSError as error:
            raise _failed(self.path, error) from error

    def _write_pem(self, key: SigningKey, password: str | None) -> None:
        path = self.pem_file(key.public)
        # Left over from a change that a crash ended: nothing names it, and it is this key's.
        self._disk.unlink(path)
        draft = self._draft(path.name)
        self._disk.create(draft, key.to_pem(password).encode("ascii"), 0o600)
        self._disk.replace(draft, path)
        # Before ring.json names it, it must be there to stay.
        self._disk.sync(self.path)

    def _write_ring(self, ring: Ring) -> None:
        draft = self._draft(RING)
        # No secret is in it, and a web server of another user may read it.
        self._disk.create(draft, dump_ring(ring), 0o644)
        self._disk.replace(draft, self.ring_file)
        self._disk.sync(self.path)

    def _draft(self, name: str) -> Path:
        return self.path / f".{name}.{secrets.token_hex(8)}"

    def _clear(self, ring: Ring) -> None:
        """Delete drafts, and the private keys of removed and revoked keys; a PEM that nothing names stays."""
        for draft in (*self.path.glob(f".{RING}.*"), *self.path.glob(".key-*.pem.*")):
            self._disk.unlink(draft)
        for key in ring.keys:
            path = self.pem_file(key.public)
            if key.stage not in LIVE and path.exists():
                self._disk.unlink(path)

    def pem_file(self, public: PublicKey) -> Path:
        """Return where a key's secret is: by its thumbprint, since a kid may hold a slash."""
        return self.path / f"key-{public.thumbprint}.pem"

    def leftovers(self, ring: Ring) -> list[str]:
        """Return the names of private keys that the ring knows nothing of."""
        named = {self.pem_file(key.public).name for key in ring.keys}
        return sorted(path.name for path in self.path.glob("key-*.pem") if path.name not in named)

    def load(self, ring: Ring, key: RingKey) -> SigningKey:
        """Return the private half of a key.

        Raises:
            KeyRingError: it cannot be read, or is another key's.
        """
        path, public = self.pem_file(key.public), key.public
        try:
            _check_mode(path)
            with path.open("rb") as file:
                private = pem.load_private(file.read(_MAX_PEM), _password(ring))
            found = PublicKey(private.public_key(), alg=public.alg, kid=public.kid)
        except InvalidKeyError as error:
            raise KeyRingError(f"{path}: {error}", hint=_password_hint(ring)) from None
        except OSError as error:
            raise _failed(path, error) from error
        if found.thumbprint != public.thumbprint:
            raise KeyRingError(f"{path} holds another key than the one of its name")
        return SigningKey(private, public)


def _check_mode(path: Path) -> None:
    # A group may read it, since that is how some platforms hand secrets to a service; everybody may not.
    if sys.platform != "win32" and path.stat().st_mode & 0o007:
        raise KeyRingError(f"{path} is open to every user of this machine", hint=f"chmod 600 {path}")


def _password(ring: Ring) -> str | None:
    if ring.password_env is None:
        return None
    value = os.environ.get(ring.password_env)
    if not value:
        raise KeyRingError(f"the environment variable {ring.password_env} with the ring's password is not set")
    return value


def _password_hint(ring: Ring) -> str | None:
    return (
        None if ring.password_env is None else f"the password is that in the environment variable {ring.password_env}"
    )


def _failed(path: Path, error: OSError) -> KeyRingError:
    where = error.filename or path
    return KeyRingError(f"{where}: {error.strerror or type(error).__name__}")


@contextmanager
def _lock(folder: Path) -> Generator[None]:
    """Lock the folder itself, since a lock file could be deleted; Windows can lock files only."""
    if sys.platform == "win32":
        with _windows_lock(folder):
            yield
        return
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _wait_for(lambda: fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB), folder)
        yield
    finally:
        # Unlocked by name, because a child that was forked meanwhile shares the descriptor.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


@contextmanager
def _windows_lock(folder: Path) -> Generator[None]:
    if sys.platform != "win32":
        raise NotImplementedError
    import msvcrt

    with (folder / "ring.lock").open("wb") as file:
        _wait_for(lambda: msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1), folder)
        yield


def _wait_for(lock: Callable[[], object], folder: Path) -> None:
    deadline = time.monotonic() + _LOCK_TIMEOUT
    while True:
        try:
            lock()
        except (BlockingIOError, PermissionError):
            if time.monotonic() >= deadline:
                raise KeyRingError(f"another process is changing the ring {folder}") from None
            time.sleep(0.01)
        else:
            return
