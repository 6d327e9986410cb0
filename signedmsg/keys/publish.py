"""A sender's key directory document, fixed: to be served, or written to a file for a CDN or a bucket."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from signedmsg._core.policy import between, check
from signedmsg._core.publish import MAX_AGE, WELL_KNOWN_PATH, Revocation, answer_document, entity_tag, write_document

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from signedmsg._core.answers import Answer
    from signedmsg._jose.jwks import JWKSet

__all__ = ["WELL_KNOWN_PATH", "DirectoryDocument", "Revocation"]

_WORLD_READABLE: Final = 0o644


class DirectoryDocument:
    """What receivers read: an issuer's public keys, numbered. Immutable.

    Args:
        keys: the public keys, in a `JWKSet`.
        issuer: whose keys they are: the `iss` of the tokens.
        sequence: the document's number, which never goes down; one higher with every change.
        revoked: `(kid, revoked_at, reason)` of each key that is withdrawn; `revoked_at` in
            Unix seconds, `reason` a text for everybody, or None.
        max_age: for how long caches and receivers may keep it, in seconds (60 to 3600).

    Attributes:
        content: the document's bytes, a JWK Set (RFC 7517) with `issuer` and `sequence`.
        etag: its entity tag, the same on every host that serves these bytes.

    Raises:
        TypeError, ValueError: a receiver would refuse it.
    """

    __slots__ = ("content", "etag", "issuer", "max_age", "sequence")

    content: bytes
    etag: str
    issuer: str
    max_age: int
    sequence: int

    def __init__(
        self,
        keys: JWKSet,
        *,
        issuer: str,
        sequence: int,
        revoked: Iterable[Revocation | tuple[str, int, str | None]] = (),
        max_age: int = MAX_AGE,
    ) -> None:
        check((between("max_age", max_age, 60, 3600, "seconds"),))
        entries = [Revocation(*one) for one in revoked]
        content = write_document(keys, issuer=issuer, sequence=sequence, revoked=entries)
        values = {"content": content, "etag": entity_tag(content), "issuer": issuer}
        for name, value in {**values, "max_age": int(max_age), "sequence": sequence}.items():
            object.__setattr__(self, name, value)

    def answer(self, method: str, if_none_match: Sequence[str] = ()) -> Answer:
        """Return status, headers and body for a request, whatever the framework.

        Args:
            method: of the request; all but GET and HEAD get a 405.
            if_none_match: the values of that header field, as many as there are.
        """
        return answer_document(
            self.content, self.etag, max_age=self.max_age, method=method, if_none_match=if_none_match
        )

    def write(self, path: str | os.PathLike[str]) -> None:
        """Replace a file with the document: a reader sees the old one or the new one, never half of it.

        Raises:
            OSError: it could not be written; the old file is as it was.
        """
        write_public(Path(path), self.content)

    def __repr__(self) -> str:
        return f"<DirectoryDocument of {self.issuer!r}, sequence {self.sequence}>"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a document is immutable")


def write_public(path: Path, content: bytes) -> None:
    """Replace a file that everybody may read, atomically and durably."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _WORLD_READABLE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # Whatever the umask: a web server of another user reads it.
        draft.chmod(_WORLD_READABLE)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in a folder outlive a power cut, where the system can."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
