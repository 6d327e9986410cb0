"""Read key directory documents from a file, or from a folder of them."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from signedmsg._jose.jwks import MAX_DOCUMENT_SIZE
from signedmsg.errors import KeyDirectoryError

if TYPE_CHECKING:
    from pathlib import Path

MAX_DOCUMENTS = 64


def read_documents(path: Path) -> tuple[bytes, ...]:
    """Return the bytes of a file, or of every `*.json` file of a folder, in the order of their names.

    Raises:
        KeyDirectoryError: something is missing, unreadable, or no regular file, or the folder is empty.
    """
    try:
        if not path.is_dir():
            return (_read(path),)
        # Not `glob`, which takes a folder that it may not list for an empty one.
        found = sorted(path / name for name in os.listdir(path) if name.endswith(".json"))  # noqa: PTH208
        # An empty folder is what a lost mount leaves behind; who revokes everything writes `{"keys": []}`.
        if not found:
            raise KeyDirectoryError(f"{path}: no document (*.json) in this folder")
        if len(found) > MAX_DOCUMENTS:
            raise KeyDirectoryError(f"{path}: more than {MAX_DOCUMENTS} documents")
        return tuple(_read(one) for one in found)
    except OSError as error:
        raise KeyDirectoryError(f"{path}: {error.strerror or type(error).__name__}") from error


def _read(path: Path) -> bytes:
    # Opening a FIFO would wait for its writer, and a device might never end.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise KeyDirectoryError(f"{path}: not a regular file")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(MAX_DOCUMENT_SIZE + 1)
    finally:
        os.close(descriptor)
