"""What the development server reads from: bounded by a deadline, by the size of a head, by the length of a body."""

from __future__ import annotations

import http.client
import io
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import socket

    from _typeshed import WriteableBuffer

MAX_HEAD: Final = 32 * 1024


class Connection(io.RawIOBase):
    """A socket's input that ends at a deadline, however slowly its bytes drip in."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._ends = 0.0

    def within(self, seconds: float) -> None:
        """Set the deadline."""
        self._ends = time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


class HeadLimited(io.BufferedReader):
    """Input whose lines, the head of a request, may have so many bytes in all."""

    head_left = MAX_HEAD

    def readline(self, _size: int | None = -1, /) -> bytes:
        line = super().readline(self.head_left + 1)
        self.head_left -= len(line)
        if self.head_left < 0:
            raise http.client.HTTPException("the head of the request is too large")
        return line


class Body(io.RawIOBase):
    """The body of one request: it ends where its Content-Length says."""

    def __init__(self, file: io.BufferedReader, length: int) -> None:
        self._file = file
        self.left = length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer)
        chunk = self._file.read1(min(len(view), self.left)) if self.left else b""
        view[: len(chunk)] = chunk
        self.left = self.left - len(chunk) if chunk else 0
        return len(chunk)
